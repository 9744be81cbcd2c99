// When a report or digest is due, and whether it is a quiet hour, by the wall clock of a time zone: "daily 07:00" stays seven o'clock
// through the changes of summer time. Clock times that a change skips happen at the change; those that come twice happen once.

import type { Result, Time } from "./domain.ts";
import { parseDuration } from "./duration.ts";

export type Schedule =
  | { readonly every: "day"; readonly minute: number }
  /** 1 is Monday … 7 is Sunday. */
  | { readonly every: "week"; readonly weekday: number; readonly minute: number }
  /** Months that are shorter take their last day. */
  | { readonly every: "month"; readonly day: number; readonly minute: number }
  | { readonly every: "interval"; readonly seconds: number };

const weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const fix = 'Write "daily 07:00", "weekly mon 07:00", "monthly 1 07:00" or "every 6h".';

const fault = (text: string, why: string): Result<never> => ({
  ok: false,
  faults: [{ what: `${JSON.stringify(text.slice(0, 60))} is not a schedule`, why, fix }],
});

/** Case and blanks do not matter. Intervals are at least a minute and at most 366 days. */
export function parseSchedule(text: string): Result<Schedule> {
  const words = text.trim().toLowerCase().split(/\s+/);
  const [kind, ...rest] = words;
  if (kind === "every") {
    const length = parseDuration(rest.join(" "));
    if (!length.ok || length.value === "forever" || length.value < 60 || length.value > 366 * 86_400)
      return fault(text, "the interval is not a duration between one minute and a year");
    return { ok: true, value: { every: "interval", seconds: Math.round(length.value) } };
  }
  const minute = parseClock(rest.at(-1) ?? "");
  if (minute === undefined) return fault(text, "it does not end in a time such as 07:00");
  if (kind === "daily" && rest.length === 1) return { ok: true, value: { every: "day", minute } };
  if (kind === "weekly" && rest.length === 2) {
    const name = rest[0]!;
    const index = name.length < 3 ? -1 : weekdays.findIndex((day) => name.startsWith(day));
    if (index < 0) return fault(text, `"${name}" is no weekday: ${weekdays.join(", ")} are`);
    return { ok: true, value: { every: "week", weekday: index + 1, minute } };
  }
  if (kind === "monthly" && rest.length === 2) {
    const day = /^\d{1,2}$/.test(rest[0]!) ? Number(rest[0]) : 0;
    if (day < 1 || day > 31) return fault(text, `"${rest[0]}" is no day of a month`);
    return { ok: true, value: { every: "month", day, minute } };
  }
  return fault(text, `"${kind ?? ""}" with ${rest.length} further words is not known`);
}

/** "07:30" → minutes since midnight. */
function parseClock(text: string): number | undefined {
  const found = /^(\d{1,2}):(\d{2})$/.exec(text);
  if (found === null) return undefined;
  const hour = Number(found[1]);
  const minute = Number(found[2]);
  return hour < 24 && minute < 60 ? hour * 60 + minute : undefined;
}

export const formatClock = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;

export function formatSchedule(schedule: Schedule): string {
  switch (schedule.every) {
    case "day":
      return `daily ${formatClock(schedule.minute)}`;
    case "week":
      return `weekly ${weekdays[schedule.weekday - 1]} ${formatClock(schedule.minute)}`;
    case "month":
      return `monthly ${schedule.day} ${formatClock(schedule.minute)}`;
    case "interval":
      return `every ${schedule.seconds % 3600 === 0 ? `${schedule.seconds / 3600}h` : schedule.seconds % 60 === 0 ? `${schedule.seconds / 60}m` : `${schedule.seconds}s`}`;
  }
}

/** The first time strictly after `now`. Intervals count from midnight UTC of 1970, so that a restart does not shift them. */
export function nextRun(schedule: Schedule, now: Time, timezone: string): Time {
  if (schedule.every === "interval") {
    const step = schedule.seconds * 1000;
    return (Math.floor(now / step) + 1) * step;
  }
  const today = local(now, timezone);
  // At most 62 days ahead: a monthly schedule looked at on the 31st, just after its time.
  for (let ahead = 0; ahead < 63; ahead++) {
    const date = new Date(Date.UTC(today.year, today.month - 1, today.day + ahead));
    if (!falls(schedule, date)) continue;
    const at = fromLocal(
      date.getUTCFullYear(),
      date.getUTCMonth() + 1,
      date.getUTCDate(),
      schedule.minute,
      timezone,
    );
    if (at > now) return at;
  }
  throw new Error("a schedule without a next run");
}

function falls(schedule: Exclude<Schedule, { every: "interval" }>, date: Date): boolean {
  if (schedule.every === "day") return true;
  if (schedule.every === "week") return (date.getUTCDay() + 6) % 7 === schedule.weekday - 1;
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  return date.getUTCDate() === Math.min(schedule.day, last);
}

interface Local {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** Minutes since local midnight. */
  readonly minute: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** The wall clock at a time. An unknown zone counts as UTC: config refuses it, and a report at the wrong hour beats none. */
export function local(at: Time, timezone: string): Local {
  let format = formats.get(timezone);
  if (format === undefined) {
    const options = {
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      hourCycle: "h23",
    } as const;
    try {
      format = new Intl.DateTimeFormat("en-US", { ...options, timeZone: timezone });
    } catch {
      format = new Intl.DateTimeFormat("en-US", { ...options, timeZone: "UTC" });
    }
    formats.set(timezone, format);
  }
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(at)) parts[type] = Number(value);
  return {
    year: parts.year!,
    month: parts.month!,
    day: parts.day!,
    minute: parts.hour! * 60 + parts.minute!,
  };
}

/** The first moment at which the wall clock shows this, or, where a change skips it, the moment of the change. */
function fromLocal(year: number, month: number, day: number, minute: number, timezone: string): Time {
  const wanted = Date.UTC(year, month - 1, day, 0, minute);
  const offset = (at: Time): number => {
    const shown = local(at, timezone);
    return (
      Date.UTC(shown.year, shown.month - 1, shown.day, 0, shown.minute) - Math.floor(at / 60_000) * 60_000
    );
  };
  // The offsets in force a day before and after are all that can apply.
  const before = wanted - offset(wanted - 86_400_000);
  const after = wanted - offset(wanted + 86_400_000);
  const fits = [before, after].filter((at) => at + offset(at) === wanted);
  if (fits.length > 0) return Math.min(...fits);
  // Skipped: find the change between the two by halving.
  let low = Math.min(before, after);
  let high = Math.max(before, after);
  while (high - low > 60_000) {
    const middle = Math.floor((low + high) / 120_000) * 60_000;
    if (offset(middle) === offset(low)) low = middle;
    else high = middle;
  }
  return high;
}

/** A part of each day, possibly over midnight. */
export interface DayPart {
  readonly from: number;
  readonly to: number;
}

/** "22:00-07:00". */
export function parseDayPart(text: string): Result<DayPart> {
  const [from, to, more] = text
    .trim()
    .split(/\s*-\s*/)
    .map(parseClock);
  if (from === undefined || to === undefined || more !== undefined || from === to)
    return {
      ok: false,
      faults: [
        {
          what: `${JSON.stringify(text.slice(0, 60))} is not a part of the day`,
          fix: 'Write "22:00-07:00".',
        },
      ],
    };
  return { ok: true, value: { from, to } };
}

/** When the part of the day that `now` lies in ends; undefined when it lies in none. */
export function endOfDayPart(part: DayPart, now: Time, timezone: string): Time | undefined {
  const { minute } = local(now, timezone);
  const inside =
    part.from < part.to ? minute >= part.from && minute < part.to : minute >= part.from || minute < part.to;
  return inside ? nextRun({ every: "day", minute: part.to }, now, timezone) : undefined;
}
