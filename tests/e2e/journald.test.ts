// The main job without a log file: sshd logs to a real journald, f2b reads it as it would the machine's. Who may write into the
// journal may not ban others with it, and what was counted before a crash counts once.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import {
  ableTo,
  configure,
  connects,
  type DaemonFiles,
  failLogin,
  type Lab,
  labMissing,
  openLab,
  type RunningDaemon,
  startDaemon,
  startJournaldAndSshd,
  until,
  type Within,
} from "../support/lab.ts";

const journald = ["/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald"].some((path) =>
  existsSync(path),
);
const able = ableTo(
  labMissing(["nft", "sshd", "ssh", "sshpass", "python3", "unshare", "nsenter", "logger", "journalctl"]) ??
    (journald ? undefined : "needs systemd-journald"),
  "brute force seen through journald",
);

interface Status {
  readonly backend: string;
  readonly failed: { readonly now: number; readonly total: number };
  readonly banned: { readonly now: number; readonly total: number };
}

describe.skipIf(!able)("a real brute force seen through a real journald", () => {
  let lab: Lab;
  let within: Within;
  beforeAll(async () => {
    lab = openLab(2);
    within = await startJournaldAndSshd(lab);
  }, 60_000);
  afterAll(() => lab?.close());

  const toml = (settings: string): string =>
    `[defaults]\nbanaction = "nftables"\n[jails.sshd]\nenabled = true\nbantime = "1h"\n${settings}\n`;
  const start = (files: DaemonFiles): Promise<RunningDaemon> => startDaemon(lab, files, [], within);
  const status = (daemon: RunningDaemon): Status =>
    JSON.parse(daemon.f2b("status", "sshd", "--json").stdout) as Status;

  const [attacker, neighbour] = [0, 1].map((n) => () => {
    const client = lab.clients[n];
    if (client === undefined) throw new Error("the lab has two clients");
    return client;
  }) as [() => Lab["clients"][number], () => Lab["clients"][number]];

  for (const [name, family, settings] of [
    ['backend = "systemd"', "v4", 'backend = "systemd"\nmaxretry = 3'],
    [
      'backend = "auto" and no log file',
      "v6",
      'backend = "auto"\nlogpath = ["/var/log/auth.log"]\nmaxretry = 3',
    ],
  ] as const) {
    test(`${name}: a ${family} client is shut out, another is not, nor is whom a local user names`, async () => {
      const files = configure(lab, toml(settings), `journald-${family}`);
      const daemon = await start(files);
      await until("the journal is read", () => status(daemon).backend === "journald");
      // A stranger with an account, and one who even calls his program sshd.
      const forged = "Failed password for root from 198.51.100.99 port 22 ssh2";
      const asSshd = join(lab.directory, "sshd");
      copyFileSync("/usr/bin/logger", asSshd);
      lab.server.run(["chmod", "755", lab.directory, asSshd]);
      for (const program of ["logger", asSshd])
        for (let i = 0; i < 5; i++) {
          const ran = lab.server.run([
            ...within,
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            program,
            "-t",
            "sshd",
            forged,
          ]);
          expect(ran).toMatchObject({ code: 0, stderr: "" });
        }

      const server = lab.server[family];
      for (let i = 0; i < 3; i++) expect(failLogin(attacker(), server)).toBe("refused login");
      await until("the attacker is banned", () => daemon.f2b("banned", attacker()[family]).code === 0, 3000);
      expect(connects(attacker(), server)).toBe(false);
      expect(connects(neighbour(), server)).toBe(true);
      expect(failLogin(neighbour(), server)).toBe("refused login");

      // What the local user wrote came before all this and is in the journal.
      const written = lab.server.run([...within, "journalctl", "-q", "-o", "cat", "_UID=65534"]).stdout;
      expect(written.split("\n").filter((line) => line === forged).length).toBeGreaterThanOrEqual(10);
      expect(daemon.f2b("banned", "198.51.100.99").code).toBe(1);
      expect(daemon.f2b("unban", "--all").code).toBe(0);
      await daemon.kill("SIGTERM");
    }, 90_000);
  }

  test("killed between two failures it goes on by cursor: each failure counts once", async () => {
    lab.server.run(["nft", "flush", "ruleset"]);
    const files = configure(lab, toml('backend = "systemd"\nfindtime = "1h"\nmaxretry = 10'), "cursor");
    let daemon = await start(files);
    const server = lab.server.v4;
    await until("the journal is read", () => status(daemon).backend === "journald");
    // Begun with the journal of the tests before: only what comes from here on is compared.
    await Bun.sleep(500);
    const before = status(daemon).failed.total;
    expect(failLogin(neighbour(), server)).toBe("refused login");
    await until("the first failure counts", () => status(daemon).failed.total === before + 1, 3000);
    await daemon.kill("SIGKILL");
    expect(failLogin(neighbour(), server)).toBe("refused login");
    daemon = await start(files);
    await until("the second is read after the fact", () => status(daemon).failed.total === before + 2, 3000);
    await daemon.kill("SIGKILL");
    daemon = await start(files);
    await Bun.sleep(700);
    expect(status(daemon).failed.total).toBe(before + 2);
    await daemon.kill("SIGTERM");
    daemon = await start(files);
    await Bun.sleep(700);
    expect(status(daemon).failed.total).toBe(before + 2);
    await daemon.kill("SIGTERM");
  }, 90_000);
});
