// What `f2b doctor --fix` changes, on real files.

import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lint } from "../../src/doctor/files.ts";
import { apply, asks, edited } from "../../src/doctor/mend.ts";
import { createLog } from "../../src/system/log.ts";
import { realSystem } from "../../src/system/real.ts";
import { address } from "./facts.ts";

const system = realSystem(createLog({ level: "critical", target: { kind: "stderr" } }));
const directory = mkdtempSync(join(tmpdir(), "f2b-mend-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let count = 0;
function written(text: string): string {
  const path = join(directory, `${count++}.toml`);
  writeFileSync(path, text, { mode: 0o640 });
  return path;
}

describe("mending", () => {
  test("a misspelt key is written as it was meant, and the file keeps its mode", () => {
    const path = written("[jails.sshd]\nenabled = true\nmaxretri = 3 # strict\n");
    const [found] = lint(system, path).findings;
    expect(found?.mend).toMatchObject({ kind: "replace", from: "maxretri", to: "maxretry" });
    expect(apply(system, found!.mend!, path)).toBeUndefined();
    expect(readFileSync(path, "utf8")).toBe("[jails.sshd]\nenabled = true\nmaxretry = 3 # strict\n");
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(lint(system, path).findings).toEqual([]);
  });

  test("a jail that was written in order to be on is switched on", () => {
    const path = written("[jails.sshd]\nmaxretry = 3\n");
    const found = lint(system, path).findings.find((one) => one.id === "F2B021");
    expect(apply(system, found!.mend!, path)).toBeUndefined();
    expect(readFileSync(path, "utf8")).toBe("[jails.sshd]\nenabled = true\nmaxretry = 3\n");
    expect(lint(system, path).findings).toEqual([]);
  });

  test("an address is added to the ignore list, which is made where there is none", () => {
    const path = written("[jails.sshd]\nenabled = true\n");
    expect(apply(system, { kind: "ignore", address: address("192.0.2.10") }, path)).toBeUndefined();
    expect(lint(system, path).config?.jails[0]?.ignore.ignoreip).toEqual(["192.0.2.10"]);
    expect(apply(system, { kind: "ignore", address: address("2001:db8::7") }, path)).toBeUndefined();
    expect(lint(system, path).config?.jails[0]?.ignore.ignoreip).toEqual(["192.0.2.10", "2001:db8::7"]);
  });

  test("modes are narrowed at once, texts only after asking", () => {
    const path = written("");
    chmodSync(path, 0o666);
    const mend = { kind: "mode", path, mode: 0o644 } as const;
    expect(asks(mend)).toBeFalse();
    expect(apply(system, mend, undefined)).toBeUndefined();
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(asks({ kind: "ignore", address: address("192.0.2.10") })).toBeTrue();
  });

  test("what would make another mistake is not written", () => {
    const text = "[jails.sshd]\nenabled = true\nmaxretry = 4\n";
    const path = written(text);
    const at = { file: path, line: 3, column: 1 };
    expect(apply(system, { kind: "replace", at, from: "maxretry", to: "maxretri" }, path)).toBe(
      "that would make another mistake",
    );
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  test("a place that has moved is left alone", () => {
    const at = { file: "x", line: 2, column: 3 };
    expect(edited("a\nb\n", { kind: "replace", at, from: "c", to: "d" })).toBe("a\nb\n");
    expect(edited("a\r\nb\r\n", { kind: "insert", at: { ...at, line: 1 }, text: "x" })).toBe(
      "a\r\nx\r\nb\r\n",
    );
  });
});
