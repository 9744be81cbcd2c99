// One daemon a firewall. Two with states of their own would take each other's bans away, each believing that somebody had damaged its
// part. The claim is a name in the abstract namespace of unix sockets, which belongs to the network namespace as the firewall does, and
// is gone with its owner. Anybody may hold a name there: one whose maker is not root (or ourselves, or the service's user) stops nobody.

import type { Fault } from "../core/domain.ts";
import { holdName } from "../system/datagram.ts";
import type { Files } from "../system/index.ts";

export interface Claim {
  /** Why it could not be made although nobody is known to stand in the way; bans go on. */
  readonly doubt: string | undefined;
  release(): void;
}

const usualName = "@f2b-firewall";
/** Whom the service runs as where it does not need root; made for it alone. */
export const serviceUser = "f2b";

/** A Fault names the daemon that has it. */
export function claimFirewall(files: Files, name = usualName): Claim | Fault {
  const held = holdName(name);
  if (typeof held === "function") return { doubt: undefined, release: held };
  const doubtful = (doubt: string): Claim => ({ doubt, release: () => undefined });
  if (held === undefined) return doubtful("names of sockets cannot be held here");
  const holder = holderOf(files, name);
  if (holder === undefined) return doubtful(`${name} is held, but not by whom`);
  const own = [0, process.geteuid?.() ?? 0, uidOf(files, serviceUser)];
  if (!own.includes(holder.uid)) return doubtful(`user ${holder.uid} holds ${name}`);
  return {
    what: `another f2b daemon (pid ${holder.pid}) keeps the firewall here, with a state of its own`,
    why: "two would take each other's bans away",
    fix: "f2b stop, or start this one with --dry-run or in another network namespace",
  };
}

/**
 * proc(5): /proc/net/unix has the socket's inode, and who has it open. The user is the socket's, not the process': whoever makes one may
 * hand it to a program that runs as root (su, asking for a password).
 */
function holderOf(files: Files, name: string): { readonly pid: number; readonly uid: number } | undefined {
  const line = quietly(() => Buffer.from(files.readFile("/proc/net/unix")).toString("latin1"))
    ?.split("\n")
    .find((one) => one.endsWith(` ${name}`));
  const inode = line?.trim().split(/\s+/)[6];
  if (inode === undefined) return undefined;
  for (const pid of files.readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const fds = quietly(() => files.readdir(`/proc/${pid}/fd`)) ?? [];
    const its = fds
      .map((fd) => `/proc/${pid}/fd/${fd}`)
      .find((path) => quietly(() => files.readlink(path)) === `socket:[${inode}]`);
    const uid = its === undefined ? undefined : quietly(() => files.stat(its)?.uid);
    if (uid !== undefined) return { pid: Number(pid), uid };
  }
  return undefined;
}

/** passwd(5) */
function uidOf(files: Files, user: string): number | undefined {
  const passwd = quietly(() => Buffer.from(files.readFile("/etc/passwd")).toString("latin1")) ?? "";
  const uid = new RegExp(`^${user}:[^:]*:(\\d+):`, "m").exec(passwd)?.[1];
  return uid === undefined ? undefined : Number(uid);
}

/** Processes end while they are looked at, and some are not for our eyes. */
function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
