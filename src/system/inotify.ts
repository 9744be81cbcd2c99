// inotify, asked directly. Bun's fs.watch drops an event that follows another of the same file within about a millisecond (measured:
// 243 of 300 second writes were never told), and a log's last line must not wait for the next sweep. The kernel's own queue drops
// nothing but what it says it dropped. One instance serves all watches; it is closed with the last.

import { ptr } from "bun:ffi";
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { errno, type Libc, libc } from "./libc.ts";

const IN_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
/** MODIFY, MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF, and only directories. */
const MASK = 0x2 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x01000000;
const IN_Q_OVERFLOW = 0x4000;
const IN_IGNORED = 0x8000;
/** struct inotify_event without its name: wd, mask, cookie, len. */
const HEAD = 16;

type Changed = (name: string | undefined) => void;

interface Instance {
  readonly fd: number;
  /** By watch descriptor; the kernel gives one directory one descriptor, however often it is asked. */
  readonly watches: Map<number, Set<Changed>>;
  readonly stop: () => void;
}

let instance: Instance | undefined;

/** Calls on every change in the directory, with the name where the kernel tells one; undefined where libc cannot be called. Throws an ErrnoException. */
export function inotifyWatch(path: string, changed: Changed): (() => void) | undefined {
  const c = libc();
  if (c === undefined) return undefined;
  instance ??= open(c);
  const { fd, watches } = instance;
  const wd = c.inotify_add_watch(fd, ptr(Buffer.from(`${path}\0`)), MASK);
  if (wd < 0) {
    const error = failure(c, `watch ${path}`);
    closeIfUnused();
    throw error;
  }
  const listeners = watches.get(wd) ?? new Set();
  watches.set(wd, listeners);
  listeners.add(changed);
  return () => {
    listeners.delete(changed);
    if (listeners.size > 0 || watches.get(wd) !== listeners) return;
    watches.delete(wd);
    c.inotify_rm_watch(fd, wd);
    closeIfUnused();
  };
}

function closeIfUnused(): void {
  if (instance === undefined || instance.watches.size > 0) return;
  instance.stop();
  instance = undefined;
}

function open(c: Libc): Instance {
  const fd = c.inotify_init1(IN_NONBLOCK_CLOEXEC);
  if (fd < 0) throw failure(c, "inotify");
  const watches = new Map<number, Set<Changed>>();
  const reader = Bun.file(fd).stream().getReader();
  let open = true;
  const stop = () => {
    if (!open) return;
    open = false;
    void reader.cancel().catch(() => undefined);
    // Cancelling leaves the descriptor to us.
    closeSync(fd);
  };
  const follow = async () => {
    while (open) {
      const { done, value } = await reader.read();
      if (done) return;
      dispatch(Buffer.from(value.buffer, value.byteOffset, value.byteLength), watches);
    }
  };
  void follow()
    .catch(() => undefined)
    .then(() => {
      // It ended by itself: everybody looks again, and is watched anew by a fresh instance when asked.
      if (!open) return;
      stop();
      instance = undefined;
      tellAll(watches);
    });
  return { fd, watches, stop };
}

function dispatch(events: Buffer, watches: Map<number, Set<Changed>>): void {
  for (let at = 0; at + HEAD <= events.length; ) {
    const wd = events.readInt32LE(at);
    const mask = events.readUInt32LE(at + 4);
    const length = events.readUInt32LE(at + 12);
    const name = length === 0 ? undefined : cString(events.subarray(at + HEAD, at + HEAD + length));
    at += HEAD + length;
    if ((mask & IN_Q_OVERFLOW) !== 0) {
      tellAll(watches);
      continue;
    }
    const listeners = watches.get(wd);
    if (listeners === undefined) continue;
    // The directory itself is gone: the descriptor means nothing any more.
    if ((mask & IN_IGNORED) !== 0) watches.delete(wd);
    for (const changed of [...listeners]) changed(name);
  }
}

function tellAll(watches: Map<number, Set<Changed>>): void {
  for (const listeners of watches.values()) for (const changed of [...listeners]) changed(undefined);
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
}

function failure(c: Libc, what: string): NodeJS.ErrnoException {
  const number = errno(c);
  const code =
    Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`;
  return Object.assign(new Error(`${code}: ${what}`), { code });
}
