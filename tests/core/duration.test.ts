import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Span } from "../../src/core/domain.ts";
import { formatDuration, longestSpan, parseDuration } from "../../src/core/duration.ts";

function value(text: string | number): Span {
  const result = parseDuration(text);
  if (!result.ok) throw new Error(result.faults[0]?.why);
  return result.value;
}

describe("a duration", () => {
  test.each<[string | number, Span]>([
    [600, 600],
    ["600", 600],
    ["0", 0],
    ["10m", 600],
    ["10 M", 600],
    ["1h30m", 5400],
    ["1h 30m", 5400],
    ["1d12h30m", 131_400],
    ["1.5h", 5400],
    [".5m", 30],
    ["0.1d", 8640],
    ["1w", 604_800],
    ["1mo", 2_629_800],
    ["1year", 31_557_600],
    ["1 yea 1 mon 1 wee 1 dd 1 hou 1 mm 1 ss", 31_557_600 + 2_629_800 + 604_800 + 86_400 + 3600 + 61],
    ["2 months", 5_259_600],
    [-1, "forever"],
    ["-1", "forever"],
    [" Forever ", "forever"],
    ["1000y", longestSpan],
    ["99999999999999999999999999d", longestSpan],
    [1e300, longestSpan],
  ])("%j is %j seconds", (text, span) => {
    expect(value(text)).toBe(span);
  });

  test.each([
    "",
    " ",
    "m",
    "10x",
    "1h30",
    "30 60",
    "-5",
    "-1h",
    "1h -10m",
    "1h+10m",
    "2*3",
    "1e3",
    "0x10",
    "1,5h",
    "1..5h",
    "10mx",
    "constructor",
    "1constructor",
    "__proto__",
    "ten minutes",
    `${"1s".repeat(60)}`,
    "NaN",
    "Infinity",
  ])("%j is none, and the fault says what may be written", (text) => {
    const result = parseDuration(text);
    expect(result.ok).toBe(false);
    if (!result.ok) expect(result.faults[0]?.fix).toContain("1h 30m");
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, -2, -0.5])("the number %d is none", (number) => {
    expect(parseDuration(number).ok).toBe(false);
  });

  test.each<[Span, string]>([
    ["forever", "forever"],
    [0, "0s"],
    [1.5, "1.5s"],
    [90, "1m 30s"],
    [5400, "1h 30m"],
    [604_800, "1w"],
    [9 * 86_400, "9d"],
    [2_629_800, "1mo"],
    [31_557_600, "1y"],
    [31_536_000, "365d"],
    [31_557_601, "365d 6h 1s"],
  ])("%j is shown as %s", (span, text) => {
    expect(formatDuration(span)).toBe(text);
  });

  test("is read back from what is shown", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: longestSpan }), (seconds) => {
        expect(value(formatDuration(seconds))).toBe(seconds);
      }),
    );
  });

  test("is found or refused for any text without throwing", () => {
    const soup = fc.string({ unit: fc.constantFrom(..."0123456789.- smhdwoyear"), maxLength: 30 });
    fc.assert(
      fc.property(fc.oneof(soup, fc.string()), (text) => {
        const result = parseDuration(text);
        if (result.ok && result.value !== "forever") {
          expect(result.value).toBeGreaterThanOrEqual(0);
          expect(result.value).toBeLessThanOrEqual(longestSpan);
        }
      }),
    );
  });
});
