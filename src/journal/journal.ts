// f2b's own state file. The order of things, and why:
//   1. append(): write(2) at once. From here on no kill -9 loses the record: it is the kernel's.
//   2. The firewall is told, while fdatasync(2) runs on another thread (0.1 ms on a virtual disk, 10 ms and more on a turning one:
//      nothing may wait for it). What comes while one runs is covered by the next: one flush for all that came together.
//   3. append's promise resolves: also a power cut loses nothing. Only then is anything told as done.
// A disk in trouble never stops a ban: the state is in memory anyway. The journal is then `degraded`, says so, tries again by itself,
// and when the disk takes writes again it brings the file up to date. After a failed flush the kernel may have dropped what it could
// not write while claiming otherwise later, so that file is never trusted again: everything is written anew.

import { join } from "node:path";
import type { Checkpoint, Fault, JournalRecord, Result, Span } from "../core/domain.ts";
import { takeSnapshot } from "../core/snapshot.ts";
import { apply, createState, type State } from "../core/state.ts";
import type { System } from "../system/index.ts";
import { keepAside, type Piece, writeAll } from "./aside.ts";
import { type Compacted, compact, journalPath, type Pause } from "./compact.ts";
import { createFlusher } from "./flush.ts";
import { type Lock, takeLock } from "./lock.ts";
import { cannotUse, checkDirectory, isTrouble, type Read, readJournal } from "./open.ts";
import { boundCheckpoint, encodeRecord } from "./record.ts";

export interface JournalOptions {
  readonly system: System;
  /** Made with mode 0700 where it is missing. */
  readonly directory: string;
  /** History that ended longer ago is forgotten. */
  readonly dbpurgeage: Span;
  /** Of the program, for the head of the file. */
  readonly version?: string;
  /** Whom files must belong to (or to root); the process's own by default. */
  readonly uid?: number;
  /** Called when the disk is in trouble and when it is well again. `merged`: bans of a journal that could not be read before have joined. */
  readonly changed?: (health: { readonly degraded: string | undefined; readonly merged: boolean }) => void;
}

export interface Opened {
  readonly journal: Journal;
  readonly state: State;
  /** What was found and mended; bans go on. */
  readonly damage: readonly Fault[];
}

export interface Journal {
  /**
   * Writes records that the caller has applied to the state: what is written anew is written from there. Resolves true once they
   * are on disk, false when the journal is degraded and they are in memory only; never rejects.
   */
  append(records: readonly JournalRecord[]): Promise<boolean>;
  /** Applies and writes it. Not flushed by itself: after a power cut the one before serves as well. */
  checkpoint(checkpoint: Checkpoint): void;
  /** Writes the file anew, holding only what is live. False when the disk would not have it. */
  compact(): Promise<boolean>;
  state(): JournalState;
  /** Flushes, closes, gives up the directory. */
  close(): void;
}

export interface JournalState {
  readonly path: string;
  readonly degraded: string | undefined;
  readonly bytes: number;
  /** Records in the file, those that others have made obsolete included. */
  readonly records: number;
  readonly compacting: boolean;
}

/** Smaller files are never worth writing anew. */
const smallFile = 1024 * 1024;
/** Written anew when it has grown to so many times what was live then. */
const growth = 3;
const maxPending = 1024 * 1024;
const maxUnread = 50_000;
const firstRetry = 1_000;
const lastRetry = 30_000;
/** After a compaction that failed while the old file is well. */
const compactRetry = 300_000;
const purgeEvery = 3_600_000;

/** Faults are for the administrator to mend: insecure or unusable directory, another daemon, a newer format. */
export function openJournal(options: JournalOptions): Result<Opened> {
  const { system, directory } = options;
  const uid = options.uid ?? process.getuid?.() ?? 0;
  const damage: Fault[] = [];
  let lock: Lock | undefined;
  let read: Read | undefined;
  let trouble: unknown;
  try {
    const fault = checkDirectory(system.files, directory, uid);
    if (fault !== undefined) return { ok: false, faults: [fault] };
    const taken = takeLock(system, join(directory, "lock"), crypto.randomUUID());
    if ("what" in taken) return { ok: false, faults: [taken] };
    if ("release" in taken) lock = taken;
    else if (isTrouble(taken))
      damage.push({ what: "the state directory could not be locked", why: taken.message });
    else return { ok: false, faults: [cannotUse(directory, taken.message)] };
    const result = readJournal(system, directory, uid);
    if (!result.ok) {
      lock?.release();
      return result;
    }
    read = result.value;
  } catch (error) {
    if (!isTrouble(error)) throw error;
    trouble = error;
  }
  const { journal, state } = run(options, uid, read, trouble, lock);
  return { ok: true, value: { journal, state, damage: [...damage, ...(read?.damage ?? [])] } };
}

interface Compaction {
  readonly steps: Generator<Pause, Compacted>;
  /** Records written since the snapshot was taken. */
  readonly tail: Uint8Array[];
  readonly count: number;
  readonly done: ((well: boolean) => void)[];
  cancel: () => void;
}

/** How a degraded journal gets well: by appending what is owed, by writing everything anew, or by reading the file at last. */
type Cure = "append" | "rewrite" | "read";

function run(
  options: JournalOptions,
  uid: number,
  read: Read | undefined,
  trouble: unknown,
  locked: Lock | undefined,
) {
  const { system, directory } = options;
  const { files, clock, log } = system;
  const path = journalPath(directory);
  const state = read?.state ?? createState();
  const flusher = createFlusher(files, (error) => degrade(error, "rewrite"));

  let lock = locked;
  let bytes = 0;
  let records = read?.records ?? 0;
  /** What of the file was live when it was last written anew, in bytes. */
  let base = 0;
  let started = false;
  let closed = false;

  let health: { readonly reason: string; cure: Cure } | undefined;
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let unread: JournalRecord[] = [];
  let owed: readonly Piece[] = read?.owed ?? [];
  let delay = firstRetry;
  let cancelRetry: (() => void) | undefined;

  let compaction: Compaction | undefined;
  let notBefore = Number.NEGATIVE_INFINITY;
  let purgedAt = clock.monotonic();

  // ---------------------------------------------------------------------------------------------------------------- write

  function append(list: readonly JournalRecord[]): Promise<boolean> {
    if (list.length === 0) return flusher.flushed();
    if (closed) return Promise.resolve(false);
    const data = Buffer.from(list.map((record) => encodeRecord(record)).join(""));
    if (!write(data, list)) return Promise.resolve(false);
    considerCompaction();
    return flusher.flushed();
  }

  function write(data: Uint8Array, list: readonly JournalRecord[]): boolean {
    if (health === undefined) {
      try {
        if (flusher.fd === undefined)
          throw Object.assign(new Error("the journal is not open"), { code: "EIO" });
        writeAll(files, flusher.fd, data);
        bytes += data.length;
        records += list.length;
        flusher.wrote();
        compaction?.tail.push(data);
        return true;
      } catch (error) {
        // Half a record must not stay: what is appended later would be glued to it.
        const back = truncateBack();
        degrade(error, back && isFull(error) ? "append" : "rewrite");
      }
    }
    owe(data, list);
    return false;
  }

  function truncateBack(): boolean {
    if (flusher.fd === undefined) return false;
    try {
      files.ftruncate(flusher.fd, bytes);
      return true;
    } catch {
      return false; // the file is then written anew as a whole
    }
  }

  /** What a degraded journal owes its file. Beyond a bound everything is written anew instead, from the state. */
  function owe(data: Uint8Array, list: readonly JournalRecord[]): void {
    compaction?.tail.push(data);
    if (health?.cure === "read" && unread.length <= maxUnread) unread.push(...list);
    if (health?.cure !== "append") return;
    pendingBytes += data.length;
    if (pendingBytes <= maxPending) pending.push(data);
    else {
      pending = [];
      health.cure = "rewrite";
    }
  }

  function purge(): void {
    purgedAt = clock.monotonic();
    if (options.dbpurgeage === "forever") return;
    const record = { t: "purge", before: clock.now() - options.dbpurgeage * 1000 } as const;
    apply(state, record);
    // Where it cannot be written, what is written anew holds it.
    if (health === undefined && flusher.fd !== undefined) write(Buffer.from(encodeRecord(record)), [record]);
  }

  // ----------------------------------------------------------------------------------------------------------- compaction

  function considerCompaction(): void {
    if (compaction !== undefined || health !== undefined || clock.monotonic() < notBefore) return;
    if (bytes <= smallFile || bytes <= growth * base) return;
    const current = startCompaction();
    current.cancel = clock.after(0, () => advance(current));
  }

  function startCompaction(): Compaction {
    purge();
    const snapshot = takeSnapshot(state);
    const tail: Uint8Array[] = [];
    const head = { t: "f2b", at: clock.now(), boot: clock.bootId(), by: options.version ?? "" } as const;
    compaction = {
      steps: compact(files, directory, head, snapshot, tail),
      tail,
      count: snapshot.count,
      done: [],
      cancel: () => undefined,
    };
    return compaction;
  }

  /** One slice; the next when others have had their turn. */
  function advance(current: Compaction, failure?: unknown): void {
    if (compaction !== current || closed) return;
    try {
      const step = next(current, failure);
      if (step.done === true) takeOver(current, step.value);
      else if (step.value.kind === "slice") current.cancel = clock.after(0, () => advance(current));
      else {
        files.flush(step.value.fd).then(
          () => advance(current),
          (error: unknown) => advance(current, error ?? new Error("flush failed")),
        );
      }
    } catch (error) {
      compactionFailed(current, error);
    }
  }

  /** All of it without letting others run: at the start and at the end, when there are no others. */
  function driveNow(current: Compaction): void {
    try {
      for (let step = next(current); ; step = next(current)) {
        if (step.done === true) {
          takeOver(current, step.value);
          return;
        }
        if (step.value.kind === "flush") files.fsync(step.value.fd);
      }
    } catch (error) {
      current.steps.return({ fd: -1, bytes: 0 });
      compactionFailed(current, error);
    }
  }

  function next(current: Compaction, failure?: unknown): IteratorResult<Pause, Compacted> {
    if (failure !== undefined) return current.steps.throw(failure);
    if (owed.length > 0) {
      keepAside(files, directory, owed, clock.now());
      owed = [];
    }
    return current.steps.next();
  }

  function finish(current: Compaction, well: boolean): void {
    current.cancel();
    compaction = undefined;
    for (const resolve of current.done) resolve(well);
  }

  function compactionFailed(current: Compaction, error: unknown): void {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    notBefore = clock.monotonic() + compactRetry;
    // What came while it ran is in the old file; where that one is lost, it is in the state, and the next attempt holds it.
    finish(current, false);
    if (health !== undefined) retryLater();
    else if (flusher.fd === undefined) degrade(error, "rewrite");
    else
      log.say(
        "warning",
        `the journal could not be written anew: ${explain(error)}; the old file goes on being used`,
      );
  }

  function takeOver(current: Compaction, file: Compacted): void {
    bytes = file.bytes;
    base = file.bytes;
    records = current.count;
    let failure: unknown;
    try {
      files.fsyncDirectory(directory);
    } catch (error) {
      failure = error ?? new Error("fsync failed");
    }
    if (failure !== undefined) flusher.giveUp();
    flusher.use(file.fd, failure === undefined);
    finish(current, failure === undefined);
    // After a power cut the name may still be the old file's.
    if (failure !== undefined) degrade(failure, "rewrite");
    else if (health !== undefined) recovered();
  }

  // -------------------------------------------------------------------------------------------------------------- trouble

  function degrade(error: unknown, cure: Cure): void {
    if (closed) return;
    const reason = `cannot ${cure === "read" ? "read" : "write"} ${path}: ${explain(error)}`;
    const before = health;
    health = { reason, cure: before === undefined || before.cure === "append" ? cure : before.cure };
    flusher.giveUp();
    if (before === undefined) {
      delay = firstRetry;
      if (started && options.changed !== undefined) options.changed({ degraded: reason, merged: false });
      else
        log.say(
          "critical",
          `${reason}; bans go on from memory, and are forgotten if f2b stops before this is mended`,
        );
    }
    retryLater();
  }

  function retryLater(): void {
    if (cancelRetry !== undefined || closed) return;
    cancelRetry = clock.after(delay, () => {
      cancelRetry = undefined;
      retry();
    });
    delay = Math.min(lastRetry, delay * 2);
  }

  function retry(): void {
    if (health?.cure === "read") readAtLast();
    if (health?.cure === "append") appendOwed();
    if (health?.cure === "rewrite" && compaction === undefined) advance(startCompaction());
    if (health !== undefined) retryLater();
  }

  function appendOwed(): void {
    if (flusher.fd === undefined || health === undefined) return;
    const data = Buffer.concat(pending);
    try {
      writeAll(files, flusher.fd, data);
    } catch (error) {
      if (!truncateBack() || !isFull(error)) health.cure = "rewrite";
      return;
    }
    bytes += data.length;
    try {
      flusher.now();
    } catch {
      health.cure = "rewrite";
      return;
    }
    recovered();
  }

  /** The journal could not be read at the start: its bans come first, what has happened since comes on top. */
  function readAtLast(): void {
    const found = attemptRead();
    if (found === undefined) return;
    const { state: merged } = found;
    for (const record of unread.length > maxUnread ? takeSnapshot(state).records() : unread)
      apply(merged, record);
    unread = [];
    owed = found.owed;
    Object.assign(state, merged);
    for (const { what, why } of found.damage)
      log.say("warning", `journal: ${what}${why === undefined ? "" : ` (${why})`}`);
    log.say("notice", `${path} could be read at last`);
    if (health !== undefined) health.cure = "rewrite";
    options.changed?.({ degraded: health?.reason, merged: true });
  }

  function attemptRead(): Read | undefined {
    try {
      if (checkDirectory(files, directory, uid) !== undefined) return undefined;
      if (lock === undefined) {
        const taken = takeLock(system, join(directory, "lock"), crypto.randomUUID());
        if (!("release" in taken)) return undefined;
        lock = taken;
      }
      const result = readJournal(system, directory, uid);
      return result.ok ? result.value : undefined;
    } catch (error) {
      if (!isTrouble(error)) throw error;
      return undefined;
    }
  }

  function recovered(): void {
    health = undefined;
    pending = [];
    pendingBytes = 0;
    delay = firstRetry;
    notBefore = Number.NEGATIVE_INFINITY;
    cancelRetry?.();
    cancelRetry = undefined;
    if (started && options.changed !== undefined) options.changed({ degraded: undefined, merged: false });
    else log.say("notice", `${path} can be written again and is up to date`);
  }

  // ------------------------------------------------------------------------------------------------------- start and end

  function start(): void {
    if (read === undefined) degrade(trouble, "read");
    else if (read.records === 0) driveNow(startCompaction());
    else openOld(read);
    started = true;
  }

  function openOld(found: Read): void {
    try {
      const fd = files.open(path, "a", 0o600);
      flusher.use(fd, true);
      bytes = files.fstat(fd).size;
      if (found.rewrite === undefined && bytes !== found.bytes)
        throw Object.assign(new Error("it has changed since it was read"), { code: "EIO" });
      base = Math.round(bytes * Math.min(1, takeSnapshot(state).count / Math.max(1, found.records)));
      // A torn line must not swallow the first record after it.
      if (found.rewrite !== undefined) write(Buffer.from("\n"), []);
      if (found.shift !== undefined) {
        const record = { t: "shift", delta: found.shift.delta, at: clock.now() } as const;
        write(Buffer.from(encodeRecord(record)), [record]);
      }
      if (found.rewrite === undefined) considerCompaction();
      else if (health === undefined) {
        const current = startCompaction();
        current.cancel = clock.after(0, () => advance(current));
      }
    } catch (error) {
      degrade(error, "rewrite");
    }
  }

  const journal: Journal = {
    append,
    checkpoint(checkpoint) {
      const record = { t: "checkpoint", checkpoint: boundCheckpoint(checkpoint) } as const;
      apply(state, record);
      if (closed) return;
      write(Buffer.from(encodeRecord(record)), [record]);
      if (clock.monotonic() - purgedAt >= purgeEvery) purge();
      considerCompaction();
    },
    compact() {
      if (closed || health !== undefined) return Promise.resolve(false);
      const running = compaction;
      const current = running ?? startCompaction();
      const well = new Promise<boolean>((resolve) => current.done.push(resolve));
      if (running === undefined) advance(current);
      return well;
    },
    state: () => ({ path, degraded: health?.reason, bytes, records, compacting: compaction !== undefined }),
    close() {
      if (closed) return;
      if (compaction !== undefined) {
        compaction.steps.return({ fd: -1, bytes: 0 });
        finish(compaction, false);
      }
      // The last chance to write what is owed.
      if (health?.cure === "read") readAtLast();
      if (health?.cure === "append") appendOwed();
      if (health?.cure === "rewrite") driveNow(startCompaction());
      closed = true;
      cancelRetry?.();
      const error = flusher.close();
      if (error !== undefined) log.say("critical", `${path} could not be flushed: ${explain(error)}`);
      lock?.release();
    },
  };

  start();
  return { journal, state };
}

const isFull = (error: unknown): boolean =>
  ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "");

const words: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full, or out of inodes",
  EDQUOT: "the quota is used up",
  EROFS: "the file system is read-only",
  EIO: "the disk reports errors",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open on this machine",
};

function explain(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const known = code === undefined ? undefined : words[code];
  return known === undefined ? message : `${known} (${code})`;
}
