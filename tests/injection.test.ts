// Every sample of every bundled filter with hostile text wherever a stranger's text stands in it: nobody is blamed who was not
// there. INJECTION=all runs every case and lists those in which the real offender gets away; INJECTION=NAME does so for one jail.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type JailFile, parseJailFile } from "../src/config/jailfile.ts";
import { attack, type Finding } from "./support/injection.ts";
import { loggersLimit, writer } from "./support/writers.ts";

const directory = join(import.meta.dir, "../jails");
const wanted = process.env.INJECTION;
const names = readdirSync(directory)
  .filter((name) => name.endsWith(".toml"))
  .map((name) => name.slice(0, -".toml".length))
  .filter((name) => wanted === undefined || wanted === "all" || wanted === name);
/** One case in so many: a prime, so that other cases of each place are left out. */
const every = wanted === undefined ? 7 : 1;

function read(name: string, text: string): JailFile {
  const parsed = parseJailFile(name, text, `jails/${name}.toml`);
  if (!parsed.ok) throw new Error(parsed.faults.map(({ what }) => what).join("\n"));
  return parsed.value;
}

const shown = (findings: readonly Finding[]): string =>
  findings
    .slice(0, 5)
    .map(
      ({ mode, sample, place, payload, cut, got, expression, record }) =>
        `${mode}, "${sample}", ${place} := ${payload}${cut === undefined ? "" : `, cut at ${cut}`}: ${got || "nobody"}\n    ${expression}\n    ${record.length > 900 ? `${record.slice(0, 600)} … ${record.slice(-300)}` : record}`,
    )
    .join("\n  ");

describe("hostile text in the lines of", () => {
  test.each(names)("%s blames nobody else", (name) => {
    const file = read(name, readFileSync(join(directory, `${name}.toml`), "utf8"));
    const { cases, blamed, lost } = attack(file, { every, limit: loggersLimit, written: writer(name) });
    if (wanted !== undefined)
      console.log(`${name}: ${cases} cases, the offender got away in ${lost.length}\n  ${shown(lost)}`);
    if (blamed.length > 0) throw new Error(`${name}: ${blamed.length} of ${cases}\n  ${shown(blamed)}`);
  });
});

describe("the harness finds the hole of", () => {
  const filter = (failregex: string, line: string): JailFile =>
    read(
      "holes",
      `[filter]\nformat = "syslog"\nprogram = 'x'\nfailregex = ['${failregex}']\n[[sample]]\nline = '${line}'\nfail = { host = "203.0.113.5", user = "bob" }\n`,
    );
  const line = "Mar  2 10:15:09 web1 x[812]: login failed for bob from 203.0.113.5 port 4022";
  const blamed = (failregex: string, text = line): readonly Finding[] =>
    attack(filter(failregex, text), { every: 1, limit: loggersLimit }).blamed;

  test("an expression without an end", () => {
    const found = blamed("^login failed for <F-USER>.*?</F-USER> from <HOST> port ");
    expect(found.some(({ place, cut }) => place === "user" && cut === undefined)).toBe(true);
  });

  test("a text in front of the address that may run past it", () => {
    const found = blamed("^login failed for <F-USER>.*</F-USER> from <HOST>.*$");
    expect(found.some(({ cut }) => cut === undefined)).toBe(true);
  });

  test("a name that pushes the address beyond the logger's limit", () => {
    const found = blamed("^login failed for <F-USER>.*</F-USER> from <HOST> port \\d+$");
    expect(found.length).toBeGreaterThan(0);
    expect(found.every(({ cut }) => cut === 1023)).toBe(true);
  });

  test("keys of which the first counts", () => {
    const found = blamed(
      "^login failed, user=<F-USER>\\S*</F-USER>.*? rhost=<HOST>",
      "Mar  2 10:15:09 web1 x[812]: login failed, user=bob uid=0 rhost=203.0.113.5",
    );
    expect(found.some(({ cut }) => cut === undefined)).toBe(true);
  });

  test("none in one that is anchored and bounded", () => {
    expect(blamed("^login failed for <F-USER>.{0,800}</F-USER> from <HOST> port \\d+$")).toEqual([]);
  });
});
