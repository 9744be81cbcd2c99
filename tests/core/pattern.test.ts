// failregex → RegExp: tags, the dialect, what holds everywhere (a line feed is never eaten), and what is refused or suspected.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compilePattern, fillParameters, suspicious } from "../../src/core/pattern.ts";

function compiled(source: string, parameters: Record<string, string> = {}) {
  const result = compilePattern(source, { parameters });
  if (!result.ok) throw new Error(result.faults[0]?.what);
  return result.value;
}

/** What the host tag captured; undefined: no match. */
function hostIn(source: string, line: string): string | undefined {
  const { regex, groups } = compiled(source);
  regex.lastIndex = 0;
  const match = regex.exec(line);
  return match === null
    ? undefined
    : groups.hosts.map(({ index }) => match[index]).find((text) => text !== undefined);
}

describe("the host tags", () => {
  test.each([
    ["203.0.113.5", "203.0.113.5"],
    ["[203.0.113.5]", "203.0.113.5"],
    ["2001:db8::5", "2001:db8::5"],
    ["[2001:db8::5]", "2001:db8::5"],
    ["::ffff:203.0.113.5", "::ffff:203.0.113.5"],
    ["::1", "::1"],
    ["host-1.example.org", "host-1.example.org"],
    ["203.0.113.5.example.org", "203.0.113.5.example.org"],
  ])("<HOST> takes %s as a whole", (text, host) => {
    expect(hostIn("^from <HOST> port$", `from ${text} port`)).toBe(host);
  });

  test("a letter that the author wrote before an address belongs to no token", () => {
    const coloured = "^from (?:\\[\\d+m)<ADDR>$";
    expect(hostIn(coloured, "from [1m203.0.113.5")).toBe("203.0.113.5");
    expect(hostIn(coloured, "from [1m[2001:db8::5]")).toBe("2001:db8::5");
    expect(hostIn("^from \\S*?<ADDR>$", "from x203.0.113.5")).toBeUndefined();
    expect(hostIn("^from (?:[a-z])?<ADDR>$", "from x203.0.113.5")).toBeUndefined();
  });

  test("<ADDR> takes no name and no part of a longer token", () => {
    for (const text of ["example.org", "203.0.113.5.example.org", "x203.0.113.5", "1203.0.113.5"]) {
      expect(hostIn("^from <ADDR>", `from ${text} port`)).toBeUndefined();
    }
  });

  test("an address is never cut short by what may follow it", () => {
    fc.assert(
      fc.property(
        fc.ipV4(),
        fc.constantFrom("", ":4022", "#4022", ", x", ")", "]", " x"),
        (address, tail) => {
          expect(hostIn("^from <ADDR>", `from ${address}${tail}`)).toBe(address);
        },
      ),
    );
  });

  test("<SUBNET> takes the bits along, <IP4> and <IP6> only their family", () => {
    expect(hostIn("^net <SUBNET>$", "net 203.0.113.0/24")).toBe("203.0.113.0/24");
    expect(hostIn("^net <IP4>$", "net 2001:db8::5")).toBeUndefined();
    expect(hostIn("^net <IP6>$", "net 203.0.113.5")).toBeUndefined();
  });
});

describe("the dialect", () => {
  test("neither dot nor any set eats a line feed, so that a match ends with its line", () => {
    const line = "a b\u2028c\r d";
    for (const source of [
      "^<ADDR> .*$",
      "^<ADDR> [^x]*$",
      "^<ADDR> [\\s\\S]*$",
      "^<ADDR> \\D*$",
      "^<ADDR> \\W*\\S.*$",
    ]) {
      const { regex } = compiled(source);
      const text = `203.0.113.5 ${line}\n203.0.113.6 x`;
      regex.lastIndex = 0;
      const match = regex.exec(text);
      expect(match?.[0]).not.toContain("\n");
      if (source.includes(".*$") && !source.includes("W")) expect(match?.[0]).toBe(`203.0.113.5 ${line}`);
    }
  });

  test("\\s is ASCII: a byte of a UTF-8 letter is no blank", () => {
    expect(compiled("^x\\s<ADDR>").regex.test("x\u00a0203.0.113.5")).toBe(false);
    expect(compiled("^x\\s<ADDR>").regex.test("x\t203.0.113.5")).toBe(true);
  });

  test("letters beyond ASCII stand for their UTF-8 bytes", () => {
    const { regex } = compiled("^[é] échec de <ADDR>$");
    expect(regex.source).toContain("\\xc3\\xa9");
    expect(
      compiled("^échec de <ADDR>$").regex.test(Buffer.from("échec de 203.0.113.5").toString("latin1")),
    ).toBe(true);
  });

  test("numbered references count the author's own groups, not those of tags", () => {
    const { regex } = compiled("^<F-USER>\\w+</F-USER> (a|b)\\1 <ADDR>$");
    expect(regex.test("x aa 203.0.113.5")).toBe(true);
    regex.lastIndex = 0;
    expect(regex.test("a ba 203.0.113.5")).toBe(false);
  });

  test.each(["(", "a)", "[a", "a**", "[]", "[^]", "\\A<ADDR>", "(?>a)", "<F-USER>x", "a++"])(
    "%s is a fault that says why",
    (source) => {
      const result = compilePattern(source);
      expect(result.ok).toBe(false);
      if (!result.ok) expect(result.faults[0]?.what.length).toBeGreaterThan(20);
    },
  );

  test("any text either compiles or is a fault; it never throws", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(..."ab^$.|()[]*+?{}1,\\dsSw<>HOST /F-USER:!=é\n".split("")) }),
        (source) => {
          const result = compilePattern(source);
          if (result.ok) result.value.regex.exec("some text 203.0.113.5");
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("what is read off an expression", () => {
  test("every match holds one of the required texts and begins with one of the leads", () => {
    const { literals, leads } = compiled("^(?:error: )?Failed \\S+ for <F-USER>.*</F-USER> from <HOST>$");
    expect(literals).toEqual(["error: Failed ", "Failed "]);
    expect(leads).toEqual(["error: Failed ", "Failed "]);
  });

  test("required texts and leads hold for whatever matches", () => {
    const word = fc.constantFrom(
      "ab",
      "cd",
      "e f",
      "Failed ",
      "x?",
      "(?:a|b)",
      "(?:log|Login )in",
      "(?i:Q)",
      "[xy]",
      "\\d+",
      ".*",
      "(?:z{2})",
    );
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1, maxLength: 5 }),
        fc.string({ unit: fc.constantFrom(..."abcdefFiledLogn xyzqQ12 ".split("")), maxLength: 24 }),
        (parts, text) => {
          const { regex, literals, leads } = compiled(`^${parts.join("")}`);
          regex.lastIndex = 0;
          if (!regex.test(text)) return;
          if (literals !== undefined) expect(literals.some((one) => text.includes(one))).toBe(true);
          if (leads !== undefined) expect(leads.some((one) => text.startsWith(one))).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test.each(["^(a+)+$", "a.*b.*c.*d$", "^(?:a|ab)+c$", "^(?:x*)*y$", "^\\s*\\s*$", "^(?:[a-z]+-?)+:<HOST>$"])(
    "%s is suspected",
    (source) => {
      expect(suspicious(source)).toBeDefined();
    },
  );

  test.each([
    "^Failed \\S+ for <F-USER>[^:]*</F-USER> from <HOST> port \\d+$",
    "^login from <HOST>$",
    "^(?:\\w+ ){3}<HOST>$",
  ])("%s is not", (source) => {
    expect(suspicious(source)).toBeUndefined();
  });
});

describe("parameters", () => {
  test("are put in place, one inside another too", () => {
    expect(fillParameters("^{{a}}x", { a: "{{b}}1", b: "2" })).toEqual({ ok: true, value: "^21x" });
  });

  test("that nobody declared, or that go in a circle, are faults", () => {
    expect(fillParameters("{{no}}", {}).ok).toBe(false);
    expect(fillParameters("{{a}}", { a: "{{a}}" }).ok).toBe(false);
  });
});
