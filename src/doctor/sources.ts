// Where the lines come from: logs that are not there, not read, not fed, not understood, or not about the clients.

import { parsePrefix, prefixContains } from "../core/address.ts";
import type { Address, Jail, Prefix } from "../core/domain.ts";
import { formatDuration } from "../core/duration.ts";
import type { Facts, LogFacts } from "./facts.ts";
import { finding } from "./finding.ts";
import type { Finding } from "./index.ts";
import { settingPlace } from "./policy.ts";

const day = 86_400_000;

export function checkSources(facts: Facts): Finding[] {
  return [
    ...facts.config.jails
      .filter((jail) => jail.enabled && jail.backend !== "events")
      .flatMap((jail) => jailSources(facts, jail)),
    ...checkJournald(facts),
    ...checkProxies(facts),
  ];
}

function jailSources(facts: Facts, jail: Jail): Finding[] {
  const who = `[jails.${jail.name}]`;
  const place = (key: string) => ({ at: settingPlace(facts.config, jail.name, key) });
  if (jail.backend === "systemd") return [];
  const logs = facts.logs.filter((log) => log.jail === jail.name);
  const open = logs.filter((log) => log.state === "open");
  const found: Finding[] = [];
  for (const log of logs)
    if (log.state === "refused")
      found.push(finding("F2B302", `${who} may not read ${log.path}`, { ...place("logpath"), why: log.why }));
  const running = facts.services.some((one) => one.jail === jail.name && one.running);
  const records = facts.journald?.records[jail.name];
  // Nothing in the journal of a service that runs is told of the journal.
  const journald = records !== undefined && (records > 0 || running);
  if (open.length === 0 && found.length === 0 && !journald)
    found.push(finding("F2B301", `${who} waits for ${jail.logpath.join(", ") || "a log"}`, place("logpath")));
  for (const log of open) found.push(...checkLog(facts, jail, log));
  return found;
}

function checkLog(facts: Facts, jail: Jail, log: LogFacts): Finding[] {
  const who = `[jails.${jail.name}]`;
  const place = (key: string) => ({ at: settingPlace(facts.config, jail.name, key) });
  const found: Finding[] = [];
  const running = facts.services.some((one) => one.jail === jail.name && one.running);
  const quiet = facts.now - log.mtimeMs;
  if (log.wide) return [finding("F2B318", `${log.path} is written in UTF-16`, place("logpath"))];
  // A service that nobody uses logs nothing: days, not hours.
  if (running && quiet > 3 * day)
    found.push(
      finding(
        "F2B303",
        `${log.path} has not grown for ${formatDuration(Math.round(quiet / day) * 86_400)} while its service runs`,
        place("logpath"),
      ),
    );
  const timeless =
    jail.filter.format.split("|").every((name) => name === "bare") && jail.filter.datepattern.length === 0;
  if (log.lines >= 20 && log.timed === 0 && !timeless)
    found.push(
      finding(
        "F2B304",
        `none of the last ${log.lines} lines of ${log.path} has a time that is recognised`,
        place("datepattern"),
      ),
    );
  const off = log.lastTime === undefined ? 0 : Math.round((log.lastTime - log.mtimeMs) / 1000);
  const quarters = Math.round(off / 900);
  // Zones differ by quarters of an hour; a log that is written late does not.
  if (Math.abs(quarters) >= 2 && Math.abs(quarters) <= 60 && Math.abs(off - quarters * 900) <= 120)
    found.push(
      finding(
        "F2B305",
        `times in ${log.path} are ${formatDuration(Math.abs(quarters) * 900)} ${off > 0 ? "ahead of" : "behind"} the clock`,
        place("logtimezone"),
      ),
    );
  if (log.reach !== undefined && log.reach < jail.findtime)
    found.push(
      finding(
        "F2B309",
        `${log.path} and its rotations reach back ${formatDuration(Math.round(log.reach))}, findtime is ${formatDuration(jail.findtime)}`,
        place("findtime"),
      ),
    );
  if (log.rotated) found.push(finding("F2B311", `${who} watches ${log.path}`, place("logpath")));
  if (log.lines >= 200 && log.named === 0 && !running)
    found.push(
      finding(
        "F2B312",
        `none of the last ${log.lines} lines of ${log.path} is of the program of ${who}`,
        place("logpath"),
      ),
    );
  if (log.network && jail.backend !== "polling")
    found.push(finding("F2B313", `${log.path} lies on a network file system`, place("backend")));
  if (log.hosts.length > 1)
    found.push(
      finding("F2B314", `${log.path} has lines of ${log.hosts.slice(0, 5).join(", ")}`, place("logpath")),
    );
  if (log.suspects >= 5 && log.failures === 0)
    found.push(
      finding(
        "F2B316",
        `${log.suspects} of the last ${log.lines} lines of ${log.path} speak of failures with an address, and ${who} recognises none`,
        place("failregex"),
      ),
    );
  if (log.writable) found.push(finding("F2B609", `everybody may write ${log.path}`, place("logpath")));
  return found;
}

function checkJournald(facts: Facts): Finding[] {
  const { journald, config } = facts;
  if (journald === undefined) return [];
  if (journald.refused !== undefined)
    return [finding("F2B317", `the journal cannot be asked: ${journald.refused}`)];
  const found: Finding[] = [];
  for (const [name, records] of Object.entries(journald.records)) {
    const jail = config.jails.find((one) => one.name === name);
    if (jail === undefined) continue;
    const running = facts.services.some((one) => one.jail === name && one.running);
    if (records === 0 && (running || jail.backend === "systemd"))
      found.push(
        finding(
          "F2B306",
          `[jails.${name}] finds nothing in the journal by ${jail.journalmatch.join(" or ")}`,
          { at: settingPlace(config, name, "journalmatch") },
        ),
      );
    if (journald.reach !== undefined && journald.reach < jail.findtime)
      found.push(
        finding(
          "F2B308",
          `the journal reaches back ${formatDuration(Math.round(journald.reach))}, findtime of [jails.${name}] is ${formatDuration(jail.findtime)}`,
          { at: settingPlace(config, name, "findtime") },
        ),
      );
  }
  if (journald.suppressed > 0)
    found.push(finding("F2B307", `journald dropped ${journald.suppressed} messages in the last days`));
  return found;
}

const internal = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128"].map(
  (one) => parsePrefix(one)!,
);
export const isInternal = (address: Address): boolean =>
  internal.some((range) => prefixContains(range, address));
const within = (ranges: readonly string[], address: Address): boolean =>
  ranges.some((one) => one === address || (one.includes("/") && prefixContains(one as Prefix, address)));

/** All failures under one internal address: the log names whoever passed the request on. */
function checkProxies({ recent, config }: Facts): Finding[] {
  return recent.flatMap(({ jail: name, failures, by }) => {
    const jail = config.jails.find((one) => one.name === name);
    const [first] = by;
    if (
      jail === undefined ||
      first === undefined ||
      failures < 20 ||
      by.length > 1 ||
      !isInternal(first.address)
    )
      return [];
    if (within(jail.trustedproxies, first.address)) return [];
    return [
      finding("F2B310", `all ${failures} failures of [jails.${name}] come from ${first.address}`, {
        at: settingPlace(config, name, "logpath"),
      }),
    ];
  });
}
