// Text for people. Log lines, user names and host names are an attacker's: whatever shows them on a terminal, in a log or in
// markup passes through here first.

// Controls, format characters (bidi, zero width, tags), lone surrogates, line and paragraph separators, invisible fillers.
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u115F\u1160\u3164\uFFA0]|\u034F|\u17B4|\u17B5/gu;

const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(character: string): string {
  const known = named[character];
  if (known) return known;
  const code = character.codePointAt(0)!;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\u{${code.toString(16)}}`;
}

/**
 * The text with everything that a terminal would obey or hide written out: ESC becomes `\x1b`, U+202E `\u202e`, a line feed
 * `\n`. One line in, one line out. Backslashes stay as they are: this is for reading, not for parsing back.
 */
export function visible(text: string): string {
  return text.replace(unseen, escaped);
}

/** `visible`, at most `cap` UTF-16 units long; what is cut off is marked by "…". */
export function visibleLine(text: string, cap = 400): string {
  const shown = visible(text.length > cap ? text.slice(0, cap) : text);
  if (text.length <= cap && shown.length <= cap) return shown;
  const cut = shown.slice(0, Math.max(0, cap - 1));
  // Half of a surrogate pair must not be left behind.
  return `${/[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}

/**
 * A copy that does not keep the text it was cut from alive: JavaScriptCore lets a substring share its parent's memory, and the
 * parent of a key or a kept line is a whole chunk of a log. (Measured: 3,000 kept lines hold 200 MB of chunks, copies 1 MB.)
 */
export function detached(text: string): string {
  if (text.length < 2) return text;
  const copy = text.charAt(0) + text.slice(1);
  // A concatenation is a rope over both parts until someone looks into it; looking is what makes the copy.
  return copy.charCodeAt(copy.length - 1) === text.charCodeAt(text.length - 1) ? copy : text;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** "1 ban", "2 bans", "0 addresses", "3 entries"; irregular ones are given as `many`. */
export function plural(n: number, word: string, many?: string): string {
  if (n === 1) return `1 ${word}`;
  if (many) return `${n} ${many}`;
  if (/(?:s|x|z|ch|sh)$/.test(word)) return `${n} ${word}es`;
  return /[^aeiou]y$/.test(word) ? `${n} ${word.slice(0, -1)}ies` : `${n} ${word}s`;
}

const letters = (word: string): string => word.toLowerCase().replace(/[-_. ]/g, "");

/** "Did you mean": the nearest candidate within a third of the word's letters, or nothing. Case and "-_." do not matter. */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > 64) return undefined;
  const wanted = letters(word);
  let best: string | undefined;
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const plain = letters(candidate);
    if (candidate.length > 64 || Math.abs(plain.length - wanted.length) >= least) continue;
    const distance = editDistance(wanted, plain);
    // A candidate that shares nothing is no suggestion, however short the words are.
    if (distance < least && distance < Math.max(plain.length, wanted.length)) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, before[j - 2]! + 1);
      row.push(cost);
    }
    before = above;
    above = row;
  }
  return above[b.length]!;
}

const colours = /\x1b\[[\d;]*m/g;
const wide =
  /[\u1100-\u115F\u2E80-\u303E\u3041-\u33FF\u3400-\u4DBF\u4E00-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1F300}-\u{1FAFF}\u{20000}-\u{3FFFD}]/u;

/** Columns the text takes on a terminal; colours take none, East Asian and emoji two. */
export function displayWidth(text: string): number {
  const plain = text.includes("\x1b") ? text.replace(colours, "") : text;
  if (/^[\x20-\x7e]*$/.test(plain)) return plain.length;
  let width = 0;
  for (const character of plain) width += /\p{M}/u.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return width;
}

export interface TableOptions {
  /** Lines are cut to so many columns. */
  readonly width?: number;
  /** Cells may hold colours of our own (SGR sequences); everything else unseen is still written out. */
  readonly ansi?: boolean;
  /** Indexes of columns set flush right. */
  readonly right?: readonly number[];
}

/** Aligned columns, two blanks apart, no blanks at line ends, joined by line feeds without a last one. Cells are made visible. */
export function table(rows: readonly (readonly string[])[], options: TableOptions = {}): string {
  const cells = rows.map((row) =>
    row.map((cell) => (options.ansi ? visibleKeepingColours(cell) : visible(cell))),
  );
  const widths: number[] = [];
  for (const row of cells)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, displayWidth(cell));
    });
  return cells
    .map((row) => {
      const line = row
        .map((cell, i) => {
          const blanks = " ".repeat(widths[i]! - displayWidth(cell));
          return options.right?.includes(i) ? blanks + cell : cell + blanks;
        })
        .join("  ")
        .trimEnd();
      return options.width === undefined ? line : cutColumns(line, options.width);
    })
    .join("\n");
}

function visibleKeepingColours(text: string): string {
  const kept = text.match(colours);
  if (!kept) return visible(text);
  return text
    .split(colours)
    .map((piece, i) => visible(piece) + (kept[i] ?? ""))
    .join("");
}

/** Cuts to `width` columns, marking the cut by "…"; colours survive and are switched off at the end. */
function cutColumns(line: string, width: number): string {
  if (width < 1 || displayWidth(line) <= width) return line;
  let used = 0;
  let result = "";
  for (const piece of line.split(/(\x1b\[[\d;]*m)/)) {
    if (piece.startsWith("\x1b")) {
      result += piece;
      continue;
    }
    for (const character of piece) {
      const columns = displayWidth(character);
      if (used + columns > width - 1) return `${result}…${line.includes("\x1b") ? "\x1b[0m" : ""}`;
      used += columns;
      result += character;
    }
  }
  return result;
}
