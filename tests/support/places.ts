// Where a stranger's text stands in a record: what the wide parts of the expressions that match it cover, and what is captured as a
// user or under a name of the filter's own. While a sample runs, its expressions are replaced by ones that note what they match.

import type { CompiledFilter, Expression } from "../../src/core/filter.ts";
import type { Pattern } from "../../src/core/pattern.ts";
import { type Node, parseRegex } from "../../src/core/regextree.ts";

export interface Place {
  readonly from: number;
  readonly to: number;
  /** "user", the name of a capture, "any" for a wide part, "field" for a text of JSON. */
  readonly what: string;
  /** Where the message begins in front of it: what a forged record has to imitate. */
  readonly message: number;
  /** Written inside a text of JSON, and so escaped. */
  readonly json: boolean;
}

/** The places in a record that `feed` gives to the filter; `record` is its latin-1 view. */
export function placesIn(filter: CompiledFilter, record: string, feed: () => void): Place[] {
  const matches: Match[] = [];
  const all = [...filter.fail, ...filter.prefix, ...filter.ignore];
  const before = all.map(({ pattern }) => pattern.regex);
  for (const one of all) replace(one, new Recorder(one.pattern, matches));
  try {
    feed();
  } finally {
    for (const [i, one] of all.entries()) replace(one, before[i]!);
  }
  const places = new Map<string, Place>();
  for (const match of matches) {
    for (const place of located(match, record)) {
      const key = `${place.from} ${place.to}`;
      if (!places.has(key)) places.set(key, place);
    }
  }
  return [...places.values()];
}

function replace(one: Expression, regex: RegExp): void {
  (one.pattern as { regex: RegExp }).regex = regex;
}

interface Match {
  readonly text: string;
  readonly start: number;
  readonly spans: readonly { readonly from: number; readonly to: number; readonly what: string }[];
}

/** Gives what the expression gives, and notes where its wide parts matched. */
class Recorder extends RegExp {
  private readonly wide: RegExp;
  private readonly names: ReadonlyMap<string, string>;

  constructor(
    pattern: Pattern,
    private readonly matches: Match[],
  ) {
    super(pattern.regex.source, pattern.regex.flags);
    const widened = widen(pattern);
    this.wide = new RegExp(widened.source, `${pattern.regex.flags}d`);
    this.names = widened.names;
  }

  override exec(text: string): RegExpExecArray | null {
    this.wide.lastIndex = this.lastIndex;
    const match = super.exec(text);
    const again = match === null ? null : this.wide.exec(text);
    const spans = Object.entries(again?.indices?.groups ?? {}).flatMap(([name, span]) => {
      const what = this.names.get(name);
      return span === undefined || what === undefined ? [] : [{ from: span[0], to: span[1], what }];
    });
    if (match !== null) this.matches.push({ text, start: match.index, spans });
    return match;
  }
}

/** A match's spans as places of the record: its text is a part of the record, or a text inside its JSON. */
function located({ text, start, spans }: Match, record: string): Place[] {
  const at = record.indexOf(text);
  if (at >= 0)
    return spans.map(({ from, to, what }) => ({
      from: at + from,
      to: at + to,
      what,
      message: at + start,
      json: isInJson(record, at),
    }));
  return spans.flatMap(({ from, to, what }) => {
    const value = JSON.stringify(text.slice(from, to)).slice(1, -1);
    const found = value.length < 2 ? -1 : record.indexOf(value);
    if (found < 0) return [];
    const json = isInJson(record, found);
    return [{ from: found, to: found + value.length, what, message: found, json }];
  });
}

/** Whether a place lies in a text of a JSON object that the line is, or ends in. */
export function isInJson(record: string, at: number): boolean {
  const begin = record.lastIndexOf("\n", at - 1) + 1;
  const feed = record.indexOf("\n", at);
  const open = record.indexOf("{", begin);
  if (open < 0 || open > at) return false;
  try {
    JSON.parse(record.slice(open, feed < 0 ? undefined : feed));
    return true;
  } catch {
    return false;
  }
}

/** The texts of the JSON objects in a record, without their quotes. */
export function jsonPlaces(record: string): Place[] {
  return [...record.matchAll(/(?<=[:,[]\s?)"((?:[^"\\\n]|\\.)*)"(?!\s?:)/g)].flatMap((match) => {
    const from = match.index + 1;
    const to = from + match[1]!.length;
    return isInJson(record, from) ? [{ from, to, what: "field", message: from, json: true }] : [];
  });
}

// ------------------------------------------------------------------------------------------------------------------ widening

/** The expression with its wide parts in groups w0, w1, …; what each is. */
function widen({ regex, groups }: Pattern): { source: string; names: ReadonlyMap<string, string> } {
  const roles = new Map<number, string>();
  for (const { index } of groups.hosts) roles.set(index, "");
  for (const index of [...groups.users, ...groups.altUsers]) roles.set(index, "user");
  for (const { index, name } of groups.captures) roles.set(index, name);
  const names = new Map<string, string>();
  const numbers: number[] = [0];
  let captures = 0;
  const group = (what: string, content: () => string): string => {
    const name = `w${names.size}`;
    names.set(name, what);
    captures++;
    return `(?<${name}>${content()})`;
  };
  const emit = (node: Node, inside: boolean): string => {
    switch (node.kind) {
      case "set":
        return node.source;
      case "concat":
        return node.items.map((item) => emit(item, inside)).join("");
      case "either":
        return node.items.map((item) => emit(item, inside)).join("|");
      case "start":
        return "^";
      case "end":
        return "$";
      case "boundary":
        return node.source;
      case "backref":
        return node.name === undefined ? `\\${numbers[node.number] ?? 0}(?:)` : `\\k<${node.name}>`;
      case "repeat": {
        const one = (within: boolean): string => emit(node.item, within) + node.source;
        return !inside && node.max > 20 && isWide(node.item) ? group("any", () => one(true)) : one(inside);
      }
      case "group": {
        const role = node.capture > 0 ? roles.get(node.capture) : undefined;
        const own = (): string => {
          if (node.capture > 0) numbers[node.capture] = ++captures;
          return `(${node.opening}${emit(node.item, inside || role === "" || node.look !== "")})`;
        };
        return role === undefined || role === "" ? own() : group(role, own);
      }
    }
  };
  const source = emit(parseRegex(regex.source), false);
  return { source, names };
}

/** Whether an address could be written in it. */
function isWide(node: Node): boolean {
  if (node.kind === "set")
    return [".", "1", "a"].every((char) => node.set.has[char.charCodeAt(0)] === 1) || node.set.beyond;
  if (node.kind === "concat" || node.kind === "either") return node.items.some(isWide);
  if (node.kind === "group") return node.look === "" && isWide(node.item);
  return node.kind === "repeat" && isWide(node.item);
}
