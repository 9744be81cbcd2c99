// Events as sentences. Every sink says the same things in the same words; each escapes for its own markup afterwards. Text from
// logs has lost whatever a terminal or a chat would obey or hide before it gets here (core/text.ts).

import type { Ban, Target, Time } from "../core/domain.ts";
import { formatDuration } from "../core/duration.ts";
import { plural, visibleLine } from "../core/text.ts";
import type { Enrichment, Event, EventKind, Message } from "./index.ts";

/** How many events a message names one by one before it only counts. */
export const named = 25;

export const stamp = (at: Time): string =>
  new Date(at).toISOString().slice(0, 19).replace("T", " ").concat(" UTC");

export const jailOf = (event: Event): string | undefined =>
  event.kind === "ban" ? event.ban.jail : "jail" in event ? event.jail : undefined;

export const targetOf = (event: Event): Target | undefined =>
  event.kind === "ban" ? event.ban.target : event.kind === "unban" ? event.target : undefined;

const targetText = (target: Target): string => visibleLine(target.text, 128);

function length(ban: Ban): string {
  return ban.until === "forever"
    ? "for good"
    : `for ${formatDuration(Math.round((ban.until - ban.since) / 1000))}`;
}

/** "DE, AS64500 Example Net": what enrichment knows, or nothing. */
export function origin(enrichment: Enrichment | undefined): string {
  if (enrichment === undefined) return "";
  const asn = enrichment.asn === undefined ? "" : `AS${enrichment.asn}`;
  const organisation = visibleLine(enrichment.organisation ?? "", 80);
  return [enrichment.country ?? "", `${asn} ${organisation}`.trim(), enrichment.name ?? ""]
    .filter((part) => part !== "")
    .map((part) => visibleLine(part, 120))
    .join(", ");
}

const causes: Readonly<Record<Ban["cause"], string>> = {
  failures: "",
  operator: "by hand",
  recidive: "repeat offender",
  prefix: "network of offenders",
  campaign: "part of a campaign",
  import: "imported",
};

/** 'for 10m (5 failures, user "root")': a ban without whom and where. */
export function circumstances(ban: Ban): string {
  const notes = [
    causes[ban.cause],
    ban.failures > 0 ? plural(ban.failures, "failure") : "",
    ban.user === undefined ? "" : `user ${JSON.stringify(visibleLine(ban.user, 64))}`,
    ban.nth > 1 ? `ban no. ${ban.nth}` : "",
    ban.note === undefined ? "" : visibleLine(ban.note, 120),
  ].filter((part) => part !== "");
  return `${length(ban)}${notes.length > 0 ? ` (${notes.join(", ")})` : ""}`;
}

/** One event, one sentence, one line. */
export function sentence(event: Event): string {
  switch (event.kind) {
    case "ban": {
      const where = origin(event.enrichment);
      return `${targetText(event.ban.target)}${where === "" ? "" : ` [${where}]`} banned by ${event.ban.jail} ${circumstances(event.ban)}`;
    }
    case "unban":
      return `${targetText(event.target)} unbanned by ${event.jail} (${event.reason})`;
    case "start":
    case "stop":
      return visibleLine(event.text, 500);
    case "source":
    case "enforcement":
    case "health":
      return `${event.jail === undefined ? "" : `${event.jail}: `}${visibleLine(event.text, 500)}${event.recovered ? " (recovered)" : ""}`;
    case "campaign":
      return `${event.jail}: ${visibleLine(event.text, 500)}${event.ended ? " (over)" : ""}`;
    case "report":
      return visibleLine(event.subject, 200);
  }
}

const kindNames: Readonly<Record<EventKind, readonly [string, string]>> = {
  ban: ["ban", "bans"],
  unban: ["unban", "unbans"],
  start: ["start", "starts"],
  stop: ["stop", "stops"],
  source: ["source event", "source events"],
  enforcement: ["enforcement event", "enforcement events"],
  health: ["health event", "health events"],
  campaign: ["campaign event", "campaign events"],
  report: ["report", "reports"],
};

/** "37 bans (sshd 30, postfix 7), 1 unban": what a message holds. */
export function tally(message: Message): string {
  const kinds = new Map<EventKind, Map<string, number>>();
  for (const event of message.events) {
    const jails = kinds.get(event.kind) ?? new Map<string, number>();
    const jail = jailOf(event) ?? "";
    jails.set(jail, (jails.get(jail) ?? 0) + 1);
    kinds.set(event.kind, jails);
  }
  const parts = [...kinds].map(([kind, jails]) => {
    const count = [...jails.values()].reduce((sum, n) => sum + n, 0);
    const most = [...jails].filter(([jail]) => jail !== "").sort((a, b) => b[1] - a[1]);
    const inside = most.slice(0, 4).map(([jail, n]) => (most.length === 1 ? jail : `${jail} ${n}`));
    if (most.length > 4) inside.push("…");
    return `${plural(count, ...kindNames[kind])}${inside.length > 0 ? ` (${inside.join(", ")})` : ""}`;
  });
  if (message.omitted > 0) parts.push(`${message.omitted} more not listed`);
  return parts.join(", ");
}

/** One line for subjects and titles. */
export function subject(message: Message): string {
  const only = message.events.length === 1 && message.omitted === 0 ? message.events[0] : undefined;
  if (only?.kind === "report") return visibleLine(only.subject, 200);
  return visibleLine(`[f2b] ${message.host}: ${only === undefined ? tally(message) : sentence(only)}`, 200);
}

/** The events as lines, problems first; beyond `limit` they are only counted. */
export function lines(message: Message, limit = named): string[] {
  const all = problemsFirst(message.events);
  const shown = all.slice(0, limit).map((event) => `${stamp(event.at)}  ${sentence(event)}`);
  const more = all.length - shown.length + message.omitted;
  if (more > 0) shown.push(`… and ${more} more`);
  return shown;
}

/** Something is broken, or mended: what must not wait for a digest. */
export const isProblem = (event: Event): boolean =>
  event.kind === "enforcement" ||
  event.kind === "health" ||
  event.kind === "source" ||
  event.kind === "campaign";

export const problemsFirst = (events: readonly Event[]): Event[] => [
  ...events.filter(isProblem),
  ...events.filter((event) => !isProblem(event)),
];

/** Title and lines for sinks that take plain text, at most `cap` UTF-16 units long. */
export function plain(message: Message, cap: number): { readonly title: string; readonly body: string } {
  const title = subject(message);
  const report = message.events.find((event) => event.kind === "report");
  if (report !== undefined) return { title, body: cut(report.text, cap) };
  const body =
    message.events.length === 1
      ? [sentence(message.events[0]!), stamp(message.events[0]!.at)]
      : lines(message);
  return { title, body: cut(body.join("\n"), cap) };
}

/** At most `cap` units, cut at the end of a line where one is near. */
export function cut(text: string, cap: number): string {
  if (text.length <= cap) return text;
  const hard = text.slice(0, cap - 1).replace(/[\uD800-\uDBFF]$/, "");
  const line = hard.lastIndexOf("\n");
  return `${line > cap / 2 ? hard.slice(0, line + 1) : hard}…`;
}

/** As `cut`, but counted in bytes of UTF-8. */
export function cutBytes(text: string, most: number): string {
  let shown = cut(text, most);
  // Each step takes away as much as is surely too much, so that few are needed.
  for (let over = Buffer.byteLength(shown) - most; over > 0; over = Buffer.byteLength(shown) - most)
    shown = cut(shown, shown.length - Math.max(1, Math.ceil(over / 4)));
  return shown;
}
