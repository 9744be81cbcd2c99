// The last gate before every firewall call: what is never banned, whatever counted, whoever asked. A firewall that shuts out the
// gateway, the resolver or the administrator's own session does more harm than any attacker it stops. Private and
// documentation ranges pass: attackers live there too.

import { parsePrefix, parseTarget, prefixBits, prefixContains } from "./address.ts";
import type { Address, Prefix, Target } from "./domain.ts";
import { createPrefixSet, type PrefixSet } from "./prefixset.ts";

/** What the machine cannot do without, as found at the edge and refreshed there. */
export interface Machine {
  readonly own: PrefixSet;
  readonly gateways: PrefixSet;
  readonly resolvers: PrefixSet;
  /** Peers of live sessions of root and of those who may become root. */
  readonly sessions: PrefixSet;
  /** Addresses configured as the way in when all else fails. */
  readonly emergency: PrefixSet;
  readonly trustedProxies?: PrefixSet;
  /** The explicit override: what lies wholly in one of these passes the gate. */
  readonly unguarded?: PrefixSet;
}

/** The shortest prefix lengths that may be banned. */
export interface Widest {
  readonly v4: number;
  readonly v6: number;
}

const widestByDefault: Widest = { v4: 8, v6: 32 };

const fixedWhy = new Map(
  (
    [
      ["0.0.0.0/8", "unspecified (this network)"],
      ["127.0.0.0/8", "loopback"],
      ["224.0.0.0/4", "multicast"],
      ["255.255.255.255/32", "broadcast"],
      ["::/128", "unspecified"],
      ["::1/128", "loopback"],
      ["ff00::/8", "multicast"],
      ["fe80::/10", "link-local without its interface"],
      ["64:ff9b::/96", "a translation prefix (NAT64)"],
      ["64:ff9b:1::/48", "a translation prefix (local NAT64)"],
      ["2002::/16", "a translation prefix (6to4)"],
      ["2001::/32", "a translation prefix (Teredo)"],
      // Mapped addresses and networks are IPv4 after parsing (/96 would be 0.0.0.0/0); /95 catches what reaches into them.
      ["::fffe:0:0/95", "v4-mapped"],
    ] as const
  ).map(([text, why]) => [parsePrefix(text)!, why]),
);
const fixed = createPrefixSet(fixedWhy.keys());
const fixedReason = (found: Address | Prefix): string => fixedWhy.get(parsePrefix(found)!)!;

const lists = [
  ["own", "an address of this machine"],
  ["gateways", "a gateway of this machine"],
  ["resolvers", "a resolver of this machine"],
  ["sessions", "the peer of a live administrator's session"],
  ["emergency", "an emergency address"],
  ["trustedProxies", "a trusted proxy"],
] as const;

/**
 * Why this target must never be banned, or undefined. An id is judged as the address or network it reads as, if it does; other
 * ids pass. A network is refused as soon as it would hit anything that is refused, or is wider than `widest`.
 */
export function guardReason(
  target: Target,
  machine: Machine,
  widest: Widest = widestByDefault,
): string | undefined {
  const range = target.kind === "id" ? parseTarget(target.text) : target;
  if (range === undefined || range.kind === "id") return undefined;
  const { text } = range;
  const look = (set: PrefixSet) => (range.kind === "prefix" ? set.touching(text) : set.find(range.text));
  if (range.kind === "prefix") {
    const limit = range.family === 4 ? widest.v4 : widest.v6;
    if (prefixBits(range.text) < limit)
      return `${text} is wider than /${limit}, the widest network that may be banned`;
  }
  const released = machine.unguarded && look(machine.unguarded);
  if (released && prefixContains(parsePrefix(released)!, text)) return undefined;
  const refused = look(fixed);
  if (refused) return sentence(text, fixedReason(refused), refused);
  for (const [key, why] of lists) {
    const set = machine[key];
    const found = set && look(set);
    if (found) return sentence(text, why, found);
  }
  return undefined;
}

function sentence(text: Address | Prefix, why: string, found: Address | Prefix): string {
  if (text === found) return `${text} is ${why}`;
  return text.includes("/") ? `${text} would hit ${found}: ${why}` : `${text} is ${why} (${found})`;
}
