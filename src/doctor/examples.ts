// Texts that an expression matches, a few of them: one for each choice it offers at its outermost, with repetitions short and longer.
// PURE. For asking another expression what it says of them; whoever uses one tests it first, for look-arounds are passed over.

import type { Node } from "../core/regextree.ts";
import { treeOf } from "../core/sample.ts";

const most = 12;
const preferred = "ax1 -_./:@=[]'\"";

export function examplesOf(source: string): string[] {
  const tree = treeOf(source);
  return tree === undefined ? [] : [...new Set([...texts(tree, 0), ...texts(tree, 3)])];
}

/** `more`: how far above its least a repetition is taken. */
function texts(node: Node, more: number): string[] {
  switch (node.kind) {
    case "set": {
      if (node.char !== undefined) return [node.char];
      const one = [...preferred].find((c) => node.set.has[c.charCodeAt(0)] === 1);
      const code = node.set.has.indexOf(1);
      return one !== undefined ? [one] : code < 0 ? [] : [String.fromCharCode(code)];
    }
    case "concat":
      return node.items.reduce<string[]>(
        (heads, item) => {
          const tails = texts(item, more);
          return heads.flatMap((head) => tails.map((tail) => head + tail)).slice(0, most);
        },
        [""],
      );
    case "either":
      return node.items.flatMap((item) => texts(item, more)).slice(0, most);
    case "repeat": {
      const times = Math.min(node.max, node.min + more);
      return times === 0 ? [""] : texts(node.item, more).map((one) => one.repeat(times));
    }
    case "group":
      if (node.opening.startsWith("?<host>")) return ["192.0.2.1"];
      return node.look === "" ? texts(node.item, more) : [""];
    default:
      return [""];
  }
}
