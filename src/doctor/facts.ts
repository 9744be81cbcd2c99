// What f2b doctor saw of the machine, as plain data: every check of the live system is a function of this, and is tested without one.

import type { Probe } from "../banaction/choose.ts";
import type { Config } from "../config/index.ts";
import type { Address, Seconds, Time } from "../core/domain.ts";
import type { Published } from "../init/facts.ts";

export interface Facts {
  readonly now: Time;
  readonly config: Config;
  readonly logs: readonly LogFacts[];
  /** Undefined where no jail reads systemd's journal. */
  readonly journald: JournaldFacts | undefined;
  readonly services: readonly ServiceFacts[];
  /** Failures of the last days by jail, and who would have been banned for them. */
  readonly recent: readonly RecentFacts[];
  readonly firewall: FirewallFacts;
  readonly daemon: DaemonFacts;
  readonly dear: readonly Dear[];
  readonly files: readonly GuardedFile[];
  readonly system: SystemFacts;
  readonly notify: readonly NotifyFacts[];
}

/** One file of one jail, or one path of it that finds nothing. */
export interface LogFacts {
  readonly jail: string;
  readonly path: string;
  readonly state: "open" | "absent" | "refused";
  /** Why it was refused. */
  readonly why?: string;
  readonly size: number;
  readonly mtimeMs: Time;
  /** Everybody may write it. */
  readonly writable: boolean;
  /** Its letters have two bytes each. */
  readonly wide: boolean;
  /** On a network file system, where the kernel tells of no changes. */
  readonly network: boolean;
  /** Its name says that it is what a log was before it was rotated. */
  readonly rotated: boolean;
  /** Of the last lines: how many, those with a time, those of the filter's program (undefined: it names none), and those that look
   *  like failures of it. */
  readonly lines: number;
  readonly timed: number;
  readonly named: number | undefined;
  readonly suspects: number;
  /** The filter's failures among the last lines. */
  readonly failures: number;
  /** The last line's own time. */
  readonly lastTime: Time | undefined;
  /** Host names in the heads of the last lines. */
  readonly hosts: readonly string[];
  /** How far back the file and its rotations reach, where there are rotations. */
  readonly reach: Seconds | undefined;
}

export interface JournaldFacts {
  /** Why journalctl cannot be asked; undefined: it can. */
  readonly refused: string | undefined;
  /** How far back the journal reaches. */
  readonly reach: Seconds | undefined;
  /** Messages that journald says it dropped in the last days. */
  readonly suppressed: number;
  /** Records found for each jail that reads it, up to a bound. */
  readonly records: Readonly<Record<string, number>>;
}

export interface ServiceFacts {
  readonly jail: string;
  readonly running: boolean;
  /** Ports other than on loopback on which its processes listen. */
  readonly listening: readonly { readonly protocol: "tcp" | "udp"; readonly port: number }[];
}

export interface RecentFacts {
  readonly jail: string;
  readonly failures: number;
  /** The addresses with the most failures. */
  readonly by: readonly { readonly address: Address; readonly count: number }[];
  /** Those that reached maxretry, as if nobody were guarded; ignoreip holds. */
  readonly banned: readonly Address[];
}

export interface FirewallFacts {
  /** Which firewalls work here; [] when that cannot be tried without root. */
  readonly probes: readonly Probe[];
  /** Of the programs that banactions need, those that are installed. */
  readonly programs: ReadonlySet<string>;
  readonly fail2ban: boolean;
  /** "ufw", "firewalld": tools that rewrite the rules when they reload. */
  readonly owners: readonly string[];
  readonly published: readonly Published[];
  /** Rules that accept before f2b's jump is met, by chain. */
  readonly earlier: readonly { readonly chain: string; readonly rule: string }[];
  /** The machine has an IPv6 address that the world can reach. */
  readonly ipv6: boolean;
  /** Jails for which the firewall holds other targets than the journal; undefined: could not be compared. */
  readonly drift:
    | readonly { readonly jail: string; readonly missing: number; readonly foreign: number }[]
    | undefined;
}

/** As much as is needed of what the daemon says of itself (GET /status). */
export interface DaemonStatus {
  readonly version: string;
  readonly pid: number;
  readonly firewall: string;
  readonly dryrun?: string;
  readonly degraded?: string;
  readonly problems: readonly string[];
  readonly jails: readonly {
    readonly name: string;
    readonly state: string;
    readonly reason?: string;
    readonly fix?: string;
    readonly problems: readonly string[];
    readonly ineffective: readonly { readonly target: string; readonly reason: string }[];
  }[];
}

export interface DaemonFacts {
  readonly status: DaemonStatus | undefined;
  /** It runs in the network namespace of pid 1; undefined: cannot be told. */
  readonly sameNetwork: boolean | undefined;
  /** This program's version. */
  readonly version: string;
  /** Who is banned at this moment. */
  readonly banned: readonly Address[];
  readonly journal: {
    readonly damaged: number;
    readonly newest: Time | undefined;
  };
}

/** An address that the machine or its administrator depends on. */
export interface Dear {
  readonly address: Address;
  readonly as: "session" | "gateway" | "resolver" | "relay" | "neighbour";
  /** Where it is known from. */
  readonly from: string;
}

export type FileRole =
  | "configuration"
  | "jails"
  | "state"
  | "program"
  | "secret"
  | "socket"
  | "ignorelist"
  | "f2b";

export interface GuardedFile {
  readonly path: string;
  readonly role: FileRole;
  readonly kind: "file" | "directory" | "socket" | "other";
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** What it is to f2b: "ignorecommand of sshd". */
  readonly of: string;
}

export interface SystemFacts {
  readonly systemd: boolean;
  readonly synchronised: boolean | undefined;
  readonly disks: readonly {
    readonly path: string;
    readonly free: number;
    readonly size: number;
    readonly freeInodes: number;
    readonly inodes: number;
  }[];
  /** Of the daemon, or of a process started here. */
  readonly descriptors: number;
  readonly inotify: {
    readonly watches: number;
    readonly instances: number;
    readonly usedInstances: number;
  };
  /** The service unit in force, all drop-ins included ("systemctl cat"); undefined: none. */
  readonly unit: string | undefined;
  readonly enabled: boolean;
  readonly memory: { readonly available: number; readonly total: number };
}

export interface NotifyFacts {
  readonly name: string;
  readonly type: string;
  readonly state?: string;
  readonly lastError?: string;
  readonly dropped: number;
  readonly server?: {
    readonly host: string;
    readonly port: number;
    readonly answer: "open" | "closed" | "unknown name";
  };
  readonly program?: { readonly path: string; readonly present: boolean };
  readonly secretFile?: { readonly path: string; readonly state: "fine" | "absent" | "open" };
}
