// Paths into JSON records, and the texts by which lines of JSON are found before they are parsed.

import { describe, expect, test } from "bun:test";
import type { Filter, JsonShape } from "../../src/core/domain.ts";
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

const filter = (json: JsonShape | readonly JsonShape[], failregex: readonly string[]): Filter => ({
  name: "test",
  format: "json",
  program: undefined,
  prefregex: [],
  failregex,
  ignoreregex: [],
  datepattern: [],
  maxlines: 1,
  session: undefined,
  json: [json].flat(),
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

describe("shapes of records", () => {
  const fields = { address: ["ip"], user: [], message: [], time: [] };
  const record = (more: object): string => JSON.stringify({ ip: "203.0.113.5", ...more });

  test("of several expressions for one path one must match, and each path needs one", () => {
    const one = filter({ ...fields, require: { action: ["^login$", "^token$"], status: ["^401$"] } }, []);
    expect(hosts(one, record({ action: "login", status: 401 }))).toEqual(["203.0.113.5"]);
    expect(hosts(one, record({ action: "token", status: 401 }))).toEqual(["203.0.113.5"]);
    expect(hosts(one, record({ action: "other", status: 401 }))).toEqual([]);
    expect(hosts(one, record({ action: "login", status: 200 }))).toEqual([]);
    expect(hosts(one, record({ action: "login" }))).toEqual([]);
  });

  test("of a list that is asked for one entry is enough", () => {
    const one = filter({ ...fields, require: { tags: ["^denied$"] } }, []);
    expect(hosts(one, record({ tags: ["http", "denied"] }))).toEqual(["203.0.113.5"]);
    expect(hosts(one, record({ tags: ["http", { denied: "denied" }] }))).toEqual([]);
    expect(hosts(one, record({ tags: [] }))).toEqual([]);
  });

  test("the first shape counts that a record has; one without a message counts by its fields alone", () => {
    const one = filter(
      [
        { ...fields, message: ["msg"], require: { kind: ["^login$"] } },
        { ...fields, address: ["peer"], require: { status: ["^401$"] } },
      ],
      ["^wrong password$"],
    );
    expect(hosts(one, record({ kind: "login", msg: "wrong password" }))).toEqual(["203.0.113.5"]);
    expect(hosts(one, record({ kind: "login", msg: "welcome" }))).toEqual([]);
    expect(hosts(one, record({ msg: "wrong password" }))).toEqual([]);
    expect(hosts(one, record({ status: 401, peer: "203.0.113.7" }))).toEqual(["203.0.113.7"]);
    const both = record({ kind: "login", msg: "wrong password", status: 401, peer: "203.0.113.7" });
    expect(hosts(one, both)).toEqual(["203.0.113.5"]);
  });

  test("a key that stands twice is refused for the shape that asks for it", () => {
    const one = filter({ ...fields, require: { status: ["^401$"] } }, []);
    expect(hosts(one, '{"ip":"203.0.113.5","status":200,"status":401}')).toEqual([]);
    expect(hosts(one, '{"ip":"198.51.100.9","status":401,"ip":"203.0.113.5"}')).toEqual([]);
  });
});
