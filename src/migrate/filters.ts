// The filter of one jail: fail2ban's own, unchanged → ours of the same name with its mode and parameters; anything else →
// a jail file of its own with translated expressions, or the additions alone where only lines were added.

import type { Fault, Place } from "../core/domain.ts";
import type { Note } from "./actions.ts";
import { translateDatepattern } from "./datepattern.ts";
import { readDefinition } from "./definition.ts";
import type { Text, Tree } from "./layers.ts";
import { translatePython } from "./pyregex.ts";
import type { Line, OldJail } from "./resolve.ts";
import type { StockJudge } from "./stock.ts";
import { fullLines } from "./words.ts";

/** What f2b has of its own, as far as the importer needs to know it. */
export interface Catalogue {
  has(name: string): boolean;
  modes(name: string): readonly string[];
  parameters(name: string): readonly string[];
  /** Keys its jail file sets, which therefore hold before [defaults]. */
  settings(name: string): readonly string[];
  /** Whether it listens to f2b's own bans. */
  ownBans(name: string): boolean;
}

export type NewFilter =
  /** Ours, by name. `added`: expressions after the filter's own. */
  | {
      readonly kind: "ours";
      readonly name: string;
      readonly mode: string | undefined;
      readonly parameters: Readonly<Record<string, string>>;
      readonly added: readonly string[];
      readonly ignored: readonly string[];
    }
  | { readonly kind: "own"; readonly file: FilterFile }
  | { readonly kind: "none" };

export interface FilterFile {
  readonly format: string;
  readonly program: string | undefined;
  readonly prefregex: readonly Expression[];
  readonly failregex: readonly Expression[];
  readonly ignoreregex: readonly Expression[];
  readonly datepattern: readonly string[];
  readonly maxlines: number;
  /** Expression with <F-MLFID>, for lines of one session. */
  readonly session: string | undefined;
}

export interface Expression {
  readonly text: string;
  /** Where the original stands. */
  readonly at: Place;
  readonly original: string;
}

export interface FilterResult {
  readonly filter: NewFilter;
  readonly notes: readonly Note[];
  readonly faults: readonly Fault[];
}

/** Arguments that only steer how fail2ban reads the line's head, which f2b does by itself. */
const headArguments = new Set(["logtype", "_daemon", "__prefix_line", "name", "maxlines", "datepattern"]);

export function translateFilter(
  jail: OldJail,
  stock: StockJudge,
  catalogue: Catalogue,
  tree: Tree,
): FilterResult {
  const notes: Note[] = [];
  const faults: Fault[] = [];
  const { filter } = jail;
  if (filter === undefined && jail.failregex.length === 0) {
    faults.push({
      what: `jail ${jail.name} has no filter`,
      why: "fail2ban drops such a jail with a warning",
      fix: "give it filter = NAME",
      at: jail.at,
    });
    return { filter: { kind: "none" }, notes, faults };
  }
  if (filter !== undefined && filter.definition.files.length === 0 && !jail.ownExpressions) {
    return { filter: { kind: "none" }, notes, faults };
  }
  const ours = asOurs(jail, stock, catalogue, tree, notes, faults);
  if (ours !== undefined) return { filter: ours, notes, faults };
  return { filter: { kind: "own", file: translateFile(jail, stock, notes, faults) }, notes, faults };
}

// ------------------------------------------------------------------------------------------------------------------ ours

function asOurs(
  jail: OldJail,
  stock: StockJudge,
  catalogue: Catalogue,
  tree: Tree,
  notes: Note[],
  faults: Fault[],
): NewFilter | undefined {
  const { filter } = jail;
  if (filter === undefined) return undefined;
  const name = filter.reference.name;
  if (!catalogue.has(name)) return undefined;
  const { definition } = filter;
  const overlays = definition.files.filter((file) => file.endsWith(".local"));
  const changed = definition.files.filter((file) => !file.endsWith(".local") && !stock.unchanged([file]));
  if (changed.length > 0) {
    notes.push({
      text: `${changed[0]} differs from every version of it that is known here, so it is translated; if you never changed it, f2b import --prefer-own takes f2b's own filter`,
      at: { file: changed[0]!, line: 1, column: 1 },
    });
    return undefined;
  }
  if (jail.datepattern !== undefined && jail.own.includes("datepattern")) {
    notes.push({
      text: "its datepattern is left out: f2b's filter knows the service's times",
      at: jail.datepattern.at,
    });
  }
  const base = overlays.length === 0 && !jail.ownExpressions ? undefined : additions(jail, stock, tree);
  if (base === "replaced") return undefined;
  const mode = modeOf(jail);
  const modes = catalogue.modes(name);
  if (mode !== undefined && mode !== "normal" && !modes.includes(mode)) {
    notes.push({
      text: `f2b's ${name} has no mode "${mode}" (it has ${["normal", ...modes].join(", ")}); its filter is translated instead`,
      at: filter.at,
    });
    return undefined;
  }
  const parameters: Record<string, string> = {};
  for (const [key, value] of filter.reference.args) {
    if (key === "mode" || headArguments.has(key)) continue;
    const known = catalogue.parameters(name).find((one) => plain(one) === plain(key));
    if (known !== undefined) parameters[known] = value;
    else
      notes.push({
        text: `${name}[${key}=${value}] has no counterpart in f2b's filter and is left out`,
        at: filter.at,
      });
  }
  const translate = (lines: readonly Line[], what: string): string[] =>
    lines.flatMap((line) => {
      const result = translatePython(line.text, { at: line.at });
      if (result.ok) return [...result.value.expressions];
      faults.push(result.fault);
      notes.push({ text: `one ${what} of your own could not be carried over`, at: line.at });
      return [];
    });
  return {
    kind: "ours",
    name,
    mode: mode === "normal" ? undefined : mode,
    parameters,
    added: translate(base?.failregex ?? [], "failregex"),
    ignored: translate(base?.ignoreregex ?? [], "ignoreregex"),
  };
}

const plain = (name: string): string => name.replace(/[-_]/g, "").toLowerCase();

function modeOf(jail: OldJail): string | undefined {
  const given = jail.filter?.reference.args.get("mode");
  return given ?? jail.filter?.definition.value("mode")?.text;
}

/**
 * Lines the user added to a stock filter; "replaced" when more than additions were made. Only a filter whose prefregex hands its
 * expressions the message allows this: ours see the message too.
 */
function additions(
  jail: OldJail,
  stock: StockJudge,
  tree: Tree,
): { failregex: Line[]; ignoreregex: Line[] } | "replaced" {
  const definition = jail.filter!.definition;
  const isStock = (line: Line): boolean =>
    stock.unchanged([line.at.file]) && tree.read(line.at.file) !== undefined;
  const handsMessage =
    /<F-CONTENT>/.test(jail.prefregex?.text ?? "") &&
    (jail.prefregex === undefined || isStock(lineOf(jail.prefregex)));
  const failregex = jail.failregex.filter((line) => !isStock(line));
  const ignoreregex = jail.ignoreregex.filter((line) => !isStock(line));
  const kept = jail.failregex.some(isStock);
  const touched = overlaidOptions(definition.files, tree).filter(
    (option) => option !== "failregex" && option !== "ignoreregex",
  );
  if (touched.length > 0 || !handsMessage || (failregex.length > 0 && !kept)) return "replaced";
  return { failregex, ignoreregex };
}

function lineOf(text: Text): Line {
  return text.lines[0] ?? { text: text.text, at: text.at };
}

function overlaidOptions(files: readonly string[], tree: Tree): string[] {
  const out: string[] = [];
  for (const file of files) {
    if (!file.endsWith(".local")) continue;
    for (const [, option] of (tree.read(file) ?? "").matchAll(/^([\w-]+)\s*[=:]/gm))
      out.push(option!.toLowerCase());
  }
  return out;
}

// ----------------------------------------------------------------------------------------------------------- translation

function translateFile(jail: OldJail, stock: StockJudge, notes: Note[], faults: Fault[]): FilterFile {
  const maxlines = Math.max(1, Number.parseInt(jail.maxlines?.text ?? "1", 10) || 1);
  const multiline = maxlines > 1;
  const translate = (lines: readonly Line[]): Expression[] => {
    const out: Expression[] = [];
    for (const line of lines) {
      const unset = /^<([a-z][\w-]*)>$/.exec(line.text.trim());
      if (unset !== null) {
        faults.push({
          what: `the tag <${unset[1]}> is set nowhere`,
          why: "fail2ban then looks for the tag's name in the log and finds nothing; mostly it is a mode the filter has not",
          fix: "correct the mode or argument of the filter",
          at: line.at,
        });
        continue;
      }
      const result = translatePython(line.text.trim(), { multiline, at: line.at });
      if (!result.ok) {
        faults.push(result.fault);
        continue;
      }
      for (const note of result.value.notes) notes.push({ text: note, at: line.at });
      for (const text of result.value.expressions)
        out.push({ text, at: line.at, original: line.text.trim() });
    }
    return out;
  };
  const headless = multiline ? undefined : behindPrefix(jail, stock);
  const prefix = headless?.prefregex ?? prefixLines(jail.prefregex);
  const prefregex = translate(prefix);
  const failregex = translate(headless?.failregex ?? jail.failregex);
  const ignoreregex = translate(headless?.ignoreregex ?? jail.ignoreregex);
  const session = [...prefregex, ...failregex].find((one) => one.text.includes("<F-MLFID>"));
  return {
    format: headless === undefined ? "fail2ban" : "syslog",
    program: headless?.program,
    prefregex,
    failregex,
    ignoreregex,
    datepattern: headless === undefined ? translateDatepattern(jail.datepattern?.lines ?? [], notes) : [],
    maxlines,
    session: headless?.byPid === true ? "pid" : session?.text,
  };
}

const prefixLines = (text: Text | undefined): Line[] =>
  text === undefined || text.text.trim() === "" ? [] : [oneLine(text)];

interface Headless {
  readonly program: string | undefined;
  readonly prefregex: readonly Line[];
  readonly failregex: readonly Line[];
  readonly ignoreregex: readonly Line[];
  readonly byPid: boolean;
}

/** Stands for the line's head while we look where it is used; no expression holds it otherwise. */
const mark = "\uE0F2\uE0F2";
const head = new RegExp(`^\\^(?:<F-MLFID>${mark}</F-MLFID>|${mark})`);

/**
 * Expressions that all begin with fail2ban's own `%(__prefix_line)s` say by it: a line of syslog from this daemon. f2b reads such heads
 * itself, so the message alone is left. Undefined where the head is used otherwise or is not fail2ban's own.
 */
function behindPrefix(jail: OldJail, stock: StockJudge): Headless | undefined {
  const definition = jail.filter?.definition;
  if (definition === undefined || jail.ownExpressions || jail.own.includes("prefregex")) return undefined;
  const source = definition.layers.sections.get("DEFAULT")?.get("__prefix_line");
  if (source === undefined || definition.layers.sections.get("Definition")?.has("__prefix_line") === true)
    return undefined;
  if (!stock.unchanged([source.at.file])) return undefined;
  const marked = readDefinition({ ...definition.asked, instead: { __prefix_line: mark } });
  const lines = (option: string): Line[] => fullLines((marked.value(option)?.lines ?? []) as Line[]);
  const prefregex = prefixLines(marked.value("prefregex"));
  const failregex = lines("failregex");
  const ignoreregex = lines("ignoreregex");
  const first = prefregex.length > 0 ? prefregex : failregex;
  const begins = (line: Line): boolean => head.test(line.text.trim());
  if (first.length === 0 || !first.every(begins)) return undefined;
  const strip = (line: Line): Line => ({ ...line, text: line.text.trim().replace(head, "^") });
  const stripped = [...prefregex, ...failregex, ...ignoreregex].map(strip);
  if (stripped.some((line) => line.text.includes(mark))) return undefined;
  const daemon = definition.value("_daemon")?.text ?? "";
  const program = translatePython(daemon, { feed: false });
  if (!program.ok || program.value.expressions.length !== 1) return undefined;
  const [name] = program.value.expressions;
  return {
    program: /^(?:\\S[*+])?$/.test(daemon) ? undefined : `(?:${name})(?:\\(\\S+\\))?`,
    prefregex: prefregex.map(strip),
    failregex: failregex.map(strip),
    ignoreregex: ignoreregex.map(strip),
    byPid: first.some((line) => line.text.includes("<F-MLFID>")),
  };
}

/** prefregex is one expression even where it was written over several lines. */
function oneLine(text: Text): Line {
  return { text: text.text.trim(), at: lineOf(text).at };
}
