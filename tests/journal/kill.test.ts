// The same promise with the real thing: a real process on a real disk, killed with SIGKILL again and again at moments of chance.

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addressTarget } from "../../src/core/address.ts";
import type { JailName } from "../../src/core/domain.ts";
import { countLive, liveBan } from "../../src/core/state.ts";
import { openJournal } from "../../src/journal/journal.ts";
import { realSystem } from "../../src/system/real.ts";
import { address } from "./killed.ts";

const rounds = 30;

test("a process killed at any moment loses no ban that it has written", async () => {
  const directory = mkdtempSync(join(tmpdir(), "f2b-kill-"));
  try {
    let known = 0;
    let torn = 0;
    for (let round = 0; round < rounds; round++) {
      const child = Bun.spawn(
        [process.execPath, join(import.meta.dir, "killed.ts"), join(directory, "state")],
        { stdout: "pipe", stderr: "inherit" },
      );
      let said = "";
      const decoder = new TextDecoder();
      const killAfter = 3 + ((round * 7919) % 400);
      for await (const piece of child.stdout) {
        said += decoder.decode(piece, { stream: true });
        expect(said).not.toContain("refused");
        if (said.split("\n").length > killAfter) child.kill("SIGKILL");
      }
      expect(await child.exited).not.toBe(0);
      const written = Math.max(
        known - 1,
        ...[...said.matchAll(/^w (\d+)$/gm)].map((match) => Number(match[1])),
      );
      const opened = openJournal({
        system: realSystem({ say: () => undefined }),
        directory: join(directory, "state"),
        dbpurgeage: "forever",
      });
      if (!opened.ok) throw new Error(JSON.stringify(opened.faults));
      const { journal, state, damage } = opened.value;
      torn += damage.length;
      // One more may have been written that it had no time to speak of.
      expect([written + 1, written + 2]).toContain(countLive(state));
      for (let n = 0; n <= written; n++)
        expect(liveBan(state, "sshd" as JailName, addressTarget(address(n)))).toBeDefined();
      known = countLive(state);
      journal.close();
    }
    console.log(`killed ${rounds} times, ${known} bans, all there; torn or damaged records found: ${torn}`);
    expect(known).toBeGreaterThan(rounds);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}, 120_000);
