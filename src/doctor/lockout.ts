// Whom a ban must not hit: the administrator, the way out, the names, the mail, the neighbours, and everybody behind a proxy.

import { parsePrefix, prefixContains } from "../core/address.ts";
import type { Address, Jail, Prefix } from "../core/domain.ts";
import { compileIgnore } from "../core/ignore.ts";
import type { Dear, Facts } from "./facts.ts";
import { finding } from "./finding.ts";
import type { Finding } from "./index.ts";
import { settingPlace } from "./policy.ts";
import { isInternal } from "./sources.ts";

const ids = {
  session: "F2B501",
  gateway: "F2B502",
  resolver: "F2B503",
  relay: "F2B504",
  neighbour: "F2B505",
} as const satisfies Record<Dear["as"], string>;

const names = {
  session: "the address you are connected from",
  gateway: "the default gateway",
  resolver: "the resolver",
  relay: "the mail relay",
  neighbour: "the cluster's neighbour",
} as const satisfies Record<Dear["as"], string>;

export function checkLockout(facts: Facts): Finding[] {
  const { config, dear, recent, daemon } = facts;
  const jails = config.jails.filter((jail) => jail.enabled);
  const found: Finding[] = [];
  const place = {
    at: jails.map((jail) => config.resolver.origins(jail.name).ignoreip?.at).find((at) => at !== undefined),
  };
  const emergency = (address: Address): boolean => holds(config.daemon.emergency, address);
  for (const one of dear) {
    const open = jails.filter((jail) => !ignores(jail, one.address));
    const what = `${names[one.as]}, ${one.address} (${one.from}),`;
    if (open.length > 0 && !emergency(one.address))
      found.push(
        finding(
          ids[one.as],
          `${what} is not ignored by ${open.length === jails.length ? "any jail" : open.map((jail) => jail.name).join(", ")}`,
          { ...place, mend: one.as === "session" ? { kind: "ignore", address: one.address } : undefined },
        ),
      );
    if (holds(config.daemon.unguarded, one.address))
      found.push(
        finding("F2B510", `${what} is in unguarded`, { at: config.provenance()["daemon.unguarded"]?.at }),
      );
    if (daemon.banned.includes(one.address)) found.push(finding("F2B509", `${what} is banned`));
  }
  const known = new Map(dear.map((one) => [one.address, one]));
  const proxies = new Set(recent.flatMap(({ by }) => by.map((one) => one.address)).filter(isInternal));
  for (const { jail, banned } of recent) {
    const at = settingPlace(config, jail, "enabled");
    for (const address of banned) {
      const one = known.get(address);
      if (one !== undefined)
        found.push(
          finding("F2B506", `[jails.${jail}] would have banned ${names[one.as]}, ${address}`, { at }),
        );
      else if (proxies.has(address) && behind(facts, address))
        found.push(
          finding(
            "F2B507",
            `[jails.${jail}] would have banned ${address}, which passes on the requests of others`,
            { at },
          ),
        );
      else if (prefixContains(carriers, address))
        found.push(finding("F2B508", `[jails.${jail}] would have banned ${address}`, { at }));
    }
  }
  return found;
}

/** RFC 6598: shared address space of carrier-grade NAT. */
const carriers = parsePrefix("100.64.0.0/10")!;

/** An internal address under which most of what a jail sees comes in, or that some jail trusts as a proxy. */
function behind({ recent, config }: Facts, address: Address): boolean {
  if (config.jails.some((jail) => holds(jail.trustedproxies, address))) return true;
  return recent.some(
    ({ failures, by }) =>
      failures >= 20 && (by.find((one) => one.address === address)?.count ?? 0) > failures * 0.8,
  );
}

const holds = (ranges: readonly string[], address: Address): boolean =>
  ranges.some((one) => one === address || (one.includes("/") && prefixContains(one as Prefix, address)));

/** By its own list; names and files of it are not looked into. */
const ignores = (jail: Jail, address: Address): boolean =>
  compileIgnore(jail.ignore.ignoreip).prefixes.find(address) !== undefined;
