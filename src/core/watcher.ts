// One member of a scanner at work: finds the message in a line by the filter's formats, remembers sessions and the last lines of
// records that span several, and makes failures. What is in hand of the line stands in fields, not in objects made for each line:
// this runs for every line of a program that is ours.

import { idTarget } from "./address.ts";
import { decodeText, encodingOf, standsAt } from "./bytes.ts";
import { cutDate } from "./datecut.ts";
import { type Stamp, utc } from "./datetime.ts";
import type { Failure, JournaldEntry, Time } from "./domain.ts";
import type { CompiledFilter, Format } from "./filter.ts";
import { forgeableFile } from "./forgeable.ts";
import { matchJson } from "./jsonrecord.ts";
import { LineTime } from "./linetime.ts";
import { behindStamp, clearHead, type Head, newHead, parseStamped, parseSyslog } from "./logformat.ts";
import { type MatchContext, matchMessage, type Outcome, run, type Said } from "./match.ts";
import { type Page, textOf, type Where } from "./page.ts";
import { PidKeys } from "./pidkeys.ts";
import type { Records } from "./records.ts";
import type { Counters, Found, Member, ScanContext, ScannerOptions } from "./scan.ts";
import { Sessions } from "./session.ts";
import type { Session } from "./sessiontable.ts";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Key = string | number | undefined;

export class Watcher {
  readonly compiled: CompiledFilter;
  readonly counters: Counters = { matched: 0, ignored: 0, helped: 0, unnamed: 0, unbelieved: 0, stale: 0 };
  private readonly sessions: Sessions | undefined;
  private readonly context: Mutable<MatchContext>;
  private readonly times: LineTime;
  private readonly ownHead: Head = newHead();
  private readonly pids = new PidKeys();
  /** The message behind syslog's head is all there is to look at. */
  private readonly plainSyslog: boolean;
  /** The last lines, for records of several lines. */
  private window: { readonly message: string; readonly line: string; readonly at: Time | undefined }[] = [];
  private scan: ScanContext = { now: 0, live: true };
  private found: Found[] = [];

  // The line in hand.
  private where: Where = "";
  private from = 0;
  private to = 0;
  private head: Head = this.ownHead;
  private stamp: Stamp | undefined;
  /** Its time where that is known already. */
  private at: Time | undefined;
  /** Its key where that was asked for already; null: not asked yet. */
  private knownKey: Key | null = null;
  /** Why it could be forged, by its form. */
  private mark: string | undefined;
  /** How often it was written, where a syslog daemon says so. */
  private repeats = 1;
  /** Why the whole file could be. */
  private fileMark: string | undefined;
  private readonly refusesMarked: boolean;

  constructor(
    readonly member: Member,
    readonly index: number,
    private readonly options: ScannerOptions,
  ) {
    this.compiled = member.filter;
    const { session, dates, formats } = this.compiled;
    this.refusesMarked = this.compiled.filter.doubting === true;
    // Behind a head that a syslog daemon wrote, the bare message is the same message.
    this.plainSyslog =
      formats.includes("syslog") &&
      formats.every((format) => format === "syslog" || format === "bare") &&
      this.compiled.filter.forgeableFormats?.syslog === undefined;
    this.sessions = session === undefined ? undefined : new Sessions(session.expire, member.names !== true);
    this.times = new LineTime(options.zone ?? utc, dates, formats.includes("clf"));
    const thorough = options.thorough === true || options.timing === true || options.watch !== undefined;
    this.context = {
      trusted: member.trusted,
      clock: options.clock,
      timing: options.timing === true,
      gaveUp: options.gaveUp === undefined ? undefined : (expression) => options.gaveUp?.(index, expression),
      ascii: () => this.isAscii(),
      encoding: encodingOf(this.compiled.filter.logencoding),
      endsQuietly: session?.byPid !== true || thorough ? undefined : (user) => this.endsQuietly(user),
    };
  }

  begin(records: Records, scan: ScanContext, found: Found[]): void {
    this.scan = scan;
    this.found = found;
    this.times.begin(records, scan.now);
    this.fileMark ??= forgeableFile(this.compiled, records.page);
    // In the backlog time is what the log says; there the bound on their number is enough.
    if (scan.live) this.sessions?.sweep(scan.now);
  }

  /** What was found is the asker's, and the chunk its reader's: a storm must not live here until the next line comes. */
  end(): void {
    this.found = [];
    this.where = "";
  }

  /** What is not the chunk (journald, JSON, joined lines) is looked at by itself. */
  private isAscii(): boolean {
    return typeof this.where !== "string" && this.where.ascii;
  }

  private get text(): string {
    return textOf(this.where);
  }

  private take(where: Where, from: number, to: number, head: Head): void {
    this.where = where;
    this.from = from;
    this.to = to;
    this.head = head;
    this.stamp = undefined;
    this.at = undefined;
    this.knownKey = null;
    this.repeats = 1;
  }

  /** A line of syslog whose program is ours. */
  withHead(page: Page, from: number, to: number, head: Head): void {
    if (!this.plainSyslog) {
      this.line(page, from, to);
      return;
    }
    this.take(page, from, to, head);
    this.mark = this.fileMark;
    const outcome = matchMessage(this.compiled, page, head.message, to, this.context);
    if (outcome !== undefined) this.heard(outcome, head.message);
    else this.hearRepeated(head.message);
  }

  /** Any line: its head is found by the filter's formats, the first under which it says something counts. */
  line(page: Page, from: number, to: number): void {
    this.take(page, from, to, this.ownHead);
    if (this.compiled.filter.maxlines > 1) {
      this.severalLines();
      return;
    }
    const marks = this.compiled.filter.forgeableFormats;
    const safe = marks !== undefined && this.cannotBeForged();
    for (const format of this.compiled.formats) {
      if (marks !== undefined) this.mark = (safe ? undefined : marks[format]) ?? this.fileMark;
      if (this.under(format)) return;
    }
  }

  /** Where lines are told apart, one that can be forged speaks against all that follow: they may be the rest of a stranger's text. */
  private cannotBeForged(): boolean {
    const { unforgeable } = this.compiled;
    if (unforgeable === undefined) return false;
    const line = this.text.slice(this.from, Math.min(this.to, this.from + 1024));
    if (unforgeable.test(line)) return true;
    this.fileMark ??= forgeableFile(this.compiled, line);
    return false;
  }

  private under(format: Format): boolean {
    const { text, to } = this;
    if (format === "json") {
      const base = this.behindHead();
      const json = matchJson(this.compiled, text.slice(base, to), this.context);
      if (json === undefined) return false;
      this.at = this.times.value(json.time);
      this.heard(json.said, base);
      return true;
    }
    if (format === "auto") return this.auto();
    if (format === "fail2ban") return this.cut();
    const message = this.place(format);
    if (message < 0) return false;
    return this.hear(message) || (format === "syslog" && this.hearRepeated(message));
  }

  /** Matches the message from there on; false when it says nothing. */
  private hear(message: number): boolean {
    const outcome = matchMessage(this.compiled, this.where, message, this.to, this.context);
    if (outcome === undefined) return false;
    this.heard(outcome, message);
    return true;
  }

  /** rsyslog's "message repeated 5 times: [ …]": what stands in the brackets, so many times. */
  private hearRepeated(message: number): boolean {
    const { where, to } = this;
    if (typeof where !== "string" && !standsAt(where.bytes, message, repeated)) return false;
    const { text } = this;
    if (!text.startsWith(repeated, message) || text.charCodeAt(to - 1) !== 93) return false;
    repetition.lastIndex = message;
    const count = repetition.exec(text)?.[1];
    if (count === undefined) return false;
    const inner = text.slice(repetition.lastIndex, to - 1);
    // rsyslog cuts it after 800 bytes: what stands before the bracket may be where a stranger made it end.
    if (inner.length > 790) return false;
    const outcome = matchMessage(this.compiled, inner, 0, inner.length, this.context);
    if (outcome === undefined) return false;
    this.repeats = Number(count);
    this.tell(
      outcome,
      outcome === "ignored" ? undefined : this.key(inner, 0, inner.length),
      undefined,
      to + 1,
    );
    return true;
  }

  private heard(outcome: Exclude<Outcome, undefined>, message: number): void {
    const quiet = outcome === "ignored" || this.sessions === undefined;
    this.tell(outcome, quiet ? undefined : this.key(this.where, message, this.to), undefined, this.to + 1);
  }

  /** The whole line but for its date. */
  private cut(): boolean {
    const cut = cutDate(this.text, this.from, this.to, this.compiled.dates);
    const outcome = matchMessage(this.compiled, cut.text, 0, cut.text.length, this.context);
    if (outcome === undefined) return false;
    clearHead(this.head, this.from);
    this.stamp = cut.stamp;
    const key = outcome === "ignored" ? undefined : this.key(cut.text, 0, cut.text.length);
    this.tell(outcome, key, undefined, this.to + 1);
    return true;
  }

  /** Where the message begins under a format (its time is kept), or -1 when the line has not that form. */
  private place(format: Format): number {
    const { text, from, to, head, compiled } = this;
    this.stamp = undefined;
    if (format === "syslog") return parseSyslog(text, from, to, head) && this.isOurs() ? head.message : -1;
    const base = this.behindHead();
    if (format === "bare" || format === "clf") return base;
    for (const date of compiled.dates) {
      const stamp = date.find(text, base, Math.min(to, base + 256));
      if (stamp === undefined) continue;
      if (base === from) this.stamp = stamp;
      return behindStamp(text, stamp.end, to, closingAt(text, stamp.start));
    }
    const stamped = parseStamped(text, base, to);
    if (stamped === undefined) return base > from ? base : -1;
    // Behind a syslog head its time counts: it is in this host's zone, the service's own need not be.
    if (base === from) this.stamp = stamped.stamp;
    return stamped.message;
  }

  /** A syslog head before another format is taken off where `program` names the service. */
  private behindHead(): number {
    const { text, from, to, head } = this;
    clearHead(head, from);
    if (this.compiled.program === undefined) return from;
    if (parseSyslog(text, from, to, head) && head.program >= 0 && this.isOurs()) return head.message;
    clearHead(head, from);
    return from;
  }

  private isOurs(): boolean {
    const { program } = this.compiled;
    const { head, text } = this;
    return (
      program === undefined || (head.program >= 0 && program.test(text.slice(head.program, head.programEnd)))
    );
  }

  /** Without a declared format: behind syslog's head, behind a time, and the line as it is. */
  private auto(): boolean {
    const { text, from, to, head, compiled } = this;
    clearHead(head, from);
    if (parseSyslog(text, from, to, head) && this.isOurs() && this.hear(head.message)) return true;
    const stamped = parseStamped(text, from, to);
    this.stamp = stamped?.stamp;
    if (stamped !== undefined && this.hear(stamped.message)) return true;
    this.stamp = undefined;
    return compiled.program === undefined && this.hear(from);
  }

  /** The expressions see the last lines joined, fewest first; lines that made a record are used up. */
  private severalLines(): void {
    const { text, from, to, compiled } = this;
    let message = text.slice(from, to);
    let at: Time | undefined;
    for (const format of compiled.formats) {
      if (format === "fail2ban") {
        const cut = cutDate(text, from, to, compiled.dates);
        message = cut.text;
        at = this.times.of(text, from, to, this.head, cut.stamp);
        break;
      }
      const place = this.place(format);
      if (place < 0) continue;
      message = text.slice(place, to);
      at = this.times.of(text, from, to, this.head, this.stamp);
      break;
    }
    this.window.push({ message, line: text.slice(from, to), at });
    if (this.window.length > compiled.filter.maxlines) this.window.shift();
    for (let count = 1; count <= this.window.length; count++) {
      const lines = this.window.slice(-count);
      const joined = lines.map((line) => line.message).join("\n");
      const outcome = matchMessage(compiled, joined, 0, joined.length, this.context);
      if (outcome === undefined) continue;
      this.window = [];
      this.at = lines.find((line) => line.at !== undefined)?.at ?? this.scan.now;
      const key = outcome === "ignored" ? undefined : this.key(joined, 0, joined.length);
      this.tell(outcome, key, lines.map((line) => line.line).join("\n"), to + 1);
      return;
    }
  }

  /** A record of journald; `message` is its text as bytes. */
  entry(entry: JournaldEntry, message: string, index: number, scan: ScanContext, found: Found[]): void {
    this.scan = scan;
    this.found = found;
    const { compiled } = this;
    // One entry is one record; a line feed in it must not begin another one.
    if (message.includes("\n") && compiled.filter.maxlines <= 1) message = message.replaceAll("\n", "\\n");
    this.take(message, 0, message.length, this.ownHead);
    clearHead(this.head, 0);
    this.at = entry.at;
    // Where standard error goes to journald each line feed begins an entry, as in a file.
    this.fileMark ??= forgeableFile(compiled, message);
    this.mark = this.fileMark;
    const byPid = compiled.session?.byPid === true && entry.pid !== undefined;
    if (byPid) this.knownKey = `${entry.host} ${entry.pid}`;
    const rendered = `${entry.host} ${entry.identifier}${entry.pid === undefined ? "" : `[${entry.pid}]`}: ${message}`;
    if (compiled.formats.includes("json")) {
      const json = matchJson(compiled, message, this.context);
      if (json !== undefined) {
        this.tell(json.said, this.key(message, 0, message.length), rendered, index);
        return;
      }
    }
    const seen = compiled.formats.includes("fail2ban") ? rendered : message;
    for (const start of compiled.formats.includes("fail2ban") ? [0] : this.startsIn(message)) {
      const outcome = matchMessage(compiled, seen, start, seen.length, this.context);
      if (outcome === undefined) continue;
      const key = outcome === "ignored" ? undefined : this.key(seen, start, seen.length);
      this.tell(outcome, key, rendered, index);
      return;
    }
  }

  /** Services that write their own time do so in the journal too. */
  private startsIn(message: string): number[] {
    const starts = [0];
    const withTime = (format: Format): boolean => !["syslog", "bare", "clf", "json"].includes(format);
    if (!this.compiled.formats.some(withTime)) return starts;
    const stamped = parseStamped(message, 0, message.length);
    if (stamped !== undefined) starts.unshift(stamped.message);
    for (const date of this.compiled.dates) {
      const stamp = date.find(message, 0, 256);
      if (stamp === undefined) continue;
      starts.unshift(behindStamp(message, stamp.end, message.length, closingAt(message, stamp.start)));
    }
    return starts;
  }

  // ------------------------------------------------------------------------------------------------------------- sessions

  /** The session's key of a message; undefined: it has none. */
  private key(where: Where, from: number, to: number): Key {
    if (this.knownKey !== null) return this.knownKey;
    const { session } = this.compiled;
    if (session === undefined) return undefined;
    if (session.byPid)
      this.knownKey = typeof this.where === "string" ? undefined : this.pids.of(this.where, this.head);
    else if (session.key !== undefined) {
      this.knownKey = run(session.key, textOf(where), from, to, this.context)?.[
        session.key.pattern.groups.session
      ];
    } else this.knownKey = undefined;
    return this.knownKey;
  }

  /**
   * Whether a line that only ends its session can end it without being matched to its end: nothing is pending, and what user it
   * would name makes no difference.
   */
  private endsQuietly(namesUser: boolean): boolean {
    const key = this.key(this.where, 0, 0);
    if (key === undefined) return true;
    const session = this.sessions?.get(key);
    if (session === undefined) return true;
    if (session.pending || session.more !== undefined || (namesUser && session.user !== undefined))
      return false;
    this.sessions?.drop(key);
    return true;
  }

  // -------------------------------------------------------------------------------------------------------------- failures

  private tell(outcome: Exclude<Outcome, undefined>, key: Key, line: string | undefined, end: number): void {
    const { scan, counters, options } = this;
    if (outcome === "ignored") {
      counters.ignored++;
      options.watch?.({ member: this.index, kind: "ignored", end, regex: -1 });
      return;
    }
    if (outcome === "ended") {
      counters.helped++;
      return;
    }
    const at = scan.live ? scan.now : this.time();
    let attempts = 1;
    let session: Session | undefined;
    let counts = !outcome.nofail && !outcome.gained;
    if (this.sessions !== undefined && key !== undefined) {
      attempts = this.sessions.tell(key, outcome, at);
      session = this.sessions.last;
      counts = attempts > 0;
    }
    const target = session === undefined ? outcome.target : session.target;
    const name = session === undefined ? outcome.name : session.name;
    if (!counts || (target === undefined && name === undefined)) {
      counters.helped++;
      options.watch?.({ member: this.index, kind: "helper", end, regex: outcome.expression.index });
      return;
    }
    if (target === undefined && this.member.names !== true) {
      counters.unnamed++;
      return;
    }
    if (this.mark !== undefined && this.refusesMarked) {
      counters.unbelieved++;
      return;
    }
    if (!scan.live && scan.clamp !== false && this.member.findtime !== undefined) {
      if (at < scan.now - this.member.findtime * 1000) {
        counters.stale++;
        return;
      }
    }
    counters.matched++;
    attempts = counted(attempts, outcome.captures);
    if (this.repeats > 1 && !outcome.nofail) attempts = Math.min(attempts * this.repeats, 100);
    const when = scan.live || scan.clamp === false ? at : Math.min(at, scan.now);
    if (target !== undefined && this.member.settles !== undefined) {
      // A session's target is what its last line said, where that said one.
      const number = outcome.target === undefined ? -1 : outcome.number;
      if (this.member.settles(target, number, attempts, when, scan.live)) return;
    }
    const failure: Mutable<Failure> = {
      target: target ?? idTarget(name ?? ""),
      at: when,
      line:
        line === undefined
          ? this.shown(this.where.slice(this.from, this.to))
          : decodeText(line, false, this.context.encoding),
      attempts,
      regex: outcome.expression.index,
    };
    addDetails(failure, outcome, session);
    if (name !== undefined && target === undefined) failure.name = name;
    if (this.mark !== undefined) failure.forgeable = this.mark;
    this.found.push({ member: this.index, jail: this.member.jail, failure, end });
  }

  /** The line as people read it. A view into the chunk where nothing is to be decoded: who keeps it makes a copy. */
  private shown(line: string): string {
    return this.isAscii() ? line : decodeText(line, false, this.context.encoding);
  }

  private time(): Time {
    return this.at ?? this.times.of(this.text, this.from, this.to, this.head, this.stamp) ?? this.scan.now;
  }
}

/** What an expression's <F-ATTEMPTS> says, where nothing else said how many there were. */
function counted(attempts: number, captures: Said["captures"]): number {
  if (attempts !== 1 || captures === undefined) return attempts;
  const said = Number(captures.attempts ?? 1);
  return Number.isInteger(said) && said > 1 ? Math.min(said, 100) : attempts;
}

/** Who and what else: the line's own, and what the session knows. */
function addDetails(failure: Mutable<Failure>, said: Said, session: Session | undefined): void {
  const { user } = said;
  if (session === undefined) {
    if (user !== undefined) failure.user = user;
  } else {
    const { user: first, more } = session;
    const own = user !== undefined && (user !== "" || first === undefined);
    const known = own ? user : (more?.[more.length - 1] ?? first);
    if (known !== undefined) failure.user = known;
    if (first !== undefined && more !== undefined) failure.users = [first, ...more];
  }
  const captures = session === undefined ? said.captures : session.captures;
  if (captures !== undefined) failure.captures = captures;
}

const repeated = "message repeated ";
const repetition = /message repeated (\d{1,4}) times: \[ ?/y;

const closingAt = (text: string, start: number): number => {
  const before = start > 0 ? text.charCodeAt(start - 1) : 0;
  return before === 91 ? 93 : before === 60 ? 62 : before === 40 ? 41 : 0;
};
