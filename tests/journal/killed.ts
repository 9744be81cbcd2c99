// Run by kill.test.ts and killed by it: bans one address after the other, and says so on standard output once the journal has taken
// it ("w N"), once it is on disk ("d N"). Every now and then the file is written anew.

import { writeSync } from "node:fs";
import { addressTarget, bytesToAddress } from "../../src/core/address.ts";
import type { JailName } from "../../src/core/domain.ts";
import { apply, countLive } from "../../src/core/state.ts";
import { openJournal } from "../../src/journal/journal.ts";
import { realSystem } from "../../src/system/real.ts";

export const address = (n: number) =>
  bytesToAddress(new Uint8Array([10, (n >> 16) & 255, (n >> 8) & 255, n & 255]));

if (import.meta.main) {
  const [, , directory = ""] = process.argv;
  const opened = openJournal({
    system: realSystem({ say: () => undefined }),
    directory,
    dbpurgeage: "forever",
  });
  if (!opened.ok) {
    writeSync(1, `refused ${JSON.stringify(opened.faults)}\n`);
    process.exit(1);
  }
  const { journal, state } = opened.value;
  for (let n = countLive(state); ; n++) {
    const now = Date.now();
    const record = {
      t: "ban",
      ban: {
        jail: "sshd" as JailName,
        target: addressTarget(address(n)),
        since: now,
        until: "forever",
        nth: 1,
        cause: "failures",
        failures: 5,
        lines: [],
      },
    } as const;
    apply(state, record);
    const durable = journal.append([record]);
    writeSync(1, `w ${n}\n`);
    if (n % 40 === 0) void journal.compact();
    if (n % 5 === 0) {
      await durable;
      writeSync(1, `d ${n}\n`);
    }
  }
}
