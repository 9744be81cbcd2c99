// The daemon's clock: runs with the monotonic one, so that durations within a run are true whatever the wall clock does. When the wall
// clock has been set (by more than `tolerance`), the step is told once, so that everything that stands can be moved along with it: a ban
// then still ends after the time it was given, and what people read is again the time on the wall.
// While the machine sleeps the monotonic clock and the kernel's own timeouts stand still together; waking up looks like a step forward.

import type { Time } from "../core/domain.ts";
import type { Clock } from "../system/index.ts";

const tolerance = 2000;

export interface SteadyClock {
  now(): Time;
  /** Compares with the wall; calls `stepped` with the milliseconds it was moved by, after having moved itself. */
  check(): void;
}

export function steadyClock(clock: Clock, stepped: (delta: number) => void): SteadyClock {
  let base = clock.now() - clock.monotonic();
  const now = (): Time => Math.round(base + clock.monotonic());
  return {
    now,
    check() {
      const delta = clock.now() - now();
      if (Math.abs(delta) < tolerance) return;
      base += delta;
      stepped(delta);
    },
  };
}
