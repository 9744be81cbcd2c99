// When memory is given back, and that nothing is lost with it.

import { expect, test } from "bun:test";
import { apply, createState, liveBan } from "../../src/core/state.ts";
import { createThrift } from "../../src/daemon/thrift.ts";
import { banned, dump, jail, target } from "../support/records.ts";
import { fakeSystem } from "../support/system.ts";

const sshd = jail("sshd");
const who = target("30.0.0.1");

function after(chars: number, quietMs: number, bans: number) {
  const state = createState();
  for (let n = 1; n <= bans; n++) apply(state, banned(`30.0.${n >> 8}.${n & 255}`));
  const system = fakeSystem();
  const came = system.clock.monotonic();
  let volume = 0;
  const thrift = createThrift(system, state, { lastTaken: () => came, volume: () => volume });
  const before = { ban: liveBan(state, sshd, who), all: dump(state) };
  volume = chars;
  system.clock.turn(quietMs);
  thrift.tick();
  return { before, after: { ban: liveBan(state, sshd, who), all: dump(state) } };
}

test("after a storm, once it is quiet, what stands is made again in fresh memory", () => {
  const { before, after: then } = after(1_000_000, 6000, 1500);
  expect(then.all).toBe(before.all);
  expect(then.ban).toEqual(before.ban!);
  expect(then.ban).not.toBe(before.ban!);
});

test("nothing is moved while lines come, after a few lines, or for a few bans", () => {
  for (const [chars, quietMs, bans] of [
    [1_000_000, 1000, 1500],
    [1000, 60_000, 1500],
    [1_000_000, 6000, 500],
  ] as const) {
    const { before, after: then } = after(chars, quietMs, bans);
    expect(then.ban).toBe(before.ban!);
    expect(then.all).toBe(before.all);
  }
});
