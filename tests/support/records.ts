// Records for tests: short builders, an arbitrary history for property tests, and a state as text, so that two can be compared.

import fc from "fast-check";
import { addressTarget, idTarget, parseAddress, parsePrefix, prefixTarget } from "../../src/core/address.ts";
import type { Ban, Checkpoint, JailName, JournalRecord, Target } from "../../src/core/domain.ts";
import { apply, createState, lastCheckpoint, type State } from "../../src/core/state.ts";

export const start = Date.UTC(2026, 10, 21, 6, 30);
export const jail = (name: string): JailName => name as JailName;

export function target(text: string): Target {
  if (text.startsWith("id ")) return idTarget(text.slice(3));
  if (text.includes("/")) {
    const prefix = parsePrefix(text);
    if (prefix === undefined) throw new Error(`no prefix: ${text}`);
    return prefixTarget(prefix);
  }
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`no address: ${text}`);
  return addressTarget(address);
}

export function ban(who: string, more: Partial<Ban> = {}): Ban {
  return {
    jail: jail("sshd"),
    target: target(who),
    since: start,
    until: start + 600_000,
    nth: 1,
    cause: "failures",
    failures: 5,
    lines: [],
    ...more,
  };
}

export const banned = (who: string, more: Partial<Ban> = {}): JournalRecord => ({
  t: "ban",
  ban: ban(who, more),
});

export const unbanned = (
  who: string,
  at: number,
  reason: "expired" | "operator" | "folded" = "expired",
  name = "sshd",
): JournalRecord => ({
  t: "unban",
  jail: jail(name),
  target: target(who),
  at,
  reason,
});

export const checkpoint = (at: number, more: Partial<Checkpoint> = {}): Checkpoint => ({
  at,
  boot: "boot",
  positions: {},
  windows: {},
  totals: {},
  ...more,
});

export function fold(records: Iterable<JournalRecord>): State {
  const state = createState();
  for (const record of records) apply(state, record);
  return state;
}

/** Everything that a state knows, in an order of its own. `rough` leaves out what a clock shift by zero or a purge may touch. */
export function dump(state: State): string {
  const sorted = <Value>(entries: Iterable<readonly [string, Value]>): (readonly [string, Value])[] =>
    [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const keyed = (value: unknown): unknown =>
    typeof value !== "object" || value === null
      ? value
      : Array.isArray(value)
        ? value.map(keyed)
        : sorted(Object.entries(value)).map(([key, one]) => [key, keyed(one)]);
  return JSON.stringify(
    {
      jails: sorted(
        [...state.jails]
          .filter(([, { bans }]) => bans.size > 0)
          .map(([name, { bans }]) => [name, sorted([...bans].map(([key, one]) => [key, keyed(one)]))]),
      ),
      past: sorted(
        [...state.past].map(([key, { target: whom, jails }]) => [
          key,
          [keyed(whom), sorted(jails.map((one) => [one.jail, keyed(one)]))],
        ]),
      ),
      marks: sorted([...state.marks].map(([key, marks]) => [key, marks.map(keyed)])),
      settings: sorted([...state.settings].map(([name, map]) => [name, sorted(map)])),
      checkpoint: keyed(lastCheckpoint(state)),
      due: state.due.next(),
      newest: state.newest,
      lineChars: state.lineChars,
    },
    undefined,
    1,
  );
}

const whom = fc.constantFrom(
  "192.0.2.1",
  "192.0.2.2",
  "198.51.100.7",
  "2001:db8::1",
  "2001:db8:0:1::/64",
  "203.0.113.0/24",
  "id __proto__",
  "id constructor",
);
const names = fc.constantFrom("sshd", "nginx", "__proto__", "constructor");
const moment = fc.integer({ min: start, max: start + 86_400_000 });
const text = fc.oneof(
  fc.string(),
  fc.constantFrom("__proto__", "\u0000\u001b[2J", "\ud800", '{"v":1,"c":"', "\u2028"),
);
const seen = fc.oneof(
  fc.record({
    source: fc.constantFrom("/var/log/auth.log", "/var/log/a"),
    ino: fc.integer({ min: 1, max: 3 }),
    offset: fc.integer({ min: 0, max: 1000 }),
  }),
  fc.record({ source: fc.constant("journald"), at: moment }),
  fc.record({
    source: fc.constant("/var/log/a"),
    key: fc.constantFrom("192.0.2.1", "2001:db8::/64", "a/b", "__proto__"),
    ino: fc.integer({ min: 1, max: 3 }),
    offset: fc.integer({ min: 0, max: 1000 }),
  }),
);

const anyBan: fc.Arbitrary<Ban> = fc
  .record({
    who: whom,
    name: names,
    since: moment,
    length: fc.option(fc.integer({ min: 1, max: 10_000_000 })),
    nth: fc.integer({ min: 1, max: 9 }),
    cause: fc.constantFrom(
      "failures" as const,
      "operator" as const,
      "recidive" as const,
      "prefix" as const,
      "import" as const,
    ),
    failures: fc.nat(100),
    lines: fc.array(text, { maxLength: 3 }),
    user: fc.option(text),
  })
  .map(({ who, name, since, length, user, ...rest }) => ({
    ...rest,
    jail: jail(name),
    target: target(who),
    since,
    until: length === null ? ("forever" as const) : since + length,
    ...(user === null ? {} : { user }),
  }));

const anyCheckpoint: fc.Arbitrary<Checkpoint> = fc.record({
  at: moment,
  boot: fc.constantFrom("a", "b"),
  positions: fc.dictionary(
    fc.constantFrom("/var/log/auth.log", "/var/log/a"),
    fc.record({
      kind: fc.constant("file" as const),
      path: fc.constant("/var/log/a"),
      dev: fc.nat(9),
      ino: fc.integer({ min: 1, max: 3 }),
      offset: fc.nat(1000),
      fingerprint: fc.string(),
    }),
  ),
  windows: fc.dictionary(
    names,
    fc.array(
      fc.record({
        key: text,
        hits: fc.array(fc.tuple(moment, fc.nat(9)), { maxLength: 3 }),
        lines: fc.array(text, { maxLength: 2 }),
      }),
      { maxLength: 2 },
    ),
  ),
  totals: fc.dictionary(
    names,
    fc.record({ failed: fc.nat(), banned: fc.nat(), days: fc.constant([["2026-11-21", 3, 1] as const]) }),
  ),
});

/** One record of any kind, about few targets and jails, so that histories meet themselves. */
export const anyRecord: fc.Arbitrary<JournalRecord> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(anyBan, fc.option(seen))
      .map(([one, at]): JournalRecord => ({ t: "ban", ban: one, ...(at === null ? {} : { seen: at }) })),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      t: fc.constant("unban" as const),
      jail: names.map(jail),
      target: whom.map(target),
      at: moment,
      reason: fc.constantFrom("expired" as const, "operator" as const, "folded" as const, "ignored" as const),
    }),
  },
  fc.record({
    t: fc.constant("extend" as const),
    jail: names.map(jail),
    target: whom.map(target),
    until: fc.oneof(moment, fc.constant("forever" as const)),
    at: moment,
  }),
  fc.record({ t: fc.constant("forget" as const), target: whom.map(target), at: moment }),
  fc.record({
    t: fc.constant("set" as const),
    jail: fc.oneof(names.map(jail), fc.constant("daemon" as const)),
    key: fc.constantFrom("bantime", "__proto__"),
    value: fc.oneof(fc.jsonValue(), fc.constant(null)),
    at: moment,
  }),
  fc.record({ t: fc.constant("checkpoint" as const), checkpoint: anyCheckpoint }),
  fc.record({ t: fc.constant("purge" as const), before: moment }),
  fc.record({
    t: fc.constant("shift" as const),
    delta: fc.integer({ min: -3_600_000, max: 3_600_000 }),
    at: moment,
  }),
);

export const anyHistory = fc.array(anyRecord, { maxLength: 40 });
