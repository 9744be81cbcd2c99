// fail2ban.sqlite3 → records of our journal: standing bans with the time they have left, and the history that increments count.
// The file is copied first and read from the copy, because fail2ban may be writing to it.

import { Database } from "bun:sqlite";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAddress, parsePrefix } from "../core/address.ts";
import type { Ban, Fault, JailName, JournalRecord, Seconds, Span, Target, Time } from "../core/domain.ts";

export interface ImportedBans {
  /** In order of time: each earlier ban with its end, each standing one last. */
  readonly records: readonly JournalRecord[];
  readonly standing: number;
  readonly past: number;
  readonly faults: readonly Fault[];
}

export interface DatabaseOptions {
  readonly path: string;
  readonly now: Time;
  /** Jail names as they are called after the import; a jail that is missing here is left out and told. */
  readonly jails: ReadonlyMap<string, string>;
  /** Ended bans older than this many seconds are not carried over. */
  readonly keep: number;
  /** How long each of our jails bans, for rows that do not say. */
  readonly bantimes?: ReadonlyMap<string, Span>;
}

interface Row {
  readonly jail: string;
  readonly ip: string;
  readonly timeofban: number;
  readonly bantime: number;
  readonly bancount: number;
  readonly data: unknown;
}

/** Faults say what could not be read; a damaged or foreign file gives no records. */
export function importDatabase(options: DatabaseOptions): ImportedBans {
  const nothing = (fault: Fault): ImportedBans => ({ records: [], standing: 0, past: 0, faults: [fault] });
  const at = { file: options.path, line: 1, column: 1 };
  if (!existsSync(options.path)) {
    return nothing({
      what: `${options.path} is not there`,
      why: "bans are kept in it unless dbfile says otherwise",
      fix: "name it with --database FILE, or go on without",
      at,
    });
  }
  const directory = mkdtempSync(join(tmpdir(), "f2b-import-"));
  try {
    const copy = join(directory, "copy.sqlite3");
    copyFileSync(options.path, copy);
    // What a running fail2ban has not folded in yet lies beside the file.
    for (const ending of ["-journal", "-wal"])
      if (existsSync(options.path + ending)) copyFileSync(options.path + ending, copy + ending);
    const database = new Database(copy, { readwrite: true, create: false });
    try {
      return readBans(database, options);
    } finally {
      database.close();
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return nothing({
      what: `${options.path} cannot be read as fail2ban's database`,
      why,
      fix: "repair it with sqlite3, or go on without",
      at,
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function readBans(database: Database, options: DatabaseOptions): ImportedBans {
  const at = { file: options.path, line: 1, column: 1 };
  const faults: Fault[] = [];
  const tables = new Set(
    database
      .query<{ name: string }, []>("SELECT name FROM sqlite_master WHERE type = 'table'")
      .all()
      .map((row) => row.name),
  );
  if (!tables.has("bans") && !tables.has("bips")) throw new Error("it has neither a table bans nor bips");
  const read = (table: string): Row[] =>
    tables.has(table)
      ? database
          .query<Row, []>(
            `SELECT jail, ip, timeofban, bantime, bancount, data FROM ${table} ORDER BY timeofban`,
          )
          .all()
      : [];

  const missing = new Map<string, number>();
  const strange = new Map<string, number>();
  const bans = new Map<string, Ban>();
  const current = new Set<string>();
  for (const [table, rows] of [
    ["bans", read("bans")],
    ["bips", read("bips")],
  ] as const) {
    for (const row of rows) {
      const jail = options.jails.get(row.jail);
      if (jail === undefined) {
        missing.set(row.jail, (missing.get(row.jail) ?? 0) + 1);
        continue;
      }
      const target = targetOf(row.ip);
      if (target === undefined) {
        strange.set(row.jail, (strange.get(row.jail) ?? 0) + 1);
        continue;
      }
      const key = `${jail}\0${target.text}\0${row.timeofban}`;
      // The history keeps the length a ban began with; the current table the one it was prolonged to.
      bans.set(key, banOf(row, jail as JailName, target, options.bantimes?.get(jail)));
      if (table === "bips") current.add(key);
    }
  }
  for (const [jail, count] of missing) {
    faults.push({
      what: `${count} bans of the jail "${jail}" are left out`,
      why: "the jail is not among those imported",
      fix: "enable the jail, or let them go",
      at,
    });
  }
  for (const [jail, count] of strange) {
    faults.push({
      what: `${count} bans of the jail "${jail}" are not of an address`,
      why: "they name a user or a session",
      fix: "they end by themselves in fail2ban",
      at,
    });
  }

  const records: JournalRecord[] = [];
  let standing = 0;
  let past = 0;
  const newest = new Map<string, string>();
  for (const [key, ban] of bans) newest.set(`${ban.jail}\0${ban.target.text}`, key);
  for (const [key, ban] of [...bans].toSorted(([, a], [, b]) => a.since - b.since)) {
    const isLast = newest.get(`${ban.jail}\0${ban.target.text}`) === key;
    const live = ban.until === "forever" || ban.until > options.now;
    // With the current table there, what is missing in it was unbanned by hand.
    if (live && isLast && (current.has(key) || !tables.has("bips"))) {
      records.push({ t: "ban", ban });
      standing++;
      continue;
    }
    const until = ban.until === "forever" ? ban.since : Math.min(ban.until, options.now);
    if (until < options.now - options.keep * 1000) continue;
    records.push({ t: "ban", ban: { ...ban, until } });
    records.push({
      t: "unban",
      jail: ban.jail,
      target: ban.target,
      at: until,
      reason: live ? "operator" : "expired",
    });
    past++;
  }
  return { records, standing, past, faults };
}

/** A length of -1 is for ever; -2 is unknown, from an older database: fail2ban takes the jail's then, and so do we. */
function lengthOf(bantime: number, usual: Span | undefined): Span {
  if (bantime >= 0) return bantime as Seconds;
  return bantime === -1 ? "forever" : (usual ?? (600 as Seconds));
}

function banOf(row: Row, jail: JailName, target: Target, usual: Span | undefined): Ban {
  const since = row.timeofban * 1000;
  const length = lengthOf(row.bantime, usual);
  const data = dataOf(row.data);
  const user = typeof data.user === "string" ? data.user : undefined;
  return {
    jail,
    target,
    since,
    until: length === "forever" ? length : since + length * 1000,
    nth: Math.max(1, row.bancount ?? 1),
    cause: "import",
    failures: typeof data.failures === "number" ? data.failures : 0,
    lines: linesOf(data.matches),
    ...(user === undefined ? {} : { user }),
    note: "imported from fail2ban",
  };
}

function dataOf(raw: unknown): Readonly<Record<string, unknown>> {
  try {
    const text = raw instanceof Uint8Array ? new TextDecoder().decode(raw) : String(raw ?? "");
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {};
  } catch {
    return {};
  }
}

/** A match is a line, or the three parts [before, date, after] of one. */
function linesOf(matches: unknown): string[] {
  if (!Array.isArray(matches)) return [];
  return matches
    .map((match) =>
      Array.isArray(match) ? match.filter((part) => typeof part === "string").join("") : match,
    )
    .filter((line): line is string => typeof line === "string")
    .slice(-10);
}

function targetOf(text: string): Target | undefined {
  const address = parseAddress(text);
  if (address !== undefined) return { kind: "address", text: address, family: address.includes(":") ? 6 : 4 };
  const prefix = parsePrefix(text);
  return prefix === undefined
    ? undefined
    : { kind: "prefix", text: prefix, family: prefix.includes(":") ? 6 : 4 };
}
