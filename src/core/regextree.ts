// An expression as a tree: what pattern.ts needs in order to translate it, to know which texts a match must hold, and to see
// shapes that backtrack without bound. Only JavaScript's syntax without u and v flags; whether it is valid RegExp itself says.

/** Members of a character set, one flag for each of the 256 chars of a latin-1 view; chars beyond count as `beyond`. */
export interface CharSet {
  readonly has: Uint8Array;
  readonly beyond: boolean;
}

export type Node =
  | {
      readonly kind: "set";
      readonly set: CharSet;
      readonly char: string | undefined;
      readonly source: string;
    }
  | { readonly kind: "concat"; readonly items: readonly Node[] }
  | { readonly kind: "either"; readonly items: readonly Node[] }
  | {
      readonly kind: "repeat";
      readonly item: Node;
      readonly min: number;
      readonly max: number;
      readonly source: string;
    }
  | {
      readonly kind: "group";
      readonly item: Node;
      /** Number of the capture, 1-based; 0: no capture. */
      readonly capture: number;
      readonly look: "" | "ahead" | "not ahead" | "behind" | "not behind";
      /** What stands between "(" and the content, such as "?:" or "?<name>". */
      readonly opening: string;
      readonly ignoreCase: boolean;
    }
  | { readonly kind: "start" }
  | { readonly kind: "end" }
  | { readonly kind: "boundary"; readonly source: string }
  | { readonly kind: "backref"; readonly number: number; readonly name: string | undefined };

const none = (): Uint8Array => new Uint8Array(256);
const digits = fill((c) => c >= 48 && c <= 57);
const words = fill((c) => (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || c === 95 || (c >= 97 && c <= 122));
const blanks = fill((c) => (c >= 9 && c <= 13) || c === 32);

function fill(test: (code: number) => boolean): Uint8Array {
  const has = none();
  for (let c = 0; c < 256; c++) if (test(c)) has[c] = 1;
  return has;
}

const invert = (set: CharSet): CharSet => ({ has: set.has.map((v) => 1 - v), beyond: !set.beyond });

/** The set of an escape such as \d; \d \w \s are ASCII. */
export const escapes: Readonly<Record<string, CharSet>> = {
  d: { has: digits, beyond: false },
  D: invert({ has: digits, beyond: false }),
  w: { has: words, beyond: false },
  W: invert({ has: words, beyond: false }),
  s: { has: blanks, beyond: false },
  S: invert({ has: blanks, beyond: false }),
};

/** "." : any char but line feed. */
export const anyChar: CharSet = { has: fill((c) => c !== 10), beyond: true };

export function setOf(code: number): CharSet {
  const has = none();
  if (code < 256) has[code] = 1;
  return { has, beyond: code > 255 };
}

const plainChars = new Map<string, Node>();

/** One node for all places where the same char stands. */
function plainChar(char: string): Node {
  let node = plainChars.get(char);
  if (node === undefined) {
    node = { kind: "set", set: setOf(char.charCodeAt(0)), char, source: char };
    plainChars.set(char, node);
  }
  return node;
}

export class SyntaxFault extends Error {}

/** The tree of an expression's source; throws SyntaxFault with a sentence for people. */
export function parseRegex(source: string): Node {
  const parser = new Parser(source);
  const tree = parser.either(false);
  if (parser.at < source.length) throw new SyntaxFault(`unmatched ")" at character ${parser.at + 1}`);
  return tree;
}

class Parser {
  at = 0;
  captures = 0;
  constructor(readonly source: string) {}

  either(ignoreCase: boolean): Node {
    const items: Node[] = [this.concat(ignoreCase)];
    while (this.source[this.at] === "|") {
      this.at++;
      items.push(this.concat(ignoreCase));
    }
    return items.length === 1 ? items[0]! : { kind: "either", items };
  }

  concat(ignoreCase: boolean): Node {
    const items: Node[] = [];
    while (this.at < this.source.length && this.source[this.at] !== "|" && this.source[this.at] !== ")") {
      items.push(this.repeat(ignoreCase));
    }
    return items.length === 1 ? items[0]! : { kind: "concat", items };
  }

  repeat(ignoreCase: boolean): Node {
    const item = this.atom(ignoreCase);
    // Most chars are repeated by nothing, and this runs for each of some thousand at the start.
    if (!"*+?{".includes(this.source[this.at] ?? " ")) return item;
    const quantifier = /^(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})\??/.exec(this.source.slice(this.at, this.at + 24));
    if (quantifier === null) return item;
    this.at += quantifier[0].length;
    const sign = quantifier[0][0];
    let [min, max] = sign === "*" ? [0, Infinity] : sign === "+" ? [1, Infinity] : [0, 1];
    if (sign === "{") {
      min = Number(quantifier[1]);
      max = quantifier[2] === undefined ? min : quantifier[3] === "" ? Infinity : Number(quantifier[3]);
    }
    if (/[*+?]/.test(this.source[this.at] ?? "")) {
      throw new SyntaxFault(
        `nothing to repeat at character ${this.at + 1}: possessive quantifiers do not exist here`,
      );
    }
    return { kind: "repeat", item, min, max, source: quantifier[0] };
  }

  atom(ignoreCase: boolean): Node {
    const c = this.source[this.at]!;
    if (c === "(") return this.group(ignoreCase);
    if (c === "[") return this.set(ignoreCase);
    if (c === "\\") return this.escape(ignoreCase);
    this.at++;
    if (c === "^") return { kind: "start" };
    if (c === "$") return { kind: "end" };
    if (c === ".") return { kind: "set", set: anyChar, char: undefined, source: "." };
    if (c === "*" || c === "+" || c === "?")
      throw new SyntaxFault(`nothing to repeat at character ${this.at}`);
    return this.char(c, c, ignoreCase);
  }

  char(c: string, source: string, ignoreCase: boolean): Node {
    if (!ignoreCase && c === source) return plainChar(c);
    const set = setOf(c.charCodeAt(0));
    if (ignoreCase && c.toLowerCase() !== c.toUpperCase()) {
      for (const variant of [c.toLowerCase(), c.toUpperCase()]) {
        if (variant.length === 1 && variant.charCodeAt(0) < 256) set.has[variant.charCodeAt(0)] = 1;
      }
      return { kind: "set", set, char: undefined, source };
    }
    return { kind: "set", set, char: c, source };
  }

  group(outerCase: boolean): Node {
    const opening = /^\((\?(?:[:=!]|<[=!]|P?<([A-Za-z_]\w*)>|[imsx]*(?:-[imsx]+)?:))?/.exec(
      this.source.slice(this.at, this.at + 80),
    )!;
    const kind = opening[1] ?? "";
    if (kind === "" && this.source[this.at + 1] === "?") {
      throw new SyntaxFault(
        `"${this.source.slice(this.at, this.at + 4)}" at character ${this.at + 1} does not exist in these expressions`,
      );
    }
    this.at += opening[0].length;
    const captures = kind === "" || /^\?P?<[A-Za-z_]/.test(kind);
    const capture = captures ? ++this.captures : 0;
    let ignoreCase = outerCase;
    const flags = /^\?([imsx]*)(?:-([imsx]+))?:$/.exec(kind);
    if (flags !== null) {
      if (/[msx]/.test(kind)) throw new SyntaxFault(`only (?i:…) is known, not "(${kind}"`);
      if (flags[1]?.includes("i")) ignoreCase = true;
      if (flags[2]?.includes("i")) ignoreCase = false;
    }
    const item = this.either(ignoreCase);
    if (this.source[this.at] !== ")") throw new SyntaxFault('an opening "(" is not closed');
    this.at++;
    const look =
      kind === "?="
        ? "ahead"
        : kind === "?!"
          ? "not ahead"
          : kind === "?<="
            ? "behind"
            : kind === "?<!"
              ? "not behind"
              : "";
    return { kind: "group", item, capture, look, opening: kind.replace("?P<", "?<"), ignoreCase };
  }

  escape(ignoreCase: boolean): Node {
    const rest = this.source.slice(this.at, this.at + 40);
    const known =
      /^\\(?:([dDwWsS])|([bB])|k<(\w+)>|([1-9]\d?)|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|c([A-Za-z])|(0)|([tnrfv])|([AZzGpP])|([\s\S]))/.exec(
        rest,
      );
    if (known === null) throw new SyntaxFault("the expression ends in a backslash");
    this.at += known[0].length;
    const source = known[0];
    if (known[1] !== undefined) return { kind: "set", set: escapes[known[1]]!, char: undefined, source };
    if (known[2] !== undefined) return { kind: "boundary", source };
    if (known[3] !== undefined) return { kind: "backref", number: 0, name: known[3] };
    if (known[4] !== undefined) return { kind: "backref", number: Number(known[4]), name: undefined };
    if (known[10] !== undefined)
      throw new SyntaxFault(`\\${known[10]} does not exist in these expressions: use ^ and $`);
    return this.char(String.fromCharCode(escapedCode(known)), source, ignoreCase);
  }

  set(ignoreCase: boolean): Node {
    const from = this.at;
    this.at++;
    const negated = this.source[this.at] === "^";
    if (negated) this.at++;
    if (this.source[this.at] === "]") {
      throw new SyntaxFault('"[]" is empty and "[^]" is anything: write "\\]" for a bracket inside a set');
    }
    const has = none();
    let beyond = false;
    while (this.source[this.at] !== "]") {
      const low = this.member();
      if (typeof low === "number" && this.source[this.at] === "-" && this.source[this.at + 1] !== "]") {
        this.at++;
        const high = this.member();
        if (typeof high !== "number") throw new SyntaxFault("a range in a set ends in a class");
        for (let c = low; c <= Math.min(high, 255); c++) has[c] = 1;
        if (high > 255) beyond = true;
      } else if (typeof low === "number") {
        if (low < 256) has[low] = 1;
        else beyond = true;
      } else {
        for (let c = 0; c < 256; c++) if (low.has[c] === 1) has[c] = 1;
        beyond ||= low.beyond;
      }
    }
    this.at++;
    if (ignoreCase) {
      for (let c = 65; c <= 90; c++) {
        if (has[c] === 1 || has[c + 32] === 1) {
          has[c] = 1;
          has[c + 32] = 1;
        }
      }
    }
    const plain: CharSet = { has, beyond };
    const set = negated ? invert(plain) : plain;
    return { kind: "set", set, char: undefined, source: this.source.slice(from, this.at) };
  }

  member(): number | CharSet {
    const c = this.source[this.at];
    if (c === undefined) throw new SyntaxFault('an opening "[" is not closed');
    if (c !== "\\") {
      this.at++;
      return c.charCodeAt(0);
    }
    const known =
      /^\\(?:([dDwWsS])|(b)|(_)|(_)|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|c([A-Za-z])|(0)|([tnrfv])|(_)|([\s\S]))/.exec(
        this.source.slice(this.at, this.at + 8),
      );
    if (known === null) throw new SyntaxFault("the expression ends in a backslash");
    this.at += known[0].length;
    if (known[1] !== undefined) return escapes[known[1]]!;
    if (known[2] !== undefined) return 8;
    return escapedCode(known);
  }
}

/** Groups 5 to 11 of the two escape expressions above: hexadecimal, unicode, control, NUL, letter, the char itself. */
function escapedCode(known: RegExpExecArray): number {
  const hex = known[5] ?? known[6];
  if (hex !== undefined) return Number.parseInt(hex, 16);
  if (known[7] !== undefined) return known[7].charCodeAt(0) & 31;
  if (known[8] !== undefined) return 0;
  if (known[9] !== undefined) return { t: 9, n: 10, r: 13, f: 12, v: 11 }[known[9]] ?? 0;
  return known[0].charCodeAt(1);
}
