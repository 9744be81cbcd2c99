// Other languages' syntax, and examples of what an expression matches.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compilePattern } from "../../src/core/pattern.ts";
import { oddities } from "../../src/doctor/dialects.ts";
import { examplesOf } from "../../src/doctor/examples.ts";
import { maskLine } from "../../src/doctor/secrets.ts";

const ids = (source: string): readonly string[] => oddities(source).map((one) => one.id);

describe("syntax of other languages", () => {
  const odd: Readonly<Record<string, readonly string[]>> = {
    F2B212: ["\\Afrom <HOST>", "from <HOST>\\Z", "^\\h+<HOST>"],
    F2B213: ["^a{,3}<HOST>"],
    F2B214: ["^[]a]<HOST>", "^[^]]+<HOST>"],
    F2B215: [
      "(?i)^<HOST>",
      "^(?P<x>a)<HOST>",
      "^(?#why)<HOST>",
      "^a++<HOST>",
      "^(a)?(?(1)b|c)<HOST>",
      "^(?>a)<HOST>",
    ],
    F2B216: ["^%(__prefix_line)s<HOST>"],
    F2B217: ["^[[:digit:]]<HOST>", "^[^[:space:]]+<HOST>"],
    F2B218: ["^<host>", "^<IP>", "^<f-user>.*</f-user> <HOST>"],
    F2B224: ["^\bfrom <HOST>"],
  };
  for (const [id, sources] of Object.entries(odd))
    for (const source of sources)
      test(`${JSON.stringify(source)} is ${id}`, () => expect(ids(source)).toContain(id));

  test("what is good JavaScript is left alone", () => {
    for (const source of [
      "^(?i:Failed) \\S+ for (?<x>a{0,3}b{2,}) \\k<x> from <HOST>(?: port \\d+)?$",
      "^[\\]a]+ [^\\]]+ \\(\\?P 100% \\[\\] <F-USER>.*</F-USER> <ADDR>$",
      "^<client> <NOSRV> \\\\A [A-Z] a+? b*? <HOST>\t$",
    ])
      expect(ids(source)).toEqual([]);
  });

  test("any text at all is read to its end", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => oddities(text).length <= 8));
    const syntax = fc.string({
      unit: fc.constantFrom(..."[]^\\(?P<>{},:+*a1%)s|$".split("")),
      maxLength: 40,
    });
    fc.assert(fc.property(syntax, (text) => oddities(text).length <= 8));
  });
});

describe("examples", () => {
  test("match what they are examples of", () => {
    for (const source of [
      "^failed from <HOST>$",
      "^(?:invalid|illegal) user <F-USER>\\S{2,10}</F-USER> from <HOST>(?: port \\d+)?$",
      "^[a-f]{3}[^x]*: (?:a|b(?:c|d)) <HOST> ?$",
    ]) {
      const compiled = compilePattern(source);
      if (!compiled.ok) throw new Error(compiled.faults[0]?.what);
      const test = new RegExp(`^(?:${compiled.value.regex.source})`);
      const examples = examplesOf(source);
      expect(examples.length).toBeGreaterThan(0);
      for (const one of examples) expect(one).toMatch(test);
    }
  });

  test("there are a few at most, whatever the expression", () => {
    expect(examplesOf(`^${"(?:a|b)?".repeat(30)}<HOST>$`).length).toBeLessThanOrEqual(24);
    expect(examplesOf("^(").length).toBe(0);
  });
});

test("secrets are masked where they stand, and nothing else is", () => {
  const kept = [
    'socket = "/run/f2b.sock"',
    'password_file = "/etc/x"',
    'mode = "aggressive"',
    "maxretry = 3 # token",
  ];
  for (const line of kept) expect(maskLine(line)).toBe(line);
  for (const line of [
    'token = "abcdef" # mine',
    "{ password = 'abcdef', to = 1 }",
    "api_key = abcdef",
    'tokne = "abcdef',
  ]) {
    expect(maskLine(line)).not.toContain("abcdef");
    expect(maskLine(line)).toHaveLength(line.length);
  }
});
