// Where in a TOML text a key or a value stands. smol-toml tells positions for syntax mistakes only; everything judged after
// parsing (unknown keys, wrong types, expressions) needs this. A scanner, not a parser: it never fails, and on text that is not
// TOML it knows less.

export type Path = readonly (string | number)[];
export type Which = "key" | "value";

export interface Spot {
  /** 1-based; columns count UTF-16 units, as editors do. */
  readonly line: number;
  readonly column: number;
}

/**
 * The place of the key (resp. value) that `path` leads to; of the nearest enclosing table or key when that path itself is not
 * written down; line 1, column 1 for an empty text. Array elements are numbers in the path; a table's key and value is its header.
 */
export function locate(text: string, path: Path, which: Which): Spot {
  const index = indexed(text);
  for (let length = path.length; length > 0; length--) {
    const entry = index.get(pathKey(path.slice(0, length)));
    if (entry !== undefined) {
      // Below a path that is not written, the key of what encloses it says more than the start of its value; but a single value
      // may stand for a list of one.
      const exact = length === path.length || typeof path[length] === "number";
      return spotAt(text, which === "value" && exact ? entry.value : entry.key);
    }
  }
  return { line: 1, column: 1 };
}

/** True when exactly this path is written in the text. */
export function written(text: string, path: Path): boolean {
  return indexed(text).has(pathKey(path));
}

/** Line and column of an offset. */
export function spotAt(text: string, offset: number): Spot {
  let line = 1;
  let start = 0;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) {
    line++;
    start = at + 1;
  }
  return { line, column: offset - start + 1 };
}

interface Entry {
  readonly key: number;
  value: number;
}
type Index = Map<string, Entry>;

const pathKey = (path: Path): string => path.map((part) => JSON.stringify(part)).join("\u0000");

// Questions come in runs about the same few files; a text is scanned once.
const recent = new Map<string, Index>();

function indexed(text: string): Index {
  const known = recent.get(text);
  if (known !== undefined) return known;
  const index = scan(text);
  if (recent.size >= 8) recent.delete(recent.keys().next().value!);
  recent.set(text, index);
  return index;
}

// Deeper nesting is refused by load.ts anyway.
const deepest = 64;

function scan(text: string): Index {
  const index: Index = new Map();
  /** Paths of arrays of tables with how many elements were opened. */
  const counts = new Map<string, number>();
  let at = text.startsWith("\uFEFF") ? 1 : 0;
  let table: (string | number)[] = [];

  const note = (path: Path, key: number, value: number): void => {
    const name = pathKey(path);
    if (!index.has(name)) index.set(name, { key, value });
  };

  const blanks = (): void => {
    while (text[at] === " " || text[at] === "\t") at++;
  };
  const restOfLine = (): void => {
    const end = text.indexOf("\n", at);
    at = end < 0 ? text.length : end + 1;
  };
  /** Blanks, line ends and comments, as between the elements of an array. */
  const gap = (): void => {
    for (;;) {
      const c = text[at];
      if (c === " " || c === "\t" || c === "\n" || c === "\r") at++;
      else if (c === "#") restOfLine();
      else return;
    }
  };

  /** "a.b.'c d'" → its parts with their offsets; stops at what cannot belong to a key. */
  const key = (): { name: string; offset: number }[] => {
    const parts: { name: string; offset: number }[] = [];
    for (;;) {
      blanks();
      const offset = at;
      const c = text[at];
      if (c === '"' || c === "'") {
        const raw = string();
        parts.push({ name: c === '"' ? unescaped(raw) : raw, offset });
      } else {
        while (at < text.length && /[A-Za-z0-9_-]/.test(text[at]!)) at++;
        if (at === offset) return parts;
        parts.push({ name: text.slice(offset, at), offset });
      }
      blanks();
      if (text[at] !== ".") return parts;
      at++;
    }
  };

  /** Steps over a string of any of the four kinds; returns what stands between its quotes. */
  const string = (): string => {
    const quote = text[at]!;
    const long = text.startsWith(quote.repeat(3), at);
    const open = long ? 3 : 1;
    const start = at + open;
    at = start;
    for (; at < text.length; at++) {
      const c = text[at]!;
      if (c === "\\" && quote === '"') at++;
      else if (!long && c === "\n") return text.slice(start, at);
      else if (c === quote && (!long || text.startsWith(quote.repeat(3), at))) {
        // Up to two quotes may stand right before the closing three.
        if (long) while (text[at + 3] === quote) at++;
        const inside = text.slice(start, at);
        at += open;
        return inside;
      }
    }
    return text.slice(start);
  };

  const value = (path: Path, depth: number): void => {
    const c = text[at];
    if (c === '"' || c === "'") {
      string();
    } else if (c === "[" && depth < deepest) {
      at++;
      for (let n = 0; ; n++) {
        gap();
        if (at >= text.length) return;
        if (text[at] === "]") {
          at++;
          return;
        }
        const start = at;
        note([...path, n], at, at);
        value([...path, n], depth + 1);
        gap();
        if (text[at] === ",") at++;
        else if (text[at] !== "]" && at === start) return;
      }
    } else if (c === "{" && depth < deepest) {
      at++;
      for (;;) {
        gap();
        if (at >= text.length) return;
        if (text[at] === "}") {
          at++;
          return;
        }
        const start = at;
        pair(path, depth + 1);
        gap();
        if (text[at] === ",") at++;
        else if (text[at] !== "}" && at === start) return;
      }
    } else {
      while (at < text.length && !/[,\]}#\n\r]/.test(text[at]!)) at++;
    }
  };

  const pair = (base: Path, depth: number): void => {
    const parts = key();
    const path = [...base, ...parts.map((part) => part.name)];
    blanks();
    if (parts.length === 0 || text[at] !== "=") return;
    at++;
    blanks();
    parts.forEach((part, n) => {
      const last = n === parts.length - 1;
      note(path.slice(0, base.length + n + 1), part.offset, last ? at : part.offset);
    });
    value(path, depth);
  };

  const header = (): void => {
    const open = at;
    const many = text.startsWith("[[", at);
    at += many ? 2 : 1;
    const parts = key();
    const path: (string | number)[] = [];
    parts.forEach((part, n) => {
      path.push(part.name);
      note(path, part.offset, open);
      const name = pathKey(path);
      const count = counts.get(name);
      if (many && n === parts.length - 1) {
        counts.set(name, (count ?? 0) + 1);
        path.push(count ?? 0);
        note(path, part.offset, open);
      } else if (count !== undefined) path.push(count - 1);
    });
    table = path;
    restOfLine();
  };

  while (at < text.length) {
    gap();
    if (at >= text.length) break;
    if (text[at] === "[") {
      header();
      continue;
    }
    const start = at;
    pair(table, 0);
    blanks();
    // What is left of the line is a comment, or no TOML.
    if (at < text.length && text[at] !== "\n" && text[at] !== "\r") restOfLine();
    if (at === start) at++;
  }
  return index;
}

function unescaped(raw: string): string {
  try {
    return JSON.parse(
      `"${raw.replace(/\\U([0-9A-Fa-f]{8})/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))}"`,
    );
  } catch {
    return raw;
  }
}
