// The running daemon → the numbers of core/stats.ts and core/metrics.ts, and the reports it sends by itself.

import { hostname } from "node:os";
import type { Config } from "../config/index.ts";
import type { Time } from "../core/domain.ts";
import { prometheus } from "../core/metrics.ts";
import { report } from "../core/report.ts";
import { nextRun } from "../core/schedule.ts";
import { bansKnown, type Stats, statsOf } from "../core/stats.ts";
import { createPlaces, type Places } from "../notify/places.ts";
import type { Daemon } from "./daemon.ts";

const databases = new WeakMap<Config["enrichment"], Places>();

/** Country files are opened once for a configuration. */
function placesOf(daemon: Daemon): Places {
  const { enrichment } = daemon.core.config;
  let places = databases.get(enrichment);
  if (places === undefined) {
    places = createPlaces(enrichment.databases, daemon.system);
    databases.set(enrichment, places);
  }
  return places;
}

/** Statistics since `since`; asks the firewall for dropped packets. */
export async function gatherStats(daemon: Daemon, since: Time): Promise<Stats> {
  const { core } = daemon;
  const [status, drops] = await Promise.all([
    daemon.status(),
    Promise.all(
      [...core.jails.keys()].map(async (name) => [name as string, await core.enforcer.drops(name)] as const),
    ),
  ]);
  const dropped = new Map(drops);
  const places = core.config.enrichment.databases.length > 0 ? placesOf(daemon) : undefined;
  return statsOf({
    at: core.now(),
    since,
    host: hostname(),
    version: daemon.version,
    jails: status.jails.map((jail) => {
      const packets = dropped.get(jail.name)?.packets;
      return {
        name: jail.name,
        state: jail.state,
        ...(jail.reason === undefined ? {} : { reason: jail.reason }),
        failedNow: jail.failed.now,
        bannedNow: jail.banned.now,
        totals: core.tally.of(jail.name),
        ...(packets === undefined ? {} : { packets }),
      };
    }),
    bans: bansKnown(core.state),
    ...(places === undefined ? {} : { country: (address: string) => places.find(address).country }),
  });
}

/** What GET /metrics answers. */
export async function gatherMetrics(daemon: Daemon): Promise<string> {
  const [stats, status] = await Promise.all([gatherStats(daemon, daemon.core.now()), daemon.status()]);
  return prometheus({
    version: daemon.version,
    startedSeconds: Math.floor(Date.parse(status.started) / 1000),
    jails: stats.jails.map((row) => {
      const running = [...daemon.core.jails.values()].find((one) => one.jail.name === row.name);
      const base = running?.jail.bantime.base ?? 0;
      return {
        ...row,
        bantime: base === "forever" ? -1 : base,
        findtime: running?.jail.findtime ?? 0,
        maxretry: running?.jail.maxretry ?? 0,
        ineffective: running?.ineffective.size ?? 0,
      };
    }),
    notifications: daemon.messenger.status().map((one) => ({ ...one, failing: one.state === "failing" })),
    problems: status.problems.length,
    journalDegraded: status.degraded !== undefined,
    residentBytes: process.memoryUsage.rss(),
  });
}

/** Hands a report to the notifications named (by name or type). */
export async function sendReport(daemon: Daemon, since: Time, to: readonly string[]): Promise<void> {
  daemon.messenger.post(
    { kind: "report", at: daemon.core.now(), ...report(await gatherStats(daemon, since)) },
    to,
  );
}

/** Sends reports by [report] schedule, whatever a reload makes of it, until the returned function is called. */
export function startReports(daemon: Daemon): () => void {
  const { clock, log } = daemon.system;
  const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  let last = clock.now();
  let cancel = (): void => undefined;
  // Looked at once a minute rather than armed for the day: reloads and set clocks need no thought then.
  const look = (): void => {
    const settings = daemon.core.config.report;
    const now = clock.now();
    if (settings !== undefined && nextRun(settings.schedule, last, timezone) <= now)
      sendReport(daemon, daemon.core.now() - settings.since * 1000, settings.notify).catch((error: unknown) =>
        log.say("error", `the report could not be made: ${(error as Error).message}`),
      );
    last = now;
    cancel = clock.after(60_000, look);
  };
  cancel = clock.after(60_000, look);
  return () => cancel();
}
