// Promise 7: the wall clock is set back an hour, forward a year, to a leap day and over the change of summer time while the real daemon
// runs, and while it is down. Nobody is let in at once, nobody banned at once, and a ban ends after the time it was given.
// The daemon runs from its sources, with a Date that is moved by what a file says; the monotonic clock and the kernel's are the machine's.

import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/lab.ts";
import { blame, type Part } from "./part.ts";
import { kernel, needsKernel, openStage, stamp } from "./stage.ts";

const hour = 3_600_000;
const day = 24 * hour;
const root = join(import.meta.dir, "../..");

const moved = (file: string): string => `import { readFileSync } from "node:fs";
const real = Date.now.bind(Date);
let read = -1e9, offset = 0;
const by = () => {
  const at = performance.now();
  if (at - read > 20) { read = at; try { offset = Number(readFileSync(${JSON.stringify(file)}, "utf8")) || 0; } catch {} }
  return offset;
};
const Original = Date;
globalThis.Date = new Proxy(Original, {
  construct: (target, words, self) => Reflect.construct(target, words.length === 0 ? [real() + by()] : words, target),
  apply: () => new Original(real() + by()).toString(),
});
Original.now = () => real() + by();
`;

export const clock: Part = {
  name: "clock",
  missing: needsKernel,
  async run(length) {
    const wrong = blame();
    const seconds = length === "short" ? 4 : 6;
    const stage = openStage({
      defaults: 'backend = "inotify"\n',
      jails: (lab) => {
        const log = join(lab.directory, "short.log");
        writeFileSync(log, "");
        return `[jails.brief]\nenabled = true\nfilter = "sshd"\nmaxretry = 1\nbantime = "${seconds}s"\nfindtime = "1h"\nlogpath = ["${log}"]\n`;
      },
    });
    const offsetFile = join(stage.lab.directory, "offset");
    const preload = join(stage.lab.directory, "moved.ts");
    writeFileSync(preload, moved(offsetFile));
    let offset = 0;
    const set = (to: number): void => {
      offset = to;
      writeFileSync(offsetFile, String(to));
    };
    set(0);
    const line = (address: string): string =>
      `${stamp(new Date(Date.now() + offset))} web1 sshd[812]: Failed password for root from ${address} port 4022 ssh2\n`;
    const ask = (...words: string[]): number =>
      stage.lab.server.run([process.execPath, join(root, "src/main.ts"), ...words, "-s", stage.files.socket])
        .code;
    const launch = async () => {
      const child = stage.lab.server.start(
        [
          process.execPath,
          "--preload",
          preload,
          join(root, "src/main.ts"),
          "daemon",
          "-c",
          stage.files.config,
        ],
        { env: { TZ: "Europe/Berlin" }, cwd: root },
      );
      await until("it is ready", () => existsSync(stage.files.socket) && ask("ping") === 0, 20_000, 100);
      return child;
    };
    const now = Date.now();
    const at = (text: string): number => Date.parse(text) - now;
    const jumps: readonly (readonly [string, number])[] = [
      ["back an hour", -hour],
      ["forward a year", 365 * day],
      ["to a leap day", at("2028-02-29T12:00:00Z")],
      ["before the change to summer time", at("2027-03-28T00:59:57Z")],
      ["before the change to winter time", at("2027-10-31T00:59:57Z")],
      ["before New Year", at("2026-12-31T22:59:57Z")],
      ["to 1970", at("1970-01-02T00:00:00Z")],
      ["back to the truth", 0],
    ];
    const chosen = length === "short" ? jumps.slice(0, 2).concat(jumps.slice(-1)) : jumps;
    let longest = 0;
    let n = 0;
    try {
      let child = await launch();
      const stands = (address: string): boolean => kernel(stage.lab).includes(address);
      appendFileSync(stage.log, line("203.0.113.1").repeat(3));
      await until("the long ban stands", () => stands("203.0.113.1"), 5000);
      for (const [what, to] of chosen) {
        n++;
        const brief = `203.0.113.${100 + n}`;
        const counted = `203.0.113.${10 + n}`;
        const below = `203.0.113.${50 + n}`;
        appendFileSync(stage.log, line(counted).repeat(2) + line(below));
        appendFileSync(join(stage.lab.directory, "short.log"), line(brief));
        await until(`the brief ban stands (${what})`, () => stands(brief), 5000).catch((error: Error) =>
          wrong.say(error.message),
        );
        const began = performance.now();
        await Bun.sleep(300);
        set(to);
        await Bun.sleep(1500);
        if (!stands("203.0.113.1")) wrong.say(`${what}: a ban of an hour is gone`);
        if (!stands(brief)) wrong.say(`${what}: a ban of ${seconds} s is gone after two`);
        appendFileSync(stage.log, line(below) + line(counted));
        await until(`${what}: the third failure bans`, () => stands(counted), 3000).catch((error: Error) =>
          wrong.say(error.message),
        );
        if (stands(below)) wrong.say(`${what}: two failures, one before and one after, became a ban`);
        await until(`${what}: the brief ban ends`, () => !stands(brief), 15_000, 50).catch((error: Error) =>
          wrong.say(error.message),
        );
        const lasted = performance.now() - began;
        longest = Math.max(longest, lasted);
        if (Math.abs(lasted - seconds * 1000) > 2500)
          wrong.say(`${what}: a ban of ${seconds} s lasted ${(lasted / 1000).toFixed(1)} s`);
        await Bun.sleep(200);
        if (ask("banned", brief) === 0) wrong.say(`${what}: the state still holds a ban that has ended`);
      }
      // While it is down the clock steps back: what stands must not last longer for it than the jump, and never for ever.
      child.kill("SIGKILL");
      await until("it is gone", () => child.exitCode !== null || child.signalCode !== null);
      set(-hour);
      child = await launch();
      await Bun.sleep(500);
      if (!stands("203.0.113.1")) wrong.say("back an hour while down: a ban of an hour is gone");
      child.kill("SIGTERM");
      await until("it stops", () => child.exitCode !== null || child.signalCode !== null, 15_000);
      return [
        {
          promise: "7 the clock may jump",
          tried: `${chosen.map(([what]) => what).join(", ")}; back an hour while down`,
          measured: `bans of ${seconds} s lasted at most ${(longest / 1000).toFixed(1)} s`,
          wrong: wrong.list,
        },
      ];
    } finally {
      stage.close();
    }
  },
};
