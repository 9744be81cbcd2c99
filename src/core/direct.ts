// An expression that runs again and again is written out as code of its own, which walks over the chunk's bytes and leaves behind where
// its groups begin and end. A RegExp is no slower at finding a match, but it makes an array and texts of it for every line, and most of
// them nobody keeps. The code tries what the RegExp tries, in the same order, and gives the same; it leaves out what cannot succeed.
//
// Whatever is not written out (see directitems.ts: back references, repetitions of more than chars, …) stays with its RegExp. The code
// consists of numbers and names made here; no text of the expression gets into it.

import {
  before,
  type Chars,
  type Ends,
  endsByItself,
  groupsIn,
  type Item,
  isDecided,
  isSingle,
  itemsOf,
  type Rest,
} from "./directitems.ts";

/**
 * Matches `bytes` from `from` on: the match's end, or -1. Group g is spans[2g]..spans[2g + 1], or did not take part: spans[2g + 1] is -1.
 * `to` is where the line ends: a line feed stands there.
 */
export type Direct = (
  bytes: Uint8Array,
  view: DataView,
  spans: Int32Array,
  from: number,
  to: number,
) => number;

/** So many bytes must stand behind that line feed, whatever they are: texts are compared at once. */
export const readAhead = 64;
const longestText = readAhead;
const mostCode = 60_000;
const mostStraight = 3;

/** The expression as code; undefined: it stays a RegExp. `source` is an anchored one's, as pattern.ts wrote it. */
export function compileDirect(source: string): Direct | undefined {
  const items = itemsOf(source);
  if (items === undefined) return undefined;
  const writer = new Writer();
  const main = writer.func("direct", before(items, undefined));
  const code = `"use strict";\n${writer.functions.join("")}${main}return direct;`;
  if (writer.classes.length > 31 || code.length > mostCode) return undefined;
  const classes = new Int32Array(256);
  for (const [bit, set] of writer.classes.entries())
    for (let code = 0; code < 256; code++) if (set[code] === 1) classes[code]! |= 1 << bit;
  return new Function("t", code)(classes) as Direct;
}

/** A variable and how far beyond. */
interface Place {
  readonly name: string;
  readonly by: number;
}

const start: Place = { name: "p", by: 0 };
const text = ({ name, by }: Place): string => (by === 0 ? name : `${name} + ${by}`);
const further = ({ name, by }: Place, more: number): Place => ({ name, by: by + more });

/** How a function ends: where the match ends, or -1. */
const returns: Ends = { fail: "return -1;", accept: (at) => `return ${at};\n` };

class Writer {
  readonly functions: string[] = [];
  readonly classes: Chars[] = [];
  private names = 0;
  private straight = 0;
  /** How deep in loops that try one thing after the other. The engine takes very long over what is nested deeper. */
  private loops = 0;

  func(name: string, rest: Rest | undefined): string {
    const { loops } = this;
    this.loops = 0;
    const body = this.rest(rest, start, returns);
    this.loops = loops;
    return `function ${name}(b, d, s, p, e) {\nlet c = 0;\n${body}}\n`;
  }

  /** Code for `rest` from a place on: it runs into what `ends` says. */
  private rest(rest: Rest | undefined, at: Place, ends: Ends): string {
    if (rest === undefined) return ends.accept(text(at));
    const { item, next } = rest;
    switch (item.kind) {
      case "char": {
        const { codes, behind } = literalOf(rest);
        if (codes.length < 4)
          return this.unless(this.is(item.set, text(at)), ends) + this.rest(next, further(at, 1), ends);
        return this.unless(sameText(codes, at), ends) + this.rest(behind, further(at, codes.length), ends);
      }
      case "open":
        return `s[${2 * item.group}] = ${text(at)};\n${this.rest(next, at, ends)}`;
      case "close":
        return `s[${2 * item.group + 1}] = ${text(at)};\n${this.rest(next, at, ends)}`;
      case "run":
        return this.run(item, next, at, ends);
      case "choice":
        return this.choice(item, next, at, ends);
      case "look":
        return this.look(item, at, ends) + this.rest(next, at, ends);
      case "behind":
        return this.unless(this.behind(item.ways, at, item.not), ends) + this.rest(next, at, ends);
      case "boundary": {
        const behind = this.behind([[words]], at, false);
        const between = `(${behind}) ${item.not ? "===" : "!=="} (${this.is(words, text(at))})`;
        return this.unless(between, ends) + this.rest(next, at, ends);
      }
      case "join":
        return item.code(text(at), ends);
    }
  }

  private unless(condition: string, { fail }: Ends): string {
    return `if (!(${condition})) ${fail}\n`;
  }

  private run(item: Item & { kind: "run" }, next: Rest | undefined, at: Place, ends: Ends): string {
    const { set, min, max, lazy } = item;
    const end = this.fresh("q");
    const bound = max === Infinity ? "" : `${end} < ${text(further(at, max))} && `;
    const least = text(further(at, min));
    const goesOn = `${bound}${this.is(set, end)}`;
    const enough = min > 0 ? this.unless(`${end} >= ${least}`, ends) : "";
    let code = `let ${end} = ${text(at)};\n`;
    if (endsByItself(item, next)) {
      const eat = isDigits(set) && max > 1 ? digits(end, text(at), max) : `while (${goesOn}) ${end}++;\n`;
      return `${code}${eat}${enough}${this.rest(next, { name: end, by: 0 }, ends)}`;
    }
    if (this.loops > 0) return this.elsewhere({ item, next }, at, ends);
    const loop = this.fresh("L");
    const tried = this.fresh("q");
    const { codes } = literalOf(behindMarks(next));
    if (lazy) {
      code += `while (${goesOn}) ${end}++;\n${enough}`;
      code += `${loop}: for (let ${tried} = ${least}; ${tried} <= ${end}; ${tried}++) {\n`;
    } else if (codes.length >= 4 && max === Infinity) {
      // The last place where the text that follows can begin is looked for from the line's end; the run must reach it.
      const last = this.fresh("q");
      code += `let ${last} = e - ${codes.length};\n`;
      code += backwards(codes.slice(0, 4), last, least);
      code += `while (${end} < ${last} && ${this.is(set, end)}) ${end}++;\n`;
      code += `${loop}: for (let ${tried} = ${end}; ${tried} >= ${least}; ${tried}--) {\n`;
    } else {
      code += `while (${goesOn}) ${end}++;\n${enough}`;
      code += `${loop}: for (let ${tried} = ${end}; ${tried} >= ${least}; ${tried}--) {\n`;
    }
    this.loops++;
    code += this.rest(next, { name: tried, by: 0 }, { ...ends, fail: `continue ${loop};` });
    this.loops--;
    return `${code}}\n${ends.fail}\n`;
  }

  private choice(item: Choice, next: Rest | undefined, at: Place, ends: Ends): string {
    const { ways } = item;
    if (!ways.every((way) => isSingle(way, next))) return this.ways(item, next, at, ends);
    return isDecided(ways, next) ? this.decided(item, next, at, ends) : this.tried(item, next, at, ends);
  }

  /** The first way that matches is the only one that can. */
  private decided(item: Choice, next: Rest | undefined, at: Place, ends: Ends): string {
    const end = this.fresh("q");
    const done = this.fresh("C");
    let code = `let ${end} = 0;\n${done}: {\n`;
    for (const [i, way] of item.ways.entries()) {
      const last = i === item.ways.length - 1;
      const miss = this.fresh("B");
      const join = joined(next, (place) => `${end} = ${place};\n${last ? "" : `break ${done};\n`}`);
      const fail = last ? ends.fail : `break ${miss};`;
      const body = without(item, way) + this.rest(before(way, join), at, { ...ends, fail });
      code += last ? body : `${miss}: {\n${body}}\n`;
    }
    return `${code}}\n${this.rest(next, { name: end, by: 0 }, ends)}`;
  }

  /** One way after the other is tried with what follows. */
  private tried(item: Choice, next: Rest | undefined, at: Place, ends: Ends): string {
    if (this.loops > 0) return this.elsewhere({ item, next }, at, ends);
    const end = this.fresh("q");
    const loop = this.fresh("L");
    const tried = this.fresh("w");
    const again: Ends = { ...ends, fail: `continue ${loop};` };
    let code = `${loop}: for (let ${tried} = 0; ${tried} < ${item.ways.length}; ${tried}++) {\nlet ${end} = 0;\n`;
    for (const [i, way] of item.ways.entries()) {
      const join = joined(next, (place) => `${end} = ${place};\n`);
      const condition = i === item.ways.length - 1 ? "" : `if (${tried} === ${i}) `;
      const body = without(item, way) + this.rest(before(way, join), at, again);
      code += `${i === 0 ? "" : "else "}${condition}{\n${body}}\n`;
    }
    this.loops++;
    code += this.rest(next, { name: end, by: 0 }, again);
    this.loops--;
    return `${code}}\n${ends.fail}\n`;
  }

  /** Ways within which there is more to try: each goes on to the end by itself, with a function for what follows all of them. */
  private ways(item: Choice, next: Rest | undefined, at: Place, ends: Ends): string {
    let on = next;
    if (!isShort(next)) {
      const name = this.fresh("f");
      this.functions.push(this.func(name, next));
      on = joined(next, (place, ends) => this.call(name, place, ends));
    }
    let code = "";
    for (const [i, way] of item.ways.entries()) {
      const miss = this.fresh("B");
      const fails = { ...ends, fail: `break ${miss};` };
      let body: string;
      if (i > 0) body = this.elsewhere(before(way, on), at, fails);
      else {
        // The first way is mostly the one: it goes on without a call, where that does not write too much twice.
        const straight = this.straight++ < mostStraight && isSingle(way, next);
        body = this.rest(before(way, straight ? next : on), at, fails);
      }
      code += `${miss}: {\n${without(item, way)}${body}}\n`;
    }
    return `${code}${ends.fail}\n`;
  }

  /** What is seldom needed stands in functions: short code is made fast sooner. */
  private elsewhere(rest: Rest | undefined, at: Place, ends: Ends): string {
    const name = this.fresh("f");
    this.functions.push(this.func(name, rest));
    return this.call(name, text(at), ends);
  }

  private call(name: string, place: string, { fail, accept }: Ends): string {
    const end = this.fresh("e");
    return `const ${end} = ${name}(b, d, s, ${place}, e);\nif (${end} < 0) ${fail}\n${accept(end)}`;
  }

  private look(item: Item & { kind: "look" }, at: Place, ends: Ends): string {
    const [first] = item.inner;
    if (item.inner.length === 1 && first?.kind === "char") {
      const is = this.is(first.set, text(at));
      return this.unless(item.not ? `!(${is})` : is, ends);
    }
    const found = this.fresh("A");
    const missed = this.fresh("B");
    const inner: Ends = {
      fail: `break ${missed};`,
      accept: () => (item.not ? `${ends.fail}\n` : `break ${found};\n`),
    };
    const rest = before(item.inner, undefined);
    const simple = item.inner.every(({ kind }) => kind !== "choice");
    const body = `${missed}: {\n${simple ? this.rest(rest, at, inner) : this.elsewhere(rest, at, inner)}}\n`;
    return item.not ? body : `${found}: {\n${body}${ends.fail}\n}\n`;
  }

  /** Whether one of these stands before a place. Before the first byte stands nothing. */
  private behind(ways: readonly (readonly Chars[])[], at: Place, not: boolean): string {
    const one = (way: readonly Chars[]): string => {
      const from = further(at, -way.length);
      return [`${text(from)} >= 0`, ...way.map((set, i) => this.is(set, text(further(from, i))))].join(
        " && ",
      );
    };
    const any = ways.map((way) => `(${one(way)})`).join(" || ");
    return not ? `!(${any})` : any;
  }

  /** Whether the byte at a place is one of the set: by comparing where that is little, by a look at a table otherwise. */
  private is(set: Chars, at: string): string {
    const ranges = rangesOf(set);
    const [first] = ranges;
    if (first === undefined) return "false";
    if (ranges.length === 1 && first.from === first.to) return `b[${at}] === ${first.from}`;
    if (ranges.length === 1) return `(c = b[${at}]) >= ${first.from} && c <= ${first.to}`;
    const missing = [...set.keys()].filter((code) => set[code] === 0);
    if (missing.length <= 3) {
      const [one, ...others] = missing;
      return [`(c = b[${at}]) !== ${one}`, ...others.map((code) => `c !== ${code}`)].join(" && ");
    }
    let bit = this.classes.findIndex((other) => other.every((has, code) => has === set[code]));
    if (bit < 0) bit = this.classes.push(set) - 1;
    return `(t[b[${at}]] & ${1 << bit}) !== 0`;
  }

  private fresh(letter: string): string {
    return `${letter}${++this.names}`;
  }
}

const behindMarks = (rest: Rest | undefined): Rest | undefined =>
  rest?.item.kind === "open" || rest?.item.kind === "close" ? behindMarks(rest.next) : rest;

/** The text with which `rest` begins, and what follows it. */
function literalOf(rest: Rest | undefined): {
  readonly codes: readonly number[];
  readonly behind: Rest | undefined;
} {
  const codes: number[] = [];
  let behind = rest;
  for (; behind?.item.kind === "char" && codes.length < longestText; behind = behind.next) {
    const ranges = rangesOf(behind.item.set);
    if (ranges.length !== 1 || ranges[0]!.from !== ranges[0]!.to) break;
    codes.push(ranges[0]!.from);
  }
  return { codes, behind };
}

/** Four bytes at a time; the last ones may be looked at twice. */
function sameText(codes: readonly number[], at: Place): string {
  const four = (from: number): string => {
    const [a, b, c, d] = codes.slice(from, from + 4) as [number, number, number, number];
    return `(d.getInt32(${text(further(at, from))}, true) ^ ${a | (b << 8) | (c << 16) | (d << 24)})`;
  };
  const all = Array.from({ length: codes.length >> 2 }, (_, i) => four(4 * i));
  if (codes.length % 4 > 0) all.push(four(codes.length - 4));
  return all.length === 1 ? `${all[0]} === 0` : `(${all.join(" | ")}) === 0`;
}

const isDigits = (set: Chars): boolean =>
  set.every((has, code) => has === (code >= 48 && code <= 57 ? 1 : 0));

/**
 * Moves `end` over digits, four bytes at a time and `max` at most: where numbers end the processor does not foresee, as it would have to in
 * a loop over bytes. The highest bit of a byte is set where it is no digit.
 */
function digits(end: string, from: string, max: number): string {
  const eat =
    `c = d.getInt32(${end}, true) ^ 0x30303030;\nc = ((c + 0x76767676) | c) & 0x80808080;\n` +
    `${end} += c === 0 ? 4 : (31 - Math.clz32(c & -c)) >> 3;\n`;
  const code = max <= 4 ? eat : `do {\n${eat}} while (c === 0);\n`;
  const bound = max === Infinity ? "" : `if (${end} > ${from} + ${max}) ${end} = ${from} + ${max};\n`;
  return code + bound;
}

/**
 * Moves `last` back to where four codes stand, or before `least`. Four places at once are passed over where the seldomest of the codes stands
 * in none of them.
 */
function backwards(codes: readonly number[], last: string, least: string): string {
  const rank = (code: number): number => common.indexOf(String.fromCharCode(code));
  const seldom = codes.reduce((best, code, i) => (rank(code) < rank(codes[best]!) ? i : best), 0);
  const fours = Math.imul(codes[seldom]!, 0x01010101);
  return (
    `while (${last} >= ${least}) {\n` +
    `if (${last} >= 4) {\nc = d.getInt32(${last} + ${seldom - 3}, true) ^ ${fours};\n` +
    `if (((c - 0x01010101) & ~c & 0x80808080) === 0) {\n${last} -= 4;\ncontinue;\n}\n}\n` +
    `if (${sameText(codes, { name: last, by: 0 })}) break;\n${last}--;\n}\n`
  );
}

/** What stands in lines of logs most often, the commonest last; what is not here is seldom. */
const common = "PM[]pmgdcl_h-su/:=nri,tao.e9876543210 ";

type Choice = Item & { kind: "choice" };
type Join = Item & { kind: "join" };

const joined = (next: Rest | undefined, code: Join["code"]): Rest => ({ item: { kind: "join", code }, next });

/** Too little for a function of its own. */
const isShort = (rest: Rest | undefined): boolean =>
  rest === undefined ||
  rest.item.kind === "join" ||
  ((rest.item.kind === "open" || rest.item.kind === "close") && isShort(rest.next));

/** Groups of the other ways, which an earlier try may have set, took no part. */
const without = ({ groups }: Choice, way: readonly Item[]): string => {
  const own = groupsIn(way);
  return groups.map((group) => (own.includes(group) ? "" : `s[${2 * group + 1}] = -1;\n`)).join("");
};

const words: Chars = new Uint8Array(256).map((_, code) => (/\w/.test(String.fromCharCode(code)) ? 1 : 0));

function rangesOf(set: Chars): { readonly from: number; readonly to: number }[] {
  const ranges: { from: number; to: number }[] = [];
  for (let code = 0; code < 256; code++) {
    if (set[code] === 0) continue;
    if (code > 0 && set[code - 1] === 1) ranges[ranges.length - 1]!.to = code;
    else ranges.push({ from: code, to: code });
  }
  return ranges;
}
