// A log that nothing had been read of yet is known all the same: what is written into it while nobody reads is found after a rotation.

import { expect, test } from "bun:test";
import fs from "node:fs";
import { eventually } from "../support/time.ts";
import { inDirectory, read } from "./reading.ts";

for (const [kind, before, since] of [
  ["empty", "", undefined],
  ["all too old", "an old line\n", Date.now() - 1000],
] as const) {
  test(`a log that was ${kind} is rotated while nobody reads`, () =>
    inDirectory(async (directory) => {
      const log = `${directory}/app.log`;
      fs.writeFileSync(log, before);
      const options = since === undefined ? {} : { backlogMs: 500, timeOf: () => 0 };
      const first = read([log], options);
      await eventually("where reading begins is known", () => first.positions.has(log));
      await first.stop();
      expect(first.positions.get(log)).toMatchObject({ offset: before.length });
      fs.appendFileSync(log, "one\ntwo\n");
      fs.renameSync(log, `${log}.1`);
      fs.writeFileSync(log, "three\n");
      const second = read([log], options, first.positions);
      await eventually("the rest and what is new", () => second.lines.length >= 3);
      await second.stop();
      expect(second.lines).toEqual(["one", "two", "three"]);
    }));
}

test("a log that was empty is gone and another has its inode under a strange name: that one is none of ours", () =>
  inDirectory(async (directory) => {
    const log = `${directory}/app.log`;
    fs.writeFileSync(log, "");
    const first = read([log]);
    await eventually("where reading begins is known", () => first.positions.has(log));
    await first.stop();
    fs.renameSync(log, `${directory}/other`);
    fs.writeFileSync(`${directory}/other`, "strange\n");
    fs.writeFileSync(log, "ours\n");
    const second = read([log], {}, first.positions);
    await eventually("what is new", () => second.lines.length > 0);
    await second.stop();
    expect(second.lines).toEqual(["ours"]);
  }));
