// Every jail file proves itself: it can be read, each mode compiles, each sample gives exactly what it states, each failregex is
// reached, and where a stranger's text stands in the line somebody has tried to smuggle an address in.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { effectiveFilter, modesOf, parseJailFile } from "../src/config/jailfile.ts";
import { jailKeys } from "../src/config/schema.ts";
import { checkTable } from "../src/config/table.ts";
import { checkSamples } from "../src/core/sample.ts";

const directory = join(import.meta.dir, "../jails");
const names = readdirSync(directory)
  .filter((name) => name.endsWith(".toml"))
  .map((name) => name.slice(0, -".toml".length));

test("there are jail files, and sshd is one of them", () => {
  expect(names).toContain("sshd");
});

describe.each(names)("the jail file %s", (name) => {
  const text = readFileSync(join(directory, `${name}.toml`), "utf8");
  const parsed = parseJailFile(name, text, `jails/${name}.toml`);

  test(`${name} proves itself`, () => {
    if (!parsed.ok)
      throw new Error(parsed.faults.map((f) => `${f.at?.line ?? 0}: ${f.what} ${f.fix ?? ""}`).join("\n"));
    const file = parsed.value;
    const problems: string[] = [];
    if (file.summary === name || file.summary.length < 10) problems.push("the summary says nothing");
    if (file.doc.length === 0) problems.push("no source of the format is named (doc)");
    const settings = checkTable(jailKeys, file.settings);
    if (!settings.success)
      problems.push(...settings.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`));
    if (
      file.settings.backend !== "events" &&
      file.settings.logpath === undefined &&
      file.settings.journalmatch === undefined
    ) {
      problems.push("neither logpath nor journalmatch");
    }
    const faults = checkSamples(
      file.samples,
      (mode, parameters) => effectiveFilter(file, { ...(mode === undefined ? {} : { mode }), parameters }),
      modesOf(file),
    );
    for (const { sample, what } of faults) {
      problems.push(
        sample === undefined
          ? what
          : `sample ${sample + 1} (${file.samples[sample]?.about}): ${what}\n    ${file.samples[sample]?.lines.join("\n    ")}`,
      );
    }
    if (problems.length > 0)
      throw new Error(`${name}: ${problems.length} problem(s)\n  ${problems.join("\n  ")}`);
  });
});
