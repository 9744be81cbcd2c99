// The conversation: facts are shown, a proposal is made, answers change it, the last days of logs show what it would have done. It only
// asks; whoever called it does what was decided, so that leaving at any question leaves nothing behind.

import type { Address, Fault, Prefix, Time } from "../core/domain.ts";
import { plural, table, visible } from "../core/text.ts";
import { cancelled, type Terminal } from "./ask.ts";
import { diff } from "./diff.ts";
import type { Facts } from "./facts.ts";
import {
  byReason,
  nothingPresent,
  type Present,
  type Proposal,
  type ProposedJail,
  propose,
  unprotected,
  withEvidence,
} from "./propose.ts";
import { addedText, type Choices, freshText } from "./text.ts";

/** A configuration to build on: its text, and the path that its directories conf.d/ and jails/ stand beside. */
export interface Base {
  readonly path: string;
  readonly text: string;
  readonly present: Present;
  /** What every jail of it already ignores. */
  readonly ignored: readonly (Address | Prefix)[];
}

export interface Preview {
  readonly lines: number;
  readonly sources: readonly string[];
  readonly from: Time | undefined;
  readonly to: Time | undefined;
  readonly jails: readonly PreviewedJail[];
  /** Banned most often first. */
  readonly banned: readonly { readonly target: string; readonly jail: string; readonly bans: number }[];
  /** Failed often enough but are ignored or guarded, with the reason. */
  readonly spared: readonly (readonly [string, string])[];
  readonly notes: readonly string[];
}

export interface PreviewedJail {
  readonly jail: string;
  readonly failures: number;
  readonly addresses: number;
  readonly banned: number;
}

/** What the wizard needs done while it asks. Nothing of it leaves a trace. */
export interface Lent {
  /** Where the configuration will stand. */
  readonly path: string;
  /** Today, for the head of a new file. */
  readonly date: string;
  readonly base: Base | undefined;
  /** What fail2ban's configuration becomes, made aside; undefined: not offered. */
  readonly takeOver: (() => Promise<TakenOver>) | undefined;
  /** Mistakes of a text that would stand at `path`. */
  check(path: string, text: string): readonly Fault[];
  /** Undefined: no preview is wanted. */
  readonly preview:
    | ((path: string, text: string, progress: (part: number) => void) => Promise<Preview>)
    | undefined;
}

export interface TakenOver {
  readonly base: Base | undefined;
  readonly report: string;
}

export type Outcome =
  | { readonly kind: "cancelled" }
  | { readonly kind: "faulty"; readonly faults: readonly Fault[] }
  | {
      readonly kind: "decided";
      /** The text to write, made from the text that stands there by then; undefined: nothing is to be written. */
      readonly write: ((present: string | undefined) => string) | undefined;
      readonly takeOver: boolean;
      readonly start: boolean;
      readonly stopFail2ban: boolean;
    };

const out: Outcome = { kind: "cancelled" };

export async function converse(facts: Facts, lent: Lent, terminal: Terminal): Promise<Outcome> {
  terminal.note("Found on this machine", foundText(facts));
  let base = lent.base;
  let takeOver = false;
  if (base === undefined && facts.fail2ban !== undefined && lent.takeOver !== undefined) {
    const answer = await terminal.confirm(
      `Take over fail2ban's configuration and bans (${facts.fail2ban.directory})?`,
      facts.fail2ban.running,
    );
    if (answer === cancelled) return out;
    if (answer) {
      const taken = await lent.takeOver();
      terminal.note("What becomes of it", taken.report.trimEnd());
      takeOver = taken.base !== undefined;
      base = taken.base;
    }
  }
  const compose = (text: string | undefined, choices: Choices): string =>
    text === undefined ? freshText(proposal, choices, lent.date) : addedText(text, proposal, choices);
  const path = base?.path ?? lent.path;
  let proposal = propose(facts, base?.present ?? nothingPresent);
  const progress = terminal.progress("looking for applications in the logs");
  proposal = await lookForGuests(proposal, lent, path, base?.text, progress.update);
  progress.end();
  if (base !== undefined && !takeOver)
    terminal.say(`${lent.path} is there already: only additions are proposed.`);
  if (proposal.refused.length > 0)
    terminal.note(
      "Found, but not proposed",
      byReason(proposal.refused)
        .map(({ jails: some, reason }) => `${some}: ${visible(reason)}`)
        .join("\n"),
    );
  // Jails that cannot run are put aside by the daemon; they are no reason to add nothing beside them.
  const standing = base === undefined ? [] : lent.check(path, base.text);
  if (standing.length > 0)
    terminal.warn(
      `${takeOver ? "Of what is taken over" : "Of what is there"} this has to be corrected by hand; the other jails run meanwhile (f2b config check):\n${standing
        .map((fault) => `  ${visible(fault.what)}`)
        .join("\n")}`,
    );
  let jails = proposal.jails.filter((jail) => jail.chosen).map((jail) => jail.jail);
  let asked: Pick<Choices, "ignore" | "mail"> | undefined;
  for (;;) {
    if (proposal.jails.length > 0) {
      const answer = await terminal.pick("Which services are to be protected?", choicesOf(proposal), jails);
      if (answer === cancelled) return out;
      jails = [...answer];
    } else
      terminal.say(
        base === undefined ? "No service that f2b knows was found." : "No further service was found.",
      );
    asked ??= await askOnce(facts, base, terminal);
    if (asked === undefined) return out;
    const choices: Choices = { jails, ...asked };
    const text = compose(base?.text, choices);
    const faults = lent
      .check(path, text)
      .filter((fault) => !standing.some((other) => other.what === fault.what));
    if (faults.length > 0) return { kind: "faulty", faults };
    if (lent.preview !== undefined && (jails.length > 0 || base !== undefined)) {
      const progress = terminal.progress("reading the logs of the last days");
      const seen = await lent.preview(path, text, progress.update);
      progress.end(
        seen.lines === 0 ? "The last days' logs hold nothing to show." : "Under this configuration:",
      );
      if (seen.lines > 0)
        terminal.note(
          "The last days under this configuration",
          previewText(seen, facts.admin?.addresses ?? []),
        );
      for (const warning of previewWarnings(seen)) terminal.warn(warning);
    }
    const changed = takeOver || text !== base?.text;
    if (changed)
      terminal.note(
        base === undefined || takeOver ? `${lent.path} (new)` : `What changes in ${lent.path}`,
        base === undefined ? text.trimEnd() : takeOver ? text.trimEnd() : diff(base.text, text),
      );
    const idle = base === undefined && jails.length === 0;
    if (idle) terminal.warn("Without a service f2b would do nothing.");
    const decision = await decide(facts, changed, idle, proposal, terminal);
    if (decision === cancelled || decision === "stop") return out;
    if (decision === "again") continue;
    const start = decision === "start";
    let stopFail2ban = false;
    if (facts.fail2ban?.running === true && start) {
      const answer = await terminal.confirm(
        "Stop fail2ban and keep it from starting again, once f2b runs?",
        true,
      );
      if (answer === cancelled) return out;
      stopFail2ban = answer;
    }
    return {
      kind: "decided",
      write: changed ? (present) => compose(present, choices) : undefined,
      takeOver,
      start,
      stopFail2ban,
    };
  }
}

/** Applications behind a web server betray themselves by failures in its log. */
export async function lookForGuests(
  proposal: Proposal,
  { date, preview }: Pick<Lent, "date" | "preview">,
  path: string,
  text: string | undefined,
  progress: (part: number) => void,
): Promise<Proposal> {
  const guests = proposal.jails.filter((jail) => jail.guest).map((jail) => jail.jail);
  if (preview === undefined || guests.length === 0) return proposal;
  const choices: Choices = { jails: guests, ignore: [], mail: undefined };
  const trial = text === undefined ? freshText(proposal, choices, date) : addedText(text, proposal, choices);
  const { jails } = await preview(path, trial, progress);
  return withEvidence(proposal, new Map(jails.map((one) => [one.jail, one.failures])));
}

/** Own addresses and mail; undefined: cancelled. */
async function askOnce(
  facts: Facts,
  base: Base | undefined,
  terminal: Terminal,
): Promise<Pick<Choices, "ignore" | "mail"> | undefined> {
  const ignore: Address[] = [];
  for (const address of unprotected(facts.admin?.addresses ?? [], base?.ignored ?? [])) {
    const answer = await terminal.confirm(
      `You are connected from ${address} (${facts.admin?.how ?? ""}). Never ban this address?`,
      true,
    );
    if (answer === cancelled) return undefined;
    if (answer) ignore.push(address);
  }
  if (facts.mail === undefined || base !== undefined) return { ignore, mail: undefined };
  const to = await terminal.text("Mail a daily report to which address?", "", (answer) =>
    answer === "" || /^[^\s@<>",;]+@[^\s@<>",;]+$/.test(answer)
      ? undefined
      : "an address such as root@example.org, or nothing",
  );
  if (to === cancelled) return undefined;
  return { ignore, mail: to === "" ? undefined : { to, via: facts.mail } };
}

function decide(facts: Facts, changed: boolean, idle: boolean, proposal: Proposal, terminal: Terminal) {
  const startable = facts.root && (facts.systemd || facts.guarded);
  const write = changed ? "Write it" : "Leave it as it is";
  const verb = facts.guarded ? "bring it into force" : "start the service";
  const choices = [
    ...(startable ? [{ value: "start" as const, label: `${write} and ${verb}` }] : []),
    { value: "write" as const, label: startable ? `${write}, nothing more` : write },
    ...(proposal.jails.length > 0 ? [{ value: "again" as const, label: "Choose the services again" }] : []),
    { value: "stop" as const, label: "Leave without changing anything" },
  ];
  return terminal.choose("What now?", choices, idle ? "stop" : startable ? "start" : "write");
}

const choicesOf = (proposal: Proposal) =>
  proposal.jails.map((jail) => ({ value: jail.jail, label: jail.jail, hint: hintOf(jail) }));

const hintOf = (jail: ProposedJail): string => visible(jail.hold ?? jail.seen.join("; "));

function foundText(facts: Facts): string {
  const { firewall, admin, published, fail2ban } = facts;
  const running = new Set(
    facts.services.flatMap((service) => [
      ...service.running.slice(0, 1),
      ...(service.container === undefined ? [] : [`${service.container.program} in a container`]),
    ]),
  );
  const rows: (readonly [string, string])[] = [
    ["services", running.size === 0 ? "none that f2b knows" : [...running].join(", ")],
    ...(published.length === 0
      ? []
      : [
          [
            "containers",
            `publish ${published.map((one) => `${one.port}/${one.protocol}`).join(", ")}`,
          ] as const,
        ]),
    ["firewall", [firewall.reason, ...firewall.others].join("; ")],
    [
      "you",
      admin === undefined ? "on this machine itself" : `from ${admin.addresses.join(", ")} (${admin.how})`,
    ],
    [
      "fail2ban",
      fail2ban === undefined ? "not here" : fail2ban.running ? "running" : "installed, not running",
    ],
    [
      "mail",
      facts.mail === undefined
        ? "cannot be sent"
        : facts.mail === "server"
          ? "by the server on port 25"
          : "by sendmail",
    ],
  ];
  return table(rows);
}

const day = (time: Time): string => new Date(time).toISOString().slice(0, 10);
const most = 8;

export function previewText(seen: Preview, mine: readonly string[]): string {
  const span = seen.from === undefined ? "" : `, ${day(seen.from)} to ${day(seen.to ?? seen.from)}`;
  const parts = [
    `${plural(seen.lines, "line")} of ${plural(seen.sources.length, "source")}${span}`,
    table([
      ["jail", "failures", "addresses", "banned"],
      ...seen.jails.map((one) => [one.jail, String(one.failures), String(one.addresses), String(one.banned)]),
    ]),
  ];
  if (seen.banned.length > 0)
    parts.push(
      table([
        ...seen.banned
          .slice(0, most)
          .map((one) => [
            one.target,
            one.jail,
            plural(one.bans, "ban"),
            mine.includes(one.target) ? "YOU ARE CONNECTED FROM HERE" : "",
          ]),
        ...(seen.banned.length > most ? [[`and ${seen.banned.length - most} more`]] : []),
      ]),
    );
  else parts.push("Nobody would have been banned.");
  if (seen.spared.length > 0)
    parts.push(
      `Failed as often, but spared:\n${table(seen.spared.slice(0, most).map(([who, why]) => [who, why]))}`,
    );
  return parts.join("\n\n");
}

const inside = /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|f[cd][0-9a-f]{2}:)/;

/** A private address that fails again and again is often a proxy or a container's gateway, behind which everybody looks alike. */
export function previewWarnings(seen: Preview): string[] {
  const suspects = [
    ...seen.banned.map((one) => one.target),
    ...seen.spared
      .filter(([, why]) => /gateway|own address|address of this machine/.test(why))
      .map(([who]) => who),
  ].filter((target) => inside.test(target));
  return [
    ...seen.notes.map(visible),
    ...(suspects.length === 0
      ? []
      : [
          `${[...new Set(suspects)].slice(0, 4).join(", ")}: a private address. If it is a reverse proxy or a container's gateway, everybody behind it looks like it: let the service log its clients' addresses, or put it into ignoreip.`,
        ]),
  ];
}
