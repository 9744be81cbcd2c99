// The linter and the diagnosis. One file a concern; each check returns findings with a stable id. All three texts are owed:
// what is so, why it matters, how to mend it.

import type { Place } from "../core/domain.ts";

export interface Finding {
  /** F2B001 …; never reused. */
  readonly id: string;
  readonly severity: "error" | "warning" | "note";
  readonly at?: Place;
  readonly what: string;
  readonly why: string;
  readonly fix: string;
}
