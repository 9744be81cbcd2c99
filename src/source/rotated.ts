// Finds again what a path held before: the rest of a log that was renamed, copied or compressed since a position was noted. First the
// same inode under another name in the directory, then a copy that has the same text before the position, then a compressed one.

import { basename, dirname } from "node:path";
import type { FileSpot } from "../core/domain.ts";
import type { FileStat, System } from "../system/index.ts";
import { openLog } from "./open.ts";
import { bounded, type Packing, packingOf, unpack } from "./packed.ts";
import { createTail, fingerprint, MARK } from "./tail.ts";

export interface Rotated {
  readonly path: string;
  readonly stat: FileStat;
  readonly packing: Packing | undefined;
}

/** Compressed candidates that are looked into, newest first: each costs unpacking up to the position. */
const MOST_UNPACKED = 8;
/** Bytes that are unpacked of one of them. */
const MOST_BYTES = 16 * 2 ** 30;
/** Names of a directory that are looked at for an inode. */
const MOST_NAMES = 5_000;

/** `auth.log.1`, `auth.log-20261121.gz`, `auth.log.old`; and `access-20261121.log` for `access.log`. Oldest first;
 *  without those that are being compressed at this moment, which are there twice. */
export function siblings(system: System, path: string): readonly Rotated[] {
  const base = basename(path);
  const all = look(system, path, (name) => isRotatedName(base, name));
  const names = new Set(all.map((one) => one.path));
  return all
    .filter((one) => one.packing === undefined || !names.has(one.path.slice(0, -one.packing.length - 1)))
    .sort((a, b) => byAge(base, a, b));
}

/** By what the names say where both say it (a higher number is older, a later date younger): the kernel's time stamps are coarse. */
function byAge(base: string, a: Rotated, b: Rotated): number {
  const [first, second] = [stampOf(base, a.path), stampOf(base, b.path)];
  const count = /^\d{1,5}$/;
  if (count.test(first) && count.test(second)) return Number(second) - Number(first);
  const date = /^\d{4}-?\d\d/;
  if (date.test(first) && date.test(second) && first !== second) return first < second ? -1 : 1;
  return a.stat.mtimeMs - b.stat.mtimeMs;
}

/** "1" of auth.log.1.gz, "20261121" of access-20261121.log. */
function stampOf(base: string, path: string): string {
  const plain = basename(path).replace(/\.(?:gz|zst|xz|bz2)$/, "");
  if (plain.startsWith(base)) return plain.slice(base.length + 1);
  const dot = base.lastIndexOf(".");
  return plain.slice(dot + 1, -(base.length - dot));
}

export function isRotatedName(base: string, name: string): boolean {
  const plain = name.replace(/\.(?:gz|zst|xz|bz2)$/, "");
  const stamp = /^[.\-_~](?:\d[\dT:._-]*|old|bak|prev|orig)$/;
  if (plain.startsWith(base)) return stamp.test(plain.slice(base.length));
  const dot = base.lastIndexOf(".");
  if (dot <= 0) return false;
  const [stem, ending] = [base.slice(0, dot), base.slice(dot)];
  return (
    plain.startsWith(stem) && plain.endsWith(ending) && stamp.test(plain.slice(stem.length, -ending.length))
  );
}

/** Where reading goes on behind `spot`; undefined when it is nowhere any more. The path itself is not looked at. */
export async function locate(system: System, path: string, spot: FileSpot): Promise<Rotated | undefined> {
  // An inode number is given to a new file soon after the old one is gone: without text before the place only the name is left to tell.
  if (spot.offset === 0)
    return siblings(system, path).find(
      ({ stat, packing }) => packing === undefined && stat.ino === spot.ino && stat.dev === spot.dev,
    );
  const base = basename(path);
  const same = look(system, path, (name) => name !== base).find(({ stat }) => stat.ino === spot.ino);
  if (same !== undefined && (holds(system, same, spot) || (await packedHolds(system, same, spot))))
    return same;
  const newest = [...siblings(system, path)].reverse();
  const copy = newest.find((one) => one.stat.size >= spot.offset && holds(system, one, spot));
  if (copy !== undefined) return copy;
  for (const one of newest.filter(({ packing }) => packing !== undefined).slice(0, MOST_UNPACKED)) {
    if (await packedHolds(system, one, spot)) return one;
  }
  return undefined;
}

/** A rotation may go on while the directory is read, and a name be missed: what two looks agree on is so. */
function look(system: System, path: string, wanted: (name: string) => boolean): readonly Rotated[] {
  let last = lookOnce(system, path, wanted);
  for (let again = 0; again < 5; again++) {
    const next = lookOnce(system, path, wanted);
    if (summary(next) === summary(last)) return next;
    last = next;
  }
  return last;
}

function summary(files: readonly Rotated[]): string {
  return files.map(({ path, stat }) => `${path} ${stat.ino}`).join("\n");
}

function lookOnce(system: System, path: string, wanted: (name: string) => boolean): readonly Rotated[] {
  const directory = dirname(path);
  try {
    return system.files
      .readdir(directory)
      .filter(wanted)
      .sort()
      .slice(0, MOST_NAMES)
      .flatMap((name) => {
        const full = `${directory === "/" ? "" : directory}/${name}`;
        const stat = system.files.lstat(full);
        return stat?.kind === "file" ? [{ path: full, stat, packing: packingOf(full) }] : [];
      });
  } catch {
    return [];
  }
}

function holds(system: System, rotated: Rotated, spot: FileSpot): boolean {
  if (rotated.packing !== undefined) return false;
  const opened = openLog(system, rotated.path);
  if (opened.kind !== "open") return false;
  const tail = createTail(system, opened.fd, opened.stat, MARK);
  try {
    return tail.holds(spot);
  } catch {
    return false;
  } finally {
    tail.close();
  }
}

async function packedHolds(system: System, rotated: Rotated, spot: FileSpot): Promise<boolean> {
  if (rotated.packing === undefined) return false;
  let at = 0;
  let mark: Buffer = Buffer.alloc(0);
  try {
    for await (const piece of bounded(unpack(system, rotated.path, rotated.packing), MOST_BYTES)) {
      const wanted = piece.subarray(0, Math.max(0, spot.offset - at));
      mark = Buffer.concat([mark, wanted]).subarray(-MARK);
      at += piece.length;
      if (at >= spot.offset) return fingerprint(mark) === spot.fingerprint;
    }
  } catch {
    // Damaged, cut off before the position, or without end: not the one.
  }
  return false;
}
