// Both tables of sessions against each other, and their bound: the one made of numbers is the one of Maps, only faster.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { half, NumberTable, TextTable } from "../../src/core/sessiontable.ts";

type Deed = readonly ["hear" | "drop" | "sweep", number];

/** Does the same to both and says what both know afterwards. */
function compare(deeds: readonly Deed[], keys: number): void {
  const numbers = new NumberTable();
  const texts = new TextTable();
  for (const [time, [deed, key]] of deeds.entries()) {
    if (deed === "drop") {
      numbers.drop(key);
      texts.drop(`${key}`);
    } else if (deed === "sweep") {
      numbers.sweep(time - key);
      texts.sweep(time - key);
    } else {
      const known = numbers.get(key);
      const other = texts.get(`${key}`);
      expect(known?.at).toBe(other?.at);
      if (known === undefined || other === undefined) {
        numbers.add(key).at = time;
        texts.add(`${key}`).at = time;
      } else {
        known.waiting++;
        other.waiting++;
        const [one, two] = [numbers.freshen(key, known), texts.freshen(`${key}`, other)];
        expect(one.waiting).toBe(two.waiting);
        one.at = two.at = time;
      }
    }
  }
  for (let key = 0; key < keys; key++) expect(numbers.get(key)?.at).toBe(texts.get(`${key}`)?.at);
}

describe("sessions by number", () => {
  test("are those that Maps would know, whatever is heard, dropped and swept", () => {
    const deed = fc.tuple(
      fc.constantFrom("hear", "hear", "hear", "drop", "sweep"),
      fc.nat({ max: 60 }),
    ) as fc.Arbitrary<Deed>;
    fc.assert(fc.property(fc.array(deed, { maxLength: 300 }), (deeds) => compare(deeds, 61)));
  });

  test("are forgotten by the same halves when there are many", () => {
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const deeds = Array.from({ length: 40_000 }, (): Deed => {
      const dice = random(100);
      return [
        dice < 70 ? "hear" : dice < 99 ? "drop" : "sweep",
        dice < 99 ? random(9_000) : 3_000 + random(9_000),
      ];
    });
    compare(deeds, 9_000);
  });

  test("are two halves at most, and what was heard of last is among them", () => {
    const table = new NumberTable();
    for (let key = 0; key < 5 * half; key++) table.add(key * 7919).at = key;
    const known = Array.from({ length: 5 * half }, (_, key) => table.get(key * 7919)).filter(
      (session) => session !== undefined,
    );
    expect(known.length).toBeLessThanOrEqual(2 * half);
    expect(known.length).toBeGreaterThanOrEqual(half);
    expect(table.get((5 * half - 1) * 7919)?.at).toBe(5 * half - 1);
  });

  test("that come again know nothing of what was there before", () => {
    const table = new NumberTable();
    const first = table.add(-5);
    first.user = "root";
    first.pending = true;
    table.drop(-5);
    expect(first.user).toBe("root");
    const second = table.add(-5);
    expect(second.user).toBeUndefined();
    expect(second.pending).toBeFalse();
  });
});
