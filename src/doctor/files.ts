// Lints files and nothing else: no root, no daemon, nothing of the machine but the files themselves. `f2b doctor FILE`, `f2b config
// check` and the live diagnosis all begin here.

import { basename, dirname, join } from "node:path";
import { bundledText } from "../config/bundled.ts";
import { type Config, defaultPath, loadConfig } from "../config/index.ts";
import { type Layer, parseToml, readText, type Source, tomlFiles } from "../config/read.ts";
import type { System } from "../system/index.ts";
import { lintJailFile, lintJails } from "./filters.ts";
import { sortFindings } from "./finding.ts";
import type { Finding } from "./index.ts";
import { lintSettings } from "./policy.ts";
import { maskLine } from "./secrets.ts";
import { ofFault, shadowed } from "./syntax.ts";

export interface Linted {
  readonly findings: readonly Finding[];
  /** The files that were read, in order. */
  readonly files: readonly string[];
  /** Where it could be loaded. */
  readonly config: Config | undefined;
}

export interface LintOptions {
  /** Texts in place of files that are not written yet. */
  readonly texts?: ReadonlyMap<string, string>;
  /** Whether what `f2b set --save` wrote counts. */
  readonly saved?: boolean;
  /** The user who will obey the files: root's must be writable by nobody else. Undefined: whose they are does not matter. */
  readonly reader?: number | undefined;
}

/** What was read of a configuration that could be loaded; the checks are functions of this. */
export interface Read {
  readonly config: Config;
  /** The files with their texts and tables, in the order in which they override each other. */
  readonly layers: readonly Layer[];
  /** The configuration's own jail files. */
  readonly jailFiles: readonly Source[];
}

/** Lints a configuration (its main file, or the directory it is in) or one jail file; undefined: the default place. */
export function lint(system: System, given: string | undefined, options: LintOptions = {}): Linted {
  const path = given === undefined ? undefined : mainFile(system, given);
  if (path !== undefined) {
    const source = readText(system, path, undefined);
    if (source.ok && isJailFile(path, source.value)) {
      const findings = lintJailFile({ file: path, text: source.value });
      return { findings: sortFindings(findings), files: [path], config: undefined };
    }
  }
  return lintConfig(system, path, options);
}

function mainFile(system: System, path: string): string {
  try {
    return system.files.stat(path)?.kind === "directory" ? join(path, "f2b.toml") : path;
  } catch {
    return path;
  }
}

/** A jail file lies in a directory jails/, or has what only jail files have. */
export function isJailFile(path: string, text: string): boolean {
  if (basename(dirname(path)) === "jails") return true;
  if (/^\s*\[(?:jails\.|defaults\]|daemon\]|notify\.)/m.test(text)) return false;
  return /^\s*\[filter(?:\.[\w.-]+)?\]|^\s*\[\[sample\]\]/m.test(text);
}

function lintConfig(system: System, path: string | undefined, options: LintOptions): Linted {
  const { texts, saved = false, reader } = options;
  const loaded = loadConfig({
    system,
    reader,
    saved,
    ...(path === undefined ? {} : { path }),
    ...(texts === undefined ? {} : { texts }),
  });
  const main = path ?? (loaded.ok && loaded.value.files.length === 0 ? undefined : defaultPath);
  const jailFiles = main === undefined ? [] : ownJailFiles(system, join(dirname(main), "jails"));
  const fromFiles = jailFiles.flatMap((source) => lintJailFile(source));
  if (!loaded.ok)
    return {
      findings: sortFindings([...loaded.faults.map((fault) => ofFault(fault)), ...fromFiles]),
      files: main === undefined ? [] : [main],
      config: undefined,
    };
  const config = loaded.value;
  const layers = config.files.flatMap((file): Layer[] => {
    const given = texts?.get(file);
    const text =
      given === undefined ? readText(system, file, undefined) : { ok: true as const, value: given };
    const data = text.ok ? parseToml(file, text.value) : text;
    return text.ok && data.ok
      ? [{ file, text: text.value, data: data.value, saved: file.endsWith("/settings.toml") }]
      : [];
  });
  const read: Read = { config, layers, jailFiles };
  const linted = new Set(jailFiles.map((source) => source.file));
  const findings = [
    ...config.warnings.map((fault) => ofFault(fault)),
    // What is wrong inside a jail file is said of the file.
    ...config.broken
      .flatMap((one) => one.faults)
      .filter((fault) => fault.at === undefined || !linted.has(fault.at.file))
      .map((fault) => ofFault(fault)),
    ...shadowed(layers),
    ...lintSettings(read),
    ...lintJails(read),
    ...fromFiles,
  ];
  return { findings: sortFindings(findings), files: config.files, config };
}

function ownJailFiles(system: System, directory: string): Source[] {
  const found = tomlFiles(system, directory);
  if (!found.ok) return [];
  return found.value.flatMap((file) => {
    const text = readText(system, file, undefined);
    return text.ok ? [{ file, text: text.value }] : [];
  });
}

/** Lines of files for showing a finding's place; of files inside the executable too. */
export function lineReader(
  system: System,
  texts: ReadonlyMap<string, string> = new Map(),
): (file: string, line: number) => string | undefined {
  const known = new Map<string, readonly string[]>();
  return (file, line) => {
    let list = known.get(file);
    if (list === undefined) {
      try {
        const text =
          texts.get(file) ?? bundledText(file) ?? new TextDecoder().decode(system.files.readFile(file));
        list = text.split(/\r?\n/);
      } catch {
        list = [];
      }
      known.set(file, list);
    }
    const text = list[line - 1];
    return text === undefined ? undefined : maskLine(text);
  };
}
