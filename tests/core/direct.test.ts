// Code written out for an expression gives what its RegExp gives: the same match, the same groups, at every place of every line.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { effectiveFilter, modesOf, parseJailFile } from "../../src/config/jailfile.ts";
import { encodeText } from "../../src/core/bytes.ts";
import { compileDirect, type Direct, readAhead } from "../../src/core/direct.ts";
import { compileFilter } from "../../src/core/filter.ts";

const spans = new Int32Array(200);

/** Lines as a chunk holds them. */
class Chunk {
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  constructor(lines: readonly string[]) {
    this.text = lines.map((line) => `${line}\n`).join("");
    this.bytes = new Uint8Array(this.text.length + 1 + readAhead);
    // What stands behind the end is another chunk's.
    this.bytes.fill(65);
    for (let at = 0; at < this.text.length; at++) this.bytes[at] = this.text.charCodeAt(at);
    this.bytes[this.text.length] = 10;
    this.view = new DataView(this.bytes.buffer);
  }
}

/** Where and how the two differ, or nothing. */
function difference(regex: RegExp, direct: Direct, chunk: Chunk, from: number): string | undefined {
  regex.lastIndex = from;
  const match = regex.exec(chunk.text);
  const end = direct(chunk.bytes, chunk.view, spans, from, chunk.bytes.indexOf(10, from));
  const line = (): string => JSON.stringify(chunk.text.slice(from, chunk.text.indexOf("\n", from)));
  if (match === null || end < 0)
    return match === null && end < 0 ? undefined : `${match?.[0]} but ${end} in ${line()}`;
  if (end !== from + match[0].length) return `end ${from + match[0].length} but ${end} in ${line()}`;
  for (let group = 1; group < match.length; group++) {
    const [begins, ends] = [spans[2 * group]!, spans[2 * group + 1]!];
    const said = ends < 0 ? undefined : chunk.text.slice(begins, ends);
    if (said !== match[group]) return `group ${group} is ${match[group]} but ${said} in ${line()}`;
  }
  return undefined;
}

function firstDifference(regex: RegExp, direct: Direct, chunk: Chunk): string | undefined {
  for (let from = 0; from <= chunk.text.length; from++) {
    const found = difference(regex, direct, chunk, from);
    if (found !== undefined) return `${regex.source}: ${found}`;
  }
  return undefined;
}

// ---------------------------------------------------------------------------------------------------- what is shipped

const pieces = [
  " from 198.51.100.9",
  " port 22 ssh2",
  "rhost=198.51.100.9",
  "[198.51.100.9]",
  "[2001:db8::bad]",
  "::ffff:198.51.100.9",
  "fe80::1%eth0",
  "mail.example.com",
  "\xff\xc3",
  '"',
  "'",
  " ",
  ":",
  "invalid user ",
  "from from from",
  "1.2.3.4.5.6.7.8",
  ":::::::",
];

/** A line with something put in, left out or changed; the same ones each time. */
function bent(line: string, seed: number): string {
  const at = (seed * 7919) % (line.length + 1);
  const piece = pieces[(seed * 31) % pieces.length]!;
  if (seed % 4 === 0) return line.slice(0, at) + line.slice(at + 1 + (seed % 13));
  if (seed % 4 === 1) return `${line.slice(0, at)}${piece[0]}${line.slice(at + 1)}`;
  return line.slice(0, at) + piece + line.slice(at);
}

const jails = join(import.meta.dir, "../../jails");

describe("the shipped expressions", () => {
  let all = 0;
  let written = 0;
  for (const name of readdirSync(jails).filter((file) => file.endsWith(".toml"))) {
    const file = parseJailFile(name.slice(0, -5), readFileSync(join(jails, name), "utf8"), name);
    if (!file.ok) continue;
    const lines = file.value.samples.flatMap((sample) => encodeText(sample.lines.join("\n")).split("\n"));
    const chunk = new Chunk(lines.flatMap((line, i) => [line, bent(line, i), bent(line, i + 101)]));
    test(name, () => {
      const sources = new Map<string, RegExp>();
      for (const mode of modesOf(file.value)) {
        const filter = effectiveFilter(file.value, { mode });
        const compiled = filter.ok ? compileFilter(filter.value) : filter;
        if (!compiled.ok) continue;
        for (const { pattern } of [
          ...compiled.value.fail,
          ...compiled.value.prefix,
          ...compiled.value.ignore,
        ])
          if (pattern.anchored) sources.set(pattern.regex.source, pattern.regex);
      }
      for (const [source, regex] of sources) {
        const direct = compileDirect(source);
        all++;
        if (direct === undefined) continue;
        written++;
        expect(firstDifference(regex, direct, chunk)).toBeUndefined();
      }
    }, 60_000);
  }
  test("can mostly be written out", () => {
    expect(all).toBeGreaterThan(500);
    expect(written / all).toBeGreaterThan(0.65);
  });
});

// ------------------------------------------------------------------------------------------------------- any expression

const atom = fc.constantFrom(
  "a",
  "b",
  "1",
  " ",
  "ab",
  "a b",
  "\\d",
  "\\w",
  "[ab]",
  "[^\\n]",
  "[^a\\n]",
  "[\\w.]",
  "\\.",
  "abab ",
);
const times = fc.constantFrom("*", "+", "?", "{1,3}", "{2}", "{1,9}", "{5}", "*?", "+?", "??", "{0,2}");
const { expression } = fc.letrec<{ expression: string; branch: string; piece: string }>((tie) => ({
  expression: fc.array(tie("branch"), { minLength: 1, maxLength: 3 }).map((branches) => branches.join("|")),
  branch: fc.array(tie("piece"), { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join("")),
  piece: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    atom,
    fc
      .tuple(fc.constantFrom("a", "\\d", "\\w", "[^\\n]", "[^a\\n]", " "), times)
      .map(([one, many]) => one + many),
    tie("expression").map((inner) => `(${inner})`),
    fc
      .tuple(tie("expression"), fc.constantFrom("", "?", "??", "{1,2}", "{2}"))
      .map(([inner, many]) => `(?:${inner})${many}`),
    fc
      .tuple(fc.constantFrom("?=", "?!"), tie("branch"))
      .map(([look, inner]) => `(${look}${inner.replace(/\((?!\?)/g, "(?:")})`),
    fc.constantFrom("(?![^\\n])", "\\b", "\\B", "(?<!\\w|\\w\\.)", "(?<=a)", "(?!\\w|\\.\\w)"),
  ),
}));

test("any other expression that can be written out, on any line", () => {
  let written = 0;
  const letters = fc.constantFrom("a", "b", "1", "12345", " ", ".", "ab", "abab ", "\xe9");
  const lines = fc.array(
    fc.array(letters, { maxLength: 14 }).map((all) => all.join("")),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(expression, lines, (source, texts) => {
      const direct = compileDirect(source);
      if (direct === undefined) return;
      written++;
      expect(firstDifference(new RegExp(source, "y"), direct, new Chunk(texts))).toBeUndefined();
    }),
    { numRuns: 5_000 },
  );
  expect(written).toBeGreaterThan(1_500);
}, 60_000);

test("what has rules of its own stays a RegExp", () => {
  for (const source of [
    "(a)\\1",
    "(?:ab)*",
    "(?:a?b?)?",
    "(?i:ab)",
    "a\\sb",
    "^a",
    "a$",
    "[^a]",
    "(?<=a+)b",
    "(?:(a)|b){2}",
  ])
    expect(compileDirect(source)).toBeUndefined();
});
