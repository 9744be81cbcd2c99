// f2b stats: the numbers people write scripts for, as a table or as JSON; and GET /metrics for Prometheus.

import type { Time } from "../core/domain.ts";
import { parseDuration } from "../core/duration.ts";
import { textOf } from "../core/report.ts";
import type { Stats } from "../core/stats.ts";
import { Refusal } from "../daemon/control.ts";
import { gatherMetrics, gatherStats } from "../daemon/statistics.ts";
import { show } from "./client.ts";
import type { Command } from "./index.ts";

const usualSince = "7d";

/** "24h" ago, or a date; both as seconds or text that Date.parse reads. Throws a Refusal for what is neither. */
export function sinceOf(text: string | undefined, now: Time): Time {
  const asked = text === undefined || text === "" ? usualSince : text;
  const length = parseDuration(asked);
  if (length.ok && length.value !== "forever") return now - length.value * 1000;
  if (length.ok) return 0;
  const at = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:?\d{2})?)?$/.test(asked)
    ? Date.parse(asked)
    : Number.NaN;
  if (Number.isFinite(at) && at <= now) return at;
  throw new Refusal(400, {
    what: `${JSON.stringify(asked.slice(0, 60))} is neither a length of time nor a date that is past`,
    fix: "Write --since 24h, --since 30d, --since 2026-03-01, or --since forever.",
  });
}

export const sinceQuery = (since: unknown): string =>
  typeof since === "string" ? `?since=${encodeURIComponent(since)}` : "";

export const stats: Command = {
  name: "stats",
  summary: "numbers: jails, days, and the addresses, networks and users seen most",
  usage: ["f2b stats [--since 7d]"],
  most: 0,
  options: [
    { name: "since", value: "TIME", summary: "period of the top lists: 24h, 30d, a date, forever (7d)" },
  ],
  help: `
Failed and banned: now and in total. Dropped: packets the firewall has thrown away, where it counts them.
Of bans that are over, the last few of each address are known, as long as dbpurgeage says.
Users are those of bans that stand. Countries need [enrichment] databases. Days begin at midnight UTC.
For Prometheus: curl --unix-socket /run/f2b/f2b.sock http://f2b/metrics`,
  run: (call) =>
    show<Stats>(call, "GET", `/stats${sinceQuery(call.flags.since)}`, undefined, (value) => {
      const width = call.stdout.isTTY === true ? call.stdout.columns : undefined;
      call.out(`${textOf(value, width)}\n`);
    }),
  routes: {
    "GET /stats": async ({ query }, daemon) => ({
      json: await gatherStats(daemon, sinceOf(query.since, daemon.core.now())),
    }),
    "GET /metrics": async (_, daemon) => ({
      text: await gatherMetrics(daemon),
      type: "text/plain; version=0.0.4; charset=utf-8",
    }),
  },
};
