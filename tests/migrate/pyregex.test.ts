import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { translatePython } from "../../src/migrate/pyregex.ts";
import { type Case, compileAll, hasPython, runPython, seenByEngine, seenByPython } from "./support/pyre.ts";

if (!hasPython && process.env.CI !== undefined) throw new Error("python3 is needed for these tests in CI");
const withPython = test.skipIf(!hasPython);

function translated(pattern: string, multiline = false): readonly string[] {
  const result = translatePython(pattern, { multiline });
  if (!result.ok) throw new Error(`${pattern}: ${result.fault.why}`);
  return result.value.expressions;
}

/** Where Python and the engine disagree. */
function disagreements(cases: readonly Case[]): string[] {
  const answers = runPython(cases);
  const out: string[] = [];
  cases.forEach((one, index) => {
    const answer = answers[index]!;
    if ("error" in answer) {
      out.push(`Python refuses ${one.pattern}: ${answer.error}`);
      return;
    }
    const patterns = compileAll(translated(one.pattern, one.multiline), one.multiline);
    one.texts.forEach((text, row) => {
      const groups = answer.rows[row];
      const python = groups === null || groups === undefined ? undefined : seenByPython(groups);
      const engine = seenByEngine(patterns, text);
      if (JSON.stringify(python) !== JSON.stringify(engine)) {
        out.push(
          `${one.pattern}\n  => ${translated(one.pattern, one.multiline).join("\n     ")}\n  on ${JSON.stringify(text)}: Python ${JSON.stringify(python)}, f2b ${JSON.stringify(engine)}`,
        );
      }
    });
  });
  return out;
}

const ip = "192.0.2.7";

describe("each construct matches what Python matches", () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    [
      "named groups and references",
      "^(?P<_q>[\"'])x(?P=_q) <HOST>$",
      [`"x" ${ip}`, `'x' ${ip}`, `"x' ${ip}`],
    ],
    ["numbered references", "^(a|b)\\1 <HOST>$", [`aa ${ip}`, `ab ${ip}`, `bb ${ip}`]],
    ["a reference to a group that took no part fails", "^(?:(a)|b)\\1 <HOST>$", [`aa ${ip}`, `b ${ip}`]],
    [
      "an optional quote and its closing one",
      '^user=(?P<_q>")?<F-USER>\\w+</F-USER>(?(_q)") from <HOST>$',
      [`user="bob" from ${ip}`, `user=bob from ${ip}`, `user="bob from ${ip}`],
    ],
    [
      "a condition with two branches",
      "^(\\[)?x(?(1)\\]|:) <HOST>$",
      [`[x] ${ip}`, `x: ${ip}`, `[x: ${ip}`, `x] ${ip}`],
    ],
    [
      "two conditions",
      "^(a)?(b)?(?(1)A|-)(?(2)B|-) <HOST>$",
      ["abAB", "aA-", "b-B", "--", "abA-"].map((t) => `${t} ${ip}`),
    ],
    ["{,n}", "^a{,3}b <HOST>$", [`b ${ip}`, `aaab ${ip}`, `aaaab ${ip}`, `a{,3}b ${ip}`]],
    ["literal braces", "^a{x} {} {1 <HOST>$", [`a{x} {} {1 ${ip}`]],
    ["] first in a class", "^[]a]+ [^]b]+ <HOST>$", [`]a] xx ${ip}`, `a ] ${ip}`]],
    ["[ inside a class", "^[[x]+ <HOST>$", [`[[x ${ip}`]],
    ["\\A and \\Z do not mean letters", "\\Ax <HOST>$", [`x ${ip}`, `Ax ${ip}`, ` x ${ip}`]],
    [
      ". takes a carriage return and line separators",
      "^u=.+ from <HOST>$",
      [`u=a\rb from ${ip}`, `u=a\u2028b from ${ip}`],
    ],
    [
      "white space at the very end may be the line's own end",
      "^x <HOST>\\s$",
      [`x ${ip}`, `x ${ip} `, `x ${ip}  `],
    ],
    ["white space at the end that need not be there", "^x <HOST>\\s", [`x ${ip}`, `x ${ip} y`, `x ${ip}y`]],
    ["one or more of them", "^x <HOST>\\s+$", [`x ${ip}`, `x ${ip}  `, `x ${ip}.`]],
    ["a line feed at the end", "^x <HOST>\\n", [`x ${ip}`]],
    ["global flags", "(?i)^LOGIN from <HOST>$", [`login from ${ip}`, `Login from ${ip}`]],
    ["flags of a group", "^((?i)login) from <HOST>$", [`LOGIN from ${ip}`, `LOGIN FROM ${ip}`]],
    ["scoped flags", "^(?i:login)(?-i: From) <HOST>$", [`LOGIN From ${ip}`, `LOGIN from ${ip}`]],
    [
      "verbose expressions",
      "(?x)^ login \\  from [ ] <HOST> $ # the end",
      [`login from ${ip}`, `login  from ${ip}`],
    ],
    ["comments", "^a(?# a comment)b <HOST>$", [`ab ${ip}`]],
    ["atomic groups", "^(?>a*)ab <HOST>$", [`aab ${ip}`, `ab ${ip}`]],
    ["possessive repeats", "^a++b?+ <HOST>$", [`aab ${ip}`, `aa ${ip}`]],
    ["lazy repeats", "^x.*? <ADDR>", [`x 1 ${ip} 198.51.100.1`]],
    ["unanchored expressions", "login failed.* <ADDR>", [`app: login failed for bob from ${ip}`, "nothing"]],
    ["lookarounds", "^(?!ok)(?=.*bad).*(?<!x) <HOST>$", [`bad y ${ip}`, `ok bad ${ip}`, `bad x ${ip}`]],
    ["unneeded escapes", "^\\\"\\:\\'\\<a\\>\\-\\,\\=\\;\\ \\! <HOST>$", [`":'<a>-,=; ! ${ip}`]],
    [
      "escapes of controls and octal",
      "^\\t\\x41\\101\\07? \\u0042 <HOST>$",
      [`\tAA\u0007 B ${ip}`, `\tAA B ${ip}`],
    ],
    [
      "characters beyond ASCII",
      "^Échec (?:été|à) [éàx]+ [^éb] <HOST>$",
      [`Échec été éx à ${ip}`, `Échec à x a ${ip}`, `Échec à x é ${ip}`],
    ],
    ["characters by code and name", "^\\U0001F600 \\N{EN DASH} <HOST>$", [`😀 – ${ip}`]],
    [
      "users of every script",
      "^user <F-USER>\\w+</F-USER> from <HOST>$",
      [`user müller from ${ip}`, `user bob from ${ip}`, `user a b from ${ip}`],
    ],
    ["alternatives at the top", "^a <HOST>$|^b <HOST2>$".replace("HOST2", "F-ID/"), [`a ${ip}`, "b session"]],
    ["alternatives in a tag", "^<F-USER>a|b</F-USER> <HOST>$", [`a ${ip}`, `b ${ip}`]],
    [
      "a tag referred to by its group's name",
      "^<F-USER>\\w+</F-USER>=(?P=user) <HOST>$",
      [`bob=bob ${ip}`, `bob=eve ${ip}`],
    ],
    [
      "second user when the first is empty",
      "^<F-USER>\\w*</F-USER>/<F-ALT_USER>\\w+</F-ALT_USER> <HOST>$",
      [`/eve ${ip}`, `bob/eve ${ip}`],
    ],
    ["ids", "^session <F-ID>\\w+</F-ID> bad$", ["session 4711 bad"]],
    ["text that looks like a tag", "^<b> <HOST>$", [`<b> ${ip}`]],
    ["tab and newline classes", '^[\\t ]x[^\\s"]+ <HOST>$', [`\txab ${ip}`, ` x"b ${ip}`]],
    ["ranges with a literal -", "^[a\\-z-]+[+--] <HOST>$", [`a-z, ${ip}`, `b ${ip}`]],
    ["IPv6", "^x <ADDR>$", ["x 2001:db8::1", "x [2001:db8::1]", "x ::ffff:192.0.2.7"]],
  ];
  for (const [title, pattern, texts] of cases) {
    withPython(title, () => {
      expect(disagreements([{ pattern, texts }])).toEqual([]);
    });
  }

  withPython("records of several lines: ^ and $ at line ends", () => {
    const pattern = "^begin$<SKIPLINES>^ end <HOST>$";
    const texts = [
      `begin\n end ${ip}`,
      `begin\nx\ny\n end ${ip}\nmore`,
      `xbegin\n end ${ip}`,
      `begin\r\n end ${ip}`,
    ];
    expect(disagreements([{ pattern, multiline: true, texts }])).toEqual([]);
  });
});

describe("what Python refuses is refused with a reason", () => {
  const broken = [
    "(",
    ")",
    "a**",
    "*a",
    "[a",
    "a{3,1}",
    "(?P<1>a)",
    "(?P=x)",
    "\\q",
    "(?<n>a)",
    "[b-a]",
    "(?(x)a)",
    "\\",
    "[\\d-z]",
    "(?P<a>x)(?P<a>y)",
    "<F-USER>x",
    "x</F-USER>",
  ];
  for (const pattern of broken) {
    test(pattern, () => {
      const result = translatePython(`${pattern}`, { at: { file: "x.conf", line: 3, column: 1 } });
      if (result.ok) throw new Error(`translated to ${result.value.expressions.join(" ")}`);
      expect(result.fault.why).toBeString();
      expect(result.fault.fix).toBeString();
      expect(result.fault.at?.line).toBe(3);
    });
  }
  withPython("and Python does refuse it", () => {
    for (const answer of runPython(broken.map((pattern) => ({ pattern, texts: [] }))))
      expect(answer).toHaveProperty("error");
  });
});

/** Random expressions out of small pieces, and texts out of the same letters. */
const letters = fc.constantFrom("a", "b", "c", " ", "]", "<", "\r", "-", "1");
const node: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(
      "a",
      "b",
      "c",
      ".",
      "\\s",
      "\\d",
      "[ab]",
      "[]b]",
      "[^]a]",
      "[^a]",
      "\\w",
      "<",
      "[<a]",
      "\\b",
      " ",
      "\\]",
      "\\r",
    ),
    fc.tuple(tie("node"), tie("node")).map(([a, b]) => a + b),
    fc.tuple(tie("node"), tie("node")).map(([a, b]) => `(?:${a}|${b})`),
    fc
      .tuple(tie("node"), fc.constantFrom("*", "+", "?", "{,2}", "{1,2}", "*?", "?+", "{2}"))
      .map(([a, q]) => `(?:${a})${q}`),
    tie("node").map((a) => `(?=${a})`),
    tie("node").map((a) => `(?!${a})`),
    tie("node").map((a) => `(?>${a})`),
    tie("node").map((a) => `(?i:${a})`),
  ),
})).node;
const references = fc
  .tuple(node, node, node, node)
  .map(([a, b, c, d]) => `(?P<_x>${a})?${b}(?(_x)${c}|${d})`);

describe("property", () => {
  withPython("random expressions match the same texts", () => {
    const sample = fc.sample(
      fc.tuple(
        fc.oneof(
          node,
          references,
          node.map((a) => `(?:(${a})|b)c?\\1`),
        ),
        fc.boolean(),
        fc.array(
          fc.array(letters, { maxLength: 8 }).map((chars) => chars.join("")),
          { minLength: 12, maxLength: 12 },
        ),
      ),
      { numRuns: 1500, seed: 20261121 },
    );
    const cases = sample.map(([pattern, whole, texts]) => ({
      pattern: whole ? `^${pattern}$` : `^${pattern}`,
      bare: true,
      texts,
    }));
    const answers = runPython(cases);
    const wrong: string[] = [];
    let matched = 0;
    cases.forEach((one, index) => {
      const answer = answers[index]!;
      const result = translatePython(one.pattern, { feed: false });
      if ("error" in answer || !result.ok) {
        if (!("error" in answer) && !result.ok && !/never match|repeat/.test(result.fault.why ?? "")) {
          wrong.push(`${one.pattern}: Python takes it, f2b does not: ${result.fault.why}`);
        }
        return;
      }
      const patterns = compileAll(result.value.expressions);
      one.texts.forEach((text, row) => {
        const python = answer.rows[row] !== null;
        const engine = seenByEngine(patterns, text) !== undefined;
        if (python) matched++;
        if (python !== engine)
          wrong.push(
            `${one.pattern} => ${result.value.expressions.join(" || ")} on ${JSON.stringify(text)}: Python ${python}`,
          );
      });
    });
    expect(matched).toBeGreaterThan(500);
    expect(wrong.slice(0, 10)).toEqual([]);
  });
});
