// Time as logs write it: text at a known place → milliseconds since the epoch. The formats of syslog, ISO 8601, access and
// error logs and the odd ones of single services are written in the same strptime-like language as a filter's `datepattern`.

import { decodeText } from "./bytes.ts";
import type { Fault, Result, Time } from "./domain.ts";

// ------------------------------------------------------------------------------------------------------------ time zones

export interface Zone {
  /** The instant at which clocks of this zone show the given local time (written as if it were UTC). */
  toUtc(local: number): Time;
  /** Milliseconds to add to UTC at this instant. */
  offset(at: Time): number;
}

/** By IANA name ("Europe/Zurich"), "UTC", or a fixed "+02:00". Undefined when there is no such zone. */
export function createZone(name: string): Zone | undefined {
  const fixed = /^(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?$/i.exec(name);
  if (fixed !== null) {
    const ms = (fixed[1] === "-" ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3] ?? 0)) * 60_000;
    return { toUtc: (local) => local - ms, offset: () => ms };
  }
  if (/^(?:utc|gmt|z)$/i.test(name)) return utc;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch {
    return undefined;
  }
  // Offsets change at quarter hours at the earliest; a formatter call costs microseconds, so they are kept.
  const quarter = 900_000;
  const known = new Map<number, number>();
  const offset = (at: Time): number => {
    const slot = Math.floor(at / quarter);
    const cached = known.get(slot);
    if (cached !== undefined) return cached;
    const parts = new Map(format.formatToParts(slot * quarter).map((p) => [p.type, Number(p.value)]));
    const of = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
    const shown = Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
    const ms = shown - slot * quarter;
    if (known.size > 4096) known.clear();
    known.set(slot, ms);
    return ms;
  };
  // Twice, because the first guess may lie on the other side of a change of the clocks.
  return { offset, toUtc: (local) => local - offset(local - offset(local)) };
}

export const utc: Zone = { toUtc: (local) => local, offset: () => 0 };

// ---------------------------------------------------------------------------------------------------------------- stamps

/** A time as it was written. What is missing (year, date, zone) is filled in by `resolveStamp`. */
export interface Stamp {
  /** Index of the first char after it. */
  readonly end: number;
  readonly start: number;
  readonly epoch?: Time;
  readonly year?: number;
  /** 1 to 12. */
  readonly month?: number;
  readonly day?: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly ms: number;
  /** Minutes east of UTC. */
  readonly zone?: number;
  /** Where it names no zone: the one that its pattern states. */
  readonly stated?: Zone;
}

const day = 86_400_000;

/**
 * The instant a stamp means. A date without year is the last such date that is not more than a day after `now` (clocks
 * and zones may differ), a time without date the last such time not more than five minutes after `now`.
 */
export function resolveStamp(stamp: Stamp, now: Time, around: Zone): Time | undefined {
  if (stamp.epoch !== undefined) return stamp.epoch;
  const zone = stamp.stated ?? around;
  const clock = stamp.hour * 3_600_000 + stamp.minute * 60_000 + stamp.second * 1000 + stamp.ms;
  const instant = (local: number): Time =>
    stamp.zone === undefined ? zone.toUtc(local) : local - stamp.zone * 60_000;
  if (stamp.month === undefined || stamp.day === undefined) {
    const today = Math.floor((now + zone.offset(now)) / day) * day;
    const at = instant(today + clock);
    return at > now + 300_000 ? instant(today - day + clock) : at;
  }
  const date = (year: number): number | undefined => {
    const local = Date.UTC(year, stamp.month! - 1, stamp.day);
    return new Date(local).getUTCDate() === stamp.day ? local + clock : undefined;
  };
  if (stamp.year !== undefined) {
    const local = date(stamp.year);
    return local === undefined ? undefined : instant(local);
  }
  // Eight years back reach a 29 February across a century.
  const thisYear = new Date(now + zone.offset(now)).getUTCFullYear() + 1;
  for (let year = thisYear; year > thisYear - 10; year--) {
    const local = date(year);
    if (local !== undefined && instant(local) <= now + day) return instant(local);
  }
  return undefined;
}

// -------------------------------------------------------------------------------------------------------------- patterns

/**
 * Months by the first letters of their names, without accents: English first, then what services write that format their times in the
 * machine's language (ProFTPD until 1.3.5, Java's own logger, Apache with a time format of one's own): German, French, Spanish, Italian,
 * Portuguese, Dutch, Scandinavian, Finnish, Polish, Czech, Hungarian, Romanian, Turkish, Russian. Syslog daemons always write English.
 */
const months = [
  "jan ene gen ian sty led oca tamm янв",
  "feb fev uno lut sub helm фев",
  "mar mrt maar bre maal мар",
  "apr avr abr kwi dub nis huht апр",
  "may mai mag maj mei kve touk мая май",
  "jun juin iun giu cze cen haz kesa июн",
  "jul juil iul lug lip cec tem hein июл",
  "aug aou ago sie srp agu elok elo авг",
  "sep set szep wrz zar eyl syys сен",
  "oct okt out ott paz rij eki loka окт",
  "nov noi lis kas marr ноя",
  "dec dez dic des gru pro ara joul дек",
].map((names) => names.split(" "));
const monthsByName = new Map(months.flatMap((names, at) => names.map((name) => [name, at + 1] as const)));

/** 1 to 12; undefined: the name of no month. `text` as read, UTF-8 or Latin-1. */
function monthOf(text: string): number | undefined {
  const english = monthsByName.get(text.slice(0, 3).toLowerCase());
  if (english !== undefined && text.length === 3) return english;
  const name = decodeText(text).toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
  return monthsByName.get(name.slice(0, 4)) ?? monthsByName.get(name.slice(0, 3));
}

/** Abbreviations of zones that logs write; those that mean several zones are read as the commonest. */
const zones: Readonly<Record<string, number>> = {
  UTC: 0,
  GMT: 0,
  Z: 0,
  WET: 0,
  WEST: 60,
  BST: 60,
  CET: 60,
  CEST: 120,
  EET: 120,
  EEST: 180,
  MSK: 180,
  IST: 330,
  JST: 540,
  KST: 540,
  AEST: 600,
  AEDT: 660,
  NZST: 720,
  NZDT: 780,
  EST: -300,
  EDT: -240,
  CST: -360,
  CDT: -300,
  MST: -420,
  MDT: -360,
  PST: -480,
  PDT: -420,
  BRT: -180,
  SAST: 120,
  HKT: 480,
  SGT: 480,
};
const zoneNames = Object.keys(zones)
  .sort((a, b) => b.length - a.length)
  .join("|");

type Field =
  | "Y"
  | "y"
  | "m"
  | "d"
  | "H"
  | "I"
  | "p"
  | "M"
  | "S"
  | "f"
  | "b"
  | "z"
  | "Z"
  | "j"
  | "s"
  | "ms"
  | "t"
  | "x"
  | "";

/** The name of a month or a day as bytes: letters, and what stands for others in UTF-8 and Latin-1. */
const nameText = "[A-Za-z\\x80-\\xff][A-Za-z\\x80-\\xff]{1,16}\\.?";

const fields: Readonly<Record<string, { readonly field: Field; readonly text: string }>> = {
  Y: { field: "Y", text: "\\d{4}" },
  y: { field: "y", text: "\\d{2}" },
  m: { field: "m", text: "1[0-2]|0?[1-9]" },
  d: { field: "d", text: "3[01]|[12]\\d|[0 ]?[1-9]" },
  e: { field: "d", text: "3[01]|[12]\\d|[0 ]?[1-9]" },
  H: { field: "H", text: "2[0-3]|[01]\\d|[ ]?\\d" },
  k: { field: "H", text: "2[0-3]|[01]\\d|[ ]?\\d" },
  I: { field: "I", text: "1[0-2]|[0 ]?[1-9]" },
  l: { field: "I", text: "1[0-2]|[0 ]?[1-9]" },
  p: { field: "p", text: "[AaPp]\\.?[Mm]\\.?" },
  M: { field: "M", text: "[0-5]\\d" },
  S: { field: "S", text: "[0-5]\\d|6[01]" },
  f: { field: "f", text: "\\d{1,9}" },
  b: { field: "b", text: nameText },
  B: { field: "b", text: nameText },
  a: { field: "", text: nameText },
  A: { field: "", text: nameText },
  z: { field: "z", text: "Z|UTC|GMT|[+-]\\d{2}:?\\d{2}|[+-]\\d{2}" },
  Z: { field: "Z", text: zoneNames },
  j: { field: "j", text: "\\d{3}" },
  U: { field: "", text: "\\d{1,2}" },
  W: { field: "", text: "\\d{1,2}" },
  w: { field: "", text: "\\d" },
  s: { field: "s", text: "\\d{9,11}" },
};

const keywords: readonly (readonly [RegExp, string, Field])[] = [
  [/^\{?HEXEPOCH\}?/, "[0-9a-f]{8}(?:\\.[0-9a-f]{5,8})?(?![0-9a-f.])", "x"],
  [/^\{?LEPOCH\}?/, "\\d{13,16}", "ms"],
  [/^\{?EPOCH\}?/, "\\d{10,11}(?:\\.\\d{1,6})?", "s"],
  [/^\{?TAI64N\}?/, "@[0-9a-f]{24}", "t"],
];

export interface TimePattern {
  readonly source: string;
  /** The stamp that begins exactly at `at`. */
  readonly at: (text: string, at: number) => Stamp | undefined;
  /** The first stamp in text[from..to). */
  readonly find: (text: string, from: number, to: number) => Stamp | undefined;
  /** "{NONE}": the log has no time. */
  readonly none: boolean;
}

/** "{UTC}", "{Europe/Berlin}", "{+02:00}" at the end of a pattern. */
const zoneWord = /\{([A-Za-z]\w*(?:[/+-]\w+)*|[+-]\d\d:?\d\d)\}$/;
const words = ["NONE", "EPOCH", "HEXEPOCH", "LEPOCH", "TAI64N", "UNB"];
const statedZone = (source: string): RegExpExecArray | null => {
  const found = zoneWord.exec(source);
  return found === null || words.includes(found[1]!) ? null : found;
};

/** A datepattern without the zone that it states, for whoever knows better. */
export const withoutZone = (source: string): string => source.slice(0, statedZone(source)?.index);

/**
 * A `datepattern`: strptime fields (%Y %m %d %H %M %S %f %z %b …, also fail2ban's %Ex forms), EPOCH, LEPOCH, TAI64N, HEXEPOCH,
 * "^" for the start of the line, "{UTC}" (or another zone) at its end for times that name none; all else is an expression.
 * Captures of one's own do not matter.
 */
export function compileTimePattern(source: string): Result<TimePattern> {
  const zoned = statedZone(source);
  const stated = zoned === null ? undefined : createZone(zoned[1]!);
  if (zoned !== null && stated === undefined) return noPattern(source, `there is no time zone "${zoned[1]}"`);
  let rest = withoutZone(source)
    .replace(/\{\^LN-BEG\}/g, "^")
    .replace(/\{UNB\}|\*\*/g, "");
  const none = /\{NONE\}/.test(rest);
  if (none) rest = "";
  const anchored = rest.startsWith("^");
  if (anchored) rest = rest.slice(1);
  const roles: Field[] = [];
  let text = "";
  while (rest !== "") {
    const keyword = keywords.find(([name]) => name.test(rest) && !/\w$/.test(text));
    const percent = /^%(?:E?x)?([A-Za-z%])/.exec(rest);
    const own = /^\((?!\?)|^\(\?P?<(\w+)>/.exec(rest);
    if (keyword !== undefined) {
      text += `(${keyword[1]})`;
      roles.push(keyword[2]);
      rest = rest.replace(keyword[0], "");
    } else if (percent !== null) {
      const field = fields[percent[1]!];
      if (percent[1] === "%") text += "%";
      else if (field === undefined) return noPattern(source, `${percent[0]} is no field of a datepattern`);
      else {
        text += `(${field.text})`;
        roles.push(field.field);
      }
      rest = rest.slice(percent[0].length);
    } else if (own !== null) {
      text += own[1] === undefined ? "(" : `(?<${own[1]}>`;
      roles.push("");
      rest = rest.slice(own[0].length);
    } else {
      const named = /^\(\?P=(\w+)\)/.exec(rest);
      const piece = named === null ? /^\\[\s\S]|^\[(?:\\[\s\S]|[^\]])*\]|^[\s\S]/.exec(rest)![0] : named[0];
      text += named === null ? (piece === "." ? "[^\\n]" : piece) : `\\k<${named[1]}>`;
      rest = rest.slice(piece.length);
    }
  }
  try {
    const sticky = new RegExp(text, "y");
    const search = new RegExp(/^\d|^\(\\d/.test(text) ? `(?<!\\d)${text}` : text, "g");
    const at = (line: string, from: number): Stamp | undefined => {
      sticky.lastIndex = from;
      const match = none ? null : sticky.exec(line);
      return match === null ? undefined : readStamp(match, roles, stated);
    };
    const find = (line: string, from: number, to: number): Stamp | undefined => {
      if (anchored || none) return at(line, from);
      search.lastIndex = 0;
      const match = search.exec(line.slice(from, to));
      const stamp = match === null ? undefined : readStamp(match, roles, stated);
      return stamp === undefined ? undefined : { ...stamp, start: stamp.start + from, end: stamp.end + from };
    };
    return { ok: true, value: { source, at, find, none } };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return noPattern(source, error.message.replace(/^Invalid regular expression: /, ""));
  }
}

function noPattern(source: string, why: string): Result<never> {
  const fault: Fault = { what: `the datepattern cannot be read: ${source}`, why };
  return { ok: false, faults: [fault] };
}

function readStamp(
  match: RegExpExecArray,
  roles: readonly Field[],
  stated: Zone | undefined,
): Stamp | undefined {
  let year: number | undefined;
  let month: number | undefined;
  let date: number | undefined;
  let zone: number | undefined;
  let epoch: number | undefined;
  let [hour, minute, second, ms] = [0, 0, 0, 0];
  let afternoon: boolean | undefined;
  for (let i = 0; i < roles.length; i++) {
    const text = match[i + 1];
    if (text === undefined) continue;
    switch (roles[i]) {
      case "Y":
        year = Number(text);
        break;
      case "y":
        year = 2000 + Number(text);
        break;
      case "m":
        month = Number(text);
        break;
      case "b":
        month = monthOf(text);
        if (month === undefined) return undefined;
        break;
      case "d":
        date = Number(text);
        break;
      case "j":
        month = 1;
        date = Number(text);
        break;
      case "H":
      case "I":
        hour = Number(text);
        break;
      case "p":
        afternoon = /^p/i.test(text);
        break;
      case "M":
        minute = Number(text);
        break;
      case "S":
        second = Number(text);
        break;
      case "f":
        ms = Math.floor(Number(text.slice(0, 3).padEnd(3, "0")));
        break;
      case "z":
      case "Z":
        zone = zoneMinutes(text);
        break;
      case "s":
        epoch = Math.round(Number(text) * 1000);
        break;
      case "ms":
        epoch = text.length > 13 ? Math.floor(Number(text) / 1000) : Number(text);
        break;
      case "t":
        // TAI64N: 2^62 + seconds. Services differ about the leap seconds before 1972; they are left out here.
        epoch = Number.parseInt(text.slice(2, 17), 16) * 1000;
        break;
      case "x": {
        // OpenLDAP's: nanoseconds have eight digits, microseconds (where there is no finer clock) five.
        const fraction = Number.parseInt(text.slice(9) || "0", 16);
        epoch =
          Number.parseInt(text.slice(0, 8), 16) * 1000 +
          Math.floor(fraction / (text.length > 14 ? 1e6 : 1e3));
        break;
      }
      default:
    }
  }
  if (afternoon !== undefined) hour = (hour % 12) + (afternoon ? 12 : 0);
  return {
    start: match.index,
    end: match.index + match[0].length,
    hour,
    minute,
    second,
    ms,
    ...(epoch === undefined ? {} : { epoch }),
    ...(year === undefined ? {} : { year }),
    ...(month === undefined ? {} : { month }),
    ...(date === undefined ? {} : { day: date }),
    ...(zone === undefined ? {} : { zone }),
    ...(zone === undefined && stated !== undefined ? { stated } : {}),
  };
}

function zoneMinutes(text: string): number | undefined {
  const named = zones[text];
  if (named !== undefined) return named;
  const parts = /^([+-])(\d{2}):?(\d{2})?$/.exec(text);
  if (parts === null) return undefined;
  return (parts[1] === "-" ? -1 : 1) * (Number(parts[2]) * 60 + Number(parts[3] ?? 0));
}

// -------------------------------------------------------------------------------------------------------- known formats

/** Compiled when first looked for: most logs need two of them, and a start must not wait for the rest. */
const known = (source: string): TimePattern => {
  let compiled: TimePattern | undefined;
  const get = (): TimePattern => {
    if (compiled !== undefined) return compiled;
    const result = compileTimePattern(source);
    if (!result.ok) throw new Error(result.faults[0]?.why);
    compiled = result.value;
    return compiled;
  };
  return {
    source,
    none: false,
    at: (text, at) => get().at(text, at),
    find: (text, from, to) => get().find(text, from, to),
  };
};

const zonePart = "(?:\\s?(?:%z|%Z)(?![A-Za-z0-9]))?";
const withDigits: readonly TimePattern[] = [
  known(`%Y(?P<sep>[-/.:])%m(?P=sep)%d(?:[T-]|[ ]{1,2})%H:%M:%S(?:[.,]%f)?${zonePart}`),
  known(`%d(?P<sep>[-/])%m(?P=sep)%Y[ :-]{1,3}%H:%M:%S(?:[.,]%f)?${zonePart}`),
  known(`%m/%d/%Y[ :-]{1,3}%H:%M:%S(?:[.,]%f)?${zonePart}`),
  known(`%d[-/ ]%b[-/ ]%Y[ :]%H:%M:%S(?:[.,]%f)?${zonePart}`),
  // Without separators only the full width tells it from MySQL's "260302 10:15:09".
  known(`(?=\\d{8}(?:[-T ]|\\d{6}(?!\\d)))%Y%m%d[-T ]?%H:?%M:?%S(?:[.,]%f)?${zonePart}`),
  known(`%y%m%d[ ]{1,2}%H:%M:%S`),
  known(`%m-%d[ ]%H:%M:%S(?:[.,]%f)?`),
  known("LEPOCH(?!\\d)"),
  known("EPOCH(?![\\d.])"),
  known(`%H:%M:%S(?:[.,]%f)?(?!\\d)`),
];
const withLetters: readonly TimePattern[] = [
  known(`%Z[ ]%b[ ]{1,2}%d[ ]%H:%M:%S`),
  known(`%b[ ]{1,2}%d[ ]{1,2}%H:%M:%S(?:[.,]%f)?(?:[ ]%Z(?= ))?(?:[ ]%Y(?= ))?`),
  known(`%b[ ]{1,2}%d[ ]{1,2}%Y[ ]{1,2}%H:%M:%S(?:[.,]%f)?${zonePart}`),
  known(`%b[ ]{1,2}%d,[ ]%Y[ ]%I:%M:%S[ ]%p`),
  known(`%b-%d-%y[ ]%H:%M:%S`),
  known(`%a,?[ ]%b[ ]{1,2}%d[ ]%H:%M:%S(?:[.,]%f)?(?:[ ]%Z)?(?:[ ]%Y)?`),
  known(`%a,?[ ]%d[ ]%b[ ]%Y[ ]%H:%M:%S(?:[.,]%f)?${zonePart}`),
];
const tai = known("TAI64N");

/** The time of any known format that begins exactly at `at`. */
export function stampAt(text: string, at: number): Stamp | undefined {
  const code = text.charCodeAt(at);
  if (code >= 48 && code <= 57) return first(withDigits, text, at);
  if ((code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code >= 128)
    return first(withLetters, text, at);
  return code === 64 ? tai.at(text, at) : undefined;
}

function first(patterns: readonly TimePattern[], text: string, at: number): Stamp | undefined {
  for (const pattern of patterns) {
    const stamp = pattern.at(text, at);
    if (stamp !== undefined) return stamp;
  }
  return undefined;
}

const bracketed = known(`(?<=\\[)%d/%b\\.?/%Y:%H:%M:%S(?:[ ]%z)?`);
const bracketedNumeric = known(`(?<=\\[)%m/%d/%Y:%H:%M:%S(?:[ ]%z)?`);

/** Quotes in a user name are escaped: only the logger's own time stands right before the request's opening quote. */
const beforeRequest = known(`(?<=\\[)%d/%b\\.?/%Y:%H:%M:%S(?:[ ]%z)?(?=\\] ")`);

/** The bracketed time of an access log. */
export const accessStamp = (text: string, from: number, to: number): Stamp | undefined =>
  beforeRequest.find(text, from, to) ??
  bracketed.find(text, from, to) ??
  bracketedNumeric.find(text, from, to);

/** A time given as a JSON value: text in a known format, or seconds or milliseconds since the epoch. */
export function valueTime(value: unknown, now: Time, zone: Zone): Time | undefined {
  if (typeof value === "number" && Number.isFinite(value)) {
    return Math.round(
      value > 1e17 ? value / 1e6 : value > 1e14 ? value / 1000 : value > 1e11 ? value : value * 1000,
    );
  }
  if (typeof value !== "string") return undefined;
  const stamp = stampAt(value, 0);
  return stamp === undefined ? undefined : resolveStamp(stamp, now, zone);
}
