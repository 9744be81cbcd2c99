import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { config } from "../../src/commands/config.ts";
import { type Call, exits } from "../../src/commands/index.ts";
import { realSystem } from "../../src/system/real.ts";
import { demo } from "../config/support.ts";

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(words: readonly string[], more: Partial<Call> = {}): Promise<Ran> {
  let out = "";
  let err = "";
  const code = await config.run({
    words,
    flags: {},
    config: undefined,
    socket: undefined,
    json: false,
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: {},
    stdin: process.stdin,
    stdout: process.stdout,
    system: realSystem({ say: () => undefined }),
    ...more,
  });
  return { code, out, err };
}

/** A configuration in a directory of its own. */
function files(toml: string): { readonly path: string; readonly directory: string } & Disposable {
  const directory = mkdtempSync(join(tmpdir(), "f2b-config-"));
  mkdirSync(join(directory, "jails"));
  writeFileSync(join(directory, "jails/demo.toml"), demo);
  const path = join(directory, "f2b.toml");
  writeFileSync(path, toml);
  return { path, directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}

describe("f2b config check", () => {
  test("says that a file is fine", async () => {
    using at = files("[jails.demo]\nenabled = true\n");
    expect(await run(["check", at.path])).toEqual({ code: 0, out: `fine: ${at.path}\n`, err: "" });
  });

  test("shows each mistake with its line and ends with 78", async () => {
    using at = files("[jails.demo]\nenabled = true\nmaxretri = 3\nfindtime = true\n");
    const { code, err } = await run(["check", at.path]);
    expect(code).toBe(exits.configuration);
    expect(err).toContain(
      `${at.path}:3:1: there is no key "maxretri" in [jails.demo]\n    3 | maxretri = 3\n      | ^\n  why: what was meant is not in force\n  fix: did you mean maxretry?\n`,
    );
    expect(err).toContain(`${at.path}:4:12: `);
    expect(err).toEndWith("2 mistakes\n");
  });

  test("finds an expression that is wrong, at the place where it stands", async () => {
    using at = files("[jails.demo]\nenabled = true\nfailregex = ['^no host$']\n");
    const { code, err } = await run(["check", at.path]);
    expect(code).toBe(exits.configuration);
    expect(err).toStartWith(`${at.path}:3:14: [jails.demo] `);
  });

  test("prints the same as JSON", async () => {
    using at = files("[jails.demo]\nenable = true\n");
    const { code, out } = await run(["check", at.path], { json: true });
    expect(code).toBe(exits.configuration);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      errors: [{ at: { file: at.path, line: 2, column: 1 }, fix: "did you mean enabled?" }],
    });
  });

  test("warns of what is allowed and surely not meant", async () => {
    using at = files("[jails.demo]\nmaxretry = 3\n");
    const { code, err } = await run(["check", at.path]);
    expect([code, err.includes("warning: ")]).toEqual([0, true]);
  });
});

describe("f2b config show", () => {
  test("prints what can be pasted back, with where it comes from", async () => {
    using at = files("[defaults]\nfindtime = '1h'\n[jails.demo]\nenabled = true\n");
    const { code, out } = await run(["show", "demo"], { config: at.path });
    expect(code).toBe(0);
    expect(out).toContain(`findtime = 3600   # ${at.path}:2\n`);
    expect(out).toContain(`maxretry = 7   # ${join(at.directory, "jails/demo.toml")}:4\n`);
    expect(out).toContain("\nmaxmatches = 10\n");
  });

  test("as JSON holds every jail with fail2ban's names", async () => {
    using at = files("[jails.demo]\nenabled = true\nbantime = { base = '1h', increment = true }\n");
    const { out } = await run(["show"], { config: at.path, json: true });
    const shown = JSON.parse(out) as { jails: { name: string; settings: Record<string, unknown> }[] };
    expect(shown.jails[0]?.settings).toMatchObject({
      bantime: 3600,
      "bantime.increment": true,
      maxretry: 7,
      port: [80, "8081-8090"],
    });
  });

  test("never prints a secret", async () => {
    using at = files(
      "[jails.demo]\nenabled = true\n[notify.g]\ntype = 'gotify'\nserver = 'https://gotify.example.org'\ntoken = 'canary-12345'\n[notify.n]\ntype = 'ntfy'\ntopic = 'canary-12345'\n",
    );
    const text = await run(["show"], { config: at.path });
    const json = await run(["show"], { config: at.path, json: true });
    expect([text.code, json.code]).toEqual([0, 0]);
    expect(text.out).toContain("[notify.g]");
    expect(`${text.out}${json.out}${text.err}`).not.toContain("canary");
  });

  test("of an unknown jail suggests one that is there", async () => {
    using at = files("[jails.demo]\nenabled = true\n");
    const { code, err } = await run(["show", "dmeo"], { config: at.path });
    expect(code).toBe(exits.no);
    expect(err).toContain("did you mean demo?");
  });
});

test("f2b config default, reference and schema print something that is whole", async () => {
  const standard = await run(["default"]);
  expect(standard.out).toContain("[jails.sshd]\nenabled = true\n");
  expect((await run(["reference", "bantime"])).out).toContain("forever");
  expect(JSON.parse((await run(["reference"], { json: true })).out).length).toBeGreaterThan(80);
  expect(JSON.parse((await run(["schema"])).out)).toMatchObject({ title: "f2b configuration" });
});

test("an unknown part is answered by the nearest one", async () => {
  const { code, err } = await run(["shwo"]);
  expect([code, err]).toEqual([
    exits.usage,
    'f2b: there is no "f2b config shwo"\n  fix: did you mean show?\n',
  ]);
});

describe("f2b config edit", () => {
  /** An "editor" that puts the next of these texts into the file. */
  function editor(directory: string, ...texts: string[]): string {
    for (const [n, text] of texts.entries()) writeFileSync(join(directory, `text${n}`), text);
    const path = join(directory, "editor");
    writeFileSync(
      path,
      `#!/bin/sh\nn=$(cat "${directory}/count" 2>/dev/null || echo 0)\ncp "${directory}/text$n" "$1"\necho $((n+1)) > "${directory}/count"\n`,
      { mode: 0o755 },
    );
    return path;
  }
  const terminal = async (answers: string) => {
    const { PassThrough } = await import("node:stream");
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    const stdout = new PassThrough();
    // Each question takes one line.
    let at = 0;
    stdout.on("data", (data: Buffer) => {
      if (/\] $/.test(data.toString())) stdin.write(`${answers[at++] ?? "d"}\n`);
    });
    return { stdin: stdin as unknown as Call["stdin"], stdout: stdout as unknown as Call["stdout"] };
  };

  test("writes what is sound", async () => {
    using at = files("[jails.demo]\nenabled = false\n");
    const EDITOR = editor(at.directory, "[jails.demo]\nenabled = true\n");
    const { code } = await run(["edit"], { config: at.path, env: { EDITOR }, ...(await terminal("n")) });
    expect([code, readFileSync(at.path, "utf8")]).toEqual([0, "[jails.demo]\nenabled = true\n"]);
  });

  test("lets one edit again what is not, and leaves the file alone when that is discarded", async () => {
    using at = files("[jails.demo]\nenabled = false\n");
    const EDITOR = editor(at.directory, "[jails.demo]\nenable = true\n", "[jails.demo]\nenabld = true\n");
    const { code, err } = await run(["edit"], {
      config: at.path,
      env: { EDITOR },
      ...(await terminal("ed")),
    });
    expect([code, readFileSync(at.path, "utf8")]).toEqual([exits.no, "[jails.demo]\nenabled = false\n"]);
    expect(err).toContain(`${at.path}:2:1: there is no key "enable"`);
    expect(err).toContain('there is no key "enabld"');
  });

  test("without a terminal says what to do instead", async () => {
    using at = files("");
    const stdin = Object.assign(Object.create(null) as object, { isTTY: false }) as Call["stdin"];
    expect((await run(["edit"], { config: at.path, stdin })).code).toBe(exits.usage);
  });
});
