// "10m", "1d12h", "1h 30m", "-1", "forever" ⇄ seconds, in fail2ban's grammar of time expressions without its `eval`: a sum of
// amounts with units, or a bare number of seconds. Arithmetic and differences ("1h -10m") are mistakes here.

import type { Result, Span } from "./domain.ts";

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
const week = 7 * day;
/** A twelfth of 365.25 days, as fail2ban counts. */
const month = 2_629_800;
const year = 31_557_600;

/** Nothing is longer than this, so that no sum of a time and a span can leave what a Date and a firewall understand. */
export const longestSpan = 100 * year;

const unitWords: Readonly<Record<string, number>> = {
  ...words(1, "s ss sec secs second seconds"),
  ...words(minute, "m mm min mins minute minutes"),
  ...words(hour, "h hh hou hour hours"),
  ...words(day, "d dd da day days"),
  ...words(week, "w ww wee week weeks"),
  ...words(month, "mo mon month months"),
  ...words(year, "y yy yea year years"),
};

function words(seconds: number, list: string): Record<string, number> {
  return Object.fromEntries(list.split(" ").map((word) => [word, seconds]));
}

const fix = 'Write a number of seconds, a sum such as "10m", "1h 30m" or "1w", or "forever".';

function fault(written: string | number, why: string): Result<Span> {
  return { ok: false, faults: [{ what: `${JSON.stringify(written)} is not a duration`, why, fix }] };
}

/** Seconds or "forever". Case and blanks do not matter; more than 100 years saturate at 100 years. */
export function parseDuration(text: string | number): Result<Span> {
  if (typeof text === "number") {
    if (text === -1) return { ok: true, value: "forever" };
    if (!Number.isFinite(text)) return fault(String(text), "it is not a finite number");
    if (text < 0) return fault(text, "it is negative; only -1 means forever");
    return { ok: true, value: Math.min(text, longestSpan) };
  }
  const trimmed = text.trim().toLowerCase();
  if (trimmed === "-1" || trimmed === "forever") return { ok: true, value: "forever" };
  if (trimmed === "") return fault(text, "it is empty");
  if (trimmed.length > 100) return fault(`${text.slice(0, 40)}…`, "it is too long");
  if (trimmed.includes("-")) return fault(text, "it is negative; only -1 means forever");
  if (/^\d+(?:\.\d+)?$/.test(trimmed)) return { ok: true, value: Math.min(Number(trimmed), longestSpan) };
  return sum(text, trimmed);
}

function sum(written: string, text: string): Result<Span> {
  const part = /\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)/y;
  let total = 0;
  while (part.lastIndex < text.length) {
    const at = part.lastIndex;
    const found = part.exec(text);
    if (!found) return fault(written, `${JSON.stringify(text.slice(at).trim())} is not a number with a unit`);
    const unit = found[2]!;
    if (unit === "") return fault(written, `${found[1]} has no unit`);
    const seconds = Object.hasOwn(unitWords, unit) ? unitWords[unit] : undefined;
    if (seconds === undefined)
      return fault(written, `"${unit}" is no unit: s, m, h, d, w, mo (month) and y are`);
    total += Number(found[1]) * seconds;
  }
  // Decimals such as 0.1d must not leave 8640.000000000002.
  return { ok: true, value: Math.min(Math.round(total * 1000) / 1000, longestSpan) };
}

/**
 * For people, and readable by parseDuration: "forever", "1h 30m", "9d". Years, months and weeks appear only when they divide
 * the span exactly ("1y", "2w"), since nobody can add "1y 3mo 2d" up. Fractions of a second show up to milliseconds.
 */
export function formatDuration(span: Span): string {
  if (span === "forever") return "forever";
  const seconds = Math.min(Math.max(0, Math.round(span * 1000) / 1000), longestSpan);
  for (const [unit, length] of [
    ["y", year],
    ["mo", month],
    ["w", week],
  ] as const)
    if (seconds > 0 && seconds % length === 0) return `${seconds / length}${unit}`;
  const parts: string[] = [];
  let rest = seconds;
  for (const [unit, length] of [
    ["d", day],
    ["h", hour],
    ["m", minute],
  ] as const) {
    const count = Math.floor(rest / length);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * length;
  }
  const left = Math.round(rest * 1000) / 1000;
  if (left > 0 || parts.length === 0) parts.push(`${left}s`);
  return parts.join(" ");
}
