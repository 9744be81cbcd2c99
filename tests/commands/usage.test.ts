// Commands as one types them in a hurry: words too many, words that contradict each other, names that do not exist. Nothing of that may
// be passed over in silence.

import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromFail2ban } from "../../src/commands/fail2banwords.ts";
import { commands, exits } from "../../src/commands/index.ts";
import { parseWords } from "../../src/commands/parse.ts";
import { settableKeys } from "../../src/config/settings.ts";
import type { System } from "../../src/system/index.ts";
import { realSystem } from "../../src/system/real.ts";

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function typed(line: string, system: System = realSystem({ say: () => undefined })): Promise<Ran> {
  const [name = "", ...argv] = line.split(" ");
  const command = await commands[name]!.load();
  const parsed = parseWords(command, argv);
  if ("what" in parsed) return { code: exits.usage, out: "", err: `${parsed.what}\n${parsed.fix ?? ""}` };
  let out = "";
  let err = "";
  const text = (flag: string): string | undefined => {
    const value = parsed.flags[flag];
    return typeof value === "string" ? value : undefined;
  };
  const code = await command.run({
    ...parsed,
    config: text("config"),
    socket: text("socket"),
    json: parsed.flags.json === true,
    out: (some) => {
      out += some;
    },
    err: (some) => {
      err += some;
    },
    env: {},
    stdin: process.stdin,
    stdout: process.stdout,
    system,
  });
  return { code, out, err };
}

describe("words too many", () => {
  for (const line of [
    "status sshd nginx",
    "ping now",
    "get sshd maxretry findtime",
    "init here",
    "healthz all",
  ])
    test(line, async () => {
      const { code, err } = await typed(line);
      expect(code).toBe(exits.usage);
      expect(err).toContain(`"${line.split(" ").at(-1)}" is one too many`);
      expect(err).toContain(`f2b ${line.split(" ")[0]}`);
    });
});

describe("words that mean something else", () => {
  test("-= is no option but what f2b set takes away with", async () => {
    const set = await commands.set!.load();
    expect(parseWords(set, ["sshd", "ignoreip", "-=", "192.0.2.1", "--save"])).toEqual({
      words: ["sshd", "ignoreip", "-=", "192.0.2.1"],
      flags: { save: true },
    });
  });

  test("unban --all with an address lifts nobody's ban: it could mean either", async () => {
    const { code, err } = await typed("unban --all 192.0.2.1");
    expect(code).toBe(exits.usage);
    expect(err).toContain("leave out --all");
  });

  test("unban with a jail before the address, as fail2ban has it, is answered with our way", async () => {
    const { code, err } = await typed("unban sshd 192.0.2.1");
    expect(code).toBe(exits.usage);
    expect(err).toContain("f2b unban 192.0.2.1 --jail sshd");
  });

  test("a kind of event or a finding that does not exist is no empty answer", async () => {
    expect(await typed("events --kind bans")).toMatchObject({
      code: exits.usage,
      err: expect.stringContaining("did you mean ban?"),
    });
    expect(await typed("doctor --only F2B999 /dev/null")).toMatchObject({ code: exits.usage });
  });

  test("a number is no option: -1 is a length without end, wherever one is due", async () => {
    const set = await commands.set!.load();
    expect(parseWords(set, ["sshd", "bantime", "-1", "--save"])).toEqual({
      words: ["sshd", "bantime", "-1"],
      flags: { save: true },
    });
    expect(parseWords(set, ["sshd", "maxretry", "-10m"])).toEqual({
      words: ["sshd", "maxretry", "-10m"],
      flags: {},
    });
    const ban = await commands.ban!.load();
    expect(parseWords(ban, ["sshd", "192.0.2.1", "--for", "-1"])).toMatchObject({ flags: { for: "-1" } });
  });

  test("with --json also what keeps the daemon from being asked is one JSON document", async () => {
    const { code, out, err } = await typed("ping --json -s /nonexistent/f2b.sock");
    expect(code).toBe(exits.unavailable);
    expect(JSON.parse(out)).toMatchObject({ fault: { what: expect.stringContaining("cannot reach") } });
    expect(err).toContain("cannot reach");
    expect(JSON.parse((await typed("version --json -s /nonexistent/f2b.sock")).out)).toMatchObject({
      version: expect.any(String),
    });
  });

  test("a log level of the daemon that does not exist is refused, before anything is done", async () => {
    const { code, err } = await typed("daemon --dry-run --loglevel loud");
    expect(code).toBe(exits.usage);
    expect(err).toContain('"loud" is no loglevel');
  });

  test("a configuration that is not there names no daemon to ask", async () => {
    const { code, err } = await typed("status -c /nonexistent/f2b.toml");
    expect(code).toBe(exits.configuration);
    expect(err).toContain("/nonexistent/f2b.toml does not exist");
    expect(err).toContain("-s /run/f2b/f2b.sock");
  });
});

describe("fail2ban-client's words", () => {
  test("are answered with ours", () => {
    const said = (line: string) => fromFail2ban(line.split(" "));
    expect(said("set sshd banip 192.0.2.1 192.0.2.2")).toBe("f2b ban sshd 192.0.2.1 192.0.2.2");
    expect(said("set sshd unbanip --report-absent 192.0.2.1")).toBe("f2b unban 192.0.2.1 --jail sshd");
    expect(said("set sshd idle on")).toBe("f2b stop sshd");
    expect(said("get sshd banip")).toBe("f2b status sshd --all");
    expect(said("set loglevel DEBUG")).toBe("f2b set daemon loglevel DEBUG");
    expect(said("get dbpurgeage")).toBe("f2b config show");
    expect(said("-t")).toBe("f2b config check");
    expect(said("-c /etc/x.toml set sshd banip 192.0.2.1")).toBe("f2b ban sshd 192.0.2.1");
    expect(said("--socket=/run/x --json get sshd -s /run/y banip")).toBe("f2b status sshd --all");
  });

  test("never hide a setting or a command of ours", () => {
    for (const key of settableKeys) {
      expect([key, fromFail2ban(["set", "sshd", key, "1"])]).toEqual([key, undefined]);
      expect([key, fromFail2ban(["get", "sshd", key])]).toEqual([key, undefined]);
    }
    for (const name of Object.keys(commands)) expect([name, fromFail2ban([name])]).toEqual([name, undefined]);
    expect(fromFail2ban(["get", "daemon", "loglevel"])).toBeUndefined();
  });
});

describe("with a configuration", () => {
  const directory = mkdtempSync(join(tmpdir(), "f2b-usage-"));
  const path = join(directory, "f2b.toml");
  writeFileSync(path, "[jails.sshd]\nenabled = true\n");
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

  test("config show of a jail that does not exist says so", async () => {
    const { code, err } = await typed(`config show sshdd -c ${path}`);
    expect(code).toBe(exits.no);
    expect(err).toBe('f2b: there is no jail "sshdd"\n  fix: did you mean sshd?\n');
  });

  test("jails show keeps to the width of a terminal where no value is longer", async () => {
    const { out } = await typed(`jails show sshd -c ${path}`);
    const settings = out.slice(0, out.indexOf("  filter: ")).split("\n");
    expect(
      settings.filter((line) => /^ {2}(?:maxretry|findtime|bantime)\b/.test(line) && line.length > 120),
    ).toEqual([]);
    expect(out).toContain("  maxretry ");
  });

  test("replay of a log that is not there is a mistake, not an empty table", async () => {
    const { code, out, err } = await typed(`replay /nonexistent.log -c ${path}`);
    expect({ code, out }).toEqual({ code: exits.usage, out: "" });
    expect(err).toBe("f2b: /nonexistent.log is no file that can be read\n");
  });

  test("replay takes keys of tables, and says of what was typed what is wrong with it", async () => {
    const { code, err } = await typed(`replay ${path} -c ${path} --set sshd.maxretri=3`);
    expect({ code, err }).toEqual({
      code: exits.usage,
      err: 'f2b: --set: there is no key "maxretri" in [jails.sshd]\n  fix: did you mean maxretry?\n',
    });
    expect(await typed(`replay ${path} -c ${path} --set sshd.bantime.increment=true`)).toMatchObject({
      code: exits.fine,
    });
  });

  test("a service is not installed where systemd does not run", async () => {
    const real = realSystem({ say: () => undefined });
    const system: System = {
      ...real,
      files: {
        ...real.files,
        stat: (at) => (at === "/run/systemd/system" ? undefined : real.files.stat(at)),
      },
    };
    const { code, err } = await typed("service install", system);
    expect(err).toContain(process.getuid?.() === 0 ? "systemd does not run here" : "needs root");
    expect(code).not.toBe(exits.fine);
  });
});
