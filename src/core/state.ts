// What f2b knows: the fold of JournalRecords by `apply`, which alone changes it, in place. The running daemon and the start after
// a crash call the same function. Applying a record twice comes to the same as once ("shift" apart), because compaction may have
// seen what is then appended. Everything that a stranger may name (users, ids, jails) is a key of a Map, never of an object.

import { addressFamily, parsePrefix, prefixBits, prefixOf, prefixTarget, targetKey } from "./address.ts";
import type {
  Address,
  Ban,
  Checkpoint,
  EndedBan,
  JailName,
  JailTotals,
  JournalRecord,
  Past,
  Position,
  Prefix,
  Seen,
  Target,
  Time,
} from "./domain.ts";
import { createDue, type Due } from "./due.ts";

/** Targets with history (some 300 bytes each); beyond, those with the fewest and oldest bans go first. */
export const maxPast = 100_000;
/** Characters of matched lines kept over all standing bans; a ban beyond is kept without its lines. */
export const maxLineChars = 16 * 1024 * 1024;
const maxLines = 20;
const maxLineLength = 1_000;
const maxTextLength = 1_000;
const keptEnded = 8;
/** In Past.jail: holds for every jail. No jail can have this name. */
export const everyJail = "*" as JailName;

export interface State {
  readonly jails: Map<JailName, JailBans>;
  /** By targetKey. Values are replaced, never changed, so that a snapshot can hold them. */
  readonly past: Map<string, TargetPast>;
  /** By the key under which failures were counted: how far sources had been judged at a ban, where no checkpoint tells it yet. */
  readonly marks: Map<string, readonly Mark[]>;
  readonly settings: Map<JailName | "daemon", Map<string, unknown>>;
  readonly due: Due;
  /** Lengths of prefixes that were ever named, to find what covers an address. */
  readonly lengths: { readonly 4: Set<number>; readonly 6: Set<number> };
  checkpoint: Checkpoint | undefined;
  /** Bans since the checkpoint, by jail and day: its totals do not hold them yet. */
  readonly fresh: Map<JailName, Map<string, number>>;
  /** The time of the newest record: what the clock showed when this was last written. */
  newest: Time;
  /** Characters of lines held by standing bans. */
  lineChars: number;
}

export interface JailBans {
  readonly bans: Map<string, Ban>;
  /** By family and bits, made when first asked for: the standing bans inside each network of that length. */
  readonly networks: Map<string, Map<Prefix, Ban[]>>;
}

export interface TargetPast {
  readonly target: Target;
  readonly jails: readonly Past[];
}

export interface Mark {
  readonly jail: JailName;
  readonly target: Target;
  readonly at: Time;
  readonly seen: Seen;
}

export function createState(): State {
  const jails = new Map<JailName, JailBans>();
  const stands = (ban: Ban) => jails.get(ban.jail)?.bans.get(targetKey(ban.target)) === ban;
  return {
    jails,
    past: new Map(),
    marks: new Map(),
    settings: new Map(),
    due: createDue(stands),
    lengths: { 4: new Set(), 6: new Set() },
    checkpoint: undefined,
    fresh: new Map(),
    newest: 0,
    lineChars: 0,
  };
}

export function apply(state: State, record: JournalRecord): void {
  switch (record.t) {
    case "ban":
      applyBan(state, record.ban, record.seen);
      break;
    case "extend":
      applyExtend(state, record);
      break;
    case "unban":
      applyUnban(state, record);
      break;
    case "forget":
      applyForget(state, record.target, record.at);
      break;
    case "set":
      applySet(state, record);
      break;
    case "checkpoint":
      applyCheckpoint(state, record.checkpoint);
      break;
    case "shift":
      applyShift(state, record.delta, record.at);
      break;
    case "purge":
      applyPurge(state, record.before);
      break;
    case "past":
      note(state, record.target);
      setPast(state, record.target, record.past);
      break;
    case "seen":
      addMark(state, { jail: record.jail, target: record.target, at: record.at, seen: record.seen });
      break;
  }
}

// ------------------------------------------------------------------------------------------------------------------ bans

function applyBan(state: State, given: Ban, seen: Seen | undefined): void {
  const key = targetKey(given.target);
  const { bans } = jailOf(state, given.jail);
  const standing = bans.get(key);
  const earlier = pastIn(state, key, given.jail);
  const again = earlier?.ended.some((one) => one.since === given.since) === true;
  // Applied again: an ended ban does not push out a later one, and comes back as it was until its unban comes again.
  if (again && standing !== undefined && standing.since !== given.since) return;
  if (again && earlier !== undefined)
    setPast(state, given.target, {
      ...earlier,
      ended: earlier.ended.filter((one) => one.since !== given.since),
    });
  const known = again || standing?.since === given.since;
  if (!known) {
    const before = earlier?.bans ?? (standing === undefined ? 0 : firstCount(standing));
    // The first ban needs no entry of its own: 100,000 standing bans are mostly first ones.
    if (before > 0 || earlier !== undefined) {
      const count = Math.max(before + 1, firstCount(given));
      const ended = earlier?.ended ?? [];
      setPast(state, given.target, {
        ...earlier,
        jail: given.jail,
        bans: count,
        ended: standing === undefined ? ended : withEnded(ended, endedBan(standing, given.since, "folded")),
      });
    }
    if (state.checkpoint !== undefined && given.cause !== "import") countFresh(state, given);
  }
  if (standing !== undefined) takeOut(state, key, standing);
  putIn(state, key, bounded(given, maxLineChars - state.lineChars));
  if (seen !== undefined) addMark(state, { jail: given.jail, target: given.target, at: given.since, seen });
  if (given.cause !== "import") state.newest = Math.max(state.newest, given.since);
}

function applyExtend(state: State, record: Extract<JournalRecord, { t: "extend" }>): void {
  state.newest = Math.max(state.newest, record.at);
  const key = targetKey(record.target);
  const standing = state.jails.get(record.jail)?.bans.get(key);
  if (standing === undefined) return;
  takeOut(state, key, standing);
  putIn(state, key, { ...standing, until: record.until });
}

function applyUnban(state: State, record: Extract<JournalRecord, { t: "unban" }>): void {
  const { jail, target, at, reason } = record;
  state.newest = Math.max(state.newest, at);
  const key = targetKey(target);
  const standing = state.jails.get(jail)?.bans.get(key);
  // Whoever was let out on purpose is not to be shut out again for what he did before.
  const forgiven = reason === "operator" || reason === "login" || reason === "ignored";
  const earlier = pastIn(state, key, jail);
  if (standing === undefined && !forgiven) return;
  if (standing === undefined && earlier?.floor === at) return;
  const ended = earlier?.ended ?? [];
  setPast(state, target, {
    ...earlier,
    jail,
    bans: earlier?.bans ?? (standing === undefined ? 0 : firstCount(standing)),
    ended: standing === undefined ? ended : withEnded(ended, endedBan(standing, at, reason)),
    ...(forgiven ? { floor: at } : {}),
  });
  if (standing !== undefined) takeOut(state, key, standing);
  evict(state);
}

/** History goes, standing bans stay (lifting them is a record of its own) but count as none. */
function applyForget(state: State, target: Target, at: Time): void {
  state.newest = Math.max(state.newest, at);
  note(state, target);
  const key = targetKey(target);
  state.past.delete(key);
  setPast(state, target, { jail: everyJail, bans: 0, ended: [], floor: at });
  for (const [jail, { bans }] of state.jails)
    if (bans.has(key)) setPast(state, target, { jail, bans: 0, ended: [] });
  evict(state);
}

const firstCount = (ban: Ban): number => (ban.cause === "import" ? Math.max(1, ban.nth) : 1);

function endedBan(ban: Ban, at: Time, reason: EndedBan["reason"]): EndedBan {
  const { since, until, nth, cause, failures } = ban;
  return { since, until, at, reason, nth, cause, failures };
}

/** The same ban ended twice (its records were applied again) is one. */
const withEnded = (ended: readonly EndedBan[], one: EndedBan): readonly EndedBan[] =>
  [...ended.filter((other) => other.since !== one.since), one].slice(-keptEnded);

function jailOf(state: State, jail: JailName): JailBans {
  let found = state.jails.get(jail);
  if (found === undefined) {
    found = { bans: new Map(), networks: new Map() };
    state.jails.set(jail, found);
  }
  return found;
}

function putIn(state: State, key: string, ban: Ban): void {
  const { bans, networks } = jailOf(state, ban.jail);
  bans.set(key, ban);
  state.due.add(ban);
  state.lineChars += lengthOf(ban.lines);
  note(state, ban.target);
  for (const [length, byPrefix] of networks) addTo(byPrefix, networkOf(ban.target, length), ban);
}

function takeOut(state: State, key: string, ban: Ban): void {
  const { bans, networks } = jailOf(state, ban.jail);
  bans.delete(key);
  state.due.drop(ban);
  state.lineChars -= lengthOf(ban.lines);
  for (const [length, byPrefix] of networks) {
    const prefix = networkOf(ban.target, length);
    if (prefix === undefined) continue;
    const rest = byPrefix.get(prefix)?.filter((one) => one !== ban);
    if (rest === undefined || rest.length === 0) byPrefix.delete(prefix);
    else byPrefix.set(prefix, rest);
  }
}

const lengthOf = (lines: readonly string[]): number => lines.reduce((sum, line) => sum + line.length, 0);
const nothing: readonly string[] = Object.freeze([]);

/** Cuts what a stranger can make long. `room` is how many characters of lines may still be kept. */
function bounded(ban: Ban, room: number): Ban {
  const { user, note: text } = ban;
  const fits = ban.lines.length <= maxLines && ban.lines.every((line) => line.length <= maxLineLength);
  const lines = fits ? ban.lines : ban.lines.slice(-maxLines).map((line) => cut(line, maxLineLength));
  const kept = lengthOf(lines) > room ? nothing : lines;
  const short = (user?.length ?? 0) <= maxTextLength && (text?.length ?? 0) <= maxTextLength;
  if (short && kept === ban.lines) return ban;
  return {
    ...ban,
    lines: kept,
    ...(user === undefined ? {} : { user: cut(user, maxTextLength) }),
    ...(text === undefined ? {} : { note: cut(text, maxTextLength) }),
  };
}

const cut = (text: string, length: number): string => (text.length > length ? text.slice(0, length) : text);

// --------------------------------------------------------------------------------------------------------------- history

const pastIn = (state: State, key: string, jail: JailName): Past | undefined =>
  state.past.get(key)?.jails.find((one) => one.jail === jail);

function setPast(state: State, target: Target, past: Past): void {
  const key = targetKey(target);
  const others = state.past.get(key)?.jails.filter((one) => one.jail !== past.jail) ?? [];
  state.past.set(key, { target, jails: [...others, past] });
}

function evict(state: State): void {
  if (state.past.size <= maxPast) return;
  const idle = [...state.past].filter(([key]) => !standsAnywhere(state, key));
  const weight = (one: TargetPast) => one.jails.reduce((sum, { bans }) => sum + bans, 0);
  const last = (one: TargetPast) => one.jails.reduce((latest, past) => Math.max(latest, lastOf(past)), 0);
  idle.sort(([, a], [, b]) => weight(a) - weight(b) || last(a) - last(b));
  for (const [key] of idle.slice(0, Math.ceil(maxPast / 10))) state.past.delete(key);
}

const lastOf = (past: Past): Time => Math.max(past.ended.at(-1)?.at ?? 0, past.floor ?? 0);

function standsAnywhere(state: State, key: string): boolean {
  for (const { bans } of state.jails.values()) if (bans.has(key)) return true;
  return false;
}

function applyPurge(state: State, before: Time): void {
  for (const [key, one] of state.past) {
    const kept = one.jails.filter(
      (past) => lastOf(past) >= before || state.jails.get(past.jail)?.bans.has(key) === true,
    );
    if (kept.length === 0) state.past.delete(key);
    else if (kept.length < one.jails.length) state.past.set(key, { target: one.target, jails: kept });
  }
  for (const [jail, { bans }] of state.jails) if (bans.size === 0) state.jails.delete(jail);
}

// -------------------------------------------------------------------------------------------- settings, checkpoints, clock

/** null takes the setting back. */
function applySet(state: State, record: Extract<JournalRecord, { t: "set" }>): void {
  state.newest = Math.max(state.newest, record.at);
  const settings = state.settings.get(record.jail) ?? new Map<string, unknown>();
  if (record.value === null || record.value === undefined) settings.delete(record.key);
  else settings.set(record.key, record.value);
  if (settings.size === 0) state.settings.delete(record.jail);
  else state.settings.set(record.jail, settings);
}

function applyCheckpoint(state: State, checkpoint: Checkpoint): void {
  state.newest = Math.max(state.newest, checkpoint.at);
  state.checkpoint = checkpoint;
  state.fresh.clear();
  if (state.marks.size === 0) return;
  const positions = new Map(Object.entries(checkpoint.positions));
  for (const [key, marks] of state.marks) {
    const kept = marks.filter(({ seen }) => isBeyond(seen, positions));
    if (kept.length === 0) state.marks.delete(key);
    else if (kept.length < marks.length) state.marks.set(key, kept);
  }
}

/** True when a source read again from its position would come by what was judged. */
function isBeyond(seen: Seen, positions: ReadonlyMap<string, Position>): boolean {
  const position = positions.get(seen.source);
  if (position === undefined) return false;
  if ("ino" in seen)
    return position.kind === "file" && position.ino === seen.ino && seen.offset > position.offset;
  return position.kind === "journald" && seen.at > position.at;
}

function addMark(state: State, { seen: given, ...who }: Mark): void {
  const { key: counted, ...seen } = given;
  const key = counted ?? targetKey(who.target);
  const network = key.includes("/") ? parsePrefix(key) : undefined;
  if (network !== undefined) note(state, prefixTarget(network));
  const marks = state.marks.get(key) ?? [];
  // Of marks in one source the farthest says all.
  const others = marks.filter((one) => one.jail !== who.jail || !covers(seen, one.seen));
  if (others.some((one) => one.jail === who.jail && covers(one.seen, seen))) return;
  state.marks.set(key, [...others, { ...who, seen }].slice(-16));
}

/** True when what lies at `inner` was read by the time a source stood at `outer`. */
function covers(outer: Seen, inner: Seen): boolean {
  if (outer.source !== inner.source) return false;
  if ("ino" in outer) return "ino" in inner && outer.ino === inner.ino && inner.offset <= outer.offset;
  return !("ino" in inner) && inner.at <= outer.at;
}

function countFresh(state: State, ban: Ban): void {
  const days = state.fresh.get(ban.jail) ?? new Map<string, number>();
  const day = dayOf(ban.since);
  days.set(day, (days.get(day) ?? 0) + 1);
  state.fresh.set(ban.jail, days);
}

const dayOf = (at: Time): string => new Date(at).toISOString().slice(0, 10);

/** Everything that is a time of f2b's own clock moves; times in journald's or a log's own clock do not. */
function applyShift(state: State, delta: number, at: Time): void {
  state.newest = at;
  if (delta === 0) return;
  const all: Ban[] = [];
  for (const { bans, networks } of state.jails.values()) {
    networks.clear();
    for (const [key, ban] of bans) {
      const moved = {
        ...ban,
        since: ban.since + delta,
        until: ban.until === "forever" ? ban.until : ban.until + delta,
      };
      bans.set(key, moved);
      all.push(moved);
    }
  }
  state.due.rebuild(all);
  for (const [key, one] of state.past)
    state.past.set(key, { target: one.target, jails: one.jails.map((past) => movedPast(past, delta)) });
  for (const [key, marks] of state.marks)
    state.marks.set(
      key,
      marks.map((mark) => ({ ...mark, at: mark.at + delta })),
    );
  if (state.checkpoint !== undefined) state.checkpoint = movedCheckpoint(state.checkpoint, delta);
}

function movedPast(past: Past, delta: number): Past {
  const ended = past.ended.map((one) => ({
    ...one,
    since: one.since + delta,
    until: one.until === "forever" ? one.until : one.until + delta,
    at: one.at + delta,
  }));
  return { ...past, ended, ...(past.floor === undefined ? {} : { floor: past.floor + delta }) };
}

function movedCheckpoint(checkpoint: Checkpoint, delta: number): Checkpoint {
  const windows = Object.entries(checkpoint.windows).map(([jail, list]) => [
    jail,
    list.map((one) => ({
      ...one,
      hits: one.hits.map(([time, attempts]) => [time + delta, attempts] as const),
    })),
  ]);
  return { ...checkpoint, at: checkpoint.at + delta, windows: Object.fromEntries(windows) };
}

// --------------------------------------------------------------------------------------------------------------- networks

/** Remembers that prefixes of this length are about. */
function note(state: State, target: Target): void {
  if (target.kind === "prefix") state.lengths[target.family].add(prefixBits(target.text));
}

const baseOf = (target: Exclude<Target, { kind: "id" }>): Address =>
  target.kind === "address" ? target.text : (target.text.slice(0, target.text.indexOf("/")) as Address);

const bitsOf = (target: Exclude<Target, { kind: "id" }>): number =>
  target.kind === "prefix" ? prefixBits(target.text) : target.family === 4 ? 32 : 128;

/** The network of that family and length ("4/24") in which a target lies; undefined: in none. */
function networkOf(target: Target, length: string): Prefix | undefined {
  if (target.kind === "id" || Number(length[0]) !== target.family) return undefined;
  const bits = Number(length.slice(2));
  return bits > bitsOf(target) ? undefined : prefixOf(baseOf(target), bits);
}

function addTo(byPrefix: Map<Prefix, Ban[]>, prefix: Prefix | undefined, ban: Ban): void {
  if (prefix === undefined) return;
  const list = byPrefix.get(prefix);
  if (list === undefined) byPrefix.set(prefix, [ban]);
  else list.push(ban);
}

const noKeys: readonly string[] = Object.freeze([]);

/** Keys of the prefixes in use that hold the target, narrowest first; mostly there are none, and this stands in the way of every failure. */
function keysAbove(state: State, target: Target): Iterable<string> {
  return target.kind === "id" || state.lengths[target.family].size === 0
    ? noKeys
    : prefixesAbove(state, target);
}

function* prefixesAbove(state: State, target: Exclude<Target, { kind: "id" }>): Iterable<string> {
  const own = bitsOf(target);
  for (const bits of [...state.lengths[target.family]].sort((a, b) => b - a))
    if (bits < own) yield prefixOf(baseOf(target), bits);
}

// ---------------------------------------------------------------------------------------------------------------- queries

export const liveBan = (state: State, jail: JailName, target: Target): Ban | undefined =>
  state.jails.get(jail)?.bans.get(targetKey(target));

/** The standing ban of the target in this jail, or of a prefix that holds it. */
export function covering(state: State, jail: JailName, target: Target): Ban | undefined {
  const bans = state.jails.get(jail)?.bans;
  if (bans === undefined || bans.size === 0) return undefined;
  const exact = bans.get(targetKey(target));
  if (exact !== undefined) return exact;
  for (const key of keysAbove(state, target)) {
    const ban = bans.get(key);
    if (ban !== undefined) return ban;
  }
  return undefined;
}

/** The standing bans of a target in all jails. */
export function bansOf(state: State, target: Target): Ban[] {
  const key = targetKey(target);
  return [...state.jails.values()].map(({ bans }) => bans.get(key)).filter((ban) => ban !== undefined);
}

export const jailsHolding = (state: State, target: Target): JailName[] =>
  bansOf(state, target).map((ban) => ban.jail);

export const jailBans = (state: State, jail: JailName): Iterable<Ban> =>
  state.jails.get(jail)?.bans.values() ?? [];

export function countLive(state: State, jail?: JailName): number {
  if (jail !== undefined) return state.jails.get(jail)?.bans.size ?? 0;
  let count = 0;
  for (const { bans } of state.jails.values()) count += bans.size;
  return count;
}

/** What stands in a jail: to be gone through, or asked for one network at the cost of what lies in it. */
export interface StandingTargets extends Iterable<Target> {
  inside(prefix: Prefix): Iterable<Target>;
}

export function standing(state: State, jail: JailName): StandingTargets {
  function* targetsOf(bans: Iterable<Ban>): Iterator<Target> {
    for (const ban of bans) yield ban.target;
  }
  return {
    [Symbol.iterator]: () => targetsOf(jailBans(state, jail)),
    inside(prefix) {
      const found = state.jails.get(jail);
      if (found === undefined) return [];
      const length = `${addressFamily(prefix as string as Address)}/${prefixBits(prefix)}`;
      let byPrefix = found.networks.get(length);
      if (byPrefix === undefined) {
        byPrefix = new Map();
        for (const ban of found.bans.values()) addTo(byPrefix, networkOf(ban.target, length), ban);
        found.networks.set(length, byPrefix);
      }
      return (byPrefix.get(prefix) ?? []).map((ban) => ban.target);
    },
  };
}

/** How often a target was banned in a jail, or in all (overalljails), the standing bans included. */
export function previousBans(state: State, target: Target, jail: JailName | undefined): number {
  const key = targetKey(target);
  let count = 0;
  for (const past of state.past.get(key)?.jails ?? [])
    if (jail === undefined || past.jail === jail) count += past.bans;
  for (const [name, { bans }] of state.jails) {
    const ban = bans.get(key);
    if (ban !== undefined && (jail === undefined || name === jail) && pastIn(state, key, name) === undefined)
      count += firstCount(ban);
  }
  return count;
}

/**
 * True when a failure that is read again was judged before (by a ban, standing or not), or lies before an operator's pardon.
 * `at` is when the failure counts, `seen` where it stood in its source; both of the failure.
 */
export function alreadyJudged(
  state: State,
  jail: JailName,
  target: Target,
  at: Time,
  seen: Seen | undefined,
): boolean {
  if (state.past.size === 0 && state.marks.size === 0) return false;
  if (judgedUnder(state, targetKey(target), jail, at, seen)) return true;
  for (const key of keysAbove(state, target)) if (judgedUnder(state, key, jail, at, seen)) return true;
  return false;
}

function judgedUnder(state: State, key: string, jail: JailName, at: Time, seen: Seen | undefined): boolean {
  const known = state.past.get(key);
  if (known !== undefined)
    for (const past of known.jails)
      if (past.floor !== undefined && at <= past.floor && (past.jail === jail || past.jail === everyJail))
        return true;
  const marks = seen === undefined ? undefined : state.marks.get(key);
  if (marks === undefined || seen === undefined) return false;
  return marks.some((mark) => mark.jail === jail && covers(mark.seen, seen));
}

/** Bans whose time is up; each stands until its unban is applied. */
export const dueForUnban = (state: State, now: Time): Ban[] => state.due.upTo(now);

export const nextDue = (state: State): Time | undefined => state.due.next();

/** One ban of a target, standing (no `ended`) or past. */
export interface HistoryEntry extends Omit<EndedBan, "at" | "reason"> {
  readonly jail: JailName;
  readonly ended: { readonly at: Time; readonly reason: EndedBan["reason"] } | undefined;
}

/** Oldest first; bounded for each jail. */
export function historyOf(state: State, target: Target): HistoryEntry[] {
  const ended = (state.past.get(targetKey(target))?.jails ?? []).flatMap(({ jail, ended: list }) =>
    list.map(({ at, reason, ...ban }) => ({ ...ban, jail, ended: { at, reason } })),
  );
  const live = bansOf(state, target).map(({ jail, since, until, nth, cause, failures }) => ({
    jail,
    since,
    until,
    nth,
    cause,
    failures,
    ended: undefined,
  }));
  return [...ended, ...live].sort((a, b) => a.since - b.since);
}

export const settingsOf = (state: State, jail: JailName | "daemon"): ReadonlyMap<string, unknown> =>
  state.settings.get(jail) ?? new Map();

/** The last checkpoint, its totals brought up to date with the bans after it. */
export function lastCheckpoint(state: State): Checkpoint | undefined {
  const { checkpoint, fresh } = state;
  if (checkpoint === undefined || fresh.size === 0) return checkpoint;
  const totals = new Map<string, JailTotals>(Object.entries(checkpoint.totals));
  for (const [jail, days] of fresh) totals.set(jail, withFresh(totals.get(jail), days));
  return { ...checkpoint, totals: Object.fromEntries(totals) };
}

function withFresh(totals: JailTotals | undefined, fresh: ReadonlyMap<string, number>): JailTotals {
  const { failed, banned, days } = totals ?? { failed: 0, banned: 0, days: [] };
  const sums = new Map(days.map((day) => [day[0], day] as const));
  let more = 0;
  for (const [day, count] of fresh) {
    const [, failures, bans] = sums.get(day) ?? [day, 0, 0];
    sums.set(day, [day, failures, bans + count]);
    more += count;
  }
  const sorted = [...sums.values()].sort(([a], [b]) => (a < b ? -1 : 1));
  return { failed, banned: banned + more, days: sorted.slice(-31) };
}
