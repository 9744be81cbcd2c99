// Prometheus' text format. The names of the well-known exporter for fail2ban come first, so that its dashboards go on working
// (parity 1g); what it does not know has names of its own.

import type { JailRow } from "./stats.ts";

export interface MetricsJail extends Pick<JailRow, "name" | "state" | "failed" | "banned" | "packets"> {
  /** Seconds; -1 is forever. */
  readonly bantime: number;
  readonly findtime: number;
  readonly maxretry: number;
  /** Banned, but still failing in the log. */
  readonly ineffective: number;
}

export interface MetricsSnapshot {
  readonly version: string;
  readonly startedSeconds: number;
  readonly jails: readonly MetricsJail[];
  readonly notifications: readonly {
    readonly name: string;
    readonly queued: number;
    readonly messages: number;
    readonly dropped: number;
    readonly failing: boolean;
  }[];
  readonly problems: number;
  readonly journalDegraded: boolean;
  readonly residentBytes?: number;
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** Escapes as the format wants: backslash, quote and line feed. */
const label = (text: string): string => text.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`));

/** Content type "text/plain; version=0.0.4". */
export function prometheus(snapshot: MetricsSnapshot): string {
  const out: string[] = [];
  const metric = (
    name: string,
    kind: "gauge" | "counter",
    help: string,
    samples: readonly Sample[],
  ): void => {
    if (samples.length === 0) return;
    out.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
    for (const [labels, value] of samples) {
      const pairs = Object.entries(labels).map(([key, text]) => `${key}="${label(text)}"`);
      out.push(`${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`);
    }
  };
  const { jails } = snapshot;
  const perJail = (value: (jail: MetricsJail) => number | undefined): Sample[] =>
    jails.flatMap((jail): Sample[] => {
      const n = value(jail);
      return n === undefined ? [] : [[{ jail: jail.name }, n]];
    });

  metric("f2b_up", "gauge", "Whether the daemon answers", [[{}, 1]]);
  metric("f2b_errors", "counter", "Errors of talking to the daemon; kept for dashboards", [
    [{ type: "socket_conn" }, 0],
    [{ type: "socket_req" }, 0],
  ]);
  metric("f2b_version", "gauge", "Version of the daemon", [
    [{ exporter: snapshot.version, fail2ban: snapshot.version }, 1],
  ]);
  metric("f2b_jail_count", "gauge", "Number of jails", [[{}, jails.length]]);
  metric(
    "f2b_jail_banned_current",
    "gauge",
    "Targets banned now",
    perJail((jail) => jail.banned.now),
  );
  metric(
    "f2b_jail_banned_total",
    "counter",
    "Bans so far",
    perJail((jail) => jail.banned.total),
  );
  metric(
    "f2b_jail_failed_current",
    "gauge",
    "Failures counted now, inside findtime",
    perJail((jail) => jail.failed.now),
  );
  metric(
    "f2b_jail_failed_total",
    "counter",
    "Failures so far",
    perJail((jail) => jail.failed.total),
  );
  metric(
    "f2b_config_jail_ban_time",
    "gauge",
    "bantime in seconds, -1 is forever",
    perJail((jail) => jail.bantime),
  );
  metric(
    "f2b_config_jail_find_time",
    "gauge",
    "findtime in seconds",
    perJail((jail) => jail.findtime),
  );
  metric(
    "f2b_config_jail_max_retries",
    "gauge",
    "maxretry",
    perJail((jail) => jail.maxretry),
  );

  metric(
    "f2b_jail_state",
    "gauge",
    "1 for the state a jail is in",
    jails.map((jail): Sample => [{ jail: jail.name, state: jail.state }, 1]),
  );
  metric(
    "f2b_jail_packets_dropped_total",
    "counter",
    "Packets dropped, where the firewall counts",
    perJail((jail) => jail.packets),
  );
  metric(
    "f2b_jail_bans_ineffective",
    "gauge",
    "Banned targets that go on failing",
    perJail((jail) => jail.ineffective),
  );
  metric("f2b_start_time_seconds", "gauge", "When the daemon was started, Unix time", [
    [{}, snapshot.startedSeconds],
  ]);
  metric("f2b_problems", "gauge", "Things in need of mending, as f2b status lists them", [
    [{}, snapshot.problems],
  ]);
  metric("f2b_journal_degraded", "gauge", "1 while the journal cannot be written", [
    [{}, snapshot.journalDegraded ? 1 : 0],
  ]);
  const notes = snapshot.notifications;
  metric(
    "f2b_notify_queued",
    "gauge",
    "Events waiting to be told",
    notes.map((one): Sample => [{ name: one.name }, one.queued]),
  );
  metric(
    "f2b_notify_messages_total",
    "counter",
    "Messages delivered",
    notes.map((one): Sample => [{ name: one.name }, one.messages]),
  );
  metric(
    "f2b_notify_dropped_total",
    "counter",
    "Events given up",
    notes.map((one): Sample => [{ name: one.name }, one.dropped]),
  );
  metric(
    "f2b_notify_failing",
    "gauge",
    "1 while a notification cannot be delivered",
    notes.map((one): Sample => [{ name: one.name }, one.failing ? 1 : 0]),
  );
  metric(
    "process_resident_memory_bytes",
    "gauge",
    "Resident memory",
    snapshot.residentBytes === undefined ? [] : [[{}, snapshot.residentBytes]],
  );
  return `${out.join("\n")}\n`;
}
