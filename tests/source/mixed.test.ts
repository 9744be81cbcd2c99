// Every kind of rotation, restarts and writing in random order, many times over: whatever the order, every line once.

import { expect, test } from "bun:test";
import fs from "node:fs";
import { eventually } from "../support/time.ts";
import { type FilePosition, faults, inDirectory, numbers, type Reading, read } from "./reading.ts";

/** A generator of our own, so that a failing seed can be run again. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

async function scenario(seed: number, steps: number): Promise<{ missing: number[]; twice: number[] }> {
  const next = random(seed);
  let result = { missing: [] as number[], twice: [] as number[] };
  await inDirectory(async (directory) => {
    const log = `${directory}/auth.log`;
    let written = 0;
    let fd = fs.openSync(log, "a");
    let rotations = 0;
    let positions: ReadonlyMap<string, FilePosition> = new Map();
    const all: number[] = [];
    let reading: Reading | undefined = read([log]);
    const append = (count: number) => {
      for (let i = 0; i < count; i++) fs.writeSync(fd, `line ${written++} ${"x".repeat(next(60))}\n`);
    };
    const stop = async () => {
      if (reading === undefined) return;
      await reading.stop();
      all.push(...numbers(reading.lines));
      positions = reading.positions;
      reading = undefined;
    };
    const shift = () => {
      rotations++;
      const names = fs.readdirSync(directory).filter((name) => /^auth\.log\.\d+(\.gz)?$/.test(name));
      const numberOf = (name: string) => Number(/\d+/.exec(name)?.[0]);
      for (const name of names.sort((a, b) => numberOf(b) - numberOf(a)))
        fs.renameSync(
          `${directory}/${name}`,
          `${directory}/${name.replace(/\d+/, String(numberOf(name) + 1))}`,
        );
    };
    /** While it runs, the reader is given its turn between rotations; a stopped one must cope with several. */
    const caughtUp = async () => {
      if (reading === undefined) return;
      const seen = reading;
      await eventually("the reader", () => all.length + seen.lines.length >= written, 3_000).catch(
        () => undefined,
      );
    };
    const actions = [
      () => append(1 + next(40)),
      () => append(1 + next(40)),
      () => Bun.sleep(next(8)),
      async () => {
        await caughtUp();
        append(next(5));
        shift();
        fs.renameSync(log, `${log}.1`);
        const fresh = fs.openSync(log, "a");
        append(next(5));
        fs.closeSync(fd);
        fd = fresh;
      },
      async () => {
        // What was written, copied and truncated before a running reader saw the first byte of it leaves no trace in the log.
        append(1);
        await caughtUp();
        append(next(5));
        shift();
        fs.copyFileSync(log, `${log}.1`);
        fs.ftruncateSync(fd);
        append(next(5));
      },
      async () => {
        await caughtUp();
        const oldest = fs.readdirSync(directory).find((name) => /^auth\.log\.[2-9]\d*$/.test(name));
        if (oldest === undefined) return;
        const { atime, mtime } = fs.statSync(`${directory}/${oldest}`);
        fs.writeFileSync(
          `${directory}/${oldest}.gz`,
          Bun.gzipSync(fs.readFileSync(`${directory}/${oldest}`)),
        );
        fs.utimesSync(`${directory}/${oldest}.gz`, atime, mtime);
        fs.unlinkSync(`${directory}/${oldest}`);
      },
      stop,
      async () => {
        reading ??= read([log], {}, positions);
        await Bun.sleep(next(5));
      },
    ];
    // Without any position there is nothing to go on from.
    append(1);
    await caughtUp();
    const trace = process.env.F2B_TRACE !== undefined;
    const names = ["append", "append", "sleep", "rename", "copytruncate", "gzip", "stop", "start"];
    for (let i = 0; i < steps; i++) {
      const action = next(actions.length);
      const before = written;
      await actions[action]?.();
      if (trace) console.log(names[action], before === written ? "" : `${before}..${written - 1}`);
    }
    reading ??= read([log], {}, positions);
    append(1);
    await caughtUp();
    await Bun.sleep(30);
    await stop();
    fs.closeSync(fd);
    result = faults(all, written);
    expect(rotations).toBeGreaterThan(0);
  });
  return result;
}

const only = process.env.F2B_SEED;
const seeds = Number(process.env.F2B_SEEDS ?? "12");
for (let seed = 1; seed <= seeds; seed++) {
  if (only !== undefined && Number(only) !== seed) continue;
  // Once more where it fails: on a busy machine a whole generation may be written and copied away within one gap of reading, which
  // nobody can see afterwards (copytruncate's own limit). A fault of ours fails twice.
  test(
    `seed ${seed}`,
    async () => {
      expect(await scenario(seed, 80)).toEqual({ missing: [], twice: [] });
    },
    { timeout: 60_000, retry: 1 },
  );
}
