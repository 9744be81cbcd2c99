// `parseSyslog` for one line of a chunk after the other: what stands between time and program is mostly the same for all lines of a
// log, and the commonest forms of time and program are known by their shape. What looks different in any way is parsed as ever.

import { clearHead, type Head, parseProgram, parseSyslog } from "./logformat.ts";
import type { Page } from "./page.ts";
import { Recent } from "./recent.ts";
import { leadingDigits } from "./words.ts";

const feed = 10;
const blank = 32;
const colon = 58;
const dash = 45;
const open = 91;
const close = 93;
/** "Mar  2 10:15:09". */
const classicLength = 15;

const isDigit = (code: number): boolean => code >= 48 && code <= 57;
const isLetter = (code: number): boolean => (code | 32) >= 97 && (code | 32) <= 122;

/** A program's name as it stood in a line, with the "[" or ":" behind it. */
interface Program<Wanting> {
  readonly text: Recent;
  wanting: Wanting;
}

/** `Wanting`: who wants lines of a program. */
export class SyslogHeads<Wanting> {
  /** How long the last line's time was; 0: not of a known form. */
  private stamp = 0;
  /** " web1 ", from the blank behind the time to the program. */
  private host: readonly number[] = [];
  /** Time and host of the last line, while its time was one of a second: many lines share it. */
  private readonly second = new Recent();
  /** Programs seen last, by how they begin. */
  private readonly programs: readonly Program<Wanting>[];
  /** Who wants the program of the line parsed last, if it has one. */
  wanting: Wanting;

  constructor(
    nobody: Wanting,
    private readonly wants: (program: string) => Wanting,
  ) {
    this.wanting = nobody;
    this.programs = Array.from({ length: 64 }, () => ({ text: new Recent(), wanting: nobody }));
  }

  parse(page: Page, from: number, end: number, head: Head): boolean {
    return this.parseLike(page, from, head) || this.parseAnew(page, from, end, head);
  }

  /**
   * The head of a line of the same second, with a program known already, as nearly all are; where the line ends need not be known. False: it is
   * not, or there is more to look at.
   */
  parseLike(page: Page, from: number, head: Head): boolean {
    const { second } = this;
    const program = from + second.length;
    if (!second.standsAt(page.view, from) || page.bytes[program] === this.host[1]) return false;
    return this.parseKnown(page, from, program, head);
  }

  private parseKnown({ view, bytes }: Page, from: number, program: number, head: Head): boolean {
    const known = this.programs[slotOf(view, program)]!;
    if (!known.text.standsAt(view, program)) return false;
    let at = program + known.text.length;
    if (bytes[at - 1] === open) {
      const digits = leadingDigits(view, at);
      // "]: "
      if (digits === 0 || (view.getInt32(at + digits, true) & 0xffffff) !== 0x203a5d) return false;
      head.pid = at;
      head.pidEnd = at + digits;
      at += digits + 3;
    } else {
      if (bytes[at] !== blank) return false;
      head.pid = head.pidEnd = -1;
      at++;
    }
    const first = bytes[at]!;
    if (first === feed || mayBeMore(first)) return false;
    head.stamp = from;
    head.host = head.tag = from + this.stamp + 1;
    head.hostEnd = program - 1;
    head.program = program;
    head.programEnd = program + known.text.length - 1;
    head.message = at;
    this.wanting = known.wanting;
    return true;
  }

  /** Any other line. */
  parseAnew(page: Page, from: number, end: number, head: Head): boolean {
    const { bytes, view } = page;
    const program = this.programAt(bytes, from, end);
    if (program >= 0) {
      if (this.parseKnown(page, from, program, head)) return true;
      clearHead(head, program);
      head.stamp = from;
      head.host = head.tag = from + this.stamp + 1;
      head.hostEnd = program - 1;
      if (parsePlain(bytes, program, end, head)) {
        this.wanting = this.wants(page.slice(program, head.programEnd));
        const known = this.programs[slotOf(view, program)]!;
        known.wanting = this.wanting;
        known.text.keep(bytes, program, head.programEnd + 1);
        return true;
      }
    }
    if (program < 0 || !parseProgram(page.text, program, end, head)) {
      if (!parseSyslog(page.text, from, end, head)) return false;
      this.remember(bytes, from, head);
    }
    if (head.program >= 0) this.wanting = this.wants(page.slice(head.program, head.programEnd));
    return true;
  }

  /** Where the program begins behind the same host as in the last line; -1: it has to be looked for. */
  private programAt(bytes: Uint8Array, from: number, end: number): number {
    const { stamp, host, second } = this;
    const at = from + stamp;
    const program = at + host.length;
    if (stamp === 0 || program >= end || bytes[at] !== blank) return -1;
    // Anything but a letter may mean something else: "[123]" that the host was a program, "@name" a guest; and a host may come twice.
    const first = bytes[program]!;
    if (!isLetter(first) || first === host[1]) return -1;
    if (!(stamp === classicLength ? isClassic(bytes, from) : isInternet(bytes, from, at))) return -1;
    for (let i = 1; i < host.length; i++) if (bytes[at + i] !== host[i]) return -1;
    if (stamp === classicLength) second.keep(bytes, from, program);
    return program;
  }

  private remember(bytes: Uint8Array, from: number, { stamp, host, hostEnd, program, tag }: Head): void {
    this.stamp = 0;
    this.second.forget();
    // A host that begins with a digit might be a year in another line.
    if (stamp !== from || host <= 0 || tag !== host || program !== hostEnd + 1 || bytes[host]! <= 57) return;
    const length = host - 1 - from;
    const known = length === classicLength ? isClassic(bytes, from) : isInternet(bytes, from, host - 1);
    if (!known) return;
    this.stamp = length;
    this.host = [...bytes.subarray(host - 1, program)];
  }
}

/** "Mar  2 10:15:09" with a blank behind it. */
const isClassic = (bytes: Uint8Array, at: number): boolean =>
  bytes[at]! > 64 &&
  bytes[at + 3] === blank &&
  bytes[at + 6] === blank &&
  bytes[at + 9] === colon &&
  bytes[at + 12] === colon &&
  isDigit(bytes[at + 14]!) &&
  bytes[at + 15] === blank;

/** "2026-03-02T10:15:09.123456+01:00" with its first blank behind it. */
function isInternet(bytes: Uint8Array, at: number, end: number): boolean {
  if (bytes[at] !== 50 || bytes[at + 4] !== dash || bytes[at + 10] !== 84 || bytes[at + 13] !== colon)
    return false;
  if (end <= at + 18 || end >= at + 36) return false;
  for (let i = at + 18; i < end; i++) if (bytes[i] === blank) return false;
  return bytes[end] === blank;
}

const slotOf = (view: DataView, program: number): number =>
  Math.imul(view.getInt32(program, true), 0x9e3779b1) >>> 26;

/** Ids of messages and uptimes may stand before the message: "[", "k". */
const mayBeMore = (first: number): boolean => first === open || first === 107;

/** Letters, digits, "-", "." and "/". */
const plain = new Uint8Array(256).map((_, code) => (isLetter(code) || (code >= 45 && code <= 57) ? 1 : 0));

/** "program[pid]: " and "program: " of letters, digits, "-", "." and "/"; all else is parseProgram's. */
function parsePlain(bytes: Uint8Array, from: number, end: number, head: Head): boolean {
  let at = from;
  while (plain[bytes[at]!] === 1) at++;
  if (at - from > 128) return false;
  let pid = -1;
  let pidEnd = -1;
  const programEnd = at;
  if (bytes[at] === open) {
    pid = ++at;
    while (isDigit(bytes[at]!)) at++;
    pidEnd = at;
    if (pidEnd === pid || bytes[at] !== close) return false;
    at++;
  }
  if (bytes[at] !== colon || bytes[at + 1] !== blank || at + 2 >= end) return false;
  if (mayBeMore(bytes[at + 2]!)) return false;
  head.program = from;
  head.programEnd = programEnd;
  head.pid = pid;
  head.pidEnd = pidEnd;
  head.message = at + 2;
  return true;
}
