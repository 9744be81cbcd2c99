// Group commit: one fdatasync, off the main thread, for everything that was written before it began; what comes while it runs waits
// for the next. Owns the open file, so that none is closed under a flush (its number could be given out again).

import type { Files } from "../system/index.ts";

export interface Flusher {
  readonly fd: number | undefined;
  /** Takes over from the file before, all of which is in this one; `durable` says that it is there on disk. */
  use(fd: number, durable: boolean): void;
  /** Tells that something was written and is not on disk yet. */
  wrote(): void;
  /** True once all that was written is on disk; false if that failed, or `giveUp` came. Never rejects. */
  flushed(): Promise<boolean>;
  /** Flushes here and now; throws what the disk says. */
  now(): void;
  /** Whoever waits is told false. */
  giveUp(): void;
  /** Flushes and closes; returns the error of the flush. */
  close(): unknown;
}

type Waiter = (durable: boolean) => void;

/** `failed` hears of a flush of the file in use that failed, before those who waited for it do. */
export function createFlusher(files: Files, failed: (error: unknown) => void): Flusher {
  let fd: number | undefined;
  let inherited = false;
  let dirty = false;
  let running: number | undefined;
  let scheduled = false;
  let waiting: Waiter[] = [];
  let closed = false;
  const condemned: number[] = [];

  const settle = (list: readonly Waiter[], durable: boolean): void => {
    for (const resolve of list) resolve(durable);
  };

  function start(): void {
    scheduled = false;
    if (closed || running !== undefined || waiting.length === 0) return;
    if (!dirty || fd === undefined) {
      settle(waiting.splice(0), fd !== undefined);
      return;
    }
    const target = fd;
    const served = waiting;
    waiting = [];
    dirty = false;
    running = target;
    files.flush(target).then(
      () => ended(target, served, undefined),
      (error: unknown) => ended(target, served, error ?? new Error("flush failed")),
    );
  }

  function ended(target: number, served: readonly Waiter[], error: unknown): void {
    running = undefined;
    const replaced = target !== fd;
    closeCondemned();
    if (error !== undefined && !replaced && !closed) failed(error);
    // Of a file that was replaced meanwhile everything is on disk in its successor.
    settle(served, error === undefined || (replaced && inherited));
    start();
  }

  function closeCondemned(): void {
    if (running !== undefined) return;
    for (const old of condemned.splice(0)) {
      try {
        files.close(old);
      } catch {
        // Nothing of it is needed any more.
      }
    }
  }

  return {
    get fd() {
      return fd;
    },
    use(next, durable) {
      inherited = durable;
      if (fd !== undefined) condemned.push(fd);
      fd = next;
      dirty = false;
      closeCondemned();
      if (running === undefined) start();
    },
    wrote() {
      dirty = true;
    },
    flushed() {
      if (closed || fd === undefined) return Promise.resolve(false);
      if (!dirty && running === undefined) return Promise.resolve(true);
      return new Promise((resolve) => {
        waiting.push(resolve);
        if (scheduled || running !== undefined) return;
        scheduled = true;
        // At the end of this turn, so that everything written in it is flushed together.
        queueMicrotask(start);
      });
    },
    now() {
      if (fd === undefined) return;
      files.fsync(fd);
      dirty = false;
    },
    giveUp() {
      settle(waiting.splice(0), false);
    },
    close() {
      let error: unknown;
      try {
        if (fd !== undefined && (dirty || running !== undefined)) files.fsync(fd);
      } catch (thrown) {
        error = thrown ?? new Error("flush failed");
      }
      settle(waiting.splice(0), fd !== undefined && error === undefined);
      closed = true;
      if (fd !== undefined) condemned.push(fd);
      fd = undefined;
      closeCondemned();
      return error;
    },
  };
}
