// Everything f2b asks of the machine, behind one interface, so that tests turn the clock and fake the programs and the
// disk. system/real.ts is the machine; tests/support holds the one that is turned by hand.

import type { Time } from "../core/domain.ts";

export interface System {
  readonly clock: Clock;
  readonly files: Files;
  readonly programs: Programs;
  readonly log: Log;
}

export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): Time;
  /** Milliseconds that only grow, also through clock steps; durations within a run are measured with this one. */
  monotonic(): number;
  /** Calls once after `ms` (capped and re-armed internally beyond 2^31); returns the cancelling function. */
  after(ms: number, run: () => void): () => void;
  bootId(): string;
}

/** Synchronous on purpose where the journal's order matters; every call may throw a NodeJS.ErrnoException. */
export interface Files {
  open(path: string, flags: string | number, mode?: number): number;
  close(fd: number): void;
  read(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): number;
  write(fd: number, data: Uint8Array): number;
  fsync(fd: number): void;
  /** fdatasync(2) off this thread: nothing else waits while a slow disk does its work. Rejects like the others throw. */
  flush(fd: number): Promise<void>;
  ftruncate(fd: number, length: number): void;
  fstat(fd: number): FileStat;
  stat(path: string): FileStat | undefined;
  lstat(path: string): FileStat | undefined;
  readFile(path: string): Uint8Array;
  writeFile(path: string, data: string | Uint8Array, mode?: number): void;
  /** Writes through a temporary name in the same directory, fsyncs file and directory, renames. */
  replaceFile(path: string, data: string | Uint8Array, mode?: number): void;
  rename(from: string, to: string): void;
  unlink(path: string): void;
  mkdir(path: string, mode?: number): void;
  readdir(path: string): string[];
  realpath(path: string): string;
  /** What a link says, followed or not: links below /proc name what is no file ("socket:[4711]"). */
  readlink(path: string): string;
  fsyncDirectory(path: string): void;
  /** Calls on any change below the directory (not recursive); throws where the kernel cannot watch. */
  watchDirectory(path: string, changed: (name: string | undefined) => void): () => void;
  /** The file system's type number as statfs(2) gives it, to know where watching cannot work. */
  fsType(path: string): number;
  /** Where data goes on at or after `offset`, behind a hole; `offset` itself where that cannot be told. */
  nextData(fd: number, offset: number): number;
}

export interface FileStat {
  readonly kind: "file" | "directory" | "symlink" | "fifo" | "socket" | "device";
  readonly dev: number;
  readonly ino: number;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeMs: number;
}

export interface Programs {
  /** Absolute path of a program in the fixed system directories (/usr/sbin, /usr/bin, /sbin, /bin, /usr/local/…), never $PATH. */
  find(name: string): string | undefined;
  /** Runs to its end with a time limit (killed with its process group); argument list, never a shell. */
  run(command: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Starts a long-lived child whose output is pulled by the reader (back-pressure), whose death is told. */
  start(command: readonly string[], options?: StartOptions): Child;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly timeoutMs?: number;
  /** The whole environment of the child; a minimal clean one by default. */
  readonly env?: Readonly<Record<string, string>>;
  /** Output beyond this many bytes is cut; 1 MiB by default. */
  readonly maxOutput?: number;
}

export interface RunResult {
  /** -1 when it could not be started or was killed. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
}

export interface Child {
  readonly pid: number;
  /** Resolves with the exit code once the child is gone and reaped. */
  readonly exited: Promise<number>;
  /** False when the child is gone or its pipe is closed; true says nothing about success. */
  write(text: string): boolean;
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  kill(signal?: NodeJS.Signals): void;
}

export type Level = "critical" | "error" | "warning" | "notice" | "info" | "debug" | "trace";

/** What the daemon says about itself. Text from logs is escaped before it gets here or by the writer, never raw. */
export interface Log {
  say(level: Level, text: string, fields?: Readonly<Record<string, string | number>>): void;
}
