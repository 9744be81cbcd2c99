// The line as fail2ban shows it to its expressions: with the date's text cut out wherever it stands, the rest untouched (brackets
// around the date stay, so does the blank behind it). For filters taken over from it: format = "fail2ban".

import { compileTimePattern, type Stamp, type TimePattern } from "./datetime.ts";

export interface Cut {
  readonly text: string;
  readonly stamp: Stamp | undefined;
}

/** Chars from the start of the line in which a date is looked for. */
const reach = 512;

/** `dates`: the filter's own patterns, tried first. */
export function cutDate(text: string, from: number, to: number, dates: readonly TimePattern[]): Cut {
  const stamp = findDate(text, from, Math.min(to, from + reach), dates);
  if (stamp === undefined) return { text: text.slice(from, to), stamp };
  return { text: text.slice(from, stamp.start) + text.slice(stamp.end, to), stamp };
}

function findDate(text: string, from: number, to: number, dates: readonly TimePattern[]): Stamp | undefined {
  for (const date of dates) {
    const stamp = date.find(text, from, to);
    if (stamp !== undefined && stamp.end > stamp.start) return stamp;
  }
  // At the start of the line first, behind two signs at most.
  for (let at = from; at < to && at <= from + 2; at++) {
    for (const form of forms) {
      const stamp = form.pattern.at(text, at);
      if (stamp !== undefined && stamp.end <= to && !isWord(text.charCodeAt(stamp.end))) return stamp;
    }
    if (isWord(text.charCodeAt(at))) break;
  }
  let best: Stamp | undefined;
  for (const form of forms) {
    if (form.startOnly === true) continue;
    const stamp = form.pattern.find(text, from, to);
    if (stamp === undefined || isWord(text.charCodeAt(stamp.end))) continue;
    if (stamp.start > from && isWord(text.charCodeAt(stamp.start - 1))) continue;
    if (best === undefined || stamp.start < best.start) best = stamp;
  }
  return best;
}

interface Form {
  readonly pattern: TimePattern;
  /** Too vague for mid-line. */
  readonly startOnly?: true;
}

function form(source: string, startOnly?: true): Form {
  const compiled = compileTimePattern(source);
  if (!compiled.ok) throw new Error(compiled.faults[0]?.why);
  return startOnly === undefined ? { pattern: compiled.value } : { pattern: compiled.value, startOnly };
}

/** The forms fail2ban knows by itself, each as far as it takes them: what it leaves in the line, expressions may ask for. */
const forms: readonly Form[] = [
  form("%Y(?P<sep>[-/.])%m(?P=sep)%d(?:T|[ ]{1,2})%H:%M:%S(?:[.,]%f)?(?:\\s*%z)?"),
  form("(?:%a[ ])?%b[ ]{1,2}%d[ ]{1,2}%H:%M:%S(?:\\.%f)?(?:[ ]%Y(?!\\d))?"),
  form("(?:%a[ ])?%b[ ]{1,2}%d[ ]%Y[ ]{1,2}%H:%M:%S(?:\\.%f)?"),
  form("%d(?P<sep>[-/])%m(?P=sep)%Y[ ]{1,2}%H:%M:%S"),
  form("%d(?P<sep>[-/])%b(?P=sep)%Y[ :]?%H:%M:%S(?:\\.%f)?(?:[ ]%z)?"),
  form("%m/%d/%Y:%H:%M:%S"),
  form("%m-%d-%Y[ ]{1,2}%H:%M:%S(?:\\.%f)?"),
  form("(?<=^|\\[|audit\\()EPOCH(?![\\d])"),
  form("%H:%M:%S", true),
  form("<%m/%d/%y@%H:%M:%S>", true),
  form("%y%m%d[ ]{1,2}%H:%M:%S"),
  form("%b[ ]{1,2}%d, %Y %I:%M:%S %p"),
  form("%b-%d-%y[ ]{1,2}%H:%M:%S", true),
  form("%Y%m%d(?:-|T|[ ]{1,2})%H:?%M:?%S(?:[.,]%f)?(?:\\s*%z)?"),
  form("TAI64N"),
];

const isWord = (code: number): boolean =>
  (code >= 48 && code <= 57) ||
  (code >= 65 && code <= 90) ||
  (code >= 97 && code <= 122) ||
  code === 95 ||
  code >= 128;
