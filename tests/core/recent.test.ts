// Texts of the line before and process ids, looked at four bytes at once, are what they are byte by byte.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { Recent } from "../../src/core/recent.ts";
import { idAt, leadingDigits } from "../../src/core/words.ts";

const viewOf = (text: string): { readonly bytes: Uint8Array; readonly view: DataView } => {
  const bytes = new Uint8Array([...`${text}${"5".repeat(80)}`].map((char) => char.charCodeAt(0)));
  return { bytes, view: new DataView(bytes.buffer) };
};
const text = (maxLength: number) =>
  fc.array(fc.constantFrom("a", "b", "7", "\0", "\xff"), { maxLength }).map((all) => all.join(""));

test("a text stands where each of its bytes stands", () => {
  fc.assert(
    fc.property(text(70), text(6), text(70), (kept, before, other) => {
      const recent = new Recent();
      const { bytes } = viewOf(`${before}${kept}`);
      recent.keep(bytes, before.length, before.length + kept.length);
      const fits = kept.length > 0 && kept.length <= 64;
      expect(recent.length).toBe(fits ? kept.length : 0);
      for (const line of [`${kept}${other}`, other, kept.slice(0, -1), `${kept.slice(0, -1)}b`])
        expect(recent.standsAt(viewOf(`${before}${line}`).view, before.length)).toBe(
          fits && `${line}${"5".repeat(80)}`.startsWith(kept),
        );
    }),
    { numRuns: 2000 },
  );
  const recent = new Recent();
  recent.keep(viewOf("abc").bytes, 0, 3);
  recent.forget();
  expect(recent.standsAt(viewOf("abc").view, 0)).toBe(false);
});

test("digits are counted, and other ids are other numbers", () => {
  const char = fc.constantFrom(..."0123456789:]/@\0\xb0\xff\x8a");
  fc.assert(
    fc.property(fc.array(char, { maxLength: 10 }), (chars) => {
      const line = `${chars.join("")}x`;
      const count = /^[0-9]{0,8}/.exec(line)![0].length;
      const { view } = viewOf(line);
      expect(leadingDigits(view, 0)).toBe(count);
      for (let to = 0; to <= line.length; to++)
        expect(idAt(view, 0, to) === -1).toBe(!/^[0-9]{1,7}$/.test(line.slice(0, to)));
    }),
    { numRuns: 3000 },
  );
  const seen = new Map<number, string>();
  const ids = [...Array(20_000).keys()].flatMap((n) => [String(n), `0${n}`, `${n * 499}`]);
  for (const id of new Set(ids.filter((one) => one.length < 8))) {
    const number = idAt(viewOf(id).view, 0, id.length);
    expect(seen.get(number) ?? id).toBe(id);
    seen.set(number, id);
  }
});
