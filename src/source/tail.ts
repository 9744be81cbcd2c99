// Reads one file, whatever its name is by now, from a place on. Nothing that was read is kept: a line that has not ended yet is read
// again, so memory does not grow and the position is always the start of a line. The up to 64 bytes before the position are compared
// at each read (they come with it, in the same call): when they changed, the file was truncated and has grown again.

import { isAscii } from "node:buffer";
import { readAhead } from "../core/direct.ts";
import type { FileSpot } from "../core/domain.ts";
import { Page } from "../core/page.ts";
import type { FileStat, System } from "../system/index.ts";
import { cutLines } from "./segment.ts";

/** How many bytes before the position are remembered. */
export const MARK = 64;

/** What was read at once: whole lines, with the position behind them. */
export type Piece<Lines> = Lines & {
  readonly offset: number;
  readonly after: FileSpot;
};

export interface TailRead<Lines> {
  readonly pieces: readonly Piece<Lines>[];
  readonly overlong: number;
  /** "more": read on; "end": everything there is has been read; "changed": this is not what was read before. */
  readonly state: "more" | "end" | "changed";
}

export interface Tail {
  readonly dev: number;
  readonly ino: number;
  /** Start of the next line not yet read. */
  readonly offset: number;
  readonly spot: FileSpot;
  /** Something was read since it was opened. */
  readonly begun: boolean;
  /** `buffer` holds at least MARK bytes and the longest line shown; it is free again when this returns. */
  read(buffer: Buffer): TailRead<{ readonly text: string }>;
  /** The same, but the pieces are pages that lie in the buffer: they are good until it is filled again. */
  lend(buffer: Buffer): TailRead<{ readonly page: Page }>;
  /** Starts at `offset`, a start of a line. */
  seek(offset: number): void;
  /** Is the text before `spot.offset` what it was when the spot was noted? */
  holds(spot: FileSpot): boolean;
  stat(): FileStat;
  close(): void;
}

export function fingerprint(mark: Uint8Array): string {
  return mark.length === 0 ? "" : Bun.hash.xxHash64(mark).toString(16).padStart(16, "0");
}

const nothing: readonly never[] = [];

export function createTail(system: System, fd: number, stat: FileStat, cap: number): Tail {
  const { files } = system;
  const { dev, ino } = stat;
  let offset = 0;
  /** While an over-long line is passed over, how far that went; reading after a restart begins at that line again. */
  let passed = 0;
  let skipping = false;
  let begun = false;
  let mark: Buffer = Buffer.alloc(0);

  const markAt = (at: number): Buffer => {
    const wanted = Math.min(MARK, at);
    const bytes = Buffer.alloc(wanted);
    const read = wanted === 0 ? 0 : files.read(fd, bytes, 0, wanted, at - wanted);
    return bytes.subarray(0, read);
  };
  const spotAt = (at: number, bytes: Buffer): FileSpot => ({
    dev,
    ino,
    offset: at,
    fingerprint: fingerprint(bytes.subarray(Math.max(0, bytes.length - MARK))),
  });
  const goTo = (at: number) => {
    offset = at;
    passed = at;
    skipping = false;
    mark = markAt(at);
  };
  /** A buffer full of NUL is the hole of a file truncated under a writer that does not append: jump over it. */
  const jump = (from: number): number => {
    const to = files.nextData(fd, from);
    return to > from && to <= files.fstat(fd).size ? to : from;
  };

  return {
    dev,
    ino,
    get offset() {
      return offset;
    },
    get spot() {
      return spotAt(offset, offset === passed ? mark : markAt(offset));
    },
    get begun() {
      return begun;
    },
    read: (buffer) =>
      take(buffer, buffer.length, (fresh, from, to) => ({ text: fresh.toString("latin1", from, to) })),
    lend: (buffer) =>
      take(buffer, buffer.length - readAhead, (fresh, from, to) => {
        const lines = fresh.subarray(from, to);
        const cutOut = (begin: number, end: number): string => lines.toString("latin1", begin, end);
        return { page: Page.lent(fresh, from, to, isAscii(lines), cutOut) };
      }),
    seek: goTo,
    holds(spot) {
      const bytes = markAt(spot.offset);
      return bytes.length === Math.min(MARK, spot.offset) && fingerprint(bytes) === spot.fingerprint;
    },
    stat: () => files.fstat(fd),
    close: () => files.close(fd),
  };

  /** Reads up to `most` bytes. */
  function take<Lines extends object>(
    buffer: Buffer,
    most: number,
    lines: (fresh: Buffer, from: number, to: number) => Lines,
  ): TailRead<Lines> {
    const back = mark.length;
    const read = files.read(fd, buffer, 0, most, passed - back);
    if (read < back || (back > 0 && buffer.compare(mark, 0, back, 0, back) !== 0))
      return { pieces: nothing, overlong: 0, state: "changed" };
    if (read === back) return { pieces: nothing, overlong: 0, state: "end" };
    begun = true;
    const fresh = buffer.subarray(back, read);
    const cut = cutLines(fresh, cap, skipping);
    const pieces = cut.spans.map(([from, to]) => ({
      ...lines(fresh, from, to),
      offset: passed + from,
      after: spotAt(passed + to, buffer.subarray(0, back + to)),
    }));
    const full = read === most;
    if (cut.consumed > 0) {
      const end = back + cut.consumed;
      const hole = full && pieces.length === 0 && !cut.skipping && cut.consumed === fresh.length;
      const to = passed + cut.consumed;
      passed = hole ? jump(to) : to;
      mark = passed === to ? Buffer.from(buffer.subarray(Math.max(0, end - MARK), end)) : markAt(passed);
      skipping = cut.skipping;
      if (!skipping) offset = passed;
      else if (cut.overlong > 0) offset = pieces.at(-1)?.after.offset ?? offset;
    }
    return { pieces, overlong: cut.overlong, state: full && cut.consumed > 0 ? "more" : "end" };
  }
}
