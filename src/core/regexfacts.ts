// What can be read off an expression's tree: texts every match must hold (so that a chunk can be rejected without running
// the expression), the chars a match can begin with, and shapes that backtrack without bound.

import type { CharSet, Node } from "./regextree.ts";

/** Any match holds one of these texts; undefined: nothing is known. */
export function requiredTexts(tree: Node): readonly string[] | undefined {
  return analyse(tree).best;
}

interface Texts {
  /** The node matches exactly one of these and nothing else. */
  readonly exact: readonly string[] | undefined;
  readonly best: readonly string[] | undefined;
}

const nothing: Texts = { exact: undefined, best: undefined };

function analyse(node: Node): Texts {
  switch (node.kind) {
    case "set":
      return node.char === undefined || node.char === "\n"
        ? nothing
        : { exact: [node.char], best: [node.char] };
    case "start":
    case "end":
    case "boundary":
      return { exact: [""], best: undefined };
    case "backref":
      return nothing;
    case "group":
      if (node.look !== "")
        return { exact: [""], best: node.look === "ahead" ? analyse(node.item).best : undefined };
      return analyse(node.item);
    case "repeat": {
      if (node.min === 0) {
        if (node.max !== 1) return nothing;
        const inner = analyse(node.item).exact;
        return { exact: inner === undefined ? undefined : bounded([...inner, ""]), best: undefined };
      }
      return { exact: undefined, best: analyse(node.item).best };
    }
    case "either": {
      const parts = node.items.map(analyse);
      const exact = parts.every((p) => p.exact !== undefined)
        ? bounded(parts.flatMap((p) => p.exact ?? []))
        : undefined;
      const best = parts.every((p) => p.best !== undefined)
        ? bounded(parts.flatMap((p) => p.best ?? []))
        : undefined;
      return { exact, best };
    }
    case "concat": {
      let run: readonly string[] = [""];
      let best: readonly string[] | undefined;
      let exact = true;
      for (const item of node.items) {
        if (item.kind === "set" && item.char !== undefined && item.char !== "\n") {
          run = extended(run, item.char);
          continue;
        }
        const part = analyse(item);
        const joined =
          part.exact === undefined
            ? undefined
            : bounded(run.flatMap((head) => part.exact!.map((tail) => head + tail)));
        if (joined !== undefined) {
          run = joined;
          continue;
        }
        best = better(better(best, run), part.best);
        // What cannot be joined to the run begins a new one where it is exact itself.
        exact = false;
        run = part.exact ?? [""];
      }
      best = better(best, run);
      return { exact: exact ? run : undefined, best };
    }
  }
}

/** Different texts stay different with the same char behind them. */
const extended = (texts: readonly string[], char: string): readonly string[] =>
  texts.length === 1 ? [texts[0]! + char] : texts.map((text) => text + char);

const bounded = (texts: readonly string[]): readonly string[] | undefined => {
  const different = [...new Set(texts)];
  return different.length <= 16 ? different : undefined;
};

function better(
  a: readonly string[] | undefined,
  b: readonly string[] | undefined,
): readonly string[] | undefined {
  return weight(b) > weight(a) ? b : a;
}

/** Long texts are rare, many alternatives are not. */
function weight(texts: readonly string[] | undefined): number {
  if (texts === undefined || texts.length === 0) return 0;
  const shortest = Math.min(...texts.map((t) => t.length));
  return shortest === 0 ? 0 : Math.min(shortest, 12) - (texts.length - 1) * 0.4;
}

/** Texts one of which every match begins with, longest known; undefined: not known. */
export function leadingTexts(tree: Node): readonly string[] | undefined {
  const texts = lead(tree).texts;
  return texts.some((t) => t === "") ? undefined : texts;
}

interface Lead {
  readonly texts: readonly string[];
  /** The texts are all there is, so that what follows may be appended. */
  readonly whole: boolean;
}

const stop: Lead = { texts: [""], whole: false };

function lead(node: Node): Lead {
  switch (node.kind) {
    case "set":
      return node.char === undefined ? stop : { texts: [node.char], whole: true };
    case "start":
    case "boundary":
      return { texts: [""], whole: true };
    case "end":
    case "backref":
      return stop;
    case "group":
      return node.look !== "" ? { texts: [""], whole: true } : lead(node.item);
    case "repeat": {
      const inner = lead(node.item);
      if (node.min === 0) {
        if (node.max !== 1 || !inner.whole) return stop;
        return cap({ texts: [...inner.texts, ""], whole: true });
      }
      return node.max === 1 ? inner : { texts: inner.texts, whole: false };
    }
    case "either": {
      const parts = node.items.map(lead);
      return cap({ texts: parts.flatMap((p) => p.texts), whole: parts.every((p) => p.whole) });
    }
    case "concat": {
      let known: Lead = { texts: [""], whole: true };
      for (const item of node.items) {
        if (!known.whole) break;
        if (item.kind === "set" && item.char !== undefined) {
          known = { texts: extended(known.texts, item.char), whole: true };
          continue;
        }
        const part = lead(item);
        const joined = cap({
          texts: known.texts.flatMap((h) => part.texts.map((t) => h + t)),
          whole: part.whole,
        });
        if (joined === stop) return { texts: known.texts, whole: false };
        known = joined;
      }
      return known;
    }
  }
}

const cap = (found: Lead): Lead => (found.texts.length > 24 ? stop : found);

// ------------------------------------------------------------------------------------------------------------ suspicion

const overlap = (a: CharSet, b: CharSet): boolean =>
  (a.beyond && b.beyond) || a.has.some((v, i) => v === 1 && b.has[i] === 1);
const union = (a: CharSet, b: CharSet): CharSet => ({
  has: a.has.map((v, i) => v | b.has[i]!),
  beyond: a.beyond || b.beyond,
});
const empty: CharSet = { has: new Uint8Array(256), beyond: false };

/**
 * Why an expression may take time that grows faster than the line, or undefined when no such shape is seen: an unbounded
 * repetition of something that itself repeats or has alternatives beginning alike, or unbounded repetitions of overlapping sets that
 * can take over each other's text. Errs on the side of suspicion; the analyser in tests/redos.test.ts is exact.
 */
export function suspiciousShape(tree: Node): string | undefined {
  const nested = nestedRepeat(tree);
  return nested ?? overlappingRun(tree);
}

function nestedRepeat(node: Node): string | undefined {
  if (node.kind === "repeat") {
    if (node.max > 20) {
      const inner = loose(node.item);
      if (inner !== undefined) return inner;
    }
    return nestedRepeat(node.item);
  }
  if (node.kind === "group") return nestedRepeat(node.item);
  if (node.kind === "concat" || node.kind === "either") {
    for (const item of node.items) {
      const found = nestedRepeat(item);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** Whether one turn of a repetition could be read in two ways. */
function loose(node: Node): string | undefined {
  const edges = firstAndLast(node);
  if (nullable(node)) return "a repetition of something that may be empty";
  const parts = node.kind === "group" ? node.item : node;
  if (parts.kind === "either") {
    for (const [i, a] of parts.items.entries()) {
      for (const b of parts.items.slice(i + 1)) {
        if (overlap(firstAndLast(a).first, firstAndLast(b).first))
          return "a repetition of alternatives that begin alike";
      }
    }
  }
  if (edges.varies && overlap(edges.first, edges.last))
    return "a repetition inside a repetition of the same characters";
  return undefined;
}

interface Edges {
  readonly first: CharSet;
  readonly last: CharSet;
  /** Ends in something of variable length. */
  readonly varies: boolean;
}

function firstAndLast(node: Node): Edges {
  switch (node.kind) {
    case "set":
      return { first: node.set, last: node.set, varies: false };
    case "repeat": {
      const inner = firstAndLast(node.item);
      return { ...inner, varies: inner.varies || node.max - node.min > 1 };
    }
    case "group":
      return node.look === "" ? firstAndLast(node.item) : { first: empty, last: empty, varies: false };
    case "either": {
      const parts = node.items.map(firstAndLast);
      return {
        first: parts.reduce((s, p) => union(s, p.first), empty),
        last: parts.reduce((s, p) => union(s, p.last), empty),
        varies: parts.some((p) => p.varies),
      };
    }
    case "concat": {
      let first = empty;
      for (const item of node.items) {
        first = union(first, firstAndLast(item).first);
        if (!nullable(item)) break;
      }
      let last = empty;
      let varies = false;
      for (const item of [...node.items].reverse()) {
        const edge = firstAndLast(item);
        last = union(last, edge.last);
        varies ||= edge.varies;
        if (!nullable(item)) break;
      }
      return { first, last, varies };
    }
    default:
      return { first: empty, last: empty, varies: false };
  }
}

function nullable(node: Node): boolean {
  switch (node.kind) {
    case "set":
      return false;
    case "repeat":
      return node.min === 0 || nullable(node.item);
    case "group":
      return node.look !== "" || nullable(node.item);
    case "either":
      return node.items.some(nullable);
    case "concat":
      return node.items.every(nullable);
    case "backref":
      return true;
    default:
      return true;
  }
}

/**
 * Two unbounded repetitions between which every char may belong to both: the text can be divided among them in as many ways as
 * it has chars. One char between them that the first cannot eat ends its reach.
 */
function overlappingRun(tree: Node): string | undefined {
  const flat = flatten(tree);
  for (const items of flat) {
    for (let i = 0; i < items.length; i++) {
      const a = items[i]!;
      if (a.kind !== "repeat" || a.max < 300) continue;
      const eats = firstAndLast(a.item).first;
      // What must stand between the two; once the second cannot eat one of these, its runs lie apart and add up to one line.
      const between: CharSet[] = [];
      for (let j = i + 1; j < items.length; j++) {
        const b = items[j]!;
        const first = firstAndLast(b.kind === "repeat" ? b.item : b).first;
        if (
          b.kind === "repeat" &&
          b.max >= 300 &&
          overlap(eats, first) &&
          between.every((set) => overlap(set, first))
        ) {
          // A failure behind the second is what makes both try everything.
          if (items.slice(j + 1).some((rest) => !nullable(rest) || rest.kind === "end")) {
            return `two repetitions that can eat each other's text: ${shown(a)} and ${shown(b)}`;
          }
        }
        if (nullable(b)) continue;
        if (!overlap(eats, first)) break;
        between.push(first);
      }
    }
  }
  return undefined;
}

const shown = (node: Node): string =>
  node.kind === "repeat" ? `${node.item.kind === "set" ? node.item.source : "(…)"}${node.source}` : "(…)";

/** The sequences of an expression with its groups opened; alternatives become sequences of their own, up to a bound. */
function flatten(node: Node): Node[][] {
  if (node.kind === "group") return node.look === "" ? flatten(node.item) : [[]];
  if (node.kind === "either") return node.items.flatMap(flatten).slice(0, 64);
  if (node.kind === "repeat" && node.max === 1) return [[], ...flatten(node.item)].slice(0, 64);
  if (node.kind === "concat") {
    let sequences: Node[][] = [[]];
    for (const item of node.items) {
      const tails = flatten(item);
      sequences = sequences.flatMap((head) => tails.map((tail) => [...head, ...tail])).slice(0, 256);
    }
    return sequences;
  }
  return [[node]];
}
