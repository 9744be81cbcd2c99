// A service may write its own time behind syslog's. Which of the two a failure carries must not depend on the filter.

import { expect, test } from "bun:test";
import { createZone } from "../../src/core/datetime.ts";
import type { Filter } from "../../src/core/domain.ts";
import { compileFilter } from "../../src/core/filter.ts";
import { createScanner } from "../../src/core/scan.ts";

const filter: Filter = {
  name: "demo",
  format: "timestamp",
  program: "demo",
  prefregex: [],
  failregex: ["^refused <ADDR>$"],
  ignoreregex: [],
  datepattern: [],
  maxlines: 1,
  session: undefined,
  json: undefined,
  logencoding: "utf-8",
  forgeable: undefined,
  spoofable: undefined,
  own: false,
};

function times(text: string): string[] {
  const compiled = compileFilter(filter);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.faults));
  const scanner = createScanner([{ jail: "demo", filter: compiled.value }], { zone: createZone("UTC")! });
  const context = { now: Date.UTC(2026, 5, 1), live: false, clamp: false };
  return scanner.file(text, context).map((one) => new Date(one.failure.at).toISOString());
}

test("syslog's time counts where the service writes one of its own behind it", () => {
  expect(times("Mar  2 10:15:09 web1 demo[812]: 2026-03-02 08:15:07 refused 203.0.113.5\n")).toEqual([
    "2026-03-02T10:15:09.000Z",
  ]);
});

test("in the service's own file its own time counts", () => {
  expect(times("2026-03-02 08:15:07 refused 203.0.113.5\n")).toEqual(["2026-03-02T08:15:07.000Z"]);
});
