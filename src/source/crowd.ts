// How many logs are held open at most, and which, where there are more. A directory that its owner fills with files that answer a glob
// must not take the descriptors that the firewall, the control socket and the other logs need.

import { dirname } from "node:path";
import type { System } from "../system/index.ts";
import type { FoundFile } from "./glob.ts";

/** What a process may have open where that cannot be read. */
const USUAL_LIMIT = 1024;

export interface Crowd {
  /** Logs that are followed at once. */
  readonly logs: number;
  /** Rotated files, of all logs together, that are open beside them. */
  readonly rotated: number;
}

/** Half of what this process may open for logs, an eighth for what was rotated. */
export function crowdOf(system: System): Crowd {
  const limit = openLimit(readLimits(system)) ?? USUAL_LIMIT;
  return { logs: Math.max(8, Math.floor(limit / 2)), rotated: Math.max(4, Math.floor(limit / 8)) };
}

function readLimits(system: System): string {
  try {
    return Buffer.from(system.files.readFile("/proc/self/limits")).toString("latin1");
  } catch {
    return "";
  }
}

/** The soft limit of open files in proc(5)'s table; undefined where there is none, or none is stated. */
export function openLimit(limits: string): number | undefined {
  const stated = /^Max open files\s+(\d+)\s/m.exec(limits)?.[1];
  return stated === undefined ? undefined : Number(stated);
}

/**
 * The files to follow, in the order they were found: those named without a glob, then those read already, then of each directory in
 * turn, so that no directory, however full, keeps out another's.
 */
export function choose(
  found: readonly FoundFile[],
  followed: (path: string) => boolean,
  most: number,
): { readonly chosen: readonly FoundFile[]; readonly left: readonly FoundFile[] } {
  if (found.length <= most) return { chosen: found, left: [] };
  const seen = new Map<string, number>();
  const ranked = found.map((one) => {
    const directory = dirname(one.path);
    const place = seen.get(directory) ?? 0;
    seen.set(directory, place + 1);
    const named = one.patterns.includes(one.path);
    return { one, rank: named ? -2 : followed(one.path) ? -1 : place };
  });
  const kept = new Set(
    [...ranked]
      .sort((a, b) => a.rank - b.rank)
      .slice(0, most)
      .map(({ one }) => one),
  );
  return { chosen: found.filter((one) => kept.has(one)), left: found.filter((one) => !kept.has(one)) };
}
