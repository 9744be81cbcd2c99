// The head of a line: where its time stands, which program wrote it, where the message begins. Works by char codes on the
// chunk as it was read; nothing is cut out and, but for odd stamps, nothing is allocated.

import { decodeText, encodeText } from "./bytes.ts";
import { type Stamp, stampAt } from "./datetime.ts";

/** Offsets into the text; -1 where there is none. One object is filled again and again. */
export interface Head {
  /** Where the time begins. */
  stamp: number;
  /** Host name, program name, process id: [from, to). */
  host: number;
  hostEnd: number;
  program: number;
  programEnd: number;
  pid: number;
  pidEnd: number;
  /**
   * Where what says who writes begins: BSD's "<4.3>", host or program, whichever comes first; the program where a level in words stands
   * before it, which differs from line to line of one process.
   */
  tag: number;
  /** Where the message begins. */
  message: number;
}

export const newHead = (): Head => ({
  stamp: -1,
  host: -1,
  hostEnd: -1,
  program: -1,
  programEnd: -1,
  pid: -1,
  pidEnd: -1,
  tag: -1,
  message: -1,
});

export function clearHead(head: Head, message: number): void {
  head.stamp = -1;
  head.host = -1;
  head.hostEnd = -1;
  head.program = -1;
  head.programEnd = -1;
  head.pid = -1;
  head.pidEnd = -1;
  head.tag = -1;
  head.message = message;
}

const blank = 32;
const colon = 58;
const open = 91;
const close = 93;

const isDigit = (code: number): boolean => code >= 48 && code <= 57;

/**
 * The head of a line written by a syslog daemon, or by a program that imitates one: RFC 3164 with or without year, priority,
 * BSD "<4.3>" and host, ISO 8601 stamps, RFC 5424. False when the line does not begin with a time.
 */
export function parseSyslog(text: string, from: number, end: number, head: Head): boolean {
  let at = from;
  if (text.charCodeAt(at) === 60) {
    const closed = text.indexOf(">", at);
    if (closed < 0 || closed > at + 4) return false;
    at = closed + 1;
    // RFC 5424: "<38>1 "; its version number has not changed since.
    if (text.charCodeAt(at) === 49 && text.charCodeAt(at + 1) === blank)
      return parse5424(text, at + 2, end, head);
  }
  const stampEnd = skipStamp(text, at, end);
  if (stampEnd < 0) return false;
  clearHead(head, stampEnd);
  head.stamp = at;
  parseTag(text, skipBlanks(text, stampEnd, end), end, head, true);
  return true;
}

/** End of the time at `at`, -1 when there is none: the two commonest forms by their shape, the others by their expressions. */
function skipStamp(text: string, at: number, end: number): number {
  const first = text.charCodeAt(at);
  // "Mar  2 10:15:09 "
  if (
    first > 64 &&
    text.charCodeAt(at + 6) === blank &&
    text.charCodeAt(at + 9) === colon &&
    text.charCodeAt(at + 12) === colon &&
    text.charCodeAt(at + 15) === blank &&
    text.charCodeAt(at + 3) === blank &&
    isDigit(text.charCodeAt(at + 14)) &&
    // A year may follow: "Mar  2 10:15:09 2026 host".
    !(
      text.charCodeAt(at + 16) === 50 &&
      text.charCodeAt(at + 20) === blank &&
      isDigit(text.charCodeAt(at + 17))
    )
  ) {
    return at + 15 < end ? at + 15 : -1;
  }
  // "2026-03-02T10:15:09.123456+01:00 "
  if (
    first === 50 &&
    text.charCodeAt(at + 4) === 45 &&
    text.charCodeAt(at + 10) === 84 &&
    text.charCodeAt(at + 13) === colon
  ) {
    const space = text.indexOf(" ", at + 18);
    if (space > 0 && space < at + 36) return space;
  }
  const stamp = stampAt(text, at);
  return stamp === undefined || stamp.end > end ? -1 : stamp.end;
}

function parse5424(text: string, from: number, end: number, head: Head): boolean {
  // TIMESTAMP HOST APP PROCID MSGID SD MSG, "-" for nothing.
  const fields: number[] = [from];
  let at = from;
  for (let i = 0; i < 5; i++) {
    at = text.indexOf(" ", at);
    if (at < 0 || at >= end) return false;
    at++;
    fields.push(at);
  }
  const [stamp, host, program, pid, msgid, data] = fields as [number, number, number, number, number, number];
  clearHead(head, end);
  head.stamp = stamp;
  head.host = host;
  head.tag = host;
  head.hostEnd = program - 1;
  head.program = program;
  head.programEnd = pid - 1;
  if (text.charCodeAt(pid) !== 45) {
    head.pid = pid;
    head.pidEnd = msgid - 1;
  }
  at = data;
  if (text.charCodeAt(at) === 45) at++;
  else {
    while (at < end && text.charCodeAt(at) === open) {
      at = endOfElement(text, at, end);
      if (at < 0) return false;
    }
  }
  if (at < end && text.charCodeAt(at) !== blank) return false;
  at = Math.min(at + 1, end);
  // A byte order mark may say that UTF-8 follows.
  if (text.startsWith("\xef\xbb\xbf", at)) at += 3;
  head.message = at;
  return true;
}

/** Past the "]" of a structured data element, whose quoted values may hold escaped quotes and brackets. */
function endOfElement(text: string, from: number, end: number): number {
  let quoted = false;
  for (let at = from; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === 92) at++;
    else if (code === 34) quoted = !quoted;
    else if (code === close && !quoted) return at + 1;
  }
  return -1;
}

/** "HOST IDENT[PID]: MESSAGE", as journald's entries are rendered; no time. */
export function parseRendered(text: string, from: number, end: number, head: Head): void {
  clearHead(head, from);
  parseTag(text, from, end, head, false);
  if (head.program < 0) clearHead(head, from);
}

/**
 * What stands between time and message: "[<4.3>] [host [host]] [facility.level] program[pid]: ". Without a program all that follows the host
 * is the message. `hosts`: a first word that is no program is the host.
 */
function parseTag(text: string, from: number, end: number, head: Head, hosts: boolean): void {
  let at = from;
  head.tag = from;
  if (text.charCodeAt(at) === 60) {
    // BSD: facility and level, "<4.3>" or "<auth.info>".
    const space = text.indexOf(" ", at);
    if (space > 0 && space < at + 20 && text.charCodeAt(space - 1) === 62) at = skipBlanks(text, space, end);
  }
  if (parseProgram(text, at, end, head)) return;
  const hostEnd = wordEnd(text, at, end);
  head.host = at;
  head.hostEnd = hostEnd;
  let next = skipBlanks(text, hostEnd, end);
  head.message = next;
  if (!hosts && hostEnd >= end) return;
  // vserver: "@name" between host and program.
  if (text.charCodeAt(next) === 64) next = skipBlanks(text, wordEnd(text, next, end), end);
  // Some relays write the host twice.
  const again = wordEnd(text, next, end);
  if (again - next === hostEnd - at && text.startsWith(text.slice(at, hostEnd), next))
    next = skipBlanks(text, again, end);
  if (parseProgram(text, next, end, head)) {
    // OpenWrt's logread names no host: what stands there is the level, which is another one from line to line of a connection.
    if (isLevel(text, at, hostEnd)) head.tag = head.program;
    return;
  }
  // BusyBox (Alpine) writes facility and level behind the host, "alpine authpriv.info sshd[812]: ", AIX "aix1 auth|security:info sshd[812]: ".
  const levelEnd = wordEnd(text, next, end);
  if (!isLevel(text, next, levelEnd)) return;
  head.message = skipBlanks(text, levelEnd, end);
  if (parseProgram(text, head.message, end, head)) head.tag = head.program;
}

function isLevel(text: string, from: number, to: number): boolean {
  facility.lastIndex = from;
  return facility.test(text) && facility.lastIndex === to;
}

const facility =
  /(?:kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local[0-7])(?:\.|\|security:|:)(?:emerg|alert|crit|err|warn|notice|info|debug)/y;

function wordEnd(text: string, from: number, end: number): number {
  const space = text.indexOf(" ", from);
  return space < 0 || space > end ? end : space;
}

function skipBlanks(text: string, from: number, end: number): number {
  let at = from;
  while (at < end && text.charCodeAt(at) === blank) at++;
  return at;
}

/** "program: ", "program[pid]: ", "program[pid] ", "program [pid]: ", "[program]: ", "[program] " at `from`; false when there is none of these. */
export function parseProgram(text: string, from: number, end: number, head: Head): boolean {
  let at = from;
  const wrapped = text.charCodeAt(at) === open;
  if (wrapped) at++;
  const start = at;
  for (; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === open || code === blank || code === close) break;
    if (code === colon && (at + 1 >= end || text.charCodeAt(at + 1) === blank)) break;
  }
  if (at === start || at - start > 128) return false;
  const programEnd = at;
  let code = at < end ? text.charCodeAt(at) : 0;
  if (wrapped) {
    const next = text.charCodeAt(at + 1);
    // metalog: "Mar  2 10:15:09 [sshd] ", always without a host.
    const bare = next === blank && from === head.tag && text.charCodeAt(head.stamp) > 64;
    if (code !== close || (next !== colon && !bare)) return false;
    if (!bare) at++;
    code = colon;
  } else if (code === blank) {
    if (text.charCodeAt(at + 1) !== open) return false;
    at++;
    code = open;
    // Only "program [123]: ": anything else after a blank is message.
    const pidEnd = pidAt(text, at + 1, end);
    if (pidEnd < 0 || text.charCodeAt(pidEnd + 1) !== colon) return false;
  }
  let [pid, pidEnd] = [-1, -1];
  if (code === open) {
    pid = at + 1;
    pidEnd = pidAt(text, pid, end);
    if (pidEnd < 0) return false;
    at = pidEnd + 1;
    if (text.charCodeAt(at) === colon) at++;
    if (at < end && text.charCodeAt(at) !== blank) return false;
  } else if (code === colon) at++;
  else return false;
  head.program = start;
  head.programEnd = programEnd;
  head.pid = pid;
  head.pidEnd = pidEnd;
  head.message = skipInner(text, at < end && text.charCodeAt(at) === blank ? at + 1 : Math.min(at, end), end);
  return true;
}

/** End of a process id's digits when "]" follows, else -1. */
function pidAt(text: string, from: number, end: number): number {
  let at = from;
  while (at < end && isDigit(text.charCodeAt(at))) at++;
  return at > from && at < end && text.charCodeAt(at) === close ? at : -1;
}

const inner = /(?:\[ID \d+ [a-z0-9]+\.[a-z]+\] |kernel: ?\[ *\d+\.\d+\]:? |\[ *\d{1,10}\.\d{6}\] )+/y;

/** Solaris' message ids and the kernel's uptime stand before some messages. They are the syslog daemon's, not the program's. */
function skipInner(text: string, at: number, end: number): number {
  const code = text.charCodeAt(at);
  if (code !== open && code !== 107) return at;
  inner.lastIndex = at;
  return inner.test(text) && inner.lastIndex <= end ? inner.lastIndex : at;
}

// ----------------------------------------------------------------------------------------------------- time, then message

/**
 * A time of a known format at the start of the line, in brackets or not; undefined when there is none. The message begins behind
 * it, its closing bracket, a colon or comma, and blanks.
 */
export function parseStamped(
  text: string,
  from: number,
  end: number,
): { readonly stamp: Stamp; readonly message: number } | undefined {
  let at = from;
  const code = text.charCodeAt(at);
  const closing = code === open ? close : code === 60 ? 62 : code === 40 ? 41 : 0;
  if (closing !== 0) at++;
  const stamp = stampAt(text, at);
  if (stamp === undefined || stamp.end > end) return undefined;
  return { stamp, message: behindStamp(text, stamp.end, end, closing) };
}

export function behindStamp(text: string, from: number, end: number, closing: number): number {
  let at = from;
  if (closing !== 0) {
    at = skipBlanks(text, at, end);
    if (text.charCodeAt(at) !== closing) return skipBlanks(text, from, end);
    at++;
  }
  const code = text.charCodeAt(at);
  if (at < end && (code === colon || code === 44)) at++;
  return skipBlanks(text, at, end);
}

// -------------------------------------------------------------------------------------------------------------- wrappers

export interface Unwrapped {
  readonly text: string;
  /** The container runtime's own time, as text. */
  readonly time: string;
  /** False: the runtime cut a long line here and the rest follows. */
  readonly whole: boolean;
}

const cri =
  /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) (?:stdout|stderr) ([FP])(?::[\w:]*)? (.*)$/;

/** A line of docker's json-file driver or of a Kubernetes CRI log, opened; undefined when it is neither. */
export function unwrap(line: string): Unwrapped | undefined {
  if (line.startsWith('{"log":"')) {
    let entry: unknown;
    try {
      entry = JSON.parse(decodeText(line));
    } catch {
      return undefined;
    }
    const { log, time, stream } = entry as { log?: unknown; time?: unknown; stream?: unknown };
    if (typeof log !== "string" || typeof time !== "string" || typeof stream !== "string") return undefined;
    return { text: encodeText(log.replace(/\r?\n$/, "")), time, whole: log.endsWith("\n") };
  }
  const match = cri.exec(line);
  if (match === null) return undefined;
  return { text: match[3]!, time: match[1]!, whole: match[2] === "F" };
}
