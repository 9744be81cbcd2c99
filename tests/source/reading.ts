// Reads a FilesSource as the daemon does and remembers what came, so that tests can say: every line, once.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileSpot, Position } from "../../src/core/domain.ts";
import { createFilesSource, type FilesOptions, type FilesSource } from "../../src/source/files.ts";
import type { FileChunk, SourceNotice } from "../../src/source/index.ts";
import { realSystem } from "../../src/system/real.ts";

export type FilePosition = Extract<Position, { kind: "file" }>;
export type { FileSpot };

export const system = realSystem({ say: () => undefined });

export interface Reading {
  readonly source: FilesSource;
  readonly chunks: FileChunk[];
  readonly lines: string[];
  readonly notices: SourceNotice[];
  readonly positions: Map<string, FilePosition>;
  /** Stops reading; what was not taken by then was not read. */
  stop(): Promise<void>;
}

export function read(
  patterns: readonly string[],
  options: Partial<FilesOptions> = {},
  known: ReadonlyMap<string, FilePosition> = new Map(),
  onChunk: (chunk: FileChunk) => void = () => undefined,
): Reading {
  const chunks: FileChunk[] = [];
  const lines: string[] = [];
  const notices: SourceNotice[] = [];
  // As after a restart: what was written down is what comes back.
  const positions = new Map<string, FilePosition>(JSON.parse(JSON.stringify([...known])));
  const source = createFilesSource({
    system,
    patterns,
    positions: [...positions.values()],
    notice: (notice) => notices.push(notice),
    ...options,
  });
  const ended = (async () => {
    for await (const chunk of source.chunks()) {
      chunks.push(chunk);
      lines.push(...chunk.text.split("\n").slice(0, -1));
      if (chunk.after.kind === "file") positions.set(chunk.path, chunk.after);
      onChunk(chunk);
    }
  })();
  return {
    source,
    chunks,
    lines,
    notices,
    positions,
    async stop() {
      source.close();
      await ended;
    },
  };
}

/** A directory of its own, removed when `work` is done. */
export async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "f2b-source-"));
  try {
    await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The numbers of writer.ts's lines, in the order read. */
export function numbers(lines: readonly string[]): number[] {
  return lines.map((line) => Number(line.split(" ")[1]));
}

/** What is wrong with the numbers read, if each of [0, count) was to be read once. */
export function faults(read: readonly number[], count: number): { missing: number[]; twice: number[] } {
  const seen = new Map<number, number>();
  for (const n of read) seen.set(n, (seen.get(n) ?? 0) + 1);
  return {
    missing: Array.from({ length: count }, (_, n) => n).filter((n) => !seen.has(n)),
    twice: [...seen].filter(([, times]) => times > 1).map(([n]) => n),
  };
}

export function startWriter(log: string, kind: string, first: number, lines: number, rotations: number) {
  return Bun.spawn(
    [
      process.execPath,
      join(import.meta.dir, "writer.ts"),
      log,
      kind,
      ...[first, lines, rotations].map(String),
    ],
    { stdout: "inherit", stderr: "inherit" },
  );
}
