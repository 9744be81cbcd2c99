// The peers, from Debian's packages, set up for the same job: watch one log for sshd failures, ban in nftables.

import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Lab, until } from "../support/lab.ts";

export interface Peer {
  readonly name: string;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

export const hasFail2ban = (): boolean => existsSync("/usr/bin/fail2ban-server");
export const hasSshguard = (): boolean => existsSync("/usr/sbin/sshguard");
export const sshgParser = "/usr/libexec/sshguard/sshg-parser";
export const sshguardParser = (): string | undefined =>
  [sshgParser, "/usr/lib/x86_64-linux-gnu/sshg-parser", "/usr/lib/sshguard/sshg-parser"].find((path) =>
    existsSync(path),
  );

/** fail2ban with its stock sshd filter. `action` "" bans nobody (for reading alone). */
export async function startFail2ban(
  lab: Lab,
  log: string,
  settings: { readonly maxretry: number; readonly action: string; readonly findtime?: string },
): Promise<Peer> {
  // One each: what was killed leaves its socket and its pid file behind.
  const directory = join(lab.directory, `fail2ban-${crypto.randomUUID()}`);
  mkdirSync(directory, { recursive: true });
  for (const part of ["filter.d", "action.d", "paths-common.conf", "paths-debian.conf"]) {
    if (existsSync(`/etc/fail2ban/${part}`)) lab.server.run(["cp", "-r", `/etc/fail2ban/${part}`, directory]);
  }
  const socket = join(directory, "f.sock");
  writeFileSync(
    join(directory, "fail2ban.conf"),
    `[Definition]\nloglevel = NOTICE\nlogtarget = ${join(directory, "f.log")}\nsocket = ${socket}\npidfile = ${join(directory, "f.pid")}\ndbfile = :memory:\ndbpurgeage = 1d\nsyslogsocket = auto\nallowipv6 = auto\n`,
  );
  writeFileSync(
    join(directory, "jail.conf"),
    `[sshd]\nenabled = true\nfilter = sshd\nbackend = auto\nlogpath = ${log}\nmaxretry = ${settings.maxretry}\nfindtime = ${settings.findtime ?? "10m"}\nbantime = 1h\nport = ssh\nprotocol = tcp\naction = ${settings.action}\n`,
  );
  const child = lab.server.start(
    [
      "/usr/bin/fail2ban-server",
      "-f",
      "-c",
      directory,
      "-s",
      socket,
      "-p",
      join(directory, "f.pid"),
      "start",
    ],
    { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } },
  );
  await until(
    "fail2ban is ready",
    () => lab.server.run(["/usr/bin/fail2ban-client", "-s", socket, "status", "sshd"]).code === 0,
    60_000,
    100,
  );
  return {
    name: "fail2ban",
    process: child,
    async stop() {
      child.kill("SIGTERM");
      await until(
        "fail2ban has stopped",
        () => child.exitCode !== null || child.signalCode !== null,
        600_000,
        100,
      );
    },
  };
}

/**
 * The whole of sshguard with its nftables sets backend. It reads one configuration file only, which is put in place for itself alone,
 * and ends by killing its process group, which therefore is one of its own.
 */
export async function startSshguard(lab: Lab, log: string, threshold: number): Promise<Peer> {
  const backend = [
    "/usr/libexec/sshguard/sshg-fw-nft-sets",
    "/usr/lib/x86_64-linux-gnu/sshg-fw-nft-sets",
    "/usr/lib/sshguard/sshg-fw-nft-sets",
  ].find((path) => existsSync(path));
  const config = join(lab.directory, "sshguard.conf");
  writeFileSync(
    config,
    `BACKEND="${backend ?? ""}"\nFILES="${log}"\nTHRESHOLD=${threshold}\nBLOCK_TIME=3600\nDETECTION_TIME=1800\n`,
  );
  const child = lab.server.start([
    "setsid",
    "unshare",
    "--mount",
    "sh",
    "-c",
    'mount --bind "$0" /etc/sshguard/sshguard.conf && exec /usr/sbin/sshguard',
    config,
  ]);
  await until(
    "sshguard has its table",
    () => lab.server.run(["nft", "list", "tables"]).stdout.includes("sshguard"),
    15_000,
    100,
  );
  return {
    name: "sshguard",
    process: child,
    async stop() {
      child.kill("SIGTERM");
      await until(
        "sshguard has stopped",
        () => child.exitCode !== null || child.signalCode !== null,
        20_000,
        100,
      );
    },
  };
}
