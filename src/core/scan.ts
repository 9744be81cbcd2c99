// Chunks of lines, or entries of journald, against all the filters that watch them: one pass over the text serves every
// member. Lines of syslog are told apart by the program's name, one look-up a line however many members there are; members
// without one are woken only where a text stands that their expressions need.

import { idTarget } from "./address.ts";
import { cutDate } from "./datecut.ts";
import { accessStamp, resolveStamp, type Stamp, stampAt, utc, valueTime, type Zone } from "./datetime.ts";
import type { Failure, JournaldEntry, Seconds, Target, Time } from "./domain.ts";
import {
  type CompiledFilter,
  decodeText,
  type Expression,
  encodeText,
  type Format,
  type MatchContext,
  matchMessage,
  run,
  type Said,
} from "./filter.ts";
import { matchJson } from "./jsonrecord.ts";
import { behindStamp, clearHead, type Head, newHead, parseStamped, parseSyslog } from "./logformat.ts";
import { RecordReader, type Records } from "./records.ts";
import { Sessions } from "./session.ts";

/** One jail's filter among those that watch the same source. */
export interface Member {
  readonly jail: string;
  readonly filter: CompiledFilter;
  /** Backlog older than this is skipped; undefined: nothing is. */
  readonly findtime?: Seconds;
  /** Whether a peer may say in a forwarded-for field who the client was. */
  readonly trusted?: (target: Target) => boolean;
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
  /** Failures in the backlog older than findtime. */
  stale: number;
}

export interface Scanner {
  file(text: string, context: ScanContext): readonly Found[];
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
  /** Those of which syslog's program name decides alone. */
  private readonly named: Watcher[];
  private readonly others: Watcher[];
  private readonly programs = new Programs();
  private readonly reader: RecordReader;
  private readonly cap: number;
  private readonly head: Head = newHead();

  constructor(
    readonly members: readonly Member[],
    options: ScannerOptions,
  ) {
    this.cap = options.linecap ?? defaultCap;
    this.reader = new RecordReader(this.cap);
    this.watchers = members.map((member, index) => new Watcher(member, index, options));
    this.counters = this.watchers.map((watcher) => watcher.counters);
    const isNamed = ({ compiled }: Watcher): boolean =>
      compiled.program !== undefined &&
      compiled.formats.length === 1 &&
      compiled.formats[0] === "syslog" &&
      compiled.filter.maxlines <= 1;
    this.named = this.watchers.filter(isNamed);
    this.others = this.watchers.filter((watcher) => !isNamed(watcher));
  }

  file(chunk: string, context: ScanContext): readonly Found[] {
    const records = this.reader.read(chunk);
    const found: Found[] = [];
    for (const watcher of this.watchers) watcher.begin(records, context, found);
    if (this.named.length > 0) this.byProgram(records.text);
    else this.countLines(records.text);
    for (const watcher of this.others) this.byText(watcher, records.text);
    if (this.watchers.length > 1) found.sort((a, b) => a.end - b.end || a.member - b.member);
    return records.ends === undefined ? found : moved(found, records.text, records.ends);
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

  /** Every line's head is read once; who wants its program is one look-up. */
  private byProgram(text: string): void {
    const { head, programs, cap } = this;
    const length = text.length;
    let lines = 0;
    for (let from = 0; from < length; ) {
      const feed = text.indexOf("\n", from);
      const to = feed < 0 ? length : feed;
      lines++;
      if (to - from > cap) this.totals.overlong++;
      else if (parseSyslog(text, from, to, head) && head.program >= 0) {
        const wanting = programs.wanting(text, head.program, head.programEnd, this.named);
        for (let i = 0; i < wanting.length; i++) wanting[i]!.withHead(text, from, to, head);
      }
      from = to + 1;
    }
    this.totals.lines += lines;
  }

  /** Jumps from one line that holds a needed text to the next. */
  private byText(watcher: Watcher, text: string): void {
    const gate = watcher.compiled.gate;
    const length = text.length;
    if (gate === undefined) {
      for (let from = 0; from < length; ) {
        const feed = text.indexOf("\n", from);
        const to = feed < 0 ? length : feed;
        this.line(watcher, text, from, to);
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
      this.line(watcher, text, begin, to);
      from = to + 1;
    }
  }

  private line(watcher: Watcher, text: string, from: number, to: number): void {
    if (to - from > this.cap) this.totals.overlong++;
    else watcher.line(text, from, to);
  }

  private countLines(text: string): void {
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.totals.lines++;
  }
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

/** Program name → who wants it, by a hash over the chunk's chars: no string is made for a line that is nobody's. */
class Programs {
  private readonly slots = new Map<number, { readonly name: string; readonly wanting: readonly Watcher[] }>();

  wanting(text: string, from: number, to: number, watchers: readonly Watcher[]): readonly Watcher[] {
    let hash = to - from;
    for (let at = from; at < to; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
    const slot = this.slots.get(hash);
    if (slot !== undefined && slot.name.length === to - from && text.startsWith(slot.name, from))
      return slot.wanting;
    const name = decodeText(text.slice(from, to));
    const wanting = watchers.filter(({ compiled }) => compiled.program?.test(name) === true);
    if (this.slots.size >= 4096) this.slots.clear();
    this.slots.set(hash, { name: name.length === to - from ? name : "", wanting });
    return wanting;
  }
}

// --------------------------------------------------------------------------------------------------------------- a member

const noZone = utc;

/** One member at work: what it remembers between lines, and the chunk it is in. */
class Watcher {
  readonly compiled: CompiledFilter;
  readonly counters: Counters = { matched: 0, ignored: 0, helped: 0, unnamed: 0, stale: 0 };
  private readonly sessions: Sessions | undefined;
  private readonly context: MatchContext;
  private readonly head: Head = newHead();
  private readonly zone: Zone;
  /** The last lines, for records of several lines. */
  private window: { readonly message: string; readonly line: string; readonly at: Time | undefined }[] = [];
  private records: Records = { text: "", ends: undefined, times: undefined };
  private scan: ScanContext = { now: 0, live: true };
  private found: Found[] = [];
  /** Why the line in hand could be forged, by its form. */
  private mark: string | undefined;

  constructor(
    readonly member: Member,
    readonly index: number,
    private readonly options: ScannerOptions,
  ) {
    this.compiled = member.filter;
    this.sessions =
      this.compiled.session === undefined ? undefined : new Sessions(this.compiled.session.expire);
    this.zone = options.zone ?? noZone;
    this.context = {
      trusted: member.trusted,
      clock: options.clock,
      timing: options.timing === true,
      gaveUp: options.gaveUp === undefined ? undefined : (expression) => options.gaveUp?.(index, expression),
    };
  }

  begin(records: Records, scan: ScanContext, found: Found[]): void {
    this.records = records;
    this.scan = scan;
    this.found = found;
    // In the backlog time is what the log says; there the bound on their number is enough.
    if (scan.live) this.sessions?.sweep(scan.now);
  }

  /** A line of syslog whose program is ours. */
  withHead(text: string, from: number, to: number, head: Head): void {
    const outcome = matchMessage(this.compiled, text, head.message, to, this.context);
    if (outcome === undefined) return;
    this.heard(outcome, text, from, to, head, undefined, head.message);
  }

  /** Any line: its head is found by the filter's formats, the first under which it says something counts. */
  line(text: string, from: number, to: number): void {
    if (this.compiled.filter.maxlines > 1) {
      this.severalLines(text, from, to);
      return;
    }
    const marks = this.compiled.filter.forgeableFormats;
    for (const format of this.compiled.formats) {
      if (marks !== undefined) this.mark = marks[format];
      if (this.under(format, text, from, to)) return;
    }
  }

  private under(format: Format, text: string, from: number, to: number): boolean {
    if (format === "json") {
      const base = this.behindHead(text, from, to);
      const json = matchJson(this.compiled, text.slice(base, to), this.context);
      if (json === undefined) return false;
      const at = valueTime(json.time, this.scan.now, this.zone);
      this.heard(json.said, text, from, to, this.head, at === undefined ? undefined : { at }, base);
      return true;
    }
    if (format === "auto") return this.auto(text, from, to);
    if (format === "fail2ban") return this.cut(text, from, to);
    const place = this.place(format, text, from, to);
    if (place === undefined) return false;
    const outcome = matchMessage(this.compiled, text, place.message, to, this.context);
    if (outcome === undefined) return false;
    this.heard(outcome, text, from, to, this.head, place.stamp, place.message);
    return true;
  }

  /** The whole line but for its date. */
  private cut(text: string, from: number, to: number): boolean {
    const cut = cutDate(text, from, to, this.compiled.dates);
    const outcome = matchMessage(this.compiled, cut.text, 0, cut.text.length, this.context);
    if (outcome === undefined) return false;
    clearHead(this.head, from);
    const key = outcome === "ignored" ? undefined : this.key(cut.text, 0, cut.text.length, this.head, text);
    this.tell(
      outcome,
      key,
      undefined,
      to + 1,
      () => this.ownTime(text, from, to, this.head, cut.stamp),
      text,
      from,
      to,
    );
    return true;
  }

  /** Where the message begins under a format, and the time before it; undefined when the line has not that form. */
  private place(
    format: Format,
    text: string,
    from: number,
    to: number,
  ): { readonly message: number; readonly stamp: Stamp | undefined } | undefined {
    const { head, compiled } = this;
    if (format === "syslog") {
      if (!parseSyslog(text, from, to, head)) return undefined;
      return this.isOurs(text) ? { message: head.message, stamp: undefined } : undefined;
    }
    const base = this.behindHead(text, from, to);
    if (format === "bare" || format === "clf") return { message: base, stamp: undefined };
    for (const date of compiled.dates) {
      const stamp = date.find(text, base, Math.min(to, base + 256));
      if (stamp !== undefined)
        return { stamp, message: behindStamp(text, stamp.end, to, closingAt(text, stamp.start)) };
    }
    const stamped = parseStamped(text, base, to);
    if (stamped !== undefined) return stamped;
    return base > from ? { message: base, stamp: undefined } : undefined;
  }

  /** A syslog head before another format is taken off where `program` names the service. */
  private behindHead(text: string, from: number, to: number): number {
    clearHead(this.head, from);
    if (this.compiled.program === undefined) return from;
    if (parseSyslog(text, from, to, this.head) && this.head.program >= 0 && this.isOurs(text))
      return this.head.message;
    clearHead(this.head, from);
    return from;
  }

  private isOurs(text: string): boolean {
    const { program } = this.compiled;
    const { head } = this;
    if (program === undefined) return true;
    return head.program >= 0 && program.test(text.slice(head.program, head.programEnd));
  }

  /** Without a declared format: behind syslog's head, behind a time, and the line as it is. */
  private auto(text: string, from: number, to: number): boolean {
    const starts: { readonly message: number; readonly stamp: Stamp | undefined }[] = [];
    clearHead(this.head, from);
    if (parseSyslog(text, from, to, this.head) && this.isOurs(text))
      starts.push({ message: this.head.message, stamp: undefined });
    const stamped = parseStamped(text, from, to);
    if (stamped !== undefined) starts.push(stamped);
    if (this.compiled.program === undefined) starts.push({ message: from, stamp: undefined });
    for (const { message, stamp } of starts) {
      const outcome = matchMessage(this.compiled, text, message, to, this.context);
      if (outcome === undefined) continue;
      this.heard(outcome, text, from, to, this.head, stamp, message);
      return true;
    }
    return false;
  }

  /** The expressions see the last lines joined, fewest first; lines that made a record are used up. */
  private severalLines(text: string, from: number, to: number): void {
    let message = text.slice(from, to);
    let at: Time | undefined;
    for (const format of this.compiled.formats) {
      if (format === "fail2ban") {
        const cut = cutDate(text, from, to, this.compiled.dates);
        message = cut.text;
        at = this.ownTime(text, from, to, this.head, cut.stamp);
        break;
      }
      const place = this.place(format, text, from, to);
      if (place === undefined) continue;
      message = text.slice(place.message, to);
      at = this.ownTime(text, from, to, this.head, place.stamp);
      break;
    }
    this.window.push({ message, line: text.slice(from, to), at });
    if (this.window.length > this.compiled.filter.maxlines) this.window.shift();
    for (let count = 1; count <= this.window.length; count++) {
      const lines = this.window.slice(-count);
      const joined = lines.map((line) => line.message).join("\n");
      const outcome = matchMessage(this.compiled, joined, 0, joined.length, this.context);
      if (outcome === undefined) continue;
      this.window = [];
      const time = lines.find((line) => line.at !== undefined)?.at;
      const whole = lines.map((line) => line.line).join("\n");
      this.tell(outcome, this.key(joined, 0, joined.length, this.head, text), whole, to + 1, () => time);
      return;
    }
  }

  entry(entry: JournaldEntry, message: string, index: number, scan: ScanContext, found: Found[]): void {
    this.scan = scan;
    this.found = found;
    const { compiled } = this;
    // One entry is one record; a line feed in it must not begin another one.
    if (message.includes("\n") && compiled.filter.maxlines <= 1) message = message.replaceAll("\n", "\\n");
    const key =
      compiled.session?.byPid === true && entry.pid !== undefined ? `${entry.host} ${entry.pid}` : undefined;
    const rendered = `${entry.host} ${entry.identifier}${entry.pid === undefined ? "" : `[${entry.pid}]`}: ${message}`;
    if (compiled.formats.includes("json")) {
      const json = matchJson(compiled, message, this.context);
      if (json !== undefined) {
        this.tell(json.said, key, rendered, index, () => entry.at);
        return;
      }
    }
    if (compiled.formats.includes("fail2ban")) {
      const outcome = matchMessage(compiled, rendered, 0, rendered.length, this.context);
      if (outcome === undefined) return;
      clearHead(this.head, 0);
      this.tell(
        outcome,
        key ?? this.key(rendered, 0, rendered.length, this.head, rendered),
        rendered,
        index,
        () => entry.at,
      );
      return;
    }
    // Services that write their own time do so in the journal too.
    const starts = [0];
    if (
      compiled.formats.some(
        (format) => format !== "syslog" && format !== "bare" && format !== "clf" && format !== "json",
      )
    ) {
      const stamped = parseStamped(message, 0, message.length);
      if (stamped !== undefined) starts.unshift(stamped.message);
      for (const date of compiled.dates) {
        const stamp = date.find(message, 0, 256);
        if (stamp !== undefined)
          starts.unshift(behindStamp(message, stamp.end, message.length, closingAt(message, stamp.start)));
      }
    }
    for (const start of starts) {
      const outcome = matchMessage(compiled, message, start, message.length, this.context);
      if (outcome === undefined) continue;
      clearHead(this.head, 0);
      // Only the forms with a time of their own are marked; which of them it was does not show here.
      this.mark = start > 0 ? Object.values(compiled.filter.forgeableFormats ?? {})[0] : undefined;
      this.tell(
        outcome,
        key ?? this.key(message, start, message.length, this.head, message),
        rendered,
        index,
        () => entry.at,
      );
      return;
    }
  }

  private heard(
    outcome: Said | "ignored",
    text: string,
    from: number,
    to: number,
    head: Head,
    stamp: Stamp | { readonly at: Time } | undefined,
    message: number,
  ): void {
    const key =
      this.sessions === undefined || outcome === "ignored"
        ? undefined
        : this.key(text, message, to, head, text);
    this.tell(
      outcome,
      key,
      undefined,
      to + 1,
      () => this.ownTime(text, from, to, head, stamp),
      text,
      from,
      to,
    );
  }

  /** The session's key of a message; undefined: it has none. */
  private key(text: string, from: number, to: number, head: Head, whole: string): string | undefined {
    const session = this.compiled.session;
    if (session === undefined) return undefined;
    // Host, program and process id as they stand; BSD's level in front belongs to it, as it does in fail2ban.
    if (session.byPid) return head.pid < 0 ? undefined : whole.slice(head.tag, head.pidEnd);
    if (session.key === undefined) return undefined;
    return run(session.key, text, from, to, this.context)?.[session.key.pattern.groups.session];
  }

  private tell(
    outcome: Said | "ignored",
    key: string | undefined,
    line: string | undefined,
    end: number,
    time: () => Time | undefined,
    text?: string,
    from?: number,
    to?: number,
  ): void {
    if (outcome === "ignored") {
      this.counters.ignored++;
      this.options.watch?.({ member: this.index, kind: "ignored", end, regex: -1 });
      return;
    }
    const { scan } = this;
    const at = scan.live ? scan.now : (time() ?? scan.now);
    let { target, name, user, captures } = outcome;
    let users: readonly string[] | undefined;
    let attempts = 1;
    let counts = !outcome.nofail && !outcome.gained;
    if (this.sessions !== undefined && key !== undefined) {
      const told = this.sessions.tell(key, outcome, at);
      counts = told !== undefined;
      if (told !== undefined) ({ target, name, user, captures, users, attempts } = told);
    }
    if (!counts || (target === undefined && name === undefined)) {
      this.counters.helped++;
      this.options.watch?.({ member: this.index, kind: "helper", end, regex: outcome.expression.index });
      return;
    }
    const counted = Number(captures?.attempts ?? 1);
    if (attempts === 1 && Number.isInteger(counted) && counted > 1) attempts = Math.min(counted, 100);
    if (target === undefined && this.member.names !== true) {
      this.counters.unnamed++;
      return;
    }
    const oldest = this.member.findtime === undefined ? undefined : scan.now - this.member.findtime * 1000;
    if (!scan.live && scan.clamp !== false && oldest !== undefined && at < oldest) {
      this.counters.stale++;
      return;
    }
    this.counters.matched++;
    const failure: Failure = {
      target: target ?? idTarget(name ?? ""),
      at: scan.live || scan.clamp === false ? at : Math.min(at, scan.now),
      line: decodeText(line ?? (text ?? "").slice(from, to)),
      attempts,
      regex: outcome.expression.index,
      ...(user === undefined ? {} : { user }),
      ...(users !== undefined && users.length > 1 ? { users } : {}),
      ...(captures === undefined ? {} : { captures }),
      ...(name === undefined ? {} : { name }),
      ...(this.mark === undefined ? {} : { forgeable: this.mark }),
    };
    this.found.push({ member: this.index, jail: this.member.jail, failure, end });
  }

  /** The log's own time of a line, read where the format has it. */
  private ownTime(
    text: string,
    from: number,
    to: number,
    head: Head,
    stamp: Stamp | { readonly at: Time } | undefined,
  ): Time | undefined {
    const { now } = this.scan;
    if (stamp !== undefined && "at" in stamp) return stamp.at;
    const wrapped = this.wrappedTime(text, from);
    if (wrapped !== undefined) return wrapped;
    if (stamp !== undefined) return resolveStamp(stamp, now, this.zone);
    for (const date of this.compiled.dates) {
      const found = date.find(text, from, Math.min(to, from + 512));
      if (found !== undefined) return resolveStamp(found, now, this.zone);
    }
    if (this.compiled.formats.includes("clf")) {
      const found = accessStamp(text, from, to);
      if (found !== undefined) return resolveStamp(found, now, this.zone);
    }
    const found = head.stamp >= 0 ? stampAt(text, head.stamp) : parseStamped(text, from, to)?.stamp;
    return found === undefined ? undefined : resolveStamp(found, now, this.zone);
  }

  private wrappedTime(text: string, from: number): Time | undefined {
    const { times } = this.records;
    if (times === undefined || text !== this.records.text) return undefined;
    let line = 0;
    for (let at = text.indexOf("\n"); at >= 0 && at < from; at = text.indexOf("\n", at + 1)) line++;
    const time = times[line];
    return time === undefined || time === "" ? undefined : valueTime(time, this.scan.now, utc);
  }
}

const closingAt = (text: string, start: number): number => {
  const before = start > 0 ? text.charCodeAt(start - 1) : 0;
  return before === 91 ? 93 : before === 60 ? 62 : before === 40 ? 41 : 0;
};
