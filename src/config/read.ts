// Reads the configuration's files as data with their texts: whose they are is judged first, how big and how deep they are before
// anything else looks at them. Nothing is merged and no key is known here.

import { dirname, join } from "node:path";
import { parse, TomlError } from "smol-toml";
import type { Fault, Result } from "../core/domain.ts";
import { plural } from "../core/text.ts";
import type { FileStat, System } from "../system/index.ts";

export interface Source {
  /** As people know it; what a place names. */
  readonly file: string;
  readonly text: string;
}

export interface Layer extends Source {
  readonly data: Readonly<Record<string, unknown>>;
  readonly saved: boolean;
}

/** Larger files are refused: a configuration of a thousand jails is some 300 KB. */
export const largest = 1024 * 1024;
const deepest = 16;

/** The text of a plain file that is small enough and, when root reads it, nobody else's. */
export function readText(system: System, path: string, reader: number | undefined): Result<string> {
  let stat: FileStat | undefined;
  try {
    stat = system.files.stat(path);
    if (stat === undefined) return fault({ what: `${path} does not exist` });
    if (stat.kind !== "file") return fault({ what: `${path} is a ${stat.kind}, not a file` });
    if (stat.size > largest)
      return fault({
        what: `${path} is ${plural(stat.size, "byte")} long`,
        why: `more than ${largest} are not read`,
        fix: "split it into conf.d/*.toml",
      });
    const foreign = reader === 0 ? whoElseWrites(system, path) : undefined;
    if (foreign !== undefined) return fault(foreign);
    const bytes = system.files.readFile(path);
    if (bytes.byteLength > largest)
      return fault({ what: `${path} is too long`, why: `more than ${largest} bytes are not read` });
    return decode(path, bytes);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return fault({
      what: `${path} cannot be read: ${code ?? (error as Error).message}`,
      ...(code === "EACCES"
        ? { fix: "try with sudo, or make it readable for the user f2b runs as", exit: 77 }
        : {}),
    });
  }
}

function decode(path: string, bytes: Uint8Array): Result<string> {
  try {
    return { ok: true, value: new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes) };
  } catch {
    const text = new TextDecoder().decode(bytes);
    const before = text.slice(0, text.indexOf("\uFFFD"));
    const line = before.split("\n").length;
    return fault({
      what: "this is not UTF-8",
      fix: `TOML is UTF-8: convert it, such as with iconv -f latin1 -t utf-8 ${path}`,
      at: { file: path, line, column: before.length - before.lastIndexOf("\n") },
    });
  }
}

/**
 * As sshd's StrictModes: a file that root obeys, and every directory on the way to it, belongs to root and is writable by nobody
 * else (a directory with the sticky bit may be). Undefined: so it is.
 */
function whoElseWrites(system: System, path: string): Fault | undefined {
  let at = system.files.realpath(path);
  for (let first = true; ; first = false) {
    const stat = system.files.stat(at);
    if (stat === undefined) return { what: `${at} does not exist` };
    const thing = first ? at : `${at}, on the way to ${path},`;
    const why = "root would obey whoever can write it";
    if (stat.uid !== 0)
      return { what: `${thing} belongs to user ${stat.uid}, not to root`, why, fix: `chown root ${at}` };
    if ((stat.mode & 0o022) !== 0 && !(stat.kind === "directory" && (stat.mode & 0o1000) !== 0)) {
      const whom = (stat.mode & 0o002) !== 0 ? "everybody" : `group ${stat.gid}`;
      return { what: `${thing} can be written by ${whom}`, why, fix: `chmod go-w ${at}` };
    }
    const above = dirname(at);
    if (above === at) return undefined;
    at = above;
  }
}

/** TOML as data. A mistake has its place; so has nesting beyond reason. */
export function parseToml(file: string, text: string): Result<Readonly<Record<string, unknown>>> {
  try {
    const tooDeep = deepLine(text);
    if (tooDeep !== undefined)
      return fault({
        what: "this is nested too deeply",
        at: { file, line: tooDeep.line, column: tooDeep.column },
      });
    return { ok: true, value: parse(text, { integersAsBigInt: false }) };
  } catch (error) {
    if (error instanceof TomlError) {
      const at = { file, line: error.line, column: error.column };
      const [, message = "not TOML"] = /^Invalid TOML document: ([^\n]*)/.exec(error.message) ?? [];
      return fault({
        what: `TOML syntax: ${message}`,
        ...syntaxFix(text.split("\n")[error.line - 1] ?? "", message),
        at,
      });
    }
    return fault({ what: `${file} is not TOML: ${(error as Error).message}` });
  }
}

/** What people write who come from ini files. */
function syntaxFix(line: string, message: string): { fix?: string } {
  if (/^\s*bantime\./.test(line))
    return { fix: 'bantime is a table then: bantime = { base = "10m", increment = true }' };
  if (/^\s*;/.test(line)) return { fix: "comments begin with #" };
  const bare = /^\s*([\w.-]+)\s*=\s*([^"'[{\s][^#]*?)\s*(?:#.*)?$/.exec(line);
  if (bare !== null && !/^(?:[+-]?[\d.]+|true|false)$/.test(bare[2]!)) {
    if (/^(?:yes|on)$/i.test(bare[2]!)) return { fix: `write ${bare[1]} = true` };
    if (/^(?:no|off)$/i.test(bare[2]!)) return { fix: `write ${bare[1]} = false` };
    return { fix: `texts stand in quotes: ${bare[1]} = ${JSON.stringify(bare[2])}` };
  }
  if (/"[^"]*\\[^btnfruUe"\\x]/.test(line))
    return { fix: "expressions stand in single quotes, where a backslash is a backslash" };
  if (/redefine|already|duplicate/i.test(message)) return { fix: "write it once" };
  return {};
}

/** The first place at which brackets, or a key's dots, nest deeper than any setting does; before a recursive parser sees them. */
function deepLine(text: string): { line: number; column: number } | undefined {
  let depth = 0;
  let line = 1;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text[at]!;
    if (c === "\n") {
      line++;
      start = at + 1;
    } else if (c === "#") {
      const end = text.indexOf("\n", at);
      at = (end < 0 ? text.length : end) - 1;
    } else if (c === '"' || c === "'") {
      const end = stringEnd(text, at, c);
      for (let i = text.indexOf("\n", at); i >= 0 && i < end; i = text.indexOf("\n", i + 1)) {
        line++;
        start = i + 1;
      }
      at = end - 1;
    } else if (c === "[" || c === "{") {
      if (++depth > deepest) return { line, column: at - start + 1 };
    } else if ((c === "]" || c === "}") && depth > 0) depth--;
    else if (c === "." && dotted.test(text.slice(at, at + 600))) return { line, column: at - start + 1 };
  }
  return undefined;
}
const dotted = new RegExp(`^(?:\\.\\s{0,3}[\\w-]{1,30}\\s{0,3}){${deepest},}`);

function stringEnd(text: string, at: number, quote: string): number {
  const long = text.startsWith(quote.repeat(3), at);
  for (let i = at + (long ? 3 : 1); i < text.length; i++) {
    const c = text[i];
    if (c === "\\" && quote === '"') i++;
    else if (!long && c === "\n") return i;
    else if (c === quote && !long) return i + 1;
    else if (c === quote && text.startsWith(quote.repeat(3), i)) return i + 3;
  }
  return text.length;
}

/** Paths of the *.toml files of a directory, in the order of their names; [] where it is not there. */
export function tomlFiles(system: System, directory: string): Result<string[]> {
  try {
    if (system.files.stat(directory) === undefined) return { ok: true, value: [] };
    const names = system.files
      .readdir(directory)
      .filter((one) => one.endsWith(".toml") && !one.startsWith("."));
    return {
      ok: true,
      value: names.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)).map((one) => join(directory, one)),
    };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    return fault({ what: `${directory} cannot be read: ${code}` });
  }
}

const fault = (one: Fault): Result<never> => ({ ok: false, faults: [one] });
