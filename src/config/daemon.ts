// [daemon], [report] and [metrics] with their defaults filled in.

import type { Schedule } from "../core/schedule.ts";
import { daemonKeys, metricsKeys, reportKeys } from "./schema.ts";
import { checkTable, type Keys, type Values } from "./table.ts";
import type { DaemonSettings, LogTarget, MetricsSettings, ReportSettings } from "./types.ts";

export const defaultStatedir = "/var/lib/f2b";
const day = 86_400;

function judged<K extends Keys>(keys: K, raw: unknown): Values<K> {
  const checked = checkTable(keys, raw ?? {});
  if (!checked.success) throw checked.error;
  return checked.data;
}

/** Takes a table that has been judged file by file. */
export function daemonSettings(raw: unknown): DaemonSettings {
  const table = judged(daemonKeys, raw);
  return {
    socket: table.socket ?? "/run/f2b/f2b.sock",
    socketgroup: table.socketgroup,
    statedir: table.statedir ?? defaultStatedir,
    loglevel: table.loglevel ?? "info",
    logtarget: logTarget(table.logtarget ?? "stderr"),
    syslogsocket: table.syslogsocket ?? "auto",
    dbpurgeage: table.dbpurgeage ?? 30 * day,
    dbmaxmatches: table.dbmaxmatches ?? 10,
    allowipv6: table.allowipv6 ?? "auto",
    emergency: table.emergency ?? [],
    unguarded: table.unguarded ?? [],
    maxkeys: table.maxkeys ?? 100_000,
    linecap: table.linecap ?? 8192,
    checkpoint: table.checkpoint ?? 10,
  };
}

const logTarget = (text: string): LogTarget =>
  text === "stderr" || text === "stdout" || text === "syslog" || text === "journald"
    ? { kind: text }
    : { kind: "file", path: text };

/** Undefined without a schedule. `all` are the names of [notify.NAME]. */
export function reportSettings(raw: unknown, all: readonly string[]): ReportSettings | undefined {
  const table = judged(reportKeys, raw);
  if (table.schedule === undefined) return undefined;
  return {
    schedule: table.schedule,
    notify: table.notify ?? all,
    since: table.since ?? lengthOf(table.schedule),
  };
}

function lengthOf(schedule: Schedule): number {
  if (schedule.every === "interval") return schedule.seconds;
  return { day, week: 7 * day, month: 31 * day }[schedule.every];
}

export function metricsSettings(raw: unknown): MetricsSettings {
  return { listen: judged(metricsKeys, raw).listen };
}
