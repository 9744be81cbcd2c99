// From a directory to a state: who may write there, whether another daemon does, what is readable, what must be mended. Loses
// nothing: what cannot be read is kept aside before the file is touched.

import type { Fault, Result } from "../core/domain.ts";
import { apply, createState, type State } from "../core/state.ts";
import type { FileStat, Files, System } from "../system/index.ts";
import { damagedPath, keepAside, type Piece, setAside } from "./aside.ts";
import { journalPath, newPath } from "./compact.ts";
import { type Loaded, loadJournal } from "./load.ts";
import { version } from "./record.ts";

export interface Read {
  readonly state: State;
  readonly records: number;
  readonly bytes: number;
  readonly damage: readonly Fault[];
  /** Why the file must be written anew; undefined: it can be appended to as it is. */
  readonly rewrite: string | undefined;
  /** Damaged pieces that could not be kept aside yet: to be kept before the file is written anew. */
  readonly owed: readonly Piece[];
  /** Whether the clock was found set back (or forward from nowhere) while f2b was down: a shift was applied and is owed to the file. */
  readonly shift: { readonly delta: number } | undefined;
}

/** Smaller steps back are time servers at work. */
const clockTolerance = 60_000;
/** Before this no clock was right that ran f2b: a machine without a battery starts in 1970. */
const firstRelease = Date.UTC(2026, 0, 1);

/** Codes of a disk in trouble: the daemon goes on in memory. Others (no permission) are for the administrator to mend. */
const trouble = new Set([
  "ENOSPC",
  "EDQUOT",
  "EIO",
  "EROFS",
  "EMFILE",
  "ENFILE",
  "ENOMEM",
  "ENODEV",
  "ESTALE",
  "ETIMEDOUT",
  "EUCLEAN",
  "ENOTCONN",
]);

export const isTrouble = (error: unknown): boolean =>
  trouble.has((error as NodeJS.ErrnoException).code ?? "");

/** The directory exists afterwards, is a directory, and only we (or root) may write in it. Throws what a disk in trouble says. */
export function checkDirectory(files: Files, directory: string, uid: number): Fault | undefined {
  try {
    if (files.stat(directory) === undefined) files.mkdir(directory, 0o700);
    const stat = files.stat(directory);
    if (stat === undefined) return cannotUse(directory, "it is not there");
    if (stat.kind !== "directory")
      return {
        what: `${directory} is a ${stat.kind}, not a directory`,
        fix: "move it away, or set another [daemon] statedir",
      };
    return insecure(directory, stat, uid);
  } catch (error) {
    if (isTrouble(error)) throw error;
    return cannotUse(directory, (error as Error).message);
  }
}

function insecure(path: string, stat: FileStat, uid: number): Fault | undefined {
  const owner = stat.uid === uid ? "" : "chown root ";
  if (stat.uid !== uid && stat.uid !== 0)
    return {
      what: `${path} belongs to user ${stat.uid}`,
      why: "whoever may write there can ban and unban",
      fix: `${owner}${path}`,
    };
  if ((stat.mode & 0o022) !== 0)
    return {
      what: `${path} can be written to by others (mode ${(stat.mode & 0o777).toString(8)})`,
      why: "whoever may write there can ban and unban",
      fix: `chmod go-w ${path}`,
    };
  return undefined;
}

export const cannotUse = (path: string, why: string): Fault => ({
  what: `cannot use the state directory ${path}`,
  why,
  fix: "run as root, or set [daemon] statedir to a place you may write to",
});

/**
 * Reads and mends. Throws what a disk in trouble says when the journal cannot even be read; what can be read but not mended is
 * returned with `rewrite`.
 */
export function readJournal({ files, clock }: System, directory: string, uid: number): Result<Read> {
  const path = journalPath(directory);
  const damage: Fault[] = [];
  try {
    const stat = files.lstat(path);
    if (stat === undefined) return { ok: true, value: fresh("it is not there yet", damage) };
    if (stat.kind !== "file")
      return failed({
        what: `${path} is a ${stat.kind}, not a file`,
        why: "it is not f2b's",
        fix: `move ${path} away`,
      });
    const fault = insecure(path, stat, uid);
    if (fault !== undefined) return failed(fault);
    const loaded = loadJournal(files, path);
    if (loaded.newer !== undefined) return failed(tooNew(path, loaded.newer));
    if (loaded.bytes === 0) return { ok: true, value: fresh("it is empty", damage) };
    if (loaded.records === 0 && loaded.head === undefined) {
      const to = attempt(() => setAside(files, directory, path));
      damage.push({
        what: `${path} is no journal of f2b`,
        why: "not one of its lines is a record",
        fix: to === undefined ? `move ${path} away` : `it was kept as ${to}; remove it if you do not miss it`,
      });
      if (to === undefined)
        throw Object.assign(new Error(`${path} is no journal of f2b and cannot be moved`), { code: "EROFS" });
      return { ok: true, value: fresh("what was there is no journal", damage) };
    }
    const open = (stat.mode & 0o077) === 0 ? undefined : "others may read it";
    const { rewrite = open, owed } = mend(files, directory, loaded, clock.now(), damage);
    const leftover = newPath(directory);
    if (files.lstat(leftover) !== undefined) attempt(() => files.unlink(leftover));
    const shift = clockShift(loaded.state, clock.now());
    if (shift !== undefined) {
      damage.push({
        what: `the clock shows ${new Date(clock.now()).toISOString()}, but the journal was last written at ${new Date(loaded.state.newest).toISOString()}`,
        why: "the time that went by is not known; every ban keeps the time it had left",
        fix: "let a time server set the clock before f2b starts",
      });
      apply(loaded.state, { t: "shift", delta: shift.delta, at: clock.now() });
    }
    return {
      ok: true,
      value: {
        state: loaded.state,
        records: loaded.records,
        bytes: loaded.end,
        damage,
        rewrite,
        owed,
        shift,
      },
    };
  } catch (error) {
    if (isTrouble(error)) throw error;
    return failed(cannotUse(directory, (error as Error).message));
  }
}

const fresh = (rewrite: string, damage: readonly Fault[]): Read => ({
  state: createState(),
  records: 0,
  bytes: 0,
  damage,
  rewrite,
  owed: [],
  shift: undefined,
});

const failed = (fault: Fault): Result<Read> => ({ ok: false, faults: [fault] });

const tooNew = (path: string, found: number): Fault => ({
  what: `${path} is of format ${found}, this f2b knows ${version}`,
  why: "a newer f2b wrote it; it is left as it is",
  fix: `start that newer f2b again, or move ${path} away to begin without its bans`,
});

interface Mended {
  readonly rewrite?: string;
  readonly owed: readonly Piece[];
}

/** Keeps damaged pieces and cuts off a torn tail, in this order. */
function mend(files: Files, directory: string, loaded: Loaded, at: number, damage: Fault[]): Mended {
  const { damaged, torn, end, unterminated } = loaded;
  const pieces = torn === undefined ? damaged : [...damaged, torn];
  if (pieces.length === 0)
    return unterminated ? { rewrite: "its last line feed is missing", owed: [] } : { owed: [] };
  const kept = attempt(() => keepAside(files, directory, pieces, at) ?? true) === true;
  const why = kept
    ? `kept in ${damagedPath(directory)}`
    : "it could not be copied and stays in the journal for now";
  for (const piece of damaged.slice(0, 20))
    damage.push({ what: `a record at byte ${piece.offset} of the journal is damaged: ${piece.reason}`, why });
  if (damaged.length > 20) damage.push({ what: `${damaged.length - 20} more damaged records`, why });
  if (torn !== undefined)
    damage.push({
      what: `the last record of the journal was half written (${torn.bytes.length} bytes)`,
      why,
    });
  if (!kept) return { rewrite: "its damage could not be copied", owed: pieces };
  if (damaged.length > 0) return { rewrite: "it holds damaged records", owed: [] };
  const cutOff = attempt(() => {
    const fd = files.open(journalPath(directory), "r+");
    try {
      files.ftruncate(fd, end);
      files.fsync(fd);
    } finally {
      files.close(fd);
    }
    return true;
  });
  return cutOff ? { owed: [] } : { rewrite: "its torn end could not be cut off", owed: [] };
}

/** Undefined where the disk does not let us. */
function attempt<Value>(action: () => Value): Value | undefined {
  try {
    return action();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return undefined;
  }
}

/** Time that cannot have gone by: the clock stands before the last record, or it has only now come to be right. */
function clockShift(state: State, now: number): { readonly delta: number } | undefined {
  const { newest } = state;
  if (newest === 0) return undefined;
  const back = newest > now + clockTolerance;
  const fromNowhere = newest < firstRelease && now >= firstRelease;
  return back || fromNowhere ? { delta: now - newest } : undefined;
}
