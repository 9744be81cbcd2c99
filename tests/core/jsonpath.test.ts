// Paths into JSON records, and the texts by which lines of JSON are found before they are parsed.

import { describe, expect, test } from "bun:test";
import type { Filter } from "../../src/core/domain.ts";
import { compileFilter } from "../../src/core/filter.ts";
import { valueAt } from "../../src/core/jsonrecord.ts";
import { createScanner } from "../../src/core/scan.ts";

describe("a path into a record", () => {
  const record = {
    a: { "b.c": { d: 1 } },
    "x.y": "z",
    list: [{ key: "user", value: { login: "bob" } }, "last"],
  };

  test("goes through keys that hold dots", () => {
    expect(valueAt(record, "a.b.c.d")).toBe(1);
    expect(valueAt(record, "x.y")).toBe("z");
  });

  test("finds an entry of a list by its place, as the last, and by what it says", () => {
    expect(valueAt(record, "list.0.key")).toBe("user");
    expect(valueAt(record, "list.-1")).toBe("last");
    expect(valueAt(record, "list.key=user.value.login")).toBe("bob");
    expect(valueAt(record, "list.key=other.value")).toBeUndefined();
  });

  test("finds nothing where nothing is, and nothing inherited", () => {
    expect(valueAt(record, "a.b")).toBeUndefined();
    expect(valueAt(record, "constructor.name")).toBeUndefined();
    expect(valueAt([], "-1")).toBeUndefined();
  });
});

const filter = (json: Filter["json"], failregex: readonly string[]): Filter => ({
  name: "test",
  format: "json",
  program: undefined,
  prefregex: [],
  failregex,
  ignoreregex: [],
  datepattern: [],
  maxlines: 1,
  session: undefined,
  json,
  logencoding: "utf-8",
  forgeable: undefined,
  spoofable: undefined,
  own: false,
});

function hosts(one: Filter, line: string, trusted?: readonly string[]): string[] {
  const compiled = compileFilter(one);
  if (!compiled.ok) throw new Error(compiled.faults[0]?.what);
  const scanner = createScanner([
    {
      jail: "test",
      filter: compiled.value,
      ...(trusted === undefined ? {} : { trusted: (target) => trusted.includes(target.text) }),
    },
  ]);
  return scanner.file(`${line}\n`, { now: 0, live: true }).map(({ failure }) => failure.target.text);
}

test("a text that JSON escapes is found all the same", () => {
  const quoted = filter({ address: [], user: [], message: ["m"], time: [] }, ['^"><ADDR>"$']);
  expect(hosts(quoted, JSON.stringify({ m: '">203.0.113.5"' }))).toEqual(["203.0.113.5"]);
  const plain = filter({ address: [], user: [], message: ["m"], time: [] }, ['^/a/ "<ADDR>"$']);
  expect(hosts(plain, '{"m":"\\/a\\/ \\"203.0.113.5\\""}')).toEqual(["203.0.113.5"]);
});

test("of a list of addresses the last is the peer, and the others are believed behind a trusted proxy only", () => {
  const one = filter({ address: ["ips.-1"], user: [], message: ["m"], time: [], forwarded: ["ips"] }, [
    "^failed$",
  ]);
  const line = '{"m":"failed","ips":["198.51.100.9","203.0.113.5","192.0.2.1"]}';
  expect(hosts(one, line)).toEqual(["192.0.2.1"]);
  expect(hosts(one, line, ["192.0.2.1"])).toEqual(["203.0.113.5"]);
});
