// What one piece of a log does to the path it takes must not stop the log.

import { expect, test } from "bun:test";
import fs from "node:fs";
import type { Core } from "../../src/daemon/core.ts";
import type { Pipeline } from "../../src/daemon/pipeline.ts";
import { createSupervisor } from "../../src/daemon/supervisor.ts";
import { inDirectory, system } from "../source/reading.ts";
import { eventually } from "../support/time.ts";

interface Told {
  readonly kind: string;
  readonly text: string;
  readonly recovered: boolean;
}

/** As much of a daemon as a supervisor asks for, with one jail. */
const coreOf = (
  running: object,
  {
    say = () => undefined,
    told = () => undefined,
  }: {
    readonly say?: (level: string, text: string) => unknown;
    readonly told?: (event: Told) => unknown;
  } = {},
): Core =>
  ({
    system: { ...system, log: { say } },
    jails: new Map([["app", running]]),
    config: { daemon: { linecap: 8192 } },
    events: { tell: () => undefined },
    told,
    now: () => Date.now(),
    checkpointSoon: () => undefined,
  }) as unknown as Core;

const pipelineOf = (take: (chunk: { readonly text: string }) => void = () => undefined): Pipeline =>
  ({ positions: new Map(), forgetScanners: () => undefined, take }) as unknown as Pipeline;

test("a chunk on which the pipeline throws is told and passed over; what comes behind it is read", () =>
  inDirectory(async (directory) => {
    const log = `${directory}/app.log`;
    fs.writeFileSync(log, "");
    const jail = { backend: "inotify", logpath: [log], journalmatch: [], findtime: 600 };
    const running = { jail, state: "running", origin: "none", reason: undefined, files: new Set() };
    const said: string[] = [];
    const core = coreOf(running, { say: (_level: string, text: string) => said.push(text) });
    const taken: string[] = [];
    const pipeline = pipelineOf((chunk) => {
      if (chunk.text.includes("poison")) throw new Error("a bug");
      taken.push(chunk.text);
    });
    const supervisor = createSupervisor(core, pipeline);
    supervisor.align();
    await eventually("the log is read", () => said.some((text) => text.startsWith("reading")));
    fs.appendFileSync(log, "poison\n");
    await eventually("the bug is told", () => said.some((text) => text.includes("please report")));
    fs.appendFileSync(log, "after\n");
    await eventually("the next line", () => taken.includes("after\n"), 1500);
    await supervisor.close();
    expect(said.find((text) => text.includes("please report"))).toContain(`${log} at byte 0`);
  }));

test("that a log is no longer read is told once, and that it is read again; not of what a pattern only happens to match", () =>
  inDirectory(async (directory) => {
    const log = `${directory}/app.log`;
    fs.symlinkSync(log, log);
    fs.writeFileSync(`${directory}/app.log.1.gz`, "packed");
    const jail = { backend: "inotify", logpath: [log, `${directory}/*.gz`], journalmatch: [], findtime: 600 };
    const running = { jail, state: "running", origin: "none", reason: undefined, files: new Set() };
    const told: Told[] = [];
    const core = coreOf(running, { told: (event) => told.push(event) });
    const supervisor = createSupervisor(core, pipelineOf());
    supervisor.align();
    await eventually("it is told", () => told.length > 0);
    fs.unlinkSync(log);
    fs.writeFileSync(log, "a line\n");
    await eventually("that it is read again", () => told.length > 1);
    await supervisor.close();
    expect(told).toEqual([
      expect.objectContaining({ kind: "source", recovered: false }),
      expect.objectContaining({ kind: "source", recovered: true, text: `${log} is read again` }),
    ]);
    expect(told[0]?.text).toContain(log);
  }));

test("a jail whose logs are there and cannot be read is broken and says why; one that can is enough; mended, it runs; away, it waits", () =>
  inDirectory(async (directory) => {
    const log = `${directory}/app.log`;
    const other = `${directory}/other.log`;
    fs.mkdirSync(log);
    const jail = { backend: "inotify", logpath: [log, other], journalmatch: [], findtime: 600 };
    const running = {
      jail,
      state: "waiting",
      origin: "none",
      reason: undefined as string | undefined,
      files: new Set(),
    };
    const core = coreOf(running);
    const supervisor = createSupervisor(core, pipelineOf());
    supervisor.align();
    await eventually("it is broken", () => running.state === "broken");
    expect(running.reason).toBe(`${log} is a directory, not a file`);
    expect([...supervisor.problems.values()]).toEqual([`${log} is a directory, not a file`]);
    fs.writeFileSync(other, "");
    supervisor.align();
    expect(running).toMatchObject({ state: "running", reason: undefined });
    fs.unlinkSync(other);
    supervisor.align();
    expect(running.state).toBe("broken");
    fs.rmdirSync(log);
    supervisor.align();
    expect(running.state).toBe("waiting");
    expect(supervisor.problems.size).toBe(0);
    fs.symlinkSync(`${directory}/nothing`, log);
    supervisor.align();
    expect(running.state).toBe("waiting");
    fs.unlinkSync(log);
    fs.writeFileSync(log, "");
    await eventually("it runs", () => running.state === "running", 8000);
    supervisor.align();
    expect(running.state).toBe("running");
    await supervisor.close();
  }));
