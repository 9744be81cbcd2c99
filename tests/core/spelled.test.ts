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
        const found = table.get(new DataView(bytes.buffer), before, before + one.length);
        if (found === undefined) table.set(one);
        else expect(found).toBe(one);
      }
    }),
    { numRuns: 1000 },
  );
});

test("knows what was asked for last again, and keeps nothing that is longer", () => {
  const table = new Spelled<number>(1 << 4);
  const ask = (text: string): number | undefined => {
    const bytes = encoder.encode(text.padEnd(text.length + 16));
    return table.get(new DataView(bytes.buffer), 0, text.length);
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
