// What a process of its own is told and answers, when it matches a user's expressions that could not be proven safe: JSON, one object a line.

import { parseTarget } from "../core/address.ts";
import { createZone, utc } from "../core/datetime.ts";
import type { Failure, Filter, JournaldEntry, Seconds } from "../core/domain.ts";
import { compileFilter } from "../core/filter.ts";
import { createPrefixSet, type PrefixSet } from "../core/prefixset.ts";
import { createScanner, type Member, type Scanner } from "../core/scan.ts";

/** A jail's matching, as data. */
export interface Matching {
  readonly jail: string;
  readonly filter: Filter;
  readonly findtime: Seconds;
  readonly zone: string | undefined;
  readonly linecap: number;
  readonly trustedproxies: readonly string[];
  readonly names: boolean;
}

export type Told =
  | { readonly open: Matching }
  | { readonly id: number; readonly live: boolean; readonly now: number; readonly text: string }
  | {
      readonly id: number;
      readonly live: boolean;
      readonly now: number;
      readonly entries: readonly JournaldEntry[];
    };

export interface Answered {
  readonly id: number;
  readonly found: readonly { readonly failure: Failure; readonly end: number }[];
}

export function proxiesOf(texts: readonly string[]): PrefixSet {
  const targets = texts.map(parseTarget).filter((one) => one !== undefined);
  return createPrefixSet(targets.flatMap((one) => (one.kind === "id" ? [] : [one.text])));
}

/** The zone of a log that does not say its own: as configured, else the machine's. */
export function zoneOf(name: string | undefined): NonNullable<ReturnType<typeof createZone>> {
  return createZone(name ?? Intl.DateTimeFormat().resolvedOptions().timeZone) ?? utc;
}

export function memberOf(
  { jail, findtime, trustedproxies, names }: Matching,
  filter: Member["filter"],
): Member {
  const member = { jail, filter, findtime, names };
  if (trustedproxies.length === 0) return member;
  const proxies = proxiesOf(trustedproxies);
  return {
    ...member,
    trusted: (target) => target.kind === "address" && proxies.find(target.text) !== undefined,
  };
}

/** The child's side: told line by line, answers line by line. Without a clock: the parent's time budget is what ends a search. */
export async function answerMatching(
  lines: AsyncIterable<string>,
  say: (answer: Answered) => void,
): Promise<void> {
  let scanner: Scanner | undefined;
  for await (const line of lines) {
    const told = JSON.parse(line) as Told;
    if ("open" in told) {
      const compiled = compileFilter(told.open.filter);
      if (!compiled.ok) throw new Error(compiled.faults[0]?.what ?? "the filter is not usable");
      scanner = createScanner([memberOf(told.open, compiled.value)], {
        zone: zoneOf(told.open.zone),
        linecap: told.open.linecap,
      });
      continue;
    }
    if (scanner === undefined) throw new Error("a chunk came before its filter");
    const context = { live: told.live, now: told.now };
    const found = "text" in told ? scanner.file(told.text, context) : scanner.journald(told.entries, context);
    say({ id: told.id, found: found.map(({ failure, end }) => ({ failure, end })) });
  }
}
