// rsyslog folds equal messages of a program into one line; each of them counts.

import { describe, expect, test } from "bun:test";
import { compileFilter } from "../../src/core/filter.ts";
import { createScanner, type Found } from "../../src/core/scan.ts";

function scan(message: string): readonly Found[] {
  const compiled = compileFilter({
    name: "app",
    format: "syslog",
    program: "app",
    prefregex: [],
    failregex: ["^refused <F-USER>[^\\n]{0,900}</F-USER> from <ADDR>$"],
    ignoreregex: [],
    datepattern: [],
    maxlines: 1,
    session: undefined,
    json: undefined,
    logencoding: "utf-8",
    forgeable: undefined,
    spoofable: undefined,
    own: false,
  });
  if (!compiled.ok) throw new Error(compiled.faults[0]?.what);
  const scanner = createScanner([{ jail: "app", filter: compiled.value }]);
  return scanner.file(`Mar  2 10:15:09 web1 app[812]: ${message}\n`, {
    now: Date.UTC(2026, 2, 2, 10, 16),
    live: true,
  });
}

const told = (message: string): unknown =>
  scan(message).map(({ failure }) => [failure.target.text, failure.user, failure.attempts]);

describe("a message that syslog says was repeated", () => {
  test("counts so often", () => {
    expect(told("message repeated 5 times: [ refused bob from 203.0.113.5]")).toEqual([
      ["203.0.113.5", "bob", 5],
    ]);
  });

  test("counts a hundred times at most", () => {
    expect(told("message repeated 9999 times: [ refused bob from 203.0.113.5]")).toEqual([
      ["203.0.113.5", "bob", 100],
    ]);
  });

  test("ends where its last bracket stands", () => {
    expect(told("message repeated 2 times: [ refused x from 198.51.100.9] from 203.0.113.5]")).toEqual([
      ["203.0.113.5", "x from 198.51.100.9]", 2],
    ]);
  });

  test("is not believed when it may have been cut", () => {
    const name = "x".repeat(800 - " refused  from 198.51.100.9".length);
    expect(told(`message repeated 2 times: [ refused ${name} from 198.51.100.9]`)).toEqual([]);
  });

  test("is nothing without its bracket, or of another kind", () => {
    expect(told("message repeated 2 times: [ refused bob from 203.0.113.5")).toEqual([]);
    expect(told("message repeated 2 times: [ accepted bob from 203.0.113.5]")).toEqual([]);
    expect(
      told("refused message repeated 2 times: [ refused bob from 198.51.100.9] from 203.0.113.5"),
    ).toEqual([["203.0.113.5", "message repeated 2 times: [ refused bob from 198.51.100.9]", 1]]);
  });
});
