// Opens a log without being led astray: never waits (a FIFO), never reads what is no plain file, and follows a symbolic link only
// where whoever made it could have read the target anyway. A user who owns a log directory could otherwise have root read
// /etc/shadow, or have another service's lines counted as his own.

import { constants } from "node:fs";
import { dirname } from "node:path";
import type { FileStat, System } from "../system/index.ts";

export type Opened =
  | { readonly kind: "open"; readonly fd: number; readonly stat: FileStat; readonly real: string }
  | { readonly kind: "absent" }
  | { readonly kind: "refused"; readonly why: string };

export function openLog(system: System, path: string): Opened {
  const { files } = system;
  try {
    const planted = plantedLink(system, path);
    if (planted !== undefined) return { kind: "refused", why: planted };
    const before = files.stat(path);
    if (before === undefined) return { kind: "absent" };
    if (before.kind !== "file") return { kind: "refused", why: `${path} is a ${before.kind}, not a file` };
    const real = files.realpath(path);
    const fd = files.open(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const stat = files.fstat(fd);
    // Between the look and the open something else may have been put there.
    const why =
      stat.kind === "file" ? plantedFile(system, real, stat) : `${path} is a ${stat.kind}, not a file`;
    if (why === undefined) return { kind: "open", fd, stat, real };
    files.close(fd);
    return { kind: "refused", why };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { kind: "absent" };
    const why = code === "EACCES" || code === "EPERM" ? `${path} may not be read (${code})` : message;
    return { kind: "refused", why };
  }
}

/** A link counts as the system's own when root or the daemon's user made it, or when it leads to what its maker owns. */
function plantedLink(system: System, path: string): string | undefined {
  const self = process.geteuid?.() ?? 0;
  for (let part = path; part !== "/" && part !== "."; part = dirname(part)) {
    const link = system.files.lstat(part);
    if (link?.kind !== "symlink" || link.uid === 0 || link.uid === self) continue;
    const target = system.files.stat(part);
    if (target !== undefined && target.uid !== link.uid)
      return `${part} is a symbolic link made by user ${link.uid} to ${system.files.realpath(part)}, which belongs to user ${target.uid}; not followed`;
  }
  return undefined;
}

/** Where anybody may put files (mode o+w), a log of somebody who is neither root, ourselves nor the directory's owner is anybody's. */
function plantedFile(system: System, real: string, file: FileStat): string | undefined {
  const self = process.geteuid?.() ?? 0;
  const directory = system.files.stat(dirname(real));
  if (directory === undefined || (directory.mode & 0o002) === 0) return undefined;
  if (file.uid === 0 || file.uid === self || file.uid === directory.uid) return undefined;
  return `${real} belongs to user ${file.uid} and stands in ${dirname(real)}, where everybody may put files; not read`;
}
