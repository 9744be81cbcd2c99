import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  detached,
  displayWidth,
  editDistance,
  escapeHtml,
  plural,
  suggest,
  table,
  visible,
  visibleLine,
} from "../../src/core/text.ts";

describe("a stranger's text", () => {
  test.each([
    ["plain äöü 漢字 🙂", "plain äöü 漢字 🙂"],
    ["\x1b]0;title\x07", "\\x1b]0;title\\x07"],
    ["a\nb\tc\rd\0", "a\\nb\\tc\\rd\\x00"],
    ["\x7f\x9b31m", "\\x7f\\x9b31m"],
    ["\u202Egnp.exe", "\\u202egnp.exe"],
    ["ad\u200Bmin\u2066\uFEFF", "ad\\u200bmin\\u2066\\ufeff"],
    ["\u2028\u2029", "\\u2028\\u2029"],
    ["\u{E0041}", "\\u{e0041}"],
    ["\uD800x", "\\ud800x"],
    ["back\\slash", "back\\slash"],
  ])("%j is shown as %s", (text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  test("never moves the cursor, never hides, and showing twice changes nothing", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((c) => String.fromCharCode(c)) }),
        (a, b) => {
          const shown = visible(a + b);
          expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
          expect(visible(shown)).toBe(shown);
        },
      ),
    );
  });

  test("is cut to the cap with a mark, never inside a surrogate pair", () => {
    expect(visibleLine("abc", 3)).toBe("abc");
    expect(visibleLine("abcd", 3)).toBe("ab…");
    expect(visibleLine("a🙂🙂", 3)).toBe("a…");
    expect(visibleLine("\x1b\x1b", 5)).toBe("\\x1b…");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 1, max: 20 }), (text, cap) => {
        const shown = visibleLine(text, cap);
        expect(shown.length).toBeLessThanOrEqual(cap);
        expect(shown.isWellFormed()).toBe(true);
      }),
    );
  });

  test("cannot become markup", () => {
    expect(escapeHtml(`<a href="x" o='y'>&`)).toBe("&#60;a href=&#34;x&#34; o=&#39;y&#39;&#62;&#38;");
  });

  test("is copied unchanged", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(detached(text)).toBe(text);
      }),
    );
  });
});

describe("did you mean", () => {
  const keys = ["bantime", "findtime", "maxretry", "ignoreip", "enabled", "port"];
  test.each([
    ["maxretri", "maxretry"],
    ["ignore-ip", "ignoreip"],
    ["BanTime", "bantime"],
    ["enable", "enabled"],
    ["fnidtime", "findtime"],
    ["prot", "port"],
  ])("%s is taken for %s", (word, meant) => {
    expect(suggest(word, keys)).toBe(meant);
  });

  test.each(["", "x", "colour", "zzzzzzzz", "x".repeat(5000)])("%j is like nothing", (word) => {
    expect(suggest(word, keys)).toBeUndefined();
  });

  test("rests on a distance that is zero only for equals and symmetric", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance === 0).toBe(a === b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});

describe("for people", () => {
  test("numbers go with their nouns", () => {
    expect(["ban", "address", "entry", "match", "day"].map((word) => plural(2, word))).toEqual([
      "2 bans",
      "2 addresses",
      "2 entries",
      "2 matches",
      "2 days",
    ]);
    expect(plural(1, "address")).toBe("1 address");
    expect(plural(0, "ban")).toBe("0 bans");
    expect(plural(3, "is", "are")).toBe("3 are");
  });

  test("columns line up by what a terminal shows", () => {
    expect(
      table(
        [
          ["jail", "n"],
          ["sshd", "10"],
          ["漢字", "2"],
        ],
        { right: [1] },
      ),
    ).toBe("jail   n\nsshd  10\n漢字   2");
    expect(displayWidth("e\u0301")).toBe(1);
  });

  test("cells cannot bring colours or line feeds of their own, ours are kept on request", () => {
    expect(table([["\x1b[31mx", "a\nb"]])).toBe("\\x1b[31mx  a\\nb");
    expect(
      table(
        [
          ["\x1b[31mx\x1b[0m", "y\x1b[2J"],
          ["long", "z"],
        ],
        { ansi: true },
      ),
    ).toBe("\x1b[31mx\x1b[0m     y\\x1b[2J\nlong  z");
  });

  test("lines are cut to the terminal's width", () => {
    expect(table([["abcdef", "ghijkl"]], { width: 10 })).toBe("abcdef  g…");
    expect(table([["\x1b[1mabcdef\x1b[0m"]], { width: 4, ansi: true })).toBe("\x1b[1mabc…\x1b[0m");
    for (const line of table([["漢字漢字漢字"]], { width: 6 }).split("\n"))
      expect(displayWidth(line)).toBeLessThanOrEqual(6);
  });
});
