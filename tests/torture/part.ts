// What a part of the torture is: it tries one of the promises (README, "Promises") so many times and tells what went wrong. Parts measure
// and compare, they assert nothing: an empty `wrong` is the whole success, and the table of main.ts shows every row.

export interface Row {
  /** The promise in a few words, with its number. */
  readonly promise: string;
  /** What was tried, how often. */
  readonly tried: string;
  /** What was measured, for the table; "" where it is yes or no. */
  readonly measured: string;
  /** Each thing that went wrong; empty when the promise held. */
  readonly wrong: readonly string[];
}

/** "short" is what `npm test` can afford (seconds), "long" what `npm run torture` does (minutes). */
export type Length = "short" | "long";

export interface Part {
  readonly name: string;
  /** Why it cannot run here; undefined: it can. */
  missing(): string | undefined;
  run(length: Length): Promise<readonly Row[]>;
}

export const nothing = (): undefined => undefined;

/** Collects what went wrong, the first few of a kind in full. */
export function blame(limit = 8): { readonly list: string[]; say(what: string): void } {
  const list: string[] = [];
  let more = 0;
  return {
    list,
    say(what) {
      if (list.length < limit) list.push(what);
      else list[limit] = `and ${++more} more`;
    },
  };
}

/** The p-th percentile, 0 < p ≤ 1, of numbers; 0 of none. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * p) - 1)] ?? 0;
}

/** A generator that gives the same numbers every time, in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
