import { describe, expect, test } from "bun:test";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realFiles } from "../../src/system/files.ts";
import { eventually } from "../support/time.ts";

const files = realFiles();
const directory = () => fs.mkdtempSync(join(tmpdir(), "f2b-files-"));

describe("the disk", () => {
  test("says undefined for what is not there, and throws for what cannot be looked at", () => {
    const at = directory();
    expect(files.stat(`${at}/none`)).toBeUndefined();
    expect(files.lstat(`${at}/none/below`)).toBeUndefined();
    fs.symlinkSync("loop", `${at}/loop`);
    expect(() => files.stat(`${at}/loop`)).toThrow("ELOOP");
    expect(files.lstat(`${at}/loop`)?.kind).toBe("symlink");
  });
  test("replaces a file in one step, with the mode asked for, and leaves no temporary behind", () => {
    const at = directory();
    fs.writeFileSync(`${at}/state`, "old", { mode: 0o644 });
    files.replaceFile(`${at}/state`, "new");
    expect(fs.readFileSync(`${at}/state`, "utf8")).toBe("new");
    expect(files.stat(`${at}/state`)).toMatchObject({ kind: "file", mode: 0o600, size: 3 });
    expect(fs.readdirSync(at)).toEqual(["state"]);
  });
  test("does not write through a link planted under the temporary name", () => {
    const at = directory();
    fs.writeFileSync(`${at}/victim`, "untouched");
    fs.symlinkSync(`${at}/victim`, `${at}/state.new-${process.pid}`);
    files.replaceFile(`${at}/state`, "new");
    expect(fs.readFileSync(`${at}/victim`, "utf8")).toBe("untouched");
  });
  test("keeps the old file when the new one cannot be written", () => {
    const at = directory();
    fs.mkdirSync(`${at}/state`);
    expect(() => files.replaceFile(`${at}/state`, "new")).toThrow();
    expect(fs.readdirSync(at)).toEqual(["state"]);
  });
  test("knows what kind of file system a path is on", () => {
    expect(files.fsType("/proc")).toBe(0x9fa0);
  });
  test("finds the data behind a hole", () => {
    const fd = fs.openSync(`${directory()}/sparse`, "w+");
    fs.writeSync(fd, "x", 1 << 30);
    expect(files.nextData(fd, 0)).toBe(1 << 30);
    expect(files.nextData(fd, (1 << 30) + 1)).toBe((1 << 30) + 1);
    fs.closeSync(fd);
  });
});

describe("watching a directory", () => {
  test("tells every change, also those that follow each other closely", async () => {
    const at = directory();
    const names: (string | undefined)[] = [];
    let size = 0;
    const stop = files.watchDirectory(at, (name) => {
      names.push(name);
      size = fs.statSync(`${at}/a`).size;
    });
    for (let i = 1; i <= 200; i++) {
      fs.appendFileSync(`${at}/a`, "x");
      await Bun.sleep(0);
      fs.appendFileSync(`${at}/a`, "y");
      await eventually("the second byte", () => size === 2 * i, 500);
    }
    fs.renameSync(`${at}/a`, `${at}/b`);
    fs.writeFileSync(`${at}/a`, "");
    await eventually("the new name", () => names.includes("b"));
    stop();
    fs.unlinkSync(`${at}/b`);
    await Bun.sleep(10);
    expect(names.filter((name) => name === "b").length).toBe(1);
  });
  test("serves several who watch the same one, each until it stops", async () => {
    const at = directory();
    const seen = [0, 0];
    const stops = seen.map((_, i) => files.watchDirectory(at, () => void seen[i]!++));
    fs.writeFileSync(`${at}/a`, "");
    await eventually("both", () => seen.every((n) => n > 0));
    stops[0]?.();
    const [first] = seen;
    fs.writeFileSync(`${at}/b`, "");
    await eventually("the other", () => seen[1]! > (first ?? 0));
    expect(seen[0]).toBe(first!);
    stops[1]?.();
  });
  test("leaves nothing open behind it", async () => {
    const at = directory();
    const before = fs.readdirSync("/proc/self/fd").length;
    for (let i = 0; i < 50; i++) files.watchDirectory(at, () => undefined)();
    await eventually("all closed", () => fs.readdirSync("/proc/self/fd").length <= before);
  });
  test("throws, with the reason, where there is none", () => {
    expect(() => files.watchDirectory("/nonexistent/x", () => undefined)).toThrow("ENOENT");
    const file = `${directory()}/file`;
    fs.writeFileSync(file, "");
    expect(() => files.watchDirectory(file, () => undefined)).toThrow("ENOTDIR");
  });
});
