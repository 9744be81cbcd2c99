// A jail file: TOML → checked data → the filter that a mode, parameters and a user's own lists make of it. The format is
// described in jails/README.md; what a jail file says beside its filter are settings, judged by config/schema.ts.

import { parse, TomlError } from "smol-toml";
import { z } from "zod";
import { withoutZone } from "../core/datetime.ts";
import type { Fault, Filter, JsonShape, Place, Result } from "../core/domain.ts";
import { parseDuration } from "../core/duration.ts";
import { formats } from "../core/filter.ts";
import { fillParameters } from "../core/pattern.ts";
import type { Sample } from "../core/sample.ts";
import { suggest } from "../core/text.ts";
import { locate, type Path } from "./locate.ts";
import { jailKeys } from "./schema.ts";

const text = z.string();
const texts = z.array(text);
const oneOrMore = z.union([text, texts]);
const failure = z.strictObject({
  host: text.optional(),
  id: text.optional(),
  user: text.optional(),
  time: text.optional(),
  attempts: z.int().min(1).optional(),
});
const sample = z.strictObject({
  about: text.optional(),
  line: text.optional(),
  lines: texts.min(1).optional(),
  mode: text.optional(),
  parameters: z.record(text, text).optional(),
  journal: z.boolean().optional(),
  trustedproxies: texts.optional(),
  timezone: text.optional(),
  fail: z.union([z.literal(false), failure, z.array(failure)]),
});
const shape = z.strictObject({
  address: oneOrMore.optional(),
  user: oneOrMore.optional(),
  message: oneOrMore.optional(),
  time: oneOrMore.optional(),
  forwarded: oneOrMore.optional(),
  require: z.record(text, oneOrMore).optional(),
});
const shapes = z.union([shape, z.array(shape).min(1)]);
const mode = z.strictObject({
  extends: oneOrMore.optional(),
  replace: z.boolean().optional(),
  prefregex: texts.optional(),
  failregex: texts.optional(),
  ignoreregex: texts.optional(),
  json: shapes.optional(),
});
const parameter = z.union([
  text,
  z.strictObject({ default: text, values: z.record(text, text).optional(), about: text.optional() }),
]);
const filter = z.strictObject({
  format: z.union([z.enum(formats), z.array(z.enum(formats)).min(1)]).optional(),
  program: text.optional(),
  prefregex: oneOrMore.optional(),
  failregex: texts.optional(),
  ignoreregex: texts.optional(),
  datepattern: oneOrMore.optional(),
  maxlines: z.int().min(1).max(100).optional(),
  session: z.strictObject({ key: text, expire: z.union([text, z.number()]).optional() }).optional(),
  json: shapes.optional(),
  logencoding: text.optional(),
  forgeable: z.union([text, z.partialRecord(z.enum(formats), text)]).optional(),
  unforgeable: text.optional(),
  spoofable: text.optional(),
  modes: z.record(text, mode).optional(),
  parameters: z.record(text, parameter).optional(),
});
const head = z.looseObject({
  summary: text.optional(),
  needs: text.optional(),
  doc: texts.optional(),
  optional: text.optional(),
  filter: filter.optional(),
  sample: z.array(sample).optional(),
});

export type FilterTable = z.infer<typeof filter>;

export interface JailFile {
  readonly name: string;
  /** As people know it; what places name. */
  readonly file: string;
  readonly text: string;
  readonly summary: string;
  readonly needs: string | undefined;
  readonly doc: readonly string[];
  /** Why the wizard offers the jail but leaves the choice to the user; undefined: it is proposed where the service runs. */
  readonly optional: string | undefined;
  /** Everything beside the filter, as written: keys of [jails.NAME], judged by config/schema.ts when the jail is resolved. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Of the settings, those by which a service is found on a host. */
  readonly logpath: readonly string[];
  readonly journalmatch: readonly string[];
  readonly filter: FilterTable;
  readonly samples: readonly Sample[];
}

/** Modes that may be asked for: "normal" always, and those that the file declares. */
export const modesOf = (file: JailFile): readonly string[] => [
  ...new Set(["normal", ...Object.keys(file.filter.modes ?? {})]),
];

export const parametersOf = (file: JailFile): readonly string[] => Object.keys(file.filter.parameters ?? {});

/** Every mistake with its place; expressions are judged by `compileFilter`. */
export function parseJailFile(name: string, source: string, file: string): Result<JailFile> {
  let data: Record<string, unknown>;
  try {
    data = parse(source);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const why = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "") ?? "";
    return fault({ what: `this is not TOML: ${why}`, at: { file, line: error.line, column: error.column } });
  }
  const at = (path: Path, which: "key" | "value"): Place => ({ file, ...locate(source, path, which) });
  const checked = head.safeParse(data, { reportInput: true });
  const faults: Fault[] = checked.success ? [] : checked.error.issues.flatMap((issue) => faultsOf(issue, at));
  const known = [...Object.keys(head.shape), ...Object.keys(jailKeys)];
  for (const key of Object.keys(data)) {
    if (!known.includes(key))
      faults.push({
        what: `there is no key "${key}" in a jail file`,
        ...meant(key, known),
        at: at([key], "key"),
      });
  }
  if (!checked.success || faults.length > 0) return { ok: false, faults };
  const { summary, needs, doc, optional, filter: table, sample: samples, ...settings } = checked.data;
  const twice = (samples ?? []).findIndex((one) => (one.line === undefined) === (one.lines === undefined));
  if (twice >= 0)
    return fault({ what: "a sample has either line or lines", at: at(["sample", twice], "key") });
  return {
    ok: true,
    value: {
      name,
      file,
      text: source,
      summary: summary ?? name,
      needs,
      doc: doc ?? [],
      optional,
      settings,
      logpath: textsOf(settings.logpath),
      journalmatch: textsOf(settings.journalmatch),
      filter: table ?? {},
      samples: (samples ?? []).map((one) => ({
        about: one.about ?? "",
        lines: one.lines ?? [one.line ?? ""],
        mode: one.mode,
        parameters: one.parameters ?? {},
        journal: one.journal ?? false,
        trustedproxies: one.trustedproxies ?? [],
        timezone: one.timezone ?? "UTC",
        fail: one.fail === false ? [] : Array.isArray(one.fail) ? one.fail : [one.fail],
      })),
    },
  };
}

function faultsOf(issue: z.core.$ZodIssue, at: (path: Path, which: "key" | "value") => Place): Fault[] {
  const path: Path = issue.path.filter((step) => typeof step !== "symbol");
  if (issue.code === "unrecognized_keys") {
    const tables: Readonly<Record<string, readonly string[]>> = {
      filter: Object.keys(filter.shape),
      sample: Object.keys(sample.shape),
      modes: Object.keys(mode.shape),
      json: Object.keys(shape.shape),
    };
    const where = [...path].reverse().find((step) => typeof step === "string" && Object.hasOwn(tables, step));
    const known = tables[where === "json" ? where : path.includes("modes") ? "modes" : String(where)] ?? [];
    return issue.keys.map((key) => ({
      what: `there is no key "${key}" in [${path.join(".")}]`,
      ...meant(key, known),
      at: at([...path, key], "key"),
    }));
  }
  if (issue.code === "invalid_union") {
    const deeper = issue.errors.find((branch) =>
      branch.every((one) => one.path.length > 0 || one.code === "unrecognized_keys"),
    );
    if (deeper !== undefined) {
      return deeper.flatMap((one) => faultsOf({ ...one, path: [...issue.path, ...one.path] }, at));
    }
  }
  return [{ what: `${path.join(".")}: ${issue.message}`, at: at(path, "value") }];
}

const textsOf = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === "string");

const meant = (word: string, known: readonly string[]): { fix?: string } => {
  const near = suggest(word, known);
  return near === undefined ? { fix: `its keys are ${known.join(", ")}` } : { fix: `did you mean ${near}?` };
};

const fault = (one: Fault): Result<never> => ({ ok: false, faults: [one] });

// -------------------------------------------------------------------------------------------------------------- effective

/** What a user sets over a jail file's filter; lists replace the file's. */
export interface FilterChanges {
  readonly mode?: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly prefregex?: readonly string[];
  readonly failregex?: readonly string[];
  readonly ignoreregex?: readonly string[];
  readonly datepattern?: readonly string[];
  /** The jail says itself in which zone its times are: what the file's patterns say of it does not count. */
  readonly zoned?: boolean;
  readonly maxlines?: number;
  readonly logencoding?: string;
}

type TextList = Exclude<keyof Lists, "json">;
interface Lists {
  readonly prefregex: readonly string[];
  readonly failregex: readonly string[];
  readonly ignoreregex: readonly string[];
  readonly json: readonly z.infer<typeof shape>[];
}

/** The filter of a mode with its parameters filled in. Faults: unknown mode or parameter, a value that is none of its words. */
export function effectiveFilter(file: JailFile, changes: FilterChanges = {}): Result<Filter> {
  const table = file.filter;
  const faults: Fault[] = [];
  const at = (path: Path): { at: Place } => ({ at: { file: file.file, ...locate(file.text, path, "key") } });
  const modes = modesOf(file);
  const wanted = changes.mode ?? "normal";
  if (!modes.includes(wanted)) {
    const near = suggest(wanted, modes);
    faults.push({
      what: `the filter ${file.name} has no mode "${wanted}"`,
      fix: near === undefined ? `its modes are ${modes.join(", ")}` : `did you mean "${near}"?`,
    });
  }
  const parameters = parametersWith(file, changes.parameters ?? {}, faults);
  const lists = listsOf(file, wanted, faults, at);
  const fill = (sources: readonly string[], path: Path): string[] =>
    sources.flatMap((source) => {
      const filled = fillParameters(source, parameters);
      if (!filled.ok) faults.push(...filled.faults.map((one) => ({ ...one, ...at(path) })));
      return filled.ok ? [filled.value] : [];
    });
  const expire = table.session?.expire === undefined ? undefined : parseDuration(table.session.expire);
  if (expire?.ok === false)
    faults.push(...expire.faults.map((one) => ({ ...one, ...at(["filter", "session", "expire"]) })));
  const own =
    changes.failregex !== undefined || changes.ignoreregex !== undefined || changes.prefregex !== undefined;
  const program = table.program === undefined ? undefined : fill([table.program], ["filter", "program"])[0];
  const key =
    table.session === undefined ? undefined : fill([table.session.key], ["filter", "session", "key"])[0];
  const value: Filter = {
    name: file.name,
    format: [table.format ?? "auto"].flat().join("|"),
    program,
    prefregex: fill(changes.prefregex ?? lists.prefregex, ["filter", "prefregex"]),
    failregex: fill(changes.failregex ?? lists.failregex, ["filter", "failregex"]),
    ignoreregex: fill(changes.ignoreregex ?? lists.ignoreregex, ["filter", "ignoreregex"]),
    datepattern:
      changes.datepattern ??
      (changes.zoned === true ? list(table.datepattern).map(withoutZone) : list(table.datepattern)),
    maxlines: changes.maxlines ?? table.maxlines ?? 1,
    session:
      key === undefined
        ? undefined
        : { key, expire: expire?.ok === true && typeof expire.value === "number" ? expire.value : 600 },
    json: lists.json.length === 0 ? undefined : lists.json.map((one) => shapeOf(one, fill)),
    logencoding: changes.logencoding ?? table.logencoding ?? "utf-8",
    forgeable: typeof table.forgeable === "string" ? table.forgeable : undefined,
    ...(typeof table.forgeable === "object" ? { forgeableFormats: table.forgeable } : {}),
    ...(table.unforgeable === undefined ? {} : { unforgeable: table.unforgeable }),
    spoofable: table.spoofable,
    own,
  };
  return faults.length > 0 ? { ok: false, faults } : { ok: true, value };
}

/** Parameters may stand in what a record must have, as in other expressions. */
function shapeOf(
  table: z.infer<typeof shape>,
  fill: (sources: readonly string[], path: Path) => string[],
): JsonShape {
  const require = Object.entries(table.require ?? {});
  return {
    address: list(table.address),
    user: list(table.user),
    message: list(table.message),
    time: list(table.time),
    ...(table.forwarded === undefined ? {} : { forwarded: list(table.forwarded) }),
    ...(table.require === undefined
      ? {}
      : {
          require: Object.fromEntries(
            require.map(([path, one]) => [path, fill(list(one), ["filter", "json"])]),
          ),
        }),
  };
}

const list = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === "string" ? [value] : value;

/** The base's lists, then those of the modes it extends, then its own. */
function listsOf(file: JailFile, wanted: string, faults: Fault[], at: (path: Path) => { at: Place }): Lists {
  const { filter: table } = file;
  const modes = table.modes ?? {};
  const base: Lists = {
    prefregex: list(table.prefregex),
    failregex: table.failregex ?? [],
    ignoreregex: table.ignoreregex ?? [],
    json: [table.json ?? []].flat(),
  };
  const added = (name: string, above: readonly string[]): Lists => {
    const one = Object.hasOwn(modes, name) ? modes[name] : undefined;
    if (above.includes(name)) {
      faults.push({
        what: `modes extend each other in a circle: ${[...above, name].join(" → ")}`,
        ...at(["filter", "modes", name]),
      });
      return { prefregex: [], failregex: [], ignoreregex: [], json: [] };
    }
    const parts = list(one?.extends).map((other) => {
      if (!Object.hasOwn(modes, other) && other !== "normal") {
        faults.push({
          what: `mode "${name}" extends "${other}", which is not there`,
          ...at(["filter", "modes", name, "extends"]),
        });
      }
      return added(other, [...above, name]);
    });
    const join = (key: TextList): string[] => [...parts.flatMap((part) => part[key]), ...(one?.[key] ?? [])];
    return {
      prefregex: join("prefregex"),
      failregex: join("failregex"),
      ignoreregex: join("ignoreregex"),
      json: [...parts.flatMap((part) => part.json), ...[one?.json ?? []].flat()],
    };
  };
  const own = added(wanted, []);
  const replaces = Object.hasOwn(modes, wanted) && modes[wanted]?.replace === true;
  const merge = (key: TextList): readonly string[] => [...new Set([...base[key], ...own[key]])];
  return {
    prefregex: own.prefregex.length > 0 ? own.prefregex : base.prefregex,
    failregex: replaces ? own.failregex : merge("failregex"),
    ignoreregex: merge("ignoreregex"),
    json: replaces && own.json.length > 0 ? own.json : [...base.json, ...own.json],
  };
}

function parametersWith(
  file: JailFile,
  changes: Readonly<Record<string, string>>,
  faults: Fault[],
): Readonly<Record<string, string>> {
  const declared = file.filter.parameters ?? {};
  for (const name of Object.keys(changes)) {
    if (Object.hasOwn(declared, name)) continue;
    const names = Object.keys(declared);
    const near = suggest(name, names);
    const all = names.length === 0 ? "it has none" : `they are ${names.join(", ")}`;
    faults.push({
      what: `the filter ${file.name} has no parameter "${name}"`,
      fix: near === undefined ? all : `did you mean "${near}"?`,
    });
  }
  const filled: Record<string, string> = {};
  for (const [name, rule] of Object.entries(declared)) {
    const value =
      (Object.hasOwn(changes, name) ? changes[name] : undefined) ??
      (typeof rule === "string" ? rule : rule.default);
    const words = typeof rule === "string" ? undefined : rule.values;
    if (words === undefined) filled[name] = value;
    else if (Object.hasOwn(words, value)) filled[name] = words[value] ?? "";
    else {
      filled[name] = "";
      const near = suggest(value, Object.keys(words));
      faults.push({
        what: `the parameter ${name} of the filter ${file.name} cannot be "${value}"`,
        fix: near === undefined ? `write one of ${Object.keys(words).join(", ")}` : `did you mean "${near}"?`,
      });
    }
  }
  return filled;
}
