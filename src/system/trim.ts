// Gives back the memory that only the start needed: half of an idle daemon's resident set is program text that was touched while reading
// the configuration and compiling filters. Those pages are clean and in the page cache, so what is needed again comes back by itself.

import type { Pointer } from "bun:ffi";
import type { System } from "./index.ts";
import { libc } from "./libc.ts";

/** madvise(2): do not expect access in the near future; clean pages of a file are dropped from the resident set. */
const MADV_DONTNEED = 4;

/** Collects garbage and lets go of the program's text. Does nothing where libc cannot be called. */
export function trimMemory(system: System): void {
  Bun.gc(true);
  const c = libc();
  if (c === undefined) return;
  for (const { start, length } of textMappings(system)) c.madvise(start as Pointer, length, MADV_DONTNEED);
}

/** Mappings of this executable's instructions (proc(5), maps). Read-only data is left alone: the loader has written relocations into it. */
export function textMappings(system: System): { readonly start: number; readonly length: number }[] {
  let maps: string;
  try {
    maps = Buffer.from(system.files.readFile("/proc/self/maps")).toString("latin1");
  } catch {
    return [];
  }
  return maps.split("\n").flatMap((line) => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) r-xp [0-9a-f]+ [0-9a-f:]+ [1-9]\d* +(\S.*)$/.exec(line);
    if (match === null || match[3] !== process.execPath) return [];
    const start = Number.parseInt(match[1] ?? "0", 16);
    return [{ start, length: Number.parseInt(match[2] ?? "0", 16) - start }];
  });
}
