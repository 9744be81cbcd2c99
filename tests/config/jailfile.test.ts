// What a jail file may say about its filter: kinds of JSON records, by mode and with parameters, and mistakes at their place.

import { describe, expect, test } from "bun:test";
import { effectiveFilter, type JailFile, parseJailFile } from "../../src/config/jailfile.ts";
import type { Filter } from "../../src/core/domain.ts";

function fileOf(source: string): JailFile {
  const file = parseJailFile("demo", source, "demo.toml");
  if (!file.ok) throw new Error(file.faults[0]?.what);
  return file.value;
}

function filterOf(source: string, mode?: string): Filter {
  const filter = effectiveFilter(fileOf(source), mode === undefined ? {} : { mode });
  if (!filter.ok) throw new Error(filter.faults[0]?.what);
  return filter.value;
}

const faults = (source: string): readonly string[] => {
  const file = parseJailFile("demo", source, "demo.toml");
  return file.ok
    ? []
    : file.faults.map(({ at, what, fix }) => `${at?.line}: ${what}${fix === undefined ? "" : ` (${fix})`}`);
};

const shapes = `
[filter]
format = "json"
json = { address = "ip", require = { status = '^401$', name = '^{{known}}$' } }
[filter.parameters]
known = '\\w+'
[filter.modes.ddos]
replace = true
json = [{ address = "ip", require = { status = ['^401$', '^403$'], name = '^-$' } }]
[filter.modes.all]
extends = "ddos"
[filter.modes.quiet]
replace = true
`;

describe("kinds of JSON records", () => {
  const asked = (mode?: string): unknown => filterOf(shapes, mode).json?.map((one) => one.require);
  const known = { status: ["^401$"], name: ["^\\w+$"] };
  const unknown = { status: ["^401$", "^403$"], name: ["^-$"] };

  test("one table stands for a list of one, and parameters are filled in", () =>
    expect(asked()).toEqual([known]));
  test("a mode may have its own, in their place or beside them", () => {
    expect(asked("ddos")).toEqual([unknown]);
    expect(asked("all")).toEqual([known, unknown]);
  });
  test("a mode that has none keeps the filter's", () => expect(asked("quiet")).toEqual([known]));
  test("a filter without any has none", () =>
    expect(filterOf("[filter]\nfailregex = ['^<ADDR>$']").json).toBeUndefined());
});

describe("a mistake is told at its place", () => {
  test("a key that is none, in one kind of records and in several", () => {
    expect(faults("[filter]\njson = { adress = 'ip' }")).toEqual([
      '2: there is no key "adress" in [filter.json] (did you mean address?)',
    ]);
    expect(faults("[filter]\njson = [{ address = 'ip' }, { requires = {} }]")).toEqual([
      '2: there is no key "requires" in [filter.json.1] (did you mean require?)',
    ]);
    expect(faults("[filter.modes.x]\njson = { mesage = 'm' }")).toEqual([
      '2: there is no key "mesage" in [filter.modes.x.json] (did you mean message?)',
    ]);
  });
});
