// One daemon a state directory. Every starter appends a line with its pid, its start time and the boot to the lock file, then reads the
// file: the first line of a process that still lives is the owner. Appending is atomic, so two that start at once see the same order;
// lines of the dead count for nothing, so a crash leaves no stale lock; start time and boot tell a pid that was given out again.
// Processes of other pid namespaces (a state directory shared by containers) cannot be seen.

import type { Fault } from "../core/domain.ts";
import type { Files, System } from "../system/index.ts";

export interface Lock {
  release(): void;
}

interface Holder {
  readonly pid: number;
  readonly line: string;
}

const longest = 64 * 1024;

/** A Fault names the living owner. An Error is a disk that does not let us lock; whoever calls decides whether to go on. */
export function takeLock(
  { files, clock }: System,
  path: string,
  nonce: string,
  pid = process.pid,
): Lock | Fault | Error {
  const boot = clock.bootId();
  const line = `${pid} ${startTime(files, pid) ?? "?"} ${boot} ${nonce}`;
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      const there = files.lstat(path);
      if (there !== undefined && there.kind !== "file")
        return { what: `${path} is a ${there.kind}, not a file`, fix: `remove ${path}` };
      const fd = files.open(path, "a+", 0o600);
      try {
        // The line feed before it: the line of one that died while writing must not swallow ours.
        files.write(fd, Buffer.from(`\n${line}\n`));
        const { size, ino } = files.fstat(fd);
        const owner = firstAlive(files, readAll(files, fd, size), boot, line);
        if (files.stat(path)?.ino !== ino) continue; // replaced or released meanwhile
        if (owner !== undefined && owner.line !== line) return refused(path, owner);
        if (size > longest) files.replaceFile(path, `${line}\n`, 0o600);
        return { release: () => release(files, path) };
      } finally {
        files.close(fd);
      }
    }
    return new Error(`${path} keeps changing`);
  } catch (error) {
    const owner = lockOwner({ files, clock }, path);
    return owner === undefined ? (error as Error) : refused(path, owner);
  }
}

/** The living process that holds the lock, if any. */
export function lockOwner(
  { files, clock }: Pick<System, "files" | "clock">,
  path: string,
): Holder | undefined {
  try {
    return firstAlive(files, Buffer.from(files.readFile(path)).toString("latin1"), clock.bootId());
  } catch {
    return undefined; // no lock file, or none that can be read: nobody holds it
  }
}

const refused = (path: string, owner: Holder): Fault => ({
  what: `another f2b daemon (pid ${owner.pid}) uses this state directory`,
  why: `${path} names it, and it is running`,
  fix: `f2b stop, or set another [daemon] statedir`,
});

function release(files: Files, path: string): void {
  try {
    files.unlink(path);
  } catch {
    // Gone already, or a disk that takes nothing: our line is that of a dead process soon.
  }
}

function readAll(files: Files, fd: number, size: number): string {
  const bytes = Buffer.alloc(size);
  let at = 0;
  while (at < size) {
    const got = files.read(fd, bytes, at, size - at, at);
    if (got === 0) break;
    at += got;
  }
  return bytes.toString("latin1", 0, at);
}

function firstAlive(files: Files, text: string, boot: string, own?: string): Holder | undefined {
  for (const line of text.split("\n")) {
    const [pid, start, itsBoot, nonce] = line.split(" ");
    if (nonce === undefined || itsBoot !== boot || !/^\d{1,10}$/.test(pid ?? "")) continue;
    if (line === own || startTime(files, Number(pid)) === start) return { pid: Number(pid), line };
  }
  return undefined;
}

/** Field 22 of /proc/PID/stat (proc(5)): clock ticks after boot; the name before it may hold anything, so count from its last ")". */
function startTime(files: Files, pid: number): string | undefined {
  try {
    const stat = Buffer.from(files.readFile(`/proc/${pid}/stat`)).toString("latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined; // no such process
  }
}
