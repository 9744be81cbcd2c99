// Facts → what to propose, each line with its reason. PURE. A jail is chosen by itself when its service runs here, its log is found, and
// no stranger can turn it against others; the rest is offered or explained.

import { prefixContains } from "../core/address.ts";
import type { Address, Prefix } from "../core/domain.ts";
import { plural } from "../core/text.ts";
import type { Facts, Service } from "./facts.ts";

export interface Proposal {
  readonly jails: readonly ProposedJail[];
  /** Jails of services that are here, but which are not proposed, with the reason. */
  readonly refused: readonly { readonly jail: string; readonly reason: string }[];
  readonly defaults: readonly Line[];
}

export interface ProposedJail {
  readonly jail: string;
  readonly summary: string;
  /** Chosen unless the user says otherwise. */
  readonly chosen: boolean;
  /** What was seen, one fact each: "runs here: nginx.service". */
  readonly seen: readonly string[];
  /** Why it is not chosen by itself; undefined where it is. */
  readonly hold: string | undefined;
  /** Of an application of which only its web server was seen: lines in the logs would show that it is there. */
  readonly guest: boolean;
  /** Settings beside `enabled`, each with its reason. */
  readonly lines: readonly Line[];
}

export interface Line {
  readonly key: string;
  readonly value: unknown;
  readonly reason: string;
}

/** What the present configuration settles already. */
export interface Present {
  /** Jails it names, switched on or off: the user's decision either way. */
  readonly jails: ReadonlySet<string>;
  /** Keys of [defaults] that it writes. */
  readonly defaults: ReadonlySet<string>;
}

export const nothingPresent: Present = { jails: new Set(), defaults: new Set() };

export function propose(facts: Facts, present: Present = nothingPresent): Proposal {
  const services = facts.services.filter((service) => !present.jails.has(service.jail));
  const listening = services.filter((service) => !service.events);
  const jails = listening.filter((service) => service.unsafe === undefined).map(proposeJail);
  const some = jails.some((jail) => jail.chosen) || present.jails.size > 0;
  const events = services.filter((service) => service.events && some);
  return {
    jails: [
      ...jails.filter((jail) => jail.chosen),
      ...events.map(proposeEvents),
      ...jails.filter((jail) => !jail.chosen),
    ],
    refused: listening.flatMap(({ jail, unsafe }) =>
      unsafe === undefined ? [] : [{ jail, reason: unsafe }],
    ),
    defaults: defaultLines(facts).filter((line) => !present.defaults.has(line.key)),
  };
}

/** Guests whose filters found failures in the last days' logs are there, and are chosen. */
export function withEvidence(proposal: Proposal, failures: ReadonlyMap<string, number>): Proposal {
  const jails = proposal.jails.map((jail): ProposedJail => {
    const count = failures.get(jail.jail) ?? 0;
    if (!jail.guest || count === 0) return jail;
    const seen = [...jail.seen, `${plural(count, "failure")} in the last days' logs`];
    return { ...jail, chosen: true, hold: undefined, seen };
  });
  return {
    ...proposal,
    jails: [...jails.filter((one) => one.chosen), ...jails.filter((one) => !one.chosen)],
  };
}

function proposeEvents(service: Service): ProposedJail {
  return {
    jail: service.jail,
    summary: service.summary,
    chosen: service.optional === undefined,
    seen: ["listens to f2b's own bans: needs no log"],
    hold: service.optional,
    guest: false,
    lines: [],
  };
}

function proposeJail(service: Service): ProposedJail {
  const lines: Line[] = [];
  const seen: string[] = [];
  if (service.running.length > 0) seen.push(`runs here: ${service.running.join(", ")}`);
  if (service.container !== undefined) seen.push(`runs in a container: ${service.container.program}`);
  if (service.otherPorts.length > 0)
    lines.push({
      key: "port",
      value: [...service.port, ...service.otherPorts],
      reason: `It listens on ${service.otherPorts.join(", ")} as well.`,
    });
  const latest = Math.max(...service.logs.map((log) => log.mtimeMs));
  const byJournald = service.journald !== undefined && service.journald > latest + 60_000;
  if (service.logs.length > 0 && !byJournald)
    seen.push(`log: ${shortly(service.logs.map((log) => log.path))}`);
  if (service.elsewhere.length > 0) {
    lines.push({
      key: "logpath",
      value: [...service.logpath, ...service.elsewhere],
      reason: `It also writes ${shortly(service.elsewhere)}.`,
    });
    seen.push(`log: ${shortly(service.elsewhere)}`);
  } else if (byJournald) {
    seen.push("log: systemd's journal");
    if (service.logs.length > 0)
      lines.push({
        key: "backend",
        value: "systemd",
        reason: `${service.logs[0]?.path ?? "its file"} is no longer written; the journal is.`,
      });
  } else if (
    service.container !== undefined &&
    service.logs.length === 0 &&
    service.container.log !== undefined
  ) {
    lines.push({
      key: "logpath",
      value: ["/var/lib/docker/containers/*/*-json.log"],
      reason: "Docker keeps what containers print there; every container's output is read.",
    });
    seen.push("log: docker's json-file");
  }
  const logged = seen.some((one) => one.startsWith("log: "));
  const hold =
    service.optional ??
    (service.guestOf === undefined
      ? undefined
      : `only ${service.guestOf} was seen, whose log it reads: choose it where the application is in use`) ??
    (service.container !== undefined
      ? logged
        ? "its log comes from a container: check that it shows the clients' addresses"
        : "it runs in a container and its log is not on this machine: keep the log on a volume and write logpath"
      : !logged
        ? noLog(service)
        : undefined);
  return {
    jail: service.jail,
    summary: service.summary,
    chosen: hold === undefined,
    seen,
    hold,
    guest: service.guestOf !== undefined && service.optional === undefined,
    lines,
  };
}

/** What it needs beyond what it does anyway may be why; else only that nothing keeps what it says. */
function noLog({ logpath, needs }: Service): string {
  const looked =
    logpath.length === 0 ? "" : ` (neither ${shortly(logpath)} nor records of it in systemd's journal)`;
  return needs === undefined || needs.startsWith("nothing")
    ? `no log of it was found${looked}: is a syslog daemon or systemd's journal running?`
    : `no log of it was found${looked}; it needs ${needs}`;
}

const shortly = (paths: readonly string[]): string =>
  paths.length <= 2
    ? paths.join(", ")
    : `${paths.slice(0, 2).join(", ")} and ${plural(paths.length - 2, "other", "others")}`;

function defaultLines({ firewall, published, root }: Facts): Line[] {
  const { choice, reason, others, forwarding } = firewall;
  const lines: Line[] = [];
  if (choice === "print") {
    lines.push({
      key: "banaction",
      value: "auto",
      reason: root
        ? `${reason}. Until one does, f2b only says what it would do.`
        : "Which firewall works only root can try; auto takes the best that does.",
    });
  } else {
    const ports = published.map((one) => one.port);
    const apart =
      choice === "nftables"
        ? `Bans stand in a table of their own, looked at before ${others.length === 0 ? "all other rules" : "theirs"}${ports.length === 0 ? "" : ` and before containers' published ports (${shortly(ports.map(String))})`}.`
        : "";
    lines.push({
      key: "banaction",
      value: choice,
      reason: [`${reason}${others.length === 0 ? "" : `; ${others.join(", ")}`}.`, apart].join(" ").trim(),
    });
    if (choice === "iptables" && forwarding.length > 0)
      lines.push({
        key: "chain",
        value: ["INPUT", ...forwarding],
        reason: "Packets for containers never pass INPUT.",
      });
  }
  lines.push({
    key: "bantime",
    value: { base: "10m", increment: true, maxtime: "1w" },
    reason: "Ten minutes, twice as long each time the same address comes back, up to a week.",
  });
  return lines;
}

/** The administrator's addresses that no entry of `ignored` holds. */
export function unprotected(
  addresses: readonly Address[],
  ignored: readonly (Address | Prefix)[],
): Address[] {
  return addresses.filter(
    (address) =>
      !ignored.some((entry) =>
        entry.includes("/") ? prefixContains(entry as Prefix, address) : entry === address,
      ),
  );
}

/** Jails of the same reason in one: "a, b". */
export function byReason(
  list: Proposal["refused"],
): readonly { readonly jails: string; readonly reason: string }[] {
  return [...Map.groupBy(list, (one) => one.reason)].map(([reason, some]) => ({
    jails: some.map((one) => one.jail).join(", "),
    reason,
  }));
}
