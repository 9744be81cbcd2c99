import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { addressTarget, bytesToAddress, idTarget, targetKey } from "../../src/core/address.ts";
import type { Target, Time } from "../../src/core/domain.ts";
import { reconcile } from "../../src/core/reconcile.ts";

const host = (n: number): Target => addressTarget(bytesToAddress(Uint8Array.of(192, 0, n >>> 8, n)));
const ban = (n: number, until: Time | "forever") => ({ target: host(n), until });

describe("bringing a firewall to what should stand", () => {
  test("adds what is missing, removes what is too much, leaves what stands", () => {
    const wanted = [ban(1, 5000), ban(2, 5000)];
    const found = [ban(2, 5000), ban(3, 5000)];
    expect(reconcile(wanted, found, 0, 0)).toEqual({ add: [ban(1, 5000)], remove: [host(3)], change: [] });
  });

  test("changes an end that differs by more than the tolerance", () => {
    const wanted = [
      ban(1, 10_000),
      ban(2, 10_000),
      ban(3, "forever"),
      ban(4, 10_000),
      ban(5, "forever"),
      ban(6, 10_000),
    ];
    const found = [
      ban(1, 9000),
      ban(2, 8999),
      ban(3, 10_000),
      ban(4, "forever"),
      ban(5, "forever"),
      { target: host(6), until: undefined },
    ];
    const { add, remove, change } = reconcile(wanted, found, 0, 1000);
    expect([add, remove]).toEqual([[], []]);
    expect(change.map((one) => one.target)).toEqual([host(2), host(3), host(4)]);
  });

  test("takes away what has ended though it is still listed", () => {
    expect(reconcile([ban(1, 1000)], [ban(1, 3000)], 1000, 0)).toEqual({
      add: [],
      remove: [host(1)],
      change: [],
    });
  });

  test("keeps an id apart from the address it reads like", () => {
    const id = idTarget(host(1).text);
    const { add, remove } = reconcile([{ target: id, until: 9 }], [ban(1, 9)], 0, 0);
    expect([add.length, remove.length]).toEqual([1, 1]);
  });

  test("leads, when done, to a state that needs nothing more", () => {
    const until = fc.oneof(fc.constant("forever" as const), fc.integer({ min: 1, max: 50 }));
    const bans = fc.array(fc.tuple(fc.integer({ min: 0, max: 15 }), until).map(([n, end]) => ban(n, end)));
    fc.assert(
      fc.property(
        bans,
        bans,
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 0, max: 5 }),
        (wanted, found, now, tolerance) => {
          const { add, remove, change } = reconcile(wanted, found, now, tolerance);
          const there = new Map(found.map((one) => [targetKey(one.target), one]));
          for (const target of remove) expect(there.delete(targetKey(target))).toBe(true);
          for (const one of add) expect(there.has(targetKey(one.target))).toBe(false);
          for (const one of change) expect(there.has(targetKey(one.target))).toBe(true);
          for (const one of [...add, ...change]) there.set(targetKey(one.target), one);
          expect(reconcile(wanted, [...there.values()], now, tolerance)).toEqual({
            add: [],
            remove: [],
            change: [],
          });
        },
      ),
    );
  });
});
