// Mail to people: text and HTML of the same content. Forms as fail2ban users know them: plain (what was banned), whois (with what is
// known about the network, its action_mw) and whois-lines (and with the log lines, its action_mwl).

import { z } from "zod";
import { escapeHtml, visible, visibleLine } from "../core/text.ts";
import type { Event, Message, Notifier } from "./index.ts";
import { address, checkSmtp, sendMail, smtpShape } from "./smtp.ts";
import {
  circumstances,
  isProblem,
  jailOf,
  lines,
  origin,
  problemsFirst,
  sentence,
  stamp,
  subject,
  tally,
  targetOf,
} from "./text.ts";

const options = z
  .strictObject({
    to: z.array(address("A recipient.")).min(1).max(50).describe("Recipients."),
    from: address("Sender; f2b@ and the host's name by default.").optional(),
    form: z
      .enum(["plain", "whois", "whois-lines"])
      .default("plain")
      .describe(
        "plain; whois: with what the registries say about the network; whois-lines: and with the matched log lines, in which people's mistyped passwords can stand.",
      ),
    html: z.boolean().default(true).describe("Add an HTML part beside the text."),
    ...smtpShape,
  })
  .superRefine(checkSmtp);

/** Bans described in full, with whois and lines; the others stay one line each. */
const inFull = 5;
const maxListed = 100;

type BanEvent = Extract<Event, { kind: "ban" }>;
const isBan = (event: Event): event is BanEvent => event.kind === "ban";
const hasDetails = (event: BanEvent): boolean =>
  event.ban.lines.length > 0 || event.enrichment?.whois !== undefined;

export const mail: Notifier<z.output<typeof options>> = {
  name: "mail",
  summary: "mail by SMTP or the local sendmail, plain or with whois and log lines",
  audience: "people",
  options,
  wants: (o) =>
    o.form === "plain" ? [] : o.form === "whois" ? ["whois", "name"] : ["whois", "name", "lines"],
  async send(message, o, system) {
    const report = message.events.find((event) => event.kind === "report");
    const html = report === undefined ? asHtml(message) : report.html;
    await sendMail(
      {
        id: message.id,
        from:
          o.from ??
          `f2b@${message.host.replace(/[^A-Za-z0-9.-]/g, "").replace(/^[.-]+|[.-]+$/g, "") || "localhost"}`,
        to: o.to,
        subject: subject(message),
        text: report === undefined ? asText(message) : report.text,
        ...(o.html ? { html } : {}),
      },
      o,
      message.host,
      system,
    );
  },
};

function asText(message: Message): string {
  const parts = [`${message.host}: ${tally(message)}`, "", ...lines(message, maxListed)];
  for (const { ban, enrichment } of message.events.filter(isBan).filter(hasDetails).slice(0, inFull)) {
    parts.push("", `${visible(ban.target.text)} (${ban.jail})`, "-".repeat(60));
    if (ban.lines.length > 0) parts.push(...ban.lines.map((line) => `  ${visibleLine(line, 1000)}`));
    if (enrichment?.whois !== undefined)
      parts.push(
        ...(ban.lines.length > 0 ? [""] : []),
        ...enrichment.whois.split("\n").map((line) => `  ${visible(line)}`),
      );
  }
  parts.push("", `-- `, `f2b on ${message.host}`);
  return `${parts.join("\n")}\n`;
}

const style = `body{font:15px/1.45 system-ui,sans-serif;margin:0;padding:16px;color:#1c1e21;background:#fff}
h1{font-size:17px;margin:0 0 12px}h2{font-size:15px;margin:24px 0 8px}tr.p td:last-child{color:#b42318;font-weight:600}table{border-collapse:collapse}td,th{padding:4px 14px 4px 0;text-align:left;vertical-align:top;border-bottom:1px solid #e3e5e8}
th{font-weight:600;color:#5b6068}td.n{white-space:nowrap}code,pre{font:13px/1.4 ui-monospace,monospace}pre{background:#f4f5f7;padding:10px;overflow-x:auto;white-space:pre-wrap}
footer{margin-top:18px;color:#5b6068;font-size:13px}
@media(prefers-color-scheme:dark){body{color:#e6e7e9;background:#16181b}td,th{border-color:#33373d}th,footer{color:#9aa0a8}pre{background:#1f2226}tr.p td:last-child{color:#ff8a80}}`;

/** What the other columns do not say. */
const what = (event: Event): string =>
  isBan(event)
    ? `banned ${circumstances(event.ban)}`
    : event.kind === "unban"
      ? `unbanned (${event.reason})`
      : sentence(event);

function asHtml(message: Message): string {
  const origins = message.events.some((event) => isBan(event) && origin(event.enrichment) !== "");
  const cell = (text: string): string => `<td>${escapeHtml(text)}</td>`;
  const row = (event: Event): string => {
    const target = targetOf(event);
    return `<tr${isProblem(event) ? ' class="p"' : ""}><td class="n">${escapeHtml(stamp(event.at))}</td>${cell(jailOf(event) ?? "")}<td class="n">${
      target === undefined ? "" : `<code>${escapeHtml(visible(target.text))}</code>`
    }</td>${origins ? cell(isBan(event) ? origin(event.enrichment) : "") : ""}${cell(what(event))}</tr>`;
  };
  const more = Math.max(0, message.events.length - maxListed) + message.omitted;
  const names = ["time", "jail", "address", ...(origins ? ["origin"] : []), "what"];
  const details = message.events
    .filter(isBan)
    .filter(hasDetails)
    .slice(0, inFull)
    .map(({ ban, enrichment }) => {
      const text = [...ban.lines.map((line) => visibleLine(line, 1000))].join("\n");
      const whois = enrichment?.whois?.split("\n").map(visible).join("\n");
      return `<h2>${escapeHtml(visible(ban.target.text))} (${escapeHtml(ban.jail)})</h2>${
        text === "" ? "" : `<pre>${escapeHtml(text)}</pre>`
      }${whois === undefined ? "" : `<pre>${escapeHtml(whois)}</pre>`}`;
    });
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>${escapeHtml(subject(message))}</title><style>${style}</style></head><body>
<h1>${escapeHtml(`${visible(message.host)}: ${tally(message)}`)}</h1>
<table><tr>${names.map((name) => `<th>${name}</th>`).join("")}</tr>
${problemsFirst(message.events).slice(0, maxListed).map(row).join("\n")}
</table>${more > 0 ? `<p>… and ${more} more</p>` : ""}
${details.join("\n")}
<footer>f2b on ${escapeHtml(visible(message.host))}</footer></body></html>`;
}
