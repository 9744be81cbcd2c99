// One file in the INI dialect fail2ban reads: Python's strict configparser as it is observed to behave (option names in lower
// case, `=` or `:`, continuation by deeper indentation, whole-line comments `#` and `;` also inside a value, ` ;` inline).
// Every line of a value remembers where it stood; what fail2ban would refuse becomes a fault with its place.

import type { Fault, Place } from "../core/domain.ts";

/** A value before interpolation: its lines, each with its place. Text is the lines joined by "\n". */
export interface RawValue {
  readonly lines: readonly RawLine[];
  /** Where the option's name stands. */
  readonly at: Place;
}

export interface RawLine {
  readonly text: string;
  readonly at: Place;
}

export interface IniFile {
  readonly path: string;
  /** Section name → option → value. Options of `[Name?cond]` are kept in `Name` as `option?cond`. */
  readonly sections: ReadonlyMap<string, ReadonlyMap<string, RawValue>>;
  readonly faults: readonly Fault[];
}

export function rawText(value: RawValue): string {
  return value.lines.map((line) => line.text).join("\n");
}

/** Reads one file's text. A fault does not stop the reading: what could be read is there, so that all mistakes are told at once. */
export function parseIni(text: string, path: string): IniFile {
  const faults: Fault[] = [];
  const sections = new Map<string, Map<string, RawValue>>();
  const seenSections = new Map<string, number>();
  let section: Map<string, RawValue> | undefined;
  let sectionName = "";
  let open: { name: string; lines: RawLine[]; at: Place } | undefined;
  let openIndent = 0;
  let headless = false;

  const close = () => {
    if (open === undefined || section === undefined) return;
    while (open.lines.length > 0 && open.lines[open.lines.length - 1]!.text === "") open.lines.pop();
    if (open.lines.length === 0) open.lines.push({ text: "", at: open.at });
    section.set(open.name, { lines: open.lines, at: open.at });
    open = undefined;
  };

  const rows = text.split("\n");
  if (rows.length > 0 && rows[rows.length - 1] === "") rows.pop();
  rows.forEach((row, index) => {
    const line = row.endsWith("\r") ? row.slice(0, -1) : row;
    const number = index + 1;
    const stripped = stripComment(line);
    if (stripped === "") {
      const comment = line.trim() !== "";
      if (!comment && open !== undefined) open.lines.push({ text: "", at: place(path, number, 1) });
      return;
    }
    const indent = line.length - line.trimStart().length;
    const at = place(path, number, indent + 1);
    if (open !== undefined && indent > openIndent) {
      open.lines.push({ text: stripped, at });
      return;
    }
    const header = /^\[(.+)\]/.exec(stripped);
    if (header !== null) {
      close();
      openIndent = indent;
      sectionName = header[1]!;
      const before = seenSections.get(sectionName);
      if (before !== undefined) faults.push(duplicateSection(sectionName, before, at));
      else seenSections.set(sectionName, number);
      const [name] = splitCondition(sectionName);
      section = sections.get(name) ?? new Map();
      sections.set(name, section);
      return;
    }
    if (section === undefined) {
      if (!headless) faults.push(noSection(line, at));
      headless = true;
      return;
    }
    const option = /^(.*?)\s*[=:]\s*(.*)$/s.exec(stripped);
    if (option === null || option[1] === "") {
      close();
      faults.push(notAnOption(stripped, at, indent));
      return;
    }
    close();
    openIndent = indent;
    const [, condition] = splitCondition(sectionName);
    const name = option[1]!.toLowerCase() + condition;
    const earlier = section.get(name);
    if (earlier !== undefined) faults.push(duplicateOption(name, sectionName, earlier.at, at));
    const column = indent + stripped.length - option[2]!.length + 1;
    open = { name, lines: [{ text: option[2]!, at: place(path, number, column) }], at };
  });
  close();
  return { path, sections, faults };
}

/** Python: a whole-line comment vanishes; ` ;` (or `;` at the start) ends a line. Result is trimmed. */
function stripComment(line: string): string {
  const trimmed = line.trim();
  if (trimmed.startsWith("#") || trimmed.startsWith(";")) return "";
  const inline = /\s;/.exec(line);
  return inline === null ? trimmed : line.slice(0, inline.index).trim();
}

/** "Init?family=inet6" → ["Init", "?family=inet6"]. */
function splitCondition(name: string): [string, string] {
  const found = /^(\w+)(\?.+)$/.exec(name);
  return found === null ? [name, ""] : [found[1]!, found[2]!];
}

function place(file: string, line: number, column: number): Place {
  return { file, line, column };
}

function duplicateSection(name: string, first: number, at: Place): Fault {
  return {
    what: `section [${name}] stands twice in one file`,
    why: `it began on line ${first} already; fail2ban refuses the whole file`,
    fix: "put the settings of both into one section",
    at,
  };
}

function duplicateOption(name: string, section: string, first: Place, at: Place): Fault {
  return {
    what: `option "${name}" stands twice in [${section}]`,
    why: `it was set on line ${first.line} already; fail2ban refuses the whole file`,
    fix: "keep the one that is meant; the later one is used here",
    at,
  };
}

function noSection(line: string, at: Place): Fault {
  return {
    what: "text before the first [section]",
    why: line.startsWith("\uFEFF")
      ? "the file begins with a byte order mark, which fail2ban takes for text"
      : "fail2ban refuses a file that does not begin with a section",
    fix: line.startsWith("\uFEFF")
      ? "save the file without a byte order mark"
      : "put [DEFAULT] or [JAIL] above it",
    at,
  };
}

function notAnOption(text: string, at: Place, indent: number): Fault {
  const looksContinued = indent === 0;
  return {
    what: `not an option: ${text.slice(0, 60)}`,
    why: "there is no = or : in the line; fail2ban refuses the whole file",
    fix: looksContinued ? "indent the line if it goes on with the value above" : "write NAME = VALUE",
    at,
  };
}
