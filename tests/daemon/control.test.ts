// Where the control socket is made: whoever could put another in its place would be asked instead of the daemon.

import { expect, test } from "bun:test";
import fs from "node:fs";
import { makeWay, openControl } from "../../src/daemon/control.ts";
import type { Daemon } from "../../src/daemon/daemon.ts";
import { inDirectory, system } from "../source/reading.ts";

const open = async (path: string) =>
  (await makeWay(system, path)) ?? openControl(system, path, undefined, new Map(), {} as Daemon);
const asRoot = test.skipIf(process.geteuid?.() !== 0 && !process.env.CI);

test("a directory that others can write to is refused, one with the sticky bit is not", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/run/f2b.sock`;
    for (const [mode, fine] of [
      [0o755, true],
      [0o777, false],
      [0o1777, true],
      [0o700, true],
    ] as const) {
      fs.mkdirSync(`${directory}/run`, { recursive: true });
      fs.chmodSync(`${directory}/run`, mode);
      const opened = await open(path);
      if ("close" in opened) {
        expect(fs.statSync(path).mode & 0o777).toBe(0o600);
        opened.close();
      } else expect(opened.what).toContain("can be written by others");
      expect("close" in opened).toBe(fine);
    }
  }));

asRoot("another user's directory is refused", () =>
  inDirectory(async (directory) => {
    fs.mkdirSync(`${directory}/run`);
    fs.chownSync(`${directory}/run`, 4242, 4242);
    const opened = await open(`${directory}/run/f2b.sock`);
    expect("what" in opened ? opened.what : "").toContain("belongs to user 4242");
  }),
);

test("a directory that is missing is made so that a configured group could enter, whatever the umask", () =>
  inDirectory(async (directory) => {
    const before = process.umask(0o077);
    const opened = await open(`${directory}/made/f2b.sock`);
    process.umask(before);
    expect(fs.statSync(`${directory}/made`).mode & 0o777).toBe(0o755);
    if ("close" in opened) opened.close();
  }));
