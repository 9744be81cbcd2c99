// Killed in its first moments, before anything failed: what is written until the next start counts, also when the log was rotated
// meanwhile. The compiled executable, run dry.

import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ableTo, executable } from "../support/lab.ts";

const able = ableTo(
  existsSync(executable) ? undefined : "needs dist/f2b (npm run build)",
  "an early death of the executable",
);

describe.skipIf(!able)("an early death", () => {
  const directory = able ? mkdtempSync(join(tmpdir(), "f2b-early-")) : "";
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "f2b.toml");
  const log = join(directory, "auth.log");
  const socket = join(directory, "f2b.sock");

  const start = () =>
    Bun.spawn([executable, "daemon", "--dry-run", "-c", path], { stderr: "pipe", stdout: "ignore" });
  const json = (...words: readonly string[]) =>
    spawnSync(executable, [...words, "--json", "-s", socket], { encoding: "utf8", timeout: 8000 }).stdout;
  const failures = (count: number) =>
    appendFileSync(
      log,
      `${new Date().toISOString()} host sshd[7]: Failed password for root from 192.0.2.7 port 22 ssh2\n`.repeat(
        count,
      ),
    );
  async function until(what: string, isSo: () => boolean): Promise<void> {
    const end = performance.now() + 8000;
    while (!isSo()) {
      if (performance.now() > end) throw new Error(`not seen: ${what}`);
      await Bun.sleep(20);
    }
  }

  test("loses no line", async () => {
    writeFileSync(log, "");
    writeFileSync(
      path,
      `[daemon]\nsocket = "${socket}"\nstatedir = "${directory}/state"
[jails.sshd]\nenabled = true\nmaxretry = 3\nbackend = "inotify"\nlogpath = "${log}"\n`,
      { mode: 0o600 },
    );
    const first = start();
    await until("it runs", () => json("status").includes('"running"'));
    await Bun.sleep(300);
    first.kill("SIGKILL");
    await first.exited;
    failures(2);
    renameSync(log, `${log}.1`);
    failures(1);
    const second = start();
    await until("the ban", () => json("banned").includes("192.0.2.7"));
    second.kill("SIGTERM");
    expect(await second.exited).toBe(0);
  });
});
