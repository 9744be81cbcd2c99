// An event as data, for sinks that machines read (webhook, command, redis, syslog): one flat object with the same field names
// everywhere. Text of strangers is made visible here too, for many a webhook ends in a chat. Absent facts are absent, not null.

import { visible, visibleLine } from "../core/text.ts";
import type { Event, Message } from "./index.ts";
import { jailOf, sentence, subject, tally } from "./text.ts";

/** Fields of one event, in the order in which they are written. */
export const factNames = [
  "id",
  "host",
  "event",
  "time",
  "text",
  "jail",
  "address",
  "family",
  "user",
  "failures",
  "nth",
  "cause",
  "until",
  "seconds",
  "reason",
  "recovered",
  "note",
  "country",
  "network",
  "asn",
  "organisation",
  "name",
  "abuse",
  "lines",
  "subject",
  "html",
] as const;
export type FactName = (typeof factNames)[number];
export type Facts = { readonly [Name in FactName]?: string | number | boolean | readonly string[] };

/** Lines are there only when the rules let them through. */
export function facts(message: Message, event: Event): Facts {
  const jail = jailOf(event);
  const common: Facts = {
    id: message.id,
    host: message.host,
    event: event.kind,
    time: new Date(event.at).toISOString(),
    text: event.kind === "report" ? event.text : sentence(event),
    ...(jail === undefined ? {} : { jail }),
  };
  switch (event.kind) {
    case "ban": {
      const { ban } = event;
      const { name, country, network, asn, organisation, abuse } = event.enrichment ?? {};
      const user = ban.user === undefined ? undefined : visibleLine(ban.user, 256);
      const note = ban.note === undefined ? undefined : visibleLine(ban.note, 256);
      const known = { name, country, network, asn, organisation, abuse, user, note };
      return {
        ...common,
        address: ban.target.text,
        ...("family" in ban.target ? { family: ban.target.family } : {}),
        failures: ban.failures,
        nth: ban.nth,
        cause: ban.cause,
        until: ban.until === "forever" ? "forever" : new Date(ban.until).toISOString(),
        ...(ban.until === "forever" ? {} : { seconds: Math.round((ban.until - ban.since) / 1000) }),
        ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)),
        ...(ban.lines.length > 0 ? { lines: ban.lines.map(visible) } : {}),
      };
    }
    case "unban":
      return {
        ...common,
        address: event.target.text,
        ...("family" in event.target ? { family: event.target.family } : {}),
        reason: event.reason,
      };
    case "campaign":
      return { ...common, recovered: event.ended };
    case "source":
    case "enforcement":
    case "health":
      return { ...common, recovered: event.recovered };
    case "report":
      return { ...common, subject: event.subject, html: event.html };
    default:
      return common;
  }
}

/** A whole message as data. */
export function messageFacts(message: Message): Readonly<Record<string, unknown>> {
  return {
    id: message.id,
    host: message.host,
    subject: subject(message),
    tally: tally(message),
    count: message.events.length + message.omitted,
    omitted: message.omitted,
    events: message.events.map((event) => facts(message, event)),
  };
}
