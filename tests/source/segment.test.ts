import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { cutLines } from "../../src/source/segment.ts";

/** The same in the plainest words: split at line feeds, strip leading NULs, drop what is longer than the cap. */
function plainly(bytes: Buffer, cap: number): string[] {
  const text = bytes.toString("latin1");
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .slice(0, -1)
    .map((line) => line.replace(/^\0+/, ""))
    .filter((line) => line.length <= cap)
    .map((line) => `${line}\n`);
}

function shown(bytes: Buffer, cap: number, piece: number): string[] {
  const lines: string[] = [];
  let pending = Buffer.alloc(0);
  let skipping = false;
  for (let at = 0; at < bytes.length; at += piece) {
    pending = Buffer.concat([pending, bytes.subarray(at, at + piece)]);
    const cut = cutLines(pending, cap, skipping);
    for (const [from, to] of cut.spans) lines.push(...pending.toString("latin1", from, to).split(/(?<=\n)/));
    pending = pending.subarray(cut.consumed);
    skipping = cut.skipping;
    expect(pending.length).toBeLessThanOrEqual(cap);
  }
  return lines;
}

describe("cutting what was read into lines", () => {
  test("gives the same lines however the bytes arrive", () => {
    const byte = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 1, max: 255 }) },
      { weight: 2, arbitrary: fc.constant(10) },
      { weight: 1, arbitrary: fc.constant(0) },
    );
    fc.assert(
      fc.property(
        fc.array(byte, { maxLength: 200 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 50 }),
        (values, cap, piece) => {
          const bytes = Buffer.from(values);
          // NULs before an over-long line do not count towards it, so both sides strip first.
          expect(shown(bytes, cap, piece).join("")).toBe(plainly(bytes, cap).join(""));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test("ends a line at a line feed only", () => {
    const text = "one\rtwo\u0085three\u000bfour\u000cfive\n";
    expect(shown(Buffer.from(text, "latin1"), 100, 3)).toEqual([text]);
  });

  test("shows nothing of a line longer than the cap and goes on behind it", () => {
    const bytes = Buffer.from(`a\n${"x".repeat(50)} from 192.0.2.1\nb\n`);
    expect(shown(bytes, 20, 7)).toEqual(["a\n", "b\n"]);
    expect(cutLines(bytes, 20, false)).toMatchObject({
      overlong: 1,
      skipping: false,
      consumed: bytes.length,
    });
  });

  test("shows a line of exactly the cap", () => {
    expect(shown(Buffer.from(`${"x".repeat(20)}\n${"y".repeat(21)}\n`), 20, 100)).toEqual([
      `${"x".repeat(20)}\n`,
    ]);
  });

  test("passes over a hole of NULs before a line", () => {
    expect(shown(Buffer.from(`\0\0\0\0a\n\0b\nc\0d\n`), 3, 100)).toEqual(["a\n", "b\n", "c\0d\n"]);
  });
});
