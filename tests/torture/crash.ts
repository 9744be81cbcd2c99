// Promise 1: killed at random moments under a writer that never pauses. Afterwards the journal, the kernel and what was written are
// compared: every offender banned once, nobody else, every line counted once.

import { appendFileSync } from "node:fs";
import { until } from "../support/lab.ts";
import { blame, type Part } from "./part.ts";
import { failure, isBanned, jailStatus, kernel, needsKernel, openStage, stranger } from "./stage.ts";

export const crash: Part = {
  name: "crash",
  missing: needsKernel,
  async run(length) {
    const rounds = length === "short" ? 5 : 300;
    const wrong = blame();
    const stage = openStage({ daemon: 'checkpoint = "1s"\n' });
    try {
      const offenders = new Map<string, number>();
      let stop = false;
      let n = 0;
      const writer = (async () => {
        while (!stop) {
          // Every third fails twice only and must never be banned; each one's failures come in two writes.
          const times = n % 3 === 2 ? 2 : 3;
          const address = stranger(n++);
          offenders.set(address, times);
          appendFileSync(stage.log, failure(address));
          await Bun.sleep(1);
          appendFileSync(stage.log, failure(address).repeat(times - 1));
          await Bun.sleep(length === "short" ? 1 : 4);
        }
      })();
      let acknowledged = 0;
      for (let round = 0; round < rounds; round++) {
        const daemon = await stage.start();
        const byHand = `203.0.${round >> 8}.${round & 255}`;
        // What a client was told stands must stand after the kill, which follows at once in every other round.
        const told = daemon.f2b("ban", "sshd", byHand).code === 0;
        if (round % 2 === 0) await Bun.sleep(Math.random() * 400);
        await daemon.kill("SIGKILL");
        if (told) {
          acknowledged++;
          offenders.set(byHand, -1);
        }
      }
      stop = true;
      await writer;
      const daemon = await stage.start();
      const expected = [...offenders]
        .filter(([, times]) => times !== 2)
        .map(([address]) => address)
        .sort();
      const lines = [...offenders.values()].reduce((sum, times) => sum + Math.max(0, times), 0);
      await until(
        "all lines are judged",
        () => jailStatus(daemon).banned.now >= expected.length && jailStatus(daemon).failed.total >= lines,
        30_000,
        100,
      ).catch((error: Error) => wrong.say(error.message));
      const status = jailStatus(daemon);
      const stands = new Set((status.bans ?? []).map((ban) => ban.target));
      const inKernel = new Set(kernel(stage.lab));
      for (const address of expected) {
        if (!stands.has(address)) wrong.say(`${address} is lost`);
        if (!inKernel.has(address)) wrong.say(`${address} is not in the kernel`);
      }
      const should = new Set(expected);
      for (const address of stands)
        if (!should.has(address)) wrong.say(`${address} is banned without reason`);
      for (const address of inKernel) if (!should.has(address)) wrong.say(`the kernel holds ${address}`);
      if (status.banned.total !== expected.length)
        wrong.say(`${status.banned.total} bans were made, not ${expected.length}`);
      if (status.failed.total !== lines)
        wrong.say(`${status.failed.total} failures counted of ${lines} lines`);
      if (isBanned(daemon, stranger(2))) wrong.say(`${stranger(2)} failed twice only`);
      await daemon.kill("SIGTERM");
      return [
        {
          promise: "1 kill -9 loses and doubles nothing",
          tried: `${rounds} kills under a writer of ${lines} lines`,
          measured: `${expected.length} bans, ${acknowledged} of them by hand and acknowledged`,
          wrong: wrong.list,
        },
      ];
    } finally {
      stage.close();
    }
  },
};
