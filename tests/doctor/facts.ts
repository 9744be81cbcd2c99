// A machine in good order, as facts, and how to spoil it.

import { join } from "node:path";
import type { Config } from "../../src/config/index.ts";
import { parseAddress } from "../../src/core/address.ts";
import type { Address } from "../../src/core/domain.ts";
import type { Facts, GuardedFile, LogFacts, NotifyFacts } from "../../src/doctor/facts.ts";
import { lint } from "../../src/doctor/files.ts";
import { createLog } from "../../src/system/log.ts";
import { realSystem } from "../../src/system/real.ts";

const system = realSystem(createLog({ level: "critical", target: { kind: "stderr" } }));

export const now = Date.UTC(2026, 2, 2, 12);
export const address = (text: string): Address => parseAddress(text)!;

export const plainText = `[defaults]
ignoreip = ["192.0.2.10", "192.0.2.1", "192.0.2.53"]

[jails.sshd]
enabled = true
banaction = "auto"
logpath = ["/var/log/auth.log"]
port = ["ssh"]
`;

/** A configuration that has nothing wrong in its files. */
export function configOf(text: string): Config {
  const path = join(import.meta.dir, "f2b.toml");
  const { config, findings } = lint(system, path, { texts: new Map([[path, text]]) });
  if (config === undefined) throw new Error(findings.map((one) => one.what).join("; "));
  return config;
}

export const log: LogFacts = {
  jail: "sshd",
  path: "/var/log/auth.log",
  state: "open",
  size: 100_000,
  mtimeMs: now - 60_000,
  writable: false,
  wide: false,
  network: false,
  rotated: false,
  lines: 1000,
  timed: 1000,
  named: 400,
  suspects: 20,
  failures: 18,
  lastTime: now - 60_000,
  hosts: ["web1"],
  reach: 7 * 86_400,
};

export const guarded: GuardedFile = {
  path: "/etc/f2b/f2b.toml",
  role: "configuration",
  kind: "file",
  uid: 0,
  gid: 0,
  mode: 0o644,
  of: "the configuration",
};

export const notify: NotifyFacts = {
  name: "admin",
  type: "mail",
  state: "idle",
  dropped: 0,
  server: { host: "mail.corp.test", port: 587, answer: "open" },
  program: { path: "/usr/sbin/sendmail", present: true },
  secretFile: { path: "/etc/f2b/secrets/mail", state: "fine" },
};

const works = (name: "nftables" | "iptables", version: string) => ({
  name,
  works: true,
  version,
  why: undefined,
});

export const unit = `[Service]
Restart=always
WatchdogSec=30
UnsetEnvironment=BUN_OPTIONS BUN_BE_BUN
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_DAC_READ_SEARCH
`;

export const sound: Facts = {
  now,
  config: configOf(plainText),
  logs: [log],
  journald: undefined,
  services: [{ jail: "sshd", running: true, listening: [{ protocol: "tcp", port: 22 }] }],
  recent: [
    {
      jail: "sshd",
      failures: 30,
      by: [
        { address: address("203.0.113.5"), count: 20 },
        { address: address("203.0.113.6"), count: 10 },
      ],
      banned: [address("203.0.113.5")],
    },
  ],
  firewall: {
    probes: [
      works("nftables", "nftables v1.0.6 (Lester Gooch #5)"),
      works("iptables", "iptables v1.8.9 (nf_tables)"),
    ],
    programs: new Set(["nft", "iptables", "ip6tables", "ipset"]),
    fail2ban: false,
    owners: [],
    published: [],
    earlier: [],
    ipv6: true,
    drift: [{ jail: "sshd", missing: 0, foreign: 0 }],
  },
  daemon: {
    status: {
      version: "1.0.0",
      pid: 812,
      firewall: "nftables",
      problems: [],
      jails: [{ name: "sshd", state: "running", problems: [], ineffective: [] }],
    },
    sameNetwork: true,
    version: "1.0.0",
    banned: [address("203.0.113.5")],
    journal: { damaged: 0, newest: now - 60_000 },
  },
  dear: [
    { address: address("192.0.2.10"), as: "session", from: "SSH_CONNECTION" },
    { address: address("192.0.2.1"), as: "gateway", from: "the routes" },
    { address: address("192.0.2.53"), as: "resolver", from: "/etc/resolv.conf" },
  ],
  files: [
    guarded,
    { ...guarded, path: "/var/lib/f2b", role: "state", kind: "directory", mode: 0o700, of: "the state" },
    {
      ...guarded,
      path: "/run/f2b/f2b.sock",
      role: "socket",
      kind: "socket",
      mode: 0o600,
      of: "the control socket",
    },
  ],
  system: {
    systemd: true,
    synchronised: true,
    disks: [{ path: "/var/lib/f2b", free: 5e9, size: 2e10, freeInodes: 1e6, inodes: 2e6 }],
    descriptors: 65_536,
    inotify: { watches: 65_536, instances: 128, usedInstances: 12 },
    unit,
    enabled: true,
    memory: { available: 2e9, total: 4e9 },
  },
  notify: [notify],
};
