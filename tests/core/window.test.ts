import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createWindow } from "../../src/core/window.ts";

const settings = { findtimeMs: 600_000, maxretry: 3, maxmatches: 3, maxKeys: 1000 };
const minute = 60_000;

describe("a window", () => {
  test("is reached by the failure that makes maxretry within findtime", () => {
    const window = createWindow(settings);
    expect(window.hit("a", 0, 1, "1")).toEqual({ count: 1, reached: false });
    expect(window.hit("a", 5 * minute, 1, "2")).toEqual({ count: 2, reached: false });
    expect(window.hit("b", 5 * minute, 1, "x")).toEqual({ count: 1, reached: false });
    expect(window.hit("a", 10 * minute, 1, "3")).toEqual({ count: 3, reached: true });
  });

  test("slides exactly: a failure counts for findtime and not a millisecond more", () => {
    const window = createWindow(settings);
    window.hit("a", 0, 1, "");
    window.hit("a", 1, 1, "");
    expect(window.hit("a", settings.findtimeMs + 1, 1, "").count).toBe(2);
    expect(window.count("a", settings.findtimeMs + 1)).toBe(2);
    expect(window.count("a", settings.findtimeMs + 2)).toBe(1);
    expect(window.count("a", 3 * settings.findtimeMs)).toBe(0);
    expect(window.count("nobody", 0)).toBe(0);
  });

  test("never estimates: two old failures and one new do not make three", () => {
    const window = createWindow(settings);
    for (const at of [0, 1000, 11 * minute, 12 * minute])
      expect(window.hit("a", at, 1, "").reached).toBe(false);
  });

  test("counts what one line stands for", () => {
    const window = createWindow(settings);
    expect(window.hit("a", 0, 2, "").count).toBe(2);
    expect(window.hit("a", 1, 1, "")).toEqual({ count: 3, reached: true });
    expect(window.hit("b", 0, 9, "").reached).toBe(true);
    expect(createWindow({ ...settings, maxretry: 1 }).hit("a", 0, 1, "").reached).toBe(true);
  });

  test("takes lines that come late into account, and those too late not", () => {
    const window = createWindow(settings);
    window.hit("a", 20 * minute, 1, "");
    expect(window.hit("a", 12 * minute, 1, "").count).toBe(2);
    expect(window.hit("a", 9 * minute, 1, "").count).toBe(2);
    expect(window.hit("a", 20 * minute, 1, "").count).toBe(3);
  });

  test("hands over the last lines and the last user, and begins anew", () => {
    const window = createWindow({ ...settings, maxretry: 5 });
    for (let i = 0; i < 5; i++) window.hit("a", i, 1, `line ${i}`, `user${i}`);
    expect(window.take("a")).toEqual({ lines: ["line 2", "line 3", "line 4"], user: "user4" });
    expect(window.take("a")).toEqual({ lines: [], user: undefined });
    expect(window.hit("a", 6, 1, "")).toEqual({ count: 1, reached: false });
    window.hit("b", 0, 1, "only", "root");
    expect(window.take("b")).toEqual({ lines: ["only"], user: "root" });
  });

  test("keeps no lines when maxmatches is 0, but the user", () => {
    const window = createWindow({ ...settings, maxmatches: 0 });
    window.hit("a", 0, 1, "line", "root");
    expect(window.snapshot()).toEqual([{ key: "a", hits: [[0, 1]], lines: [], user: "root" }]);
    window.hit("a", 1, 1, "line");
    expect(window.take("a")).toEqual({ lines: [], user: "root" });
  });

  test("agrees with counting by hand, however failures are strewn", () => {
    const hit = fc.record({
      key: fc.constantFrom("a", "b", "c"),
      at: fc.integer({ min: 0, max: 60 }),
      attempts: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(
        fc.array(hit, { maxLength: 60 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 0, max: 30 }),
        (hits, maxretry, findtimeMs) => {
          const window = createWindow({ findtimeMs, maxretry, maxmatches: 2, maxKeys: 100 });
          const seen = new Map<string, { at: number; attempts: number }[]>();
          for (const { key, at, attempts } of hits) {
            const all = [...(seen.get(key) ?? []), { at, attempts }];
            seen.set(key, all);
            const end = Math.max(...all.map((one) => one.at));
            const by = all
              .filter((one) => one.at >= end - findtimeMs)
              .reduce((sum, one) => sum + one.attempts, 0);
            const found = window.hit(key, at, attempts, `${at}`);
            expect(found.reached).toBe(by >= maxretry);
            expect(Math.min(found.count, maxretry)).toBe(Math.min(by, maxretry));
            expect(window.count(key, end)).toBe(found.count);
            if (found.reached) {
              window.take(key);
              seen.delete(key);
            }
          }
          expect(new Set(window.keys())).toEqual(new Set(seen.keys()));
          expect(window.size).toBe(seen.size);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("goes on from its snapshot as if nothing had happened", () => {
    const hit = fc.tuple(
      fc.constantFrom("a", "b"),
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 1, max: 2 }),
      fc.constantFrom("x", undefined),
    );
    fc.assert(
      fc.property(fc.array(hit, { maxLength: 12 }), fc.array(hit, { maxLength: 12 }), (before, after) => {
        const limits = { findtimeMs: 10, maxretry: 4, maxmatches: 3, maxKeys: 100 };
        const one = createWindow(limits);
        const play = (window: typeof one, hits: typeof before) =>
          hits.map(([key, at, attempts, user], i) => window.hit(key, at, attempts, `${key} ${i}`, user));
        play(one, before);
        const other = createWindow(limits);
        other.restore(JSON.parse(JSON.stringify(one.snapshot())));
        const sorted = (window: typeof one) => window.snapshot().toSorted((a, b) => (a.key < b.key ? -1 : 1));
        expect(sorted(other)).toEqual(sorted(one));
        expect(play(other, after)).toEqual(play(one, after));
      }),
    );
  });

  test("leaves out of a snapshot what is older than findtime by now", () => {
    const window = createWindow(settings);
    window.restore(
      [
        {
          key: "a",
          hits: [
            [0, 1],
            [5 * minute, 1],
          ],
          lines: ["old", "new"],
        },
      ],
      12 * minute,
    );
    expect(window.snapshot()).toEqual([{ key: "a", hits: [[5 * minute, 1]], lines: ["new"] }]);
  });

  test("lets old keys go, also when times came out of order or from a clock that was ahead", () => {
    const window = createWindow(settings);
    window.hit("ahead", 100 * minute, 1, "");
    window.hit("old", 0, 1, "");
    window.hit("twice", 0, 1, "");
    window.hit("twice", minute, 1, "");
    window.hit("new", 12 * minute, 1, "");
    expect(window.expire(12 * minute)).toBe(3);
    expect([...window.keys()]).toEqual(["new"]);
    expect(window.expire(23 * minute)).toBe(1);
    expect(window.size).toBe(0);
  });

  test("lets go of more keys than one step looks at in several steps", () => {
    const window = createWindow({ ...settings, maxmatches: 0, maxKeys: 200_000 });
    for (let i = 0; i < 100_000; i++) window.hit(`k${i}`, 0, 1 + (i % 2), "");
    let steps = 0;
    while (window.size > 0 && steps < 20) {
      window.expire(11 * minute + steps);
      steps++;
    }
    expect(window.size).toBe(0);
    expect(steps).toBeGreaterThan(1);
  });

  test("forgets on request", () => {
    const window = createWindow(settings);
    window.hit("a", 0, 1, "");
    window.hit("b", 0, 2, "");
    expect([window.forget("a"), window.forget("b"), window.forget("c")]).toEqual([true, true, false]);
    expect(window.size).toBe(0);
  });

  test("takes changed settings over at the next failure and keeps its counters", () => {
    const window = createWindow({ ...settings, maxretry: 5 });
    for (let i = 0; i < 3; i++) window.hit("a", i * minute, 1, `line ${i}`);
    window.configure({ findtimeMs: 5 * minute, maxretry: 4, maxmatches: 1 });
    expect(window.hit("a", 3 * minute, 1, "last")).toEqual({ count: 4, reached: true });
    expect(window.take("a").lines).toEqual(["last"]);
    window.configure({ findtimeMs: minute, maxretry: 2, maxmatches: 1 });
    window.hit("b", 0, 1, "");
    expect(window.hit("b", 2 * minute, 1, "").reached).toBe(false);
  });
});

describe("a flood of keys", () => {
  test("makes the window forget the oldest that failed once, never those that failed more", () => {
    const window = createWindow({ ...settings, maxretry: 100, maxKeys: 100 });
    for (let i = 0; i < 50; i++) for (let n = 0; n < 3; n++) window.hit(`bad${i}`, i, 1, "");
    for (let i = 0; i < 10_000; i++) window.hit(`once${i}`, 1000 + i, 1, "");
    const keys = new Set(window.keys());
    expect(window.size).toBe(100);
    expect(window.evicted).toBe(10_000 - 50);
    for (let i = 0; i < 50; i++) expect(keys.has(`bad${i}`)).toBe(true);
    for (let i = 9_950; i < 10_000; i++) expect(keys.has(`once${i}`)).toBe(true);
  });

  test("of keys that all failed twice costs the worst offender nothing either", () => {
    const window = createWindow({ ...settings, maxretry: 100, maxKeys: 100 });
    for (let n = 0; n < 50; n++) window.hit("worst", n, 1, "");
    for (let i = 0; i < 10_000; i++) for (let n = 0; n < 2; n++) window.hit(`k${i}`, 1000 + i, 1, "");
    expect(window.size).toBeLessThanOrEqual(100);
    expect(window.count("worst", 50)).toBe(50);
  });

  test("cannot fill memory with lines: first failures give theirs up, repeated ones keep the latest", () => {
    const window = createWindow({ ...settings, maxKeys: 10_000, maxLineChars: 10_000 });
    const long = "x".repeat(1000);
    const kept = () =>
      window.snapshot().reduce((sum, one) => sum + one.lines.join("").length + (one.user?.length ?? 0), 0);
    for (let i = 0; i < 1000; i++) window.hit(`k${i}`, 0, 1, `${long}${i}`, `u${i}`);
    expect(kept()).toBeLessThanOrEqual(5000);
    window.hit("k999", 1, 1, "first", "root");
    expect(window.take("k999")).toEqual({ lines: ["first"], user: "root" });
    for (let i = 0; i < 999; i++) window.hit(`k${i}`, 1, 1, `${long}${i}`, long);
    expect(kept()).toBeLessThanOrEqual(10_000);
    for (const key of [...window.keys()]) window.forget(key);
    for (let i = 0; i < 4; i++) window.hit(`again${i}`, 2, 1, long);
    expect(kept()).toBe(4000);
  });

  test("moves along with a clock that is set, back or forward, and counts nothing twice", () => {
    for (const delta of [-60 * minute, 365 * 1440 * minute]) {
      const window = createWindow(settings);
      window.hit("once", 0, 1, "");
      window.hit("twice", 0, 1, "");
      window.hit("twice", 1, 1, "");
      window.shift(delta);
      expect(window.size).toBe(2);
      expect(window.hit("once", delta + minute, 1, "")).toEqual({ count: 2, reached: false });
      expect(window.hit("twice", delta + minute, 1, "")).toEqual({ count: 3, reached: true });
    }
  });
});
