// What an expression asks for, item after item, and what can be known about what comes next: which chars it can begin with, whether two
// ways on exclude each other. From a RegExp as pattern.ts made it (anchored: it never eats a line feed); direct.ts makes code of it.

import { type Node, parseRegex, SyntaxFault } from "./regextree.ts";

/** One flag for each of the 256 chars of a latin-1 view. A line ends in a line feed, the text too: it stands for the end. */
export type Chars = Uint8Array;

export type Item =
  | { readonly kind: "char"; readonly set: Chars }
  | {
      readonly kind: "run";
      readonly set: Chars;
      readonly min: number;
      readonly max: number;
      readonly lazy: boolean;
    }
  | { readonly kind: "open" | "close"; readonly group: number }
  /** In the order in which they are tried; `groups`: those that any of them captures. */
  | {
      readonly kind: "choice";
      readonly ways: readonly (readonly Item[])[];
      readonly groups: readonly number[];
    }
  | { readonly kind: "look"; readonly not: boolean; readonly inner: readonly Item[] }
  /** Chars that stand (or must not stand) before, one list for each way. */
  | { readonly kind: "behind"; readonly not: boolean; readonly ways: readonly (readonly Chars[])[] }
  | { readonly kind: "boundary"; readonly not: boolean }
  /** Where one way of a choice ends: what follows the choice is known from here but written by `code`. */
  | { readonly kind: "join"; readonly code: (at: string, on: Ends) => string };

/** What code does where it cannot go on, and at its end. */
export interface Ends {
  readonly fail: string;
  readonly accept: (at: string) => string;
}

/** The rest of what is asked for; undefined: nothing. */
export interface Rest {
  readonly item: Item;
  readonly next: Rest | undefined;
}

/** Says that an expression is none of those that can be written out. */
class Refused extends Error {}

const lineFeed = 10;
/** A repetition of more than one char is written out so often at most. */
const mostCopies = 4;

/** The items of an anchored expression; undefined: it uses what is not known here. */
export function itemsOf(source: string): readonly Item[] | undefined {
  try {
    return items(parseRegex(source));
  } catch (error) {
    if (error instanceof Refused || error instanceof SyntaxFault) return undefined;
    throw error;
  }
}

function items(node: Node): Item[] {
  switch (node.kind) {
    case "set":
      return [{ kind: "char", set: charsOf(node) }];
    case "concat":
      return node.items.flatMap(items);
    case "either":
      return [choice(node.items.map(items))];
    case "repeat":
      return repeated(node);
    case "group":
      return grouped(node);
    case "boundary":
      return [{ kind: "boundary", not: node.source === "\\B" }];
    default:
      throw new Refused();
  }
}

/** \s means more in a RegExp than in the tree, and what eats line feeds does not stay in its line: pattern.ts writes neither. */
function charsOf(node: Node & { kind: "set" }): Chars {
  if (node.set.has[lineFeed] === 1 || (node.char === undefined && /\\[sS]/.test(node.source)))
    throw new Refused();
  return node.set.has;
}

function repeated(node: Node & { kind: "repeat" }): Item[] {
  const { item, min, max } = node;
  const lazy = node.source.length > 1 && node.source.endsWith("?");
  if (item.kind === "set") return [{ kind: "run", set: charsOf(item), min, max, lazy }];
  const once = items(item);
  // What may be empty, and what is captured anew at each turn, has rules of its own.
  if (isEmptiable(once) || max > mostCopies) throw new Refused();
  if (max > 1 && groupsIn(once).length > 0) throw new Refused();
  let more: Item[] = [];
  for (let i = min; i < max; i++) more = [choice(lazy ? [[], [...once, ...more]] : [[...once, ...more], []])];
  return [...Array.from({ length: min }, () => once).flat(), ...more];
}

function grouped(node: Node & { kind: "group" }): Item[] {
  if (node.ignoreCase || /^\?[imsx-]/.test(node.opening)) throw new Refused();
  const inner = items(node.item);
  if (node.look === "") {
    const { capture: group } = node;
    return group === 0 ? inner : [{ kind: "open", group }, ...inner, { kind: "close", group }];
  }
  if (groupsIn(inner).length > 0) throw new Refused();
  if (node.look === "ahead" || node.look === "not ahead")
    return [{ kind: "look", not: node.look === "not ahead", inner }];
  const [only] = inner;
  const ways = inner.length === 1 && only?.kind === "choice" ? only.ways : [inner];
  return [
    {
      kind: "behind",
      not: node.look === "not behind",
      ways: ways.map((way) =>
        way.map((item) => {
          if (item.kind !== "char") throw new Refused();
          return item.set;
        }),
      ),
    },
  ];
}

/** Ways that are choices themselves are taken in: "a|(?:b|c)" is "a|b|c". */
function choice(ways: readonly (readonly Item[])[]): Item {
  const flat = ways.flatMap((way) => {
    const [only] = way;
    return way.length === 1 && only?.kind === "choice" ? only.ways : [way];
  });
  return { kind: "choice", ways: flat, groups: groupsIn(flat.flat()) };
}

export const groupsIn = (list: readonly Item[]): number[] =>
  list.flatMap((item) =>
    item.kind === "open" ? [item.group] : item.kind === "choice" ? [...item.groups] : [],
  );

const isEmptiable = (list: readonly Item[]): boolean =>
  list.every((item) => {
    if (item.kind === "char") return false;
    if (item.kind === "run") return item.min === 0;
    return item.kind === "choice" ? item.ways.some(isEmptiable) : true;
  });

export const before = (list: readonly Item[], next: Rest | undefined): Rest | undefined =>
  list.reduceRight<Rest | undefined>((rest, item) => ({ item, next: rest }), next);

// ------------------------------------------------------------------------------------------------------- what can be known

const noChars: Chars = new Uint8Array(256);
const anyChars: Chars = new Uint8Array(256).fill(1);
export const without = (all: Chars, some: Chars): Chars => all.map((has, code) => has & (1 - some[code]!));
const both = (a: Chars, b: Chars): Chars => a.map((has, code) => has & b[code]!);
const either = (a: Chars, b: Chars): Chars => a.map((has, code) => has | b[code]!);
export const apart = (a: Chars, b: Chars): boolean => !a.some((has, code) => has === 1 && b[code] === 1);

/** All chars with which text can go on where `rest` matches, and maybe others. */
export function beginnings(rest: Rest | undefined): Chars {
  if (rest === undefined) return anyChars;
  const { item, next } = rest;
  switch (item.kind) {
    case "char":
      return item.set;
    case "run":
      return item.min > 0 ? item.set : either(item.set, beginnings(next));
    case "choice":
      return item.ways.map((way) => beginnings(before(way, next))).reduce(either, noChars);
    case "look":
      return item.not
        ? without(beginnings(next), certain(item.inner))
        : both(beginnings(before(item.inner, undefined)), beginnings(next));
    default:
      return beginnings(next);
  }
}

/** Chars that are a match by themselves, whatever follows. */
function certain(inner: readonly Item[]): Chars {
  const first = inner[0];
  if (inner.length === 1 && first?.kind === "char") return first.set;
  if (inner.length === 1 && first?.kind === "choice") return first.ways.map(certain).reduce(either, noChars);
  return noChars;
}

/** How far ahead ways are compared, and how many beginnings are written out for that. */
const depth = 8;
const mostWords = 96;

type Word = readonly Chars[];

/** Whether text cannot begin with `way` where `other` matches. */
function excludes(way: Rest | undefined, other: Rest | undefined): boolean {
  const a = words(way, depth);
  const b = words(other, depth);
  if (a === undefined || b === undefined) return false;
  return a.every((one) => b.every((two) => one.some((set, i) => i < two.length && apart(set, two[i]!))));
}

/** All beginnings of what `rest` matches, as sets of chars; undefined: too many. */
function words(rest: Rest | undefined, length: number): readonly Word[] | undefined {
  if (rest === undefined || length === 0) return [[]];
  const { item, next } = rest;
  switch (item.kind) {
    case "char":
      return led(item.set, words(next, length - 1));
    case "run": {
      if (item.max === 0) return words(next, length);
      const fewer = { ...item, min: Math.max(0, item.min - 1), max: item.max - 1 };
      const more = led(item.set, words({ item: fewer, next }, length - 1));
      return item.min > 0 ? more : joined([more, words(next, length)]);
    }
    case "choice":
      return joined(item.ways.map((way) => words(before(way, next), length)));
    case "look": {
      const behind = words(next, length);
      if (!item.not) return behind;
      const left = without(anyChars, certain(item.inner));
      return behind?.map(([first, ...others]) => [first === undefined ? left : both(first, left), ...others]);
    }
    default:
      return words(next, length);
  }
}

const led = (set: Chars, tails: readonly Word[] | undefined): readonly Word[] | undefined =>
  tails?.map((tail) => [set, ...tail]);

function joined(lists: readonly (readonly Word[] | undefined)[]): readonly Word[] | undefined {
  const all: Word[] = [];
  for (const list of lists) {
    if (list === undefined) return undefined;
    all.push(...list);
  }
  return all.length > mostWords ? undefined : all;
}

/** Whether `rest` certainly matches at the end of the line. */
function matchesAtEnd(rest: Rest | undefined): boolean {
  if (rest === undefined) return true;
  const { item, next } = rest;
  switch (item.kind) {
    case "run":
      return item.min === 0 && matchesAtEnd(next);
    case "choice":
      return item.ways.some((way) => matchesAtEnd(before(way, next)));
    case "look":
      return item.not && beginnings(before(item.inner, undefined))[lineFeed] === 0 && matchesAtEnd(next);
    case "open":
    case "close":
    case "join":
      return matchesAtEnd(next);
    default:
      return false;
  }
}

/** Nothing is asked for any more. */
const isEnd = (rest: Rest | undefined): boolean =>
  rest === undefined || (["open", "close", "join"].includes(rest.item.kind) && isEnd(rest.next));

/** Whether a run can only end where it ends by itself: shorter ones need not be tried. */
export function endsByItself(run: Item & { kind: "run" }, next: Rest | undefined): boolean {
  if (run.min === run.max) return true;
  if (run.lazy) return false;
  if (isEnd(next) || apart(run.set, beginnings(next))) return true;
  // What eats the whole line: the first try is at its end.
  const all = run.max === Infinity && run.set.every((has, code) => has === 1 || code === lineFeed);
  return all && matchesAtEnd(next);
}

/** Whether the first way that matches is the only one that can. */
export const isDecided = (ways: readonly (readonly Item[])[], next: Rest | undefined): boolean =>
  ways.every(
    (way, i) =>
      i === ways.length - 1 ||
      ways.slice(i + 1).every((other) => excludes(before(way, undefined), before(other, next))),
  );

/** Whether `list` matches in one way at most at each place, so that what follows it can be tried once. */
export function isSingle(list: readonly Item[], next: Rest | undefined): boolean {
  return list.every((item, i) => {
    if (item.kind !== "run" && item.kind !== "choice") return true;
    const rest = before(list.slice(i + 1), next);
    if (item.kind === "run") return endsByItself(item, rest);
    return isDecided(item.ways, rest) && item.ways.every((way) => isSingle(way, rest));
  });
}
