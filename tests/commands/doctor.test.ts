// f2b doctor as it is typed: exit codes, JSON, --explain, --only, --fix.

import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { doctor } from "../../src/commands/doctor.ts";
import { type Call, exits } from "../../src/commands/index.ts";
import { catalogue } from "../../src/doctor/index.ts";
import { realSystem } from "../../src/system/real.ts";

const fixtures = join(import.meta.dir, "../doctor/fixtures");
const directory = mkdtempSync(join(tmpdir(), "f2b-doctor-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function run(words: readonly string[], flags: Call["flags"] = {}, more: Partial<Call> = {}) {
  let out = "";
  let err = "";
  const code = await doctor.run({
    words,
    flags,
    config: undefined,
    socket: join(directory, "no.sock"),
    json: false,
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: {},
    stdin: process.stdin,
    stdout: Object.assign(Object.create(process.stdout), { isTTY: false }),
    system: realSystem({ say: () => undefined }),
    ...more,
  });
  return { code, out, err };
}

const bad = (id: string): string => join(fixtures, id, "bad");
const good = (id: string): string => join(fixtures, id, "good");

describe("f2b doctor FILE", () => {
  test("errors end with 78, and each says place, what, why and fix", async () => {
    const { code, out } = await run([bad("F2B003")]);
    expect(code).toBe(exits.configuration);
    expect(out).toContain("Files and syntax\n\nerror F2B003 ");
    expect(out).toContain('f2b.toml:3:1: there is no key "maxretri"');
    expect(out).toContain(
      "    3 | maxretri = 3\n      | ^\n  why: what was meant is not in force\n  fix: did you mean maxretry?\n",
    );
    expect(out).toEndWith("1 error; f2b doctor --explain ID tells more\n");
    expect(out).not.toContain("\u001b");
  });

  test("warnings end with 0, with --strict with 1; a clean file with 0 either way", async () => {
    expect((await run([bad("F2B102")])).code).toBe(exits.fine);
    expect((await run([bad("F2B102")], { strict: true })).code).toBe(exits.no);
    expect(await run([good("F2B102")], { strict: true })).toEqual({
      code: exits.fine,
      out: `fine: nothing found in ${good("F2B102")}/f2b.toml\n`,
      err: "",
    });
  });

  test("as JSON it gives the same with the sums", async () => {
    const { code, out } = await run([bad("F2B209")], {}, { json: true });
    expect(code).toBe(exits.configuration);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      errors: 1,
      warnings: 0,
      findings: [{ id: "F2B209", severity: "error", at: { line: 4 } }],
    });
  });

  test("colours are for terminals that want them", async () => {
    const stdout = Object.assign(Object.create(process.stdout), { isTTY: true });
    expect((await run([bad("F2B003")], {}, { stdout })).out).toContain("\u001b[31;1merror\u001b[0m");
    expect((await run([bad("F2B003")], {}, { stdout, env: { NO_COLOR: "1" } })).out).not.toContain("\u001b");
  });

  test("--only and --skip choose", async () => {
    const { out } = await run([bad("F2B101")], { only: ["f2b102"] }, { json: true });
    expect(JSON.parse(out)).toMatchObject({ findings: [{ id: "F2B102" }] });
    expect((await run([bad("F2B209")], { skip: ["F2B209"] })).code).toBe(exits.fine);
  });

  test("a file that is not there is an error with a reason, not a crash", async () => {
    const { code, out } = await run([join(directory, "absent.toml")]);
    expect(code).toBe(exits.configuration);
    expect(out).toContain("F2B010");
  });

  test("--fix without a terminal changes no text unless told to, then says what it did", async () => {
    const path = join(directory, "f2b.toml");
    writeFileSync(path, "[jails.sshd]\nmaxretri = 3\n");
    const stdin = Object.assign(Object.create(process.stdin), { isTTY: false });
    const left = await run([path], { fix: true }, { stdin });
    expect(left).toMatchObject({
      code: exits.configuration,
      err: expect.stringContaining("left: write maxretry"),
    });
    const done = await run([path], { fix: true, yes: true }, { stdin });
    expect(done.code).toBe(exits.fine);
    expect(done.err).toContain(`done: write maxretry instead of maxretri in ${path}:2\n`);
    expect(readFileSync(path, "utf8")).toBe("[jails.sshd]\nenabled = true\nmaxretry = 3\n");
  });
});

describe("f2b doctor --explain", () => {
  test("tells what a finding means, however the id is written", async () => {
    for (const id of ["F2B209", "f2b209", "209"]) {
      const { code, out } = await run([], { explain: id });
      expect(code).toBe(exits.fine);
      expect(out).toContain(catalogue.F2B209.title);
      expect(out).toContain("instead of");
    }
  });

  test("an id that is none is a usage error", async () => {
    expect((await run([], { explain: "F2B999" })).code).toBe(exits.usage);
  });

  test("--list has a line for each", async () => {
    expect((await run([], { list: true })).out.trim().split("\n")).toHaveLength(
      Object.keys(catalogue).length,
    );
  });
});

describe("f2b doctor", () => {
  test("looks at the machine without a daemon, and says that none runs", async () => {
    const { out } = await run(
      [],
      { only: ["F2B411"] },
      { config: join(good("F2B104"), "f2b.toml"), json: true },
    );
    expect(JSON.parse(out)).toMatchObject({ live: true, findings: [{ id: "F2B411" }] });
  }, 30_000);
});
