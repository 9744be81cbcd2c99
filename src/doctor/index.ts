// The linter and the diagnosis. One file a concern; each check is a function of what was read or gathered and returns findings
// with a stable id. All three texts are owed: what is so, why it matters, how to mend it.

import type { Address, Place } from "../core/domain.ts";

export type Severity = "error" | "warning" | "note";

export interface Finding {
  /** F2B001 …; never reused. What each means stands in catalogue.ts. */
  readonly id: string;
  readonly severity: Severity;
  readonly at?: Place;
  readonly what: string;
  readonly why: string;
  readonly fix: string;
  /** How it can be mended safely; `f2b doctor --fix` does. */
  readonly mend?: Mend;
}

/** One small change. Modes and owners are mended at once, a configuration's text only after asking. */
export type Mend =
  | { readonly kind: "mode"; readonly path: string; readonly mode: number }
  | { readonly kind: "owner"; readonly path: string }
  /** At a place of a file: `from` stands there and becomes `to`. */
  | { readonly kind: "replace"; readonly at: Place; readonly from: string; readonly to: string }
  /** A new line behind the one at this place. */
  | { readonly kind: "insert"; readonly at: Place; readonly text: string }
  /** Into ignoreip of [defaults]. */
  | { readonly kind: "ignore"; readonly address: Address };

export { catalogue, groups, type Rule } from "./catalogue.ts";
