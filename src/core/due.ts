// Which ban ends next. A binary heap by `until`: with 100,000 bans standing, a tick looks at those that are due and no others.
// Entries of bans that were lifted or prolonged stay until they come to the top or outnumber the living.

import type { Ban, Time } from "./domain.ts";

export interface Due {
  /** A ban that never ends is not taken. */
  add(ban: Ban): void;
  /** To be called once for each ban added that stands no more (lifted, replaced). */
  drop(ban: Ban): void;
  next(): Time | undefined;
  /** Bans with `until` at or before `now`, in no particular order; they stay until they are lifted. */
  upTo(now: Time): Ban[];
  rebuild(bans: Iterable<Ban>): void;
  /** Entries held, those of bans that stand no more included. */
  readonly size: number;
}

/** `stands` tells whether this very ban (the same object) is still in force. */
export function createDue(stands: (ban: Ban) => boolean): Due {
  let heap: Ban[] = [];
  let living = 0;

  const untilAt = (index: number): number => {
    const until = heap[index]?.until;
    return until === undefined || until === "forever" ? Number.POSITIVE_INFINITY : until;
  };

  function swap(a: number, b: number): void {
    const one = heap[a];
    const other = heap[b];
    if (one === undefined || other === undefined) return;
    heap[a] = other;
    heap[b] = one;
  }

  function sink(from: number): void {
    for (let at = from; ; ) {
      const left = 2 * at + 1;
      const least = untilAt(left + 1) < untilAt(left) ? left + 1 : left;
      if (!(untilAt(least) < untilAt(at))) return;
      swap(at, least);
      at = least;
    }
  }

  function pop(): void {
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    sink(0);
  }

  function refill(bans: readonly Ban[]): void {
    heap = bans.filter((ban) => ban.until !== "forever");
    living = heap.length;
    for (let at = (heap.length >> 1) - 1; at >= 0; at--) sink(at);
  }

  return {
    add(ban) {
      if (ban.until === "forever") return;
      living++;
      heap.push(ban);
      for (let at = heap.length - 1; at > 0; ) {
        const parent = (at - 1) >> 1;
        if (untilAt(parent) <= untilAt(at)) break;
        swap(at, parent);
        at = parent;
      }
    },
    drop(ban) {
      if (ban.until === "forever") return;
      living--;
      for (let top = heap[0]; top !== undefined && !stands(top); top = heap[0]) pop();
      if (heap.length > 2 * living + 64) refill(heap.filter(stands));
    },
    next: () => heap[0] && (heap[0].until as Time),
    upTo(now) {
      const found: Ban[] = [];
      const look = [0];
      for (let at = look.pop(); at !== undefined; at = look.pop()) {
        const ban = heap[at];
        if (ban === undefined || untilAt(at) > now) continue;
        if (stands(ban)) found.push(ban);
        look.push(2 * at + 1, 2 * at + 2);
      }
      return found;
    },
    rebuild: (bans) => refill([...bans]),
    get size() {
      return heap.length;
    },
  };
}
