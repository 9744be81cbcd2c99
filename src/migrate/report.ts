// What an import found, jail by jail: what it was, what it becomes, what differs, what could not be carried over. As data for
// --json, and as text for people.

import type { Fault, Place } from "../core/domain.ts";
import { wildcardBeforeHost } from "../core/sample.ts";
import type { Plan, PlannedJail } from "./plan.ts";
import type { FilterCheck } from "./samples.ts";
import { relative } from "./write.ts";

export interface Report {
  readonly directory: string;
  readonly jails: readonly JailReport[];
  readonly disabled: readonly string[];
  readonly notes: readonly Told[];
  readonly faults: readonly Told[];
  /** What f2b itself says of the configuration that was written. */
  readonly checks: readonly string[];
  readonly bans:
    | { readonly standing: number; readonly past: number; readonly faults: readonly Told[] }
    | undefined;
  readonly files: readonly string[];
}

export interface JailReport {
  readonly name: string;
  readonly was: string;
  readonly becomes: string;
  readonly differs: readonly Told[];
  readonly faults: readonly Told[];
  readonly logs: readonly {
    readonly path: string;
    readonly lines: number | undefined;
    readonly matched: number;
    readonly hosts: number;
  }[];
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface Told {
  readonly what: string;
  readonly why?: string;
  readonly fix?: string;
  /** "file:line" relative to the installation. */
  readonly at?: string;
}

const said = (at: Place | undefined, directory: string): { at?: string } =>
  at === undefined ? {} : { at: relative(at, directory) };

export function tellFault(fault: Fault, directory: string): Told {
  const { what, why, fix, at } = fault;
  return {
    what,
    ...(why === undefined ? {} : { why }),
    ...(fix === undefined ? {} : { fix }),
    ...said(at, directory),
  };
}

export interface ReportParts {
  readonly plan: Plan;
  readonly directory: string;
  readonly disabled: readonly string[];
  readonly checks: ReadonlyMap<string, FilterCheck>;
  readonly complaints: readonly string[];
  readonly bans: Report["bans"];
  readonly files: readonly string[];
}

export function makeReport(parts: ReportParts): Report {
  const { plan, directory } = parts;
  return {
    directory,
    jails: plan.jails.map((jail) => jailReport(jail, directory, parts.checks.get(jail.name))),
    disabled: parts.disabled,
    notes: plan.notes.map((note) => ({ what: note.text, ...said(note.at, directory) })),
    faults: plan.faults.map((fault) => tellFault(fault, directory)),
    checks: parts.complaints,
    bans: parts.bans,
    files: parts.files,
  };
}

function jailReport(jail: PlannedJail, directory: string, check: FilterCheck | undefined): JailReport {
  const { old } = jail;
  const filter = old.ownExpressions
    ? "expressions in the jail itself"
    : `filter ${old.filter?.reference.text ?? "none"}`;
  const actions = old.actions.map((action) => action.reference.name).join(", ");
  const settings: Record<string, unknown> = {};
  for (const [key, setting] of jail.settings) settings[key] = setting.value;
  const faults = jail.faults.map((fault) => tellFault(fault, directory));
  if (check?.refused !== undefined)
    faults.push({
      what: `f2b refuses the translated filter: ${check.refused}`,
      fix: `correct jails/${jail.filter}.toml`,
    });
  return {
    name: jail.name,
    was: `${filter}; ${actions === "" ? "no action" : actions}`,
    becomes: [...new Set([becomesFilter(jail), ...jail.actions.map((action) => action.becomes)])]
      .filter((part) => part !== "nothing")
      .join("; "),
    differs: [
      ...jail.notes.map((note) => ({ what: note.text, ...said(note.at, directory) })),
      ...steered(jail, directory),
    ],
    faults,
    logs: check?.logs ?? [],
    settings,
  };
}

/** Expressions that are taken over as they are and that f2b's own doctor would refuse to call sound: better said now than found later. */
function steered({ file, filter }: PlannedJail, directory: string): Told[] {
  return (file?.failregex ?? []).flatMap(({ text, at }): Told[] => {
    const source = (file?.maxlines ?? 1) > 1 ? text.replaceAll("(?=\\n|$)", "$") : text;
    if (wildcardBeforeHost(source) === undefined) return [];
    const what = `as under fail2ban, a stranger who writes an address into this line chooses who is banned: a catch-all stands before the address and the end is open; anchor it with $ in jails/${filter ?? ""}.toml (f2b doctor --explain F2B209)`;
    return [{ what, ...said(at, directory) }];
  });
}

function becomesFilter(jail: PlannedJail): string {
  if (!jail.runs) return "nothing that can run: it stands in f2b.toml as a comment";
  if (jail.file !== undefined) {
    const { failregex } = jail.file;
    return `jails/${jail.filter}.toml, ${failregex.length} translated expression${failregex.length === 1 ? "" : "s"}`;
  }
  const mode = jail.settings.get("mode");
  const added = jail.settings.get("failregex");
  const extra = Array.isArray(added?.value) ? ` with ${added.value.length - 1} of your own expressions` : "";
  return `f2b's own ${jail.filter}${mode === undefined ? "" : ` in mode ${String(mode.value)}`}${extra}`;
}

/** Whether anything was left behind. */
export function isComplete(report: Report): boolean {
  return (
    report.faults.length === 0 &&
    report.checks.length === 0 &&
    report.jails.every((jail) => jail.faults.length === 0)
  );
}

export function reportText(report: Report): string {
  const out: string[] = [];
  for (const told of report.faults) out.push(...toldLines("not carried over", told, ""));
  for (const told of report.notes) out.push(...toldLines("differs", told, ""));
  for (const jail of report.jails) {
    if (out.length > 0) out.push("");
    out.push(jail.name, `  was       ${jail.was}`, `  becomes   ${jail.becomes}`);
    for (const told of jail.differs) out.push(...toldLines("differs", told, "  "));
    for (const told of jail.faults) out.push(...toldLines("not carried over", told, "  "));
    for (const log of jail.logs) {
      out.push(
        log.lines === undefined
          ? `  checked   ${log.path}: not there or not readable`
          : `  checked   ${log.path}: ${log.matched} of the last ${log.lines} lines match, ${log.hosts} addresses`,
      );
    }
  }
  out.push("");
  if (report.disabled.length > 0) out.push(`${report.disabled.length} jails are not enabled and left out.`);
  if (report.bans !== undefined) {
    out.push(
      `Bans: ${report.bans.standing} stand with the time they have left, ${report.bans.past} earlier ones for the history.`,
    );
    for (const told of report.bans.faults) out.push(...toldLines("not carried over", told, "  "));
  }
  for (const complaint of report.checks) out.push(`f2b says of the result: ${complaint}`);
  const open = report.jails.reduce((sum, jail) => sum + jail.faults.length, report.faults.length);
  out.push(
    `${report.jails.length} jails, ${open === 0 ? "everything carried over" : `${open} thing${open === 1 ? "" : "s"} not carried over`}.`,
  );
  return `${out.join("\n")}\n`;
}

function toldLines(word: string, told: Told, indent: string): string[] {
  const lead = word === "differs" ? "differs   " : "NOT CARRIED OVER ";
  const lines = [`${indent}${lead}${told.at === undefined ? "" : `${told.at}: `}${told.what}`];
  if (told.why !== undefined) lines.push(`${indent}          because ${told.why}`);
  if (told.fix !== undefined) lines.push(`${indent}          to do: ${told.fix}`);
  return lines;
}
