import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { banLength } from "../../src/core/bantime.ts";
import type { BanTime } from "../../src/core/domain.ts";
import { longestSpan } from "../../src/core/duration.ts";

const plain: BanTime = {
  base: 600,
  increment: true,
  factor: 1,
  multipliers: undefined,
  formula: "double",
  maxtime: undefined,
  rndtime: 0,
  overalljails: false,
};
const lengths = (policy: Partial<BanTime>, count = 5) =>
  Array.from({ length: count }, (_, n) => banLength({ ...plain, ...policy }, n, 0));

describe("a ban", () => {
  test("lasts the base time where nothing increments", () => {
    expect(lengths({ increment: false, factor: 9, multipliers: [5] })).toEqual([600, 600, 600, 600, 600]);
  });

  test("doubles with each one before, up to twenty times", () => {
    expect(lengths({})).toEqual([600, 1200, 2400, 4800, 9600]);
    expect(banLength({ ...plain, base: 1 }, 20, 0)).toBe(2 ** 20);
    expect(banLength({ ...plain, base: 1 }, 500, 0)).toBe(2 ** 20);
  });

  test("follows the other curves", () => {
    expect(lengths({ factor: 2 })).toEqual([600, 2400, 4800, 9600, 19200]);
    expect(lengths({ formula: "linear", factor: 0.5 })).toEqual([600, 900, 1200, 1500, 1800]);
    expect(lengths({ formula: "constant", factor: 24 })).toEqual([600, 14400, 14400, 14400, 14400]);
    const n = 3;
    const factor = 0.7;
    const documented = (600 * Math.exp((n + 1) * factor)) / Math.exp(factor);
    expect(banLength({ ...plain, formula: "exponential", factor }, n, 0)).toBe(Math.round(documented));
  });

  test("takes multipliers in order and then the last one again, times the factor", () => {
    expect(lengths({ base: 60, multipliers: [1, 5, 30] })).toEqual([60, 300, 1800, 1800, 1800]);
    expect(lengths({ base: 60, multipliers: [1, 5, 30], factor: 2 }, 3)).toEqual([60, 600, 3600]);
    expect(lengths({ multipliers: [] }, 3)).toEqual([600, 1200, 2400]);
  });

  test("is capped by maxtime, but never below the base", () => {
    expect(lengths({ maxtime: 3000 })).toEqual([600, 1200, 2400, 3000, 3000]);
    expect(lengths({ maxtime: 100 })).toEqual([600, 600, 600, 600, 600]);
    expect(lengths({ factor: 0.01 })).toEqual([600, 600, 600, 600, 600]);
  });

  test("gets its random part after the cap, the first one too", () => {
    expect(banLength({ ...plain, maxtime: 1000, rndtime: 100 }, 9, 0.5)).toBe(1050);
    expect(banLength({ ...plain, increment: false, rndtime: 100 }, 0, 0.25)).toBe(625);
  });

  test("that never ends never ends", () => {
    expect(banLength({ ...plain, base: "forever", maxtime: 10, rndtime: 5 }, 7, 0.5)).toBe("forever");
  });

  test("has a finite length between base and a hundred years, whatever is configured", () => {
    const number = fc.double({ noNaN: true, min: 0, max: 1e300 });
    fc.assert(
      fc.property(
        fc.record({
          base: fc.integer({ min: 1, max: longestSpan }),
          increment: fc.boolean(),
          factor: number,
          multipliers: fc.option(fc.array(number, { maxLength: 5 }), { nil: undefined }),
          formula: fc.constantFrom(
            "double" as const,
            "exponential" as const,
            "linear" as const,
            "constant" as const,
          ),
          maxtime: fc.option(fc.integer({ min: 1 }), { nil: undefined }),
          rndtime: number,
          overalljails: fc.boolean(),
        }),
        fc.nat(),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (policy, previous, random) => {
          const length = banLength(policy, previous, random);
          expect(length).toBeGreaterThanOrEqual(policy.base);
          expect(length).toBeLessThanOrEqual(longestSpan);
          expect(Number.isInteger(length)).toBe(true);
        },
      ),
    );
  });
});
