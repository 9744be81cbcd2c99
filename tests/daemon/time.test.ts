import { describe, expect, test } from "bun:test";
import { steadyClock } from "../../src/daemon/time.ts";
import type { Clock } from "../../src/system/index.ts";

function turnable(): Clock & { wall: number; mono: number } {
  return {
    wall: 1_000_000,
    mono: 50,
    now() {
      return this.wall;
    },
    monotonic() {
      return this.mono;
    },
    after: () => () => undefined,
    bootId: () => "boot",
  };
}

describe("the daemon's clock", () => {
  test("follows the monotonic clock while the wall clock jumps", () => {
    const clock = turnable();
    const steady = steadyClock(clock, () => undefined);
    clock.wall += 365 * 86_400_000;
    clock.mono += 10;
    expect(steady.now()).toBe(1_000_010);
  });

  test("tells a step once and stands on the wall again after it", () => {
    const clock = turnable();
    const steps: number[] = [];
    const steady = steadyClock(clock, (delta) => steps.push(delta));
    clock.wall -= 3_600_000;
    steady.check();
    steady.check();
    expect(steps).toEqual([-3_600_000]);
    expect(steady.now()).toBe(clock.wall);
  });

  test("takes no notice of what is within its tolerance", () => {
    const clock = turnable();
    const steps: number[] = [];
    const steady = steadyClock(clock, (delta) => steps.push(delta));
    clock.wall += 1500;
    steady.check();
    expect(steps).toEqual([]);
  });
});
