// The line as fail2ban shows it to its expressions: with the date's text cut out wherever it stands, the rest untouched (brackets
// around the date stay, so does the blank behind it). For filters taken over from it: format = "fail2ban".

import { accessStamp, type Stamp, stampAt, type TimePattern } from "./datetime.ts";

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
  const first = atStart(text, from, to);
  if (first !== undefined) return first;
  const access = accessStamp(text, from, to);
  if (access !== undefined) return access;
  for (let at = from + 1; at < to; at++) {
    if (!isWord(text.charCodeAt(at)) || isWord(text.charCodeAt(at - 1))) continue;
    const stamp = stampAt(text, at);
    if (stamp === undefined || stamp.end > to || isWord(text.charCodeAt(stamp.end))) continue;
    // A bare number or clock time in mid-line is no date, but for the kernel's "audit(1700000000.123:45)".
    const dated = stamp.month !== undefined && stamp.epoch === undefined;
    const audited = stamp.epoch !== undefined && /[[(]$/.test(text.slice(Math.max(from, at - 1), at));
    if (dated || audited) return stamp;
  }
  return undefined;
}

/** A date the line begins with, brackets and blanks before it apart. */
function atStart(text: string, from: number, to: number): Stamp | undefined {
  let at = from;
  while (at < to && at < from + 4 && " \t[(<\"".includes(text.charAt(at))) at++;
  const stamp = stampAt(text, at);
  return stamp === undefined || stamp.end > to ? undefined : stamp;
}

const isWord = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95 || code >= 128;
