// Gives back the memory that only the start needed: half of an idle daemon's resident set is program text and constants that were touched
// while reading the configuration and compiling filters. Those pages are clean and in the page cache, so what is needed again comes back
// by itself.

import type { Pointer } from "bun:ffi";
import type { System } from "./index.ts";
import { libc } from "./libc.ts";

/** madvise(2): do not expect access in the near future; clean pages of a file are dropped from the resident set. */
const MADV_DONTNEED = 4;

/** Lets go of garbage, and of compiled code that runs seldom once the engine has nothing to do. */
export function trimHeap(): void {
  Bun.shrink();
  Bun.gc(true);
}

/** Lets go of the program's text and constants; some time after `trimHeap`, which runs through much of it. Does nothing where libc cannot be called. */
export function dropProgram(system: Pick<System, "files">): void {
  const c = libc();
  if (c === undefined) return;
  // They stay where they are, and reading smaps costs more than all the rest.
  known ??= programMappings(system);
  for (const { start, length } of known) c.madvise(start as Pointer, length, MADV_DONTNEED);
}

let known: readonly Mapping[] | undefined;

interface Mapping {
  readonly start: number;
  readonly length: number;
}

/**
 * Mappings of this executable that nobody can write to and into which nothing has been written (proc(5), smaps: no page of theirs is a
 * copy): relocations that the loader has put into one would be lost with its pages. What is "dirty" there may be the file itself, just
 * written and not yet on the disk.
 */
function programMappings(system: Pick<System, "files">): Mapping[] {
  let text: string;
  try {
    text = Buffer.from(system.files.readFile("/proc/self/smaps")).toString("latin1");
  } catch {
    return [];
  }
  const found: Mapping[] = [];
  for (const part of text.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) r-[-x]p [0-9a-f]+ [0-9a-f:]+ [1-9]\d* +(\S.*)\n/.exec(part);
    if (head?.[3] !== process.execPath || !/\nAnonymous: +0 kB\n/.test(part)) continue;
    const start = Number.parseInt(head[1] ?? "0", 16);
    found.push({ start, length: Number.parseInt(head[2] ?? "0", 16) - start });
  }
  return found;
}
