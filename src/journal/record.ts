// One record, one line of JSON:  {"v":1,"c":"1f2e3d4c","r":{"t":"ban",…}}  and a line feed. `v` is the version of the format, `c` the
// CRC-32 of the bytes of `r` exactly as written, begun with `v` instead of 0 (so a flipped version digit is damage, not a new version).
// Every version keeps this envelope. Times are milliseconds since the epoch; a target is its canonical text, or {"id": text}.
// The first line of a file is {"t":"f2b",…}: when and by what the file was begun. Whatever is not exactly right is damage with a reason.

import { parseTarget } from "../core/address.ts";
import type {
  Ban,
  BanCause,
  Checkpoint,
  EndedBan,
  FailureId,
  FileSpot,
  JailName,
  JailTotals,
  JournalRecord,
  Past,
  Position,
  Seen,
  Target,
  Time,
  UnbanReason,
  WindowSnapshot,
} from "../core/domain.ts";
import { everyJail } from "../core/state.ts";

const { crc32 } = Bun.hash;

export const version = 1;
/** No line that we write is longer, and none that is longer is read. */
export const maxLine = 64 * 1024 * 1024;

/** The first line of every file. */
export interface Head {
  readonly t: "f2b";
  readonly at: Time;
  readonly boot: string;
  /** The version of the program that began the file. */
  readonly by: string;
}

export type Decoded =
  | { readonly kind: "record"; readonly record: JournalRecord }
  | { readonly kind: "head"; readonly head: Head }
  /** Intact, but of a version that we do not know. */
  | { readonly kind: "newer"; readonly version: number }
  | { readonly kind: "damaged"; readonly reason: string };

// ---------------------------------------------------------------------------------------------------------------- encode

/** The line, with its line feed. */
export function encodeRecord(record: JournalRecord | Head, v: number = version): string {
  const body = JSON.stringify(toWire(record));
  return `{"v":${v},"c":"${hex(crc32(body, v))}","r":${body}}\n`;
}

const hex = (sum: number): string => sum.toString(16).padStart(8, "0");

const targetToWire = (target: Target): string | { id: string } =>
  target.kind === "id" ? { id: target.text } : target.text;

function toWire(record: JournalRecord | Head): unknown {
  if (record.t === "ban") {
    const { ban, seen } = record;
    const { jail, target, lines, ...rest } = ban;
    const wire = { jail, target: targetToWire(target), ...rest, ...(lines.length === 0 ? {} : { lines }) };
    return { t: "ban", ban: wire, ...(seen === undefined ? {} : { seen }) };
  }
  if (record.t === "set") return { ...record, value: record.value ?? null };
  return "target" in record ? { ...record, target: targetToWire(record.target) } : record;
}

const maxWindows = 200_000;
const maxWindowText = 8 * 1024 * 1024;

/** A checkpoint holds strangers' text and one window for each of them: beyond a bound the least come off, the worst offenders last. */
export function boundCheckpoint(checkpoint: Checkpoint): Checkpoint {
  const lists = Object.values(checkpoint.windows);
  const count = lists.reduce((sum, list) => sum + list.length, 0);
  const text = lists.reduce((sum, list) => sum + list.reduce((chars, one) => chars + textOf(one), 0), 0);
  if (count <= maxWindows && text <= maxWindowText) return checkpoint;
  const weights = lists.flatMap((list) => list.map(weightOf)).sort((a, b) => b - a);
  const least = weights[maxWindows] ?? 0;
  const windows: Record<string, readonly WindowSnapshot[]> = Object.create(null);
  for (const [jail, list] of Object.entries(checkpoint.windows)) {
    const kept = list.filter((one) => weightOf(one) > least || count <= maxWindows);
    windows[jail] = text <= maxWindowText ? kept : kept.map(({ key, hits }) => ({ key, hits, lines: [] }));
  }
  return { ...checkpoint, windows };
}

const textOf = ({ lines, user }: WindowSnapshot): number =>
  lines.reduce((sum, line) => sum + line.length, user?.length ?? 0);

/** More attempts weigh more; of equals the later. */
const weightOf = ({ hits }: WindowSnapshot): number =>
  hits.reduce((sum, [, attempts]) => sum + attempts, 0) + (hits.at(-1)?.[0] ?? 0) / 1e16;

// ---------------------------------------------------------------------------------------------------------------- decode

const opening = Buffer.from('{"v":');
const middle = Buffer.from(',"c":"');
const body = Buffer.from('","r":');

/** `line` is without its line feed. Never throws. */
export function decodeLine(line: Uint8Array): Decoded {
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  const envelope = readEnvelope(bytes);
  if (typeof envelope === "string") return { kind: "damaged", reason: envelope };
  const text = bytes.subarray(envelope.start, -1);
  if (crc32(text, envelope.version) !== envelope.sum)
    return { kind: "damaged", reason: "the checksum does not fit" };
  if (envelope.version !== version) return { kind: "newer", version: envelope.version };
  try {
    const wire: unknown = JSON.parse(text.toString("utf8"));
    const object = readObject(wire, "record");
    if (object.t === "f2b") return { kind: "head", head: readHead(object) };
    return { kind: "record", record: readRecord(object) };
  } catch (error) {
    if (error instanceof Damage || error instanceof SyntaxError)
      return { kind: "damaged", reason: error.message };
    throw error;
  }
}

interface Envelope {
  readonly version: number;
  readonly sum: number;
  readonly start: number;
}

function readEnvelope(bytes: Buffer): Envelope | string {
  const foreign = "it is not a record of ours";
  if (!startsWith(bytes, opening, 0)) return foreign;
  let at = opening.length;
  let v = 0;
  for (; at < opening.length + 4; at++) {
    const digit = (bytes[at] ?? 0) - 48;
    if (digit < 0 || digit > 9) break;
    v = v * 10 + digit;
  }
  if (at === opening.length || v === 0 || !startsWith(bytes, middle, at)) return foreign;
  const sumAt = at + middle.length;
  const start = sumAt + 8 + body.length;
  const sum = bytes.toString("latin1", sumAt, sumAt + 8);
  if (!/^[0-9a-f]{8}$/.test(sum) || !startsWith(bytes, body, sumAt + 8)) return foreign;
  if (bytes.length <= start || bytes[bytes.length - 1] !== 0x7d) return "its end is missing";
  return { version: v, sum: Number.parseInt(sum, 16), start };
}

const startsWith = (bytes: Buffer, part: Buffer, at: number): boolean =>
  bytes.length >= at + part.length && bytes.compare(part, 0, part.length, at, at + part.length) === 0;

/** Inside this file only: decodeLine turns it into a value. */
class Damage extends Error {}

function damage(what: string): never {
  throw new Damage(what);
}

type Fields = Readonly<Record<string, unknown>>;

function readObject(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) damage(`${what} is not an object`);
  return value as Fields;
}

function readArray(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) damage(`${what} is not a list`);
  return value;
}

function readText(value: unknown, what: string): string {
  if (typeof value !== "string") damage(`${what} is not text`);
  return value;
}

const latest = 8.64e15;

function readTime(value: unknown, what: string): Time {
  if (typeof value !== "number" || !(Math.abs(value) < latest)) damage(`${what} is not a time`);
  return value;
}

function readCount(value: unknown, what: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    damage(`${what} is not a count`);
  return value;
}

function oneOf<Word extends string>(words: readonly Word[], value: unknown, what: string): Word {
  return words.find((word) => word === value) ?? damage(`${what} is unknown`);
}

const causes: readonly BanCause[] = ["failures", "operator", "recidive", "prefix", "campaign", "import"];
const reasons: readonly UnbanReason[] = ["expired", "operator", "ignored", "folded", "removed", "login"];

/** The same name is the same string: 100,000 bans share one. */
const names = new Map<string, JailName>();

function readJail(value: unknown): JailName {
  const known = typeof value === "string" ? names.get(value) : undefined;
  if (known !== undefined) return known;
  const text = readText(value, "jail");
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(text)) damage("jail is not a jail's name");
  if (names.size > 10_000) names.clear();
  names.set(text, text as JailName);
  return text as JailName;
}

/** Only canonical text is taken, so that a target read is the target that was banned. */
function readTarget(value: unknown): Target {
  if (typeof value === "string") {
    const target = parseTarget(value);
    if (target === undefined || target.text !== value) damage("target is no address");
    return target;
  }
  return { kind: "id", text: readText(readObject(value, "target").id, "target") as FailureId };
}

function readUntil(value: unknown): Time | "forever" {
  return value === "forever" ? value : readTime(value, "until");
}

const noLines: readonly string[] = Object.freeze([]);

function readLines(value: unknown): readonly string[] {
  return value === undefined ? noLines : readArray(value, "lines").map((line) => readText(line, "line"));
}

function readHead({ at, boot, by }: Fields): Head {
  return { t: "f2b", at: readTime(at, "at"), boot: readText(boot, "boot"), by: readText(by, "by") };
}

function readRecord(object: Fields): JournalRecord {
  switch (object.t) {
    case "ban": {
      const ban = readBan(readObject(object.ban, "ban"));
      return object.seen === undefined ? { t: "ban", ban } : { t: "ban", ban, seen: readSeen(object.seen) };
    }
    case "extend":
      return {
        t: "extend",
        ...readWho(object),
        until: readUntil(object.until),
        at: readTime(object.at, "at"),
      };
    case "unban":
      return {
        t: "unban",
        ...readWho(object),
        at: readTime(object.at, "at"),
        reason: oneOf(reasons, object.reason, "reason"),
      };
    case "forget":
      return { t: "forget", target: readTarget(object.target), at: readTime(object.at, "at") };
    case "set":
      return {
        t: "set",
        jail: readJail(object.jail),
        key: readText(object.key, "key"),
        value: object.value,
        at: readTime(object.at, "at"),
      };
    case "checkpoint":
      return { t: "checkpoint", checkpoint: readCheckpoint(readObject(object.checkpoint, "checkpoint")) };
    case "shift":
      return { t: "shift", delta: readTime(object.delta, "delta"), at: readTime(object.at, "at") };
    case "purge":
      return { t: "purge", before: readTime(object.before, "before") };
    case "past":
      return {
        t: "past",
        target: readTarget(object.target),
        past: readPast(readObject(object.past, "past")),
      };
    case "seen":
      return {
        t: "seen",
        ...readWho(object),
        at: readTime(object.at, "at"),
        seen: readSeen(object.seen),
      };
    default:
      return damage("its kind is unknown");
  }
}

const readWho = (object: Fields) => ({
  jail: readJail(object.jail),
  target: readTarget(object.target),
});

function readBan(ban: Fields): Ban {
  const { user, note } = ban;
  return {
    jail: readJail(ban.jail),
    target: readTarget(ban.target),
    since: readTime(ban.since, "since"),
    until: readUntil(ban.until),
    nth: readCount(ban.nth, "nth"),
    cause: oneOf(causes, ban.cause, "cause"),
    failures: readCount(ban.failures, "failures"),
    lines: readLines(ban.lines),
    ...(user === undefined ? {} : { user: readText(user, "user") }),
    ...(note === undefined ? {} : { note: readText(note, "note") }),
  };
}

function readSeen(value: unknown): Seen {
  const seen = readObject(value, "seen");
  const source = readText(seen.source, "source");
  const key = seen.key === undefined ? {} : { key: readText(seen.key, "key") };
  if (seen.ino === undefined) return { source, ...key, at: readTime(seen.at, "at") };
  return { source, ...key, ino: readCount(seen.ino, "ino"), offset: readCount(seen.offset, "offset") };
}

function readPast(past: Fields): Past {
  const { floor } = past;
  return {
    jail: past.jail === everyJail ? everyJail : readJail(past.jail),
    bans: readCount(past.bans, "bans"),
    ended: readArray(past.ended, "ended").map((one) => readEnded(readObject(one, "ended"))),
    ...(floor === undefined ? {} : { floor: readTime(floor, "floor") }),
  };
}

function readEnded(one: Fields): EndedBan {
  return {
    since: readTime(one.since, "since"),
    until: readUntil(one.until),
    at: readTime(one.at, "at"),
    reason: oneOf(reasons, one.reason, "reason"),
    nth: readCount(one.nth, "nth"),
    cause: oneOf(causes, one.cause, "cause"),
    failures: readCount(one.failures, "failures"),
  };
}

function readCheckpoint(checkpoint: Fields): Checkpoint {
  return {
    at: readTime(checkpoint.at, "at"),
    boot: readText(checkpoint.boot, "boot"),
    positions: readTable(checkpoint.positions, "positions", readPosition),
    windows: readTable(checkpoint.windows, "windows", (list) =>
      readArray(list, "windows").map((one) => readWindow(readObject(one, "window"))),
    ),
    totals: readTable(checkpoint.totals, "totals", readTotals),
  };
}

/** A table whose keys are names from outside: without a prototype, so that no name means anything. */
function readTable<Value>(
  value: unknown,
  what: string,
  read: (value: unknown) => Value,
): Record<string, Value> {
  const table: Record<string, Value> = Object.create(null);
  for (const [name, one] of Object.entries(readObject(value, what))) table[name] = read(one);
  return table;
}

function readPosition(value: unknown): Position {
  const position = readObject(value, "position");
  if (position.kind === "journald") {
    return {
      kind: "journald",
      cursor: readText(position.cursor, "cursor"),
      at: readTime(position.at, "at"),
    };
  }
  if (position.kind !== "file") damage("position is of no known kind");
  return {
    kind: "file",
    path: readText(position.path, "path"),
    dev: readCount(position.dev, "dev"),
    ino: readCount(position.ino, "ino"),
    offset: readCount(position.offset, "offset"),
    fingerprint: readText(position.fingerprint, "fingerprint"),
    ...(position.rest === undefined ? {} : { rest: readArray(position.rest, "rest").map(readSpot) }),
  };
}

function readSpot(value: unknown): FileSpot {
  const spot = readObject(value, "rest");
  return {
    dev: readCount(spot.dev, "dev"),
    ino: readCount(spot.ino, "ino"),
    offset: readCount(spot.offset, "offset"),
    fingerprint: readText(spot.fingerprint, "fingerprint"),
  };
}

function readWindow(one: Fields): WindowSnapshot {
  const { user } = one;
  return {
    key: readText(one.key, "key"),
    hits: readArray(one.hits, "hits").map((hit) => {
      const [time, attempts] = readArray(hit, "hit");
      return [readTime(time, "hit"), readCount(attempts, "attempts")] as const;
    }),
    lines: readLines(one.lines),
    ...(user === undefined ? {} : { user: readText(user, "user") }),
  };
}

function readTotals(value: unknown): JailTotals {
  const totals = readObject(value, "totals");
  return {
    failed: readCount(totals.failed, "failed"),
    banned: readCount(totals.banned, "banned"),
    days: readArray(totals.days, "days").map((one) => {
      const [day, failures, bans] = readArray(one, "day");
      return [readText(day, "day"), readCount(failures, "failures"), readCount(bans, "bans")] as const;
    }),
  };
}
