// A filter made ready to run. One message against it: match.ts; whom that blames: blame.ts; what spans several lines (sessions, records
// of several lines, time): watcher.ts and session.ts.

import { encodingOf } from "./bytes.ts";
import { compileTimePattern, type TimePattern } from "./datetime.ts";
import type { Direct } from "./direct.ts";
import type { Fault, Filter, JsonShape, Result, Seconds } from "./domain.ts";
import { compilePattern, type Pattern } from "./pattern.ts";
import { Recent } from "./recent.ts";

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
  readonly unforgeable: RegExp | undefined;
  readonly prefix: readonly Expression[];
  readonly fail: readonly Expression[];
  readonly ignore: readonly Expression[];
  readonly dates: readonly TimePattern[];
  readonly session:
    | { readonly byPid: boolean; readonly key: Expression | undefined; readonly expire: Seconds }
    | undefined;
  readonly shapes: readonly CompiledShape[];
  /** Every line that matters holds one of these texts; undefined: not known. */
  readonly gate: readonly string[] | undefined;
  /** Failregex that can match a message by its first char; [256] is for all others. */
  readonly byFirst: readonly (readonly Expression[])[];
  /** What is legal but unwise in the expressions, for the doctor. */
  readonly lints: readonly Lint[];
}

/** One kind of JSON record. */
export interface CompiledShape {
  readonly paths: JsonShape;
  readonly require: readonly { readonly path: string; readonly regexes: readonly RegExp[] }[];
  /** Failures found by it. */
  readonly stats: { hits: number };
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
  /** The first four bytes of every match, as far as they are the same in all: a look at them is cheaper than a run. */
  readonly lead: number;
  readonly leadMask: number;
  /** It only ends a session, and no later expression could mean the same line. */
  readonly onlyEnds: boolean;
  /** How such a line begins. */
  readonly ends: readonly Recent[];
}

export interface ExpressionStats {
  hits: number;
  /** Runs on chunks; when there are many the expression is written out, where it can be. See core/direct.ts. */
  runs: number;
  direct: Direct | undefined;
  /** Times the engine gave up after a long search: what it says then is not "no match". */
  gaveUp: number;
  /** Set after three of these: the expression is out of use. */
  disabled: string | undefined;
  /** Milliseconds spent, where timing was asked for. */
  ms: number;
}

export function expression(pattern: Pattern, index: number, onlyEnds = false): Expression {
  const { lead, leadMask } = commonLead(pattern.leads ?? []);
  return {
    pattern,
    index,
    stats: { hits: 0, runs: 0, direct: undefined, gaveUp: 0, disabled: undefined, ms: 0 },
    lead,
    leadMask,
    onlyEnds,
    ends: onlyEnds ? (pattern.leads ?? []).map(Recent.of) : [],
  };
}

/** As four bytes, the first one lowest, and which of them count. */
function commonLead(leads: readonly string[]): Pick<Expression, "lead" | "leadMask"> {
  let lead = 0;
  let leadMask = 0;
  for (let at = 0; at < 4; at++) {
    const codes = new Set(leads.map((text) => text.charCodeAt(at)));
    const [code = Number.NaN] = codes;
    if (codes.size !== 1 || !(code < 256)) continue;
    lead |= code << (8 * at);
    leadMask |= 0xff << (8 * at);
  }
  return { lead, leadMask };
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

/** The filter without what strangers can write whole records of (formats, or lines of some of them); undefined when nothing is left. */
export function withoutForgeable(filter: Filter): Filter | undefined {
  const marked = filter.forgeableFormats;
  if (filter.forgeable !== undefined) return undefined;
  if (marked === undefined) return filter;
  if (filter.unforgeable !== undefined) return { ...filter, doubting: true };
  const safe = filter.format.split("|").filter((name) => !Object.hasOwn(marked, name.trim()));
  return safe.length === 0 ? undefined : { ...filter, format: safe.join("|"), doubting: true };
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
  if (/^(?:utf-?16|utf-?32|ucs-?[24]|unicode)/i.test(filter.logencoding.trim()))
    faults.push({
      what: `a log in ${filter.logencoding} cannot be read`,
      why: "logs are read byte by byte, so that letters of ASCII must be what they are there",
      fix: "let the service write UTF-8, or watch a copy that iconv has made",
    });
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
  let unforgeable: RegExp | undefined;
  const shapes: CompiledShape[] = [];
  try {
    unforgeable = filter.unforgeable === undefined ? undefined : new RegExp(filter.unforgeable);
    program = filter.program === undefined ? undefined : new RegExp(`^(?:${filter.program})$`);
    for (const paths of filter.json ?? []) {
      const require = Object.entries(paths.require ?? {});
      shapes.push({
        paths,
        require: require.map(([path, sources]) => ({ path, regexes: sources.map((one) => new RegExp(one)) })),
        stats: { hits: 0 },
      });
    }
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
  // What is left of a line whose date was cut out need not stand in the line, and some JSON counts by its fields alone.
  const byTexts = !names.includes("fail2ban") && shapes.every(({ paths }) => paths.message.length > 0);
  const value: CompiledFilter = {
    filter,
    formats: names as Format[],
    program,
    unforgeable,
    prefix,
    fail,
    ignore,
    dates,
    session,
    shapes,
    gate: byTexts ? gateOf(prefix, fail, multiline, names.includes("json")) : undefined,
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
