// Rotation of each kind under a writer that never pauses, in a process of its own: every line is read exactly once.

import { describe, expect, test } from "bun:test";
import { eventually } from "../support/time.ts";
import { type FilePosition, faults, inDirectory, numbers, read, startWriter } from "./reading.ts";

const LINES = 20_000;

describe("every line is read once", () => {
  // What is deleted before anybody could look is gone: there the pace is one at which even a busy machine gets its turn.
  for (const [kind, times] of [
    ["rename", 50],
    ["copytruncate", 50],
    ["delete", 8],
    ["symlink", 8],
  ] as const) {
    test(`while the log is rotated ${times} times by ${kind}`, async () => {
      await inDirectory(async (directory) => {
        const log = `${directory}/auth.log`;
        const reading = read([log]);
        const writer = startWriter(log, kind, 0, LINES, times);
        expect(await writer.exited).toBe(0);
        await eventually("all lines", () => reading.lines.length >= LINES, 10_000).catch(() => undefined);
        await reading.stop();
        expect(faults(numbers(reading.lines), LINES)).toEqual({ missing: [], twice: [] });
      });
    }, 30_000);
  }

  for (const kind of ["rename", "copytruncate", "gzip"]) {
    test(`while the reader is stopped and started all the time and the log rotated by ${kind}`, async () => {
      await inDirectory(async (directory) => {
        const log = `${directory}/auth.log`;
        let positions: ReadonlyMap<string, FilePosition> = new Map();
        const all: number[] = [];
        const writer = startWriter(log, kind, 0, LINES, 12);
        let done = false;
        void writer.exited.then(() => {
          done = true;
        });
        let quiet = 0;
        for (let _run = 0; quiet < 2; _run++) {
          const reading = read([log], {}, positions);
          const taken = Math.floor(Math.random() * 15);
          await eventually("some chunks", () => done || reading.chunks.length > taken, 5_000);
          if (done) await Bun.sleep(200);
          await reading.stop();
          all.push(...numbers(reading.lines));
          positions = reading.positions;
          if (!done) await Bun.sleep(Math.random() * 20);
          else quiet++;
        }
        expect(faults(all, LINES)).toEqual({ missing: [], twice: [] });
      });
    }, 30_000);
  }
});
