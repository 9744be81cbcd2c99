// What the configuration comes to once every file has been read: plain data, every default filled in.

import type { Fault, Jail, Place, Seconds, Span } from "../core/domain.ts";
import type { Schedule } from "../core/schedule.ts";
import type { EnrichOptions } from "../notify/enrichoptions.ts";
import type { NotifyUse } from "../notify/rules.ts";
import type { Level } from "../system/index.ts";
import type { Resolver } from "./resolve.ts";

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
  provenance(): Readonly<Record<string, Origin>>;
  readonly warnings: readonly Fault[];
  /** Makes jails of any service from what was read: for the catalogue, replay and trials. Not for printing. */
  readonly resolver: Resolver;
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
  /** Seconds between checkpoints of counters and positions. */
  readonly checkpoint: Seconds;
}

export type LogTarget =
  | { readonly kind: "stderr" | "stdout" | "syslog" | "journald" }
  | { readonly kind: "file"; readonly path: string };

/** One [notify.NAME], as `parseNotify` of notify/rules.ts makes it: the notifier's options, and the rules of when it is used. */
export type NotifyRule = NotifyUse;

export interface ReportSettings {
  readonly schedule: Schedule;
  /** Names of [notify.NAME]. */
  readonly notify: readonly string[];
  /** How far a report looks back, in seconds. */
  readonly since: Seconds;
}

export interface MetricsSettings {
  /** A loopback address and port; undefined: metrics are on the control socket only. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
}

/** [enrichment], as `enrichOptions` of notify/enrichoptions.ts makes it. */
export type EnrichmentSettings = EnrichOptions;
