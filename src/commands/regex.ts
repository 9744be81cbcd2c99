// f2b regex LOG FILTER: tries a filter on a log, without a daemon and without banning anybody. What `--json` prints is a contract
// with scripts: one object a failure, then one summary.

import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { type Config, faultText, loadConfig } from "../config/index.ts";
import { effectiveFilter, type JailFile, parametersOf, parseJailFile } from "../config/jailfile.ts";
import { parsePrefix } from "../core/address.ts";
import { decodeText } from "../core/bytes.ts";
import { createZone, resolveStamp, stampAt, withoutZone, type Zone } from "../core/datetime.ts";
import type { Filter, JournaldEntry, Result, Target, Time } from "../core/domain.ts";
import { type CompiledFilter, compileFilter } from "../core/filter.ts";
import { createPrefixSet } from "../core/prefixset.ts";
import { renderedEntry } from "../core/sample.ts";
import { createScanner, type Found, type Scanner } from "../core/scan.ts";
import { plural, suggest, visibleLine } from "../core/text.ts";
import { type Call, type Command, exits } from "./index.ts";
import { expressionsText, missedText, Shapes, type Tally, TimeFormats, timesText } from "./regexreport.ts";
import { inputOf, journalEntry, linesOf, type RegexInput } from "./regexsource.ts";

export const regex: Command = {
  name: "regex",
  summary: "try a filter on a log, a line or the journal",
  usage: ["f2b regex LOG FILTER [--mode M] [--option k=v]… [--now TIME] [--tz ZONE] [--json]"],
  options: [
    { name: "mode", value: "MODE", summary: "the filter's mode, such as aggressive" },
    {
      name: "option",
      value: "K=V",
      many: true,
      summary: "a parameter of the filter, or logtype=file|short|journal|rfc5424",
    },
    {
      name: "now",
      value: "TIME",
      summary: "what time it is, for times without year or date (ISO 8601 or seconds)",
    },
    { name: "tz", value: "ZONE", summary: "zone of times that name none, such as Europe/Berlin" },
    { name: "print", value: "WHAT", summary: "matched, missed or ignored: print these lines" },
  ],
  completes: ["file", "jail"],
  help: `
LOG is a file (also .gz), "-" for standard input, one line in quotes, or "systemd-journal" for this host's journal.
FILTER is a jail or a service ("f2b jails" lists them), a jail file (./NAME.toml), or an expression in quotes.

  f2b regex /var/log/auth.log sshd --mode aggressive
  f2b regex 'Mar  2 10:15:09 web1 app[7]: bad login from 203.0.113.5' '^bad login from <HOST>$'
  f2b regex access.log ./my-app.toml --print missed

Exit code: 0 when a failure was found, 1 when none was, 64 and 78 for mistakes.`,
  async run(call) {
    const [log, wanted, ...rest] = call.words;
    if (log === undefined || wanted === undefined || rest.length > 0) {
      call.err(`f2b: a log and a filter are needed\n  ${regex.usage[0]}\n`);
      return exits.usage;
    }
    const input = inputOf(log);
    if (input === undefined) {
      call.err(
        `f2b: there is no file ${visibleLine(log)}\n  fix: give a file, "-", "systemd-journal", or a line with its blanks in quotes\n`,
      );
      return exits.usage;
    }
    const trial = prepare(call, wanted);
    if (!trial.ok) {
      for (const fault of trial.faults) call.err(faultText(fault, lineReader(wanted)));
      return exits.configuration;
    }
    return report(call, input, trial.value);
  },
};

interface Trial {
  readonly filter: CompiledFilter;
  readonly zone: Zone;
  readonly now: Time;
  readonly journalmatch: readonly string[];
  readonly rendered: boolean | undefined;
  readonly trusted: ((target: Target) => boolean) | undefined;
}

const lineReader =
  (wanted: string) =>
  (file: string, line: number): string | undefined =>
    file === wanted && existsSync(file) ? readFileSync(file, "utf8").split("\n")[line - 1] : undefined;

// ------------------------------------------------------------------------------------------------------------ what is asked

/** Options that choose among the shapes in which a service's line may come. Filters know all shapes at once. */
const shapeOptions: Readonly<Record<string, readonly string[] | undefined>> = {
  logtype: ["file", "short", "journal", "rfc5424"],
  logging: undefined,
  type: undefined,
};

function prepare(call: Call, wanted: string): Result<Trial> {
  const options = optionsOf(call);
  if (!options.ok) return options;
  const mode = typeof call.flags.mode === "string" ? call.flags.mode : undefined;
  const filter = filterOf(call, wanted, mode, options.value);
  if (!filter.ok) return filter;
  const compiled = compileFilter(
    call.flags.tz === undefined ? filter.value.filter : unzoned(filter.value.filter),
  );
  if (!compiled.ok) return compiled;
  const machine = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zoneName = typeof call.flags.tz === "string" ? call.flags.tz : (filter.value.zone ?? machine);
  const zone = createZone(zoneName);
  if (zone === undefined)
    return wrong(
      `there is no time zone "${zoneName}"`,
      "write an IANA name such as Europe/Berlin, or +02:00",
    );
  const now =
    typeof call.flags.now === "string"
      ? timeOf(call.flags.now, zone, call.system.clock.now())
      : call.system.clock.now();
  if (now === undefined)
    return wrong(
      `"${String(call.flags.now)}" is no time`,
      "write 2026-03-02T10:15:09+01:00, or seconds since 1970",
    );
  const logtype = options.value.logtype;
  const proxies = createPrefixSet(filter.value.trustedproxies.flatMap((text) => parsePrefix(text) ?? []));
  return {
    ok: true,
    value: {
      filter: compiled.value,
      zone,
      now,
      journalmatch: filter.value.journalmatch,
      rendered: logtype === undefined ? undefined : logtype === "journal" || logtype === "short",
      trusted:
        filter.value.trustedproxies.length === 0
          ? undefined
          : (target) => target.kind === "address" && proxies.find(target.text) !== undefined,
    },
  };
}

/** A zone that is asked for goes before what the filter says of its times. */
const unzoned = (filter: Filter): Filter => ({ ...filter, datepattern: filter.datepattern.map(withoutZone) });

const wrong = (what: string, fix: string): Result<never> => ({ ok: false, faults: [{ what, fix }] });

function optionsOf(call: Call): Result<Readonly<Record<string, string>>> {
  const given = call.flags.option;
  const options: Record<string, string> = {};
  for (const one of Array.isArray(given) ? given : typeof given === "string" ? [given] : []) {
    const equals = one.indexOf("=");
    if (equals <= 0)
      return wrong(`--option ${one}: a name and a value are needed`, "write --option name=value");
    options[one.slice(0, equals)] = one.slice(equals + 1);
  }
  const known = shapeOptions.logtype ?? [];
  if (options.logtype !== undefined && !known.includes(options.logtype)) {
    const near = suggest(options.logtype, known);
    return wrong(
      `logtype cannot be "${options.logtype}"`,
      near === undefined ? `write one of ${known.join(", ")}` : `did you mean ${near}?`,
    );
  }
  return { ok: true, value: options };
}

function timeOf(text: string, zone: Zone, now: Time): Time | undefined {
  if (/^\d{1,11}(?:\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  const stamp = stampAt(text.trim(), 0);
  if (stamp !== undefined && stamp.end === text.trim().length) return resolveStamp(stamp, now, zone);
  const date = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  return date === null
    ? undefined
    : zone.toUtc(Date.UTC(Number(date[1]), Number(date[2]) - 1, Number(date[3])));
}

interface Chosen {
  readonly filter: Filter;
  readonly zone: string | undefined;
  readonly journalmatch: readonly string[];
  readonly trustedproxies: readonly string[];
}

/** A jail of the configuration, a service of the catalogue, a jail file, an expression; whatever the word fits first. */
function filterOf(
  call: Call,
  wanted: string,
  mode: string | undefined,
  options: Readonly<Record<string, string>>,
): Result<Chosen> {
  if (wanted.endsWith(".toml") && existsSync(wanted)) {
    const file = parseJailFile(basename(wanted, ".toml"), readFileSync(wanted, "utf8"), wanted);
    return file.ok ? chosen(file.value, mode, options) : file;
  }
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(wanted)) return expressionOf(wanted);
  const config = loadConfig({
    system: call.system,
    ...(call.config === undefined ? {} : { path: call.config }),
  });
  if (!config.ok) return config;
  const { resolver } = config.value;
  const service = resolver.service(wanted);
  if (service?.ok === false) return service;
  if (isNamed(config.value, wanted)) {
    const changes = changesOf(service?.value, mode, options);
    const jail = resolver.jail(wanted, changes);
    // What was typed has no place in a file.
    if (!jail.ok)
      return {
        ok: false,
        faults: jail.faults.map(({ at, ...fault }) =>
          at === undefined || at.file === "changes" ? fault : { ...fault, at },
        ),
      };
    const { filter, logtimezone, journalmatch, trustedproxies } = jail.value;
    return { ok: true, value: { filter, zone: logtimezone, journalmatch, trustedproxies } };
  }
  if (service !== undefined) return chosen(service.value, mode, options);
  const near = suggest(wanted, resolver.services());
  return wrong(
    `there is no jail and no filter "${wanted}"`,
    near === undefined ? "f2b jails lists them; an expression holds <HOST>" : `did you mean ${near}?`,
  );
}

const isNamed = (config: Config, name: string): boolean =>
  config.jails.some((jail) => jail.name === name) || config.broken.some((jail) => jail.name === name);

/** Options as settings of a jail; those of the line's shape only where the filter has such a parameter. */
function changesOf(
  file: JailFile | undefined,
  mode: string | undefined,
  options: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const parameters = parametersFor(file, options);
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
  };
}

function parametersFor(
  file: JailFile | undefined,
  options: Readonly<Record<string, string>>,
): Record<string, string> {
  const declared = file === undefined ? [] : parametersOf(file);
  return Object.fromEntries(
    Object.entries(options).filter(([key]) => declared.includes(key) || !Object.hasOwn(shapeOptions, key)),
  );
}

function chosen(
  file: JailFile,
  mode: string | undefined,
  options: Readonly<Record<string, string>>,
): Result<Chosen> {
  const filter = effectiveFilter(file, {
    ...(mode === undefined ? {} : { mode }),
    parameters: parametersFor(file, options),
  });
  if (!filter.ok) return filter;
  const zone = file.settings.logtimezone;
  const matches = file.settings.journalmatch;
  return {
    ok: true,
    value: {
      filter: filter.value,
      zone: typeof zone === "string" ? zone : undefined,
      journalmatch: Array.isArray(matches) ? matches.map(String) : [],
      trustedproxies: [],
    },
  };
}

function expressionOf(source: string): Result<Chosen> {
  const filter: Filter = {
    name: "expression",
    format: "auto",
    program: undefined,
    prefregex: [],
    failregex: [source],
    ignoreregex: [],
    datepattern: [],
    maxlines: 1,
    session: undefined,
    json: undefined,
    logencoding: "utf-8",
    forgeable: undefined,
    spoofable: undefined,
    own: true,
  };
  return { ok: true, value: { filter, zone: undefined, journalmatch: [], trustedproxies: [] } };
}

// -------------------------------------------------------------------------------------------------------------- what is told

async function report(call: Call, input: RegexInput, trial: Trial): Promise<number> {
  const tally: Tally = { lines: 0, matched: 0, ignored: 0, helped: 0, overlong: 0 };
  const shapes = new Shapes();
  const times = new TimeFormats();
  const print = typeof call.flags.print === "string" ? call.flags.print : undefined;
  if (print !== undefined && !["matched", "missed", "ignored"].includes(print)) {
    call.err(`f2b: --print is matched, missed or ignored\n`);
    return exits.usage;
  }
  const special = new Map<number, "ignored" | "helper">();
  const scanner = createScanner(
    [
      {
        jail: "",
        filter: trial.filter,
        names: true,
        ...(trial.trusted === undefined ? {} : { trusted: trial.trusted }),
      },
    ],
    {
      zone: trial.zone,
      clock: () => performance.now(),
      timing: !call.json,
      watch: ({ kind, end }) => special.set(end, kind),
    },
  );
  const context = { now: trial.now, live: false, clamp: false };
  const bar = progress(call, input);
  const tell = (text: string, found: readonly Found[], endOf: (at: number) => number): void => {
    const byEnd = new Map<number, Found[]>();
    for (const one of found) byEnd.set(one.end, [...(byEnd.get(one.end) ?? []), one]);
    let index = 0;
    for (let from = 0; from < text.length; index++) {
      const feed = text.indexOf("\n", from);
      tally.lines++;
      const end = endOf(index) < 0 ? feed + 1 : endOf(index);
      const here = byEnd.get(end);
      const kind =
        here !== undefined
          ? "matched"
          : special.get(end) === "ignored"
            ? "ignored"
            : special.has(end)
              ? "helped"
              : "missed";
      if (kind === "matched") tally.matched++;
      if (kind === "ignored") tally.ignored++;
      if (kind === "helped") tally.helped++;
      if (here !== undefined && call.json)
        for (const one of here) call.out(`${JSON.stringify(objectOf(one, tally.lines, trial))}\n`);
      if (!call.json) {
        const line = text.slice(from, feed);
        if (kind === "missed") shapes.add(line);
        if (tally.lines <= 20_000) times.add(line);
        if (print === kind) call.out(`${visibleLine(decodeText(line), 4000)}\n`);
      }
      from = feed + 1;
    }
    special.clear();
  };
  if (input.kind === "journal") {
    const entries = await journalOf(call, trial.journalmatch);
    if (entries === undefined) return exits.unavailable;
    feedEntries(entries, scanner, context, tell);
  } else {
    let rendered = trial.rendered;
    for await (const { text: raw, read } of linesOf(input, call.stdin)) {
      const text = raw.replaceAll("\r\n", "\n");
      rendered ??= looksRendered(text, trial.filter);
      if (rendered)
        feedEntries(
          text
            .slice(0, -1)
            .split("\n")
            .map((line) => renderedEntry(decodeText(line), trial.now)),
          scanner,
          context,
          tell,
          text,
        );
      else tell(text, scanner.file(text, context), () => -1);
      bar(read);
    }
  }
  bar(undefined);
  tally.overlong = scanner.totals.overlong;
  const missed = tally.lines - tally.matched - tally.ignored;
  if (call.json) {
    const summary = { lines: tally.lines, matched: tally.matched, ignored: tally.ignored, missed };
    call.out(`${JSON.stringify({ summary })}\n`);
  } else if (print === undefined) {
    call.out(expressionsText(trial.filter));
    call.out(missedText(shapes, 20));
    call.out(timesText(times));
    call.out(summaryText(tally, trial.filter));
  }
  return tally.matched > 0 ? exits.fine : exits.no;
}

function summaryText(tally: Tally, filter: CompiledFilter): string {
  const { lines, matched, ignored, helped, overlong } = tally;
  let text = `\n${plural(lines, "line")}: ${matched} matched, ${ignored} ignored, ${lines - matched - ignored - helped} missed`;
  if (helped > 0) text += `, ${helped} that help in a session`;
  if (overlong > 0) text += `, ${overlong} too long to be looked at`;
  const { forgeable, spoofable } = filter.filter;
  if (forgeable !== undefined) text += `\nforgeable: ${forgeable}`;
  if (spoofable !== undefined) text += `\nspoofable: ${spoofable}`;
  return `${text}\n`;
}

function feedEntries(
  entries: readonly JournaldEntry[],
  scanner: Scanner,
  context: { readonly now: Time; readonly live: boolean; readonly clamp: boolean },
  tell: (text: string, found: readonly Found[], endOf: (at: number) => number) => void,
  text = entries
    .map((entry) => `${entry.host} ${entry.identifier}: ${entry.message.replaceAll("\n", "\\n")}\n`)
    .join(""),
): void {
  tell(text, scanner.journald(entries, context), (index) => index);
}

/** No line has a time and a program in front that is the filter's: lines as `journalctl -o cat` or fail2ban's samples show them. */
function looksRendered(text: string, { program }: CompiledFilter): boolean {
  if (program === undefined) return false;
  const line = text.slice(0, text.indexOf("\n"));
  const entry = renderedEntry(line, 0);
  return (
    /^[A-Za-z]/.test(line) &&
    stampAt(line, 0) === undefined &&
    entry.pid !== undefined &&
    program.test(entry.identifier)
  );
}

/** The line of JSON for one failure; names and order of the fields are a contract. */
function objectOf({ failure }: Found, line: number, { filter, zone }: Trial): Record<string, unknown> {
  const { spoofable } = filter.filter;
  const forgeable = failure.forgeable ?? filter.filter.forgeable;
  return {
    line,
    filter: filter.filter.name,
    host: failure.name ?? failure.target.text,
    ...(failure.user === undefined ? {} : { user: failure.user }),
    time: isoTime(failure.at, zone),
    epoch: failure.at / 1000,
    regex: failure.regex,
    attempts: failure.attempts,
    ...(failure.users === undefined ? {} : { users: failure.users }),
    ...(forgeable === undefined ? {} : { forgeable }),
    ...(spoofable === undefined ? {} : { spoofable }),
  };
}

/** Local time of the zone with its offset, such as 2026-03-02T10:15:09+01:00. */
function isoTime(at: Time, zone: Zone): string {
  const offset = zone.offset(at);
  const local = new Date(at + offset).toISOString().replace(/(?:\.000)?Z$/, "");
  const minutes = Math.abs(offset / 60_000);
  const two = (n: number): string => String(Math.floor(n)).padStart(2, "0");
  return `${local}${offset < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
}

async function journalOf(
  call: Call,
  matches: readonly string[],
): Promise<readonly JournaldEntry[] | undefined> {
  const program = call.system.programs.find("journalctl");
  if (program === undefined) {
    call.err("f2b: there is no journalctl on this host\n");
    return undefined;
  }
  // "+" is journalctl's OR between groups of matches.
  const words = matches.flatMap((match, index) => [...(index > 0 ? ["+"] : []), ...match.split(/\s+/)]);
  const result = await call.system.programs.run(
    [program, "-o", "json", "--all", "--no-pager", "-n", "100000", ...words],
    {
      timeoutMs: 120_000,
      maxOutput: 256 * 1024 * 1024,
    },
  );
  if (result.code !== 0) {
    call.err(`f2b: journalctl failed: ${visibleLine(result.stderr)}\n`);
    return undefined;
  }
  return result.stdout.split("\n").flatMap((line) => journalEntry(line) ?? []);
}

/** Draws how far a long file has been read; nothing where nobody watches. */
function progress(call: Call, input: RegexInput): (read: number | undefined) => void {
  const { stderr } = process;
  if (input.kind !== "file" || input.size < 20 * 1024 * 1024 || !stderr.isTTY || call.json)
    return () => undefined;
  let shown = -1;
  return (read) => {
    const percent = read === undefined ? -1 : Math.min(100, Math.floor((read / input.size) * 100));
    if (percent === shown) return;
    shown = percent;
    const done = Math.max(0, Math.floor(percent / 4));
    call.err(read === undefined ? "\r\x1b[K" : `\r[${"#".repeat(done)}${"-".repeat(25 - done)}] ${percent}%`);
  };
}
