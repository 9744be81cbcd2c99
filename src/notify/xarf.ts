// A report in the eXtended Abuse Reporting Format (XARF 4, github.com/xarf/xarf-spec) by mail to the abuse contact of the network an
// attack came from. Strangers get mail from you: one ban one report, repeat reports about one address at most once a day, and an
// address without a known contact is passed over.

import { z } from "zod";
import type { Ban } from "../core/domain.ts";
import { plural, visibleLine } from "../core/text.ts";
import { Failure } from "./failure.ts";
import type { Notifier } from "./index.ts";
import { address, checkSmtp, mailAddress, probeSmtp, sendMail, smtpShape } from "./smtp.ts";
import { stamp } from "./text.ts";

const options = z
  .strictObject({
    from: address("Your address: sender, and contact named in the report."),
    org: z.string().min(1).max(200).describe("Your organisation's name, named in the report."),
    evidence: z
      .boolean()
      .default(false)
      .describe("Attach the matched log lines. They can hold people's mistyped passwords."),
    ...smtpShape,
  })
  .refine((o) => o.from.includes("@"), { path: ["from"], error: "must have a domain: strangers answer it" })
  .superRefine(checkSmtp);
type Options = z.output<typeof options>;

const day = 86_400_000;
// When an address was last reported, by the options object that lives as long as the configuration.
const reported = new WeakMap<Options, Map<string, number>>();

export const xarf: Notifier<Options> = {
  name: "xarf",
  summary: "an abuse report (XARF) by mail to the contact of the offender's network",
  audience: "machines",
  rate: "60/1h",
  accepts: ["ban"],
  options,
  wants: (o) => (o.evidence ? ["abuse", "lines"] : ["abuse"]),
  async send(message, o, system) {
    const seen = reported.get(o) ?? new Map<string, number>();
    reported.set(o, seen);
    for (const [key, at] of seen) if (at < system.clock.now() - day) seen.delete(key);
    for (const [index, event] of message.events.entries()) {
      if (event.kind !== "ban" || event.ban.target.kind !== "address" || event.ban.cause !== "failures")
        continue;
      const contact = event.enrichment?.abuse;
      if (contact === undefined || !contact.includes("@") || !mailAddress.test(contact)) continue;
      if (seen.has(event.ban.target.text)) continue;
      try {
        await sendMail(
          {
            id: `${message.id}.${index}`,
            from: o.from,
            to: [contact],
            subject: `XARF report: login attack from ${event.ban.target.text}`,
            text: letter(event.ban, o),
            headers: { "X-XARF": "4" },
            attachments: [
              {
                filename: "xarf.json",
                contentType: "application/json",
                content: JSON.stringify(document(event.ban, o), null, 2),
              },
            ],
          },
          o,
          message.host,
          system,
        );
      } catch (error) {
        // A contact that refuses mail is its own fault: on to the next.
        if (!(error instanceof Failure) || !error.permanent)
          throw error instanceof Failure ? error.after(index) : error;
      }
      seen.set(event.ban.target.text, system.clock.now());
    }
  },
  probe: (o, system) => probeSmtp(o, "localhost", system),
};

const evidenceOf = (ban: Ban): string => ban.lines.map((line) => visibleLine(line, 1000)).join("\n");

function letter(ban: Ban, o: Options): string {
  const parts = [
    `The address ${ban.target.text} in your network tried to break into a server of ${visibleLine(o.org)}:`,
    `${plural(ban.failures, "failed attempt")} (${ban.jail}) until ${stamp(ban.since)}.`,
    "It may have been taken over. Please look into it.",
    "",
    "The same as a machine-readable XARF report is attached.",
  ];
  if (o.evidence && ban.lines.length > 0) parts.push("", evidenceOf(ban));
  parts.push("", `Contact: ${o.from}`);
  return `${parts.join("\n")}\n`;
}

/** The report itself: category "connection", type "login_attack". */
export function document(ban: Ban, o: Options): Readonly<Record<string, unknown>> {
  const party = { org: o.org, contact: o.from, domain: o.from.slice(o.from.indexOf("@") + 1) };
  const at = new Date(ban.since).toISOString();
  const evidence = evidenceOf(ban);
  return {
    xarf_version: "4.2.0",
    report_id: crypto.randomUUID(),
    timestamp: at,
    reporter: party,
    sender: party,
    source_identifier: ban.target.text,
    category: "connection",
    type: "login_attack",
    protocol: "tcp",
    first_seen: at,
    last_seen: at,
    evidence_source: "automated_filter",
    description: `${plural(ban.failures, "failed attempt")} against ${ban.jail}`,
    ...(o.evidence && evidence !== ""
      ? {
          evidence: [
            {
              content_type: "text/plain",
              description: "Log lines of the failed attempts",
              payload: Buffer.from(evidence).toString("base64"),
              hash: `sha256:${new Bun.CryptoHasher("sha256").update(evidence).digest("hex")}`,
            },
          ],
        }
      : {}),
  };
}
