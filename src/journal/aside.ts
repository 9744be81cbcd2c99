// What could not be read is kept, so that a person can look at it: damaged pieces as lines of JSON in "journal.damaged" (two
// generations of a megabyte), whole foreign files under "journal.foreign-N".

import { join } from "node:path";
import type { Time } from "../core/domain.ts";
import type { Files } from "../system/index.ts";

export interface Piece {
  /** Offset in the journal as it was. */
  readonly offset: number;
  readonly reason: string;
  readonly bytes: Uint8Array;
}

const longestPiece = 512 * 1024;
const longestFile = 1024 * 1024;
const keptForeign = 9;

export const damagedPath = (directory: string): string => join(directory, "journal.damaged");

/** On disk when it returns; throws what the disk says. */
export function keepAside(files: Files, directory: string, pieces: readonly Piece[], at: Time): void {
  if (pieces.length === 0) return;
  const path = damagedPath(directory);
  const there = files.lstat(path);
  if (there !== undefined && (there.kind !== "file" || there.size > longestFile))
    files.rename(path, `${path}.old`);
  const fd = files.open(path, "a", 0o600);
  try {
    let room = longestFile;
    for (const { offset, reason, bytes } of pieces) {
      const kept = Buffer.from(bytes.subarray(0, Math.min(longestPiece, Math.max(0, room))));
      room -= kept.length;
      const piece = { at, offset, length: bytes.length, reason, base64: kept.toString("base64") };
      writeAll(files, fd, Buffer.from(`${JSON.stringify(piece)}\n`));
    }
    files.fsync(fd);
  } finally {
    files.close(fd);
  }
}

/** Moves the whole file out of the way; the oldest of many goes. Returns its new path. */
export function setAside(files: Files, directory: string, path: string): string {
  const names = Array.from({ length: keptForeign }, (_, n) => join(directory, `journal.foreign-${n + 1}`));
  const free = names.find((name) => files.lstat(name) === undefined);
  const to =
    free ?? names.toSorted((a, b) => (files.lstat(a)?.mtimeMs ?? 0) - (files.lstat(b)?.mtimeMs ?? 0))[0];
  if (to === undefined) throw new Error("no name left to set the file aside");
  files.rename(path, to);
  files.fsyncDirectory(directory);
  return to;
}

/** write(2) may take less than it was given. Throws what the disk says, and EIO from one that takes nothing. */
export function writeAll(files: Files, fd: number, data: Uint8Array): void {
  for (let done = 0; done < data.length; ) {
    const took = files.write(fd, done === 0 ? data : data.subarray(done));
    if (took <= 0) throw Object.assign(new Error("the disk takes nothing"), { code: "EIO" });
    done += took;
  }
}
