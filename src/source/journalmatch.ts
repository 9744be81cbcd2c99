// Matches for systemd's journal as one writes them: words of one string must all hold, a "+" or a further string is an alternative, and
// the same field twice in one group means either value, as for journalctl. PURE. One journalctl reads for all jails; which jail an
// entry is for is decided here again, so that both halves must read a match in the same way.

import type { JournaldEntry } from "../core/domain.ts";

export interface Match {
  readonly field: string;
  readonly value: string;
}

/** Alternatives of groups. Words that are no FIELD=value are left out; see `badMatches`. */
export function parseMatches(written: readonly string[]): readonly (readonly Match[])[] {
  return written
    .flatMap(groupsOf)
    .map((words) => words.flatMap((word) => parseWord(word) ?? []))
    .filter((group) => group.length > 0);
}

/** The words that are no match at all: for the configuration to refuse. */
export function badMatches(written: readonly string[]): readonly string[] {
  return written.flatMap(groupsOf).flatMap((words) => words.filter((word) => parseWord(word) === undefined));
}

/**
 * Is this entry one of those meant? Without any match every entry is. Fields a client can set (what dockerd calls a container, a syslog
 * facility) count only where a trusted field of the same group says who the client was; its identifier counts always.
 */
export function matchesJournal(entry: Fields, written: readonly string[]): boolean {
  const groups = parsed(written);
  return groups.length === 0 || groups.some((group) => holds(entry, group));
}

/** The arguments for journalctl that select every entry that answers one of the matches; no group twice. */
export function matchArguments(written: readonly string[]): readonly string[] {
  const groups = new Set(parseMatches(written).map((group) => JSON.stringify(group)));
  return [...groups].flatMap((group, i) => {
    const words = (JSON.parse(group) as Match[]).map(({ field, value }) => `${field}=${value}`);
    return i === 0 ? words : ["+", ...words];
  });
}

const cache = new WeakMap<readonly string[], readonly (readonly Match[])[]>();

function parsed(written: readonly string[]): readonly (readonly Match[])[] {
  let groups = cache.get(written);
  if (groups === undefined) {
    groups = parseMatches(written);
    cache.set(written, groups);
  }
  return groups;
}

type Fields = Pick<JournaldEntry, "trusted" | "identifier" | "claimed">;

function holds(entry: Fields, group: readonly Match[]): boolean {
  const vouched = group.some(({ field }) => field.startsWith("_"));
  return group.every(({ field }) => {
    const value = fieldOf(entry, field, vouched);
    return value !== undefined && group.some((match) => match.field === field && match.value === value);
  });
}

function fieldOf(entry: Fields, field: string, vouched: boolean): string | undefined {
  if (field === "SYSLOG_IDENTIFIER") return entry.identifier;
  const table = field.startsWith("_") ? entry.trusted : vouched ? entry.claimed : undefined;
  return table !== undefined && Object.hasOwn(table, field) ? table[field] : undefined;
}

function parseWord(word: string): Match | undefined {
  const match = /^([A-Z0-9_]{1,64})=(.*)$/s.exec(word);
  return match === null ? undefined : { field: match[1]!, value: match[2]! };
}

/** Splits at blanks outside quotes, and at "+". */
function groupsOf(text: string): readonly (readonly string[])[] {
  const groups: string[][] = [[]];
  for (const [written, single, double] of text.matchAll(/(?:[^\s"']|'([^']*)'|"([^"]*)")+/g)) {
    if (written === "+") groups.push([]);
    else {
      const quoted = single !== undefined || double !== undefined;
      groups.at(-1)?.push(quoted ? written.replaceAll(/'([^']*)'|"([^"]*)"/g, "$1$2") : written);
    }
  }
  return groups;
}
