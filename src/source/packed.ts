// What logrotate compressed, as a stream of bytes: gzip and zstd by ourselves, xz and bzip2 through their programs. Reads a piece at a
// time, so that the size of what comes out does not matter.

import type { Transform } from "node:stream";
import type { System } from "../system/index.ts";

const PIECE = 64 * 1024;

export type Packing = "gz" | "zst" | "xz" | "bz2";

export function packingOf(path: string): Packing | undefined {
  const [, ending] = /\.(gz|zst|xz|bz2)$/.exec(path) ?? [];
  return ending as Packing | undefined;
}

/** The decompressed bytes in order; `fd`, opened by the caller, is closed. Throws where the file is damaged or cut off, after what could be read. */
export function unpack(
  system: System,
  path: string,
  packing: Packing,
  fd = system.files.open(path, "r"),
): AsyncIterable<Uint8Array> {
  switch (packing) {
    case "gz":
      return through(rawPieces(system, fd), async () => (await import("node:zlib")).createGunzip());
    case "zst":
      return through(rawPieces(system, fd), async () => (await import("node:zlib")).createZstdDecompress());
    case "xz":
    case "bz2":
      system.files.close(fd);
      return byProgram(system, path, [packing === "xz" ? "xz" : "bzip2", "-dc", "--", path]);
  }
}

/** The same pieces; throws behind so many bytes: a few megabytes can be packed so that they never end. */
export async function* bounded(pieces: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  let left = most;
  for await (const piece of pieces) {
    left -= piece.length;
    if (left < 0) throw new Error(`more than ${most} bytes come out of it`);
    yield piece;
  }
}

/** The bytes of a file as they are, a piece at a time; closes it. */
export function* rawPieces(system: System, fd: number): Generator<Buffer> {
  try {
    for (;;) {
      const piece = Buffer.allocUnsafe(PIECE);
      const read = system.files.read(fd, piece, 0, PIECE, null);
      if (read === 0) return;
      yield piece.subarray(0, read);
    }
  } finally {
    system.files.close(fd);
  }
}

/** Node's streams are loaded where something is packed: a start without does not wait for them. */
async function* through(
  pieces: Iterable<Buffer>,
  open: () => Promise<Transform>,
): AsyncGenerator<Uint8Array> {
  const { Readable } = await import("node:stream");
  const transform = await open();
  const source = Readable.from(pieces, { objectMode: false });
  source.on("error", (error) => transform.destroy(error));
  const out: AsyncIterable<Uint8Array> = source.pipe(transform);
  try {
    yield* out;
  } finally {
    source.destroy();
    transform.destroy();
  }
}

async function* byProgram(
  system: System,
  path: string,
  command: readonly string[],
): AsyncGenerator<Uint8Array> {
  const child = system.programs.start(command);
  const complaint = collectText(child.stderr);
  try {
    yield* child.stdout;
    const code = await child.exited;
    if (code !== 0) throw new Error(`${path}: ${command[0]} ended with ${code}: ${(await complaint).trim()}`);
  } finally {
    child.kill("SIGKILL");
  }
}

async function collectText(stream: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const piece of stream) {
    if (text.length < 1000) text += Buffer.from(piece).toString("utf8");
  }
  return text;
}
