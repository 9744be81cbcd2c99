// The corpus of ../shared/corpus against the filters: npm run corpus [-- SERVICE…] [--json] [--wrong]
// A table of right, missed and false records a service; with services named, every wrong record in full. Each record stands on
// its own: fresh state, its lines in order. What counts as right is the corpus' README.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { effectiveFilter, type JailFile, parametersOf, parseJailFile } from "../src/config/jailfile.ts";
import { encodeText } from "../src/core/bytes.ts";
import { createZone } from "../src/core/datetime.ts";
import type { Filter, Result } from "../src/core/domain.ts";
import { compileFilter } from "../src/core/filter.ts";
import { renderedEntry } from "../src/core/sample.ts";
import { createScanner, type Found } from "../src/core/scan.ts";
import { table } from "../src/core/text.ts";

const corpus = join(import.meta.dir, "../../shared/corpus");
const jails = join(import.meta.dir, "../jails");
const now = Date.parse("2005-08-14T12:00:00+02:00");
const zone = createZone("Europe/Zurich")!;

interface Expectation {
  readonly index?: number;
  readonly match: boolean;
  readonly host?: string;
  readonly user?: string;
  readonly users?: readonly string[];
  readonly attempts?: number;
  readonly epoch?: number;
  readonly deferred?: boolean;
  readonly implicit?: boolean;
}

interface CorpusRecord {
  readonly id: string;
  readonly service: string;
  readonly options: Readonly<Record<string, string>>;
  readonly journal?: boolean;
  readonly eol?: string;
  readonly lines: readonly string[];
  readonly expect?: Expectation;
  readonly expect_lines?: readonly Expectation[];
}

interface Tally {
  records: number;
  right: number;
  missed: number;
  false: number;
  host: number;
  user: number;
  time: number;
  error?: string;
}

const files = new Map<string, Result<JailFile> | undefined>();

/** Services whose corpus name is not the jail's. */
const elsewhere: Readonly<Record<string, string>> = { overseerr: "jellyseerr" };

function jailOf(service: string): Result<JailFile> | undefined {
  if (!files.has(service)) {
    const name = [service, elsewhere[service] ?? service].find((one) =>
      existsSync(join(jails, `${one}.toml`)),
    );
    files.set(
      service,
      name === undefined
        ? undefined
        : parseJailFile(name, readFileSync(join(jails, `${name}.toml`), "utf8"), `jails/${name}.toml`),
    );
  }
  return files.get(service);
}

/** Options of the corpus that choose among shapes of the line: filters know them all at once, unless they declare a parameter. */
const shapes = ["logtype", "logging", "type"];

function filterFor(file: JailFile, options: CorpusRecord["options"]): Result<Filter> {
  const { mode, ...rest } = options;
  const parameters = Object.fromEntries(
    Object.entries(rest).filter(([key]) => parametersOf(file).includes(key) || !shapes.includes(key)),
  );
  return effectiveFilter(file, { ...(mode === undefined ? {} : { mode }), parameters });
}

/** What is wrong with a record; [] when all is right. */
function judge(record: CorpusRecord, filter: Filter, tally: Tally): string[] {
  const compiled = compileFilter(filter);
  if (!compiled.ok) return compiled.faults.map((fault) => fault.what);
  const scanner = createScanner([{ jail: record.service, filter: compiled.value, names: true }], { zone });
  const context = { now, live: false, clamp: false };
  const found: { line: number; one: Found }[] = [];
  if (record.journal === true) {
    for (const one of scanner.journald(
      record.lines.map((line) => renderedEntry(line, now)),
      context,
    ))
      found.push({ line: one.end, one });
  } else {
    const eol = record.eol === "crlf" ? "\r\n" : "\n";
    let text = "";
    const ends: number[] = [];
    for (const line of record.lines) {
      text += encodeText(line) + eol;
      ends.push(text.length);
    }
    for (const one of scanner.file(text, context)) found.push({ line: ends.indexOf(one.end), one });
  }
  const wrong: string[] = [];
  const expectations = record.expect_lines ?? [{ ...record.expect!, index: 0 }];
  for (const expected of expectations) {
    const here = found.filter(({ line }) => line === expected.index).map(({ one }) => one.failure);
    const at = `line ${(expected.index ?? 0) + 1}`;
    if (!expected.match) {
      if (here.length > 0 && expected.deferred !== true) {
        tally.false++;
        wrong.push(`${at}: FALSE ${here.map((f) => f.target.text).join(", ")}`);
      }
      continue;
    }
    const failure = here[0];
    if (failure === undefined) {
      tally.missed++;
      wrong.push(`${at}: MISSED ${expected.host}`);
      continue;
    }
    if (here.length > 1) {
      tally.false++;
      wrong.push(`${at}: reported ${here.length} times`);
    }
    const host = failure.name ?? failure.target.text;
    if (host !== expected.host) {
      tally.host++;
      wrong.push(`${at}: HOST ${host} instead of ${expected.host}`);
    }
    if (expected.user !== undefined && expected.user !== (failure.user ?? "")) {
      tally.user++;
      wrong.push(`${at}: USER ${JSON.stringify(failure.user)} instead of ${JSON.stringify(expected.user)}`);
    }
    const users = failure.users ?? (failure.user === undefined ? [] : [failure.user]);
    if (
      expected.users !== undefined &&
      JSON.stringify([...expected.users].sort()) !== JSON.stringify([...users].sort())
    ) {
      tally.user++;
      wrong.push(`${at}: USERS ${JSON.stringify(users)} instead of ${JSON.stringify(expected.users)}`);
    }
    if (expected.epoch !== undefined && Math.floor(expected.epoch) !== Math.floor(failure.at / 1000)) {
      tally.time++;
      wrong.push(
        `${at}: TIME ${new Date(failure.at).toISOString()} instead of ${new Date(expected.epoch * 1000).toISOString()}`,
      );
    }
    if (expected.attempts !== undefined && expected.attempts !== failure.attempts) {
      wrong.push(`${at}: ATTEMPTS ${failure.attempts} instead of ${expected.attempts}`);
    }
  }
  return wrong;
}

function main(words: readonly string[]): number {
  if (!existsSync(corpus)) {
    console.log(`no corpus: ${corpus} is not there, so nothing was compared`);
    return 0;
  }
  const names = words.filter((word) => !word.startsWith("--"));
  const services = readdirSync(corpus)
    .filter((name) => name.endsWith(".jsonl"))
    .map((name) => name.slice(0, -".jsonl".length))
    .filter((name) => names.length === 0 || names.includes(name))
    .sort();
  for (const name of names) if (!services.includes(name)) console.log(`the corpus has no ${name}.jsonl`);
  const tallies = new Map<string, Tally>();
  for (const service of services) {
    const tally: Tally = { records: 0, right: 0, missed: 0, false: 0, host: 0, user: 0, time: 0 };
    tallies.set(service, tally);
    const file = jailOf(service);
    if (file?.ok === false) {
      tally.error = file.faults.map((fault) => `${fault.at?.line ?? 0}: ${fault.what}`).join("; ");
    } else if (file === undefined) tally.error = "no jail file";
    for (const line of readFileSync(join(corpus, `${service}.jsonl`), "utf8").split("\n")) {
      if (line === "") continue;
      const record = JSON.parse(line) as CorpusRecord;
      tally.records++;
      if (file?.ok !== true) {
        tally.missed++;
        continue;
      }
      const filter = filterFor(file.value, record.options);
      const wrong = filter.ok ? judge(record, filter.value, tally) : filter.faults.map((fault) => fault.what);
      if (wrong.length === 0) tally.right++;
      else if (names.length > 0 || words.includes("--wrong")) show(record, wrong);
    }
  }
  report(tallies, words.includes("--json"));
  const bad = [...tallies.values()].some((tally) => tally.right < tally.records);
  return bad ? 1 : 0;
}

function show(record: CorpusRecord, wrong: readonly string[]): void {
  const options = Object.entries(record.options).map(([key, value]) => ` ${key}=${value}`);
  console.log(`\n${record.id}${options.join("")}${record.journal === true ? " (journal)" : ""}`);
  for (const line of record.lines) console.log(`    ${line}`);
  for (const what of wrong) console.log(`  ✗ ${what}`);
}

function report(tallies: ReadonlyMap<string, Tally>, json: boolean): void {
  const sum: Tally = { records: 0, right: 0, missed: 0, false: 0, host: 0, user: 0, time: 0 };
  for (const tally of tallies.values()) {
    for (const key of ["records", "right", "missed", "false", "host", "user", "time"] as const)
      sum[key] += tally[key];
  }
  if (json) {
    console.log(JSON.stringify({ services: Object.fromEntries(tallies), total: sum }));
    return;
  }
  const row = (name: string, t: Tally): string[] => [
    name,
    ...[t.records, t.right, t.missed, t.false, t.host, t.user, t.time].map((n) => String(n)),
    t.error ?? (t.right === t.records ? "" : "✗"),
  ];
  const head = [
    "service",
    "records",
    "right",
    "missed",
    "false",
    "host wrong",
    "user wrong",
    "time wrong",
    "",
  ];
  console.log(table([head, ...[...tallies].map(([name, t]) => row(name, t)), row("all", sum)]));
}

process.exitCode = main(process.argv.slice(2));
