// PS-03 with a real file system of 256 KiB that fills up, loses its inodes, turns read-only, and comes back.

import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const can = spawnSync("unshare", ["-m", "sh", "-c", "mount -t tmpfs none /mnt"]).status === 0;
if (!can) {
  console.log("tests/journal/full.test.ts: skipped, mounting needs root and unshare(1)");
  if (process.env.CI) throw new Error("must run in CI");
}

test.skipIf(!can)(
  "a small file system fills up, loses its inodes, turns read-only, and comes back: no ban is lost",
  () => {
    const root = mkdtempSync(join(tmpdir(), "f2b-full-"));
    try {
      const script = 'mount -t tmpfs -o size=256k,nr_inodes=24,mode=700 none "$1" && exec "$2" "$3" "$1"';
      const { status, stdout, stderr } = spawnSync(
        "unshare",
        ["-m", "sh", "-c", script, "sh", root, process.execPath, join(import.meta.dir, "full.ts")],
        { encoding: "utf8", timeout: 60_000 },
      );
      if (status !== 0) console.log(stdout, stderr);
      expect(stdout).toContain("all as it should be");
      expect(status).toBe(0);
    } finally {
      rmdirSync(root);
    }
  },
);
