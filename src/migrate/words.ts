// The small notations inside fail2ban's values: `name[key=value, …]`, lists of actions, booleans, shell-like words.

/** What stands in `filter = name[…]` or as one entry of `action = …`. */
export interface Reference {
  readonly name: string;
  readonly args: ReadonlyMap<string, string>;
  /** The entry as written. */
  readonly text: string;
  /** Set when brackets or quotes do not close. */
  readonly broken: boolean;
  /** Which line of the value it began on, from 0. */
  readonly line: number;
}

/** Splits a list of references at blanks and line ends outside brackets. */
export function references(text: string): Reference[] {
  const out: Reference[] = [];
  let i = 0;
  let line = 0;
  while (i < text.length) {
    if (/\s/.test(text[i]!)) {
      if (text[i] === "\n") line++;
      i++;
      continue;
    }
    const start = i;
    const startLine = line;
    while (i < text.length && !/[\s[]/.test(text[i]!)) i++;
    const name = text.slice(start, i);
    const args = new Map<string, string>();
    let broken = false;
    while (text[i] === "[") {
      const end = bracketEnd(text, i);
      broken ||= end === undefined;
      const inside = text.slice(i + 1, end ?? text.length);
      for (const [key, value] of pairs(inside)) args.set(key, value);
      line += inside.split("\n").length - 1;
      i = end === undefined ? text.length : end + 1;
    }
    out.push({ name, args, text: text.slice(start, i), broken, line: startLine });
    // Something glued to a closing bracket would otherwise never end.
    if (i === start) i++;
  }
  return out;
}

/** Index of the `]` that closes the `[` at `open`, quotes respected. */
function bracketEnd(text: string, open: number): number | undefined {
  let quote = "";
  for (let i = open + 1; i < text.length; i++) {
    const c = text[i]!;
    if (quote !== "") {
      if (c === quote) quote = "";
    } else if ((c === '"' || c === "'") && /[=\s]$/.test(text.slice(open, i))) quote = c;
    else if (c === "]") return i;
  }
  return undefined;
}

function pairs(text: string): [string, string][] {
  const out: [string, string][] = [];
  const pair = /\s*([^\s=,]+(?:\?\w+=\w+)?)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^,]*))\s*,?/gy;
  for (let found = pair.exec(text); found !== null; found = pair.exec(text)) {
    out.push([found[1]!, found[2] ?? found[3] ?? (found[4] ?? "").trim()]);
    if (pair.lastIndex >= text.length) break;
  }
  return out;
}

/** fail2ban: 1, on, true, yes are true; anything else is false. */
export function isTrue(text: string): boolean {
  return /^(?:1|on|true|yes)$/i.test(text.trim());
}

/** Words as a POSIX shell would split them, without expansion; undefined when a quote does not close. */
export function shellWords(text: string): string[] | undefined {
  const out: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (/\s/.test(c)) {
      if (word !== undefined) out.push(word);
      word = undefined;
    } else if (c === "'") {
      const end = text.indexOf("'", i + 1);
      if (end < 0) return undefined;
      word = (word ?? "") + text.slice(i + 1, end);
      i = end;
    } else if (c === '"') {
      word ??= "";
      for (i++; text[i] !== '"'; i++) {
        if (i >= text.length) return undefined;
        if (text[i] === "\\" && /["\\$`]/.test(text[i + 1] ?? "")) i++;
        word += text[i];
      }
    } else if (c === "\\") {
      i++;
      word = (word ?? "") + (text[i] ?? "");
    } else word = (word ?? "") + c;
  }
  if (word !== undefined) out.push(word);
  return out;
}

/** The lines of a value that say something. */
export function fullLines<T extends { readonly text: string }>(lines: readonly T[]): T[] {
  return lines.filter((line) => line.text.trim() !== "");
}
