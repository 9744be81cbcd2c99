// What the configuration comes to once every file has been read: plain data, every default filled in.

import type { Fault, Jail, Place, Seconds, Span } from "../core/domain.ts";
import type { Event } from "../notify/index.ts";
import type { Level } from "../system/index.ts";

export interface Config {
  readonly daemon: DaemonSettings;
  /** Every jail that is sound, enabled ones and those that the configuration names with `enabled = false`. */
  readonly jails: readonly Jail[];
  /** Enabled jails that cannot run as they are written. They never stop the others. */
  readonly broken: readonly BrokenJail[];
  readonly notify: Readonly<Record<string, NotifyRule>>;
  readonly report: ReportSettings | undefined;
  readonly metrics: MetricsSettings;
  readonly enrichment: EnrichmentSettings;
  /** The files read, in order; [] when there is no configuration and the embedded default holds. */
  readonly files: readonly string[];
  /** Where each effective value comes from, by dotted path ("jails.sshd.maxretry", "daemon.socket"). Absent: built in. */
  readonly provenance: Readonly<Record<string, Origin>>;
  readonly warnings: readonly Fault[];
}

export interface BrokenJail {
  readonly name: string;
  readonly faults: readonly Fault[];
}

export interface Origin {
  /** "service" is the bundled or own jail file, "defaults" the [defaults] table, "saved" what `f2b set --save` wrote. */
  readonly from: "service" | "defaults" | "jail" | "file" | "saved";
  /** The file as people know it ("bundled sshd.toml" for an embedded one) and the place of the value in it. */
  readonly at: Place;
}

export interface DaemonSettings {
  readonly socket: string;
  /** Members of this group may use the control socket; undefined: root only. */
  readonly socketgroup: string | undefined;
  readonly statedir: string;
  readonly loglevel: Level;
  readonly logtarget: LogTarget;
  /** "auto" or the path of the syslog socket. */
  readonly syslogsocket: string;
  /** History of bans that are over is forgotten after so long. */
  readonly dbpurgeage: Span;
  /** Matched lines kept with a ban in the journal. */
  readonly dbmaxmatches: number;
  readonly allowipv6: "auto" | "yes" | "no";
  /** Addresses and prefixes never banned by any jail or operator, checked at the last gate. */
  readonly emergency: readonly string[];
  /** Addresses and prefixes which the last gate would refuse by itself but may be banned all the same. */
  readonly unguarded: readonly string[];
  /** Targets counted at once by one jail; beyond it the least offending are forgotten. */
  readonly maxkeys: number;
  /** Bytes of a log line that are looked at. */
  readonly linecap: number;
  /** Seconds between comparisons of what should stand with what stands in the firewall. */
  readonly recheck: Seconds;
  /** Seconds between checkpoints of counters and positions. */
  readonly checkpoint: Seconds;
}

export type LogTarget =
  | { readonly kind: "stderr" | "stdout" | "syslog" | "journald" }
  | { readonly kind: "file"; readonly path: string };

/** One [notify.NAME]: a notifier with its options, and when it is used. */
export interface NotifyRule {
  readonly name: string;
  /** A key of notify/index.ts `notifiers`. */
  readonly type: string;
  /** As that notifier's own schema made it. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly enabled: boolean;
  readonly events: readonly Event["kind"][];
  /** Jails it speaks of; undefined: those that name it, resp. all that name none. */
  readonly jails: readonly string[] | undefined;
  /** Minutes of the local day between which only what is urgent is told; `from` may be after `to`. */
  readonly quiet: { readonly from: number; readonly to: number } | undefined;
  /** Events are gathered for so long into one message; undefined: told at once. */
  readonly digest: Seconds | undefined;
}

export interface ReportSettings {
  readonly schedule: Schedule;
  /** Names of [notify.NAME]. */
  readonly notify: readonly string[];
  /** How far a report looks back, in seconds. */
  readonly since: Seconds;
}

export type Schedule =
  | { readonly kind: "every"; readonly seconds: Seconds }
  /** Days of the week 0 (Sunday) … 6, or days of the month; neither: every day. `at` is minutes of the local day. */
  | {
      readonly kind: "calendar";
      readonly weekdays: readonly number[] | undefined;
      readonly monthday: number | undefined;
      readonly at: number;
    };

export interface MetricsSettings {
  /** A loopback address and port; undefined: metrics are on the control socket only. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
}

export interface EnrichmentSettings {
  readonly reversedns: boolean;
  readonly whois: boolean;
  readonly rdap: boolean;
  /** Files in MaxMind's format. */
  readonly databases: readonly string[];
}
