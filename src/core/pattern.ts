// failregex → RegExp. Tags become groups whose place is known by number; "." is anything but a line feed; \s is ASCII; what an
// address may look like is bounded here and judged by parseAddress afterwards.
//
// An expression for single lines runs sticky on the chunk itself, without cutting the line out first. Therefore none of its
// sets may eat a line feed, "$" is "before a line feed or the end", and its one "^" is the place where it is started.

import type { Fault, Result } from "./domain.ts";
import { knownPattern } from "./frozen.ts";
import { leadingTexts, requiredTexts, suspiciousShape } from "./regexfacts.ts";
import { type CharSet, type Node, parseRegex, SyntaxFault } from "./regextree.ts";

export type HostKind = "host" | "address" | "subnet" | "name" | "id";

export interface Groups {
  /** Captures that say whom to blame, in the order written. */
  readonly hosts: readonly { readonly kind: HostKind; readonly index: number }[];
  /** <CIDR>: the bits that belong to the address. */
  readonly bits: number;
  readonly users: readonly number[];
  readonly altUsers: readonly number[];
  readonly content: number;
  readonly session: number;
  readonly forwarded: number;
  /** Session flags: -1 never, 0 always, else set when one of these captures took part. */
  readonly nofail: readonly number[];
  readonly begins: readonly number[];
  readonly forget: readonly number[];
  readonly gained: readonly number[];
  /** <F-…> captures of one's own, in lower case. */
  readonly captures: readonly { readonly name: string; readonly index: number }[];
}

export interface Pattern {
  readonly source: string;
  readonly regex: RegExp;
  /** True: begins with "^" and is sticky; false: it must be run on the message cut out. */
  readonly anchored: boolean;
  readonly groups: Groups;
  /** Every match holds one of these texts; undefined: not known. */
  readonly literals: readonly string[] | undefined;
  /** Every match begins with one of these texts; undefined: not known. */
  readonly leads: readonly string[] | undefined;
  /** Tags whose captures take part in every match, such as F-NOFAIL around the beginning. */
  readonly certain: ReadonlySet<string>;
  /** Why it may take more than linear time, or undefined. */
  readonly suspicious: string | undefined;
}

export interface PatternOptions {
  /** Text for {{name}}. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** True: the expression sees several lines joined by line feeds. */
  readonly multiline?: boolean;
  /** Proven elsewhere not to take more than linear time (tests/redos.test.ts, for what is shipped): not looked at again. */
  readonly proven?: boolean;
}

const v4 = "(?:::[fF]{4}:)?\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}";
const v6 = "[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:(?:[0-9A-Fa-f:.]{0,40}[0-9A-Fa-f])?(?:%[\\w.-]{1,20})?";
const dns = "(?=[\\w.-]{0,60}[A-Za-z_])\\w(?:[\\w.-]{0,250}\\w)?";

const hostTags: Readonly<Record<string, { readonly kind: HostKind; readonly content: string }>> = {
  HOST: { kind: "host", content: `${v4}|${v6}|${dns}` },
  ADDR: { kind: "address", content: `${v4}|${v6}` },
  IP4: { kind: "address", content: v4 },
  IP6: { kind: "address", content: v6 },
  SUBNET: { kind: "subnet", content: `(?:${v4}|${v6})(?:/\\d{1,3})?` },
  DNS: { kind: "name", content: dns },
};
export const tagNames: readonly string[] = [...Object.keys(hostTags), "CIDR"];

/** Not inside a longer token: neither "1.2.3.45" cut short nor "1.2.3.4.example.com" nor "x1.2.3.4". */
const notAfterToken = "(?<!\\w|\\w\\.)";
const notBeforeToken = "(?!\\w|\\.\\w)";

const flagTags = ["F-NOFAIL", "F-MLFBEGIN", "F-MLFFORGET", "F-MLFGAINED"];

/** Replaces {{name}}; an unknown name is a fault. */
export function fillParameters(source: string, parameters: Readonly<Record<string, string>>): Result<string> {
  const faults: Fault[] = [];
  let text = source;
  // Parameters may hold parameters; a few rounds are enough and a loop ends as a fault.
  for (let round = 0; round < 8 && text.includes("{{"); round++) {
    text = text.replace(/\{\{([\w-]+)\}\}/g, (whole, name: string) => {
      if (Object.hasOwn(parameters, name)) return parameters[name] ?? "";
      faults.push({
        what: `{{${name}}} is not a parameter of this filter`,
        fix: "declare it in [filter.parameters]",
      });
      return whole.replaceAll("{", "(");
    });
  }
  if (/\{\{[\w-]+\}\}/.test(text)) faults.push({ what: "parameters refer to each other in a circle" });
  return faults.length > 0 ? { ok: false, faults } : { ok: true, value: text };
}

export function compilePattern(source: string, options: PatternOptions = {}): Result<Pattern> {
  if (options.proven === true && options.parameters === undefined) {
    const ready = knownPattern(source, options.multiline === true);
    if (ready !== undefined) return { ok: true, value: ready };
  }
  const filled = fillParameters(source, options.parameters ?? {});
  if (!filled.ok) return filled;
  try {
    return {
      ok: true,
      value: build(source, filled.value, options.multiline === true, options.proven === true),
    };
  } catch (error) {
    if (!(error instanceof SyntaxFault || error instanceof SyntaxError)) throw error;
    const why = error.message.replace(/^Invalid regular expression: /, "");
    return { ok: false, faults: [{ what: `the expression cannot be read: ${why}`, why: source }] };
  }
}

/** Reason why an expression may take more than linear time, or why it cannot be read. Cheap enough for every load. */
export function suspicious(source: string): string | undefined {
  const compiled = compilePattern(source);
  return compiled.ok ? compiled.value.suspicious : compiled.faults[0]?.what;
}

// ----------------------------------------------------------------------------------------------------------- translation

/** What one tag became; `name` is the name of the group that stands for it in the tree. */
interface Tag {
  readonly name: string;
  readonly role: string;
}

function build(source: string, filled: string, multiline: boolean, proven: boolean): Pattern {
  const tags: Tag[] = [];
  const always = new Set<string>();
  const tagged = replaceTags(asBytes(filled), tags, always);
  const tree = parseRegex(tagged);
  const anchored = isAnchored(tree) && !multiline;
  const emitter = new Emitter(
    new Map(tags.map((tag) => [tag.name, tag.role])),
    !multiline && anchored,
    userNumbers(tree),
  );
  const text = emitter.emit(anchored ? withoutStart(tree) : tree);
  const regex = new RegExp(text, anchored ? "y" : "");
  return {
    source,
    regex,
    anchored,
    groups: collectGroups(emitter.roles, always),
    literals: requiredTexts(tree),
    leads: anchored ? shortest(leadingTexts(tree)) : undefined,
    certain: new Set([...always, ...certainRoles(tree, emitter.tags)]),
    suspicious: proven ? undefined : suspiciousShape(tree),
  };
}

/** The latin-1 view is bytes: chars beyond ASCII in an expression become their UTF-8 bytes. */
function asBytes(source: string): string {
  if (!/[^\0-\x7f]/.test(source)) return source;
  let inSet = false;
  let out = "";
  for (let i = 0; i < source.length; i++) {
    const c = source[i]!;
    if (c === "\\") {
      out += c + (source[i + 1] ?? "");
      i++;
      continue;
    }
    if (c === "[") inSet = true;
    if (c === "]") inSet = false;
    const code = source.codePointAt(i)!;
    if (code < 128) {
      out += c;
      continue;
    }
    if (code > 0xffff) i++;
    const bytes = [...new TextEncoder().encode(String.fromCodePoint(code))];
    const escaped = bytes.map((b) => `\\x${b.toString(16)}`).join("");
    out += inSet ? escaped : `(?:${escaped})`;
  }
  return out;
}

function replaceTags(source: string, tags: Tag[], always: Set<string>): string {
  const name = (role: string): string => {
    tags.push({ name: `f2b${tags.length}`, role });
    return tags.at(-1)!.name;
  };
  const closed = (tag: string): boolean => source.includes(`</${tag}>`);
  return source.replace(
    // "(?<NAME>" is a group of the expression's own, "\(?<HOST>" a bracket that may be missing and a tag.
    /(?:(?<=(?:^|[^\\])(?:\\\\)*)(\(\?P?))?<(\/?)(HOST|ADDR|IP4|IP6|SUBNET|CIDR|DNS|F-[A-Z0-9_-]+)(\/?)>/g,
    (whole, group, end, tag, empty) => {
      if (group !== undefined) return whole;
      const host = hostTags[tag];
      if (host !== undefined) return `(?<${name(host.kind)}>${host.content})`;
      if (tag === "CIDR") return `(?<${name("bits")}>\\d{1,3})`;
      if (end === "/") return ")";
      if (flagTags.includes(tag) && (empty === "/" || !closed(tag))) {
        always.add(tag);
        return "";
      }
      if (empty === "/") return `(?<${name(tag)}>\\S+)`;
      if (!closed(tag)) throw new SyntaxFault(`<${tag}> is not closed by </${tag}>`);
      return `(?<${name(tag)}>`;
    },
  );
}

/** Begins with "^" in every alternative, and has no other "^". */
function isAnchored(tree: Node): boolean {
  const branches = tree.kind === "either" ? tree.items : [tree];
  return branches.every(begins) && starts(tree) === branches.length;
}

/** Without those that begin with another one. */
const shortest = (texts: readonly string[] | undefined): readonly string[] | undefined =>
  texts?.filter((text, i) => !texts.some((other, j) => text.startsWith(other) && (text !== other || j < i)));

/** Tags on the path that every match takes: not inside alternatives or repetitions. */
function certainRoles(node: Node, tags: ReadonlyMap<string, string>): string[] {
  if (node.kind === "concat") return node.items.flatMap((item) => certainRoles(item, tags));
  if (node.kind !== "group" || node.look !== "") return [];
  const role = tags.get(/^\?<(f2b\d+)>$/.exec(node.opening)?.[1] ?? "");
  return [...(role === undefined ? [] : [role]), ...certainRoles(node.item, tags)];
}

const begins = (node: Node): boolean =>
  node.kind === "start" ||
  (node.kind === "concat" && node.items[0] !== undefined && node.items[0].kind === "start");

function starts(node: Node): number {
  switch (node.kind) {
    case "start":
      return 1;
    case "concat":
    case "either":
      return node.items.reduce((sum, item) => sum + starts(item), 0);
    case "group":
    case "repeat":
      return starts(node.item);
    default:
      return 0;
  }
}

function withoutStart(tree: Node): Node {
  if (tree.kind === "either") return { kind: "either", items: tree.items.map(withoutStart) };
  if (tree.kind === "concat") return { kind: "concat", items: tree.items.slice(1) };
  return { kind: "concat", items: [] };
}

/** Numbers of the captures the author wrote, in his counting, to those they have among ours. */
function userNumbers(tree: Node): number[] {
  const numbers: number[] = [0];
  const walk = (node: Node): void => {
    if (node.kind === "group") {
      if (node.capture > 0 && !/^\?<f2b\d/.test(node.opening)) numbers.push(node.capture);
      walk(node.item);
    } else if (node.kind === "repeat") walk(node.item);
    else if (node.kind === "concat" || node.kind === "either") node.items.forEach(walk);
  };
  walk(tree);
  return numbers;
}

class Emitter {
  readonly roles: { readonly role: string; readonly index: number }[] = [];
  constructor(
    readonly tags: ReadonlyMap<string, string>,
    readonly line: boolean,
    readonly numbers: readonly number[],
  ) {}

  emit(node: Node, before?: Node, after?: Node): string {
    switch (node.kind) {
      case "set":
        return this.set(node.source, node.set, node.char);
      case "concat":
        return node.items
          .map((item, i) => this.emit(item, node.items[i - 1] ?? before, node.items[i + 1] ?? after))
          .join("");
      case "either":
        return node.items.map((item) => this.emit(item, before, after)).join("|");
      case "repeat":
        return this.emit(node.item) + node.source;
      case "group":
        return this.group(node, before, after);
      case "start":
        return "^";
      case "end":
        return this.line ? "(?![^\\n])" : "$";
      case "boundary":
        return node.source;
      case "backref":
        return node.name === undefined
          ? `\\${this.numbers[node.number] ?? node.number}(?:)`
          : `\\k<${node.name}>`;
    }
  }

  set(source: string, set: CharSet, char: string | undefined): string {
    if (source === ".") return "[^\\n]";
    if (char !== undefined) return source;
    const eatsLineFeed = this.line && set.has[10] === 1;
    if (!eatsLineFeed && !/\\[sS]/.test(source)) return source;
    return writtenOut(set, this.line);
  }

  group(node: Node & { kind: "group" }, before: Node | undefined, after: Node | undefined): string {
    const ours = /^\?<(f2b\d+)>$/.exec(node.opening)?.[1];
    const role = ours === undefined ? undefined : this.tags.get(ours);
    if (role === undefined) return `(${node.opening}${this.emit(node.item)})`;
    this.roles.push({ role, index: node.capture });
    const isHost = Object.values(hostTags).some((tag) => tag.kind === role);
    if (!isHost) return `(${this.emit(node.item)})`;
    const head = delimits(before) || endsInWord(before) ? "" : notAfterToken;
    const tail = delimits(after) || (role !== "host" && isDot(after)) ? "" : notBeforeToken;
    const content = this.emit(node.item);
    if (role === "name") return `${head}(${content})${tail}`;
    // Brackets stand around addresses: "[preauth]" is no host's name.
    const open = role === "host" ? `(?:\\[(?=${v4}|${v6}))?` : "\\[?";
    return `${open}${head}(${content})${tail}\\]?`;
  }
}

/** A dot that the author wrote behind an address: "192.0.2.1.4022", as BSD and SOCKS servers write address and port. */
const isDot = (node: Node | undefined): boolean => node?.kind === "set" && node.char === ".";

/** A letter or digit that the author wrote right before it, as the "m" of a colour's code: it stands there in every match, no token is cut. */
function endsInWord(node: Node | undefined): boolean {
  switch (node?.kind) {
    case "set":
      return node.char !== undefined && /^\w$/.test(node.char);
    case "group":
      return node.look === "" && endsInWord(node.item);
    case "concat":
      return endsInWord(node.items.at(-1));
    case "either":
      return node.items.every(endsInWord);
    default:
      return false;
  }
}

/** A neighbour that can be no part of an address or a name. */
function delimits(node: Node | undefined): boolean {
  if (node === undefined || node.kind !== "set" || node.set.beyond) return false;
  return !/[\w.]/.test(String.fromCharCode(...[...node.set.has.keys()].filter((c) => node.set.has[c] === 1)));
}

function writtenOut(set: CharSet, line: boolean): string {
  const has = (code: number): boolean => set.has[code] === 1 && !(line && code === 10);
  const hex = (code: number): string => `\\x${code.toString(16).padStart(2, "0")}`;
  let text = "";
  for (let from = 0; from < 256; from++) {
    if (!has(from)) continue;
    let to = from;
    while (to < 255 && has(to + 1)) to++;
    text += from === to ? hex(from) : `${hex(from)}-${hex(to)}`;
    from = to;
  }
  return `[${text}${set.beyond ? "\\u0100-\\uffff" : ""}]`;
}

function collectGroups(
  roles: readonly { readonly role: string; readonly index: number }[],
  always: ReadonlySet<string>,
): Groups {
  const of = (...names: string[]): number[] =>
    roles.filter((r) => names.includes(r.role)).map((r) => r.index);
  const kinds: readonly string[] = ["host", "address", "subnet", "name", "F-ID"];
  const flags = (tag: string): number[] => (always.has(tag) ? [0] : of(tag));
  const known = new Set([...kinds, ...flagTags, "bits", "F-USER", "F-CONTENT", "F-MLFID", "F-FORWARDED"]);
  return {
    hosts: roles
      .filter((r) => kinds.includes(r.role))
      .map((r) => ({ kind: (r.role === "F-ID" ? "id" : r.role) as HostKind, index: r.index })),
    bits: of("bits")[0] ?? 0,
    users: of("F-USER"),
    altUsers: roles.filter((r) => r.role.startsWith("F-ALT_USER")).map((r) => r.index),
    content: of("F-CONTENT")[0] ?? 0,
    session: of("F-MLFID")[0] ?? 0,
    forwarded: of("F-FORWARDED")[0] ?? 0,
    nofail: flags("F-NOFAIL"),
    begins: flags("F-MLFBEGIN"),
    forget: flags("F-MLFFORGET"),
    gained: flags("F-MLFGAINED"),
    captures: roles
      .filter((r) => r.role.startsWith("F-") && !known.has(r.role) && !r.role.startsWith("F-ALT_USER"))
      .map((r) => ({ name: r.role.slice(2).toLowerCase(), index: r.index })),
  };
}
