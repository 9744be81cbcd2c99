// The few functions of libc that neither Bun nor Node offers, called directly. Where libc cannot be loaded the answer is undefined
// and whoever asks does without.

import { dlopen, FFIType, read } from "bun:ffi";

function open(name: string) {
  const { i32, u32, u64, i64, pointer } = FFIType;
  return dlopen(name, {
    socket: { args: [i32, i32, i32], returns: i32 },
    bind: { args: [i32, pointer, u32], returns: i32 },
    sendto: { args: [i32, pointer, u64, i32, pointer, u32], returns: i64 },
    getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
    lseek: { args: [i32, i64, i32], returns: i64 },
    close: { args: [i32], returns: i32 },
    madvise: { args: [pointer, u64, i32], returns: i32 },
    inotify_init1: { args: [i32], returns: i32 },
    inotify_add_watch: { args: [i32, pointer, u32], returns: i32 },
    inotify_rm_watch: { args: [i32, i32], returns: i32 },
    __errno_location: { args: [], returns: pointer },
  }).symbols;
}

export type Libc = ReturnType<typeof open>;

let loaded: Libc | undefined;
let looked = false;

export function libc(): Libc | undefined {
  if (looked) return loaded;
  looked = true;
  // glibc first, then musl under the names its distributions give it.
  for (const name of ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1", "libc.so"]) {
    try {
      loaded = open(name);
      return loaded;
    } catch {}
  }
  return undefined;
}

/** The error number of the call just made on this thread. */
export function errno(from: Libc): number {
  const at = from.__errno_location();
  return at === null ? 0 : read.i32(at, 0);
}
