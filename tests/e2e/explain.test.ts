// The questions of three in the morning, asked of the compiled executable: why is he out, why is he not, and how does he get in again.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ableTo,
  configure,
  type DaemonFiles,
  executable,
  type Lab,
  labMissing,
  openLab,
  type RunningDaemon,
  startDaemon,
  until,
} from "../support/lab.ts";

const able = ableTo(labMissing(["nft"]), "f2b explain against a running daemon");

const stamp = (): string => {
  const at = new Date();
  return `${at.toLocaleString("en", { month: "short" })} ${String(at.getDate()).padStart(2)} ${at.toTimeString().slice(0, 8)}`;
};
const failure = (address: string, user = "root"): string =>
  `${stamp()} web1 sshd[812]: Failed password for ${user} from ${address} port 4022 ssh2\n`;

describe.skipIf(!able)("an operator asks", () => {
  let lab: Lab;
  let log: string;
  let daemon: RunningDaemon;
  let files: DaemonFiles;
  const start = async (): Promise<void> => {
    files = configure(
      lab,
      `[defaults]
banaction = "nftables"
findtime = "1h"
bantime = "1h"
ignoreip = ["192.0.2.99"]
[jails.sshd]
enabled = true
backend = "inotify"
logpath = ["${log}"]
maxretry = 3
prefix = { ladder = [{ family = 4, bits = 24, members = 3 }] }
[jails.bad]
enabled = true
logpath = ["${log}"]
failregex = ['^failed from (\\d+)$']
[jails.users]
enabled = true
backend = "inotify"
logpath = ["${log}.users"]
maxretry = 1
failregex = ['^\\S+ locked out: <F-ID>\\w+</F-ID>$']
banaction = { name = "command", ban = ["true", "{ip}"], unban = ["true", "{ip}"] }
`,
      "explain",
    );
    daemon = await startDaemon(lab, files);
  };
  beforeAll(async () => {
    lab = openLab(1);
    log = join(lab.directory, "auth.log");
    writeFileSync(log, "");
    writeFileSync(`${log}.users`, "");
    await start();
  });
  afterAll(() => lab?.close());
  const judged = (lines: number): Promise<void> =>
    until(
      `${lines} lines are judged`,
      () =>
        (JSON.parse(daemon.f2b("status", "sshd", "--json").stdout) as { failed: { total: number } }).failed
          .total === lines,
    );

  test("of who is below maxretry, ignored, counted with his network, never seen; a broken jail says what to mend", async () => {
    appendFileSync(log, failure("192.0.2.1").repeat(2) + failure("192.0.2.99") + failure("2001:db8:7::1"));
    await judged(4);
    const asked = daemon.f2b("explain", "192.0.2.1", "192.0.2.99", "2001:db8:7::2", "192.0.2.55");
    expect(asked.code).toBe(1);
    expect(asked.stdout).toContain("2 of 3 failures within 1h");
    expect(asked.stdout).toContain("it is ignored: ignoreip 192.0.2.99");
    expect(asked.stdout).toContain("1 of 3 failures within 1h, all of 2001:db8:7::/64 counted together");
    expect(asked.stdout).toContain(`grep -F 192.0.2.55 ${log} | f2b regex - sshd --print missed`);
    expect(asked.stdout).toContain("the jail is broken: failregex 1 does not say whom to blame");
  });

  test("of one member of a banned network; unban of him alone does not claim that he is in", async () => {
    for (const host of [1, 2, 3]) appendFileSync(log, failure(`203.0.113.${host}`).repeat(3));
    await until("the network is banned", () => daemon.f2b("banned", "203.0.113.200").code === 0);
    const asked = daemon.f2b("explain", "203.0.113.200");
    expect(asked).toMatchObject({ code: 0 });
    expect(asked.stdout).toContain("sshd: banned as 203.0.113.0/24");
    expect(asked.stdout).toContain("let it in:  f2b unban 203.0.113.0/24");
    const lifted = daemon.f2b("unban", "203.0.113.200");
    expect(lifted).toMatchObject({ code: 1 });
    expect(lifted.stdout).toBe(
      "203.0.113.200 is still shut out: sshd has banned all of 203.0.113.0/24\n  let it in:  f2b unban 203.0.113.0/24\n",
    );
    expect(daemon.f2b("unban", "203.0.113.0/24")).toMatchObject({
      code: 0,
      stdout: "unbanned 203.0.113.0/24 in sshd\n",
    });
    expect(daemon.f2b("explain", "203.0.113.200").code).toBe(1);
  });

  test("a setting is taken from and added to by words, and lasts when saved", () => {
    expect(daemon.f2b("set", "sshd", "ignoreip", "+=", "192.0.2.98").code).toBe(0);
    expect(daemon.f2b("set", "sshd", "ignoreip", "-=", "192.0.2.99", "--save")).toMatchObject({ code: 0 });
    expect(daemon.f2b("get", "sshd", "ignoreip").stdout).toBe('["192.0.2.98"]\n');
  });

  test("a ban of no length is refused; one of ten minutes says until when, as everything else does", () => {
    expect(daemon.f2b("ban", "sshd", "203.0.114.1", "--for", "0")).toMatchObject({ code: 64 });
    expect(daemon.f2b("banned", "203.0.114.1").code).toBe(1);
    expect(daemon.f2b("ban", "sshd", "203.0.114.1", "--for", "10m").stdout).toMatch(
      /^banned 203\.0\.114\.1 in sshd until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n$/,
    );
  });

  test("of who is banned by another name than an address, and lets him in by it", async () => {
    appendFileSync(`${log}.users`, `${new Date().toISOString()} locked out: mallory\n`);
    await until("he is banned", () => daemon.f2b("status", "users").stdout.includes("mallory"));
    expect(daemon.f2b("banned", "mallory").code).toBe(0);
    expect(daemon.f2b("explain", "mallory").stdout).toContain("mallory is banned in users.");
    expect(daemon.f2b("unban", "mallory")).toMatchObject({ code: 0, stdout: "unbanned mallory in users\n" });
    expect(daemon.f2b("unban", "mallory").stderr).toContain('"mallory" is no IP address or network');
    expect(daemon.f2b("unban", "sshd", "203.0.113.9").stderr).toContain("f2b unban 203.0.113.9 --jail sshd");
  });

  test("while the daemon is down, what the journal says", async () => {
    expect(daemon.f2b("ban", "sshd", "203.0.115.0/24", "--for", "1h").code).toBe(0);
    await daemon.kill("SIGKILL");
    const asked = lab.server.run([executable, "explain", "203.0.115.9", "192.0.2.200", "-c", files.config]);
    expect(asked.code).toBe(69);
    expect(asked.stdout).toContain("203.0.115.9 is banned in sshd as 203.0.115.0/24 since ");
    expect(asked.stdout).toContain("Its journal knows no standing ban of 192.0.2.200.");
    await start();
  });

  test("after a start, which logs are read, though nothing has come from them since", async () => {
    await daemon.kill("SIGTERM");
    await start();
    const { jails } = JSON.parse(daemon.f2b("status", "--json").stdout) as {
      jails: { name: string; files: string[] }[];
    };
    expect(jails.find((jail) => jail.name === "sshd")?.files).toEqual([log]);
  });

  test("a reload that is refused says every mistake on a line of its own", () => {
    const before = readFileSync(files.config, "utf8");
    writeFileSync(files.config, before.replace("[jails.sshd]", "[jails.sshd]\nmaxretri = 1\nfindtim = 1"));
    const { code, stderr } = daemon.f2b("reload");
    writeFileSync(files.config, before);
    expect(code).toBe(78);
    expect(stderr).not.toContain("\\n");
    expect(stderr.split("\n").filter((line) => line.includes("there is no key"))).toHaveLength(2);
  });
});
