// Run by full.test.ts in a mount namespace of its own, on a file system of 256 KiB at argv[2]: fills it, makes room, makes it
// read-only and writable again, and says what the journal makes of it. Exits 0 when all was as it should be.

import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { addressTarget } from "../../src/core/address.ts";
import type { JailName } from "../../src/core/domain.ts";
import { apply, countLive } from "../../src/core/state.ts";
import { openJournal } from "../../src/journal/journal.ts";
import { realSystem } from "../../src/system/real.ts";
import { eventually } from "../support/time.ts";
import { address } from "./killed.ts";

const [, , root = ""] = process.argv;
const directory = join(root, "state");
const open = () => {
  const opened = openJournal({
    system: realSystem({ say: (level, text) => console.log(level, text) }),
    directory,
    dbpurgeage: "forever",
  });
  if (!opened.ok) throw new Error(JSON.stringify(opened.faults));
  return opened.value;
};
const { journal, state } = open();
let n = 0;
const ban = (): Promise<boolean> => {
  const now = Date.now();
  const record = {
    t: "ban",
    ban: {
      jail: "sshd" as JailName,
      target: addressTarget(address(n++)),
      since: now,
      until: "forever",
      nth: 1,
      cause: "failures",
      failures: 5,
      lines: [],
    },
  } as const;
  apply(state, record);
  return journal.append([record]);
};
const must = (what: string, holds: boolean): void => {
  if (!holds) throw new Error(`not so: ${what}`);
};
const well = () =>
  eventually("the journal is well again", () => journal.state().degraded === undefined, 20_000);
const agree = (): void => {
  journal.close();
  const again = open();
  must(`all ${n} bans are there, not ${countLive(again.state)}`, countLive(again.state) === n);
  must("nothing was damaged", again.damage.length === 0);
  again.journal.close();
};

must("it starts well", await ban());
const ballast = join(root, "ballast");
writeFileSync(ballast, Buffer.alloc(200 * 1024));
while (journal.state().degraded === undefined) await ban();
must("the disk is full", journal.state().degraded?.includes("ENOSPC") === true);
for (let i = 0; i < 20; i++) must("bans in memory are not told as durable", !(await ban()));
rmSync(ballast);
await well();
must("it is durable again", await ban());

// A tmpfs is not made read-only while a file is open for writing; the kernel's own way to do it is forced by a bind mount.
execFileSync("mount", ["--bind", root, root]);
execFileSync("mount", ["-o", "remount,ro,bind", root]);
must("writing through the open file goes on", await ban());
must("but it cannot be written anew", !(await journal.compact()));
must("which is no trouble yet", journal.state().degraded === undefined);
execFileSync("umount", [root]);
must("and then it can", await journal.compact());
must("nothing lies about", readdirSync(directory).sort().join(" ") === "journal lock");
agree();

// No inodes: the first start on a full disk.
rmSync(directory, { recursive: true });
for (let i = 0; ; i++) {
  try {
    writeFileSync(join(root, `inode-${i}`), "");
  } catch {
    break;
  }
}
const late = open();
must("a start without inodes is a start", late.journal.state().degraded?.includes("ENOSPC") === true);
for (const name of readdirSync(root)) if (name.startsWith("inode-")) rmSync(join(root, name));
await eventually("it begins to keep", () => late.journal.state().degraded === undefined, 20_000);
late.journal.close();
console.log(`all as it should be, ${n} bans`);
process.exit(0);
