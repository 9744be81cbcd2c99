// Opens a log without being led astray: never waits (a FIFO), never reads what is no plain file, and follows a symbolic link only
// where whoever made it could have read the target anyway. A user who owns a log directory could otherwise have root read
// /etc/shadow, or have another service's lines counted as his own.

import { constants } from "node:fs";
import { dirname, resolve } from "node:path";
import type { FileStat, System } from "../system/index.ts";

export type Opened =
  | { readonly kind: "open"; readonly fd: number; readonly stat: FileStat; readonly real: string }
  | { readonly kind: "absent" }
  | { readonly kind: "refused"; readonly why: string };

/** A rotation between the look and the open is no attack, and over at the next look. */
const mostLooks = 3;

export function openLog(system: System, path: string, looks = 1): Opened {
  const { files } = system;
  try {
    const way = follow(system, resolve(path));
    if (way === "loop") return { kind: "refused", why: `${path} is a loop of symbolic links` };
    const before = way === undefined ? undefined : files.stat(way.real);
    if (way === undefined || before === undefined) return { kind: "absent" };
    const wrong = refusal(system, path, way, before);
    if (wrong !== undefined) return { kind: "refused", why: wrong };
    const fd = files.open(way.real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    // Between the look and the open something else may have been put there.
    const stat = files.fstat(fd);
    const other = swapped(system, fd, way.real);
    const why = other ?? refusal(system, path, way, stat);
    if (why === undefined) return { kind: "open", fd, stat, real: way.real };
    files.close(fd);
    return other !== undefined && looks < mostLooks
      ? openLog(system, path, looks + 1)
      : { kind: "refused", why };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { kind: "absent" };
    const why = code === "EACCES" || code === "EPERM" ? `${path} may not be read (${code})` : message;
    return { kind: "refused", why };
  }
}

/** Why what stands there is not to be read. */
function refusal(system: System, path: string, way: Way, file: FileStat): string | undefined {
  if (file.kind !== "file") return `${path} is a ${file.kind}, not a file`;
  return plantedLink(path, way, file) ?? plantedFile(system, way.real, file);
}

interface Way {
  /** The path without a symbolic link in it. */
  readonly real: string;
  /** Every link that was followed, wherever it stood: a link of root may lead into a directory of somebody else's. */
  readonly links: readonly { readonly path: string; readonly uid: number }[];
}

/** As many links as the kernel follows (path_resolution(7)). */
const mostLinks = 40;

/** Goes the way itself, instead of asking for its end, in order to see who made each link. Undefined where it leads to nothing. */
function follow({ files }: System, path: string): Way | "loop" | undefined {
  const links: { path: string; uid: number }[] = [];
  const ahead = path.split("/");
  let at = "";
  for (let part = ahead.shift(); part !== undefined; part = ahead.shift()) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
      continue;
    }
    const here = `${at}/${part}`;
    const stat = files.lstat(here);
    if (stat === undefined) return undefined;
    if (stat.kind !== "symlink") {
      at = here;
      continue;
    }
    if (links.length === mostLinks) return "loop";
    links.push({ path: here, uid: stat.uid });
    const to = files.readlink(here);
    if (to.startsWith("/")) at = "";
    ahead.unshift(...to.split("/"));
  }
  return { real: at, links };
}

/** The kernel knows what was opened: not what was looked at when a directory on the way became a link meanwhile. */
function swapped({ files }: System, fd: number, real: string): string | undefined {
  let opened: string;
  try {
    opened = files.readlink(`/proc/self/fd/${fd}`);
  } catch {
    return undefined; // no /proc
  }
  return opened === real || opened === `${real} (deleted)`
    ? undefined
    : `${real} was ${opened} when it was opened; not read`;
}

/** A link counts as the system's own when root or the daemon's user made it, or when it leads to what its maker owns. */
function plantedLink(path: string, { links, real }: Way, target: FileStat): string | undefined {
  const self = process.geteuid?.() ?? 0;
  const planted = links.find(({ uid }) => uid !== 0 && uid !== self && uid !== target.uid);
  if (planted === undefined) return undefined;
  return `${planted.path} is a symbolic link made by user ${planted.uid} to ${real}, which belongs to user ${target.uid}; ${path} is not read`;
}

/** Where anybody may put files (mode o+w), a log of somebody who is neither root, ourselves nor the directory's owner is anybody's. */
function plantedFile(system: System, real: string, file: FileStat): string | undefined {
  const self = process.geteuid?.() ?? 0;
  const directory = system.files.stat(dirname(real));
  if (directory === undefined || (directory.mode & 0o002) === 0) return undefined;
  if (file.uid === 0 || file.uid === self || file.uid === directory.uid) return undefined;
  return `${real} belongs to user ${file.uid} and stands in ${dirname(real)}, where everybody may put files; not read`;
}
