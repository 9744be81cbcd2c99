// Promise 14: a million distinct attackers inside findtime, first through the window alone (a process of its own measures it), then through
// the whole daemon; the worst offenders among them are banned all the same. And a week by a fast clock over the core.

import { spawnSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { createWindow } from "../../src/core/window.ts";
import { until } from "../support/lab.ts";
import { blame, nothing, type Part, seeded } from "./part.ts";
import {
  failure,
  isBanned,
  jailStatus,
  mib,
  needsKernel,
  openStage,
  processFacts,
  stranger,
} from "./stage.ts";

/** What the README promises for a million distinct attackers inside findtime with the default settings. */
export const memoryBound = 448 * 1024 * 1024;

export const memory: Part = {
  name: "memory",
  missing: needsKernel,
  async run(length) {
    const attackers = length === "short" ? 100_000 : 1_000_000;
    const worst = 50;
    const wrong = blame();
    const stage = openStage();
    try {
      const daemon = await stage.start();
      const before = processFacts(daemon.pid());
      const began = performance.now();
      // The worst fail once in each tenth: by far less often than new ones come, and never in a row.
      const stampless = failure("@");
      for (let at = 0; at < attackers; at += attackers / 10) {
        let block = "";
        for (let n = at; n < at + attackers / 10; n++) block += stampless.replace("@", stranger(n));
        const bad = Array.from({ length: worst }, (_, i) => failure(`203.0.113.${i + 1}`)).join("");
        // Each of the worst fails twice in the first tenth, so that it is more than one of the many.
        appendFileSync(stage.log, at === 0 ? bad + bad + block : at === attackers / 2 ? block + bad : block);
      }
      await until(
        "all lines are counted",
        () => jailStatus(daemon).failed.total >= attackers + 3 * worst,
        120_000,
        200,
      ).catch((error: Error) => wrong.say(`${error.message}: ${jailStatus(daemon).failed.total}`));
      const seconds = (performance.now() - began) / 1000;
      const after = processFacts(daemon.pid());
      for (let i = 1; i <= worst; i++)
        if (!isBanned(daemon, `203.0.113.${i}`))
          wrong.say(`203.0.113.${i} failed three times and is not banned`);
      if (after.peak > memoryBound) wrong.say(`peak ${mib(after.peak)}, the bound is ${mib(memoryBound)}`);
      await daemon.kill("SIGTERM");
      return [
        {
          promise: "14 memory is bounded",
          tried: `${attackers} distinct attackers inside findtime, ${worst} of them worse`,
          measured: `${mib(before.rss)} → ${mib(after.rss)}, peak ${mib(after.peak)} (bound ${mib(memoryBound)}), ${seconds.toFixed(0)} s; all ${worst} worst banned`,
          wrong: wrong.list,
        },
        alone(length === "short" ? 100_000 : 1_000_000),
      ];
    } finally {
      stage.close();
    }
  },
};

/** The window holding every one of so many keys (maxkeys as large), in a fresh process. */
function alone(keys: number): { promise: string; tried: string; measured: string; wrong: readonly string[] } {
  const script = `import { createWindow } from ${JSON.stringify(join(import.meta.dir, "../../src/core/window.ts"))};
Bun.gc(true); const before = process.memoryUsage.rss();
const window = createWindow({ findtimeMs: 3_600_000, maxretry: 5, maxmatches: 10, maxKeys: ${keys} });
for (let n = 0; n < ${keys}; n++) window.hit("30." + (n >>> 14) + "." + ((n >>> 7) & 127) + "." + (1 + (n & 127)), 1_700_000_000_000 + n, 1, "a line of some hundred characters, as sshd writes it when a password was wrong " + n);
Bun.gc(true); console.log(JSON.stringify({ size: window.size, bytes: process.memoryUsage.rss() - before }));`;
  const ran = spawnSync(process.execPath, ["-e", script], { encoding: "utf8" });
  const { size, bytes } = JSON.parse(ran.stdout === "" ? '{"size":0,"bytes":0}' : ran.stdout) as {
    size: number;
    bytes: number;
  };
  return {
    promise: "14 what an attacker costs",
    tried: `${keys} keys held at once in one window`,
    measured: `${mib(bytes)}, ${(bytes / Math.max(1, size)).toFixed(0)} bytes each`,
    wrong: size === keys ? [] : [`${size} keys held: ${ran.stderr.slice(0, 200)}`],
  };
}

/** A week by a fast clock: random attackers at random times, compared with a slow and obvious count of the same. */
export const soak: Part = {
  name: "soak",
  missing: nothing,
  async run(length) {
    const wrong = blame();
    const days = length === "short" ? 1 : 7;
    const findtimeMs = 600_000;
    const maxretry = 5;
    const maxKeys = 20_000;
    const random = seeded(14);
    const window = createWindow({ findtimeMs, maxretry, maxmatches: 3, maxKeys });
    const truth = new Map<string, number[]>();
    let now = Date.UTC(2026, 9, 22);
    const end = now + days * 86_400_000;
    let hits = 0;
    let reached = 0;
    let most = 0;
    let lastTick = now;
    while (now < end) {
      now += random() * 400;
      // Few who fail often, many who fail once, and a storm each sixth hour.
      const storm = Math.floor(now / 3_600_000) % 6 === 0;
      const key =
        random() < 0.3
          ? `203.0.113.${Math.floor(random() * 250)}`
          : stranger(Math.floor(random() * (storm ? 2_000_000 : 5000)));
      hits++;
      const result = window.hit(key, now, 1, `failure of ${key}`);
      const times = (truth.get(key) ?? []).filter((at) => at >= now - findtimeMs);
      times.push(now);
      truth.set(key, times);
      if (result.reached !== times.length >= maxretry && window.evicted === 0)
        wrong.say(`${key}: ${result.count} counted, ${times.length} in truth`);
      if (result.reached) {
        reached++;
        window.take(key);
        truth.delete(key);
      }
      if (now - lastTick > 10_000) {
        lastTick = now;
        window.expire(now);
        if (window.size > maxKeys) wrong.say(`${window.size} keys, the limit is ${maxKeys}`);
        most = Math.max(most, window.size);
        if (hits % 50 === 0)
          for (const [other, list] of truth) if ((list.at(-1) ?? 0) < now - findtimeMs) truth.delete(other);
      }
    }
    // When all is over nothing stays.
    for (let i = 0; i < 50; i++) window.expire(now + findtimeMs + 1);
    if (window.size !== 0) wrong.say(`${window.size} keys stay for ever`);
    if (reached === 0) wrong.say("nobody was ever banned");
    return [
      {
        promise: "14 a week's soak",
        tried: `${days} days by a fast clock, ${hits} failures`,
        measured: `${reached} reached maxretry, at most ${most} keys, ${window.evicted} let go for room, none left at the end`,
        wrong: wrong.list,
      },
    ];
  },
};
