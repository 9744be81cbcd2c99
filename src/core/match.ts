// One message against a filter's expressions: the first that matches counts. What runs too long is noticed here and put out of use.

import { blame, type Trusts } from "./blame.ts";
import { decodeText } from "./bytes.ts";
import { compileDirect } from "./direct.ts";
import type { Target } from "./domain.ts";
import type { CompiledFilter, Expression } from "./filter.ts";
import { Matched } from "./matched.ts";
import { type Page, textOf, type Where } from "./page.ts";
import type { Pattern } from "./pattern.ts";

/** What a message said, until the next is matched. Texts are as logged (latin-1 view); hosts are judged. */
export interface Said {
  readonly expression: Expression;
  readonly target: Target | undefined;
  /** The host as logged, when it is no address. */
  readonly name: string | undefined;
  /** The number under which the target is known for now; -1: none. See core/blame.ts. */
  readonly number: number;
  readonly user: string | undefined;
  /** There is a user, and the name is not empty. */
  readonly named: boolean;
  readonly nofail: boolean;
  /** The first line of its session: what was known under its key is of another one. */
  readonly begins: boolean;
  readonly forget: boolean;
  readonly gained: boolean;
  readonly captures: Readonly<Record<string, string>> | undefined;
}

/** What matching needs from outside: whether a peer is a trusted proxy, and a clock where slowness is watched. */
export interface MatchContext {
  readonly trusted: Trusts;
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

/** The message where[from..to) against the filter's expressions, in order; the first that matches counts. */
export function matchMessage(
  filter: CompiledFilter,
  where: Where,
  from: number,
  to: number,
  context: MatchContext,
): Outcome {
  let page = pageWith(where, from, to, context);
  let prefixPattern: Pattern | undefined;
  if (filter.prefix.length > 0) {
    for (const candidate of filter.prefix) {
      if (!find(candidate, where, from, to, context, prefix, page)) continue;
      prefixPattern = candidate.pattern;
      break;
    }
    if (prefixPattern === undefined) return undefined;
    const content = prefixPattern.groups.content;
    if (content > 0) {
      where = prefix.text(content) ?? "";
      from = 0;
      to = where.length;
      page = undefined;
    }
  }
  const code = from >= to ? 256 : page === undefined ? textOf(where).charCodeAt(from) : page.bytes[from]!;
  const candidates = filter.byFirst[Math.min(code, 256)]!;
  const beginning = page === undefined ? 0 : page.view.getInt32(from, true);
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    const { stats } = candidate;
    if (page !== undefined && (beginning & candidate.leadMask) !== candidate.lead) continue;
    if (candidate.onlyEnds && context.endsQuietly !== undefined && begins(candidate, where, from)) {
      if (context.endsQuietly(candidate.pattern.groups.users.length > 0)) {
        stats.hits++;
        return "ended";
      }
    }
    if (page !== undefined && stats.direct !== undefined) {
      if (!match.fromPage(stats.direct, page, from, to)) continue;
    } else if (!find(candidate, where, from, to, context, match, page)) continue;
    stats.hits++;
    for (let j = 0; j < filter.ignore.length; j++) {
      const ignoring = filter.ignore[j]!;
      if (find(ignoring, where, from, to, context, other, page)) {
        ignoring.stats.hits++;
        return "ignored";
      }
    }
    return say(candidate, prefixPattern, context);
  }
  return undefined;
}

function begins({ pattern, ends }: Expression, where: Where, from: number): boolean {
  if (typeof where === "string") return pattern.leads?.some((lead) => where.startsWith(lead, from)) === true;
  for (let i = 0; i < ends.length; i++) if (ends[i]!.standsAt(where.view, from)) return true;
  return false;
}

/** What the expressions found that were run last: the prefix, the one that counts, and one of which only whether it matches is asked. */
const prefix = new Matched();
const match = new Matched();
const other = new Matched();

/** Runs on chunks after which an expression is written out. */
const often = 200;

/** The page, where what is written out can run on it: up to the end of a line. What is long is left to the RegExp, whose time is watched. */
function pageWith(where: Where, from: number, to: number, context: MatchContext): Page | undefined {
  if (typeof where === "string" || to - from >= watchedLength || context.timing) return undefined;
  return where.bytes[to] === 10 ? where : undefined;
}

/** `run`, but what was found goes into `into`; on a chunk, and when it was run often, without its RegExp. */
function find(
  candidate: Expression,
  where: Where,
  from: number,
  to: number,
  context: MatchContext,
  into: Matched,
  page: Page | undefined,
): boolean {
  if (page !== undefined) {
    const { stats } = candidate;
    if (stats.direct !== undefined) return into.fromPage(stats.direct, page, from, to);
    if (++stats.runs === often && isWritable(candidate))
      stats.direct = compileDirect(candidate.pattern.regex.source);
  }
  const array = run(candidate, textOf(where), from, to, context);
  if (array === null) return false;
  into.fromRegExp(array);
  return true;
}

const isWritable = ({ pattern, stats }: Expression): boolean =>
  pattern.anchored && pattern.suspicious === undefined && stats.disabled === undefined;

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
    if (stats.gaveUp >= 3) {
      stats.disabled = `took more than ${patience} ms three times: ${pattern.source}`;
      stats.direct = undefined;
    }
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

function say(candidate: Expression, prefixPattern: Pattern | undefined, context: MatchContext): Said {
  const groups = candidate.pattern.groups;
  if (!blame(candidate.pattern, match, context.trusted, spoken) && prefixPattern !== undefined)
    blame(prefixPattern, prefix, context.trusted, spoken);
  spoken.user = undefined;
  spoken.named = false;
  if (
    !nameIn(match, groups.users, context) &&
    !nameIn(match, groups.altUsers, context) &&
    prefixPattern !== undefined
  ) {
    const { users, altUsers } = prefixPattern.groups;
    if (!nameIn(prefix, users, context)) nameIn(prefix, altUsers, context);
  }
  let captures: Record<string, string> | undefined;
  for (let i = 0; i < groups.captures.length; i++) {
    const { name, index } = groups.captures[i]!;
    const value = match.text(index);
    if (value !== undefined) {
      captures ??= {};
      captures[name] = decodeText(value, false, context.encoding);
    }
  }
  spoken.expression = candidate;
  spoken.nofail = isSet(match, groups.nofail);
  spoken.begins = isSet(match, groups.begins);
  spoken.forget = isSet(match, groups.forget);
  spoken.gained = isSet(match, groups.gained);
  spoken.captures = captures;
  return spoken as Said;
}

/** What was said last: taken in before the next message is matched, it need not be made anew for each. */
const spoken: Omit<{ -readonly [Key in keyof Said]: Said[Key] }, "expression"> & {
  expression: Expression | undefined;
} = {
  expression: undefined,
  target: undefined,
  name: undefined,
  number: -1,
  user: undefined,
  named: false,
  nofail: false,
  begins: false,
  forget: false,
  gained: false,
  captures: undefined,
};

/** The first of the groups that names a user; an empty name is one where no other is found. */
function nameIn(found: Matched, groups: readonly number[], context: MatchContext): boolean {
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i]!;
    if (!found.has(group)) continue;
    if (found.isEmpty(group)) spoken.user = "";
    else {
      spoken.user = found.decoded(group, context.ascii, context.encoding);
      spoken.named = true;
      return true;
    }
  }
  return false;
}

function isSet(found: Matched, flag: readonly number[]): boolean {
  for (let i = 0; i < flag.length; i++) {
    const group = flag[i]!;
    if (group === 0 || found.has(group)) return true;
  }
  return false;
}
