// Makes a finding out of its line in the catalogue and what is particular about this one.

import type { Place } from "../core/domain.ts";
import { catalogue, type Id } from "./catalogue.ts";
import type { Finding, Mend, Severity } from "./index.ts";

export interface Particular {
  readonly at?: Place | undefined;
  readonly why?: string | undefined;
  readonly fix?: string | undefined;
  readonly severity?: Severity;
  readonly mend?: Mend | undefined;
}

export function finding(id: Id, what: string, particular: Particular = {}): Finding {
  const rule = catalogue[id];
  const { at, mend } = particular;
  return {
    id,
    severity: particular.severity ?? rule.severity,
    ...(at === undefined ? {} : { at }),
    what,
    why: nonEmpty(particular.why) ?? rule.why,
    fix: nonEmpty(particular.fix) ?? rule.fix,
    ...(mend === undefined ? {} : { mend }),
  };
}

const nonEmpty = (text: string | undefined): string | undefined => (text === "" ? undefined : text);

/** By group and id, then by file and line; the same thing said twice is said once. */
export function sortFindings(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings
    .filter((one) => {
      const key = `${one.id} ${one.at?.file}:${one.at?.line}:${one.at?.column} ${one.what}`;
      return seen.has(key) ? false : seen.add(key) !== undefined;
    })
    .sort(
      (a, b) =>
        a.id.localeCompare(b.id) ||
        (a.at?.file ?? "").localeCompare(b.at?.file ?? "") ||
        (a.at?.line ?? 0) - (b.at?.line ?? 0),
    );
}
