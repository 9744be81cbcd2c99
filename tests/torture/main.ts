// npm run torture [PART…]: every promise tried at length; prints a table and ends with 1 when one of them broke or could not be tried in CI.

import type { Row } from "./part.ts";
import { parts } from "./parts.ts";

const words = process.argv.slice(2);
const length = words.includes("--short") ? "short" : "long";
const wanted = words.filter((word) => !word.startsWith("--"));
const chosen = wanted.length === 0 ? parts : parts.filter((part) => wanted.includes(part.name));
if (chosen.length === 0) {
  console.error(`no such part; there are: ${parts.map((part) => part.name).join(", ")}`);
  process.exit(2);
}

const rows: { readonly part: string; readonly seconds: number; readonly row: Row }[] = [];
const skipped: string[] = [];
for (const part of chosen) {
  const missing = part.missing();
  if (missing !== undefined) {
    skipped.push(`${part.name}: ${missing}`);
    continue;
  }
  console.error(`… ${part.name}`);
  const began = performance.now();
  let made: readonly Row[];
  try {
    made = await part.run(length);
  } catch (error) {
    made = [
      { promise: part.name, tried: "-", measured: "", wrong: [`broke off: ${(error as Error).message}`] },
    ];
  }
  for (const row of made) rows.push({ part: part.name, seconds: (performance.now() - began) / 1000, row });
}

const lines = rows.map(({ part, seconds, row }) => [
  part,
  row.promise,
  row.tried,
  row.measured,
  row.wrong.length === 0 ? "nothing" : `${row.wrong.length}, see below`,
  `${seconds.toFixed(0)} s`,
]);
const table = [["part", "promise", "tried", "measured", "went wrong", "took"], ...lines];
const widths =
  table[0]?.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0))) ?? [];
for (const line of table)
  console.log(
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
for (const { part, row } of rows)
  for (const wrong of row.wrong) console.log(`WRONG ${part}: ${row.promise}: ${wrong}`);
for (const reason of skipped) console.log(`NOT TRIED ${reason}`);
const inCi = (process.env.CI ?? "") !== "";
process.exit(rows.some(({ row }) => row.wrong.length > 0) || (inCi && skipped.length > 0) ? 1 : 0);
