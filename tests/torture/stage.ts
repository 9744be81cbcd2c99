// Where the torture happens: the lab's server with the compiled daemon, an sshd log, and looks into the kernel and into /proc.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  configure,
  type DaemonFiles,
  type Lab,
  labMissing,
  openLab,
  type RunningDaemon,
  startDaemon,
} from "../support/lab.ts";

export const needsKernel = (): string | undefined => labMissing(["nft"]);

/** Now, as syslog's traditional stamp writes it. */
export function stamp(at = new Date()): string {
  return `${at.toLocaleString("en", { month: "short" })} ${String(at.getDate()).padStart(2)} ${at.toTimeString().slice(0, 8)}`;
}

export const failure = (address: string, user = "root"): string =>
  `${stamp()} web1 sshd[812]: Failed password for ${user} from ${address} port 4022 ssh2\n`;

/** The n-th of some 2 million addresses that are nobody's here. */
export const stranger = (n: number): string => `30.${(n >>> 14) & 127}.${(n >>> 7) & 127}.${1 + (n & 127)}`;

export interface Stage {
  readonly lab: Lab;
  readonly log: string;
  readonly files: DaemonFiles;
  start(words?: readonly string[]): Promise<RunningDaemon>;
  close(): void;
}

/** `jails` is put behind a jail sshd on `log`; `defaults` into [defaults]. */
export function openStage(
  more: {
    readonly daemon?: string;
    readonly defaults?: string;
    readonly sshd?: string;
    readonly jails?: (lab: Lab) => string;
    readonly clients?: number;
  } = {},
): Stage {
  const lab = openLab(more.clients ?? 1);
  const log = join(lab.directory, "auth.log");
  writeFileSync(log, "");
  const files = configure(
    lab,
    `${more.daemon ?? ""}
[defaults]
banaction = "nftables"
${more.defaults ?? ""}
[jails.sshd]
enabled = true
backend = "inotify"
logpath = ["${log}"]
maxretry = 3
findtime = "1h"
bantime = "1h"
${more.sshd ?? ""}
${more.jails?.(lab) ?? ""}
`,
  );
  // The lab's level is for people who look for a mistake; here it would be the load.
  writeFileSync(
    files.config,
    readFileSync(files.config, "utf8").replace('loglevel = "debug"', 'loglevel = "notice"'),
    {
      mode: 0o600,
    },
  );
  return { lab, log, files, start: (words) => startQuiet(lab, files, words), close: () => lab.close() };
}

const startQuiet = (lab: Lab, files: DaemonFiles, words: readonly string[] = []): Promise<RunningDaemon> =>
  startDaemon(lab, files, words);

/** Targets that stand in the sets of our table, sorted. */
export function kernel(lab: Lab): string[] {
  const out = lab.server.run(["nft", "-j", "list", "table", "inet", "f2b"]).stdout;
  const found: string[] = [];
  if (out === "") return found;
  const parsed = JSON.parse(out) as { nftables?: { set?: { name: string; elem?: unknown[] } }[] };
  for (const { set } of parsed.nftables ?? []) {
    for (const one of set?.elem ?? []) {
      const element = one as string | { elem?: { val?: unknown } };
      const text = typeof element === "string" ? element : String(element.elem?.val);
      if (/^[0-9a-f]*[.:][0-9a-f:.]+$/.test(text)) found.push(text);
    }
  }
  return found.sort();
}

export interface JailStatus {
  readonly banned: { readonly now: number; readonly total: number };
  readonly failed: { readonly now: number; readonly total: number };
  readonly problems: readonly string[];
  readonly bans?: readonly { readonly target: string }[];
}

export const jailStatus = (daemon: RunningDaemon, jail = "sshd"): JailStatus =>
  JSON.parse(daemon.f2b("status", jail, "--json").stdout) as JailStatus;

export const isBanned = (daemon: RunningDaemon, address: string): boolean =>
  daemon.f2b("banned", address).code === 0;

/** What a process holds: resident bytes, the peak of them, open descriptors, and its children with their states. */
export function processFacts(pid: number): {
  readonly rss: number;
  readonly peak: number;
  readonly fds: number;
  readonly threads: number;
  readonly children: readonly { readonly pid: number; readonly state: string; readonly name: string }[];
} {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = (key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0) * 1024;
  const children = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const [, program = "", state = "", parent = ""] = /^\d+ \((.*)\) (\S) (\d+)/s.exec(stat) ?? [];
      if (Number(parent) === pid) children.push({ pid: Number(name), state, name: program });
    } catch {
      // gone meanwhile
    }
  }
  return {
    rss: kib("VmRSS"),
    peak: kib("VmHWM"),
    fds: readdirSync(`/proc/${pid}/fd`).length,
    threads: Number(/^Threads:\s+(\d+)/m.exec(status)?.[1] ?? 0),
    children,
  };
}

export const mib = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`;
