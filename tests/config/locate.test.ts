import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parse, stringify } from "smol-toml";
import { locate, type Path, type Which, written } from "../../src/config/locate.ts";

const toml = `# a comment with [brackets] and key = 1
[defaults]   # one more
maxretry = 3
bantime.base = "1h"

[jails."a b"]
failregex = [
  'x # no comment', # a comment, with ] in it
  '''y
''',
  "z",
]
prefix = { count4 = 24, ladder = [ { family = 6, bits = 64 } ] }

[[sample]]
line = "1"
[[sample]]
  line = """
[not.a.table]
""" 
[sample.fail]
host = "x"
`;

describe("locate finds", () => {
  const cases: [string, Path, Which, number, number][] = [
    ["a table's header", ["defaults"], "key", 2, 2],
    ["a key", ["defaults", "maxretry"], "key", 3, 1],
    ["a value", ["defaults", "maxretry"], "value", 3, 12],
    ["a dotted key's last part", ["defaults", "bantime", "base"], "key", 4, 9],
    ["a dotted key's first part", ["defaults", "bantime"], "key", 4, 1],
    ["a quoted name", ["jails", "a b"], "key", 6, 8],
    ["an element of a list of several lines", ["jails", "a b", "failregex", 0], "value", 8, 3],
    ["an element after a comment with a bracket", ["jails", "a b", "failregex", 1], "value", 9, 3],
    ["an element after a text of several lines", ["jails", "a b", "failregex", 2], "value", 11, 3],
    ["a key of an inline table", ["jails", "a b", "prefix", "count4"], "key", 13, 12],
    [
      "a value below a list of inline tables",
      ["jails", "a b", "prefix", "ladder", 0, "bits"],
      "value",
      13,
      57,
    ],
    ["the second table of a list", ["sample", 1, "line"], "key", 18, 3],
    ["a table below the last of a list", ["sample", 1, "fail", "host"], "value", 22, 8],
    ["the nearest table of what is not written", ["jails", "a b", "nothing", "here"], "value", 6, 8],
    ["the nearest list of an element that is not there", ["jails", "a b", "failregex", 9], "value", 7, 13],
  ];
  for (const [what, path, which, line, column] of cases)
    test(what, () => expect(locate(toml, path, which)).toEqual({ line, column }));

  test("the start of a text that holds nothing", () =>
    expect(locate("", ["x"], "key")).toEqual({ line: 1, column: 1 }));
});

test("what stands inside a text of several lines is no table", () => {
  expect(written(toml, ["not"])).toBe(false);
  expect(written(toml, ["defaults", "maxretry"])).toBe(true);
});

test("no text makes it fail, however broken", () => {
  const piece = fc.constantFrom(
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    '"""',
    "'''",
    "=",
    ".",
    ",",
    "#",
    "\n",
    "\\",
    "a",
    "b",
    " ",
    "1",
    "\u0000",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const { line, column } = locate(pieces.join(""), ["a", "b", 0], "value");
      expect(line).toBeGreaterThan(0);
      expect(column).toBeGreaterThan(0);
    }),
    { numRuns: 2000 },
  );
});

test("every value of a well-formed file is found where it is written", () => {
  const name = fc.constantFrom("a", "bb", "c-c", "d d", "ö", "e.e");
  const leaf = fc.oneof(fc.integer(), fc.boolean(), fc.string({ maxLength: 12 }));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.dictionary(
      name,
      fc.oneof({ maxDepth: 3 }, leaf, fc.array(leaf, { maxLength: 3 }), tie("tree")),
      { maxKeys: 4 },
    ),
  }));
  fc.assert(
    fc.property(tree, (data) => {
      const text = stringify(data as Record<string, unknown>);
      // A tree with nothing but empty tables cannot be told apart after a round trip through text.
      const again = parse(text) as Record<string, unknown>;
      const visit = (value: unknown, path: Path): void => {
        if (typeof value === "object" && value !== null && !Array.isArray(value)) {
          for (const [key, inner] of Object.entries(value)) visit(inner, [...path, key]);
          return;
        }
        expect(written(text, path)).toBe(true);
        const { line, column } = locate(text, path, "value");
        const rest = text
          .split("\n")
          .slice(line - 1)
          .join("\n")
          .slice(column - 1);
        const shown = stringify({ v: value }).replace(/^v = /, "").trimEnd();
        expect(rest.startsWith(shown)).toBe(true);
      };
      visit(again, []);
    }),
    { numRuns: 300 },
  );
});
