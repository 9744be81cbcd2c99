// The linter and the diagnosis. One file a concern; each check is a function of what was read or gathered and returns findings
// with a stable id. All three texts are owed: what is so, why it matters, how to mend it.

import type { Place } from "../core/domain.ts";

export type Severity = "error" | "warning" | "note";

export interface Finding {
  /** F2B001 …; never reused. What each means stands in catalogue.ts. */
  readonly id: string;
  readonly severity: Severity;
  readonly at?: Place;
  readonly what: string;
  readonly why: string;
  readonly fix: string;
}

export { catalogue, groups, type Rule } from "./catalogue.ts";
