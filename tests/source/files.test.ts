// What log files do apart from orderly rotation, on a real disk.

import { describe, expect, test } from "bun:test";
import fs from "node:fs";
import { eventually } from "../support/time.ts";
import { faults, inDirectory, numbers, read, system } from "./reading.ts";

const root = process.geteuid?.() === 0;
const asRoot = test.skipIf(!root && !process.env.CI);

function has(notices: readonly { kind: string; text: string }[], kind: string, text: string): boolean {
  return notices.some((notice) => notice.kind === kind && notice.text.includes(text));
}

describe("a log file", () => {
  test("that is not there yet is waited for, and read from its first line once it is", () =>
    inDirectory(async (directory) => {
      const log = `${directory}/new/auth.log`;
      const reading = read([log]);
      await eventually("the notice", () => has(reading.notices, "waiting", log));
      fs.mkdirSync(`${directory}/new`);
      fs.writeFileSync(log, "one\n");
      fs.appendFileSync(log, "two\n");
      await eventually("both lines", () => reading.lines.length === 2, 500);
      await reading.stop();
      expect(reading.lines).toEqual(["one", "two"]);
    }));

  test("is noticed within a few milliseconds although a change came just before", () =>
    inDirectory(async (directory) => {
      const log = `${directory}/auth.log`;
      fs.writeFileSync(log, "");
      const reading = read([log]);
      await eventually("the start", () => reading.notices.length > 0);
      for (let i = 0; i < 100; i++) {
        fs.appendFileSync(log, `a ${i}\n`);
        await Bun.sleep(0);
        fs.appendFileSync(log, `b ${i}\n`);
        await eventually("the second line", () => reading.lines.length === 2 * i + 2, 500);
      }
      await reading.stop();
    }));

  test("written byte by byte gives whole lines only", () =>
    inDirectory(async (directory) => {
      const log = `${directory}/auth.log`;
      const fd = fs.openSync(log, "a");
      const reading = read([log]);
      const text = "first line\nsecond\n\nthird \xff\n";
      for (const byte of Buffer.from(text, "latin1")) {
        fs.writeSync(fd, Uint8Array.of(byte));
        await Bun.sleep(0);
      }
      fs.writeSync(fd, "never ended");
      await eventually("four lines", () => reading.lines.length === 4);
      await Bun.sleep(20);
      await reading.stop();
      expect(reading.lines).toEqual(["first line", "second", "", "third \xff"]);
      expect(reading.positions.get(log)?.offset).toBe(text.length);
    }));

  test("is backlog up to the end of what was there, and live from then on", () =>
    inDirectory(async (directory) => {
      const log = `${directory}/auth.log`;
      fs.writeFileSync(log, "old\n".repeat(100_000));
      const reading = read([log]);
      await eventually("the backlog", () => reading.lines.length === 100_000);
      fs.appendFileSync(log, "new\n");
      await eventually("the new line", () => reading.lines.length === 100_001);
      await reading.stop();
      expect(reading.chunks.slice(0, -1).every((chunk) => !chunk.live)).toBe(true);
      expect(reading.chunks.at(-1)).toMatchObject({ live: true, text: "new\n", offset: 400_000 });
    }));

  test("with a line of 100 MB shows what stands around it and keeps nothing", () =>
    inDirectory(async (directory) => {
      const log = `${directory}/auth.log`;
      const fd = fs.openSync(log, "a");
      fs.writeSync(fd, "before\n");
      const reading = read([log]);
      const piece = Buffer.alloc(1 << 20, "x");
      for (let i = 0; i < 100; i++) fs.writeSync(fd, piece);
      await eventually("the beginning", () => reading.lines.length === 1);
      // A restart in the middle of it must not take its end for a line.
      await Bun.sleep(50);
      await reading.stop();
      const again = read([log], {}, reading.positions);
      fs.writeSync(fd, " from 192.0.2.1\nafter\n");
      await eventually("the line behind", () => again.lines.length === 1, 10_000);
      await again.stop();
      expect([...reading.lines, ...again.lines]).toEqual(["before", "after"]);
      expect(has(again.notices, "overlong", "1 line is longer than 8192 bytes")).toBe(true);
    }));

  test("truncated under a writer that does not append leaves a hole that costs nothing", () =>
    inDirectory(async (directory) => {
      const log = `${directory}/auth.log`;
      const fd = fs.openSync(log, "w");
      fs.writeSync(fd, "before\n");
      const reading = read([log]);
      await eventually("the first line", () => reading.lines.length === 1);
      fs.ftruncateSync(fd, 0);
      const far = 10 * 2 ** 30;
      const started = performance.now();
      fs.writeSync(fd, Buffer.from("after\n"), 0, 6, far);
      await eventually("the line behind the hole", () => reading.lines.length === 2, 5_000);
      expect(performance.now() - started).toBeLessThan(2_000);
      await reading.stop();
      expect(reading.lines).toEqual(["before", "after"]);
    }));

  test("truncated and grown beyond the old place before anybody looked is read anew", () =>
    inDirectory(async (directory) => {
      const log = `${directory}/auth.log`;
      fs.writeFileSync(log, "old one\nold two\n");
      const first = read([log]);
      await eventually("the old lines", () => first.lines.length === 2);
      await first.stop();
      fs.writeFileSync(log, "new one\nnew two\nnew three\n");
      const second = read([log], {}, first.positions);
      await eventually("the new lines", () => second.lines.length === 3);
      await second.stop();
      expect(second.lines).toEqual(["new one", "new two", "new three"]);
    }));

  test("whose link is swapped to and fro a hundred times is read once each", () =>
    inDirectory(async (directory) => {
      const log = `${directory}/current`;
      const targets = [`${directory}/a.log`, `${directory}/b.log`];
      for (const target of targets) fs.writeFileSync(target, "");
      fs.symlinkSync(targets[0]!, log);
      const reading = read([log]);
      await eventually("the start", () => reading.notices.length > 0);
      for (let i = 0; i < 100; i++) {
        const target = targets[i % 2]!;
        fs.symlinkSync(target, `${log}.tmp`);
        fs.renameSync(`${log}.tmp`, log);
        fs.appendFileSync(target, `line ${i}\n`);
        await eventually(`line ${i}`, () => reading.lines.length === i + 1, 500);
      }
      await reading.stop();
      expect(faults(numbers(reading.lines), 100)).toEqual({ missing: [], twice: [] });
    }));

  test("in a directory that is removed and made again is found again", () =>
    inDirectory(async (directory) => {
      const log = `${directory}/app/app.log`;
      fs.mkdirSync(`${directory}/app`);
      fs.writeFileSync(log, "line 0\n");
      const reading = read([log]);
      await eventually("the first line", () => reading.lines.length === 1);
      fs.rmSync(`${directory}/app`, { recursive: true });
      fs.mkdirSync(`${directory}/app`);
      fs.writeFileSync(log, "line 1\n");
      await eventually("the second line", () => reading.lines.length === 2);
      await Bun.sleep(2_100);
      fs.appendFileSync(log, "line 2\n");
      await eventually("the third line, by an event again", () => reading.lines.length === 3, 500);
      await reading.stop();
      expect(reading.lines).toEqual(["line 0", "line 1", "line 2"]);
    }));

  test("that nothing tells about is read all the same, by polling", () =>
    inDirectory(async (directory) => {
      const log = `${directory}/auth.log`;
      fs.writeFileSync(log, "line 0\n");
      const deaf = { ...system, files: { ...system.files, fsType: () => 0x6969 } };
      const reading = read([log], { system: deaf });
      await eventually("the notice", () => has(reading.notices, "polling", "NFS"));
      fs.appendFileSync(log, "line 1\n");
      await eventually("the second line", () => reading.lines.length === 2, 1_500);
      fs.renameSync(log, `${log}.1`);
      fs.writeFileSync(log, "line 2\n");
      await eventually("the line after the rotation", () => reading.lines.length === 3, 1_500);
      await reading.stop();
    }));

  test("is polled, and that is said, when the kernel has no watches left", () =>
    inDirectory(async (directory) => {
      const log = `${directory}/auth.log`;
      fs.writeFileSync(log, "line 0\n");
      const watchDirectory = () => {
        throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
      };
      const reading = read([log], { system: { ...system, files: { ...system.files, watchDirectory } } });
      await eventually("the notice", () => has(reading.notices, "polling", "ENOSPC"));
      fs.appendFileSync(log, "line 1\n");
      await eventually("the second line", () => reading.lines.length === 2, 1_500);
      await reading.stop();
    }));

  test("that is a FIFO, a directory, a device or compressed is refused by name and holds up nobody", () =>
    inDirectory(async (directory) => {
      const good = `${directory}/good.log`;
      fs.writeFileSync(good, "line 0\n");
      Bun.spawnSync(["mkfifo", `${directory}/fifo.log`]);
      fs.writeFileSync(`${directory}/old.log.gz`, Bun.gzipSync("line 7\n"));
      const reading = read([
        `${directory}/fifo.log`,
        "/dev/zero",
        directory,
        `${directory}/old.log.gz`,
        good,
      ]);
      await eventually("the good file's line", () => reading.lines.length === 1);
      await reading.stop();
      expect(has(reading.notices, "refused", "fifo.log is a fifo")).toBe(true);
      expect(has(reading.notices, "refused", "/dev/zero is a device")).toBe(true);
      expect(has(reading.notices, "refused", `${directory} is a directory`)).toBe(true);
      expect(has(reading.notices, "refused", "old.log.gz is compressed")).toBe(true);
    }));

  asRoot("that is a link planted by a user to what is not his is refused by name", () =>
    inDirectory(async (directory) => {
      const secret = `${directory}/secret`;
      fs.writeFileSync(secret, "root:x\n", { mode: 0o600 });
      const owned = `${directory}/app`;
      fs.mkdirSync(owned);
      fs.chownSync(owned, 33, 33);
      fs.symlinkSync(secret, `${owned}/app.log`);
      fs.lchownSync(`${owned}/app.log`, 33, 33);
      fs.symlinkSync(directory, `${owned}/logs`);
      fs.lchownSync(`${owned}/logs`, 33, 33);
      fs.writeFileSync(`${owned}/own.txt`, "line 0\n");
      fs.chownSync(`${owned}/own.txt`, 33, 33);
      fs.symlinkSync(`${owned}/own.txt`, `${owned}/own.log`);
      fs.lchownSync(`${owned}/own.log`, 33, 33);
      // Root's own link leads to the user's.
      fs.symlinkSync(`${owned}/app.log`, `${directory}/current.log`);
      fs.symlinkSync(`loop.log`, `${directory}/loop.log`);
      const reading = read([
        `${owned}/app.log`,
        `${owned}/logs/secret`,
        `${owned}/own.log`,
        `${directory}/current.log`,
        `${directory}/loop.log`,
      ]);
      await eventually("the user's own log", () => reading.lines.length === 1);
      await eventually("every refusal", () =>
        [
          "app.log is a symbolic link made by user 33",
          "logs is a symbolic link made by user 33",
          `${directory}/current.log is not read`,
          "too many symbolic links",
        ].every((text) => has(reading.notices, "refused", text)),
      );
      await reading.stop();
      expect(reading.lines).toEqual(["line 0"]);
    }),
  );

  test("under two names is read once, for both", () =>
    inDirectory(async (directory) => {
      fs.writeFileSync(`${directory}/a.log`, "line 0\n");
      fs.symlinkSync(`${directory}/a.log`, `${directory}/b.log`);
      const reading = read([`${directory}/a.log`, `${directory}/b.*`]);
      await eventually("the line", () => reading.lines.length > 0);
      await Bun.sleep(50);
      fs.appendFileSync(`${directory}/a.log`, "line 1\n");
      await eventually("the second line", () => reading.lines.length > 1);
      await Bun.sleep(20);
      await reading.stop();
      expect(reading.lines).toEqual(["line 0", "line 1"]);
      expect(reading.chunks.at(-1)?.patterns).toEqual([`${directory}/a.log`, `${directory}/b.*`]);
    }));
});

describe("globs", () => {
  test("take in what appears later, from its first line, and not what was compressed", () =>
    inDirectory(async (directory) => {
      const reading = read([`${directory}/access-*.log`, `${directory}/*/access.log`]);
      await eventually("the notice", () => reading.notices.length > 0);
      fs.writeFileSync(`${directory}/access-2026-11-21.log`, "line 0\n");
      fs.writeFileSync(`${directory}/access-1.log.gz`, Bun.gzipSync("line 7\n"));
      await eventually("the first file", () => reading.lines.length === 1, 500);
      for (let i = 1; i < 11; i++) fs.appendFileSync(`${directory}/access-2026-11-22.log`, `line ${i}\n`);
      fs.mkdirSync(`${directory}/vhost`);
      await Bun.sleep(5);
      fs.writeFileSync(`${directory}/vhost/access.log`, "line 11\n");
      await eventually("all files", () => reading.lines.length === 12, 1_000);
      await reading.stop();
      expect(faults(numbers(reading.lines), 12)).toEqual({ missing: [], twice: [] });
    }));

  test("that take in a log's rotations read no line twice", () =>
    inDirectory(async (directory) => {
      const log = `${directory}/auth.log`;
      fs.writeFileSync(log, "line 0\n");
      const reading = read([`${directory}/auth.log*`]);
      await eventually("the first line", () => reading.lines.length === 1);
      fs.renameSync(log, `${log}.1`);
      fs.writeFileSync(log, "line 1\n");
      await eventually("the second line", () => reading.lines.length === 2);
      await Bun.sleep(300);
      await reading.stop();
      fs.appendFileSync(log, "line 2\n");
      const again = read([`${directory}/auth.log*`], { backlogMs: 3_600_000 }, reading.positions);
      await eventually("the third line", () => again.lines.length === 1);
      await Bun.sleep(300);
      await again.stop();
      expect([...reading.lines, ...again.lines]).toEqual(["line 0", "line 1", "line 2"]);
    }));

  test("changed while running leave the other files undisturbed", () =>
    inDirectory(async (directory) => {
      for (const name of ["a", "b", "c"]) fs.writeFileSync(`${directory}/${name}.log`, `${name} 0\n`);
      const path = (name: string) => `${directory}/${name}.log`;
      const reading = read([path("a"), path("b")]);
      await eventually("two lines", () => reading.lines.length === 2);
      reading.source.setPatterns([path("b"), path("c")]);
      await eventually("the third", () => reading.lines.length === 3);
      for (const name of ["a", "b", "c"]) fs.appendFileSync(path(name), `${name} 1\n`);
      await eventually("the new lines", () => reading.lines.length === 5);
      await Bun.sleep(20);
      await reading.stop();
      expect(reading.lines.sort()).toEqual(["a 0", "b 0", "b 1", "c 0", "c 1"]);
    }));
});

describe("a rotation while nobody read", () => {
  const packers: Record<string, (path: string) => void> = {
    none: () => undefined,
    gz: (path) => pack(path, ".gz", Bun.gzipSync(fs.readFileSync(path))),
    zst: (path) => pack(path, ".zst", Bun.zstdCompressSync(fs.readFileSync(path))),
    xz: (path) => Bun.spawnSync(["xz", path]),
    bz2: (path) => Bun.spawnSync(["bzip2", path]),
  };
  const pack = (path: string, ending: string, bytes: Uint8Array) => {
    fs.writeFileSync(path + ending, bytes);
    fs.unlinkSync(path);
  };
  for (const [packing, run] of Object.entries(packers)) {
    test(`loses nothing: two rotations, the older one compressed: ${packing}`, () =>
      inDirectory(async (directory) => {
        const log = `${directory}/auth.log`;
        const lines = (from: number, to: number) =>
          Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join("");
        fs.writeFileSync(log, lines(0, 1_000));
        const first = read([log]);
        await eventually("the first lines", () => first.lines.length === 1_000);
        await first.stop();
        fs.appendFileSync(log, lines(1_000, 2_000));
        fs.renameSync(log, `${log}.2`);
        run(`${log}.2`);
        await Bun.sleep(10);
        fs.writeFileSync(`${log}.1`, lines(2_000, 3_000));
        fs.writeFileSync(log, lines(3_000, 4_000));
        const second = read([log], {}, first.positions);
        await eventually("the rest", () => second.lines.length >= 3_000);
        await second.stop();
        expect(numbers(second.lines)).toEqual(Array.from({ length: 3_000 }, (_, i) => 1_000 + i));
        expect(second.chunks.every((chunk) => !chunk.live || chunk.text.length === 0)).toBe(true);
      }));
  }
});

describe("the first start", () => {
  test(
    "with a year of history begins where findtime begins, at once",
    () =>
      inDirectory(async (directory) => {
        const log = `${directory}/auth.log`;
        const now = Date.now();
        const count = 1_000_000;
        const text = Array.from(
          { length: count },
          (_, i) => `${now - (count - i) * 30_000} line ${i}\n`,
        ).join("");
        fs.writeFileSync(log, text);
        const started = performance.now();
        const timeOf = (line: string) => Number(/^\d+/.exec(line)?.[0] ?? Number.NaN) || undefined;
        const reading = read([log], { backlogMs: 600_000, timeOf });
        await eventually("the last line", () => reading.lines.at(-1)?.endsWith(` ${count - 1}`) === true);
        expect(performance.now() - started).toBeLessThan(3000);
        await reading.stop();
        expect(reading.lines.length).toBeGreaterThanOrEqual(19);
        expect(reading.lines.length).toBeLessThan(5_000);
      }),
    20_000,
  );

  test("with a log nobody has written to since begins at its end", () =>
    inDirectory(async (directory) => {
      const log = `${directory}/auth.log`;
      fs.writeFileSync(log, "old\nhalf a");
      fs.utimesSync(log, 1_700_000_000, 1_700_000_000);
      const reading = read([log], { backlogMs: 600_000 });
      await eventually("the start", () => reading.notices.length > 0);
      await Bun.sleep(20);
      fs.appendFileSync(log, " line\nnew\n");
      await eventually("the new lines", () => reading.lines.length === 2);
      await reading.stop();
      expect(reading.lines).toEqual(["half a line", "new"]);
    }));
});

test("a flood in one log does not keep another waiting", () =>
  inDirectory(async (directory) => {
    const flood = `${directory}/flood.log`;
    const quiet = `${directory}/quiet.log`;
    fs.writeFileSync(flood, "");
    fs.writeFileSync(quiet, "");
    const reading = read([flood, quiet]);
    await eventually("the start", () => reading.source.paths.length === 2);
    const before = process.memoryUsage.rss();
    const writer = Bun.spawn([
      "sh",
      "-c",
      `yes 'a line of no interest to anybody' | head -c 400000000 > ${flood}`,
    ]);
    await Bun.sleep(50);
    fs.appendFileSync(quiet, "now\n");
    const at = performance.now();
    await eventually("the quiet line", () => reading.chunks.some((chunk) => chunk.path === quiet), 2_000);
    expect(performance.now() - at).toBeLessThan(2_000);
    await reading.stop();
    writer.kill();
    await writer.exited;
    // The lines kept here by the test are most of it.
    expect(process.memoryUsage.rss() - before).toBeLessThan(2_000_000_000);
  }));
