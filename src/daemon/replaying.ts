// Past logs → the failures in them, in the order of their time: what replay and the wizard count with. Reads only.

import type { Failure, Jail, JailName, JournaldEntry, Time } from "../core/domain.ts";
import { compileFilter } from "../core/filter.ts";
import { createScanner } from "../core/scan.ts";
import type { SimulatedFailure } from "../core/simulate.ts";
import { findFiles } from "../source/glob.ts";
import { decodeEntry } from "../source/journalentry.ts";
import { matchesJournal } from "../source/journalmatch.ts";
import { siblings } from "../source/rotated.ts";
import { bytesOf, linesOf } from "../source/unpacked.ts";
import type { System } from "../system/index.ts";
import { memberOf, zoneOf } from "./matching.ts";

export interface Gathered {
  readonly failures: readonly SimulatedFailure[];
  readonly lines: number;
  readonly sources: readonly string[];
  readonly from: Time | undefined;
  readonly to: Time | undefined;
  /** What could not be read, and why. */
  readonly notes: readonly string[];
}

export interface GatherOptions {
  /** Read instead of the jails' own logs; every jail reads them. */
  readonly files: readonly string[];
  readonly since: Time;
  readonly now: Time;
  readonly linecap: number;
  /** How much is done, 0 to 1, and what is being read. */
  readonly progress: (part: number, what: string) => void;
}

interface Log {
  readonly path: string;
  readonly size: number;
  readonly jails: Jail[];
}

const breath = 50;

export async function gatherFailures(
  system: System,
  jails: readonly Jail[],
  options: GatherOptions,
): Promise<Gathered> {
  const notes: string[] = [];
  const failures: SimulatedFailure[] = [];
  const add = (jail: string, failure: Failure): void => {
    if (failure.at >= options.since) failures.push({ jail: jail as JailName, failure });
  };
  const logs =
    options.files.length > 0 ? given(system, jails, options.files, notes) : own(system, jails, options.since);
  const total = Math.max(
    1,
    logs.reduce((sum, log) => sum + log.size, 0),
  );
  let done = 0;
  let lines = 0;
  const sources: string[] = [];
  for (const log of logs) {
    try {
      lines += await readLog(system, log, options, add, (bytes) =>
        options.progress(Math.min(0.99, (done + bytes) / total), log.path),
      );
      sources.push(log.path);
    } catch (error) {
      notes.push(`${log.path} was not read to its end: ${(error as Error).message}`);
    }
    done += log.size;
  }
  if (options.files.length === 0) {
    const read = await readJournald(system, jails, logs, options, add, notes);
    if (read > 0) sources.push("journald");
    lines += read;
  }
  failures.sort((a, b) => a.failure.at - b.failure.at);
  return { failures, lines, sources, from: failures[0]?.failure.at, to: failures.at(-1)?.failure.at, notes };
}

function given(system: System, jails: readonly Jail[], files: readonly string[], notes: string[]): Log[] {
  return files.flatMap((path) => {
    const stat = system.files.stat(path);
    if (stat?.kind === "file") return [{ path, size: stat.size, jails: [...jails] }];
    notes.push(`${path} is no file that can be read`);
    return [];
  });
}

/** The jails' logs with their rotations, oldest first; each read once for all its jails. */
function own(system: System, jails: readonly Jail[], since: Time): Log[] {
  const logs = new Map<string, Log>();
  for (const jail of jails) {
    for (const { path } of findFiles(system, jail.logpath)) {
      const whole = [
        ...siblings(system, path).map((one) => ({ path: one.path, stat: one.stat })),
        { path, stat: system.files.stat(path) },
      ];
      for (const one of whole) {
        if (one.stat === undefined || one.stat.mtimeMs < since) continue;
        const known = logs.get(one.path);
        if (known === undefined) logs.set(one.path, { path: one.path, size: one.stat.size, jails: [jail] });
        else if (!known.jails.includes(jail)) known.jails.push(jail);
      }
    }
  }
  return [...logs.values()];
}

function scannersOf(jails: readonly Jail[], linecap: number) {
  return [...Map.groupBy(jails, (jail) => jail.logtimezone ?? "").values()].map((members) =>
    createScanner(
      members.flatMap((jail) => {
        const compiled = compileFilter(jail.filter);
        if (!compiled.ok) return [];
        const matching = {
          jail: jail.name,
          filter: jail.filter,
          findtime: jail.findtime,
          zone: jail.logtimezone,
          linecap,
          trustedproxies: jail.trustedproxies,
          names: false,
        };
        return [memberOf(matching, compiled.value)];
      }),
      { zone: zoneOf(members[0]?.logtimezone), linecap },
    ),
  );
}

async function readLog(
  system: System,
  log: Log,
  options: GatherOptions,
  add: (jail: string, failure: Failure) => void,
  read: (bytes: number) => void,
): Promise<number> {
  const scanners = scannersOf(log.jails, options.linecap);
  // Stamps without a year belong before the file was last written to, not before now.
  const now = Math.min(options.now, (system.files.stat(log.path)?.mtimeMs ?? options.now) + 86_400_000);
  let pieces = 0;
  for await (const piece of linesOf(bytesOf(system, log.path), { cap: options.linecap, unfinished: true })) {
    for (const scanner of scanners) {
      for (const found of scanner.file(piece.text, { live: false, now, clamp: false }))
        add(found.jail, found.failure);
    }
    read(piece.end);
    if (++pieces % breath === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return scanners[0]?.totals.lines ?? 0;
}

/** Jails whose log is not a file here are read from systemd's journal. */
async function readJournald(
  system: System,
  jails: readonly Jail[],
  logs: readonly Log[],
  options: GatherOptions,
  add: (jail: string, failure: Failure) => void,
  notes: string[],
): Promise<number> {
  const wanting = jails.filter(
    (jail) =>
      jail.journalmatch.length > 0 &&
      (jail.backend === "systemd" ||
        (jail.backend === "auto" && !logs.some((log) => log.jails.includes(jail)))),
  );
  const program = system.programs.find("journalctl");
  if (wanting.length === 0 || program === undefined) return 0;
  const result = await system.programs.run(
    [
      program,
      "-o",
      "json",
      "--all",
      "--quiet",
      "--no-pager",
      "--since",
      `@${Math.floor(Math.max(options.since, 0) / 1000)}`,
    ],
    { timeoutMs: 120_000, maxOutput: 1024 * 1024 * 1024 },
  );
  if (result.code !== 0 && result.stdout === "") {
    notes.push(`systemd's journal was not read: ${result.stderr.trim().slice(0, 200)}`);
    return 0;
  }
  const entries: JournaldEntry[] = result.stdout.split("\n").flatMap((line) => {
    const decoded = line === "" ? undefined : decodeEntry(line);
    return decoded === undefined ? [] : [decoded.entry];
  });
  for (const jail of wanting) {
    for (const scanner of scannersOf([jail], options.linecap)) {
      const own = entries.filter((entry) => matchesJournal(entry, jail.journalmatch));
      for (const found of scanner.journald(own, { live: false, now: options.now, clamp: false }))
        add(found.jail, found.failure);
    }
  }
  return entries.length;
}
