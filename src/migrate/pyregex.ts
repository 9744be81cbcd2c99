// Python's expressions, as fail2ban understands them, in f2b's filter language (JavaScript without flags, tags kept). Same matches,
// not same text: conditionals become alternatives, what JavaScript would silently read otherwise is spelled out.

import type { Fault, Place } from "../core/domain.ts";
import {
  type ClassItem,
  groupNameOf,
  type Node,
  PatternError,
  parsePython,
  type ShortClass,
} from "./pyparse.ts";
import { decide, type Facts, hasTag, mayBeUnset, namesReferred } from "./pytree.ts";

export interface Translated {
  /** One or more expressions that together match what the original matched. */
  readonly expressions: readonly string[];
  readonly notes: readonly string[];
}

export type Translation =
  | { readonly ok: true; readonly value: Translated }
  | { readonly ok: false; readonly fault: Fault };

export interface TranslateOptions {
  /** Records of several lines: Python's MULTILINE is on, ^ and $ meet line ends inside the text. */
  readonly multiline?: boolean;
  /** False: the text does not end in a line feed in Python either (a datepattern). */
  readonly feed?: boolean;
  readonly at?: Place;
}

/** Translates one expression. A fault says what is in the way and what to do. */
export function translatePython(source: string, options: TranslateOptions = {}): Translation {
  try {
    const parsed = parsePython(source);
    const roots = settle(parsed.root);
    const context: Context = {
      multiline: options.multiline === true || parsed.flags.includes("m"),
      dotall: parsed.flags.includes("s"),
      user: false,
      referred: new Set(),
      fresh: { next: 1 },
    };
    const notes = [...parsed.notes];
    const expressions = roots.map((root) => {
      const trimmed = options.feed === false ? root : trimLineEnd(root);
      const referred = namesReferred(trimmed);
      const text = emit(trimmed, { ...context, referred });
      return parsed.flags.includes("i") ? withoutCase(text, trimmed) : text;
    });
    return { ok: true, value: { expressions: [...new Set(expressions)], notes } };
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    const near = source.slice(Math.max(0, error.position - 10), error.position + 20);
    const fault: Fault = {
      what: `cannot translate the expression ${shorten(source)}`,
      why: `${error.reason}, near ${JSON.stringify(near)}`,
      fix: error.fix,
    };
    return { ok: false, fault: options.at === undefined ? fault : { ...fault, at: options.at } };
  }
}

function shorten(text: string): string {
  return text.length > 70 ? `${text.slice(0, 67)}…` : text;
}

/** Keeps the anchor in front, where readers and checks look for it. */
function withoutCase(text: string, root: Node): string {
  return root.kind === "seq" && text.startsWith("^") ? `^(?i:${text.slice(1)})` : `(?i:${text})`;
}

// ------------------------------------------------------------------------------------------------ conditions and references

const maxAlternatives = 64;

/** Removes conditionals and guards references to groups that may not have taken part: each possibility is its own tree. */
function settle(root: Node): Node[] {
  let open: Node[] = [root];
  const done: Node[] = [];
  while (open.length > 0) {
    const tree = open.pop()!;
    const name = undecided(tree);
    if (name === undefined) {
      done.push(tree);
      continue;
    }
    const both = [true, false].map((took) => decide(tree, name, took)).filter((node) => node !== undefined);
    if (done.length + open.length + both.length > maxAlternatives) {
      throw new PatternError(
        "its conditions make too many alternatives",
        "split it into several expressions",
        0,
      );
    }
    open = [...open, ...both.toReversed()];
  }
  if (done.length === 0) throw new PatternError("it can never match", "remove it", 0);
  // Alternatives without tags fit into one expression; tags must stand once in each.
  if (done.length > 1 && !done.some(hasTag)) return [{ kind: "alt", branches: done }];
  return done;
}

function undecided(tree: Node): string | undefined {
  const facts: Facts = { conditions: new Set(), references: new Set() };
  namesReferred(tree, facts);
  for (const name of facts.conditions) return name;
  for (const name of facts.references) if (mayBeUnset(tree, name)) return name;
  return undefined;
}

/**
 * fail2ban's text ends in a line feed, ours does not: what must match it at the very end (`\s$`, `\n`, `\s+$`) may match nothing here.
 */
function trimLineEnd(root: Node): Node {
  if (root.kind === "alt") return { ...root, branches: root.branches.map(trimLineEnd) };
  const items = root.kind === "seq" ? [...root.items] : [root];
  let last = items.length - 1;
  while (last >= 0 && isEnd(items[last]!)) last--;
  const item = items[last];
  if (item === undefined) return root;
  const feed = takesFeed(item);
  if (feed === undefined) return root;
  const anchored = last < items.length - 1;
  const atEnd: Node = { kind: "seq", items: [feed, { kind: "anchor", which: "$" }] };
  items[last] = anchored ? feed : { kind: "alt", branches: [item, atEnd] };
  return { kind: "seq", items };
}

function isEnd(node: Node): boolean {
  return node.kind === "anchor" && (node.which === "$" || node.which === "Z");
}

/** The node with one match less owed, if what it matches can be a line feed and must match at least once. */
function takesFeed(node: Node): Node | undefined {
  if (node.kind === "repeat" && node.min > 0 && matchesFeed(node.item)) return { ...node, min: node.min - 1 };
  if (matchesFeed(node)) return { kind: "repeat", item: node, min: 0, max: 1, how: "greedy" };
  return undefined;
}

function matchesFeed(node: Node): boolean {
  if (node.kind === "char") return node.code === 10;
  if (node.kind === "short") return node.letter === "s";
  if (node.kind !== "class" || node.negated) return false;
  return node.items.some((item) =>
    item.kind === "short" ? item.letter === "s" : item.from <= 10 && item.to >= 10,
  );
}

// ------------------------------------------------------------------------------------------------------------------ text

interface Context {
  readonly multiline: boolean;
  readonly dotall: boolean;
  /** Inside a capture that holds a user name: letters of every script count as \w. */
  readonly user: boolean;
  /** Groups that are referred to later and must therefore keep a name. */
  readonly referred: ReadonlySet<string>;
  readonly fresh: { next: number };
}

function emit(node: Node, context: Context): string {
  switch (node.kind) {
    case "char":
      return literal(node.code);
    case "dot":
      return context.dotall ? "[\\s\\S]" : ".";
    case "short":
      return context.user && node.letter === "w" ? "[\\w\\x80-\\xff]" : `\\${node.letter}`;
    case "class":
      return characterClass(node.negated, node.items, context);
    case "anchor":
      return anchor(node.which, context);
    case "seq":
      return sequence(node.items, context);
    case "alt":
      return node.branches.map((branch) => emit(branch, context)).join("|");
    case "repeat":
      return repeat(node, context);
    case "capture":
      return capture(node.name, node.item, context);
    case "look":
      return `(?${node.behind ? "<" : ""}${node.negative ? "!" : "="}${emit(node.item, context)})`;
    case "atomic":
      return atomic(emit(node.item, context), context);
    case "flags":
      return flags(node.on, node.off, node.item, context);
    case "back":
      return `\\k<${groupName(node.name)}>`;
    case "tag":
      return node.text === "<SKIPLINES>" ? "\\n(?:.*\\n)*?" : node.text;
    case "tagged":
      return tagged(node.name, node.item, context);
    case "conditional":
      throw new Error("conditionals are settled before emission");
  }
}

function sequence(items: readonly Node[], context: Context): string {
  let out = "";
  items.forEach((item, index) => {
    const text = item.kind === "alt" ? `(?:${emit(item, context)})` : emit(item, context);
    // A literal digit after \k<…> or a literal that would make a quantifier of what came before cannot arise: all are escaped.
    out += index > 0 && /^\d/.test(text) && /\\\d*$/.test(out) ? `(?:)${text}` : text;
  });
  return out;
}

function repeat(node: Extract<Node, { kind: "repeat" }>, context: Context): string {
  const item = emit(node.item, context);
  const atom = isAtom(node.item) ? item : `(?:${item})`;
  const text = `${atom}${count(node.min, node.max)}`;
  if (node.how === "possessive") return atomic(text, context);
  return node.how === "lazy" ? `${text}?` : text;
}

function isAtom(node: Node): boolean {
  if (node.kind === "char") return node.code < 0x80;
  if (node.kind === "class") return !hasHigh(node.items);
  if (node.kind === "capture") return true;
  return node.kind === "dot" || node.kind === "short" || node.kind === "flags" || node.kind === "back";
}

function count(min: number, max: number): string {
  if (min === 0 && max === 1) return "?";
  if (max === Number.POSITIVE_INFINITY) return min === 0 ? "*" : min === 1 ? "+" : `{${min},}`;
  return min === max ? `{${min}}` : `{${min},${max}}`;
}

/** Once matched, never given back: a lookahead captures it, a reference consumes it. */
function atomic(text: string, context: Context): string {
  const name = `f2bA${context.fresh.next++}`;
  return `(?:(?=(?<${name}>${text}))\\k<${name}>)`;
}

function anchor(which: "^" | "$" | "A" | "Z" | "b" | "B", context: Context): string {
  if (which === "b" || which === "B") return `\\${which}`;
  if (which === "A") return context.multiline ? "(?<![\\s\\S])" : "^";
  if (which === "Z") return context.multiline ? "(?![\\s\\S])" : "$";
  if (!context.multiline) return which;
  return which === "^" ? "(?<=^|\\n)" : "(?=\\n|$)";
}

function capture(name: string, item: Node, context: Context): string {
  const inner = emit(item, withUser(name, context));
  if (/^\d+$/.test(name))
    return context.referred.has(name) ? `(?<${groupName(name)}>${inner})` : `(?:${inner})`;
  // Groups fail2ban takes the address from, written by hand: the tag says the same and is checked.
  if (name === "host" || name === "dns") return "<HOST>";
  if (name === "ip4") return "<IP4>";
  if (name === "ip6") return "<IP6>";
  if (name.startsWith("_"))
    return context.referred.has(name) ? `(?<${groupName(name)}>${inner})` : `(?:${inner})`;
  const tag = name === "fid" ? "F-ID" : `F-${name.toUpperCase()}`;
  return withReference(tag, name, inner, context);
}

function tagged(tag: string, item: Node, context: Context): string {
  const name = groupNameOf(tag);
  return withReference(tag, name, emit(item, withUser(name, context)), context);
}

/** A tag whose text is referred to later carries a named group of ours inside. */
function withReference(tag: string, name: string, inner: string, context: Context): string {
  const text = context.referred.has(name) ? `(?<${groupName(name)}>${inner})` : inner;
  return `<${tag}>${text}</${tag}>`;
}

function withUser(name: string, context: Context): Context {
  return name.includes("user") ? { ...context, user: true } : context;
}

function groupName(name: string): string {
  return /^\d+$/.test(name) ? `f2bG${name}` : `f2bG_${name}`;
}

function flags(on: string, off: string, item: Node, context: Context): string {
  const inner: Context = {
    ...context,
    dotall: off.includes("s") ? false : context.dotall || on.includes("s"),
    multiline: off.includes("m") ? false : context.multiline || on.includes("m"),
  };
  const text = emit(item, inner);
  if (on.includes("i")) return `(?i:${text})`;
  return off.includes("i") ? `(?-i:${text})` : `(?:${text})`;
}

const special = new Set([..."\\^$.*+?()[]{}|"].map((c) => c.codePointAt(0)!));

function literal(code: number): string {
  const control: Record<number, string> = { 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r" };
  if (control[code] !== undefined) return control[code]!;
  if (code < 32 || code === 127 || (code >= 0x80 && code < 0xa0)) return hex(code);
  if (special.has(code)) return `\\${String.fromCodePoint(code)}`;
  // A "<" of the log would otherwise begin a tag.
  if (code === 0x3c) return "\\x3c";
  return String.fromCodePoint(code);
}

function hex(code: number): string {
  return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

// --------------------------------------------------------------------------------------------------------------- classes

function hasHigh(items: readonly ClassItem[]): boolean {
  return items.some((item) => item.kind === "range" && item.to >= 0x80);
}

/**
 * Expressions run over the bytes of the line, so a character beyond ASCII is several: it leaves the class and becomes an alternative.
 */
function characterClass(negated: boolean, items: readonly ClassItem[], context: Context): string {
  if (!hasHigh(items))
    return `[${negated ? "^" : ""}${items.map((item) => classItem(item, context)).join("")}]`;
  const low: ClassItem[] = [];
  const high: string[] = [];
  for (const item of items) {
    if (item.kind === "short" || item.to < 0x80) low.push(item);
    else {
      if (item.from < 0x80) low.push({ kind: "range", from: item.from, to: 0x7f });
      const from = Math.max(item.from, 0x80);
      if (item.to - from < 32) for (let code = from; code <= item.to; code++) high.push(literal(code));
      else high.push("[\\xc2-\\xf4][\\x80-\\xbf]{1,3}");
    }
  }
  const within = low.map((item) => classItem(item, context)).join("");
  if (negated)
    return `(?:(?!${[...(within === "" ? [] : [`[${within}]`]), ...high].join("|")})(?:[\\x00-\\x7f]|[\\xc0-\\xff][\\x80-\\xbf]*))`;
  return `(?:${[...(within === "" ? [] : [`[${within}]`]), ...high].join("|")})`;
}

function classItem(item: ClassItem, context: Context): string {
  if (item.kind === "short") return shortInClass(item.letter, context);
  const from = inClass(item.from);
  return item.from === item.to ? from : `${from}-${inClass(item.to)}`;
}

function shortInClass(letter: ShortClass, context: Context): string {
  return context.user && letter === "w" ? "\\w\\x80-\\xff" : `\\${letter}`;
}

function inClass(code: number): string {
  const c = String.fromCodePoint(code);
  if ("\\]^[-".includes(c)) return `\\${c}`;
  const control: Record<number, string> = {
    8: "\\x08",
    9: "\\t",
    10: "\\n",
    11: "\\v",
    12: "\\f",
    13: "\\r",
  };
  if (control[code] !== undefined) return control[code]!;
  if (code < 32 || code === 127) return hex(code);
  return code === 0x3c ? "\\x3c" : c;
}
