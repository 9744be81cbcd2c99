import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  bytesToAddress,
  parseAddress,
  parsePrefix,
  prefixBits,
  prefixContains,
  prefixOf,
} from "../../src/core/address.ts";
import type { Address, Prefix } from "../../src/core/domain.ts";
import { createPrefixSet } from "../../src/core/prefixset.ts";

const a = (text: string): Address => parseAddress(text)!;
const p = (text: string): Prefix => parsePrefix(text)!;
// Few distinct bytes, so that networks meet.
const few = fc.constantFrom(0, 1, 128, 255);
const someAddress = fc
  .oneof(fc.array(few, { minLength: 4, maxLength: 4 }), fc.array(few, { minLength: 16, maxLength: 16 }))
  .map((bytes) => bytesToAddress(Uint8Array.from(bytes)));
const somePrefix = fc
  .tuple(someAddress, fc.integer({ min: 0, max: 128 }))
  .map(([one, bits]) => prefixOf(one, bits));

describe("a set of prefixes", () => {
  test("finds the most specific entry", () => {
    const set = createPrefixSet([p("10.0.0.0/8"), p("10.1.0.0/16"), a("10.1.1.1"), p("2001:db8::/32")]);
    expect(set.find(a("10.1.1.1"))).toBe(a("10.1.1.1"));
    expect(set.find(a("10.1.1.2"))).toBe(p("10.1.0.0/16"));
    expect(set.find(a("10.2.1.1"))).toBe(p("10.0.0.0/8"));
    expect(set.find(a("2001:db8::5"))).toBe(p("2001:db8::/32"));
    expect(set.find(a("11.0.0.1"))).toBeUndefined();
  });

  test("takes an address and its full-length prefix for one", () => {
    const set = createPrefixSet([a("192.0.2.1")]);
    expect(set.add(p("192.0.2.1/32"))).toBe(false);
    expect(set.size).toBe(1);
    expect(set.remove(p("192.0.2.1/32"))).toBe(true);
    expect(set.find(a("192.0.2.1"))).toBeUndefined();
    expect(set.remove(a("192.0.2.1"))).toBe(false);
  });

  test("keeps families apart", () => {
    expect(createPrefixSet([p("::/0")]).find(a("192.0.2.1"))).toBeUndefined();
    expect(createPrefixSet([p("0.0.0.0/0")]).find(a("::1"))).toBeUndefined();
  });

  test("answers as a scan over all entries would, through additions and removals", () => {
    fc.assert(
      fc.property(
        fc.array(somePrefix, { maxLength: 40 }),
        fc.array(fc.nat(), { maxLength: 10 }),
        someAddress,
        (entries, out, asked) => {
          const set = createPrefixSet(entries);
          const left = new Set(entries);
          for (const i of out) {
            const gone = entries[i % Math.max(1, entries.length)];
            if (gone !== undefined) expect(set.remove(gone)).toBe(left.delete(gone));
          }
          expect(set.size).toBe(left.size);
          expect(new Set([...set.entries()].map((text) => p(text)))).toEqual(left);
          const holding = [...left]
            .filter((one) => prefixContains(one, asked))
            .sort((x, y) => prefixBits(y) - prefixBits(x))[0];
          const found = set.find(asked);
          expect(found && p(found)).toBe(holding);
        },
      ),
    );
  });

  test("tells whether a network would hit an entry", () => {
    fc.assert(
      fc.property(fc.array(somePrefix, { maxLength: 20 }), somePrefix, (entries, range) => {
        const touched = createPrefixSet(entries).touching(range);
        const meets = (one: Prefix) => prefixContains(one, range) || prefixContains(range, one);
        expect(touched !== undefined).toBe(entries.some(meets));
        if (touched) expect(meets(p(touched))).toBe(true);
      }),
    );
  });
});
