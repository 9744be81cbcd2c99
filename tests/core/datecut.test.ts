import { describe, expect, test } from "bun:test";
import { cutDate } from "../../src/core/datecut.ts";
import { compileTimePattern } from "../../src/core/datetime.ts";
import type { Filter } from "../../src/core/domain.ts";
import { compileFilter } from "../../src/core/filter.ts";
import { createScanner } from "../../src/core/scan.ts";

const cut = (line: string, ...patterns: string[]): string =>
  cutDate(
    line,
    0,
    line.length,
    patterns.map((source) => {
      const compiled = compileTimePattern(source);
      if (!compiled.ok) throw new Error(source);
      return compiled.value;
    }),
  ).text;

describe("the line with its date cut out", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["Mar  2 10:15:09 web1 app[1]: x", " web1 app[1]: x"],
    ["2026-03-02 10:15:09,123 x", " x"],
    ["2026-03-02T10:15:09+01:00 x", " x"],
    ["[Mon Mar 02 10:15:09.123456 2026] [error] x", "[] [error] x"],
    [
      '192.0.2.1 - - [02/Mar/2026:10:15:09 +0000] "GET / HTTP/1.1" 404',
      '192.0.2.1 - - [] "GET / HTTP/1.1" 404',
    ],
    ["type=USER_AUTH msg=audit(1668381071.000:373474): x", "type=USER_AUTH msg=audit(:373474): x"],
    ["11-06-2026 02:09:40 +0300 x", " +0300 x"],
    ["id 1668381071 and 10:15:09 are no dates here", "id 1668381071 and 10:15:09 are no dates here"],
    ["nothing", "nothing"],
    ["", ""],
  ];
  for (const [line, rest] of cases) test(line, () => expect(cut(line)).toBe(rest));

  test("a pattern of the filter's own goes first, and takes what it matches", () => {
    expect(cut('{"ip":"x","time":"2026-03-02T10:15:09"}', '"time":"%Y-%m-%dT%H:%M:%S"')).toBe('{"ip":"x",}');
    expect(cut("<W>2026-03-02 10:15:09 x", "<W>%Y-%m-%d %H:%M:%S")).toBe(" x");
  });
});

test("a filter in this format sees the rest of the line, and the time is the cut one", () => {
  const filter: Filter = {
    name: "x",
    format: "fail2ban",
    program: undefined,
    prefregex: [],
    failregex: ['^<HOST> - - \\[\\] "GET /admin'],
    ignoreregex: [],
    datepattern: [],
    maxlines: 1,
    session: undefined,
    json: undefined,
    logencoding: "utf-8",
    forgeable: undefined,
    spoofable: undefined,
    own: true,
  };
  const compiled = compileFilter(filter);
  if (!compiled.ok) throw new Error(compiled.faults[0]?.what);
  const scanner = createScanner([{ jail: "x", filter: compiled.value }]);
  const text = '192.0.2.9 - - [02/Mar/2026:10:15:09 +0000] "GET /admin HTTP/1.1" 404\nother\n';
  const found = scanner.file(text, { now: Date.UTC(2026, 2, 2, 11), live: false });
  expect(found.map((one) => [one.failure.target.text as string, one.failure.at])).toEqual([
    ["192.0.2.9", Date.UTC(2026, 2, 2, 10, 15, 9)],
  ]);
});
