// No line may stall the daemon: every shipped expression through a ReDoS analyser, and hostile lines of 8 KiB against every filter
// in all its modes. First it is asserted how many expressions were found, so that the test cannot pass by finding none.

import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkSync } from "recheck";
import { effectiveFilter, type JailFile, modesOf, parseJailFile } from "../src/config/jailfile.ts";
import { encodeText } from "../src/core/bytes.ts";
import type { Filter } from "../src/core/domain.ts";
import { type CompiledFilter, compileFilter, type Expression } from "../src/core/filter.ts";
import { run } from "../src/core/match.ts";
import { createScanner } from "../src/core/scan.ts";
import { analysable } from "./support/analysable.ts";

const directory = join(import.meta.dir, "../jails");
const files: JailFile[] = readdirSync(directory)
  .filter((name) => name.endsWith(".toml"))
  .flatMap((name) => {
    const parsed = parseJailFile(name.slice(0, -5), readFileSync(join(directory, name), "utf8"), name);
    return parsed.ok ? [parsed.value] : [];
  });

interface Variant {
  readonly name: string;
  readonly file: JailFile;
  readonly filter: Filter;
  readonly compiled: CompiledFilter;
}

/** One a mode; the widest one would not do, since modes may replace each other's expressions. */
const variants: Variant[] = files.flatMap((file) =>
  modesOf(file).flatMap((mode) => {
    const filter = effectiveFilter(file, { mode });
    if (!filter.ok) return [];
    const compiled = compileFilter(filter.value);
    return compiled.ok
      ? [{ name: `${file.name} ${mode}`, file, filter: filter.value, compiled: compiled.value }]
      : [];
  }),
);

const expressionsOf = ({ compiled }: Variant): readonly Expression[] => [
  ...compiled.fail,
  ...compiled.prefix,
  ...compiled.ignore,
  ...(compiled.session?.key === undefined ? [] : [compiled.session.key]),
];

test("every jail file is looked at", () => {
  expect(files.length).toBeGreaterThan(0);
  expect(new Set(variants.map(({ file }) => file.name)).size).toBe(files.length);
  expect(variants.flatMap(expressionsOf).length).toBeGreaterThan(files.length);
});

// Verdicts are kept, since one takes seconds: a hash of what was analysed and is fine. F2B_REDOS=all judges everything again,
// F2B_REDOS=write also writes the verdicts down.
const kept = join(import.meta.dir, "redos.proven.json");
interface Verdicts {
  /** At most quadratic. */
  readonly fine: readonly string[];
  /** The analyser gave up after ten seconds; the hostile lines below judge these. */
  readonly unknown: readonly string[];
}
const earlier: Verdicts =
  existsSync(kept) && process.env.F2B_REDOS !== "all"
    ? (JSON.parse(readFileSync(kept, "utf8")) as Verdicts)
    : { fine: [], unknown: [] };
const fine = new Set(earlier.fine);
const givenUp = new Set(earlier.unknown);
const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);

test("the analyser finds no expression that backtracks exponentially or worse than quadratically", () => {
  const forms = new Map<string, string>();
  for (const variant of variants) {
    for (const { pattern } of expressionsOf(variant))
      forms.set(`^${analysable(pattern.regex.source)}`, `${variant.file.name}: ${pattern.source}`);
    for (const { path, regexes } of variant.compiled.shapes.flatMap((shape) => shape.require))
      for (const { source } of regexes)
        forms.set(analysable(source), `${variant.file.name}: ${path} = ${source}`);
  }
  const bad: string[] = [];
  const unknown: string[] = [];
  for (const [form, name] of forms) {
    const hash = hashOf(form);
    if (fine.has(hash)) continue;
    const result = givenUp.has(hash)
      ? undefined
      : checkSync(form, "", { checker: "automaton", timeout: 10_000 });
    if (result === undefined || result.status === "unknown") {
      givenUp.add(hash);
      unknown.push(name);
    } else if (
      result.status === "vulnerable" &&
      (result.complexity.type !== "polynomial" || result.complexity.degree > 2)
    ) {
      // What is quadratic on paper is measured below: 8 KiB of it must still cost less than a millisecond.
      bad.push(`${name}\n    ${result.complexity.summary}`);
    } else fine.add(hash);
  }
  if (process.env.F2B_REDOS === "write") {
    const present = new Set([...forms.keys()].map(hashOf));
    const list = (hashes: ReadonlySet<string>): string[] =>
      [...hashes].filter((hash) => present.has(hash)).sort();
    writeFileSync(kept, `${JSON.stringify({ fine: list(fine), unknown: list(givenUp) }, null, 1)}\n`);
  }
  expect(forms.size).toBeGreaterThan(files.length);
  expect(bad).toEqual([]);
  expect(unknown.length).toBeLessThan(forms.size * 0.05);
}, 3_600_000);

const length = 8192;
const fillers = [
  "a",
  " ",
  "1",
  ":",
  ".",
  "\t",
  '"',
  "'",
  "[",
  "]",
  "(",
  "<",
  ">",
  "=",
  ",",
  ";",
  "/",
  "-",
  "\\",
  "%20",
  "\x80",
];
const pairs = [
  " from 198.51.100.9 port 22",
  " user=x rhost=198.51.100.9",
  "198.51.100.9 ",
  "2001:db8::1:",
  "::::",
  "1.2.3.",
  " a=b",
  '" "',
  "] [",
  "): (",
  "a.",
  "a@",
];

/** Beginnings of real lines (the samples') continued with each filler, ended as they end and with something that fails. */
function* hostile({ file }: Variant): Generator<string> {
  const heads = new Set<string>();
  for (const { lines } of file.samples) {
    const line = encodeText(lines[0] ?? "");
    for (const share of [0.35, 0.6, 0.85]) heads.add(line.slice(0, Math.floor(line.length * share)));
    // Just behind the first address: where free text usually begins.
    const address = /\d+\.\d+\.\d+\.\d+|2001:db8::\w+/.exec(line);
    if (address !== null) {
      heads.add(line.slice(0, address.index));
      heads.add(line.slice(0, address.index + address[0].length));
    }
  }
  const some = [...heads].sort((a, b) => b.length - a.length).slice(0, 24);
  for (const head of some) {
    for (const part of [...fillers, ...pairs]) {
      const body = part.repeat(Math.ceil(length / part.length)).slice(0, length - head.length - 1);
      yield `${head}${body}\x01`;
    }
  }
}

describe("no line of 8 KiB costs a filter more than a millisecond", () => {
  test.each(variants)(
    "$name",
    (variant) => {
      const scanner = createScanner([{ jail: variant.name, filter: variant.compiled, names: true }], {
        linecap: length,
      });
      const context = { now: Date.UTC(2026, 11, 31), live: true };
      const cost = (line: string): number => {
        const began = performance.now();
        scanner.file(`${line}\n`, context);
        return performance.now() - began;
      };
      const slow: string[] = [];
      for (const line of hostile(variant)) {
        // The least of several: what else the machine does only adds.
        let least = cost(line);
        for (let n = 0; n < 60 && least > 0.9; n++) least = Math.min(least, cost(line));
        if (least > 1) {
          const guilty = expressionsOf(variant)
            .map((one) => ({ one, ms: timeOf(one, line) }))
            .sort((a, b) => b.ms - a.ms)[0];
          slow.push(
            `${least.toFixed(1)} ms: ${line.slice(0, 120)}… (${JSON.stringify(line.slice(-30))})\n    most of it: ${guilty?.one.pattern.source}`,
          );
          if (slow.length > 3) break;
        }
      }
      expect(slow).toEqual([]);
    },
    120_000,
  );
});

function timeOf(one: Expression, line: string): number {
  const began = performance.now();
  run(one, line, Math.max(0, line.indexOf(": ") + 2), line.length, {
    trusted: undefined,
    clock: undefined,
    timing: false,
    gaveUp: undefined,
    endsQuietly: undefined,
    ascii: () => true,
    encoding: undefined,
  });
  return performance.now() - began;
}

test("a filter that does backtrack is found out by these lines", () => {
  const sshd = variants.find(({ file }) => file.name === "sshd")!;
  const slow = compileFilter({
    ...sshd.filter,
    failregex: ["^Failed .* .* .* from <HOST> nothing$"],
    session: undefined,
  });
  if (!slow.ok) throw new Error(slow.faults[0]?.what);
  const scanner = createScanner([{ jail: "slow", filter: slow.value, names: true }]);
  const line = `Mar  2 10:15:09 web1 sshd[812]: Failed ${"a ".repeat(1500)}from 203.0.113.5 nothing!`;
  const began = performance.now();
  scanner.file(`${line}\n`, { now: 0, live: true });
  const worst = performance.now() - began;
  expect(worst).toBeGreaterThan(1);
});
