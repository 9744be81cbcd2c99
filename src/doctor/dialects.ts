// Syntax of other languages' expressions: valid or not in JavaScript's, it is not what was meant. PURE. Walks the text itself, for
// what is wrong with it is often that no parser of ours reads it.

import { tagNames } from "../core/pattern.ts";

export interface Oddity {
  readonly id: "F2B212" | "F2B213" | "F2B214" | "F2B215" | "F2B216" | "F2B217" | "F2B218" | "F2B224";
  readonly what: string;
}

const letters: Readonly<Record<string, string>> = {
  A: "write ^",
  Z: "write $",
  z: "write $",
  G: "there is nothing like it",
  h: "write [ \\t]",
  K: "there is nothing like it",
  R: "a record has no line ends",
  X: "there is nothing like it",
  Q: "escape single characters",
  E: "escape single characters",
};

/** Each kind once, in the order in which they are met. */
export function oddities(source: string): Oddity[] {
  const found = new Map<Oddity["id"], string>();
  const note = (id: Oddity["id"], what: string): void => {
    if (!found.has(id)) found.set(id, what);
  };
  const control = [...source].find((c) => c.charCodeAt(0) < 32 && c !== "\t" && c !== "\n");
  if (control !== undefined)
    note(
      "F2B224",
      `it holds the control character \\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
  for (let at = 0; at < source.length; at++) {
    const c = source[at]!;
    const rest = source.slice(at);
    if (c === "\\") {
      const letter = source[at + 1] ?? "";
      if (Object.hasOwn(letters, letter)) note("F2B212", `\\${letter} is a letter here: ${letters[letter]}`);
      at++;
      continue;
    }
    if (c === "[") {
      const first = /^\[(\^?)\]/.exec(rest);
      if (first !== null) note("F2B214", `${first[0]} begins a set with a bracket: write [${first[1]}\\]`);
      const posix = /^\[\^?[^\]]*\[:\w+:\]/.exec(rest);
      if (posix !== null) note("F2B217", `${posix[0]}] is a class of POSIX expressions`);
      at = endOfSet(source, at);
      continue;
    }
    if (c === "{" && /^\{,\d+\}/.test(rest))
      note("F2B213", `${/^\{,\d+\}/.exec(rest)?.[0]} has no lower bound`);
    if (c === "(") {
      const python = /^\(\?(?:P[<=>]|\(|#|>|[aiLmsux]+\))/.exec(rest);
      if (python !== null) note("F2B215", `${python[0]}… is not JavaScript`);
    }
    if (/^[*+?}]\+/.test(rest) && !/^\+\+?$/.test(source.slice(at - 1, at)))
      note("F2B215", "a repetition that gives nothing back (*+, ++, ?+) is not JavaScript");
    const interpolated = /^%\([\w/-]+\)s/.exec(rest);
    if (interpolated !== null) note("F2B216", `${interpolated[0]} is interpolation of ini files`);
    const tag = /^<\/?([A-Za-z][\w-]*)\/?>/.exec(rest);
    if (tag !== null && !/\(\?P?$|\\k$/.test(source.slice(0, at)) && isTagLike(tag[1]!))
      note("F2B218", `there is no tag ${tag[0]}`);
  }
  return [...found].map(([id, what]) => ({ id, what }));
}

/** Reads as a tag, and is none: `<IP>`, `<host>`, `<F-user>`. XML in a log (`<client>`) is no tag. */
function isTagLike(name: string): boolean {
  if (tagNames.includes(name) || /^F-[A-Z0-9_-]+$/.test(name)) return false;
  return (
    tagNames.includes(name.toUpperCase()) ||
    /^(?:f-.*|ip|ip-?addr(?:ess)?|address|hostname|ipv[46]|client-?ip)$/i.test(name)
  );
}

function endOfSet(source: string, at: number): number {
  // A bracket that stands first is a member where sets are written so.
  let i = at + 1;
  if (source[i] === "^") i++;
  if (source[i] === "]") i++;
  for (; i < source.length; i++) {
    if (source[i] === "\\") i++;
    else if (source.startsWith("[:", i)) {
      const end = source.indexOf(":]", i);
      if (end > 0) i = end + 1;
    } else if (source[i] === "]") return i;
  }
  return at;
}
