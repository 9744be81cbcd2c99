// f2b report: the statistics as something to read: text, one HTML file, or sent through a notification.

import { report as compose } from "../core/report.ts";
import type { Stats } from "../core/stats.ts";
import { plural } from "../core/text.ts";
import { Refusal } from "../daemon/control.ts";
import { sendReport } from "../daemon/statistics.ts";
import { ask, show } from "./client.ts";
import { type Command, exits } from "./index.ts";
import { sinceOf, sinceQuery } from "./stats.ts";

export const report: Command = {
  name: "report",
  summary: "the numbers as a report: text, HTML, or sent to somebody",
  usage: ["f2b report [--format text|html|NAME] [--since 7d]", "f2b report --format html > report.html"],
  most: 0,
  options: [
    {
      name: "format",
      short: "f",
      value: "FORMAT",
      summary:
        "text, html (one file, no script), or the name or type of a notification that is to send it, such as mail",
    },
    { name: "since", value: "TIME", summary: "how far it looks back: 24h, 30d, a date, forever (7d)" },
  ],
  help: `
The daemon sends reports by itself, no cron needed:

  [report]
  schedule = "daily 07:00"      # "weekly mon 07:00", "monthly 1 07:00", "every 6h"
  notify   = ["admin"]          # names of [notify.NAME]`,
  async run(call) {
    const format = typeof call.flags.format === "string" ? call.flags.format : "text";
    if (format !== "text" && format !== "html") {
      const body = { to: format, since: call.flags.since };
      return show<{ readonly sent: readonly string[] }>(call, "POST", "/report", body, ({ sent }) =>
        call.out(`handed to ${sent.join(", ")}; f2b notify shows whether it was delivered\n`),
      );
    }
    const asked = await ask(call, "GET", `/stats${sinceQuery(call.flags.since)}`);
    if (!asked.ok) return asked.exit;
    const made = compose(asked.value as Stats);
    if (call.json) call.out(`${JSON.stringify({ subject: made.subject, [format]: made[format] })}\n`);
    else call.out(made[format]);
    return exits.fine;
  },
  routes: {
    "POST /report": async ({ body }, daemon) => {
      const { to, since } = (typeof body === "object" && body !== null ? body : {}) as {
        to?: unknown;
        since?: unknown;
      };
      const all = daemon.messenger.status();
      const sent = all
        .filter((one) => one.state !== "off" && (one.name === to || one.type === to))
        .map((one) => one.name);
      if (typeof to !== "string" || sent.length === 0)
        throw new Refusal(404, {
          what: `there is no notification of the name or type ${JSON.stringify(to ?? "")}`,
          fix:
            all.length === 0
              ? "Add a [notify.NAME] table to the configuration."
              : `${plural(all.length, "notification")}: ${all.map((one) => `${one.name} (${one.type})`).join(", ")}.`,
        });
      await sendReport(
        daemon,
        sinceOf(typeof since === "string" ? since : undefined, daemon.core.now()),
        sent,
      );
      return { json: { sent } };
    },
  },
};
