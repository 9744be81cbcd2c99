// Mistakes of a configuration as Faults with their places, and the one way in which they are shown.

import type { z } from "zod";
import type { Fault, Place } from "../core/domain.ts";
import { suggest, visible } from "../core/text.ts";
import { locate, type Path } from "./locate.ts";
import { elsewhere } from "./parity.ts";
import { commonKeys, daemonKeys, jailKeys, metricsKeys, reportKeys } from "./schema.ts";
import { bantimeKeys } from "./values.ts";

/** A place in a text that was read as `file`. */
export function placeOf(file: string, text: string, path: Path, which: "key" | "value"): Place {
  return { file, ...locate(text, path, which) };
}

/**
 * What zod found in the tables of one file, each with its place. `at` finds the place of a path; `above` leads to what was
 * judged; `known` are the keys to suggest where the schema is not one of ours.
 */
export function faultsOf(
  issues: readonly z.core.$ZodIssue[],
  at: (path: Path, which: "key" | "value") => Place,
  above: Path = [],
  known?: readonly string[],
): Fault[] {
  return issues.flatMap((issue) => faultsOfIssue(issue, at, above, known));
}

function faultsOfIssue(
  issue: z.core.$ZodIssue,
  at: (path: Path, which: "key" | "value") => Place,
  above: Path,
  known: readonly string[] | undefined,
): Fault[] {
  const path: Path = [...above, ...issue.path.filter((step) => typeof step !== "symbol")];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({ ...unknownKey(path, key, known), at: at([...path, key], "key") }));
    case "invalid_key":
      return [
        {
          what: `${JSON.stringify(path.at(-1))} cannot be a name`,
          ...spread(issue.issues[0]?.message, "why"),
          at: at(path, "key"),
        },
      ];
    case "invalid_union": {
      if (
        issue.input === undefined &&
        typeof path.at(-1) === "string" &&
        issue.errors.every((one) => one.every((deep) => deep.path.length === 0))
      )
        return [missing(path, listed([...new Set(wantedBy(issue))]), at)];
      const deeper = closest(issue.errors);
      if (deeper !== undefined) return faultsOf(deeper, at, path, known);
      const wanted = [...new Set(wantedBy(issue))];
      return [
        {
          what: `${name(path)} must be ${listed(wanted)}, not ${kindOf(issue.input)}`,
          at: at(path, "value"),
        },
      ];
    }
    case "invalid_type":
      if (issue.input === undefined) return [missing(path, typeName(issue.expected), at)];
      return [
        {
          what: `${name(path)} must be ${typeName(issue.expected)}, not ${kindOf(issue.input)}`,
          ...typeFix(path, issue),
          at: at(path, "value"),
        },
      ];
    case "invalid_value": {
      const choices = issue.values.map(String);
      const near = typeof issue.input === "string" ? suggest(issue.input, choices) : undefined;
      return [
        {
          what: `${name(path)} cannot be ${shown(issue.input)}`,
          fix:
            near === undefined
              ? `write one of ${choices.map((one) => `"${one}"`).join(", ")}`
              : `did you mean "${near}"?`,
          at: at(path, "value"),
        },
      ];
    }
    case "too_small":
      return [
        {
          what: `${name(path)} must be at least ${issue.minimum}${unit(issue.origin)}`,
          at: at(path, "value"),
        },
      ];
    case "too_big":
      return [
        {
          what: `${name(path)} must be at most ${issue.maximum}${unit(issue.origin)}`,
          at: at(path, "value"),
        },
      ];
    default: {
      const [what = "", fix] = issue.message.split("\n");
      return [{ what: `${name(path)}: ${what}`, ...spread(fix, "fix"), at: at(path, "value") }];
    }
  }
}

/** A key that must be written. The place is the nearest there is: the table's. */
const missing = (path: Path, wanted: string, at: (path: Path, which: "key" | "value") => Place): Fault => ({
  what: `${name(path)} is missing: it must be ${wanted}, and there is no default`,
  at: at(path, "value"),
});

/** Of a union's branches, the one that the value was meant for: its type fits and the mistake lies deeper or in the value itself. */
function closest(
  branches: readonly (readonly z.core.$ZodIssue[])[],
): readonly z.core.$ZodIssue[] | undefined {
  return branches.find((branch) =>
    branch.every(
      (issue) =>
        issue.path.length > 0 ||
        !(issue.code === "invalid_type" || issue.code === "invalid_value" || issue.code === "invalid_union"),
    ),
  );
}

function unknownKey(path: Path, key: string, given: readonly string[] | undefined): Omit<Fault, "at"> {
  const what = `${path.length === 0 ? "there is no table" : "there is no key"} ${JSON.stringify(key)}${path.length === 0 ? "" : ` in [${path.join(".")}]`}`;
  const last = path.at(-1);
  const known = given ?? keysAt(path);
  const near = suggest(key, known);
  if (near !== undefined) return { what, fix: `did you mean ${near}?` };
  if (given !== undefined)
    return { what, fix: given.length === 0 ? "it has no options" : `its keys are ${given.join(", ")}` };
  if (Object.hasOwn(elsewhere, key)) return { what, fix: elsewhere[key]! };
  if (Object.hasOwn(jailKeys, key)) {
    return {
      what,
      fix: `${key} belongs in ${Object.hasOwn(commonKeys, key) ? "[defaults] or " : ""}[jails.NAME]`,
    };
  }
  if (Object.hasOwn(daemonKeys, key)) return { what, fix: `${key} belongs in [daemon]` };
  if (Object.hasOwn(bantimeKeys, key)) return { what, fix: `write bantime = { ${key} = … }` };
  if (path.length === 0)
    return { what, fix: `a jail is written [jails.${key}]; tables are ${known.join(", ")}` };
  return { what, fix: last === undefined ? "" : `its keys are ${known.join(", ")}` };
}

/** The keys that could have been meant in a table. */
function keysAt(path: Path): string[] {
  const [table, , inner] = path;
  if (table === undefined)
    return ["defaults", "daemon", "jails", "notify", "report", "metrics", "enrichment"];
  if (path.at(-1) === "bantime") return Object.keys(bantimeKeys);
  if (inner === undefined && table === "jails") return Object.keys(jailKeys);
  if (path.length === 1) {
    const tables: Record<string, object> = {
      defaults: commonKeys,
      daemon: daemonKeys,
      report: reportKeys,
      metrics: metricsKeys,
    };
    return Object.keys(tables[table] ?? {});
  }
  const top = path.findIndex((step) => Object.hasOwn(jailKeys, step));
  let parent: unknown = jailKeys[path[top] as keyof typeof jailKeys];
  for (const step of path.slice(top + 1)) parent = below(parent, step);
  return shapeKeys(parent);
}

/** What a schema says of an entry of its list, or of a key of its table. */
function below(schema: unknown, step: Path[number]): unknown {
  const { shape, element, def } = (schema ?? {}) as {
    shape?: Readonly<Record<string, unknown>>;
    element?: unknown;
    def?: { options?: unknown[]; innerType?: unknown };
  };
  if (typeof step === "number" && element !== undefined) return element;
  if (shape !== undefined) return Object.hasOwn(shape, step) ? shape[step] : undefined;
  for (const inner of [...(def?.options ?? []), def?.innerType]) {
    const found = inner === undefined ? undefined : below(inner, step);
    if (found !== undefined) return found;
  }
  return undefined;
}

function shapeKeys(schema: unknown): string[] {
  const { shape, def } = (schema ?? {}) as {
    shape?: object;
    def?: { options?: unknown[]; innerType?: unknown };
  };
  if (shape !== undefined) return Object.keys(shape);
  return [...(def?.options ?? []), ...(def?.innerType === undefined ? [] : [def.innerType])].flatMap(
    shapeKeys,
  );
}

const name = (path: Path): string => {
  const names = path.filter((step) => typeof step === "string");
  const last = path.at(-1);
  const key =
    names[0] === "jails" && names.length > 2 ? names.slice(2) : names.length > 1 ? names.slice(1) : names;
  return `${key.join(".")}${typeof last === "number" ? ` (entry ${last + 1})` : ""}`;
};

const articles: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a table",
  record: "a table",
};
const typeName = (type: string): string => articles[type] ?? type;

function wantedBy(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "invalid_type") return [typeName(issue.expected)];
  if (issue.code === "invalid_value") return issue.values.map((one) => JSON.stringify(one) ?? String(one));
  return issue.code === "invalid_union" ? issue.errors.flat().flatMap(wantedBy) : [];
}

const listed = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? "something else") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;

export function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (value instanceof Date) return "a date";
  if (typeof value === "object" && value !== null) return "a table";
  return value === undefined ? "nothing" : shown(value);
}

const shown = (value: unknown): string => {
  const text =
    JSON.stringify(value, (_, one) => (typeof one === "bigint" ? Number(one) : one)) ?? String(value);
  return visible(text.length > 60 ? `${text.slice(0, 57)}…` : text);
};

const unit = (origin: string): string =>
  origin === "string" ? " characters long" : origin === "array" ? " entries long" : "";

function typeFix(path: Path, issue: z.core.$ZodIssueInvalidType): { fix?: string } {
  const { input } = issue;
  if (issue.expected === "boolean" && typeof input === "string" && /^(?:true|yes|on|1)$/i.test(input))
    return { fix: `write ${path.at(-1)} = true` };
  if (issue.expected === "boolean" && typeof input === "string" && /^(?:false|no|off|0)$/i.test(input))
    return { fix: `write ${path.at(-1)} = false` };
  if (
    (issue.expected === "number" || issue.expected === "int") &&
    typeof input === "string" &&
    /^\s*\d+\s*$/.test(input)
  )
    return { fix: `write ${path.at(-1)} = ${input.trim()}, without quotes` };
  return {};
}

const spread = <Key extends string>(value: string | undefined, key: Key): { [K in Key]?: string } =>
  value === undefined || value === "" ? {} : ({ [key]: value } as { [K in Key]?: string });

/** By file, line and column; those without a place first. */
export function sortFaults(faults: readonly Fault[]): Fault[] {
  return [...faults].sort(
    (a, b) =>
      (a.at?.file ?? "").localeCompare(b.at?.file ?? "") ||
      (a.at?.line ?? 0) - (b.at?.line ?? 0) ||
      (a.at?.column ?? 0) - (b.at?.column ?? 0),
  );
}

/**
 * A fault for people, ended by a line feed: place and what, the line with a caret, why, what to do. `readLine` gives a line of a
 * file (1-based) or undefined where it cannot be shown.
 */
export function faultText(
  fault: Fault,
  readLine: (file: string, line: number) => string | undefined,
): string {
  const { at, why, fix } = fault;
  let text = `${at === undefined ? "" : `${visible(at.file)}:${at.line}:${at.column}: `}${visible(fault.what)}\n`;
  const line = at === undefined ? undefined : readLine(at.file, at.line);
  if (at !== undefined && line !== undefined && line.trim() !== "") {
    // A window of the line around the column, so that a long expression does not fill the screen.
    const start = at.column > 80 ? at.column - 41 : 0;
    const cut = `${start > 0 ? "…" : ""}${line.slice(start + (start > 0 ? 1 : 0), start + 120)}`;
    const number = String(at.line).padStart(5);
    const before = visible(cut.slice(0, at.column - 1 - start).replaceAll("\t", " "));
    text += `${number} | ${visible(cut.replaceAll("\t", " "))}\n${" ".repeat(number.length)} | ${" ".repeat(before.length)}^\n`;
  }
  if (why !== undefined && why !== "") text += `  why: ${visible(why)}\n`;
  if (fix !== undefined && fix !== "") text += `  fix: ${visible(fix)}\n`;
  return text;
}
