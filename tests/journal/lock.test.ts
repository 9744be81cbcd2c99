import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeLock } from "../../src/journal/lock.ts";
import { realClock } from "../../src/system/clock.ts";
import { realFiles } from "../../src/system/files.ts";
import type { System } from "../../src/system/index.ts";
import { fakeSystem } from "../support/system.ts";

const made: string[] = [];
afterEach(() => {
  for (const one of made.splice(0)) rmSync(one, { recursive: true, force: true });
});

function place(): { readonly system: System; readonly path: string } {
  const directory = mkdtempSync(join(tmpdir(), "f2b-lock-"));
  made.push(directory);
  return {
    system: { ...fakeSystem(), clock: realClock(), files: realFiles() },
    path: join(directory, "lock"),
  };
}

const held = (taken: ReturnType<typeof takeLock>) =>
  taken !== undefined && "release" in taken ? taken : undefined;

test("the second is refused with the pid of the first, until that one lets go", () => {
  const { system, path } = place();
  const first = held(takeLock(system, path, "one"));
  expect(first).toBeDefined();
  const second = takeLock(system, path, "two");
  expect(second).toMatchObject({ what: expect.stringContaining(`pid ${process.pid}`) });
  first?.release();
  expect(held(takeLock(system, path, "three"))).toBeDefined();
});

test("a lock left by a crash, by another boot, or by a pid that was given out again holds nobody back", () => {
  const { system, path } = place();
  const boot = system.clock.bootId();
  const stat = readFileSync("/proc/self/stat", "latin1");
  const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  for (const stale of [
    `999999999 1 ${boot} x`,
    `${process.pid} ${start} other-boot x`,
    `${process.pid} 1 ${boot} x`,
    "rubbish",
    `${process.pid} ${start} ${boot}`,
    "\u0000\u0000",
  ]) {
    writeFileSync(path, `${stale}\n`, { mode: 0o600 });
    const taken = held(takeLock(system, path, "one"));
    expect(taken).toBeDefined();
    taken?.release();
  }
});

test("a lock file that its owner gives up while we write into it is not taken for ours", () => {
  const { system, path } = place();
  const first = held(takeLock(system, path, "one"));
  let between: (() => void) | undefined = () => first?.release();
  const files = {
    ...system.files,
    write: (fd: number, data: Uint8Array) => {
      between?.();
      between = undefined;
      return system.files.write(fd, data);
    },
  };
  expect(held(takeLock({ ...system, files }, path, "two"))).toBeDefined();
  expect(readFileSync(path, "latin1")).toContain(" two\n");
  expect(takeLock(system, path, "three")).toMatchObject({ what: expect.stringContaining("pid") });
});

test("a living process before us in the file is the owner", () => {
  const { system, path } = place();
  const stat = readFileSync("/proc/1/stat", "latin1");
  const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  writeFileSync(path, `1 ${start} ${system.clock.bootId()} x\n`);
  expect(takeLock(system, path, "one")).toMatchObject({ what: expect.stringContaining("pid 1)") });
});

test("the file does not grow without bound", () => {
  const { system, path } = place();
  writeFileSync(path, "999999999 1 boot x\n".repeat(10_000));
  expect(held(takeLock(system, path, "one"))).toBeDefined();
  expect(statSync(path).size).toBeLessThan(200);
  expect(takeLock(system, path, "two")).toMatchObject({ what: expect.stringContaining("pid") });
});

test("of processes that start at the same moment exactly one gets it", async () => {
  const { path } = place();
  const script = `
    const { takeLock } = await import(${JSON.stringify(join(import.meta.dir, "../../src/journal/lock.ts"))});
    const { realFiles } = await import(${JSON.stringify(join(import.meta.dir, "../../src/system/files.ts"))});
    const { realClock } = await import(${JSON.stringify(join(import.meta.dir, "../../src/system/clock.ts"))});
    const taken = takeLock({ files: realFiles(), clock: realClock() }, ${JSON.stringify(path)}, crypto.randomUUID());
    console.log("release" in taken ? "got" : "refused");
    await new Response(Bun.stdin.stream()).text();
  `;
  const children = Array.from({ length: 8 }, () =>
    Bun.spawn([process.execPath, "-e", script], { stdin: "pipe", stdout: "pipe" }),
  );
  const answers = await Promise.all(
    children.map(async ({ stdout }) => {
      const { value } = await stdout.getReader().read();
      return new TextDecoder().decode(value).trim();
    }),
  );
  for (const child of children) {
    child.stdin.end();
    await child.exited;
  }
  expect(answers.filter((answer) => answer === "got")).toHaveLength(1);
  expect(answers.filter((answer) => answer === "refused")).toHaveLength(7);
});
