import { expect, test } from "bun:test";
import { effectiveFilter, parseJailFile } from "../../src/config/jailfile.ts";
import { compileFilter } from "../../src/core/filter.ts";
import { createScanner } from "../../src/core/scan.ts";

function userOf(logencoding: string): string | undefined {
  const file = parseJailFile(
    "x",
    `summary = "x"\n[filter]\nformat = "bare"\nlogencoding = "${logencoding}"\nfailregex = ['^no <F-USER>.*</F-USER> from <HOST>$']\n`,
    "x.toml",
  );
  if (!file.ok) throw new Error(file.faults[0]?.what);
  const filter = effectiveFilter(file.value);
  if (!filter.ok) throw new Error(filter.faults[0]?.what);
  const compiled = compileFilter(filter.value);
  if (!compiled.ok) throw new Error(compiled.faults[0]?.what);
  const [found] = createScanner([{ jail: "x", filter: compiled.value }]).file(
    "no J\xfcrgen \xa4 from 203.0.113.5\n",
    { live: true, now: 0 },
  );
  return found?.failure.user;
}

test("logencoding says how the bytes of a user's name read", () => {
  expect(userOf("iso-8859-1")).toBe("Jürgen ¤");
  expect(userOf("iso-8859-15")).toBe("Jürgen €");
  expect(userOf("koi8-r")).toBe("JЭrgen ╓");
});

test("an encoding that is none is a fault, not a crash", () => {
  expect(() => userOf("utf-81")).toThrow('there is no encoding "utf-81"');
});

test("an encoding that gives ASCII two bytes is a fault: lines are read byte by byte", () => {
  for (const name of ["utf-16", "UTF-16LE", "ucs-2"])
    expect(() => userOf(name)).toThrow(`a log in ${name} cannot be read`);
});
