// What happens to a banned packet. One language for all firewalls; each member translates what it can.

import type { Protocol } from "../core/domain.ts";
import type { JailSetup } from "./index.ts";

/** ICMP answers by their IPv4 names; each stands for its counterpart in ICMPv6 too. */
export const icmpKinds = {
  "icmp-port-unreachable": { v4: "port-unreachable", v6: "port-unreachable" },
  "icmp-host-unreachable": { v4: "host-unreachable", v6: "addr-unreachable" },
  "icmp-net-unreachable": { v4: "net-unreachable", v6: "no-route" },
  "icmp-proto-unreachable": { v4: "prot-unreachable", v6: "port-unreachable" },
  "icmp-net-prohibited": { v4: "net-prohibited", v6: "admin-prohibited" },
  "icmp-host-prohibited": { v4: "host-prohibited", v6: "admin-prohibited" },
  "icmp-admin-prohibited": { v4: "admin-prohibited", v6: "admin-prohibited" },
} as const;

export type IcmpKind = keyof typeof icmpKinds;

export type Blocktype =
  | { readonly kind: "drop" }
  | { readonly kind: "reject"; readonly icmp: IcmpKind }
  | { readonly kind: "tcp-reset" }
  | { readonly kind: "tarpit" };

const isIcmpKind = (text: string): text is IcmpKind => Object.hasOwn(icmpKinds, text);

/** The words one may write in `blocktype = "…"`. */
export const blocktypes: readonly string[] = [
  "drop",
  "reject",
  "tcp-reset",
  "tarpit",
  ...Object.keys(icmpKinds),
];

/** Case does not matter; "reject" answers with port-unreachable. Undefined: no such word. */
export function parseBlocktype(text: string): Blocktype | undefined {
  const word = text.trim().toLowerCase();
  if (word === "drop") return { kind: "drop" };
  if (word === "reject") return { kind: "reject", icmp: "icmp-port-unreachable" };
  if (word === "tcp-reset") return { kind: "tcp-reset" };
  if (word === "tarpit") return { kind: "tarpit" };
  return isIcmpKind(word) ? { kind: "reject", icmp: word } : undefined;
}

/** The configuration has refused other words already: here one is a bug. */
export function blocktypeOf(jail: JailSetup): Blocktype {
  const parsed = parseBlocktype(jail.blocktype);
  if (parsed === undefined)
    throw new Error(`blocktype "${jail.blocktype}" of jail ${jail.jail} got past the configuration`);
  return parsed;
}

const withPorts: readonly Protocol[] = ["tcp", "udp", "sctp", "dccp"];

/** The two halves of a jail's match: protocols whose ports are looked at, and those that are shut as a whole. */
export interface Match {
  readonly ported: readonly Protocol[];
  readonly whole: readonly Protocol[] | "all";
}

/** All ports of named protocols are whole protocols; "all" with ports means every protocol that has ports. */
export function matchOf(jail: JailSetup): Match {
  const all = jail.protocol.includes("all");
  if (jail.port === "all") return { ported: [], whole: all ? "all" : jail.protocol };
  if (all) return { ported: ["tcp", "udp"], whole: [] };
  return {
    ported: jail.protocol.filter((protocol) => withPorts.includes(protocol)),
    whole: jail.protocol.filter((protocol) => !withPorts.includes(protocol)),
  };
}

/** "22", "80-90": typed numbers only, so that nothing else can reach a command. */
export const portText = (range: { readonly from: number; readonly to: number }, dash: string): string =>
  range.from === range.to ? `${range.from}` : `${range.from}${dash}${range.to}`;

/** Whole seconds from now until the ban ends, at least 1; undefined: no end, or further away than `max`. */
export function secondsLeft(until: number | "forever", now: number, max: number): number | undefined {
  if (until === "forever") return undefined;
  const left = Math.max(1, Math.ceil((until - now) / 1000));
  return left > max ? undefined : left;
}
