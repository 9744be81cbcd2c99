// What may stand beside an address: an address inside a longer token is none, unless the author wrote the dot that follows it.

import { describe, expect, test } from "bun:test";
import { compilePattern } from "../../src/core/pattern.ts";

function hostOf(source: string, line: string): string | undefined {
  const compiled = compilePattern(source);
  if (!compiled.ok) throw new Error(compiled.faults[0]?.what);
  const { regex, groups } = compiled.value;
  regex.lastIndex = 0;
  return regex.exec(line)?.[groups.hosts[0]?.index ?? 0];
}

describe("an address and what follows it", () => {
  test("a port behind a dot is taken off where the expression says so", () => {
    expect(hostOf("^from <ADDR>\\.\\d+ ", "from 203.0.113.5.4022 to")).toBe("203.0.113.5");
    expect(hostOf("^from <ADDR>\\.\\d+ ", "from 2001:db8::5.4022 to")).toBe("2001:db8::5");
  });

  test("no digit of the address is taken for the port", () => {
    expect(hostOf("^from <ADDR>\\.\\d+ ", "from 203.0.113.55 to")).toBeUndefined();
    expect(hostOf("^from <ADDR>\\.\\d+ ", "from 203.0.113.1234.5 to")).toBeUndefined();
  });

  test("without the dot in the expression a longer token is no address", () => {
    expect(hostOf("^from <ADDR>", "from 203.0.113.5.4022 to")).toBeUndefined();
    expect(hostOf("^from <ADDR>", "from 203.0.113.5.example.org")).toBeUndefined();
  });

  test("a host tag still takes names whole", () => {
    expect(hostOf("^from <HOST>\\.", "from 203.0.113.5.example.org.")).toBe("203.0.113.5.example.org");
  });

  test("a bracket that may be missing before the tag is no group of the expression's own", () => {
    expect(hostOf("^from \\(?<HOST>\\)?$", "from (203.0.113.5)")).toBe("203.0.113.5");
    expect(hostOf("^from \\(?<HOST>\\)?$", "from 203.0.113.5")).toBe("203.0.113.5");
  });
});
