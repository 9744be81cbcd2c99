// Whole real logs against truth computed elsewhere over the whole file: ../shared/corpus/raw. Line for line, address and user.

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { effectiveFilter, parseJailFile } from "../../src/config/jailfile.ts";
import { compileFilter } from "../../src/core/filter.ts";
import { createScanner } from "../../src/core/scan.ts";

const raw = join(import.meta.dir, "../../../shared/corpus/raw");
const there = existsSync(raw);
if (!there && process.env.CI === undefined) console.log(`skipped: ${raw} is not there`);

interface Truth {
  readonly line: number;
  readonly host: string;
  readonly user?: string;
}

interface Entry {
  readonly file: string;
  readonly optional_lines?: readonly number[];
  readonly truth: readonly {
    readonly file: string;
    readonly service: string;
    readonly options: { readonly mode?: string };
  }[];
}

/** Failures of a whole file by line, read in chunks of `size` bytes that end at line ends. */
function failuresOf(file: string, service: string, mode: string | undefined, size: number): Truth[] {
  const jail = parseJailFile(
    service,
    readFileSync(join(import.meta.dir, `../../jails/${service}.toml`), "utf8"),
    service,
  );
  if (!jail.ok) throw new Error(jail.faults[0]?.what);
  const filter = effectiveFilter(jail.value, mode === undefined ? {} : { mode });
  if (!filter.ok) throw new Error(filter.faults[0]?.what);
  const compiled = compileFilter(filter.value);
  if (!compiled.ok) throw new Error(compiled.faults[0]?.what);
  const scanner = createScanner([{ jail: service, filter: compiled.value, names: true }]);
  const text = readFileSync(join(raw, file), "latin1").replace(/\n?$/, "\n");
  const truths: Truth[] = [];
  let line = 0;
  for (let from = 0; from < text.length; ) {
    const feed = text.indexOf("\n", Math.min(from + size, text.length - 1));
    const to = feed < 0 ? text.length : feed + 1;
    const chunk = text.slice(from, to);
    let at = 0;
    let lineHere = line;
    for (const { failure, end } of scanner.file(chunk, {
      now: Date.UTC(2026, 0, 1),
      live: false,
      clamp: false,
    })) {
      while (at < end) {
        at = chunk.indexOf("\n", at) + 1;
        lineHere++;
      }
      truths.push({
        line: lineHere,
        host: failure.name ?? failure.target.text,
        ...(failure.user === undefined ? {} : { user: failure.user }),
      });
    }
    line += chunk.split("\n").length - 1;
    from = to;
  }
  return truths;
}

describe.skipIf(!there && process.env.CI === undefined)("whole real logs", () => {
  const index = there ? (JSON.parse(readFileSync(join(raw, "INDEX.json"), "utf8")) as Entry[]) : [];
  const cases = index.flatMap(({ file, truth, optional_lines }) =>
    truth.map((one) => ({
      name: one.file,
      file,
      service: one.service,
      mode: one.options.mode,
      optional: optional_lines ?? [],
    })),
  );

  test("there are logs with truth", () => {
    expect(cases.length).toBeGreaterThanOrEqual(6);
  });

  test.each(cases)(
    "$name is what comes out, in chunks of any size",
    ({ name, file, service, mode, optional }) => {
      const truth = readFileSync(join(raw, name), "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Truth)
        .map(({ line, host, user }) => ({ line, host, ...(user === undefined ? {} : { user }) }));
      for (const size of [1, 1000, 1024 * 1024]) {
        const found = failuresOf(file, service, mode, size).filter(({ line }) => !optional.includes(line));
        expect(found).toEqual(truth);
      }
    },
  );
});
