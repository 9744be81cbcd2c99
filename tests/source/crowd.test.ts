// Whoever owns a log directory can fill it, and can put anything beside his log. That is his own log's trouble and nobody else's.

import { describe, expect, test } from "bun:test";
import fs from "node:fs";
import { choose, crowdOf, openLimit } from "../../src/source/crowd.ts";
import type { Child, System } from "../../src/system/index.ts";
import { eventually } from "../support/time.ts";
import { inDirectory, read, system } from "./reading.ts";

describe("more files than may be open", () => {
  const found = (...paths: string[]) => paths.map((path) => ({ path, patterns: ["/srv/*/log/*.log"] }));
  const paths = (list: readonly { readonly path: string }[]) => list.map(({ path }) => path);

  test("are all taken while they are few", () => {
    const all = found("/srv/a/log/1.log", "/srv/a/log/2.log");
    expect(choose(all, () => false, 2)).toEqual({ chosen: all, left: [] });
  });

  test("are taken of each directory in turn, after those named and those read already", () => {
    const planted = Array.from({ length: 1000 }, (_, i) => `/srv/a/log/${i}.log`);
    const named = { path: "/var/log/auth.log", patterns: ["/var/log/auth.log"] };
    const all = [...found(...planted, "/srv/b/log/x.log", "/srv/c/log/1.log", "/srv/c/log/2.log"), named];
    const { chosen, left } = choose(all, (path) => path === "/srv/c/log/2.log", 5);
    expect(paths(chosen)).toEqual([
      "/srv/a/log/0.log",
      "/srv/b/log/x.log",
      "/srv/c/log/1.log",
      "/srv/c/log/2.log",
      "/var/log/auth.log",
    ]);
    expect(left.length).toBe(all.length - 5);
  });

  test("are judged by the soft limit of the process, of which logs have a part", () => {
    const table = (soft: string) =>
      `Limit                     Soft Limit           Hard Limit           Units     \nMax open files            ${soft}                 524288               files     \n`;
    expect(openLimit(table("1024"))).toBe(1024);
    expect(openLimit(table("unlimited"))).toBeUndefined();
    expect(openLimit("")).toBeUndefined();
    const crowd = crowdOf(system);
    expect(crowd.logs + crowd.rotated).toBeLessThan(
      openLimit(fs.readFileSync("/proc/self/limits", "latin1")) ?? 1024,
    );
  });

  test("leave the logs of others alone, are told with their directory, and are read when there is room", () =>
    inDirectory(async (directory) => {
      const auth = `${directory}/auth.log`;
      for (const name of ["web", "srv"]) fs.mkdirSync(`${directory}/${name}`);
      for (let i = 0; i < 50; i++) fs.writeFileSync(`${directory}/web/${i}.log`, "planted\n");
      fs.writeFileSync(`${directory}/srv/a.log`, "");
      fs.writeFileSync(auth, "");
      const before = fs.readdirSync("/proc/self/fd").length;
      const reading = read([`${directory}/web/*.log`, `${directory}/srv/*.log`, auth], {
        crowd: { logs: 4, rotated: 2 },
      });
      await eventually("the notice", () =>
        reading.notices.some(({ kind, source }) => kind === "refused" && source === `${directory}/web`),
      );
      expect(fs.readdirSync("/proc/self/fd").length - before).toBeLessThan(12);
      fs.appendFileSync(auth, "auth\n");
      fs.appendFileSync(`${directory}/srv/a.log`, "srv\n");
      await eventually(
        "the others' lines",
        () => reading.lines.filter((line) => line !== "planted").length === 2,
      );
      // A rotation needs a descriptor, and has it.
      fs.renameSync(auth, `${auth}.1`);
      fs.writeFileSync(auth, "rotated\n");
      await eventually("the new file's line", () => reading.lines.includes("rotated"));

      for (let i = 0; i < 48; i++) fs.rmSync(`${directory}/web/${i}.log`);
      fs.appendFileSync(`${directory}/web/48.log`, "room\n");
      await eventually("a file that was left out", () => reading.lines.includes("room"), 15_000);
      await reading.stop();
      expect(
        reading.notices.some(({ kind, source }) => kind === "opened" && source === `${directory}/web`),
      ).toBe(true);
    }));
});

describe("what stands beside a log", () => {
  /** Unpacking never ends: what a few megabytes can be packed to do for hours. */
  const endless = (): System => {
    const silent: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }),
    };
    const child: Child = {
      pid: 0,
      exited: new Promise(() => undefined),
      write: () => true,
      stdout: silent,
      stderr: silent,
      kill: () => undefined,
    };
    return { ...system, programs: { ...system.programs, start: () => child } };
  };

  test("may take for ever to be unpacked: the other logs are read on", () =>
    inDirectory(async (directory) => {
      const [app, auth] = [`${directory}/app.log`, `${directory}/auth.log`];
      fs.writeFileSync(auth, "");
      fs.writeFileSync(app, "one\ntwo\n");
      const reading = read([app, auth], { system: endless() });
      await eventually("both lines", () => reading.lines.length === 2);
      // As copytruncate leaves it, with a compressed rotation that is newer than the copy.
      fs.copyFileSync(app, `${app}.2`);
      fs.writeFileSync(`${app}.1.xz`, "packed");
      fs.writeFileSync(app, "new\n");
      await eventually("the truncation", () =>
        reading.notices.some(({ text }) => text.includes("truncated")),
      );
      for (let i = 0; i < 3; i++) {
        fs.appendFileSync(auth, `auth ${i}\n`);
        await eventually("the other log's line", () => reading.lines.includes(`auth ${i}`), 2000);
      }
      await reading.stop();
    }));

  test("is opened only as far as there is room for rotations", () =>
    inDirectory(async (directory) => {
      const app = `${directory}/app.log`;
      fs.writeFileSync(app, "one\n");
      const before = fs.readdirSync("/proc/self/fd").length;
      const reading = read([app], { crowd: { logs: 8, rotated: 4 } });
      await eventually("the first line", () => reading.lines.length === 1);
      for (let i = 2; i < 200; i++) fs.writeFileSync(`${app}.${i}`, `planted ${i}\n`);
      fs.renameSync(app, `${app}.1`);
      fs.writeFileSync(app, "two\n");
      await eventually("the new file's line", () => reading.lines.includes("two"));
      expect(fs.readdirSync("/proc/self/fd").length - before).toBeLessThan(12);
      await reading.stop();
      expect(reading.notices.some(({ text }) => text.includes("rotated files are not read"))).toBe(true);
    }));
});
