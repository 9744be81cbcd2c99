// What is put into the executable ready-made is what would be made at run time.

import { expect, test } from "bun:test";
import { bundledFile, bundledJails, type Prepared } from "../../src/config/bundled.ts";
import { effectiveFilter, modesOf, parseJailFile } from "../../src/config/jailfile.ts";
import { prepareJails } from "../../src/config/prepare.ts";
import { freeze, knownPattern, learnPatterns } from "../../src/core/frozen.ts";
import { compilePattern } from "../../src/core/pattern.ts";

const prepared = prepareJails();

test("every bundled jail file is there, as it is read from its text", () => {
  expect(Object.keys(prepared)).toEqual([...bundledJails().keys()]);
  for (const [name, text] of bundledJails()) {
    const { file } = JSON.parse(prepared[name] ?? "") as Prepared;
    const read = parseJailFile(name, text, bundledFile(name));
    expect(read).toEqual({ ok: true, value: { ...file, text, file: bundledFile(name) } });
  }
});

test("every expression of every mode is there, as it is compiled", () => {
  // By hand and not by compilePattern with `proven`, which would look here first.
  const fresh = (source: string, multiline: boolean) =>
    compilePattern(source, { multiline, proven: true, parameters: {} });
  const compiled = Object.values(prepared).flatMap((json) => {
    const { file, multiline } = JSON.parse(json) as Prepared;
    const whole = { ...file, text: "", file: "" };
    return modesOf(whole).flatMap((mode) => {
      const filter = effectiveFilter(whole, { mode });
      if (!filter.ok) return [];
      const { prefregex, failregex, ignoreregex } = filter.value;
      return [...prefregex, ...failregex, ...ignoreregex].map((source) => ({
        source,
        multiline,
        pattern: fresh(source, multiline),
      }));
    });
  });
  expect(compiled.length).toBeGreaterThan(700);
  for (const json of Object.values(prepared)) {
    const { multiline, patterns } = JSON.parse(json) as Prepared;
    learnPatterns(patterns, multiline);
  }
  for (const { source, multiline, pattern } of compiled) {
    const known = knownPattern(source, multiline);
    if (known === undefined || !pattern.ok) throw new Error(`not made ready: ${source}`);
    expect(freeze(known)).toEqual(freeze(pattern.value));
  }
});
