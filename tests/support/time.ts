// A clock that is turned by hand: nothing happens until `turn` says that time went by.

import type { Clock } from "../../src/system/index.ts";

export interface TurnedClock extends Clock {
  /** Lets `ms` go by, running what falls due in order. */
  turn(ms: number): void;
  /** Steps the wall clock only, as a bad time server would: no timer notices. */
  step(ms: number): void;
  /** How many timers are waiting. */
  readonly waiting: number;
}

interface Timer {
  readonly due: number;
  readonly order: number;
  readonly run: () => void;
}

export function turnedClock(now = Date.UTC(2026, 10, 21, 6, 30)): TurnedClock {
  let wall = now;
  let steady = 0;
  let order = 0;
  const timers = new Set<Timer>();
  const nextUntil = (end: number): Timer | undefined =>
    [...timers].filter((timer) => timer.due <= end).sort((a, b) => a.due - b.due || a.order - b.order)[0];
  const goTo = (moment: number) => {
    wall += moment - steady;
    steady = moment;
  };
  return {
    now: () => wall,
    monotonic: () => steady,
    bootId: () => "00000000-0000-4000-8000-000000000000",
    after(ms, run) {
      const timer = { due: steady + Math.max(0, ms), order: order++, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    turn(ms) {
      const end = steady + ms;
      for (let timer = nextUntil(end); timer !== undefined; timer = nextUntil(end)) {
        timers.delete(timer);
        goTo(timer.due);
        timer.run();
      }
      goTo(end);
    },
    step(ms) {
      wall += ms;
    },
    get waiting() {
      return timers.size;
    },
  };
}

/** Polls a condition of real components until it holds; throws, naming it, when `ms` have gone by. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  ms = 5_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
