// Patterns that were made ready while the executable was built (build.ts, config/prepare.ts): what compilePattern finds out about an
// expression, as plain data. Reading a shipped filter's expressions anew takes ten milliseconds of a start, and gives the same each time.

import type { Pattern } from "./pattern.ts";

export type Frozen = Omit<Pattern, "regex" | "certain"> & {
  readonly regex: string;
  readonly flags: string;
  readonly certain: readonly string[];
};

export const freeze = (pattern: Pattern): Frozen => ({
  ...pattern,
  regex: pattern.regex.source,
  flags: pattern.regex.flags,
  certain: [...pattern.certain],
});

/** JSON leaves out what is undefined. Written key by key: so they lie as they do in a pattern that was built, and are found as fast. */
const thaw = (frozen: Frozen): Pattern => ({
  source: frozen.source,
  regex: new RegExp(frozen.regex, frozen.flags),
  anchored: frozen.anchored,
  groups: frozen.groups,
  literals: frozen.literals,
  leads: frozen.leads,
  certain: new Set(frozen.certain),
  suspicious: frozen.suspicious,
});

const known = new Map<string, Frozen>();
const keyOf = (source: string, multiline: boolean): string => `${multiline ? "m" : "s"}${source}`;

/** `proven` patterns only: nothing was looked for in them that might take long. */
export function learnPatterns(patterns: readonly Frozen[], multiline: boolean): void {
  for (const one of patterns) known.set(keyOf(one.source, multiline), one);
}

/** The pattern as compilePattern would make it; undefined: it was not made ready. */
export function knownPattern(source: string, multiline: boolean): Pattern | undefined {
  const frozen = known.get(keyOf(source, multiline));
  return frozen === undefined ? undefined : thaw(frozen);
}
