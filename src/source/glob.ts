// Paths and globs as one writes them in `logpath`: `*`, `?`, `[a-z]`, `[!x]`, `{a,b}`, `\` before any of them. A star does not cross
// a slash nor match a leading dot. What logrotate compressed is nobody's live log and is never found by a glob.

import type { System } from "../system/index.ts";

export interface FoundFile {
  readonly path: string;
  /** The asked-for patterns, verbatim, that this path answers. */
  readonly patterns: readonly string[];
}

export interface PathPattern {
  /** As it was written. */
  readonly written: string;
  /** One for every alternative of the braces. */
  readonly alternatives: readonly (readonly Segment[])[];
}

/** A name of the path: literal text, or an expression for it. */
type Segment =
  | { readonly literal: string }
  | { readonly literal: undefined; readonly matches: RegExp; readonly dotted: boolean };

const COMPRESSED = /\.(?:gz|xz|zst|bz2|lz4|Z|zip)$/;
/** Braces multiply; nobody means more than this. */
const MOST_ALTERNATIVES = 256;

export function parsePattern(written: string): PathPattern {
  return {
    written,
    alternatives: expandBraces(written).map((path) =>
      path
        .split("/")
        .filter((name) => name !== "")
        .map(parseSegment),
    ),
  };
}

/** Everything that is there now (files, links, and what should not be there: whoever opens it judges), in the order of the patterns. */
export function findFiles(system: System, patterns: readonly string[]): readonly FoundFile[] {
  return findParsed(system, patterns.map(parsePattern));
}

export function findParsed(system: System, patterns: readonly PathPattern[]): readonly FoundFile[] {
  const found = new Map<string, string[]>();
  for (const pattern of patterns) {
    for (const segments of pattern.alternatives) {
      for (const path of walk(system, segments, "log")) {
        const answered = found.get(path) ?? [];
        if (!answered.includes(pattern.written)) answered.push(pattern.written);
        found.set(path, answered);
      }
    }
  }
  return [...found].map(([path, answered]) => ({ path, patterns: answered }));
}

/** The directories in which something may appear that makes a pattern find more: existing ones only. */
export function directoriesOf(system: System, patterns: readonly PathPattern[]): ReadonlySet<string> {
  const directories = new Set<string>();
  for (const { alternatives } of patterns) {
    for (const segments of alternatives) {
      const firstGlob = segments.findIndex((segment) => segment.literal === undefined);
      const from = firstGlob < 0 ? segments.length - 1 : firstGlob;
      for (let depth = from; depth < segments.length; depth++) {
        for (const path of walk(system, segments.slice(0, depth), "directory")) directories.add(path);
      }
      if (![...walk(system, segments.slice(0, from), "directory")].length)
        directories.add(nearestDirectory(system, segments.slice(0, from)));
    }
  }
  return directories;
}

/** Could this path, or something below it, answer a pattern? Decides whether an event is worth a look. */
export function mayMatter(patterns: readonly PathPattern[], path: string): boolean {
  const names = path.split("/").filter((name) => name !== "");
  return patterns.some(({ alternatives }) =>
    alternatives.some(
      (segments) =>
        names.length <= segments.length && names.every((name, i) => nameMatches(segments[i]!, name)),
    ),
  );
}

function nearestDirectory(system: System, segments: readonly Segment[]): string {
  for (let depth = segments.length; depth > 0; depth--) {
    const [path] = walk(system, segments.slice(0, depth), "directory");
    if (path !== undefined && quietly(() => system.files.stat(path)?.kind) === "directory") return path;
  }
  return "/";
}

function* walk(
  system: System,
  segments: readonly Segment[],
  wanted: "log" | "directory",
  base = "",
): Generator<string> {
  const at = segments.findIndex((segment) => segment.literal === undefined);
  const literal = (at < 0 ? segments : segments.slice(0, at))
    .map((segment) => `/${segment.literal}`)
    .join("");
  const path = base + literal;
  if (at < 0) {
    if (path === "" || quietly(() => system.files.lstat(path)) !== undefined) yield path === "" ? "/" : path;
    return;
  }
  const segment = segments[at]!;
  const last = at === segments.length - 1;
  const names = quietly(() => system.files.readdir(path === "" ? "/" : path)) ?? [];
  for (const name of names.sort()) {
    if (!nameMatches(segment, name)) continue;
    const below = `${path}/${name}`;
    if (!last) {
      yield* walk(system, segments.slice(at + 1), wanted, below);
      continue;
    }
    const directory = quietly(() => system.files.stat(below)?.kind) === "directory";
    if (wanted === "directory" ? directory : !directory && !COMPRESSED.test(name)) yield below;
  }
}

/** A directory that cannot be looked into holds nothing for us; the doctor tells about permissions. */
function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

function nameMatches(segment: Segment, name: string): boolean {
  if (segment.literal !== undefined) return segment.literal === name;
  return (segment.dotted || !name.startsWith(".")) && segment.matches.test(name);
}

function parseSegment(text: string): Segment {
  if (!/[*?[\\]/.test(text)) return { literal: text };
  let source = "";
  let plain = "";
  let glob = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    const close = c === "[" ? classEnd(text, i) : -1;
    if (c === "\\" && i + 1 < text.length) {
      i++;
      source += quote(text[i]!);
      plain += text[i]!;
    } else if (c === "*" || c === "?") {
      glob = true;
      // Adjacent stars say nothing new and would backtrack.
      if (c === "?") source += "[^/]";
      else if (!source.endsWith("[^/]*")) source += "[^/]*";
    } else if (close > 0) {
      glob = true;
      const body = text.slice(i + 1, close);
      const negated = /^[!^]/.test(body);
      source += `[${negated ? "^/" : ""}${(negated ? body.slice(1) : body).replaceAll(/[\\\]^[]/g, "\\$&")}]`;
      i = close;
    } else {
      source += quote(c);
      plain += c;
    }
  }
  if (!glob) return { literal: plain };
  return { literal: undefined, matches: new RegExp(`^${source}$`), dotted: text.startsWith(".") };
}

/** Index of the "]" that ends the class opened at `at`; -1 when it never ends, then "[" is itself. */
function classEnd(text: string, at: number): number {
  const first = /[!^]/.test(text[at + 1] ?? "") ? at + 2 : at + 1;
  return text.indexOf("]", first + 1);
}

function quote(character: string): string {
  return character.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** "/a{b,c}" → "/ab", "/ac"; braces without a comma, or that never close, are themselves. */
function expandBraces(text: string): string[] {
  const done: string[] = [];
  const open = [text];
  while (open.length > 0 && done.length + open.length <= MOST_ALTERNATIVES) {
    const next = open.pop()!;
    const match = /^((?:[^\\{]|\\.)*)\{((?:[^{}\\]|\\.)*,(?:[^{}\\]|\\.)*)\}(.*)$/s.exec(next);
    if (match === null) done.push(next);
    else {
      const [, before = "", body = "", after = ""] = match;
      for (const alternative of body.split(",").reverse()) open.push(before + alternative + after);
    }
  }
  return [...done, ...open.reverse()];
}
