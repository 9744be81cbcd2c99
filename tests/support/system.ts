// A System that is turned by hand: clock, disk in memory, programs that answer by script, a log that keeps what was said.
// The disk knows what the journal and the configuration ask of it (fsync and failures included); logs are tested on real files.

import type {
  Child,
  FileStat,
  Files,
  Level,
  Programs,
  RunOptions,
  RunResult,
  System,
} from "../../src/system/index.ts";
import { type TurnedClock, turnedClock } from "./time.ts";

export interface FakeSystem extends System {
  readonly clock: TurnedClock;
  readonly disk: FakeDisk;
  readonly said: { readonly level: Level; readonly text: string }[];
  /** Every command that was run or started, in order, with what was written to it. */
  readonly commands: { readonly command: readonly string[]; stdin: string }[];
}

/** What a scripted program answers; undefined in a field means nothing there and exit code 0. */
export type Answer = Partial<RunResult>;
export type Script = (command: readonly string[], stdin: string) => Answer | Promise<Answer>;

export interface FakeSetup {
  readonly now?: number;
  readonly files?: Readonly<Record<string, string>>;
  /** By program name. A program that is not here is not installed. */
  readonly programs?: Readonly<Record<string, Script>>;
}

export interface FakeDisk {
  text(path: string): string | undefined;
  put(path: string, text: string): void;
  /** The next matching call fails with this code: failure injection. */
  fail(call: keyof Files, code: string, times?: number): void;
  readonly calls: string[];
}

interface Node {
  kind: "file" | "directory";
  ino: number;
  mode: number;
  data: Uint8Array;
}

export function fakeSystem(setup: FakeSetup = {}): FakeSystem {
  const clock = turnedClock(setup.now);
  const { files, disk } = fakeFiles(clock);
  for (const [path, text] of Object.entries(setup.files ?? {})) disk.put(path, text);
  const said: FakeSystem["said"] = [];
  const commands: FakeSystem["commands"] = [];
  return {
    clock,
    files,
    disk,
    said,
    commands,
    programs: fakePrograms(setup.programs ?? {}, commands),
    log: { say: (level, text) => void said.push({ level, text }) },
  };
}

function fakePrograms(scripts: Readonly<Record<string, Script>>, commands: FakeSystem["commands"]): Programs {
  const scriptOf = (command: readonly string[]): Script | undefined =>
    scripts[command[0]?.split("/").pop() ?? ""];
  return {
    find: (name) => (Object.hasOwn(scripts, name) ? `/usr/sbin/${name}` : undefined),
    async run(command: readonly string[], options: RunOptions = {}) {
      const stdin = options.stdin ?? "";
      commands.push({ command, stdin });
      const script = scriptOf(command);
      if (script === undefined)
        return { code: -1, stdout: "", stderr: `${command[0]}: no such program`, timedOut: false };
      return { code: 0, stdout: "", stderr: "", timedOut: false, ...(await script(command, stdin)) };
    },
    start: (command) => fakeChild(command, scriptOf(command), commands),
  };
}

/** A long-lived child: its script is asked once for every write; a non-zero code ends it. */
function fakeChild(
  command: readonly string[],
  script: Script | undefined,
  commands: FakeSystem["commands"],
): Child {
  if (script === undefined) throw new Error(`${command[0]}: no such program`);
  const record = { command, stdin: "" };
  commands.push(record);
  const out = pipe();
  const err = pipe();
  let alive = true;
  let leave: (code: number) => void = () => undefined;
  const exited = new Promise<number>((resolve) => {
    leave = resolve;
  });
  const end = (code: number) => {
    if (!alive) return;
    alive = false;
    out.end();
    err.end();
    leave(code);
  };
  return {
    pid: 4242,
    exited,
    stdout: out.read,
    stderr: err.read,
    write(text) {
      if (!alive) return false;
      record.stdin += text;
      void Promise.resolve(script(command, text)).then((answer) => {
        if (answer.stdout) out.push(answer.stdout);
        if (answer.stderr) err.push(answer.stderr);
        if (answer.code !== undefined && answer.code !== 0) end(answer.code);
      });
      return true;
    },
    kill: () => end(143),
  };
}

function pipe() {
  const pieces: Uint8Array[] = [];
  let ended = false;
  let wake: () => void = () => undefined;
  async function* read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const piece = pieces.shift();
      if (piece !== undefined) yield piece;
      else if (ended) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  }
  return {
    push(text: string) {
      pieces.push(new TextEncoder().encode(text));
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    read: { [Symbol.asyncIterator]: read },
  };
}

function fault(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

function fakeFiles(clock: TurnedClock): { files: Files; disk: FakeDisk } {
  const nodes = new Map<string, Node>();
  const handles = new Map<number, { node: Node; at: number; append: boolean }>();
  const failures: { call: string; code: string; times: number }[] = [];
  const watchers = new Map<string, Set<(name: string | undefined) => void>>();
  const calls: string[] = [];
  let nextFd = 100;
  let nextIno = 1;
  const parent = (path: string) => path.slice(0, path.lastIndexOf("/")) || "/";
  const make = (path: string, kind: Node["kind"], mode: number): Node => {
    for (let up = parent(path); !nodes.has(up); up = parent(up))
      nodes.set(up, { kind: "directory", ino: nextIno++, mode: 0o755, data: new Uint8Array() });
    const node = { kind, ino: nextIno++, mode, data: new Uint8Array() };
    nodes.set(path, node);
    return node;
  };
  nodes.set("/", { kind: "directory", ino: nextIno++, mode: 0o755, data: new Uint8Array() });
  const need = (path: string): Node => {
    const node = nodes.get(path);
    if (node === undefined) throw fault("ENOENT", path);
    return node;
  };
  const handle = (fd: number) => {
    const found = handles.get(fd);
    if (found === undefined) throw fault("EBADF", String(fd));
    return found;
  };
  const tell = (path: string) => {
    for (const changed of watchers.get(parent(path)) ?? []) changed(path.slice(path.lastIndexOf("/") + 1));
  };
  const step = (call: string, path: string) => {
    calls.push(`${call} ${path}`);
    const failure = failures.find((entry) => entry.call === call && entry.times > 0);
    if (failure !== undefined) {
      failure.times--;
      throw fault(failure.code, path);
    }
  };
  const bytes = (data: string | Uint8Array) =>
    typeof data === "string" ? new TextEncoder().encode(data) : data;
  const statOf = (node: Node): FileStat => ({
    kind: node.kind,
    dev: 1,
    ino: node.ino,
    size: node.data.length,
    mode: node.mode,
    uid: 0,
    gid: 0,
    mtimeMs: clock.now(),
  });
  const put = (path: string, data: string | Uint8Array, mode: number) => {
    const node = nodes.get(path) ?? make(path, "file", mode);
    node.data = bytes(data).slice();
    tell(path);
  };
  const files: Files = {
    open(path, flags, mode = 0o600) {
      step("open", path);
      const text = String(flags);
      const exists = nodes.has(path);
      if (text.includes("x") && exists) throw fault("EEXIST", path);
      if (text.startsWith("r") && !exists) throw fault("ENOENT", path);
      const node = nodes.get(path) ?? make(path, "file", mode);
      if (text.startsWith("w")) node.data = new Uint8Array();
      handles.set(nextFd, { node, at: 0, append: text.startsWith("a") });
      return nextFd++;
    },
    close(fd) {
      handles.delete(fd);
    },
    read(fd, buffer, offset, length, position) {
      const entry = handle(fd);
      const from = position ?? entry.at;
      const piece = entry.node.data.subarray(from, from + length);
      buffer.set(piece, offset);
      if (position === null) entry.at += piece.length;
      return piece.length;
    },
    write(fd, data) {
      const entry = handle(fd);
      step("write", String(fd));
      const at = entry.append ? entry.node.data.length : entry.at;
      const grown = new Uint8Array(Math.max(entry.node.data.length, at + data.length));
      grown.set(entry.node.data);
      grown.set(data, at);
      entry.node.data = grown;
      entry.at = at + data.length;
      return data.length;
    },
    fsync(fd) {
      step("fsync", String(fd));
    },
    async flush(fd) {
      step("flush", String(fd));
    },
    ftruncate(fd, length) {
      step("ftruncate", String(fd));
      const { node } = handle(fd);
      const cut = new Uint8Array(length);
      cut.set(node.data.subarray(0, length));
      node.data = cut;
    },
    fstat: (fd) => statOf(handle(fd).node),
    stat: (path) => (nodes.has(path) ? statOf(need(path)) : undefined),
    lstat: (path) => (nodes.has(path) ? statOf(need(path)) : undefined),
    readFile(path) {
      step("readFile", path);
      return need(path).data.slice();
    },
    writeFile(path, data, mode = 0o600) {
      step("writeFile", path);
      put(path, data, mode);
    },
    replaceFile(path, data, mode = 0o600) {
      step("replaceFile", path);
      nodes.delete(path);
      put(path, data, mode);
    },
    rename(from, to) {
      step("rename", `${from} ${to}`);
      const node = need(from);
      nodes.delete(from);
      nodes.set(to, node);
      tell(from);
      tell(to);
    },
    unlink(path) {
      step("unlink", path);
      need(path);
      nodes.delete(path);
      tell(path);
    },
    mkdir(path, mode = 0o755) {
      step("mkdir", path);
      if (!nodes.has(path)) make(path, "directory", mode);
    },
    readdir(path) {
      need(path);
      const prefix = path === "/" ? "/" : `${path}/`;
      return [...nodes.keys()]
        .filter(
          (name) => name.startsWith(prefix) && name !== path && !name.slice(prefix.length).includes("/"),
        )
        .map((name) => name.slice(prefix.length));
    },
    realpath(path) {
      need(path);
      return path;
    },
    readlink(path) {
      throw Object.assign(new Error(`EINVAL: ${path} is no link`), { code: "EINVAL" });
    },
    fsyncDirectory(path) {
      step("fsyncDirectory", path);
    },
    watchDirectory(path, changed) {
      need(path);
      const list = watchers.get(path) ?? new Set();
      watchers.set(path, list);
      list.add(changed);
      return () => void list.delete(changed);
    },
    fsType: () => 0xef53,
    nextData: (_fd, offset) => offset,
  };
  const disk: FakeDisk = {
    text: (path) => {
      const node = nodes.get(path);
      return node === undefined ? undefined : new TextDecoder().decode(node.data);
    },
    put: (path, text) => put(path, text, 0o600),
    fail: (call, code, times = 1) => void failures.push({ call, code, times }),
    calls,
  };
  return { files, disk };
}
