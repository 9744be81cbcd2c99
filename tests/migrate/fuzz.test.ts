// Files of an installation that is taken over may hold anything: nothing in them makes the readers throw, and what they give is sound.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseDuration } from "../../src/core/duration.ts";
import { parseIni } from "../../src/migrate/ini.ts";
import { translatePython } from "../../src/migrate/pyregex.ts";
import { str2sec, timeText } from "../../src/migrate/times.ts";

const runs = { numRuns: 2000 };
const joined = (parts: readonly string[], maxLength: number) =>
  fc
    .array(fc.oneof(fc.constantFrom(...parts), fc.string({ maxLength: 4 })), { maxLength })
    .map((list) => list.join(""));

test("an INI file of any text is read without throwing, each value at a place inside it", () => {
  const pieces = [
    "[a]",
    "[__proto__]",
    "[a?b]",
    "\n",
    "\r\n",
    " ",
    "\t",
    "x",
    "constructor",
    "=",
    ":",
    "%(x)s",
    "%",
    "#",
    ";",
    "[",
    "]",
    "\0",
    "\u2028",
  ];
  fc.assert(
    fc.property(joined(pieces, 40), (text) => {
      const file = parseIni(text, "x.conf");
      const lines = text.split("\n");
      for (const section of file.sections.values())
        for (const value of section.values())
          for (const { at } of [value, ...value.lines]) {
            expect(at.line).toBeGreaterThanOrEqual(1);
            expect(at.line).toBeLessThanOrEqual(lines.length);
          }
      for (const fault of file.faults) expect(fault.what).not.toBe("");
    }),
    runs,
  );
  expect(({} as Record<string, unknown>).x).toBeUndefined();
});

test("any Python expression is translated into something that compiles, or refused with a reason", () => {
  const pieces = [
    "(",
    ")",
    "(?:",
    "(?P<a>",
    "(?P=a)",
    "(?(a)x|y)",
    "(?=",
    "(?<!",
    "[",
    "]",
    "[^",
    "a-z",
    "\\",
    "\\d",
    "\\b",
    "\\1",
    "*",
    "+?",
    "{2,3}",
    "{",
    "}",
    "|",
    "^",
    "$",
    ".",
    "<HOST>",
    "<F-USER>",
    "</F-USER>",
    "(?i)",
    "(?#",
    "é",
    "/",
    "-",
  ];
  const tags = /<\/?[A-Z][A-Za-z0-9-]*\/?>/g;
  fc.assert(
    fc.property(joined(pieces, 12), (source) => {
      const made = translatePython(source);
      if (!made.ok) {
        expect(made.fault.what).not.toBe("");
        return;
      }
      for (const expression of made.value.expressions) {
        const plain = expression
          .replace(/<F-[A-Z0-9_]+>/g, "(?:")
          .replace(/<\/F-[A-Z0-9_]+>/g, ")")
          .replace(tags, "h");
        expect(() => new RegExp(plain), `${source} → ${expression}`).not.toThrow();
      }
    }),
    runs,
  );
});

test("lengths of time of any text are a number, a length, or nothing", () => {
  const pieces = [
    "1",
    "-1",
    "0",
    "9".repeat(30),
    "1e9",
    "d",
    "w",
    "m",
    "mo",
    "s",
    " ",
    "+",
    "*",
    ".",
    "60",
    "forever",
  ];
  fc.assert(
    fc.property(joined(pieces, 8), (text) => {
      const seconds = str2sec(text);
      expect(seconds === undefined || typeof seconds === "number").toBe(true);
      const length = timeText(text, true);
      if (length !== undefined) expect(`${length} ${parseDuration(length).ok}`).toBe(`${length} true`);
    }),
    runs,
  );
});
