// Lines out of a stream of bytes, from an offset on: the rest of a compressed rotation, standard input, a file to be replayed.

import type { System } from "../system/index.ts";
import { packingOf, rawPieces, unpack } from "./packed.ts";
import { cutLines } from "./segment.ts";
import { fingerprint, MARK } from "./tail.ts";

export interface StreamPiece {
  readonly text: string;
  readonly offset: number;
  readonly end: number;
  /** Of the bytes before `end`. */
  readonly fingerprint: string;
  readonly overlong: number;
}

export interface StreamOptions {
  readonly cap: number;
  /** Where to begin: the start of a line. */
  readonly from?: number;
  /** A last line without a line feed is shown all the same, with one. */
  readonly unfinished?: boolean;
}

export function bytesOf(system: System, path: string): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  const packing = packingOf(path);
  return packing === undefined
    ? rawPieces(system, system.files.open(path, "r"))
    : unpack(system, path, packing);
}

export async function* linesOf(
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: StreamOptions,
): AsyncGenerator<StreamPiece> {
  const from = options.from ?? 0;
  let at = 0;
  let pending: Buffer = Buffer.alloc(0);
  let mark: Buffer = Buffer.alloc(0);
  let skipping = false;
  for await (const piece of bytes) {
    const passed = Math.min(piece.length, Math.max(0, from - at - pending.length));
    if (passed > 0) {
      mark = Buffer.concat([mark, piece.subarray(0, passed)]).subarray(-MARK);
      at += passed;
    }
    pending = pending.length === 0 ? Buffer.from(piece.subarray(passed)) : Buffer.concat([pending, piece]);
    const cut = cutLines(pending, options.cap, skipping);
    skipping = cut.skipping;
    let overlong = cut.overlong;
    for (const [start, end] of cut.spans) {
      const before = Buffer.concat([mark, pending.subarray(Math.max(0, end - MARK), end)]).subarray(-MARK);
      yield {
        text: pending.toString("latin1", start, end),
        offset: at + start,
        end: at + end,
        fingerprint: fingerprint(before),
        overlong,
      };
      overlong = 0;
    }
    const done = pending.subarray(Math.max(0, cut.consumed - MARK), cut.consumed);
    mark = Buffer.concat([mark, done]).subarray(-MARK);
    pending = pending.subarray(cut.consumed);
    at += cut.consumed;
  }
  if (options.unfinished === true && !skipping && pending.length > 0) {
    const text = `${pending.toString("latin1")}\n`;
    const end = at + pending.length;
    yield { text, offset: at, end, fingerprint: fingerprint(pending.subarray(-MARK)), overlong: 0 };
  }
}
