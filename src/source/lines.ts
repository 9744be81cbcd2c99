// A file, or standard input, read once from beginning to end: for replay and `f2b regex`. Compressed files too. A last line without a
// line feed counts here, since nobody will write on.

import type { System } from "../system/index.ts";
import type { FileChunk } from "./index.ts";
import { bytesOf, linesOf } from "./unpacked.ts";

export interface LinesOptions {
  readonly lineCap?: number;
  /** What to read for the path "-". */
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** Told once at the end when lines were longer than the cap. */
  readonly overlong?: (lines: number) => void;
}

const LINE_CAP = 8 * 1024;

/** Throws an ErrnoException where the file cannot be read, or an Error where a compressed one is damaged. */
export async function* fileLines(
  system: System,
  path: string,
  options: LinesOptions = {},
): AsyncGenerator<FileChunk> {
  const input = path === "-" && options.stdin !== undefined;
  const bytes = input ? options.stdin : bytesOf(system, path);
  const stat = input ? undefined : system.files.stat(path);
  const { dev = 0, ino = 0 } = stat ?? {};
  let overlong = 0;
  for await (const piece of linesOf(bytes, { cap: options.lineCap ?? LINE_CAP, unfinished: true })) {
    overlong += piece.overlong;
    yield {
      kind: "file",
      path,
      patterns: [path],
      text: piece.text,
      offset: piece.offset,
      ino,
      live: false,
      after: { kind: "file", path, dev, ino, offset: piece.end, fingerprint: piece.fingerprint },
    };
  }
  if (overlong > 0) options.overlong?.(overlong);
}
