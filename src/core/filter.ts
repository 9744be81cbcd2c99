// A filter made ready to run, and one message against it. What spans several lines (sessions, records of several lines, time)
// is in scan.ts and session.ts; here a message either says something or does not.

import { addressTarget, idTarget, parseAddress, parseTarget } from "./address.ts";
import { copyText, decodeText, encodeText, encodingOf } from "./bytes.ts";
import { compileTimePattern, type TimePattern } from "./datetime.ts";
import type { Fault, Filter, Result, Seconds, Target } from "./domain.ts";
import { compilePattern, type Pattern } from "./pattern.ts";

export { copyText, decodeText, encodeText, encodingOf };

export type Format = (typeof formats)[number];
export const formats = [
  "syslog",
  "timestamp",
  "bare",
  "clf",
  "apache-error",
  "nginx-error",
  "json",
  "auto",
  "fail2ban",
] as const;

export interface CompiledFilter {
  readonly filter: Filter;
  readonly formats: readonly Format[];
  /** Anchored on both sides. */
  readonly program: RegExp | undefined;
  readonly prefix: readonly Expression[];
  readonly fail: readonly Expression[];
  readonly ignore: readonly Expression[];
  readonly dates: readonly TimePattern[];
  readonly session:
    | { readonly byPid: boolean; readonly key: Expression | undefined; readonly expire: Seconds }
    | undefined;
  readonly require: readonly { readonly path: string; readonly regex: RegExp }[];
  /** Every line that matters holds one of these texts; undefined: not known. */
  readonly gate: readonly string[] | undefined;
  /** Failregex that can match a message by its first char; [256] is for all others. */
  readonly byFirst: readonly (readonly Expression[])[];
  /** What is legal but unwise in the expressions, for the doctor. */
  readonly lints: readonly Lint[];
}

export interface Lint {
  readonly list: "failregex" | "prefregex" | "ignoreregex";
  readonly index: number;
  readonly what: string;
}

/** A pattern with what is counted about it. */
export interface Expression {
  readonly pattern: Pattern;
  readonly index: number;
  readonly stats: ExpressionStats;
  /** Codes of the chars at offsets 1, 2 and 5 of every match; -1: not the same in all. A look at them is cheaper than a run. */
  readonly second: number;
  readonly third: number;
  readonly sixth: number;
  /** It only ends a session, and no later expression could mean the same line. */
  readonly onlyEnds: boolean;
}

export interface ExpressionStats {
  hits: number;
  /** Times the engine gave up after a long search: what it says then is not "no match". */
  gaveUp: number;
  /** Set after three of these: the expression is out of use. */
  disabled: string | undefined;
  /** Milliseconds spent, where timing was asked for. */
  ms: number;
}

export const expression = (pattern: Pattern, index: number, onlyEnds = false): Expression => ({
  pattern,
  index,
  stats: { hits: 0, gaveUp: 0, disabled: undefined, ms: 0 },
  second: commonCode(pattern.leads, 1),
  third: commonCode(pattern.leads, 2),
  sixth: commonCode(pattern.leads, 5),
  onlyEnds,
});

function commonCode(leads: readonly string[] | undefined, at: number): number {
  const codes = new Set((leads ?? [""]).map((lead) => (lead.length > at ? lead.charCodeAt(at) : -1)));
  return codes.size === 1 ? ([...codes][0] ?? -1) : -1;
}

/** Those that always end a session without failure, and whose beginnings no later expression shares, are marked. */
function withEnds(fail: readonly Expression[]): Expression[] {
  return fail.map((one, at) => {
    const { certain, leads, groups } = one.pattern;
    const ends = certain.has("F-NOFAIL") && certain.has("F-MLFFORGET") && groups.gained.length === 0;
    if (!ends || leads === undefined || leads.some((lead) => lead.length < 6)) return one;
    const shared = fail
      .slice(at + 1)
      .some(({ pattern: { leads: others } }) =>
        (others ?? [""]).some((other) =>
          leads.some((lead) => lead.startsWith(other) || other.startsWith(lead)),
        ),
      );
    return shared ? one : expression(one.pattern, one.index, true);
  });
}

/** The filter without the formats in which strangers can write whole records; undefined when none is left. */
export function withoutForgeable(filter: Filter): Filter | undefined {
  const marked = filter.forgeableFormats;
  if (filter.forgeable !== undefined) return undefined;
  if (marked === undefined) return filter;
  const safe = filter.format.split("|").filter((name) => !Object.hasOwn(marked, name.trim()));
  return safe.length === 0 ? undefined : { ...filter, format: safe.join("|") };
}

/** Every mistake of a filter is reported, not only the first. */
export function compileFilter(filter: Filter): Result<CompiledFilter> {
  const faults: Fault[] = [];
  const lints: Lint[] = [];
  const multiline = filter.maxlines > 1;
  const list = (name: Lint["list"]): Expression[] =>
    filter[name].flatMap((source, index) => {
      const compiled = compilePattern(source, { multiline, proven: !filter.own });
      if (!compiled.ok) {
        faults.push(
          ...compiled.faults.map((fault) => ({ ...fault, what: `${name} ${index + 1}: ${fault.what}` })),
        );
        return [];
      }
      return [expression(compiled.value, index)];
    });
  const prefix = list("prefregex");
  const fail = withEnds(list("failregex"));
  const ignore = list("ignoreregex");
  try {
    encodingOf(filter.logencoding);
  } catch {
    faults.push({
      what: `there is no encoding "${filter.logencoding}"`,
      fix: 'write "utf-8", "iso-8859-1", "windows-1252", …',
    });
  }
  const names = filter.format.split("|").map((name) => name.trim());
  for (const name of names) {
    if (!formats.some((known) => known === name)) {
      faults.push({ what: `there is no format "${name}"`, fix: `use one of ${formats.join(", ")}` });
    }
  }
  const dates = filter.datepattern.flatMap((source) => {
    const compiled = compileTimePattern(source);
    if (!compiled.ok) faults.push(...compiled.faults);
    return compiled.ok ? [compiled.value] : [];
  });
  let program: RegExp | undefined;
  const require: { path: string; regex: RegExp }[] = [];
  try {
    program = filter.program === undefined ? undefined : new RegExp(`^(?:${filter.program})$`);
    for (const [path, source] of Object.entries(filter.json?.require ?? {}))
      require.push({ path, regex: new RegExp(source) });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    faults.push({ what: `an expression cannot be read: ${error.message}` });
  }
  let session: CompiledFilter["session"];
  if (filter.session !== undefined) {
    const byPid = filter.session.key === "pid";
    const key = byPid ? undefined : compilePattern(filter.session.key, { multiline });
    if (key !== undefined && !key.ok) faults.push(...key.faults);
    else if (key !== undefined && key.value.groups.session === 0) {
      faults.push({
        what: "the session's key has no <F-MLFID>…</F-MLFID>",
        fix: 'write one, or key = "pid"',
      });
    }
    session = {
      byPid,
      key: key?.ok === true ? expression(key.value, 0) : undefined,
      expire: filter.session.expire,
    };
  }
  if (fail.length === 0 && filter.failregex.length === 0 && filter.json === undefined) {
    faults.push({ what: "the filter has no failregex", fix: "write at least one" });
  }
  const prefixHost = prefix.some((p) => p.pattern.groups.hosts.length > 0);
  for (const { pattern, index } of fail) {
    const hosts = pattern.groups.hosts.length;
    const elsewhere = prefixHost || filter.session !== undefined || filter.json !== undefined;
    if (hosts === 0 && !elsewhere) {
      faults.push({
        what: `failregex ${index + 1} does not say whom to blame: ${pattern.source}`,
        fix: "put <HOST>, <ADDR>, <SUBNET> or <F-ID>…</F-ID> where the address stands",
      });
    }
    pattern.regex.lastIndex = 0;
    if (pattern.regex.test("")) {
      faults.push({ what: `failregex ${index + 1} matches an empty line: ${pattern.source}` });
    }
    if (!pattern.anchored && !multiline) {
      lints.push({
        list: "failregex",
        index,
        what: "does not begin with ^: it may match text that a stranger wrote",
      });
    }
    if (pattern.suspicious !== undefined) lints.push({ list: "failregex", index, what: pattern.suspicious });
  }
  if (faults.length > 0) return { ok: false, faults };
  const anywhere = fail.filter(({ pattern }) => pattern.leads === undefined);
  const byFirst: (readonly Expression[])[] = new Array(257).fill(anywhere);
  for (const code of new Set(fail.flatMap(({ pattern }) => pattern.leads?.map(firstCode) ?? [])))
    byFirst[code] = fail.filter(({ pattern }) => canBegin(pattern, code));
  const value: CompiledFilter = {
    filter,
    formats: names as Format[],
    program,
    prefix,
    fail,
    ignore,
    dates,
    session,
    require,
    // What is left of a line whose date was cut out need not stand in the line.
    gate: names.includes("fail2ban") ? undefined : gateOf(prefix, fail, multiline, names.includes("json")),
    byFirst,
    lints,
  };
  return { ok: true, value };
}

const firstCode = (text: string): number => Math.min(text.charCodeAt(0), 256);

function canBegin(pattern: Pattern, code: number): boolean {
  return pattern.leads === undefined || pattern.leads.some((text) => firstCode(text) === code);
}

/** All the expressions' texts together; when there are prefregex, theirs alone, since nothing passes without. */
function gateOf(
  prefix: readonly Expression[],
  fail: readonly Expression[],
  multiline: boolean,
  json: boolean,
): readonly string[] | undefined {
  if (multiline) return undefined;
  const texts = new Set<string>();
  for (const { pattern } of prefix.length > 0 ? prefix : fail) {
    if (pattern.literals === undefined) return undefined;
    for (const text of pattern.literals) texts.add(json ? unescapable(text) : text);
  }
  // A text that holds another one of the gate adds nothing.
  const needed = [...texts].filter(
    (text) => ![...texts].some((other) => other !== text && text.includes(other)),
  );
  return needed.length === 0 || needed.some((text) => text.length < 2) ? undefined : needed;
}

/** The longest part of a text that no JSON encoder writes otherwise: quotes, slashes, "+", "<" and the like may be escaped. */
function unescapable(text: string): string {
  return text
    .split(/[^\w .,:;()[\]{}=*-]/)
    .reduce((best, part) => (part.length > best.length ? part : best), "");
}

// ------------------------------------------------------------------------------------------------------------- one message

/** What a message said, until the next is matched. Texts are as logged (latin-1 view); hosts are judged. */
export interface Said {
  readonly expression: Expression;
  readonly target: Target | undefined;
  /** The host as logged, when it is no address. */
  readonly name: string | undefined;
  readonly user: string | undefined;
  readonly nofail: boolean;
  /** The first line of its session: what was known under its key is of another one. */
  readonly begins: boolean;
  readonly forget: boolean;
  readonly gained: boolean;
  readonly captures: Readonly<Record<string, string>> | undefined;
}

/** What matching needs from outside: whether a peer is a trusted proxy, and a clock where slowness is watched. */
export interface MatchContext {
  readonly trusted: ((target: Target) => boolean) | undefined;
  readonly clock: (() => number) | undefined;
  /** Time every expression, not only those on long lines. */
  readonly timing: boolean;
  readonly gaveUp: ((expression: Expression) => void) | undefined;
  /** Asked before an expression that only ends a session is run: true when its outcome cannot matter. See core/session.ts. */
  readonly endsQuietly: ((namesUser: boolean) => boolean) | undefined;
  /** What is being matched is known to be ASCII, so that nothing needs decoding. */
  readonly ascii: () => boolean;
  /** Of user names and lines where it is not UTF-8 (`logencoding`). */
  readonly encoding: TextDecoder | undefined;
}

/** "ended": a line that ends its session and nothing more; it was not matched to its end. */
export type Outcome = Said | "ignored" | "ended" | undefined;

/** The message text[from..to) against the filter's expressions, in order; the first that matches counts. */
export function matchMessage(
  filter: CompiledFilter,
  text: string,
  from: number,
  to: number,
  context: MatchContext,
): Outcome {
  let prefix: RegExpExecArray | undefined;
  let prefixPattern: Pattern | undefined;
  if (filter.prefix.length > 0) {
    for (const candidate of filter.prefix) {
      const match = run(candidate, text, from, to, context);
      if (match === null) continue;
      prefix = match;
      prefixPattern = candidate.pattern;
      break;
    }
    if (prefix === undefined || prefixPattern === undefined) return undefined;
    const content = prefixPattern.groups.content;
    if (content > 0) {
      text = prefix[content] ?? "";
      from = 0;
      to = text.length;
    }
  }
  const code = from < to ? text.charCodeAt(from) : 256;
  const candidates = filter.byFirst[Math.min(code, 256)]!;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    if (candidate.second >= 0 && candidate.second !== text.charCodeAt(from + 1)) continue;
    if (candidate.third >= 0 && candidate.third !== text.charCodeAt(from + 2)) continue;
    if (candidate.sixth >= 0 && candidate.sixth !== text.charCodeAt(from + 5)) continue;
    if (candidate.onlyEnds && context.endsQuietly !== undefined && begins(candidate.pattern, text, from)) {
      if (context.endsQuietly(candidate.pattern.groups.users.length > 0)) {
        candidate.stats.hits++;
        return "ended";
      }
    }
    const match = run(candidate, text, from, to, context);
    if (match === null) continue;
    candidate.stats.hits++;
    for (const ignoring of filter.ignore) {
      if (run(ignoring, text, from, to, context) !== null) {
        ignoring.stats.hits++;
        return "ignored";
      }
    }
    return say(candidate, match, prefixPattern, prefix, context);
  }
  return undefined;
}

function begins(pattern: Pattern, text: string, from: number): boolean {
  for (const lead of pattern.leads ?? []) if (text.startsWith(lead, from)) return true;
  return false;
}

/** Lines shorter than this are not timed: no shape gets out of hand on them before the engine's own limit shows on longer ones. */
const watchedLength = 400;
const patience = 100;

/** One expression on text[from..to). Sticky ones run on the text itself, others on the message cut out. */
export function run(
  candidate: Expression,
  text: string,
  from: number,
  to: number,
  context: MatchContext,
): RegExpExecArray | null {
  const { pattern, stats } = candidate;
  if (stats.disabled !== undefined) return null;
  if (
    context.clock === undefined ||
    (!context.timing && to - from < watchedLength && pattern.suspicious === undefined)
  ) {
    return exec(pattern, text, from, to);
  }
  const began = context.clock();
  const match = exec(pattern, text, from, to);
  const took = context.clock() - began;
  stats.ms += took;
  // JavaScriptCore ends a search that runs away and says null: that is no answer.
  if (match === null && took > patience) {
    stats.gaveUp++;
    if (stats.gaveUp >= 3) stats.disabled = `took more than ${patience} ms three times: ${pattern.source}`;
    context.gaveUp?.(candidate);
  }
  return match;
}

function exec(pattern: Pattern, text: string, from: number, to: number): RegExpExecArray | null {
  const regex = pattern.regex;
  if (pattern.anchored) {
    regex.lastIndex = from;
    return regex.exec(text);
  }
  return regex.exec(from === 0 && to === text.length ? text : text.slice(from, to));
}

function say(
  candidate: Expression,
  match: RegExpExecArray,
  prefixPattern: Pattern | undefined,
  prefix: RegExpExecArray | undefined,
  context: MatchContext,
): Said {
  const groups = candidate.pattern.groups;
  let host = findHost(candidate.pattern, match, context);
  if (host === nobody && prefixPattern !== undefined && prefix !== undefined)
    host = findHost(prefixPattern, prefix, context);
  let user = firstOf(match, groups.users);
  if (user === undefined || user === "") user = firstOf(match, groups.altUsers) ?? user;
  if ((user === undefined || user === "") && prefixPattern !== undefined && prefix !== undefined) {
    user =
      firstOf(prefix, prefixPattern.groups.users) ?? firstOf(prefix, prefixPattern.groups.altUsers) ?? user;
  }
  let captures: Record<string, string> | undefined;
  for (const { name, index } of groups.captures) {
    const value = match[index];
    if (value !== undefined) {
      captures ??= {};
      captures[name] = decodeText(value, false, context.encoding);
    }
  }
  spoken.expression = candidate;
  spoken.target = host.target;
  spoken.name = host.name;
  spoken.user = user === undefined ? undefined : decodeText(user, context.ascii(), context.encoding);
  spoken.nofail = isSet(match, groups.nofail);
  spoken.begins = isSet(match, groups.begins);
  spoken.forget = isSet(match, groups.forget);
  spoken.gained = isSet(match, groups.gained);
  spoken.captures = captures;
  return spoken as Said;
}

/** What was said last: taken in before the next message is matched, it need not be made anew for each. */
const spoken: { -readonly [Key in keyof Said]: Said[Key] | undefined } = {
  expression: undefined,
  target: undefined,
  name: undefined,
  user: undefined,
  nofail: false,
  begins: false,
  forget: false,
  gained: false,
  captures: undefined,
};

function firstOf(match: RegExpExecArray, indexes: readonly number[]): string | undefined {
  let empty: string | undefined;
  for (const index of indexes) {
    const text = match[index];
    if (text !== undefined && text !== "") return text;
    empty ??= text;
  }
  return empty;
}

function isSet(match: RegExpExecArray, flag: readonly number[]): boolean {
  for (const index of flag) if (index === 0 || match[index] !== undefined) return true;
  return false;
}

interface Host {
  readonly target: Target | undefined;
  readonly name: string | undefined;
}
const nobody: Host = { target: undefined, name: undefined };

function findHost(pattern: Pattern, match: RegExpExecArray, context: MatchContext): Host {
  const { hosts, bits, forwarded } = pattern.groups;
  for (const { kind, index } of hosts) {
    const text = match[index];
    if (text === undefined) continue;
    if (kind === "id") return { target: idTarget(decodeText(text)), name: undefined };
    if (kind === "name") return { target: undefined, name: copyText(text) };
    const width = bits > 0 ? match[bits] : undefined;
    const target = judge(
      width === undefined ? text : `${text}/${width}`,
      kind === "subnet" || width !== undefined,
    );
    if (target === undefined) return { target: undefined, name: copyText(text) };
    const list = forwarded > 0 ? match[forwarded] : undefined;
    return behindProxy(target, list, context.trusted);
  }
  return nobody;
}

/** Addresses seen, by their spelling: the same ones come again and again, and their texts must not keep whole chunks alive. */
const seen = new Map<string, Target>();
const seenLimit = 50_000;
/** The same for IPv4 by its 32 bits, where one has displaced another: most failures end here. */
const quads = new Float64Array(1 << 15).fill(-1);
const quadTargets: (Target | undefined)[] = new Array(1 << 15).fill(undefined);

/** An address (or, where `wide`, a prefix) as a target; undefined when the text is neither. */
export function judge(text: string, wide: boolean): Target | undefined {
  const bits = quadOf(text);
  if (bits >= 0) {
    const slot = (Math.imul(bits, 0x9e3779b1) >>> 17) & 0x7fff;
    if (quads[slot] === bits) return quadTargets[slot];
    const target = judgeText(text, wide);
    quads[slot] = bits;
    quadTargets[slot] = target;
    return target;
  }
  const before = seen.get(text);
  if (before !== undefined) return wide || before.kind === "address" ? before : undefined;
  const own = copyText(text);
  const target = judgeText(own, wide);
  if (target === undefined) return undefined;
  if (seen.size >= seenLimit) seen.clear();
  seen.set(own, target);
  return target;
}

function judgeText(text: string, wide: boolean): Target | undefined {
  const address = parseAddress(copyText(text));
  return address !== undefined ? addressTarget(address) : wide ? parseTarget(text) : undefined;
}

/** The 32 bits of a dotted quad that is spelled as parseAddress wants it; -1 for any other text. */
function quadOf(text: string): number {
  let bits = 0;
  let octet = -1;
  let dots = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 46) {
      if (octet < 0 || ++dots > 3) return -1;
      bits = bits * 256 + octet;
      octet = -1;
    } else if (code < 48 || code > 57 || octet === 0) return -1;
    else {
      octet = octet < 0 ? code - 48 : octet * 10 + code - 48;
      if (octet > 255) return -1;
    }
  }
  return dots === 3 && octet >= 0 ? bits * 256 + octet : -1;
}

/**
 * Whom to blame for a request of `peer` with the forwarded-for `list`. Proxies append on the right, so it is read from there: the first
 * address that is no trusted proxy's. All further left could have been written by that client itself. A trusted proxy is never to blame.
 */
export function behindProxy(
  peer: Target,
  list: string | undefined,
  trusted: ((target: Target) => boolean) | undefined,
): Host {
  if (trusted === undefined || !trusted(peer)) return { target: peer, name: undefined };
  const entries = (list ?? "").split(/[\s,]+/).filter((entry) => entry !== "");
  for (const entry of entries.reverse()) {
    const text = /^\[?(.*?)\]?$/.exec(entry.replace(/^"|"$/g, ""))?.[1] ?? "";
    const target = judge(text, false);
    if (target === undefined) return nobody;
    if (!trusted(target)) return { target, name: undefined };
  }
  return nobody;
}
