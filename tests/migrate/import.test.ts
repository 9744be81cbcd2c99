// f2b import as one types it: fixtures over Debian's stock directory go in, the written configuration is loaded by f2b itself and
// compared setting by setting with what the real fail2ban resolves.

import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { importCommand } from "../../src/commands/import.ts";
import { loadConfig } from "../../src/config/index.ts";
import type { Jail } from "../../src/core/domain.ts";
import { openJournal } from "../../src/journal/journal.ts";
import type { Report } from "../../src/migrate/report.ts";
import { str2sec } from "../../src/migrate/times.ts";
import { realSystem } from "../../src/system/real.ts";
import { hasFail2ban, reference } from "./support/compare.ts";

const stock = "/etc/fail2ban";
if (!hasFail2ban && process.env.CI !== undefined) throw new Error("fail2ban is needed for these tests in CI");
const withFail2ban = test.skipIf(!hasFail2ban);

const made: string[] = [];
afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true });
});

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "f2b-import-test-"));
  made.push(directory);
  return directory;
}

function laidOver(fixture: string): string {
  const directory = temporary();
  cpSync(stock, directory, { recursive: true });
  rmSync(join(directory, "jail.d"), { recursive: true, force: true });
  cpSync(join(import.meta.dir, "fixtures", fixture), directory, { recursive: true });
  return directory;
}

const system = realSystem({ say: () => {} });

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(
  words: readonly string[],
  flags: Readonly<Record<string, string | boolean>>,
  json = false,
): Promise<Run> {
  let out = "";
  let err = "";
  const code = await importCommand.run({
    words,
    flags: { "no-bans": true, ...flags },
    config: undefined,
    socket: undefined,
    json,
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: {},
    stdin: process.stdin,
    stdout: process.stdout,
    system,
  });
  return { code, out, err };
}

async function imported(
  directory: string,
): Promise<{ report: Report; jails: ReadonlyMap<string, Jail>; output: string; code: number }> {
  const output = temporary();
  const { code, out, err } = await run([directory], { output }, true);
  expect(err).toBe("");
  const loaded = loadConfig({ path: join(output, "f2b.toml"), system, saved: false });
  if (!loaded.ok)
    throw new Error(loaded.faults.map((fault) => `${fault.at?.line}: ${fault.what}`).join("\n"));
  expect(loaded.value.broken).toEqual([]);
  return {
    report: JSON.parse(out) as Report,
    jails: new Map(loaded.value.jails.map((jail) => [jail.name, jail])),
    output,
    code,
  };
}

/** Settings of fail2ban that must hold in f2b; `usual` is what fail2ban takes when nothing is said or what is said is wrong. */
function differs(jail: Jail, theirs: Readonly<Record<string, unknown>>): string[] {
  const out: string[] = [];
  const check = (what: string, ours: unknown, wanted: unknown) => {
    if (JSON.stringify(ours) !== JSON.stringify(wanted))
      out.push(`${jail.name} ${what}: f2b ${JSON.stringify(ours)}, fail2ban ${JSON.stringify(wanted)}`);
  };
  const seconds = (key: string): unknown => {
    const value = theirs[key];
    const sec = typeof value === "number" ? value : str2sec(String(value));
    return sec === undefined ? undefined : sec < 0 ? "forever" : sec;
  };
  if (typeof theirs.maxretry === "number") check("maxretry", jail.maxretry, theirs.maxretry);
  if (typeof theirs.maxmatches === "number") check("maxmatches", jail.maxmatches, theirs.maxmatches);
  if (theirs.usedns !== undefined) check("usedns", jail.usedns, theirs.usedns);
  if (seconds("findtime") !== undefined) check("findtime", jail.findtime, seconds("findtime"));
  if (seconds("bantime") !== undefined) check("bantime", jail.bantime.base, seconds("bantime"));
  if (theirs["bantime.increment"] === true) {
    check("increment", jail.bantime.increment, true);
    if (seconds("bantime.maxtime") !== undefined)
      check("maxtime", jail.bantime.maxtime, seconds("bantime.maxtime"));
    if (seconds("bantime.rndtime") !== undefined)
      check("rndtime", jail.bantime.rndtime, seconds("bantime.rndtime"));
    if (theirs["bantime.factor"] !== undefined)
      check("factor", jail.bantime.factor, Number(theirs["bantime.factor"]));
    check("overalljails", jail.bantime.overalljails, theirs["bantime.overalljails"] === true);
    const multipliers = theirs["bantime.multipliers"];
    if (typeof multipliers === "string" && multipliers !== "")
      check("multipliers", jail.bantime.multipliers, multipliers.split(" ").map(Number));
  }
  check("ignoreself", jail.ignore.ignoreself, theirs.ignoreself !== false);
  const ignored = ((theirs.addignoreip as string[] | undefined) ?? []).filter((word) => /[.:]/.test(word));
  check("ignoreip", [...jail.ignore.ignoreip], [...new Set(ignored)]);
  const paths = ((theirs.addlogpath as string[][] | undefined) ?? []).map(([path]) => path);
  for (const path of paths) {
    const covered = jail.logpath.some((pattern) => new Bun.Glob(pattern).match(path!));
    if (!covered && jail.backend !== "events") out.push(`${jail.name} does not read ${path}`);
  }
  return out;
}

const fixtures = [
  "odd-port",
  "recidive",
  "nextcloud",
  "proxy-docker",
  "mailserver",
  "telegram",
  "cloudflare",
  "ipset",
  "systemd",
  "ignore-comments",
  "layers",
  "shared-views",
];

describe("every fixture becomes a configuration that f2b loads, with fail2ban's settings", () => {
  for (const fixture of fixtures) {
    withFail2ban(fixture, async () => {
      const directory = laidOver(fixture);
      const { jails, report } = await imported(directory);
      const theirs = reference(directory);
      expect([...jails.keys()].toSorted()).toEqual(Object.keys(theirs.jails).toSorted());
      const different = [...jails].flatMap(([name, jail]) => differs(jail, theirs.jails[name]!));
      expect(different).toEqual([]);
      expect(report.checks).toEqual([]);
    });
  }
});

describe("what the fixtures are about", () => {
  withFail2ban("odd-port: both ports, the mode", async () => {
    const { jails } = await imported(laidOver("odd-port"));
    const sshd = jails.get("sshd")!;
    expect(sshd.port).toEqual([
      { from: 2222, to: 2222 },
      { from: 22, to: 22 },
    ]);
    expect(sshd.mode).toBe("aggressive");
  });

  withFail2ban(
    "recidive reads f2b's own bans on all ports; fail2ban's documented formulas have names, a program is told",
    async () => {
      const directory = laidOver("recidive");
      const program = "[monit]\nbantime.multipliers =\nbantime.formula = ban.Time * ban.Count**2\n";
      writeFileSync(join(directory, "jail.d/20-program.local"), program);
      const { jails, report } = await imported(directory);
      expect(jails.get("recidive")).toMatchObject({ backend: "events", port: "all", maxretry: 3 });
      expect(jails.get("dropbear")?.bantime.formula).toBe("exponential");
      const faults = (name: string) => report.jails.find((jail) => jail.name === name)!.faults;
      expect(faults("dropbear")).toEqual([]);
      expect(faults("monit")).toMatchObject([
        { what: expect.stringContaining("bantime.formula"), at: "jail.d/20-program.local:3" },
      ]);
    },
  );

  withFail2ban("a reference to nothing is told in whatever option it stands", async () => {
    const directory = laidOver("recidive");
    const text = "[sshd]\nignorecommand = %(scripts)s/mine <ip>\nport = %(sshports)s\n";
    writeFileSync(join(directory, "jail.d/20-nothing.local"), text);
    const { report, jails } = await imported(directory);
    expect(jails.get("sshd")?.port).toEqual([{ from: 22, to: 22 }]);
    expect(report.jails.find((jail) => jail.name === "sshd")!.faults).toMatchObject([
      { what: expect.stringContaining("%(sshports)s"), at: "jail.d/20-nothing.local:3" },
      { what: expect.stringContaining("%(scripts)s"), at: "jail.d/20-nothing.local:2" },
    ]);
  });

  withFail2ban("recidive listens to f2b wherever fail2ban wrote its own log", async () => {
    for (const text of [
      "[DEFAULT]\nbackend = systemd\n",
      "[Definition]\nlogtarget = SYSLOG\n",
      "[recidive]\nbackend = systemd\nfilter = recidive[_jailname=again]\n",
    ]) {
      const directory = laidOver("recidive");
      const file = text.startsWith("[Definition]") ? "fail2ban.local" : "jail.local";
      writeFileSync(join(directory, file), text);
      const { jails, report } = await imported(directory);
      expect([text, jails.get("recidive")?.backend]).toEqual([text, "events"]);
      expect(report.jails.find((jail) => jail.name === "recidive")?.faults).toEqual([]);
    }
  });

  withFail2ban("what all jails have from one line of [DEFAULT] is said once", async () => {
    const directory = laidOver("recidive");
    writeFileSync(join(directory, "jail.local"), "[DEFAULT]\nignoreip = 192.0.2.1 # office\n");
    const { code, out } = await run([directory], { "dry-run": true });
    expect(out.match(/# office/g)).toHaveLength(1);
    expect(out).toContain(
      "NOT CARRIED OVER jail.local:2: ignoreip holds words that are no addresses: # office",
    );
    expect(code).toBe(1);
  });

  withFail2ban(
    "an own filter by which a stranger can choose who is banned is told, an anchored one is not",
    async () => {
      const directory = laidOver("odd-port");
      writeFileSync(
        join(directory, "jail.local"),
        "[own]\nenabled = true\nfilter = own\nlogpath = /var/log/own.log\n",
      );
      const failregex = "failregex = ^user .* from <HOST>\n            ^bad .* from <HOST>$\n";
      writeFileSync(join(directory, "filter.d/own.conf"), `[Definition]\n${failregex}`);
      const { report } = await imported(directory);
      const { differs } = report.jails.find((jail) => jail.name === "own")!;
      expect(differs).toMatchObject([{ what: expect.stringContaining("F2B209"), at: "filter.d/own.conf:2" }]);
    },
  );

  withFail2ban(
    "what shuts out by a web request or a kernel's timeout is a banaction, what tells is none",
    async () => {
      const directory = laidOver("odd-port");
      const action = (name: string, ban: string, unban: string): void =>
        writeFileSync(
          join(directory, `action.d/${name}.conf`),
          `[Definition]\nactionban = ${ban}\nactionunban = ${unban}\n`,
        );
      action(
        "provider",
        "curl -X POST https://fw.example/rules/<ip>",
        "curl -X DELETE https://fw.example/rules/<ip>",
      );
      action("timed", "ipset add bad <ip> timeout <bantime>", "");
      action(
        "chat",
        "curl https://hooks.mattermost.example/x -d <ip>",
        "curl https://hooks.mattermost.example/x -d free",
      );
      const jail = (name: string): string =>
        `[${name}]\nenabled = true\nfilter = sshd\nlogpath = /var/log/auth.log\naction = ${name}\n`;
      const smtp = "smtp.py[host=mail.example.org:25, sender=f2b@example.org, dest=ops@example.org]";
      writeFileSync(
        join(directory, "jail.local"),
        ["provider", "timed", "chat"].map(jail).join("") +
          `[smtp]\nenabled = true\nfilter = sshd\nlogpath = /var/log/auth.log\naction = ${smtp}\n`,
      );
      const { jails, output } = await imported(directory);
      const used = (name: string) => jails.get(name)?.banaction.map((use) => use.name);
      expect([used("provider"), used("timed"), used("chat")]).toEqual([["command"], ["command"], ["print"]]);
      expect(jails.get("timed")?.banaction[0]?.options).toMatchObject({ unban: ":" });
      const text = readFileSync(join(output, "f2b.toml"), "utf8");
      expect(text).toContain('to = ["ops@example.org"]\nfrom = "f2b@example.org"\nhost = "mail.example.org"');
    },
  );

  withFail2ban("a log of another host's fail2ban stays a log", async () => {
    const directory = laidOver("recidive");
    writeFileSync(join(directory, "jail.local"), "[recidive]\nlogpath = /srv/web2/fail2ban.log\n");
    const { jails } = await imported(directory);
    expect(jails.get("recidive")).toMatchObject({ backend: "auto", logpath: ["/srv/web2/fail2ban.log"] });
  });

  withFail2ban(
    "nextcloud: the translated filter finds the failed login in the real log and keeps it as a sample",
    async () => {
      const { report, output } = await imported(laidOver("nextcloud"));
      expect(report.jails[0]!.logs).toMatchObject([{ lines: 2, matched: 1, hosts: 1 }]);
      expect(readFileSync(join(output, "jails/nextcloud.toml"), "utf8")).toContain('host = "203.0.113.20"');
    },
  );

  withFail2ban("proxy-docker: the chain in front of the containers, globs kept", async () => {
    const { jails, report } = await imported(laidOver("proxy-docker"));
    const jail = jails.get("npm-docker")!;
    expect(jail.chain).toEqual(["DOCKER-USER"]);
    expect(jail.logpath[0]).toEndWith("proxy-host-*_access.log");
    expect(report.jails[0]!.logs[0]).toMatchObject({ lines: 2, matched: 1 });
  });

  withFail2ban("mailserver: mail shortcuts become notifications, one for each form", async () => {
    const { jails, output } = await imported(laidOver("mailserver"));
    const text = readFileSync(join(output, "f2b.toml"), "utf8");
    expect(text).toContain('form = "whois-lines"');
    expect(text).toContain('form = "whois"');
    expect(jails.get("postfix")!.notify).not.toEqual(jails.get("postfix-sasl")!.notify);
    expect(jails.get("dovecot")!.notify).toEqual([]);
  });

  withFail2ban(
    "telegram: a messenger becomes ours, other commands get values from the environment only",
    async () => {
      const { output, report, code } = await imported(laidOver("telegram"));
      const text = readFileSync(join(output, "f2b.toml"), "utf8");
      expect(text).toContain('type = "telegram"');
      expect(text).toContain('token = "123456:ABC-DEF_ghijkl"');
      expect(text).toContain(`{"ip":"'"\${F2B_ADDRESS}"'","user":"'"\${F2B_USER}"'"}`);
      expect(text).toContain(`/usr/local/sbin/box del sshd "\${F2B_IP}"`);
      expect(text).not.toMatch(/^[^#\n]*<(?:ip|matches|F-USER)>/m);
      expect(report.jails[0]!.faults[0]).toMatchObject({ at: "action.d/blackbox.conf:4" });
      expect(code).toBe(1);
    },
  );

  withFail2ban("systemd: the head of the line is read by f2b, untrusted fields are told", async () => {
    const { jails, report } = await imported(laidOver("systemd"));
    expect(jails.get("myapp")).toMatchObject({
      backend: "systemd",
      journalmatch: ["_SYSTEMD_UNIT=myapp.service"],
    });
    expect(jails.get("myapp")!.filter).toMatchObject({
      format: "syslog",
      failregex: ["^login of <F-USER>\\S+</F-USER> failed from <ADDR>(?::\\d+)?$", "^bad token from <ADDR>$"],
    });
    expect(report.jails.find((jail) => jail.name === "myapp")!.faults[0]!.what).toContain(
      "SYSLOG_IDENTIFIER",
    );
  });

  withFail2ban("ignore-comments: words of a would-be comment are told, its addresses kept", async () => {
    const { jails, report } = await imported(laidOver("ignore-comments"));
    expect(jails.get("sshd")!.ignore.ignoreip).toEqual(["127.0.0.1/8", "::1", "192.0.2.7", "192.0.2.8"]);
    const faults = report.jails.find((jail) => jail.name === "sshd")!.faults;
    expect(faults.map((fault) => fault.at)).toEqual(["jail.local:4"]);
    expect(report.faults.map((fault) => fault.at)).toEqual(["jail.local:3"]);
  });

  withFail2ban("layers: an added line stays an addition to f2b's own filter", async () => {
    const { jails } = await imported(laidOver("layers"));
    expect(jails.get("sshd")!.filter.failregex.at(-1)).toBe(
      "^Corporate gateway refused <F-USER>\\S+</F-USER> from <HOST>$",
    );
    expect(jails.get("sshd")!.filter.failregex.length).toBeGreaterThan(5);
  });

  withFail2ban(
    "broken-jail: what is broken is named with its place, the rest is there and runs",
    async () => {
      const { jails, report, code } = await imported(laidOver("broken-jail"));
      expect(code).toBe(1);
      expect(jails.has("sshd")).toBe(true);
      expect(jails.has("ghost")).toBe(false);
      const places = report.jails.flatMap((jail) => jail.faults.map((fault) => fault.at));
      for (const at of [
        "jail.local:7",
        "jail.local:13",
        "jail.local:19",
        "filter.d/badregex.conf:3",
        "filter.d/badregex.conf:4",
        "jail.local:21",
      ])
        expect(places).toContain(at);
      expect(jails.get("pythonic")!.filter.failregex).toEqual(["^good <HOST>$"]);
    },
  );

  for (const fixture of ["syntax-errors", "duplicate-keys"]) {
    withFail2ban(
      `${fixture}: what fail2ban refuses as a whole is imported as far as it can be read`,
      async () => {
        const { jails, report, code } = await imported(laidOver(fixture));
        expect(code).toBe(1);
        expect([...jails.keys()]).toEqual(["sshd"]);
        expect(report.faults.every((fault) => fault.at !== undefined && fault.fix !== undefined)).toBe(true);
      },
    );
  }
});

describe("Debian's own directory", () => {
  withFail2ban("with every jail enabled imports without an untranslated expression", async () => {
    const directory = temporary();
    cpSync(stock, directory, { recursive: true });
    rmSync(join(directory, "jail.d"), { recursive: true, force: true });
    writeFileSync(join(directory, "jail.local"), "[DEFAULT]\nenabled = true\n");
    const { jails, report } = await imported(directory);
    expect(report.jails.length).toBeGreaterThan(85);
    expect(jails.size).toBe(report.jails.length);
    const told = report.jails.flatMap((jail) => jail.faults.map((fault) => `${jail.name}: ${fault.what}`));
    // The one jail that opens a port instead of shutting it.
    expect(told).toEqual([expect.stringContaining("lets addresses in")]);
    expect(report.checks).toEqual([]);
    const theirs = reference(directory);
    expect([...jails].flatMap(([name, jail]) => differs(jail, theirs.jails[name]!))).toEqual([]);
  });
});

describe("the command", () => {
  withFail2ban(
    "a dry run writes nothing; a second run refuses to overwrite; --force keeps the old files",
    async () => {
      const directory = laidOver("odd-port");
      const output = join(temporary(), "etc");
      const dry = await run([directory], { output, "dry-run": true });
      expect(dry.code).toBe(0);
      expect(dry.out).toContain("becomes   f2b's own sshd in mode aggressive");
      expect(existsSync(output)).toBe(false);
      expect((await run([directory], { output })).code).toBe(0);
      const again = await run([directory], { output });
      expect(again.code).toBe(1);
      expect(again.err).toContain("--force");
      writeFileSync(join(output, "f2b.toml"), "# mine\n");
      expect((await run([directory], { output, force: true })).code).toBe(0);
      expect(readFileSync(join(output, "f2b.toml.old"), "utf8")).toBe("# mine\n");
    },
  );

  withFail2ban(
    "bans go into the journal of the daemon that will run with the new configuration",
    async () => {
      const directory = laidOver("odd-port");
      const output = temporary();
      const statedir = join(temporary(), "state");
      mkdirSync(join(output, "conf.d"));
      writeFileSync(join(output, "conf.d/state.toml"), `[daemon]\nstatedir = "${statedir}"\n`);
      const path = join(directory, "bans.sqlite3");
      const db = new Database(path, { create: true });
      const since = Math.floor(Date.now() / 1000) - 60;
      db.run(
        "CREATE TABLE bips (ip TEXT, jail TEXT, timeofban INTEGER, bantime INTEGER, bancount INTEGER, data JSON)",
      );
      db.run(`INSERT INTO bips VALUES ('192.0.2.77', 'sshd', ${since}, 3600, 2, '{}')`);
      db.close();
      const { code, out } = await run([directory], { output, database: path, "no-bans": false });
      expect(out).toContain("1 stand with the time they have left");
      expect(code).toBe(0);
      const opened = openJournal({ system, directory: statedir, dbpurgeage: "forever" });
      if (!opened.ok) throw new Error(opened.faults[0]!.what);
      const bans = [...opened.value.state.jails.values()].flatMap((jail) => [...jail.bans.values()]);
      opened.value.journal.close();
      expect(bans.map((ban) => [ban.target.text as string, ban.until, ban.nth])).toEqual([
        ["192.0.2.77", (since + 3600) * 1000, 2],
      ]);
    },
  );

  test("a directory that is none, or holds no jails, is said", async () => {
    expect((await run(["/nonexistent"], {})).code).toBe(78);
    expect((await run([temporary()], {})).code).toBe(78);
    expect((await run(["a", "b"], {})).code).toBe(64);
  });
});
