// Reading a journal: piece by piece, so that memory does not grow with the file; every intact record is applied, everything else is
// told with its offset. A damaged line never hides its neighbours: records are searched for inside it.

import type { JournalRecord } from "../core/domain.ts";
import { apply, createState, type State } from "../core/state.ts";
import type { Files } from "../system/index.ts";
import type { Piece } from "./aside.ts";
import { type Decoded, decodeLine, type Head, maxLine } from "./record.ts";

export interface Loaded {
  readonly state: State;
  readonly records: number;
  readonly bytes: number;
  /** Where the last intact line ends: what lies after it is a torn tail. */
  readonly end: number;
  /** True when the last record is whole but lacks its line feed. */
  readonly unterminated: boolean;
  readonly head: Head | undefined;
  readonly damaged: readonly Piece[];
  readonly torn: Piece | undefined;
  /** A version that we do not know; reading stopped there. */
  readonly newer: number | undefined;
}

const pieceSize = 256 * 1024;
const lineFeed = 0x0a;
/** Of very many damaged places only so many are told one by one. */
const maxDamaged = 1_000;

/** Throws what the disk says. */
export function loadJournal(files: Files, path: string): Loaded {
  const fd = files.open(path, "r");
  try {
    return load(files, fd);
  } finally {
    files.close(fd);
  }
}

function load(files: Files, fd: number): Loaded {
  const state = createState();
  const damaged: Piece[] = [];
  let records = 0;
  let head: Head | undefined;
  let newer: number | undefined;

  function take(decoded: Decoded): boolean {
    if (decoded.kind === "record") {
      apply(state, decoded.record);
      records++;
    } else if (decoded.kind === "head") head ??= decoded.head;
    else if (decoded.kind === "newer") newer ??= decoded.version;
    return decoded.kind !== "damaged";
  }

  function line(bytes: Uint8Array, offset: number): void {
    if (bytes.length === 0) return; // written before the first record after a torn one
    const decoded = decodeLine(bytes);
    if (take(decoded) || decoded.kind !== "damaged") return;
    if (damaged.length < maxDamaged) damaged.push({ offset, reason: decoded.reason, bytes: bytes.slice() });
    for (const found of salvage(bytes)) take(found);
  }

  const chunk = Buffer.alloc(pieceSize);
  let carry: Buffer[] = [];
  let carried = 0;
  let at = 0;
  let end = 0;
  while (newer === undefined) {
    const got = files.read(fd, chunk, 0, chunk.length, at);
    if (got === 0) break;
    let from = 0;
    for (let feed = chunk.indexOf(lineFeed); feed >= 0 && feed < got; feed = chunk.indexOf(lineFeed, from)) {
      if (carried === 0) line(chunk.subarray(from, feed), at + from);
      else line(Buffer.concat([...carry, chunk.subarray(from, feed)]), at + from - carried);
      carry = [];
      carried = 0;
      from = feed + 1;
      end = at + from;
      if (newer !== undefined) break;
    }
    // A line beyond the limit is not ours; what is kept of it is enough to show that.
    if (from < got && carried < maxLine) {
      carry.push(Buffer.from(chunk.subarray(from, got)));
      carried += got - from;
    }
    at += got;
  }

  let torn: Piece | undefined;
  let unterminated = false;
  if (carried > 0 && newer === undefined) {
    const tail = Buffer.concat(carry);
    const decoded = decodeLine(tail);
    if (decoded.kind === "damaged") {
      const piece = { offset: end, reason: decoded.reason, bytes: tail };
      const found = [...salvage(tail)];
      for (const one of found) take(one);
      // With records in it, it must not be cut off: it is a damaged line that lacks its line feed.
      if (found.length === 0) torn = piece;
      else {
        damaged.push(piece);
        unterminated = true;
        end += carried;
      }
    } else {
      take(decoded);
      unterminated = true;
      end += carried;
    }
  }
  return { state, records, bytes: at, end, unterminated, head, damaged, torn, newer };
}

/** Whole records inside a line that is not one: a line feed was lost, or rubbish was written before it. */
function* salvage(line: Uint8Array): Iterable<Decoded> {
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  const starts: number[] = [];
  for (let at = bytes.indexOf('{"v":'); at >= 0 && starts.length < 1_000; at = bytes.indexOf('{"v":', at + 1))
    starts.push(at);
  for (const [index, start] of starts.entries()) {
    const stop = starts[index + 1] ?? bytes.length;
    for (const end of [stop, stop - 1]) {
      const decoded = decodeLine(bytes.subarray(start, end));
      if (decoded.kind === "damaged") continue;
      yield decoded;
      break;
    }
  }
}

/** The records of a state in their order, for tests and for people. */
export function* recordsOf(bytes: Uint8Array): Iterable<JournalRecord> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (
    let from = 0, feed = buffer.indexOf(lineFeed);
    feed >= 0;
    from = feed + 1, feed = buffer.indexOf(lineFeed, from)
  ) {
    const decoded = decodeLine(buffer.subarray(from, feed));
    if (decoded.kind === "record") yield decoded.record;
  }
}
