// The journal as a person wants to see it: what is in it, what is damaged, who has it. Reads only; for `f2b doctor` and `f2b state`.

import { join } from "node:path";
import type { Fault, Result, Time } from "../core/domain.ts";
import { countLive } from "../core/state.ts";
import type { System } from "../system/index.ts";
import { damagedPath } from "./aside.ts";
import { journalPath } from "./compact.ts";
import { loadJournal } from "./load.ts";
import { lockOwner } from "./lock.ts";
import { version } from "./record.ts";

export interface JournalReport {
  readonly path: string;
  readonly bytes: number;
  readonly records: number;
  /** Standing bans by jail. */
  readonly bans: readonly (readonly [jail: string, count: number])[];
  /** Targets with history. */
  readonly past: number;
  readonly begun: { readonly at: Time; readonly by: string } | undefined;
  readonly newest: Time | undefined;
  readonly checkpoint: Time | undefined;
  readonly damaged: readonly {
    readonly offset: number;
    readonly length: number;
    readonly reason: string;
    readonly torn: boolean;
  }[];
  /** Files with what was damaged or foreign earlier. */
  readonly kept: readonly string[];
  /** The daemon that has it open. While it runs, a torn end may just be a record being written. */
  readonly owner: number | undefined;
}

/** A fault where there is no journal, none that may be read, or one of a newer format. */
export function checkJournal(
  system: Pick<System, "files" | "clock">,
  directory: string,
): Result<JournalReport> {
  const { files } = system;
  const path = journalPath(directory);
  const failed = (fault: Fault): Result<JournalReport> => ({ ok: false, faults: [fault] });
  try {
    const stat = files.lstat(path);
    if (stat === undefined)
      return failed({
        what: `there is no journal at ${path}`,
        fix: "start the daemon once, or name the state directory",
      });
    if (stat.kind !== "file") return failed({ what: `${path} is a ${stat.kind}, not a file` });
    const { state, head, newer, ...loaded } = loadJournal(files, path);
    if (newer !== undefined)
      return failed({ what: `${path} is of format ${newer}, this f2b knows ${version}` });
    const torn = loaded.torn === undefined ? [] : [{ ...describePiece(loaded.torn), torn: true }];
    return {
      ok: true,
      value: {
        path,
        bytes: loaded.bytes,
        records: loaded.records,
        bans: [...state.jails.keys()]
          .map((jail) => [jail, countLive(state, jail)] as const)
          .filter(([, count]) => count > 0),
        past: state.past.size,
        begun: head === undefined ? undefined : { at: head.at, by: head.by },
        newest: state.newest === 0 ? undefined : state.newest,
        checkpoint: state.checkpoint?.at,
        damaged: [...loaded.damaged.map((piece) => ({ ...describePiece(piece), torn: false })), ...torn],
        kept: files
          .readdir(directory)
          .map((name) => join(directory, name))
          .filter((name) => name.startsWith(damagedPath(directory)) || name.startsWith(`${path}.foreign-`))
          .sort(),
        owner: lockOwner(system, join(directory, "lock"))?.pid,
      },
    };
  } catch (error) {
    return failed({ what: `${path} cannot be read`, why: (error as Error).message, fix: "run as root" });
  }
}

const describePiece = (piece: {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly reason: string;
}) => ({
  offset: piece.offset,
  length: piece.bytes.length,
  reason: piece.reason,
});

/** Lines for people. */
export function describeJournal(report: JournalReport): string[] {
  const day = (at: Time | undefined): string => (at === undefined ? "never" : new Date(at).toISOString());
  return [
    `${report.path}: ${report.bytes} bytes, ${report.records} records`,
    `begun ${day(report.begun?.at)}${report.begun?.by ? ` by f2b ${report.begun.by}` : ""}, last written ${day(report.newest)}, last checkpoint ${day(report.checkpoint)}`,
    `standing bans: ${report.bans.length === 0 ? "none" : report.bans.map(([jail, count]) => `${jail} ${count}`).join(", ")}; targets with history: ${report.past}`,
    report.owner === undefined ? "no daemon has it open" : `open in the daemon with pid ${report.owner}`,
    ...report.damaged.map(({ offset, length, reason, torn }) =>
      torn
        ? `half written at its end, byte ${offset}, ${length} bytes`
        : `damaged at byte ${offset}, ${length} bytes: ${reason}`,
    ),
    ...report.kept.map((name) => `kept from earlier: ${name}`),
  ];
}
