// Watches directories, never files: a watch on a file goes silent when the file is renamed. Events are hints; whoever uses this looks
// at everything every few seconds regardless. Where the kernel cannot watch (network file systems, no watches left) it says so once
// and asks for polling.

import type { System } from "../system/index.ts";
import type { SourceNotice } from "./index.ts";

/** File systems on which writers elsewhere cause no event here, by statfs(2) type. */
const UNWATCHABLE: Readonly<Record<number, string>> = {
  26985: "NFS",
  20859: "SMB",
  4283649346: "CIFS",
  4266872130: "SMB2",
  16914839: "9P",
  1702057286: "FUSE",
  12805120: "Ceph",
  1397113167: "AFS",
  2020557398: "vboxsf",
  198183888: "Lustre",
  18225520: "GFS2",
  1952539503: "OCFS2",
};

/** True where the path lies on a file system that tells of no changes made elsewhere. Throws where there is nothing. */
export const isNetwork = (system: System, path: string): boolean =>
  UNWATCHABLE[system.files.fsType(path)] !== undefined;

export interface Watches {
  /** From now on exactly these directories. Re-made ones are watched anew. */
  set(directories: ReadonlySet<string>): void;
  /** Some directory cannot be watched: everything in it has to be looked at often. */
  readonly polling: boolean;
  close(): void;
}

interface Watch {
  readonly identity: string;
  readonly stop: () => void;
  readonly polled: boolean;
}

export function createWatches(
  system: System,
  changed: (directory: string, name: string | undefined) => void,
  notice: (kind: SourceNotice["kind"], source: string, text: string) => void,
): Watches {
  const watches = new Map<string, Watch>();
  const polled = (path: string, identity: string, why: string): Watch => {
    notice("polling", path, `${path} is looked at several times a second: ${why}`);
    return { identity, stop: () => undefined, polled: true };
  };
  const open = (path: string, identity: string): Watch => {
    try {
      const network = UNWATCHABLE[system.files.fsType(path)];
      if (network !== undefined) return polled(path, identity, `changes on ${network} are not told`);
      const stop = system.files.watchDirectory(path, (name) => changed(path, name));
      return { identity, stop, polled: false };
    } catch (error) {
      return polled(
        path,
        identity,
        `it cannot be watched (${(error as NodeJS.ErrnoException).code ?? error})`,
      );
    }
  };
  const drop = (path: string) => {
    watches.get(path)?.stop();
    watches.delete(path);
  };
  return {
    set(directories) {
      for (const path of [...watches.keys()]) {
        if (!directories.has(path)) drop(path);
      }
      for (const path of directories) {
        const identity = identityOf(system, path);
        if (watches.get(path)?.identity === identity) continue;
        drop(path);
        if (identity !== undefined) watches.set(path, open(path, identity));
      }
    },
    get polling() {
      return [...watches.values()].some((watch) => watch.polled);
    },
    close() {
      for (const path of [...watches.keys()]) drop(path);
    },
  };
}

function identityOf(system: System, path: string): string | undefined {
  try {
    const stat = system.files.stat(path);
    return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
  } catch {
    return undefined;
  }
}
