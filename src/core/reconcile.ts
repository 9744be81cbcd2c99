// Bans that should stand × what the firewall holds → what to do. Nothing is flushed and refilled: only the difference is applied,
// so there is no moment in which a standing ban is open.

import { targetKey } from "./address.ts";
import type { Target, Time } from "./domain.ts";

export interface Wanted {
  readonly target: Target;
  readonly until: Time | "forever";
}

export interface Found {
  readonly target: Target;
  /** undefined: the banaction keeps no end of its own, so there is nothing to compare. */
  readonly until: Time | "forever" | undefined;
}

export interface Difference<W extends Wanted> {
  readonly add: W[];
  readonly remove: Target[];
  /** Stands, but ends at another time. */
  readonly change: W[];
}

/**
 * Compares by target key, in linear time. A wanted ban that has ended by `now` is not wanted any more. Ends that differ by no
 * more than `toleranceMs` are equal: firewalls count in whole seconds and report what is left, not when it ends.
 */
export function reconcile<W extends Wanted>(
  wanted: readonly W[],
  found: readonly Found[],
  now: Time,
  toleranceMs: number,
): Difference<W> {
  const standing = new Map<string, Found>();
  for (const one of found) standing.set(targetKey(one.target), one);
  const asked = new Set<string>();
  const add: W[] = [];
  const change: W[] = [];
  for (const one of wanted) {
    if (one.until !== "forever" && one.until <= now) continue;
    const key = targetKey(one.target);
    if (asked.has(key)) continue;
    asked.add(key);
    const there = standing.get(key);
    if (there === undefined) add.push(one);
    else if (differs(one.until, there.until, toleranceMs)) change.push(one);
  }
  const remove: Target[] = [];
  for (const [key, one] of standing) if (!asked.has(key)) remove.push(one.target);
  return { add, remove, change };
}

function differs(a: Time | "forever", b: Time | "forever" | undefined, toleranceMs: number): boolean {
  if (b === undefined || a === b) return false;
  if (a === "forever" || b === "forever") return true;
  return Math.abs(a - b) > toleranceMs;
}
