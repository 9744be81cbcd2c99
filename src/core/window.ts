// Failures of each key inside findtime: an exact sliding window, bounded whatever attackers do. Nearly all keys of a flood fail
// once, so a single failure is one number in a Map; only keys that fail again get an object. Exact means: `count` is the number
// of attempts within findtime of the latest one, not a rate estimate.

import type { Time, WindowSnapshot } from "./domain.ts";
import { detached } from "./text.ts";

export interface WindowSettings {
  readonly findtimeMs: number;
  readonly maxretry: number;
  /** Lines kept a key: the last ones; 0 keeps none. */
  readonly maxmatches: number;
}

export interface WindowLimits {
  /** Beyond so many keys the oldest that failed only once are forgotten, then the least of those that failed more often. */
  readonly maxKeys: number;
  /**
   * Characters of kept lines and user names of all keys together. First failures get at most half of it; beyond, a key gives up
   * its older lines for its latest, and a first failure costs a number only.
   */
  readonly maxLineChars?: number;
}

export interface Hit {
  /** Attempts within findtime; saturates at what reached maxretry needed. */
  readonly count: number;
  readonly reached: boolean;
}

export interface Taken {
  readonly lines: readonly string[];
  readonly user: string | undefined;
}

export interface Window {
  /**
   * One failure of `key` standing for `attempts` ≥ 1. Arrival decides the order; the window ends at the latest time seen of this
   * key, and a late line older than that by more than findtime does not count. Reaching forgets nothing: see `take`.
   */
  hit(key: string, at: Time, attempts: number, line: string, user?: string): Hit;
  count(key: string, now: Time): number;
  /** What was kept for the key; forgets it. */
  take(key: string): Taken;
  forget(key: string): boolean;
  /** Lets go of keys whose last failure is older than findtime, some 20,000 to 40,000 a call at most; returns how many. Meant for a tick. */
  expire(now: Time): number;
  keys(): IterableIterator<string>;
  readonly size: number;
  /** Keys forgotten for want of room since the start. */
  readonly evicted: number;
  snapshot(): WindowSnapshot[];
  /** Adds to what is there; what is older than findtime at `now` is left out. */
  restore(snapshots: readonly WindowSnapshot[], now?: Time): void;
  /** The clock was set by `delta` ms: every failure moves along, so that it is as long ago as it was. */
  shift(delta: number): void;
  /** Counters stay; a lower maxretry is seen at a key's next failure. */
  configure(settings: WindowSettings): void;
}

/** A single failure with its line or user. */
interface Once {
  readonly at: Time;
  readonly line: string | undefined;
  readonly user: string | undefined;
}

interface Often {
  /** Sorted; attempts[i] belongs to times[i]; undefined while each stands for one. */
  readonly times: number[];
  attempts: number[] | undefined;
  total: number;
  lines: string[];
  user: string | undefined;
}

const defaultLineChars = 8 * 1024 * 1024;
const candidatesForEviction = 16;
/** Keys looked at in one go when letting old ones go: some 10 ms if all of them go. */
const stepsAtOnce = 20_000;

interface Sweep {
  readonly once: IterableIterator<[string, number | Once]>;
  readonly often: IterableIterator<[string, Often]>;
}

export function createWindow(initial: WindowSettings & WindowLimits): Window {
  let { findtimeMs, maxretry, maxmatches } = initial;
  const { maxKeys, maxLineChars = defaultLineChars } = initial;
  /** Insertion order is age: a key leaves this map when it fails again. */
  const once = new Map<string, number | Once>();
  const often = new Map<string, Often>();
  // Kept over calls: a fresh iterator would walk over all the holes that deletions left at the front.
  let oldest = once.keys();
  let cursor = often.entries();
  let lineChars = 0;
  let evicted = 0;
  let swept = Number.NEGATIVE_INFINITY;
  let sweep: Sweep | undefined;

  const sizeOf = (line: string | undefined, user: string | undefined): number =>
    (line?.length ?? 0) + (user?.length ?? 0);

  function removeOnce(key: string, value: number | Once): void {
    once.delete(key);
    if (typeof value !== "number") lineChars -= sizeOf(value.line, value.user);
  }

  function removeOften(key: string, entry: Often): void {
    often.delete(key);
    lineChars -= sizeOf(undefined, entry.user);
    for (const line of entry.lines) lineChars -= line.length;
  }

  function makeRoom(): void {
    while (once.size + often.size >= maxKeys && once.size + often.size > 0) {
      evicted++;
      if (once.size > 0) {
        let next = oldest.next();
        if (next.done) {
          oldest = once.keys();
          next = oldest.next();
        }
        const key = next.value!;
        removeOnce(key, once.get(key)!);
      } else evictLeast();
    }
  }

  /** Looks at some keys, going round all of them over time, and forgets the one with fewest failures, oldest first. */
  function evictLeast(): void {
    let victim: [string, Often] | undefined;
    for (let i = 0; i < Math.min(candidatesForEviction, often.size); i++) {
      let next = cursor.next();
      if (next.done) {
        cursor = often.entries();
        next = cursor.next();
      }
      if (next.done) break;
      const [, entry] = next.value;
      const least = victim?.[1];
      if (
        !least ||
        entry.total < least.total ||
        (entry.total === least.total && lastOf(entry) < lastOf(least))
      )
        victim = next.value;
    }
    if (victim) removeOften(victim[0], victim[1]);
  }

  function insertNew(key: string, at: Time, line: string, user: string | undefined): void {
    makeRoom();
    const kept = maxmatches > 0 && line !== "" ? line : undefined;
    const more = sizeOf(kept, user);
    if (more === 0 || lineChars + more > maxLineChars / 2) {
      once.set(detached(key), at);
      return;
    }
    lineChars += more;
    once.set(detached(key), { at, line: kept && detached(kept), user: user && detached(user) });
  }

  function upgrade(key: string, first: number | Once | undefined): Often {
    const entry: Often = { times: [], attempts: undefined, total: 0, lines: [], user: undefined };
    if (first === undefined) makeRoom();
    else {
      once.delete(key);
      entry.times.push(timeOf(first));
      entry.total = 1;
      if (typeof first !== "number") {
        if (first.line !== undefined) entry.lines.push(first.line);
        entry.user = first.user;
      }
    }
    often.set(first === undefined ? detached(key) : key, entry);
    return entry;
  }

  function insertTime(entry: Often, at: Time, attempts: number): void {
    const { times } = entry;
    if (attempts > 1) entry.attempts ??= times.map(() => 1);
    let i = times.length;
    while (i > 0 && times[i - 1]! > at) i--;
    if (i === times.length) {
      times.push(at);
      entry.attempts?.push(attempts);
    } else {
      times.splice(i, 0, at);
      entry.attempts?.splice(i, 0, attempts);
    }
    entry.total += attempts;
    trim(entry);
  }

  /** Leaves out what fell out of the window, and what reaching maxretry does not need. */
  function trim(entry: Often): void {
    const { times, attempts } = entry;
    const from = lastOf(entry) - findtimeMs;
    let drop = 0;
    while (drop < times.length - 1) {
      const weight = attempts ? attempts[drop]! : 1;
      if (times[drop]! >= from && entry.total - weight < maxretry) break;
      entry.total -= weight;
      drop++;
    }
    if (drop === 0) return;
    times.splice(0, drop);
    attempts?.splice(0, drop);
  }

  function keepLine(entry: Often, line: string): void {
    const { lines } = entry;
    if (maxmatches > 0 && line !== "") {
      lines.push(detached(line));
      lineChars += line.length;
    }
    // Lines of failures that no longer count go with them.
    const most = Math.min(maxmatches, entry.times.length);
    while (lines.length > most || (lines.length > 0 && lineChars > maxLineChars))
      lineChars -= lines.shift()!.length;
  }

  function keepUser(entry: Often, user: string | undefined): void {
    if (user === undefined || user === entry.user) return;
    const more = user.length - sizeOf(undefined, entry.user);
    if (lineChars + more > maxLineChars) return;
    lineChars += more;
    entry.user = detached(user);
  }

  /** Goes on with a round over all keys, in steps that do not hold anything up; true when it is through. */
  function sweepOn(round: Sweep, over: (at: number) => boolean): boolean {
    let budget = stepsAtOnce;
    // A Map's iterator is not closed by leaving the loop: the next call goes on where this one stopped.
    for (const [key, value] of round.once) {
      if (over(timeOf(value))) removeOnce(key, value);
      if (--budget <= 0) return false;
    }
    for (const [key, entry] of round.often) {
      if (over(lastOf(entry))) removeOften(key, entry);
      if (--budget <= 0) return false;
    }
    return true;
  }

  const window: Window = {
    hit(key, at, attempts, line, user) {
      const weight = attempts >= 1 ? Math.min(Math.floor(attempts), 1_000_000) : 1;
      let entry = often.get(key);
      if (entry === undefined) {
        let first = once.get(key);
        // A failure long ago is as good as none: the key stays as cheap as a new one.
        if (first !== undefined && timeOf(first) < at - findtimeMs) {
          removeOnce(key, first);
          first = undefined;
        }
        if (first === undefined && weight === 1) {
          insertNew(key, at, line, user);
          return { count: 1, reached: maxretry <= 1 };
        }
        if (first !== undefined && at < timeOf(first) - findtimeMs)
          return { count: 1, reached: maxretry <= 1 };
        entry = upgrade(key, first);
      } else if (at < lastOf(entry) - findtimeMs)
        return { count: entry.total, reached: entry.total >= maxretry };
      insertTime(entry, at, weight);
      keepLine(entry, line);
      keepUser(entry, user);
      return { count: entry.total, reached: entry.total >= maxretry };
    },

    count(key, now) {
      const first = once.get(key);
      if (first !== undefined) return timeOf(first) >= now - findtimeMs ? 1 : 0;
      const entry = often.get(key);
      if (entry === undefined) return 0;
      const from = Math.max(now, lastOf(entry)) - findtimeMs;
      let sum = 0;
      for (let i = entry.times.length - 1; i >= 0 && entry.times[i]! >= from; i--)
        sum += entry.attempts?.[i] ?? 1;
      return sum;
    },

    take(key) {
      const first = once.get(key);
      const entry = often.get(key);
      window.forget(key);
      if (entry) return { lines: entry.lines, user: entry.user };
      if (first === undefined || typeof first === "number") return { lines: [], user: undefined };
      return { lines: first.line === undefined ? [] : [first.line], user: first.user };
    },

    forget(key) {
      const first = once.get(key);
      if (first !== undefined) removeOnce(key, first);
      const entry = often.get(key);
      if (entry !== undefined) removeOften(key, entry);
      return first !== undefined || entry !== undefined;
    },

    expire(now) {
      const before = once.size + often.size;
      // Times further ahead than findtime are a clock that was set back: such a key would take no new failure for as long.
      const over = (at: number): boolean => at < now - findtimeMs || at > now + findtimeMs;
      // Keys that failed once lie in order of arrival: mostly the first live one ends the search.
      let budget = stepsAtOnce;
      for (const [key, value] of once) {
        if (!over(timeOf(value)) || budget-- === 0) break;
        removeOnce(key, value);
      }
      // What failed more often, or came out of order (backlog, a set clock), is found by a round over all, a few times a findtime.
      if (sweep === undefined && (now - swept >= findtimeMs / 4 || now < swept)) {
        swept = now;
        sweep = { once: once.entries(), often: often.entries() };
      }
      if (sweep && sweepOn(sweep, over)) sweep = undefined;
      return before - once.size - often.size;
    },

    shift(delta) {
      // Setting a key that is there keeps its place: the order of age holds.
      for (const [key, value] of once)
        once.set(key, typeof value === "number" ? value + delta : { ...value, at: value.at + delta });
      for (const { times } of often.values()) for (let i = 0; i < times.length; i++) times[i]! += delta;
      swept += delta;
    },

    *keys() {
      yield* once.keys();
      yield* often.keys();
    },
    get size() {
      return once.size + often.size;
    },
    get evicted() {
      return evicted;
    },

    snapshot() {
      const all: WindowSnapshot[] = [];
      for (const [key, value] of once) {
        if (typeof value === "number") all.push({ key, hits: [[value, 1]], lines: [] });
        else
          all.push(
            snapshotOf(key, [[value.at, 1]], value.line === undefined ? [] : [value.line], value.user),
          );
      }
      for (const [key, entry] of often) {
        const hits = entry.times.map((at, i) => [at, entry.attempts?.[i] ?? 1] as const);
        all.push(snapshotOf(key, hits, [...entry.lines], entry.user));
      }
      return all;
    },

    restore(snapshots, now) {
      const from = now === undefined ? Number.NEGATIVE_INFINITY : now - findtimeMs;
      for (const { key, hits, lines, user } of snapshots) {
        // The last line belongs to the last hit, and so on backwards: the first hits may have none.
        let line = lines.length - hits.length;
        for (const [at, attempts] of hits) {
          if (at >= from) window.hit(key, at, attempts, lines[line] ?? "", user);
          line++;
        }
      }
    },

    configure(settings) {
      ({ findtimeMs, maxretry, maxmatches } = settings);
      swept = Number.NEGATIVE_INFINITY;
    },
  };

  return window;
}

const timeOf = (value: number | Once): number => (typeof value === "number" ? value : value.at);
const lastOf = (entry: Often): number => entry.times[entry.times.length - 1]!;

function snapshotOf(
  key: string,
  hits: readonly (readonly [Time, number])[],
  lines: readonly string[],
  user: string | undefined,
): WindowSnapshot {
  return user === undefined ? { key, hits, lines } : { key, hits, lines, user };
}
