// Keeps f2b's own log from filling the disk: a line that says the same as many before it (numbers aside) is counted instead of
// written, and the count is told later. Bans and what tools read (`[jail] Ban …`) are never held back.

import type { Level } from "./index.ts";

/** What log readers depend on, in fail2ban's words. */
const keyEvent = /^\[[^\]\s]{1,64}\] (?:Ban|Unban|Restore Ban|Found|Ignore) /;

/** So many lines of one kind at once, then one every REFILL_MS. */
const BURST = 20;
const REFILL_MS = 5_000;
/** How long a count may stay untold, and how many kinds are remembered. */
const SWEEP_MS = 60_000;
const KINDS = 1_000;

interface Kind {
  tokens: number;
  at: number;
  omitted: number;
  level: Level;
  text: string;
}

export interface LogLimit {
  /** What to write for this line: itself, or nothing, and counts that have become due. */
  pass(level: Level, text: string): readonly { readonly level: Level; readonly text: string }[];
  /** Counts not told yet. */
  rest(): readonly { readonly level: Level; readonly text: string }[];
}

/** `now` in milliseconds of any clock that does not go back. */
export function createLogLimit(now: () => number): LogLimit {
  const kinds = new Map<string, Kind>();
  let swept = now();

  const counted = (level: Level, omitted: number, text: string) => ({
    level,
    text: `${omitted} more like this left out: ${text}`,
  });
  const rest = () => {
    const told = [...kinds.values()]
      .filter((kind) => kind.omitted > 0)
      .map((kind) => counted(kind.level, kind.omitted, kind.text));
    swept = now();
    const crowded = kinds.size > KINDS;
    for (const [key, kind] of kinds) {
      kind.omitted = 0;
      if (crowded || swept - kind.at > SWEEP_MS) kinds.delete(key);
    }
    return told;
  };

  return {
    rest,
    pass(level, text) {
      const time = now();
      const told = time - swept > SWEEP_MS || kinds.size > KINDS ? rest() : [];
      if (level === "debug" || level === "trace" || keyEvent.test(text)) return [...told, { level, text }];
      const key = `${level} ${text.slice(0, 200).replaceAll(/\d+/g, "0")}`;
      const kind = kinds.get(key) ?? { tokens: BURST, at: time, omitted: 0, level, text };
      kinds.set(key, kind);
      const refilled = Math.floor((time - kind.at) / REFILL_MS);
      if (refilled > 0) {
        kind.tokens = Math.min(BURST, kind.tokens + refilled);
        kind.at += refilled * REFILL_MS;
      }
      if (kind.tokens === 0) {
        kind.omitted++;
        kind.text = text;
        return told;
      }
      kind.tokens--;
      const before = kind.omitted > 0 ? [counted(level, kind.omitted, kind.text)] : [];
      kind.omitted = 0;
      return [...told, ...before, { level, text }];
    },
  };
}
