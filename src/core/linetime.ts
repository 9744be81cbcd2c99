// When a line of the backlog says it was written. Read only for lines that matter, and mostly without parsing: lines of the same
// second share their stamp, lines of the same hour all but minutes and seconds.

import {
  accessStamp,
  resolveStamp,
  type Stamp,
  stampAt,
  type TimePattern,
  utc,
  valueTime,
  type Zone,
} from "./datetime.ts";
import type { Time } from "./domain.ts";
import { type Head, parseStamped } from "./logformat.ts";
import type { Records } from "./records.ts";

export class LineTime {
  private now: Time = 0;
  private records: Records | undefined;
  /** The stamp read last, as text, and what it means. */
  private lastText = "";
  private lastAt: Time = 0;
  /** "Mar  2 10:" and the instant at which that hour began. */
  private hourText = "";
  private hourAt: Time = 0;
  /** How far `records` has been counted: a line and where it begins. */
  private countedLine = 0;
  private countedAt = 0;

  constructor(
    private readonly zone: Zone,
    private readonly dates: readonly TimePattern[],
    private readonly access: boolean,
  ) {}

  begin(records: Records, now: Time): void {
    this.records = records;
    this.countedLine = 0;
    this.countedAt = 0;
    // Which year a stamp without one means depends on now.
    if (now !== this.now) {
      this.now = now;
      this.lastText = "";
      this.hourText = "";
    }
  }

  /** The time of the line text[from..to); undefined when it has none. `stamp`: as the line's format found it. */
  of(text: string, from: number, to: number, head: Head, stamp: Stamp | undefined): Time | undefined {
    const wrapped = this.wrapped(text, from);
    if (wrapped !== undefined) return wrapped;
    if (stamp !== undefined) return resolveStamp(stamp, this.now, this.zone);
    for (const date of this.dates) {
      const found = date.find(text, from, Math.min(to, from + 512));
      if (found !== undefined) return resolveStamp(found, this.now, this.zone);
    }
    if (this.access) {
      const found = accessStamp(text, from, to);
      if (found !== undefined) return resolveStamp(found, this.now, this.zone);
    }
    if (head.stamp >= 0) return this.syslog(text, head.stamp);
    const found = parseStamped(text, from, to)?.stamp;
    return found === undefined ? undefined : resolveStamp(found, this.now, this.zone);
  }

  value(value: unknown): Time | undefined {
    if (typeof value === "string") {
      for (const date of this.dates) {
        const found = date.find(value, 0, value.length);
        if (found !== undefined) return resolveStamp(found, this.now, this.zone);
      }
    }
    return valueTime(value, this.now, this.zone);
  }

  private syslog(text: string, at: number): Time | undefined {
    if (this.lastText !== "" && text.startsWith(this.lastText, at)) return this.lastAt;
    // "Mar  2 10:15:09 ": within an hour only minutes and seconds differ.
    const classic =
      text.charCodeAt(at + 15) === 32 && text.charCodeAt(at + 9) === 58 && text.charCodeAt(at + 12) === 58;
    if (classic && this.hourText !== "" && text.startsWith(this.hourText, at)) {
      const seconds = twoDigits(text, at + 10) * 60 + twoDigits(text, at + 13);
      // A year behind the time ("… 10:15:09 2026 host") is for the expressions.
      if (seconds >= 0 && seconds < 3600 && !isDigit(text.charCodeAt(at + 16)))
        return this.hourAt + seconds * 1000;
    }
    const stamp = stampAt(text, at);
    if (stamp === undefined) return undefined;
    const instant = resolveStamp(stamp, this.now, this.zone);
    if (instant === undefined) return undefined;
    // The blank belongs to it, so that "10:15:09" does not stand for "10:15:09.5" or for another year.
    this.lastText = `${text.slice(at, stamp.end)} `;
    this.lastAt = instant;
    if (classic && stamp.end === at + 15 && stamp.year === undefined && stamp.zone === undefined) {
      const began = instant - (stamp.minute * 60 + stamp.second) * 1000;
      // An hour in which clocks change is not one piece.
      if (this.zone.offset(began) === this.zone.offset(began + 3_599_000)) {
        this.hourText = text.slice(at, at + 10);
        this.hourAt = began;
      }
    }
    return instant;
  }

  /** The container runtime's time of the line that begins at `from`. Lines are asked for in order. */
  private wrapped(text: string, from: number): Time | undefined {
    const times = this.records?.times;
    if (times === undefined || text !== this.records?.page.text) return undefined;
    if (from < this.countedAt) {
      this.countedLine = 0;
      this.countedAt = 0;
    }
    while (this.countedAt < from) {
      this.countedAt = text.indexOf("\n", this.countedAt) + 1;
      this.countedLine++;
    }
    const time = times[this.countedLine];
    return time === undefined || time === "" ? undefined : valueTime(time, this.now, utc);
  }
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;

function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 5 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -10_000;
}
