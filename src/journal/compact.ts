// The journal written anew: only what its records came to. In slices, because the loop that bans must not wait for 100,000 records.
// Crash-safe at every step: everything is in "journal.new" and on disk before it takes the journal's name; until then the old file
// goes on being written, and what is written there meanwhile (`tail`) is written here too.

import { join } from "node:path";
import type { Snapshot } from "../core/snapshot.ts";
import type { Files } from "../system/index.ts";
import { writeAll } from "./aside.ts";
import { encodeRecord, type Head } from "./record.ts";

export const journalPath = (directory: string): string => join(directory, "journal");
export const newPath = (directory: string): string => join(directory, "journal.new");

export interface Compacted {
  readonly fd: number;
  readonly bytes: number;
}

/** What the driver does before it goes on: let others run, or flush the file off the main thread first. */
export type Pause = { readonly kind: "slice" } | { readonly kind: "flush"; readonly fd: number };

const sliceSize = 64 * 1024;

/**
 * Throws what the disk says, having removed what it made. When it returns, the new file has the name; the caller owes the fsync of
 * the directory before anything written to the new file counts as durable.
 */
export function* compact(
  files: Files,
  directory: string,
  head: Head,
  snapshot: Snapshot,
  tail: Uint8Array[],
): Generator<Pause, Compacted> {
  const path = newPath(directory);
  if (files.lstat(path) !== undefined) files.unlink(path);
  const fd = files.open(path, "wx", 0o600);
  let bytes = 0;
  let done = false;
  const write = (data: Uint8Array): void => {
    writeAll(files, fd, data);
    bytes += data.length;
  };
  const writeTail = (): number => {
    const data = Buffer.concat(tail.splice(0));
    if (data.length > 0) write(data);
    return data.length;
  };
  try {
    let slice = encodeRecord(head);
    for (const record of snapshot.records()) {
      slice += encodeRecord(record);
      if (slice.length < sliceSize) continue;
      write(Buffer.from(slice));
      slice = "";
      yield { kind: "slice" };
    }
    write(Buffer.from(slice));
    // The bulk goes to disk while others run; what has come meanwhile is little, and waited for.
    do yield { kind: "flush", fd };
    while (writeTail() > sliceSize);
    files.fsync(fd);
    rename(files, path, journalPath(directory), fd);
    done = true;
    return { fd, bytes };
  } finally {
    if (!done) abandon(files, fd, path);
  }
}

/** A rename that reports an error may have happened all the same; what the name holds then decides. */
function rename(files: Files, from: string, to: string, fd: number): void {
  try {
    files.rename(from, to);
  } catch (error) {
    if (inoAt(files, to) !== files.fstat(fd).ino) throw error;
  }
}

function inoAt(files: Files, path: string): number | undefined {
  try {
    return files.lstat(path)?.ino;
  } catch {
    return undefined;
  }
}

function abandon(files: Files, fd: number, path: string): void {
  for (const undo of [() => files.close(fd), () => files.unlink(path)]) {
    try {
      undo();
    } catch {
      // The error that brought us here is the one to tell; a leftover is removed by the next attempt.
    }
  }
}
