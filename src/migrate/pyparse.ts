// Python's expression syntax as a tree, with fail2ban's tags as atoms. Only what Python accepts is accepted: where it would refuse
// or warn, so does this parser, with a reason. Translation is pyregex.ts' business.

/** A set of code points in a class, or one of the short classes. */
export type ClassItem =
  | { readonly kind: "range"; readonly from: number; readonly to: number }
  | { readonly kind: "short"; readonly letter: ShortClass };

export type ShortClass = "d" | "D" | "w" | "W" | "s" | "S";

export type Node =
  | { readonly kind: "char"; readonly code: number }
  | { readonly kind: "dot" }
  | { readonly kind: "short"; readonly letter: ShortClass }
  | { readonly kind: "class"; readonly negated: boolean; readonly items: readonly ClassItem[] }
  | { readonly kind: "anchor"; readonly which: "^" | "$" | "A" | "Z" | "b" | "B" }
  | { readonly kind: "seq"; readonly items: readonly Node[] }
  | { readonly kind: "alt"; readonly branches: readonly Node[] }
  | {
      readonly kind: "repeat";
      readonly item: Node;
      readonly min: number;
      readonly max: number;
      readonly how: "greedy" | "lazy" | "possessive";
    }
  /** A capture; `name` is the one it is known by (its number, if it has no name). */
  | { readonly kind: "capture"; readonly name: string; readonly item: Node }
  | { readonly kind: "look"; readonly behind: boolean; readonly negative: boolean; readonly item: Node }
  | { readonly kind: "atomic"; readonly item: Node }
  | { readonly kind: "flags"; readonly on: string; readonly off: string; readonly item: Node }
  | { readonly kind: "conditional"; readonly name: string; readonly yes: Node; readonly no: Node }
  | { readonly kind: "back"; readonly name: string }
  /** <HOST>, <ADDR>, <F-PORT/> … */
  | { readonly kind: "tag"; readonly text: string }
  /** <F-USER> … </F-USER>; `name` is "F-USER", group name as fail2ban makes it in `group`. */
  | { readonly kind: "tagged"; readonly name: string; readonly item: Node };

export class PatternError extends Error {
  constructor(
    readonly reason: string,
    readonly fix: string,
    readonly position: number,
  ) {
    super(reason);
  }
}

export interface Parsed {
  readonly root: Node;
  /** Flags of the whole expression, lower case. */
  readonly flags: string;
  /** Things that are worth telling although they were understood. */
  readonly notes: readonly string[];
}

const hostTags = new Set(["HOST", "ADDR", "IP4", "IP6", "SUBNET", "CIDR", "DNS", "SKIPLINES"]);

/** Throws PatternError. */
export function parsePython(source: string): Parsed {
  return new Parser(source).run();
}

class Parser {
  private at = 0;
  private groups = 0;
  private readonly names = new Map<string, number>();
  private globalFlags = "";
  private verbose = false;
  private readonly notes: string[] = [];

  constructor(private readonly source: string) {}

  run(): Parsed {
    // Global flags at the very start hold for everything, verbose mode included.
    for (
      let found = this.match(/\(\?([aiLmsux]+)\)/y);
      found !== null;
      found = this.match(/\(\?([aiLmsux]+)\)/y)
    ) {
      this.globalFlags += found[1]!;
    }
    this.verbose = this.globalFlags.includes("x");
    const root = this.alternatives(undefined);
    if (this.at < this.source.length)
      throw this.error("there is a ) without its (", "remove it or write \\)");
    return { root, flags: this.globalFlags, notes: this.notes };
  }

  private error(reason: string, fix: string, position = this.at): PatternError {
    return new PatternError(reason, fix, position);
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.source);
    if (found !== null) this.at += found[0].length;
    return found;
  }

  private eat(text: string): boolean {
    if (!this.source.startsWith(text, this.at)) return false;
    this.at += text.length;
    return true;
  }

  /** Reads to the end, to an unmatched ")" or to `</F-X>` of the tag that is open. */
  private alternatives(tag: string | undefined): Node {
    const branches: Node[] = [];
    do branches.push(this.sequence(tag));
    while (this.eat("|"));
    return branches.length === 1 ? branches[0]! : { kind: "alt", branches };
  }

  private sequence(tag: string | undefined): Node {
    const items: Node[] = [];
    while (this.at < this.source.length) {
      const c = this.source[this.at]!;
      if (c === "|" || c === ")") break;
      if (tag !== undefined && this.source.startsWith(`</${tag}>`, this.at)) break;
      if (this.verbose) {
        if (this.match(/\s+/y) !== null || this.match(/#[^\n]*/y) !== null) continue;
      }
      const item = this.atom();
      if (item === undefined) continue;
      items.push(this.quantified(item));
    }
    return items.length === 1 ? items[0]! : { kind: "seq", items };
  }

  private quantified(item: Node): Node {
    if (this.verbose) this.match(/(?:\s+|#[^\n]*)+/y);
    const start = this.at;
    let min: number;
    let max: number;
    if (this.eat("*")) [min, max] = [0, Number.POSITIVE_INFINITY];
    else if (this.eat("+")) [min, max] = [1, Number.POSITIVE_INFINITY];
    else if (this.eat("?")) [min, max] = [0, 1];
    else {
      const counted = this.match(/\{(\d*)(,?)(\d*)\}/y);
      if (counted === null) return item;
      const [, low, comma, high] = counted;
      if (low === "" && comma === "") {
        this.at = start;
        return item;
      }
      min = low === "" ? 0 : Number(low);
      max = comma === "" ? min : high === "" ? Number.POSITIVE_INFINITY : Number(high);
      if (max < min)
        throw this.error("a repeat's upper limit is below its lower one", "swap the numbers", start);
    }
    if (item.kind === "anchor") {
      if (item.which !== "b" && item.which !== "B")
        throw this.error("an anchor cannot be repeated", "remove the repeat", start);
    }
    const how = this.eat("?") ? "lazy" : this.eat("+") ? "possessive" : "greedy";
    if (/[*+?]/.test(this.source[this.at] ?? "") || this.peekCount()) {
      throw this.error("two repeats follow one another", "group what is to be repeated: (?:…)+");
    }
    return { kind: "repeat", item, min, max, how };
  }

  private peekCount(): boolean {
    const pattern = /\{(?:\d+(?:,\d*)?|,\d*)\}/y;
    pattern.lastIndex = this.at;
    return pattern.test(this.source);
  }

  private atom(): Node | undefined {
    const start = this.at;
    const c = this.source[this.at]!;
    switch (c) {
      case "^":
      case "$":
        this.at++;
        return { kind: "anchor", which: c };
      case ".":
        this.at++;
        return { kind: "dot" };
      case "[":
        return this.characterClass();
      case "(":
        return this.group();
      case "\\":
        return this.escape();
      case "*":
      case "+":
      case "?":
        throw this.error("there is nothing to repeat", `write \\${c} for the character`);
      case "<": {
        const tag = this.tag();
        if (tag !== undefined) return tag;
        break;
      }
    }
    const code = this.source.codePointAt(start)!;
    this.at += code > 0xffff ? 2 : 1;
    return { kind: "char", code };
  }

  private tag(): Node | undefined {
    const plain = /<([A-Z0-9]+)>/y;
    plain.lastIndex = this.at;
    const host = plain.exec(this.source);
    if (host !== null && hostTags.has(host[1]!)) {
      this.at += host[0].length;
      return { kind: "tag", text: host[0] };
    }
    const closed = this.match(/<F-([A-Z0-9_-]+)\/>/y);
    if (closed !== null) {
      this.register(groupNameOf(`F-${closed[1]}`));
      return { kind: "tag", text: closed[0] };
    }
    const open = this.match(/<(F-[A-Z0-9_-]+)>/y);
    if (open !== null) {
      const name = open[1]!;
      this.register(groupNameOf(name));
      const item = this.alternatives(name);
      if (!this.eat(`</${name}>`))
        throw this.error(`<${name}> is not closed`, `write </${name}> where it ends`);
      return { kind: "tagged", name, item };
    }
    const stray = /<\/F-[A-Z0-9_-]+>/y;
    stray.lastIndex = this.at;
    if (stray.test(this.source))
      throw this.error("a tag is closed that was not opened here", "move or remove it");
    return undefined;
  }

  private register(name: string): string {
    if (this.names.has(name))
      throw this.error(`the group name "${name}" stands twice`, "give one of them another name");
    this.groups++;
    this.names.set(name, this.groups);
    return name;
  }

  private group(): Node | undefined {
    const start = this.at;
    this.at++;
    if (!this.eat("?")) {
      // `((?i)x)`: fail2ban itself makes `((?i:x))` of it.
      const name = String(++this.groups);
      return this.close({ kind: "capture", name, item: this.body() }, start);
    }
    if (this.eat("#")) {
      const end = this.source.indexOf(")", this.at);
      if (end < 0) throw this.error("the comment (?# is not closed", "write ) where it ends", start);
      this.at = end + 1;
      return undefined;
    }
    if (this.eat("P<")) {
      const name = this.match(/([A-Za-z_]\w*)>/y)?.[1];
      if (name === undefined)
        throw this.error("a group's name is not a name", "use letters, digits and _", start);
      this.register(name);
      return this.close({ kind: "capture", name, item: this.body() }, start);
    }
    if (this.eat("P=")) {
      const name = this.match(/([A-Za-z_]\w*)\)/y)?.[1];
      if (name === undefined) throw this.error("a reference's name is not a name", "write (?P=NAME)", start);
      return this.back(name, start);
    }
    if (this.eat(":")) return this.close(this.body(), start);
    if (this.eat("="))
      return this.close({ kind: "look", behind: false, negative: false, item: this.body() }, start);
    if (this.eat("!"))
      return this.close({ kind: "look", behind: false, negative: true, item: this.body() }, start);
    if (this.eat("<="))
      return this.close({ kind: "look", behind: true, negative: false, item: this.body() }, start);
    if (this.eat("<!"))
      return this.close({ kind: "look", behind: true, negative: true, item: this.body() }, start);
    if (this.eat(">")) return this.close({ kind: "atomic", item: this.body() }, start);
    if (this.eat("(")) return this.conditional(start);
    const flags = this.match(/([aiLmsux]*)(?:-([imsx]+))?([:)])/y);
    if (flags === null) {
      throw this.error(
        `Python knows no group that begins with ${this.source.slice(start, start + 4)}`,
        "rewrite the group",
        start,
      );
    }
    const [, on, off, end] = flags;
    if (end === ":") {
      const before = this.verbose;
      if (on!.includes("x")) this.verbose = true;
      if (off?.includes("x")) this.verbose = false;
      const item = this.body();
      this.verbose = before;
      return this.close({ kind: "flags", on: on!, off: off ?? "", item }, start);
    }
    const beginsGroup = /\((?:\?:|\?P<\w+>)?$/.test(this.source.slice(0, start));
    if (beginsGroup) return { kind: "flags", on: on!, off: "", item: this.rest() };
    this.globalFlags += on!;
    this.notes.push(
      `(?${on}) stands in mid-expression, which newer Pythons refuse; it is taken for the whole expression`,
    );
    return undefined;
  }

  /** The rest of the group that is open, as one node. */
  private rest(): Node {
    return this.alternatives(undefined);
  }

  private body(): Node {
    return this.alternatives(undefined);
  }

  private close(node: Node, start: number): Node {
    if (!this.eat(")")) throw this.error("a ( is not closed", "write ) where the group ends", start);
    return node;
  }

  private conditional(start: number): Node {
    const reference = this.match(/(\w+)\)/y)?.[1];
    if (reference === undefined) throw this.error("a condition names no group", "write (?(NAME)…|…)", start);
    const name = this.resolve(reference, start);
    const yes = this.sequence(undefined);
    const no: Node = this.eat("|") ? this.sequence(undefined) : { kind: "seq", items: [] };
    if (this.source[this.at] === "|")
      throw this.error("a condition has more than two branches", "group them: (?:…|…)", start);
    return this.close({ kind: "conditional", name, yes, no }, start);
  }

  /** A number becomes the name of the group with that number. */
  private resolve(reference: string, start: number): string {
    if (!/^\d+$/.test(reference)) {
      if (!this.names.has(reference))
        throw this.error(`there is no group "${reference}" before it`, "correct the name", start);
      return reference;
    }
    const number = Number(reference);
    if (number < 1 || number > this.groups)
      throw this.error(`there is no group ${reference}`, "correct the number", start);
    for (const [name, index] of this.names) if (index === number) return name;
    return reference;
  }

  private back(reference: string, start: number): Node {
    return { kind: "back", name: this.resolve(reference, start) };
  }

  private escape(): Node {
    const start = this.at;
    this.at++;
    const c = this.source[this.at];
    if (c === undefined)
      throw this.error("the expression ends in a single \\", "write \\\\ for a backslash", start);
    if (/[dDwWsS]/.test(c)) {
      this.at++;
      return { kind: "short", letter: c as ShortClass };
    }
    if (c === "A" || c === "Z" || c === "b" || c === "B") {
      this.at++;
      return { kind: "anchor", which: c };
    }
    if (/[1-9]/.test(c)) {
      const octal = this.match(/[0-3][0-7]{2}/y);
      if (octal !== null) return { kind: "char", code: Number.parseInt(octal[0], 8) };
      return this.back(this.match(/\d{1,2}/y)![0], start);
    }
    return { kind: "char", code: this.escapedCode(start) };
  }

  /** The character an escape stands for; `at` is behind the backslash. */
  private escapedCode(start: number): number {
    const octal = this.match(/0[0-7]{0,2}/y);
    if (octal !== null) return Number.parseInt(octal[0], 8);
    const hex = this.match(/x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})/y);
    if (hex !== null) return Number.parseInt(hex[1] ?? hex[2] ?? hex[3]!, 16);
    const named = this.match(/N\{([^}]*)\}/y);
    if (named !== null) {
      const code = unicodeNames[named[1]!.toUpperCase()];
      if (code !== undefined) return code;
      throw this.error(
        `\\N{${named[1]}}: characters by name are not known here`,
        "write the character itself or \\uXXXX",
        start,
      );
    }
    const c = this.source[this.at]!;
    const control: Record<string, number> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
    if (control[c] !== undefined) {
      this.at++;
      return control[c]!;
    }
    if (/[A-Za-z0-9]/.test(c)) {
      throw this.error(`\\${c} means nothing in Python`, `write ${c} if the letter is meant`, start);
    }
    const code = this.source.codePointAt(this.at)!;
    this.at += code > 0xffff ? 2 : 1;
    return code;
  }

  private characterClass(): Node {
    const start = this.at;
    this.at++;
    const negated = this.eat("^");
    const items: ClassItem[] = [];
    let first = true;
    for (;;) {
      if (this.at >= this.source.length)
        throw this.error("a [ is not closed", "write ] where the class ends, \\[ for the character", start);
      if (!first && this.eat("]")) break;
      first = false;
      const from = this.classItem();
      if (
        this.source[this.at] === "-" &&
        this.at + 1 < this.source.length &&
        this.source[this.at + 1] !== "]"
      ) {
        if (from.kind !== "range")
          throw this.error("a range begins in a class such as \\d", "put the - at the end", start);
        this.at++;
        const to = this.classItem();
        if (to.kind !== "range")
          throw this.error("a range ends in a class such as \\d", "put the - at the end", start);
        if (to.to < from.from)
          throw this.error("a range runs backwards", "put the - at the end if it is meant as such", start);
        items.push({ kind: "range", from: from.from, to: to.to });
        continue;
      }
      items.push(from);
    }
    return { kind: "class", negated, items };
  }

  private classItem(): ClassItem {
    const start = this.at;
    if (this.source[this.at] === "\\") {
      this.at++;
      const c = this.source[this.at];
      if (c === undefined)
        throw this.error("the expression ends in a single \\", "write \\\\ for a backslash", start);
      if (/[dDwWsS]/.test(c)) {
        this.at++;
        return { kind: "short", letter: c as ShortClass };
      }
      if (c === "b") {
        this.at++;
        return { kind: "range", from: 8, to: 8 };
      }
      const octal = this.match(/[0-7]{3}/y);
      const code = octal === null ? this.escapedCode(start) : Number.parseInt(octal[0], 8);
      return { kind: "range", from: code, to: code };
    }
    const code = this.source.codePointAt(this.at)!;
    this.at += code > 0xffff ? 2 : 1;
    return { kind: "range", from: code, to: code };
  }
}

/** The group name fail2ban gives a tag: "F-USER" → "user", "F-ID" → "fid", "F-ALT_USER1" → "alt_user1". */
export function groupNameOf(tag: string): string {
  const name = tag.slice(2).toLowerCase().replaceAll("-", "_");
  return name === "id" ? "fid" : name;
}

/** The names people write in log expressions; the whole Unicode table would be a megabyte. */
const unicodeNames: Readonly<Record<string, number>> = {
  "NO-BREAK SPACE": 0xa0,
  "LEFT-POINTING DOUBLE ANGLE QUOTATION MARK": 0xab,
  "RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK": 0xbb,
  "MIDDLE DOT": 0xb7,
  "DEGREE SIGN": 0xb0,
  "EN DASH": 0x2013,
  "EM DASH": 0x2014,
  "LEFT SINGLE QUOTATION MARK": 0x2018,
  "RIGHT SINGLE QUOTATION MARK": 0x2019,
  "LEFT DOUBLE QUOTATION MARK": 0x201c,
  "RIGHT DOUBLE QUOTATION MARK": 0x201d,
  BULLET: 0x2022,
  "HORIZONTAL ELLIPSIS": 0x2026,
  "RIGHTWARDS ARROW": 0x2192,
  "EURO SIGN": 0x20ac,
  "REPLACEMENT CHARACTER": 0xfffd,
};
