// An expression in a form that the ReDoS analyser can judge in milliseconds and that backtracks like the original: what stands for an
// address is one bounded run, long bounds are short ones, look-arounds (which only reject) are gone, alternatives of bounded
// length are the chars they begin with.

import { type CharSet, type Node, parseRegex } from "../../src/core/regextree.ts";

const address =
  /\((?:\(\?:::\[fF\]\{4\}:\)\?)?\\d\{1,3\}(?:\\\.\\d\{1,3\}){3}\|.*?%\[\\w\.-\]\{1,20\}\)\?(?:\|\(\?=\[\\w\.-\]\{0,60\}\[A-Za-z_\]\)\\w\(\?:\[\\w\.-\]\{0,250\}\\w\)\?)?\)/g;

export function analysable(source: string): string {
  const plain = source
    .replaceAll("(?![^\\n])", "$")
    .replace(/\(\?:\\\[\(\?=\(\?:::.*?\)\?\)\)\?(?=\(|\(\?<)/g, "\\[?")
    .replace(address, "[\\dA-Fa-f.:]{2,3}");
  return emit(withoutTail(parseRegex(plain)));
}

/** "anything up to the end" cannot fail, so nothing before it is tried again because of it. */
function withoutTail(tree: Node): Node {
  if (tree.kind === "either") return { ...tree, items: tree.items.map(withoutTail) };
  if (tree.kind !== "concat" || tree.items.at(-1)?.kind !== "end") return tree;
  const rest = withoutAnything({ ...tree, items: tree.items.slice(0, -1) });
  return rest ?? tree;
}

/** The node without the ".*" in which every branch of it ends; undefined when one does not. */
function withoutAnything(node: Node): Node | undefined {
  if (node.kind === "repeat") {
    const any = node.item.kind === "set" && node.min === 0 && node.max === Number.POSITIVE_INFINITY;
    const all = node.item.kind === "set" && node.item.set.has.every((has, code) => has === 1 || code === 10);
    return any && all ? { kind: "concat", items: [] } : undefined;
  }
  if (node.kind === "group") {
    const item = node.look === "" ? withoutAnything(node.item) : undefined;
    return item === undefined ? undefined : { ...node, item };
  }
  if (node.kind === "either") {
    const items = node.items.map(withoutAnything);
    return items.every((item) => item !== undefined) ? { ...node, items } : undefined;
  }
  if (node.kind !== "concat") return undefined;
  const last = node.items.at(-1);
  const tail = last === undefined ? undefined : withoutAnything(last);
  return tail === undefined ? undefined : { ...node, items: [...node.items.slice(0, -1), tail] };
}

function emit(node: Node): string {
  switch (node.kind) {
    case "set":
      return node.char === undefined ? written(node.set) : node.source.length > 0 ? node.source : "x";
    case "concat":
      return shortened(node.items).map(emit).join("");
    case "either": {
      return node.items.every(isBounded)
        ? written(union(node.items.flatMap(firstSet)))
        : node.items.map(emit).join("|");
    }
    case "group":
      return node.look === "" ? `(?:${emit(node.item)})` : "";
    case "repeat": {
      if (node.max === Number.POSITIVE_INFINITY) return `${group(node.item)}${node.min === 0 ? "*" : "+"}`;
      if (node.max === 1) return `${group(node.item)}?`;
      return `${group(node.item)}{${Math.min(node.min, 1)},2}`;
    }
    case "start":
      return "^";
    case "end":
      return "$";
    case "boundary":
    case "backref":
      return "";
  }
}

/** Of a run of fixed chars the first and the last: what lies between neither branches nor repeats. */
function shortened(items: readonly Node[]): readonly Node[] {
  const fixed = (node: Node | undefined): boolean => node?.kind === "set" && node.char !== undefined;
  return items.filter((item, i) => !(fixed(items[i - 1]) && fixed(item) && fixed(items[i + 1])));
}

const group = (node: Node): string => (node.kind === "set" ? emit(node) : `(?:${emit(node)})`);

/** Without unbounded repetition. */
function isBounded(node: Node): boolean {
  if (node.kind === "repeat") return node.max < 20 && isBounded(node.item);
  if (node.kind === "group") return isBounded(node.item);
  if (node.kind === "concat" || node.kind === "either") return node.items.every(isBounded);
  return true;
}

function firstSet(node: Node): CharSet[] {
  if (node.kind === "set") return [node.set];
  if (node.kind === "group") return node.look === "" ? firstSet(node.item) : [];
  if (node.kind === "repeat") return firstSet(node.item);
  if (node.kind === "either") return node.items.flatMap(firstSet);
  if (node.kind !== "concat") return [];
  // What may be empty lets the next one begin.
  const needed = node.items.findIndex(
    (item) => item.kind === "set" || (item.kind === "repeat" && item.min > 0),
  );
  return node.items.slice(0, needed < 0 ? node.items.length : needed + 1).flatMap(firstSet);
}

const union = (sets: readonly CharSet[]): CharSet => ({
  has: Uint8Array.from({ length: 256 }, (_, c) => (sets.some((set) => set.has[c] === 1) ? 1 : 0)),
  beyond: sets.some((set) => set.beyond),
});

function written(set: CharSet): string {
  const code = (c: number): string => `\\x${c.toString(16).padStart(2, "0")}`;
  let text = "";
  for (let from = 0; from < 256; from++) {
    if (set.has[from] !== 1) continue;
    let to = from;
    while (to < 255 && set.has[to + 1] === 1) to++;
    text += from === to ? code(from) : `${code(from)}-${code(to)}`;
    from = to;
  }
  return text === "" ? "[^\\s\\S]" : `[${text}]`;
}
