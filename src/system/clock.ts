// The machine's clocks. Durations are measured on CLOCK_MONOTONIC (what performance.now() reads), so that a step of the wall
// clock neither shortens nor prolongs anything within a run.

import { readFileSync } from "node:fs";
import type { Clock } from "./index.ts";

/** The longest single timer: beyond 2^31 ms setTimeout fires at once, and a capped sleep also limits the harm of a suspend. */
const LONGEST_SLEEP_MS = 3_600_000;

export function realClock(): Clock {
  let boot: string | undefined;
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    after(ms, run) {
      const due = performance.now() + Math.max(0, ms);
      let timer: ReturnType<typeof setTimeout> | undefined;
      const arm = () => {
        const left = due - performance.now();
        timer = setTimeout(
          () => {
            // A timer may fire a fraction of a millisecond early.
            if (due - performance.now() > 1) arm();
            else {
              timer = undefined;
              run();
            }
          },
          Math.min(Math.max(0, left), LONGEST_SLEEP_MS),
        );
      };
      if (ms !== Number.POSITIVE_INFINITY) arm();
      return () => {
        if (timer !== undefined) clearTimeout(timer);
        timer = undefined;
      };
    },
    bootId() {
      boot ??= readBootId();
      return boot;
    },
  };
}

function readBootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "unknown";
  }
}
