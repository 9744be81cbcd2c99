// A filter may read a safe log and one that strangers can write into: the latter's lines are marked, and left out unless accepted.
import { expect, test } from "bun:test";
import { effectiveFilter, parseJailFile } from "../../src/config/jailfile.ts";
import type { Filter, JournaldEntry } from "../../src/core/domain.ts";
import { compileFilter, withoutForgeable } from "../../src/core/filter.ts";
import { createScanner } from "../../src/core/scan.ts";

const source = `
[filter]
format = ["clf", "nginx-error"]
failregex = ['^<ADDR> - bob \\[', '^\\[error\\] bob, client: <ADDR>$']
[filter.forgeable]
nginx-error = "not escaped"
`;
const safe = '203.0.113.5 - bob [02/Mar/2026:10:15:09 +0000] "GET / HTTP/1.1" 401 1\n';
const forgeable = "2026/03/02 10:15:09 [error] bob, client: 203.0.113.6\n";

function filterOf(text: string): Filter {
  const file = parseJailFile("x", text, "x.toml");
  if (!file.ok) throw new Error(file.faults[0]?.what);
  const filter = effectiveFilter(file.value);
  if (!filter.ok) throw new Error(filter.faults[0]?.what);
  return filter.value;
}

function found(filter: Filter): readonly (readonly [string, string | undefined])[] {
  const compiled = compileFilter(filter);
  if (!compiled.ok) throw new Error(compiled.faults[0]?.what);
  const scanner = createScanner([{ jail: "x", filter: compiled.value }]);
  return scanner
    .file(safe + forgeable, { now: Date.UTC(2026, 2, 2, 12), live: false })
    .map(({ failure }) => [failure.target.text, failure.forgeable]);
}

test("failures of a forgeable format carry the reason, those of the safe one do not", () => {
  expect(found(filterOf(source))).toEqual([
    ["203.0.113.5", undefined],
    ["203.0.113.6", "not escaped"],
  ]);
});

test("without acceptance only the safe formats are read", () => {
  const stripped = withoutForgeable(filterOf(source));
  expect(stripped).toBeDefined();
  expect(found(stripped as Filter)).toEqual([["203.0.113.5", undefined]]);
});

test("nothing is left of a filter whose every format is forgeable", () => {
  expect(
    withoutForgeable(filterOf(source.replace('["clf", "nginx-error"]', '"nginx-error"'))),
  ).toBeUndefined();
});

test("lines that another version writes are told from those that can be forged, and are not believed behind one", () => {
  const told = `
[filter]
format = "timestamp"
unforgeable = ' \\[MY-\\d+\\] '
failregex = ['^(?:\\[MY-1\\] )?denied for <ADDR>$']
[filter.forgeable]
timestamp = "not escaped"
`;
  const old = "2026-03-02 10:15:09 denied for 203.0.113.6\n";
  const other = "2026-03-02 10:15:09 [MY-1] denied for 203.0.113.5\n";
  const filter = withoutForgeable(filterOf(told)) as Filter;
  const compiled = compileFilter(filter);
  if (!compiled.ok) throw new Error(compiled.faults[0]?.what);
  const read = (text: string): number => {
    const scanner = createScanner([{ jail: "x", filter: compiled.value }]);
    return scanner.file(text, { now: Date.UTC(2026, 2, 2, 12), live: false }).length;
  };
  expect(read(other)).toBe(1);
  expect(read(other + other)).toBe(2);
  expect(read(old)).toBe(0);
  expect(read(other + old + other)).toBe(1);
});

test("a format that does not exist is a fault", () => {
  const file = parseJailFile("x", source.replace("nginx-error = ", "nginx-errors = "), "x.toml");
  expect(file.ok).toBe(false);
});

test("a date in a user name is not the time of the request", () => {
  const line =
    '203.0.113.5 - bob [01/Jan/2001:00:00:00 +0000] x [02/Mar/2026:10:15:09 +0000] "GET / HTTP/1.1" 401 1\n';
  const compiled = compileFilter(filterOf(source));
  if (!compiled.ok) throw new Error(compiled.faults[0]?.what);
  const [one] = createScanner([{ jail: "x", filter: compiled.value }]).file(line, {
    now: Date.UTC(2026, 2, 2, 12),
    live: false,
    clamp: false,
  });
  expect(new Date(one?.failure.at ?? 0).toISOString()).toBe("2026-03-02T10:15:09.000Z");
});

test("a record of the safe form in a file that can be forged is marked, or dropped when that was not accepted", () => {
  const forged =
    '2026/03/02 10:15:09 [error] 12#12: *1 user "x\n198.51.100.9 - bob [02/Mar/2026:10:15:09 +0000] "GET\n';
  const scan = (filter: Filter): readonly (string | undefined)[] => {
    const compiled = compileFilter(filter);
    if (!compiled.ok) throw new Error(compiled.faults[0]?.what);
    const scanner = createScanner([{ jail: "x", filter: compiled.value }]);
    const context = { now: Date.UTC(2026, 2, 2, 12), live: true };
    // The second chunk begins in the middle of the stranger's text.
    return [forged, "198.51.100.9 - bob [02/Mar/2026\n"].flatMap((chunk) =>
      scanner.file(chunk, context).map(({ failure }) => failure.forgeable),
    );
  };
  expect(scan(filterOf(source))).toEqual(["not escaped", "not escaped"]);
  expect(scan(withoutForgeable(filterOf(source)) as Filter)).toEqual([]);
});

test("lines of other programs in a syslog file say nothing about it", () => {
  const compiled = compileFilter(filterOf(source.replace("[filter]", "[filter]\nprogram = 'nginx'")));
  if (!compiled.ok) throw new Error(compiled.faults[0]?.what);
  const scanner = createScanner([{ jail: "x", filter: compiled.value }]);
  const text = `Mar  2 10:15:09 web1 sshd[1]: x\nMar  2 10:15:09 web1 nginx: ${safe}`;
  expect(
    scanner.file(text, { now: Date.UTC(2026, 2, 2, 12), live: true }).map(({ failure }) => failure.forgeable),
  ).toEqual([undefined]);
});

test("an entry of journald in the safe form is not believed once the service has written there what can be forged", () => {
  const filter = withoutForgeable(filterOf(source)) as Filter;
  const compiled = compileFilter(filter);
  if (!compiled.ok) throw new Error(compiled.faults[0]?.what);
  const scanner = createScanner([{ jail: "x", filter: compiled.value }]);
  const at = Date.UTC(2026, 2, 2, 12);
  const entry = (message: string): JournaldEntry => ({
    message,
    identifier: "nginx",
    pid: "12",
    host: "web1",
    at,
    trusted: {},
  });
  const hear = (message: string): number =>
    scanner.journald([entry(message)], { now: at, live: true }).length;
  expect(hear(safe.trim())).toBe(1);
  expect(hear('2026/03/02 10:15:09 [error] 12#12: *1 user "x')).toBe(0);
  expect(hear(safe.trim())).toBe(0);
});
