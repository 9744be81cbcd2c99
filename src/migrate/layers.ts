// Several files laid over one another the way fail2ban does it: includes before, the file, includes after, each include with its
// own `.local`; later wins option by option, and what it replaced stays reachable as `known/option`. Interpolation is lazy.

import type { Fault, Place } from "../core/domain.ts";
import { type IniFile, parseIni, type RawLine, type RawValue } from "./ini.ts";

/** What the importer may ask of a directory tree; the real one reads files, tests may hold one in memory. */
export interface Tree {
  /** Undefined when there is no such file; a string that begins with "\0" tells why it could not be read. */
  read(path: string): string | undefined;
  /** Names in a directory, sorted by code unit; [] when there is none. */
  list(directory: string): readonly string[];
}

/** A value of the merged files, with the one it replaced. */
export interface LayeredValue extends RawValue {
  readonly previous?: LayeredValue;
}

export type Section = ReadonlyMap<string, LayeredValue>;

export interface Layers {
  readonly sections: ReadonlyMap<string, Section>;
  /** Files that were read, in order. */
  readonly files: readonly string[];
  readonly faults: readonly Fault[];
}

/** A value after interpolation. */
export interface Text {
  readonly text: string;
  readonly lines: readonly RawLine[];
  readonly at: Place;
}

/** Merges the files that exist; those missing are skipped silently, as fail2ban does. */
export function readLayers(
  tree: Tree,
  paths: readonly string[],
  predefined: Readonly<Record<string, string>>,
): Layers {
  const sections = new Map<string, Map<string, LayeredValue>>();
  const files: string[] = [];
  const faults: Fault[] = [];
  const cache = new Map<string, IniFile | undefined>();

  const load = (path: string): IniFile | undefined => {
    if (cache.has(path)) return cache.get(path);
    const text = tree.read(path);
    let file: IniFile | undefined;
    if (text?.startsWith("\0")) {
      faults.push({
        what: `cannot read ${path}`,
        why: text.slice(1),
        at: { file: path, line: 1, column: 1 },
      });
    } else if (text !== undefined) {
      file = parseIni(text, path);
      faults.push(...file.faults);
    }
    cache.set(path, file);
    return file;
  };

  const visit = (path: string, seen: Set<string>) => {
    if (seen.has(path)) return;
    seen.add(path);
    const file = load(path);
    if (file === undefined) return;
    for (const other of includes(file, "before", predefined)) visitWithLocal(other, seen);
    merge(sections, file);
    files.push(path);
    for (const other of includes(file, "after", predefined)) visitWithLocal(other, seen);
  };
  const visitWithLocal = (path: string, seen: Set<string>) => {
    visit(path, seen);
    const local = localOf(path);
    if (local !== undefined) visit(local, seen);
  };
  for (const path of paths) visit(path, new Set());
  return { sections, files, faults };
}

/** "a/x.conf" → "a/x.local"; undefined when it is one already. */
function localOf(path: string): string | undefined {
  return path.endsWith(".local") ? undefined : `${path.replace(/\.[^./]*$/, "")}.local`;
}

function includes(file: IniFile, which: string, predefined: Readonly<Record<string, string>>): string[] {
  const value = file.sections.get("INCLUDES")?.get(which);
  if (value === undefined) return [];
  const slash = file.path.lastIndexOf("/");
  const directory = slash < 0 ? "." : file.path.slice(0, slash);
  return value.lines
    .flatMap((line) => line.text.split("\n"))
    .map((name) => name.trim().replace(/%\((\w+)\)s/g, (whole, key: string) => predefined[key] ?? whole))
    .filter((name) => name !== "")
    .map((name) => (name.startsWith("/") ? name : `${directory}/${name}`));
}

function merge(into: Map<string, Map<string, LayeredValue>>, file: IniFile): void {
  for (const [name, options] of file.sections) {
    if (name === "INCLUDES") continue;
    const section = into.get(name) ?? new Map<string, LayeredValue>();
    into.set(name, section);
    for (const [option, value] of options) {
      const previous = section.get(option);
      section.set(option, previous === undefined ? value : { ...value, previous });
    }
  }
}

// -------------------------------------------------------------------------------------------------------- interpolation

export interface Scope {
  readonly layers: Layers;
  readonly predefined: Readonly<Record<string, string>>;
  /** Text to put for an option instead of its value, for finding out where it is used. */
  readonly instead?: Readonly<Record<string, string>>;
  /** Where `%(known/x)s` looks last: for a jail, what its filter says. */
  readonly known?: (option: string) => Text | undefined;
}

const maxDepth = 10;

/** The option's value in this section (or in [DEFAULT]) with every `%(…)s` replaced; undefined when it is set nowhere. */
export function getOption(scope: Scope, section: string, option: string, faults: Fault[]): Text | undefined {
  const value = find(scope, section, option);
  return value === undefined ? undefined : expand(scope, section, option, value, faults);
}

/** The raw value, own section before [DEFAULT]. */
export function find(scope: Scope, section: string, option: string): LayeredValue | undefined {
  return scope.layers.sections.get(section)?.get(option) ?? scope.layers.sections.get("DEFAULT")?.get(option);
}

/** Replaces `%(…)s` in a raw value; a mistake is told once and leaves its text as it stands. */
export function expand(
  scope: Scope,
  section: string,
  option: string,
  value: LayeredValue,
  faults: Fault[],
): Text {
  const lines = expandLines({ scope, section, option, faults }, value, 0);
  return { text: lines.map((line) => line.text).join("\n"), lines, at: value.at };
}

interface Task {
  readonly scope: Scope;
  readonly section: string;
  readonly option: string;
  readonly faults: Fault[];
}

function expandLines(task: Task, value: LayeredValue, depth: number): RawLine[] {
  const out: RawLine[] = [];
  for (const line of value.lines) {
    let text = "";
    let at = line.at;
    let rest = line.text;
    while (rest !== "") {
      const percent = rest.indexOf("%");
      if (percent < 0) break;
      text += rest.slice(0, percent);
      rest = rest.slice(percent);
      if (rest.startsWith("%%")) {
        text += "%";
        rest = rest.slice(2);
        continue;
      }
      const reference = /^%\(([^)]+)\)s/.exec(rest);
      if (reference === null) {
        task.faults.push(strayPercent(task, line));
        text += "%";
        rest = rest.slice(1);
        continue;
      }
      rest = rest.slice(reference[0].length);
      const found =
        depth >= maxDepth ? "deep" : lookup(task, value, reference[1]!.toLowerCase(), depth, line);
      if (found === undefined || found === "deep") {
        task.faults.push(badReference(task, reference[1]!, line, found === "deep"));
        text += reference[0];
        continue;
      }
      found.forEach((part, index) => {
        if (index > 0) {
          out.push({ text, at });
          text = "";
        }
        if (text.trim() === "" && part.text !== "") at = part.at;
        text += part.text;
      });
    }
    out.push({ text: text + rest, at });
  }
  return out;
}

function lookup(
  task: Task,
  value: LayeredValue,
  name: string,
  depth: number,
  line: RawLine,
): RawLine[] | undefined {
  const { scope, section } = task;
  const slash = name.indexOf("/");
  if (slash >= 0) {
    const where = name.slice(0, slash);
    const option = name.slice(slash + 1);
    if (where === "known") {
      const own = scope.layers.sections.get(section)?.get(option);
      const inDefault = scope.layers.sections.get("DEFAULT")?.get(option);
      // Inside the very value that is being replaced, "known" is the one below it, layer by layer.
      const chain =
        option === task.option && (own === value || isBelow(own, value) || isBelow(inDefault, value));
      const before = chain ? value.previous : own?.previous;
      const fallback =
        own !== undefined && value !== inDefault && !isBelow(inDefault, value) ? inDefault : undefined;
      const found = before ?? fallback;
      if (found !== undefined) return expandLines(task, found, depth + 1);
      const known = scope.known?.(option);
      return known === undefined ? undefined : [...known.lines];
    }
    const other = where === "default" ? "DEFAULT" : sectionNamed(scope, name.slice(0, slash), line, slash);
    if (other === undefined) return undefined;
    const found = find(scope, other, option);
    if (found === undefined) return undefined;
    return expandLines({ ...task, section: other === "DEFAULT" ? section : other, option }, found, depth + 1);
  }
  const instead = scope.instead?.[name];
  if (instead !== undefined) return [{ text: instead, at: line.at }];
  if (name === "__name__") return [{ text: section, at: line.at }];
  const found = find(scope, section, name);
  if (found !== undefined) return expandLines({ ...task, option: name }, found, depth + 1);
  const fixed = scope.predefined[name];
  return fixed === undefined ? undefined : [{ text: fixed, at: line.at }];
}

function isBelow(top: LayeredValue | undefined, value: LayeredValue): boolean {
  for (let at = top; at !== undefined; at = at.previous) if (at === value) return true;
  return false;
}

/** Section names keep their case, references are lower-cased: match without case. */
function sectionNamed(scope: Scope, name: string, line: RawLine, length: number): string | undefined {
  if (scope.layers.sections.has(name)) return name;
  const written = /%\(([^/)]+)\//.exec(line.text)?.[1];
  if (written?.length === length && scope.layers.sections.has(written)) return written;
  return [...scope.layers.sections.keys()].find((key) => key.toLowerCase() === name);
}

function strayPercent(task: Task, line: RawLine): Fault {
  return {
    what: `a single % in "${task.option}" of [${task.section}]`,
    why: "in these files % begins %(name)s; fail2ban refuses the configuration",
    fix: "write %% for a percent sign",
    at: line.at,
  };
}

function badReference(task: Task, name: string, line: RawLine, deep: boolean): Fault {
  return {
    what: `%(${name})s in "${task.option}" of [${task.section}] ${deep ? "leads to itself" : "is set nowhere"}`,
    why: deep
      ? "values refer to one another in a circle"
      : "neither this section nor [DEFAULT] has such an option",
    fix: deep ? "break the circle" : `set ${name.split("/").pop()} or remove the reference`,
    at: line.at,
  };
}
