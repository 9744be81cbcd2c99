// Short texts found by their bytes: what was said of a text is what is found for it, and for no other.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { longestSpelled, Spelled } from "../../src/core/spelled.ts";

const encoder = new TextEncoder();

test("gives back what was said of the same text, or nothing", () => {
  const letters = fc.constantFrom("a", "b", "1", ".", "\0");
  const text = fc.array(letters, { maxLength: longestSpelled + 3 }).map((all) => all.join(""));
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 60 }), fc.nat({ max: 3 }), (texts, before) => {
      const table = new Spelled<string>(8);
      for (const one of texts) {
        // What stands around it makes no difference.
        const bytes = encoder.encode(`${"x".repeat(before)}${one}${"yb1.a".repeat(4)}`);
        const place = table.find(new DataView(bytes.buffer), before, before + one.length);
        if (place >= 0) expect(table.at(place)).toBe(one);
        else if (one.length > longestSpelled) expect(table.set(one)).toBe(-1);
        else expect(table.at(table.set(one))).toBe(one);
      }
    }),
    { numRuns: 1000 },
  );
});

test("knows what was asked for last again, and keeps nothing that is longer", () => {
  const table = new Spelled<number>(1 << 4);
  const ask = (text: string): number | undefined => {
    const bytes = encoder.encode(text.padEnd(text.length + 16));
    const place = table.find(new DataView(bytes.buffer), 0, text.length);
    return place < 0 ? undefined : table.at(place);
  };
  expect(ask("192.0.2.1")).toBeUndefined();
  table.set(7);
  expect(ask("192.0.2.1")).toBe(7);
  expect(ask("192.0.2.10")).toBeUndefined();
  expect(ask("x".repeat(longestSpelled + 1))).toBeUndefined();
  table.set(8);
  expect(ask("x".repeat(longestSpelled + 1))).toBeUndefined();
  table.clear();
  expect(ask("192.0.2.1")).toBeUndefined();
});

test("knows as many as it may, and begins anew with one more", () => {
  const most = 1000;
  const table = new Spelled<number>(most);
  const find = (n: number): number => {
    const bytes = encoder.encode(`10.0.${n >> 8}.${n & 255}`.padEnd(32));
    return table.find(new DataView(bytes.buffer), 0, bytes.indexOf(32));
  };
  for (let n = 0; n < most; n++) {
    expect(find(n)).toBe(-1);
    expect(table.set(n)).toBe(n);
  }
  for (let n = 0; n < most; n++) expect(table.at(find(n))).toBe(n);
  expect(table.isFull).toBe(true);
  expect(find(most)).toBe(-1);
  expect(table.set(most)).toBe(0);
  expect(find(0)).toBe(-1);
  expect(find(most)).toBe(0);
});
