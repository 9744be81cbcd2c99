// A disk in memory that knows what is durable and what is not, and fails as told: the Nth call, a full disk, short writes, a crash in
// the middle of a call. After a crash it shows what a machine would find: all that was written (the process was killed), or only what
// was flushed, with or without pieces of the rest (the power was cut).

import type { FileStat, Files } from "../../src/system/index.ts";

interface Node {
  readonly ino: number;
  readonly kind: FileStat["kind"];
  mode: number;
  uid: number;
  mtimeMs: number;
  data: Buffer;
  /** What survives a power cut for certain. */
  durable: Buffer;
}

/** The process is dead from here on: whatever it still does has no effect. It looks like a failing disk, so that nothing escapes. */
export class Crash extends Error {
  readonly code = "EIO";
}

export type Survives =
  /** kill -9: the kernel still has everything. */
  | { readonly kind: "kill" }
  /** Power cut. `names`: whether unflushed changes of names made it; `torn`: how much of the unflushed data did, 0 to 1. */
  | { readonly kind: "power"; readonly names: boolean; readonly torn: number };

export interface TestDisk {
  readonly files: Files;
  /** Calls so far. */
  readonly calls: number;
  readonly log: string[];
  readonly dead: boolean;
  /** At call number `at` (1 is the next) the process dies, half way through a write, before or after the call took effect. */
  crashAt(at: number, effect: "before" | "half" | "after"): void;
  /** Fails calls of this kind from the `from`th on (1 is the next), `times` of them. */
  fail(call: keyof Files, code: string, times?: number, from?: number): void;
  /** Fails call number `at` (1 is the next), whichever it is. */
  failAt(at: number, code: string): void;
  heal(): void;
  /** Bytes that all files together may hold. */
  capacity: number;
  /** The most that one write takes. */
  shortest: number;
  /** The disk as found after the crash; this one is not used any more. */
  after(survives: Survives): TestDisk;
  put(
    path: string,
    data: string | Uint8Array,
    as?: { readonly mode?: number; readonly uid?: number; readonly kind?: FileStat["kind"] },
  ): void;
  bytes(path: string): Buffer | undefined;
  names(): string[];
}

const errno = (code: string, what: string): Error => Object.assign(new Error(`${code}: ${what}`), { code });

export function testDisk(
  now: () => number = () => 0,
  seed?: { readonly names: Map<string, Node>; readonly nextIno: number },
): TestDisk {
  const names = new Map<string, Node>(seed?.names ?? []);
  let durableNames = new Map(names);
  let nextIno = seed?.nextIno ?? 1;
  const handles = new Map<number, { readonly node: Node; readonly append: boolean; at: number }>();
  let nextFd = 3;
  let calls = 0;
  let crash: { at: number; effect: "before" | "half" | "after" } | undefined;
  let failing: { readonly at: number; readonly code: string } | undefined;
  let dead = false;
  let failures: { call: string; code: string; times: number; from: number }[] = [];
  const log: string[] = [];

  const make = (kind: Node["kind"], mode: number, uid = 0): Node => ({
    ino: nextIno++,
    kind,
    mode,
    uid,
    mtimeMs: now(),
    data: Buffer.alloc(0),
    durable: Buffer.alloc(0),
  });
  if (!names.has("/")) {
    names.set("/", make("directory", 0o755));
    durableNames = new Map(names);
  }
  const used = (): number =>
    [...new Set([...names.values(), ...[...handles.values()].map(({ node }) => node)])].reduce(
      (sum, node) => sum + node.data.length,
      0,
    );

  /** Runs a call with everything that may befall it. `half` is what has happened when it dies in the middle. */
  function call<Value>(name: keyof Files, what: string, effect: () => Value, half?: () => void): Value {
    if (dead) throw new Crash("the process is dead");
    calls++;
    log.push(`${name} ${what}`);
    const dies = crash !== undefined && calls === crash.at ? crash.effect : undefined;
    if (dies === "before" || dies === "half") {
      if (dies === "half") half?.();
      dead = true;
      throw new Crash(`died ${dies} ${name} ${what}`);
    }
    if (calls === failing?.at) throw errno(failing.code, `${name} ${what}`);
    const failure = failures.find((one) => one.call === name);
    if (failure !== undefined && --failure.from < 1 && failure.times-- > 0)
      throw errno(failure.code, `${name} ${what}`);
    const value = effect();
    if (dies === "after") {
      dead = true;
      throw new Crash(`died after ${name} ${what}`);
    }
    return value;
  }

  const need = (path: string): Node => names.get(path) ?? raise(errno("ENOENT", path));
  const raise = (error: Error): never => {
    throw error;
  };
  const handle = (fd: number) => handles.get(fd) ?? raise(errno("EBADF", String(fd)));
  const statOf = (node: Node): FileStat => ({
    kind: node.kind,
    dev: 1,
    ino: node.ino,
    size: node.data.length,
    mode: node.mode,
    uid: node.uid,
    gid: 0,
    mtimeMs: node.mtimeMs,
  });

  function writeTo(fd: number, data: Uint8Array): number {
    const entry = handle(fd);
    const room = Math.max(0, disk.capacity - used());
    const took = Math.min(data.length, disk.shortest, room);
    if (took === 0 && data.length > 0) throw errno("ENOSPC", "write");
    const at = entry.append ? entry.node.data.length : entry.at;
    entry.node.data = Buffer.concat([
      entry.node.data.subarray(0, at),
      data.subarray(0, took),
      entry.node.data.subarray(at + took),
    ]);
    entry.at = at + took;
    entry.node.mtimeMs = now();
    return took;
  }

  const unsupported = (): never => raise(new Error("not of this disk"));

  const files: Files = {
    open: (path, flags, mode = 0o600) =>
      call("open", `${path} ${flags}`, () => {
        const text = String(flags);
        const there = names.get(path);
        if (text.includes("x") && there !== undefined) throw errno("EEXIST", path);
        if (text.startsWith("r") && there === undefined) throw errno("ENOENT", path);
        if (there === undefined && used() >= disk.capacity) throw errno("ENOSPC", path);
        const node = there ?? make("file", mode);
        if (text.startsWith("w")) node.data = Buffer.alloc(0);
        names.set(path, node);
        handles.set(nextFd, { node, append: text.startsWith("a"), at: 0 });
        return nextFd++;
      }),
    close: (fd) =>
      call("close", String(fd), () => {
        handle(fd);
        handles.delete(fd);
      }),
    read: (fd, buffer, offset, length, position) =>
      call("read", String(fd), () => {
        const { node } = handle(fd);
        const piece = node.data.subarray(position ?? 0, (position ?? 0) + length);
        buffer.set(piece, offset);
        return piece.length;
      }),
    write: (fd, data) =>
      call(
        "write",
        `${fd} ${data.length}`,
        () => writeTo(fd, data),
        () => void writeTo(fd, data.subarray(0, Math.ceil(data.length / 2))),
      ),
    fsync: (fd) =>
      call("fsync", String(fd), () => {
        const { node } = handle(fd);
        node.durable = node.data;
      }),
    flush: async (fd) =>
      call("flush", String(fd), () => {
        const { node } = handle(fd);
        node.durable = node.data;
      }),
    ftruncate: (fd, length) =>
      call("ftruncate", `${fd} ${length}`, () => {
        const { node } = handle(fd);
        node.data = node.data.subarray(0, length);
      }),
    fstat: (fd) => call("fstat", String(fd), () => statOf(handle(fd).node)),
    stat: (path) => call("stat", path, () => (names.has(path) ? statOf(need(path)) : undefined)),
    lstat: (path) => call("lstat", path, () => (names.has(path) ? statOf(need(path)) : undefined)),
    readFile: (path) => call("readFile", path, () => Buffer.from(need(path).data)),
    writeFile: unsupported,
    replaceFile: unsupported,
    rename: (from, to) =>
      call("rename", `${from} ${to}`, () => {
        names.set(to, need(from));
        names.delete(from);
      }),
    unlink: (path) =>
      call("unlink", path, () => {
        need(path);
        names.delete(path);
      }),
    mkdir: (path, mode = 0o755) =>
      call("mkdir", path, () => {
        if (!names.has(path)) names.set(path, make("directory", mode));
      }),
    readdir: (path) =>
      call("readdir", path, () =>
        [...names.keys()]
          .filter((name) => name.startsWith(`${path}/`))
          .map((name) => name.slice(path.length + 1)),
      ),
    realpath: (path) => path,
    readlink: unsupported,
    fsyncDirectory: (path) =>
      call("fsyncDirectory", path, () => {
        durableNames = new Map(names);
      }),
    watchDirectory: unsupported,
    fsType: () => 0xef53,
    nextData: (_fd, offset) => offset,
  };

  const disk: TestDisk = {
    files,
    get calls() {
      return calls;
    },
    log,
    get dead() {
      return dead;
    },
    crashAt(at, effect) {
      crash = { at: calls + at, effect };
    },
    fail(name, code, times = 1, from = 1) {
      failures.push({ call: name, code, times, from });
    },
    failAt(at, code) {
      failing = { at: calls + at, code };
    },
    heal() {
      failures = [];
    },
    capacity: Number.POSITIVE_INFINITY,
    shortest: Number.POSITIVE_INFINITY,
    after(survives) {
      const kept = survives.kind === "kill" || survives.names ? names : durableNames;
      const copies = new Map<Node, Node>();
      const found = new Map<string, Node>();
      for (const [name, node] of kept) {
        const copy = copies.get(node) ?? { ...node, data: survivingData(node, survives) };
        copy.durable = copy.data;
        copies.set(node, copy);
        found.set(name, copy);
      }
      return testDisk(now, { names: found, nextIno });
    },
    put(path, data, { mode = 0o600, uid = 0, kind = "file" } = {}) {
      const node = make(kind, mode, uid);
      node.data = Buffer.from(data);
      node.durable = node.data;
      names.set(path, node);
      durableNames.set(path, node);
    },
    bytes: (path) => names.get(path)?.data,
    names: () => [...names.keys()],
  };
  return disk;
}

function survivingData(node: Node, survives: Survives): Buffer {
  if (survives.kind === "kill" || node.data.equals(node.durable)) return node.data;
  if (node.data.length < node.durable.length) return survives.torn > 0.5 ? node.data : node.durable;
  const more = Math.floor((node.data.length - node.durable.length) * survives.torn);
  return node.data.subarray(0, node.durable.length + more);
}
