// Chunks of lines, or entries of journald, against all the filters that watch them: one pass over the text serves every
// member. Lines of syslog are told apart by the program's name, one look-up a line however many members there are; members
// without one are woken only where a text stands that their expressions need.

import { copyText, decodeText, encodeText } from "./bytes.ts";
import type { Zone } from "./datetime.ts";
import type { Failure, JournaldEntry, Seconds, Target, Time } from "./domain.ts";
import type { CompiledFilter, Expression } from "./filter.ts";
import { SyslogHeads } from "./heads.ts";
import { type Head, newHead } from "./logformat.ts";
import { Page, type Where } from "./page.ts";
import { RecordReader } from "./records.ts";
import { Watcher } from "./watcher.ts";
import { lineEnd, nearEnd } from "./words.ts";

/**
 * Asked before a failure is made of what a line said. True: that was all there is to know of it, as of somebody who is banned already; in
 * a flood these are nearly all. `number`: the target's for now, or -1; see core/blame.ts.
 */
export type Settles = (target: Target, number: number, attempts: number, at: Time, live: boolean) => boolean;

/** One jail's filter among those that watch the same source. */
export interface Member {
  readonly jail: string;
  readonly filter: CompiledFilter;
  /** Backlog older than this is skipped; undefined: nothing is. */
  readonly findtime?: Seconds;
  /** Whether a peer may say in a forwarded-for field who the client was. */
  readonly trusted?: (target: Target) => boolean;
  readonly settles?: Settles;
  /** Also failures whose host is no address; for `usedns` and `f2b regex`. Without, they are only counted. */
  readonly names?: boolean;
}

export interface ScannerOptions {
  /** Zone of stamps that do not say theirs; UTC by default. */
  readonly zone?: Zone;
  /** Bytes of a line that are looked at; a longer line is counted and not matched. */
  readonly linecap?: number;
  /** Milliseconds that only grow; without it nothing is timed and an engine that gives up is not noticed. */
  readonly clock?: () => number;
  /** Measure every expression, for `f2b regex`. */
  readonly timing?: boolean;
  /** Run every expression to its end, also where its outcome cannot matter; implied by `timing` and `watch`. */
  readonly thorough?: boolean;
  /** Told of every line that an expression matched without making a failure, for `f2b regex`. */
  readonly watch?: (event: {
    readonly member: number;
    readonly kind: "ignored" | "helper";
    readonly end: number;
    readonly regex: number;
  }) => void;
  /** Told when an expression took too long and its answer is unknown. */
  readonly gaveUp?: (member: number, expression: Expression) => void;
}

export interface ScanContext {
  readonly now: Time;
  /** True while following: arrival is when it counts. False: the log's own time counts. */
  readonly live: boolean;
  /** False: the log's own time is taken as it is, for `f2b regex`; otherwise it is clamped to [now - findtime, now]. */
  readonly clamp?: boolean;
}

export interface Found {
  /** Index into the members given to createScanner. */
  readonly member: number;
  readonly jail: string;
  readonly failure: Failure;
  /** Chunk: offset just behind the line's line feed. journald: index of the entry. */
  readonly end: number;
}

export interface Counters {
  /** Failures found. */
  matched: number;
  /** Lines that matched and then an ignoreregex. */
  ignored: number;
  /** Lines that only helped (sessions), or wait for the rest of theirs. */
  helped: number;
  /** Failures whose host was no address and which nobody asked for. */
  unnamed: number;
  /** Failures in a file that strangers can write records into, where that was not accepted. */
  unbelieved: number;
  /** Failures in the backlog older than findtime. */
  stale: number;
}

export interface Scanner {
  /** A latin-1 view of whole lines, or a page of them. */
  file(chunk: Where, context: ScanContext): readonly Found[];
  journald(entries: readonly JournaldEntry[], context: ScanContext): readonly Found[];
  readonly counters: readonly Counters[];
  /** Lines and entries read, and those longer than the cap. */
  readonly totals: { lines: number; overlong: number };
  readonly members: readonly Member[];
}

const defaultCap = 8192;

export function createScanner(members: readonly Member[], options: ScannerOptions = {}): Scanner {
  return new LineScanner(members, options);
}

class LineScanner implements Scanner {
  readonly totals = { lines: 0, overlong: 0 };
  readonly counters: Counters[];
  private readonly watchers: Watcher[];
  /** Those for whom another program's line of syslog is none of theirs. */
  private readonly routed: Watcher[];
  /** Of these, those who may know a line without syslog's head. */
  private readonly ownForms: Watcher[];
  /** Those who want to see every line. */
  private readonly unrouted: Watcher[];
  /** Program → who wants it. */
  private readonly programs = new Map<string, readonly Watcher[]>();
  private readonly reader: RecordReader;
  private readonly cap: number;
  private readonly head: Head = newHead();
  private readonly heads = new SyslogHeads<readonly Watcher[]>([], (program) => this.wanting(program));
  /** Chunks that will be searched by text because the last one that was routed had too many lines without a head. */
  private textual = 0;

  constructor(
    readonly members: readonly Member[],
    options: ScannerOptions,
  ) {
    this.cap = options.linecap ?? defaultCap;
    this.reader = new RecordReader(this.cap);
    this.watchers = members.map((member, index) => new Watcher(member, index, options));
    this.counters = this.watchers.map((watcher) => watcher.counters);
    this.routed = this.watchers.filter((watcher) => isRouted(watcher.compiled));
    this.ownForms = this.routed.filter(({ compiled }) =>
      compiled.formats.some((format) => format !== "syslog"),
    );
    this.unrouted = this.watchers.filter((watcher) => !this.routed.includes(watcher));
  }

  file(chunk: Where, context: ScanContext): readonly Found[] {
    const whole = typeof chunk === "string" ? Page.of(chunk) : chunk;
    if (!whole.isGood) throw new Error("a chunk was looked at after the next one had been read");
    const records = this.reader.read(whole);
    const { page } = records;
    const found: Found[] = [];
    for (const watcher of this.watchers) watcher.begin(records, context, found);
    const routing = this.routed.length > 0 && this.looksLikeSyslog(page);
    if (routing) this.byProgram(page);
    else this.totals.lines += countLines(page.text);
    for (const watcher of routing ? this.unrouted : this.watchers) this.byText(watcher, page);
    for (const watcher of this.watchers) watcher.end();
    if (this.watchers.length > 1) found.sort((a, b) => a.end - b.end || a.member - b.member);
    return records.ends === undefined ? found : moved(found, page.text, records.ends);
  }

  journald(entries: readonly JournaldEntry[], context: ScanContext): readonly Found[] {
    const found: Found[] = [];
    for (const [index, entry] of entries.entries()) {
      this.totals.lines++;
      if (entry.message.length > this.cap) {
        this.totals.overlong++;
        continue;
      }
      const message = encodeText(entry.message);
      for (const watcher of this.watchers) {
        if (watcher.compiled.program?.test(entry.identifier) === false) continue;
        watcher.entry(entry, message, index, context, found);
      }
    }
    return found;
  }

  /** Whether one of the first lines has syslog's head. Both ways through a chunk find the same; this one is for speed. */
  private looksLikeSyslog(page: Page): boolean {
    if (this.textual > 0) {
      this.textual--;
      return false;
    }
    for (let from = 0, n = 0; from < page.length && n < 4; n++) {
      const to = lineEnd(page, from);
      if (
        to - from <= this.cap &&
        this.heads.parse(page, from, to, this.head) &&
        isSyslogHead(page, this.head)
      )
        return true;
      from = to + 1;
    }
    return false;
  }

  /** Every line's head is read once; who wants its program is one look-up. */
  private byProgram(page: Page): void {
    const { head, heads, cap, ownForms } = this;
    const { length } = page;
    let lines = 0;
    let headless = 0;
    for (let from = 0; from < length; ) {
      const like = heads.parseLike(page, from, head);
      const to = like ? nearEnd(page, head.message) : lineEnd(page, from);
      lines++;
      if (to - from > cap) this.totals.overlong++;
      else if ((like || heads.parseAnew(page, from, to, head)) && isSyslogHead(page, head)) {
        const { wanting } = heads;
        for (let i = 0; i < wanting.length; i++) wanting[i]!.withHead(page, from, to, head);
      } else {
        headless++;
        if (head.program >= 0) {
          const { wanting } = heads;
          for (const watcher of wanting) if (!ownForms.includes(watcher)) watcher.line(page, from, to);
        }
        for (let i = 0; i < ownForms.length; i++) ownForms[i]!.line(page, from, to);
      }
      from = to + 1;
    }
    if (headless * 16 > lines && ownForms.length > 0) this.textual = 64;
    this.totals.lines += lines;
  }

  private wanting(program: string): readonly Watcher[] {
    const before = this.programs.get(program);
    if (before !== undefined) return before;
    const name = decodeText(program);
    const wanting = this.routed.filter(({ compiled }) => compiled.program?.test(name) === true);
    if (this.programs.size >= 4096) this.programs.clear();
    this.programs.set(copyText(program), wanting);
    return wanting;
  }

  /** Jumps from one line that holds a needed text to the next. */
  private byText(watcher: Watcher, page: Page): void {
    const { text } = page;
    const gate = watcher.compiled.gate;
    const length = text.length;
    if (gate === undefined) {
      for (let from = 0; from < length; ) {
        const feed = text.indexOf("\n", from);
        const to = feed < 0 ? length : feed;
        this.line(watcher, page, from, to);
        from = to + 1;
      }
      return;
    }
    const next = gate.map(() => -1);
    for (let from = 0; from < length; ) {
      let nearest = length;
      for (let i = 0; i < gate.length; i++) {
        let at = next[i]!;
        if (at < from) {
          at = text.indexOf(gate[i]!, from);
          if (at < 0) at = length;
          next[i] = at;
        }
        if (at < nearest) nearest = at;
      }
      if (nearest === length) return;
      const begin = text.lastIndexOf("\n", nearest) + 1;
      const feed = text.indexOf("\n", nearest);
      const to = feed < 0 ? length : feed;
      this.line(watcher, page, begin, to);
      from = to + 1;
    }
  }

  private line(watcher: Watcher, page: Page, from: number, to: number): void {
    if (to - from > this.cap) this.totals.overlong++;
    else watcher.line(page, from, to);
  }
}

/**
 * Whether lines of syslog that another program wrote can be none of this filter's: it names its program, or its lines cannot begin
 * with syslog's head at all. Records of several lines need every line in order.
 */
function isRouted({ program, formats, filter }: CompiledFilter): boolean {
  if (filter.maxlines > 1 || formats.includes("fail2ban") || formats.includes("auto")) return false;
  return (
    program !== undefined || formats.every((format) => !["syslog", "timestamp", "bare"].includes(format))
  );
}

/**
 * A head that only a syslog daemon writes: with a process id, or with a host behind one of its own stamps. "2026-03-02 10:15:09
 * Connection closed: …" is a service's own line.
 */
function isSyslogHead({ bytes }: Page, head: Head): boolean {
  if (head.program < 0 || head.host < 0) return false;
  if (head.pid >= 0) return true;
  // "Mar  2 10:15:09 host", or RFC 3339 with an offset as rsyslog writes it, which some services do themselves. With a weekday, a year or a
  // fraction it is a service's own: "Mon Mar  2 10:15:09 2026 TLS Error: …".
  if (bytes[head.stamp]! > 64) return isClassic(bytes, head);
  const offset = bytes[head.host - 7];
  return (offset === 43 || offset === 45) && bytes[head.program]! > 96;
}

const isClassic = (bytes: Uint8Array, { stamp, host }: Head): boolean =>
  host === stamp + 16 && bytes[stamp + 3] === 32 && bytes[stamp + 6] === 32;

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines++;
  return lines;
}

/** Offsets in the normalised text → offsets in the chunk as it was read. Failures come in order, so one walk is enough. */
function moved(found: readonly Found[], text: string, ends: readonly number[]): readonly Found[] {
  let line = 0;
  let at = 0;
  return found.map((one) => {
    while (at < one.end) {
      const feed = text.indexOf("\n", at);
      at = feed < 0 ? text.length : feed + 1;
      line++;
    }
    return { ...one, end: ends[line - 1] ?? one.end };
  });
}
