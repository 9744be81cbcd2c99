// Findings for people: grouped, the gravest said first in the sum, each with its place, what, why and fix. Colours are the caller's choice.

import { faultText } from "../config/faults.ts";
import { plural } from "../core/text.ts";
import { catalogue, groups, type Rule } from "./catalogue.ts";
import type { Finding, Severity } from "./index.ts";

export interface Look {
  readonly colour: boolean;
  readonly readLine: (file: string, line: number) => string | undefined;
}

const codes: Readonly<Record<Severity, string>> = { error: "31;1", warning: "33;1", note: "36" };

const paint = (look: Look, code: string, text: string): string =>
  look.colour ? `\u001b[${code}m${text}\u001b[0m` : text;

/** What holds for several jails because of one line, of [defaults] as a rule, in one: "[jails.a], [jails.b] and 5 more jails". */
export function together(findings: readonly Finding[]): Finding[] {
  const about = /^\[jails\.[^\]]+\]/;
  const groups = Map.groupBy(findings, (one) => {
    const place = one.at === undefined ? "" : `${one.at.file}:${one.at.line}:${one.at.column}`;
    return [one.id, place, one.what.replace(about, ""), one.fix].join("\n");
  });
  return [...groups.values()].flatMap((some) => {
    const [first] = some as [Finding];
    const jails = some.flatMap((one) => about.exec(one.what)?.[0] ?? []);
    if (jails.length < 2 || first.at === undefined) return some.length === 1 ? [first] : some;
    const named = jails.length > 3 ? jails.slice(0, 2) : jails.slice(0, -1);
    const last = jails.length > 3 ? `${jails.length - 2} more jails` : (jails.at(-1) ?? "");
    return [{ ...first, what: `${named.join(", ")} and ${last}:${first.what.replace(about, "")}` }];
  });
}

/** All findings under the headings of their groups; "" when there are none. */
export function findingsText(all: readonly Finding[], look: Look): string {
  const findings = together(all);
  return Object.entries(groups)
    .flatMap(([digit, name]) => {
      const some = findings.filter((one) => one.id[3] === digit);
      if (some.length === 0) return [];
      return [`${paint(look, "1", name)}\n\n${some.map((one) => findingText(one, look)).join("\n")}`];
    })
    .join("\n");
}

function findingText(one: Finding, look: Look): string {
  return `${paint(look, codes[one.severity], one.severity)} ${one.id} ${faultText(one, look.readLine)}`;
}

export interface Sums {
  readonly errors: number;
  readonly warnings: number;
  readonly notes: number;
}

export function sumsOf(findings: readonly Finding[]): Sums {
  const of = (severity: Severity): number => findings.filter((one) => one.severity === severity).length;
  return { errors: of("error"), warnings: of("warning"), notes: of("note") };
}

export function sumsText({ errors, warnings, notes }: Sums): string {
  return [
    errors > 0 ? plural(errors, "error") : "",
    warnings > 0 ? plural(warnings, "warning") : "",
    notes > 0 ? plural(notes, "note") : "",
  ]
    .filter((part) => part !== "")
    .join(", ");
}

/** What an id means; undefined: there is none such. */
export function explain(id: string): string | undefined {
  if (!Object.hasOwn(catalogue, id)) return undefined;
  const rule: Rule = catalogue[id as keyof typeof catalogue];
  const indent = (text: string): string => text.replaceAll("\n", "\n    ");
  return [
    `${id} (${rule.severity}, ${groups[id[3] ?? ""]?.toLowerCase()}): ${rule.title}`,
    "",
    `  why: ${rule.why}`,
    `  fix: ${rule.fix}`,
    ...(rule.bad === undefined ? [] : ["", "  instead of", `    ${indent(rule.bad)}`]),
    ...(rule.good === undefined ? [] : ["  write", `    ${indent(rule.good)}`]),
    "",
  ].join("\n");
}

/** Every id with its severity and title, a line each. */
export const listing = (): string =>
  Object.entries<Rule>(catalogue)
    .map(([id, rule]) => `${id}  ${rule.severity.padEnd(7)}  ${rule.title}\n`)
    .join("");
