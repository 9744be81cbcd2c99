// A state as the fewest records whose fold is that state: what compaction writes. Values of the state are replaced and never
// changed, so taking them is quick (no copy of what they hold) and the records can be written later, in slices.

import { targetKey } from "./address.ts";
import type { JournalRecord } from "./domain.ts";
import { apply, lastCheckpoint, type State } from "./state.ts";

export interface Snapshot {
  readonly count: number;
  records(): Iterable<JournalRecord>;
}

/**
 * Bans come before history, because "past" says absolutely what applying a ban counts up; marks after the checkpoint, which would
 * take them for old; the clock is last.
 */
export function takeSnapshot(state: State): Snapshot {
  const bans = [...state.jails.values()].flatMap((jail) => [...jail.bans.values()]);
  const past = [...state.past.values()];
  const marks = [...state.marks].flatMap(([key, list]) =>
    list.map((mark) => (key === targetKey(mark.target) ? mark : { ...mark, seen: { ...mark.seen, key } })),
  );
  const settings = [...state.settings].flatMap(([jail, map]) =>
    [...map].map(([key, value]) => ({ jail, key, value })),
  );
  const checkpoint = lastCheckpoint(state);
  const { newest } = state;
  function* records(): Iterable<JournalRecord> {
    for (const one of settings) yield { t: "set", ...one, at: newest };
    for (const ban of bans) yield { t: "ban", ban };
    for (const { target, jails } of past) for (const one of jails) yield { t: "past", target, past: one };
    if (checkpoint !== undefined) yield { t: "checkpoint", checkpoint };
    for (const mark of marks) yield { t: "seen", ...mark };
    yield { t: "shift", delta: 0, at: newest };
  }
  return {
    count: settings.length + bans.length + past.length + marks.length + 2,
    records,
  };
}

/**
 * The same state in fresh memory. What stands was made amid a storm's garbage and keeps many half-empty pages alive: it is written down,
 * let go (`between`, when garbage is collected) and made again side by side.
 */
export function rebuild(state: State, between: () => void): void {
  const text = JSON.stringify([...takeSnapshot(state).records()]);
  state.jails.clear();
  state.past.clear();
  state.marks.clear();
  state.settings.clear();
  state.due.rebuild([]);
  state.fresh.clear();
  state.checkpoint = undefined;
  state.lineChars = 0;
  between();
  for (const record of JSON.parse(text) as JournalRecord[]) apply(state, record);
}
