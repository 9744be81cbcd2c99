// Promises 3 and 4 by numbers: every shipped filter reads lines that were bent out of its own samples by chance. It never throws, says the
// same of the same lines twice, names no address that does not stand in the line, and never takes long.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { effectiveFilter, parseJailFile } from "../../src/config/jailfile.ts";
import { parseAddress } from "../../src/core/address.ts";
import type { Filter } from "../../src/core/domain.ts";
import { compileFilter } from "../../src/core/filter.ts";
import { createScanner } from "../../src/core/scan.ts";
import { blame, nothing, type Part, percentile, seeded } from "./part.ts";

const now = Date.parse("2026-03-02T12:00:00Z");
const tokens: readonly string[] = [
  " from 198.51.100.9",
  " port 22 ssh2",
  "rhost=198.51.100.9",
  "[198.51.100.9]",
  "::ffff:198.51.100.9",
  "0306.063.0144.011",
  "3325256713",
  "fe80::1%eth0",
  "2001:db8::bad",
  "\u0000",
  "\u001b[2J",
  "\xff\xfe",
  '"',
  "'",
  "\\n",
  "#012",
  "<HOST>",
  "%",
  "{",
  "a".repeat(300),
  "((((",
  "from from from from",
  "1.2.3.4.5.6.7.8",
  ":::::::::",
];

/** A sample with something put in, left out, doubled or changed, at chance's places. */
function bend(line: string, random: () => number): string {
  let bent = line;
  for (let times = 1 + Math.floor(random() * 3); times > 0; times--) {
    const at = Math.floor(random() * (bent.length + 1));
    const kind = random();
    if (kind < 0.5)
      bent = bent.slice(0, at) + (tokens[Math.floor(random() * tokens.length)] ?? "") + bent.slice(at);
    else if (kind < 0.7) bent = bent.slice(0, at) + bent.slice(at + 1 + Math.floor(random() * 20));
    else if (kind < 0.85) bent = bent.slice(0, at) + String.fromCharCode(random() * 256) + bent.slice(at + 1);
    else bent = bent.slice(0, at) + bent.slice(Math.floor(random() * bent.length));
  }
  return bent.replaceAll("\n", " ").slice(0, 8000);
}

/** Every address that can be read out of a line, at any place and in any notation that `parseAddress` takes. */
function standsIn(line: string, address: string): boolean {
  if (line.toLowerCase().includes(address)) return true;
  const words = line.match(/[0-9A-Fa-f:.]{2,}/g) ?? [];
  for (const word of words) {
    for (let from = 0; from < word.length; from++)
      for (let to = word.length; to > from + 1; to--)
        if (parseAddress(word.slice(from, to)) === address) return true;
  }
  return false;
}

/** Each bundled filter with the lines of its samples, as bytes seen as latin-1. */
function shippedFilters(): readonly { readonly filter: Filter; readonly samples: readonly string[] }[] {
  const directory = join(import.meta.dir, "../../jails");
  return readdirSync(directory)
    .filter((name) => name.endsWith(".toml"))
    .flatMap((file) => {
      const name = file.slice(0, -".toml".length);
      const parsed = parseJailFile(name, readFileSync(join(directory, file), "utf8"), file);
      const filter = parsed.ok ? effectiveFilter(parsed.value) : undefined;
      if (!parsed.ok || filter === undefined || !filter.ok) return [];
      const samples = parsed.value.samples.flatMap((sample) =>
        sample.lines.map((line) => Buffer.from(line, "utf8").toString("latin1")),
      );
      return [{ filter: filter.value, samples }];
    });
}

export const fuzz: Part = {
  name: "fuzz",
  missing: nothing,
  async run(length) {
    const each = length === "short" ? 4 : 400;
    const wrong = blame();
    const random = seeded(3);
    const took: number[] = [];
    let lines = 0;
    let failures = 0;
    const filters = shippedFilters();
    for (const { filter, samples } of filters) {
      const compiled = compileFilter(filter);
      if (!compiled.ok) {
        wrong.say(`${filter.name} does not compile`);
        continue;
      }
      for (const sample of samples) {
        const bent = Array.from({ length: each }, () => bend(sample, random));
        for (const line of bent) {
          lines++;
          const member = { jail: filter.name, filter: compiled.value };
          try {
            const began = performance.now();
            const found = createScanner([member]).file(`${line}\n`, { now, live: true });
            took.push(performance.now() - began);
            const again = createScanner([member]).file(`${line}\n`, { now, live: true });
            const text = (list: typeof found): string =>
              list.map(({ failure }) => failure.target.text).join(" ");
            if (text(found) !== text(again))
              wrong.say(`${filter.name}: ${JSON.stringify(line)} twice: ${text(found)}, then ${text(again)}`);
            for (const { failure } of found) {
              failures++;
              if (failure.target.kind === "address" && !standsIn(line, failure.target.text))
                wrong.say(`${filter.name}: ${failure.target.text} does not stand in ${JSON.stringify(line)}`);
            }
          } catch (error) {
            wrong.say(`${filter.name}: ${JSON.stringify(line)} throws ${(error as Error).message}`);
          }
        }
      }
    }
    const slowest = took.reduce((most, ms) => Math.max(most, ms), 0);
    if (slowest > 500) wrong.say(`one line took ${slowest.toFixed(0)} ms`);
    return [
      {
        promise: "3, 4 bent lines blame nobody who is not in them, and never throw",
        tried: `${lines} lines bent out of the samples of ${filters.length} filters`,
        measured: `${failures} failures; p99 ${percentile(took.slice(0, 200_000), 0.99).toFixed(2)} ms, slowest ${slowest.toFixed(1)} ms`,
        wrong: wrong.list,
      },
    ];
  },
};
