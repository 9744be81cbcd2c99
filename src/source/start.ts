// Where to begin in a log that is read for the first time: with the lines of the last findtime, found by halving, so that months of
// history neither ban anybody nor take long.

import type { Time } from "../core/domain.ts";
import type { System } from "../system/index.ts";
import { openLog } from "./open.ts";

/** The time in a line as the log states it; undefined where it holds none. */
export type TimeOf = (line: string) => Time | undefined;

const PROBE = 64 * 1024;
/** Read from here at most where no line tells its time. */
const TIMELESS = 16 * 1024 * 1024;

/** Offset of the start of a line, not behind the first line of `since`. A file not written to since then is begun at its end. */
export function startOffset(system: System, path: string, since: Time, timeOf: TimeOf | undefined): number {
  const { files } = system;
  const opened = openLog(system, path);
  if (opened.kind !== "open") return 0;
  const { fd, stat } = opened;
  const probe = Buffer.alloc(PROBE);
  /** The first line that begins behind `at`, and the first time at or behind it within the probe. */
  const lookAt = (at: number): { readonly line: number | undefined; readonly time: Time | undefined } => {
    const read = files.read(fd, probe, 0, PROBE, at);
    const text = probe.toString("latin1", 0, read);
    const first = at === 0 ? 0 : text.indexOf("\n") + 1;
    if (first === 0 && at > 0) return { line: undefined, time: undefined };
    for (let from = first; from < text.length; ) {
      const end = text.indexOf("\n", from);
      if (end < 0) break;
      const time = timeOf?.(text.slice(from, end));
      if (time !== undefined) return { line: at + first, time };
      from = end + 1;
    }
    return { line: at + first, time: undefined };
  };
  try {
    if (stat.mtimeMs < since) return lastStart(stat.size);
    if (timeOf === undefined) {
      return stat.size <= TIMELESS ? 0 : (lookAt(stat.size - TIMELESS).line ?? stat.size);
    }
    let low = 0;
    let high = stat.size;
    while (high - low > PROBE) {
      const middle = Math.floor((low + high) / 2);
      const { time } = lookAt(middle);
      // Without a time nobody knows: read rather too much.
      if (time !== undefined && time < since) low = middle;
      else high = middle;
    }
    return lookAt(low).line ?? low;
  } finally {
    files.close(fd);
  }

  /** The end, or the start of a last line that has not ended yet. */
  function lastStart(size: number): number {
    const at = Math.max(0, size - PROBE);
    const read = files.read(fd, probe, 0, PROBE, at);
    const feed = probe.subarray(0, read).lastIndexOf(10);
    return feed < 0 ? (at === 0 ? 0 : size) : at + feed + 1;
  }
}
