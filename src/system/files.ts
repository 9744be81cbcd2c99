// The disk. Everything is synchronous: the journal's promises are promises about order, and reads of logs are bounded pieces.

import fs from "node:fs";
import { dirname } from "node:path";
import type { FileStat, Files } from "./index.ts";
import { inotifyWatch } from "./inotify.ts";
import { libc } from "./libc.ts";

export function realFiles(): Files {
  return {
    open: (path, flags, mode) => fs.openSync(path, flags, mode),
    close: (fd) => fs.closeSync(fd),
    read: (fd, buffer, offset, length, position) => fs.readSync(fd, buffer, offset, length, position),
    write: (fd, data) => fs.writeSync(fd, data),
    fsync: (fd) => fs.fsyncSync(fd),
    flush: (fd) =>
      new Promise((resolve, reject) => {
        fs.fdatasync(fd, (error) => (error === null ? resolve() : reject(error)));
      }),
    ftruncate: (fd, length) => fs.ftruncateSync(fd, length),
    fstat: (fd) => toStat(fs.fstatSync(fd)),
    stat: (path) => absent(() => toStat(fs.statSync(path))),
    lstat: (path) => absent(() => toStat(fs.lstatSync(path))),
    readFile: (path) => fs.readFileSync(path),
    writeFile: (path, data, mode) => fs.writeFileSync(path, data, mode === undefined ? {} : { mode }),
    replaceFile,
    rename: (from, to) => fs.renameSync(from, to),
    unlink: (path) => fs.unlinkSync(path),
    mkdir: (path, mode) => {
      fs.mkdirSync(path, { recursive: true, ...(mode === undefined ? {} : { mode }) });
    },
    readdir: (path) => fs.readdirSync(path),
    realpath: (path) => fs.realpathSync(path),
    readlink: (path) => fs.readlinkSync(path),
    fsyncDirectory,
    watchDirectory(path, changed) {
      const direct = inotifyWatch(path, changed);
      if (direct !== undefined) return direct;
      const watcher = fs.watch(path, (_event, name) => {
        changed(name ?? undefined);
        // Bun says nothing of a change that follows within a millisecond.
        setTimeout(changed, 3, name ?? undefined);
      });
      // A watch that breaks later (directory removed, limit reached) is told as a change: watchers look again anyway.
      watcher.on("error", () => changed(undefined));
      return () => watcher.close();
    },
    fsType: (path) => fs.statfsSync(path).type >>> 0,
    nextData(fd, offset) {
      const SEEK_DATA = 3;
      const at = Number(libc()?.lseek(fd, offset, SEEK_DATA) ?? -1);
      return Math.max(at, offset);
    },
  };
}

/** Undefined where nothing is; every other error (no permission, loop of links) is thrown. */
function absent(look: () => FileStat): FileStat | undefined {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function toStat(stat: fs.Stats): FileStat {
  return {
    kind: kindOf(stat),
    dev: stat.dev,
    ino: stat.ino,
    size: stat.size,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    mtimeMs: stat.mtimeMs,
  };
}

function kindOf(stat: fs.Stats): FileStat["kind"] {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isFIFO()) return "fifo";
  if (stat.isSocket()) return "socket";
  return "device";
}

/** After it returns the new text is on disk under the name; whatever happens meanwhile, the name holds the old or the new. */
function replaceFile(path: string, data: string | Uint8Array, mode = 0o600): void {
  const temporary = `${path}.new-${process.pid}`;
  // O_EXCL: a link planted under the temporary name is not followed.
  fs.rmSync(temporary, { force: true });
  const fd = fs.openSync(temporary, "wx", mode);
  try {
    try {
      fs.fchmodSync(fd, mode);
      writeAll(fd, typeof data === "string" ? new TextEncoder().encode(data) : data);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, path);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  fsyncDirectory(dirname(path));
}

function writeAll(fd: number, data: Uint8Array): void {
  let done = 0;
  while (done < data.length) done += fs.writeSync(fd, data, done);
}

function fsyncDirectory(path: string): void {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
