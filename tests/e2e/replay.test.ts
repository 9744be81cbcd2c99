// `f2b replay` promises what the daemon would have done. A real log (2,000 lines of an attacked OpenSSH server) goes through both: in one
// go through replay, and in pieces of any size into a file that the running daemon follows.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ableTo,
  configure,
  type DaemonFiles,
  executable,
  type Lab,
  labMissing,
  openLab,
  startDaemon,
  until,
} from "../support/lab.ts";

const corpus = join(import.meta.dir, "../../../shared/corpus/raw/OpenSSH_2k.log");
// The corpus is a neighbour of the repository, not a part of it: its absence is no failure of CI.
if (!existsSync(corpus))
  console.warn("skipped: replay against the daemon: ../shared/corpus/raw/OpenSSH_2k.log is not here");
const able = existsSync(corpus) && ableTo(labMissing(["nft"]), "replay against the daemon");

interface Replayed {
  readonly lines: number;
  readonly trials: readonly {
    readonly settings: string;
    readonly jails: readonly { readonly failures: number }[];
    readonly bans: readonly { readonly target: string }[];
  }[];
}
interface Status {
  readonly failed: { readonly total: number };
  readonly bans: readonly { readonly target: string }[];
}

const targets = (bans: readonly { readonly target: string }[] | undefined): string[] =>
  [...new Set(bans?.map((ban) => ban.target))].sort();

describe.skipIf(!able)("a replay of a real log", () => {
  let lab: Lab;
  beforeAll(() => {
    lab = openLab(0);
  });
  afterAll(() => lab?.close());

  const configured = (name: string, log: string, maxretry: number): DaemonFiles =>
    configure(
      lab,
      `[defaults]\nbanaction = "nftables"\nfindtime = "1d"\nbantime = "1d"\n[jails.sshd]\nenabled = true\nbackend = "inotify"\nlogpath = ["${log}"]\nmaxretry = ${maxretry}\n`,
      name,
    );

  for (const maxretry of [1, 3, 5, 20]) {
    test(`names exactly whom the daemon bans for the same lines (maxretry = ${maxretry})`, async () => {
      const log = join(lab.directory, `auth${maxretry}.log`);
      writeFileSync(log, "");
      const files = configured(`replay${maxretry}`, log, maxretry);
      const daemon = await startDaemon(lab, files);
      const asked = daemon.f2b("replay", corpus, "--json");
      expect(asked).toMatchObject({ code: 0, stderr: "" });
      const replayed = JSON.parse(asked.stdout) as Replayed;
      expect(replayed.lines).toBe(2000);
      const expected = targets(replayed.trials[0]?.bans);
      expect(expected.length).toBeGreaterThan(3);

      const bytes = readFileSync(corpus);
      for (let from = 0; from < bytes.length; ) {
        const size = 1 + Math.floor(Math.random() * 20_000);
        appendFileSync(log, bytes.subarray(from, from + size));
        from += size;
        await Bun.sleep(5);
      }
      // The corpus does not end in a line feed everywhere it is kept.
      if (bytes.at(-1) !== 10) appendFileSync(log, "\n");
      const status = (): Status => JSON.parse(daemon.f2b("status", "sshd", "--json").stdout) as Status;
      let last = -1;
      await until(
        "all lines are judged",
        () => {
          const { total } = status().failed;
          const still = total === last && total > 0;
          last = total;
          return still;
        },
        10_000,
        300,
      );
      expect(targets(status().bans)).toEqual(expected);
      await daemon.kill("SIGTERM");
      lab.server.run(["nft", "flush", "ruleset"]);
    }, 60_000);
  }

  test("touches nothing: no daemon, no state, no rule; and trials stand beside the present settings", () => {
    const files = configured("alone", "/nonexistent/auth.log", 5);

    const ran = lab.server.run([
      executable,
      "replay",
      corpus,
      "--json",
      "--set",
      "sshd.maxretry=1",
      "--set",
      "sshd.maxretry=1000",
      "-c",
      files.config,
    ]);
    expect(ran.code).toBe(0);
    const { trials } = JSON.parse(ran.stdout) as Replayed;
    expect(trials.map(({ settings }) => settings)).toEqual([
      "as configured",
      "sshd.maxretry=1",
      "sshd.maxretry=1000",
    ]);
    const [present, strict, lax] = trials.map(({ bans }) => targets(bans));
    expect(present?.filter((one) => strict?.includes(one))).toEqual(present ?? []);
    expect(strict?.length).toBeGreaterThan(present?.length ?? 0);
    expect(lax).toEqual([]);
    expect(lab.server.run(["nft", "list", "ruleset"]).stdout).toBe("");
    expect(lab.server.run(["ls", files.state]).stdout).toBe("");
  }, 30_000);

  test("an old log that is there when the daemon starts bans nobody: its times count", async () => {
    const log = join(lab.directory, "old.log");
    writeFileSync(log, readFileSync(corpus));
    const daemon = await startDaemon(lab, configured("old", log, 1));
    await Bun.sleep(500);
    expect(targets((JSON.parse(daemon.f2b("status", "sshd", "--json").stdout) as Status).bans)).toEqual([]);
    await daemon.kill("SIGTERM");
  }, 30_000);
});
