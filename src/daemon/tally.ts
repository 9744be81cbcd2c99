// Totals of each jail and of its last 31 days. They travel in checkpoints: after a crash the lines since the last checkpoint are read
// again and counted again, so the sums come out the same.

import type { JailTotals, Time } from "../core/domain.ts";

const keepDays = 31;
const dayMs = 86_400_000;

export interface Tally {
  failed(jail: string, attempts: number, at: Time): void;
  /** `failed` of one jail, for who tells it of many. */
  failing(jail: string): (attempts: number, at: Time) => void;
  banned(jail: string, at: Time): void;
  of(jail: string): JailTotals;
  all(): Record<string, JailTotals>;
  restore(totals: Readonly<Record<string, JailTotals>>): void;
}

interface Sum {
  failed: number;
  banned: number;
  readonly days: Map<string, [number, number]>;
  /** The day counted last, and when it began. */
  day: [number, number];
  dayStart: Time;
}

export function createTally(): Tally {
  const sums = new Map<string, Sum>();

  function sumOf(jail: string): Sum {
    let sum = sums.get(jail);
    if (sum === undefined) {
      sum = { failed: 0, banned: 0, days: new Map(), day: [0, 0], dayStart: Number.NaN };
      sums.set(jail, sum);
    }
    return sum;
  }

  function dayOf(sum: Sum, at: Time): [number, number] {
    if (at >= sum.dayStart && at < sum.dayStart + dayMs) return sum.day;
    const dayStart = Math.floor(at / dayMs) * dayMs;
    const dayName = new Date(dayStart).toISOString().slice(0, 10);
    let day = sum.days.get(dayName);
    if (day === undefined) {
      day = [0, 0];
      sum.days.set(dayName, day);
      if (sum.days.size > keepDays) sum.days.delete([...sum.days.keys()].sort()[0] ?? "");
    }
    sum.day = day;
    sum.dayStart = dayStart;
    return day;
  }

  function count(sum: Sum, attempts: number, at: Time): void {
    sum.failed += attempts;
    dayOf(sum, at)[0] += attempts;
  }

  const totals = (sum: Sum): JailTotals => ({
    failed: sum.failed,
    banned: sum.banned,
    days: [...sum.days].sort().map(([day, [failed, banned]]) => [day, failed, banned] as const),
  });

  return {
    failed(jail, attempts, at) {
      count(sumOf(jail), attempts, at);
    },
    failing(jail) {
      const sum = sumOf(jail);
      return (attempts, at) => count(sum, attempts, at);
    },
    banned(jail, at) {
      const sum = sumOf(jail);
      sum.banned++;
      dayOf(sum, at)[1]++;
    },
    of: (jail) => totals(sumOf(jail)),
    all: () => Object.fromEntries([...sums].map(([jail, sum]) => [jail, totals(sum)])),
    restore(from) {
      for (const [jail, { failed, banned, days }] of Object.entries(from)) {
        const sum = sumOf(jail);
        sum.failed = failed;
        sum.banned = banned;
        sum.days.clear();
        for (const [day, f, b] of days) sum.days.set(day, [f, b]);
        sum.dayStart = Number.NaN;
      }
    },
  };
}
