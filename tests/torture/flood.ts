// Promise 4: a log that grows faster than anybody can read, while another jail still bans within a second and memory stays below a bound.
// The writers are processes of their own; what they wrote is measured, not assumed.

import { spawn } from "node:child_process";
import { appendFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/lab.ts";
import { blame, type Part, percentile } from "./part.ts";
import { failure, isBanned, mib, needsKernel, openStage, processFacts, stamp, stranger } from "./stage.ts";

/** What the README promises. The executable itself is some 80 MiB of it, another 45 the sources' buffers and the heap's slack. */
export const floodBound = 256 * 1024 * 1024;

/** Failures of ever new users: what the jail must look at, each with an expression. 110 bytes a line. */
const hostile = (n: number): string =>
  `${stamp()} web1 sshd[812]: Failed password for invalid user u${n} from 198.51.100.${n % 250} port 22 ssh2 from here port x ssh2\n`;
const foreign = (n: number): string =>
  `${stamp()} web1 postgres[${n}]: LOG:  duration: 0.${n} ms  statement: select 1 from pg_class where oid = ${n}\n`;

export const flood: Part = {
  name: "flood",
  missing: needsKernel,
  async run(length) {
    const seconds = length === "short" ? 4 : 60;
    const wrong = blame();
    const stage = openStage({
      jails: (lab) =>
        `[jails.flooded]\nenabled = true\nfilter = "sshd"\nbackend = "inotify"\nmaxretry = 3\nbantime = "1h"\nfindtime = "1h"\nlogpath = ["${join(lab.directory, "flood.log")}"]\n`,
    });
    const log = join(stage.lab.directory, "flood.log");
    const block = join(stage.lab.directory, "block");
    writeFileSync(log, "");
    writeFileSync(
      block,
      Array.from({ length: 10_000 }, (_, n) => (n % 2 === 0 ? hostile(n) : foreign(n))).join(""),
    );
    const perBlock = 10_000;
    const blockSize = statSync(block).size;
    let written = 0;
    let cut = 0;
    try {
      const daemon = await stage.start();
      const before = processFacts(daemon.pid());
      let stop = false;
      const began = performance.now();
      const writer = (async () => {
        // As fast as the page cache takes it; cut back before the disk of this machine is full, as copytruncate would.
        while (!stop) {
          const cat = spawn("sh", [
            "-c",
            `for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do cat "$0"; done >> "$1"`,
            block,
            log,
          ]);
          await new Promise((resolve) => cat.once("exit", resolve));
          written += 20 * perBlock;
          if (statSync(log).size > 1024 * 1024 * 1024) {
            truncateSync(log, 0);
            cut++;
          }
          // At least a million lines a second are asked for; more would only measure the disk.
          const due = (written / 1_200_000) * 1000;
          const elapsed = performance.now() - began;
          if (due > elapsed) await Bun.sleep(due - elapsed);
        }
      })();
      const took: number[] = [];
      let peak = before.rss;
      for (let n = 0; performance.now() - began < seconds * 1000; n++) {
        const at = performance.now();
        appendFileSync(stage.log, failure(stranger(n)).repeat(3));
        await until(`ban ${n} beside the flood`, () => isBanned(daemon, stranger(n)), 5000, 5).catch(
          (error: Error) => wrong.say(error.message),
        );
        took.push(performance.now() - at);
        peak = Math.max(peak, processFacts(daemon.pid()).rss);
        await Bun.sleep(100);
      }
      stop = true;
      const spent = (performance.now() - began) / 1000;
      await writer;
      peak = Math.max(peak, processFacts(daemon.pid()).peak);
      const slow = took.filter((ms) => ms > 1000).length;
      if (slow > 0)
        wrong.say(
          `${slow} of ${took.length} bans took longer than a second, the longest ${Math.max(...took).toFixed(0)} ms`,
        );
      if (peak > floodBound) wrong.say(`${mib(peak)} resident, the bound is ${mib(floodBound)}`);
      const rate = written / spent;
      await daemon.kill("SIGTERM");
      return [
        {
          promise: "4 a flood stalls nobody else",
          tried: `${(written / 1e6).toFixed(1)} million lines (${mib((written / perBlock) * blockSize)}) in ${spent.toFixed(0)} s, ${took.length} bans in another jail`,
          measured: `${(rate / 1e6).toFixed(2)} million lines/s written; ban p50 ${percentile(took, 0.5).toFixed(0)} ms, longest ${Math.max(...took).toFixed(0)} ms; peak ${mib(peak)} (bound ${mib(floodBound)})${cut > 0 ? `, log cut ${cut} times` : ""}`,
          wrong: wrong.list,
        },
      ];
    } finally {
      stage.close();
    }
  },
};
