// Where lines come from. A LogSource is an async stream of chunks with a resumable position. It promises: whole lines only
// (a half-written last line waits), every line of every rotation once and in order, positions that are true after each
// chunk, bounded memory. It ends only when closed and throws when it breaks; it never retries and never judges a line:
// the daemon's supervisor restarts it with growing pauses.

import type { JournaldEntry, Position } from "../core/domain.ts";
import type { Page } from "../core/page.ts";

export interface LogSource {
  /** What the user would call it: a path, or "journald _SYSTEMD_UNIT=ssh.service". */
  readonly name: string;
  chunks(): AsyncIterable<Chunk>;
  close(): void;
}

export type Chunk = FileChunk | JournaldChunk;

export interface FileChunk {
  readonly kind: "file";
  /** The path as the pattern found it (not resolved through symlinks). */
  readonly path: string;
  /** Which of the asked-for patterns (logpath entries, verbatim) this file answers. */
  readonly patterns: readonly string[];
  /** One or more whole lines as a latin-1 view of the bytes (one char = one byte), each ended by "\n". */
  readonly text: string;
  /** The same as bytes, where there is no text yet: who wants either later must ask for the text before the next chunk is asked for. */
  readonly page?: Page;
  /** Byte offset in the file of the first char of `text`. */
  readonly offset: number;
  readonly ino: number;
  /** False while catching up with what was written before the source was opened (backlog); true while following. */
  readonly live: boolean;
  readonly after: Position;
}

export interface JournaldChunk {
  readonly kind: "journald";
  readonly entries: readonly JournaldEntry[];
  readonly live: boolean;
  readonly after: Position;
}

/** Things a source notices and people want to know: waiting, appeared, rotated, fell back to polling, dropped an over-long line, refused a planted file. */
export interface SourceNotice {
  readonly source: string;
  readonly kind:
    | "waiting"
    | "opened"
    | "rotated"
    | "gone"
    | "polling"
    | "refused"
    | "overlong"
    | "suppressed"
    | "restarted";
  readonly text: string;
}
