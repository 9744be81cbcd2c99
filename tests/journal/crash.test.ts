// Promise 1 at the journal: the process dies at every single call to the disk (before it, half way through a write, after it), by
// kill -9 or by a power cut that loses what was not flushed. Whatever is found afterwards must be the state of a first part of what
// was done, at least up to what was acknowledged (after kill -9: up to what was written).

import { expect, test } from "bun:test";
import fc from "fast-check";
import type { JournalRecord } from "../../src/core/domain.ts";
import { apply, createState } from "../../src/core/state.ts";
import { openJournal } from "../../src/journal/journal.ts";
import type { Files } from "../../src/system/index.ts";
import { type Survives, type TestDisk, testDisk } from "../support/files.ts";
import { anyRecord, banned, checkpoint, dump, start, unbanned } from "../support/records.ts";
import { fakeSystem } from "../support/system.ts";

const directory = "/var/lib/f2b";

/** What a run did: its records in order, how many were written, and how many are on disk. */
interface Truth {
  /** The state after each record, as text; [0] is before any. */
  readonly after: string[];
  written: number;
  acknowledged: number;
  degraded: boolean;
}

type Step =
  | { readonly records: readonly JournalRecord[] }
  | "compact"
  | "wait"
  | { readonly trouble: keyof Files; readonly code: string };

const grow: Step[] = Array.from({ length: 4 }, (_, i) => ({
  records: [banned(`198.51.100.${i}`, { since: start + 100 + i })],
}));

const script: readonly Step[] = [
  { records: [banned("192.0.2.1")] },
  { records: [banned("192.0.2.2"), banned("192.0.2.3")] },
  { records: [unbanned("192.0.2.1", start + 10, "operator")] },
  {
    records: [
      {
        t: "checkpoint",
        checkpoint: checkpoint(start + 20, {
          positions: {},
          totals: { sshd: { failed: 9, banned: 3, days: [] } },
        }),
      },
    ],
  },
  "compact",
  ...grow,
  {
    records: [
      { t: "ban", ban: theBan("192.0.2.1", start + 200), seen: { source: "/l", ino: 3, offset: 77 } },
    ],
  },
  "wait",
  "compact",
  { records: [unbanned("192.0.2.2", start + 300), unbanned("192.0.2.3", start + 301)] },
  "wait",
];

const troubled: readonly Step[] = [
  { records: [banned("192.0.2.1")] },
  { trouble: "flush", code: "EIO" },
  { records: [banned("192.0.2.2")] },
  { records: [banned("192.0.2.3")] },
  "wait",
  { records: [unbanned("192.0.2.1", start + 10, "operator")] },
  { trouble: "write", code: "ENOSPC" },
  { records: [banned("192.0.2.4")] },
  { records: [banned("192.0.2.5")] },
  "wait",
  { records: [banned("192.0.2.6")] },
];

function theBan(who: string, since: number) {
  const record = banned(who, { since, until: since + 600_000 });
  if (record.t !== "ban") throw new Error("no ban");
  return record.ban;
}

async function run(disk: TestDisk, steps: readonly Step[], truth: Truth): Promise<void> {
  const system = { ...fakeSystem({ now: start }), files: disk.files };
  const shadow = createState();
  truth.after.push(dump(shadow));
  const opened = openJournal({ system, directory, dbpurgeage: "forever", uid: 0 });
  if (!opened.ok) return;
  const { journal, state } = opened.value;
  const turn = async (ms: number): Promise<void> => {
    for (let i = 0; i < 12; i++) {
      system.clock.turn(ms);
      for (let j = 0; j < 4; j++) await Promise.resolve();
    }
  };
  let done = 0;
  for (const step of steps) {
    if (disk.dead) return;
    if (step === "compact") void journal.compact();
    else if (step === "wait") await turn(6_000);
    else if ("trouble" in step) disk.fail(step.trouble, step.code);
    else {
      for (const record of step.records) {
        apply(state, record);
        apply(shadow, record);
        truth.after.push(dump(shadow));
        done++;
      }
      const mine = done;
      const durable = journal.append(step.records);
      if (!disk.dead) {
        const { degraded } = journal.state();
        truth.degraded ||= degraded !== undefined;
        if (degraded === undefined) truth.written = mine;
      }
      void durable.then((yes) => {
        // What was told as durable includes all before it.
        if (yes) truth.acknowledged = Math.max(truth.acknowledged, mine);
      });
      await turn(0);
    }
  }
  journal.close();
  if (!disk.dead && journal.state().degraded === undefined) truth.acknowledged = done;
}

const emptyTruth = (): Truth => ({ after: [], written: 0, acknowledged: 0, degraded: false });

/** How far the run had come, by what is found; fails when it is no first part at all, or one that is too short. */
function judge(disk: TestDisk, truth: Truth, least: number, what: string): void {
  const system = { ...fakeSystem({ now: start + 30 * 86_400_000 }), files: disk.files };
  const opened = openJournal({ system, directory, dbpurgeage: "forever", uid: 0 });
  if (!opened.ok) throw new Error(`${what}: ${JSON.stringify(opened.faults)}`);
  const found = dump(opened.value.state);
  const reached = truth.after.lastIndexOf(found);
  if (reached < least) throw new Error(`${what}: found record ${reached}, owed ${least}\n${found}`);
  expect(opened.value.journal.state().degraded).toBeUndefined();
  // And it goes on from there.
  apply(opened.value.state, banned("203.0.113.99"));
  void opened.value.journal.append([banned("203.0.113.99")]);
  opened.value.journal.close();
  const again = openJournal({ system, directory, dbpurgeage: "forever", uid: 0 });
  if (!again.ok) throw new Error(`${what}: not twice`);
  expect(dump(again.value.state)).toBe(dump(opened.value.state));
  expect(again.value.damage).toEqual([]);
}

const powerCuts: readonly Survives[] = [
  { kind: "power", names: false, torn: 0 },
  { kind: "power", names: true, torn: 0 },
  { kind: "power", names: false, torn: 0.4 },
  { kind: "power", names: true, torn: 0.97 },
  { kind: "power", names: true, torn: 1 },
];

for (const [name, steps] of [
  ["a run with two compactions", script],
  ["a run in which the disk fails and recovers", troubled],
] as const) {
  test(`dying at every call to the disk in ${name} loses nothing that was acknowledged`, async () => {
    const whole = testDisk();
    const complete = emptyTruth();
    await run(whole, steps, complete);
    expect(complete.acknowledged).toBe(complete.after.length - 1);
    const calls = whole.calls;
    expect(calls).toBeGreaterThan(40);
    let tried = 0;
    for (let at = 1; at <= calls; at++) {
      for (const effect of ["before", "half", "after"] as const) {
        const disk = testDisk();
        disk.crashAt(at, effect);
        const truth = emptyTruth();
        await run(disk, steps, truth);
        const what = `died ${effect} call ${at}, ${disk.log.at(-1)}`;
        // In memory only is what a degraded journal says of its records: they are owed once it is well again.
        judge(
          disk.after({ kind: "kill" }),
          truth,
          truth.degraded ? truth.acknowledged : truth.written,
          `${what}, killed`,
        );
        for (const survives of powerCuts)
          judge(disk.after(survives), truth, truth.acknowledged, `${what}, ${JSON.stringify(survives)}`);
        tried += 1 + powerCuts.length;
      }
    }
    console.log(`${name}: ${calls} calls to the disk, ${tried} crashes, nothing lost`);
  }, 60_000);
}

test("any one call that fails, with any error, loses nothing: the journal is well again by itself", async () => {
  const whole = testDisk();
  await run(whole, script, emptyTruth());
  let tried = 0;
  for (let at = 1; at <= whole.calls; at++) {
    for (const code of ["EIO", "ENOSPC", "EMFILE"]) {
      const disk = testDisk();
      disk.failAt(at, code);
      const truth = emptyTruth();
      await run(disk, [...script, "wait"], truth);
      const what = `${code} at call ${at}, ${whole.log[at - 1]}`;
      judge(disk.after({ kind: "power", names: false, torn: 0 }), truth, truth.after.length - 1, what);
      tried++;
    }
  }
  console.log(`${tried} single failures, nothing lost`);
}, 60_000);

test("runs of any kind, with failures and a crash anywhere, lose nothing that was acknowledged", async () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.array(anyRecord, { minLength: 1, maxLength: 3 }).map((records): Step => ({ records })),
    },
    fc.constantFrom<Step>("compact", "wait"),
    fc.record({
      trouble: fc.constantFrom(
        "flush" as const,
        "write" as const,
        "fsync" as const,
        "rename" as const,
        "open" as const,
        "fsyncDirectory" as const,
        "ftruncate" as const,
      ),
      code: fc.constantFrom("EIO", "ENOSPC"),
    }),
  );
  const survives: fc.Arbitrary<Survives> = fc.oneof(
    fc.constant<Survives>({ kind: "kill" }),
    fc.record({
      kind: fc.constant("power" as const),
      names: fc.boolean(),
      torn: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 3, maxLength: 25 }),
      fc.integer({ min: 1, max: 150 }),
      fc.constantFrom("before" as const, "half" as const, "after" as const),
      survives,
      async (steps, at, effect, found) => {
        const disk = testDisk();
        disk.crashAt(at, effect);
        const truth = emptyTruth();
        await run(disk, steps, truth);
        judge(
          disk.after(found),
          truth,
          found.kind === "kill" && !truth.degraded ? truth.written : truth.acknowledged,
          "a run",
        );
      },
    ),
    { numRuns: 1500 },
  );
}, 120_000);
