// Who must not be banned: the administrator, gateways, resolvers, the mail relay, the other nodes of a cluster.

import { resolve4 } from "node:dns/promises";
import { bytesToAddress, parseAddress } from "../../core/address.ts";
import type { Address } from "../../core/domain.ts";
import { findAdmin } from "../../init/admin.ts";
import type { System } from "../../system/index.ts";
import type { Dear } from "../facts.ts";
import { isInternal } from "../sources.ts";

/** What daemon/machine.ts reads: gateways, resolvers, peers of sessions. */
export interface Addresses {
  readonly own: readonly Address[];
  readonly gateways: readonly Address[];
  readonly resolvers: readonly Address[];
  readonly sessions: readonly Address[];
}

export async function lookForDear(
  system: System,
  addresses: Addresses,
  env: Readonly<Record<string, string | undefined>>,
  /** Hosts to which f2b itself sends mail. */
  hosts: readonly string[] = [],
): Promise<Dear[]> {
  const admin = findAdmin(system, env, addresses.sessions);
  const own = new Set(addresses.own);
  const found: Dear[] = [
    ...(admin?.addresses ?? []).map((address) => ({
      address,
      as: "session" as const,
      from: admin?.how ?? "",
    })),
    ...addresses.gateways.map((address) => ({ address, as: "gateway" as const, from: "the routes" })),
    ...addresses.resolvers.map((address) => ({ address, as: "resolver" as const, from: "/etc/resolv.conf" })),
    ...(await relays(text(system, "/etc/postfix/main.cf"))).map((address) => ({
      address,
      as: "relay" as const,
      from: "/etc/postfix/main.cf",
    })),
    ...hosts.flatMap((host) => {
      const address = parseAddress(host);
      return address === undefined ? [] : [{ address, as: "relay" as const, from: "[notify]" }];
    }),
    ...nodes(text(system, "/etc/corosync/corosync.conf")).map((address) => ({
      address,
      as: "neighbour" as const,
      from: "/etc/corosync/corosync.conf",
    })),
    ...neighbours(text(system, "/proc/self/net/tcp")).map((address) => ({
      address,
      as: "neighbour" as const,
      from: "its open connections",
    })),
  ];
  const seen = new Set<string>();
  return found.filter(({ address }) => {
    // Its own addresses and loopback are never banned, and link-local ones cannot be.
    if (own.has(address) || /^127\.|^::1$|^fe80:/.test(address) || seen.has(address)) return false;
    seen.add(address);
    return true;
  });
}

function text(system: System, path: string): string {
  try {
    return Buffer.from(system.files.readFile(path)).toString("latin1");
  } catch {
    return ""; // not there, or not for our eyes
  }
}

/** postconf(5): relayhost = [mail.example.net]:587. Names are resolved, for two seconds at most. */
async function relays(main: string): Promise<Address[]> {
  const value = /^relayhost\s*=\s*\[?([^\]\s:]+)\]?/m.exec(main)?.[1];
  if (value === undefined || value === "") return [];
  const literal = parseAddress(value);
  if (literal !== undefined) return [literal];
  const late = new Promise<string[]>((resolve) => setTimeout(resolve, 2000, []));
  const found = await Promise.race([resolve4(value).catch(() => []), late]);
  return found.flatMap((one) => parseAddress(one) ?? []);
}

/** corosync.conf(5) */
export const nodes = (conf: string): Address[] =>
  [...conf.matchAll(/^\s*ring\d_addr:\s*(\S+)/gm)].flatMap((match) => parseAddress(match[1] ?? "") ?? []);

/** Ports on which nodes of clusters speak with each other: etcd, kubelet, swarm, corosync, galera, gluster, consul, cassandra, elasticsearch, ceph. */
const clusterPorts = new Set([
  2379, 2380, 10_250, 2377, 7946, 4567, 24_007, 8300, 8301, 7000, 9300, 3300, 6789,
]);

/** Peers of established connections on such ports, in /proc/net/tcp. */
export function neighbours(table: string): Address[] {
  const found = table
    .split("\n")
    .slice(1)
    .flatMap((line): Address[] => {
      const [, local = "", remote = "", state] = line.trim().split(/\s+/);
      if (state !== "01") return [];
      const [host = "", port = ""] = remote.split(":");
      const ports = [Number.parseInt(port, 16), Number.parseInt(local.split(":")[1] ?? "", 16)];
      if (!ports.some((one) => clusterPorts.has(one))) return [];
      const address = bytesToAddress(Buffer.from(host, "hex").reverse());
      return isInternal(address) ? [address] : [];
    });
  return [...new Set(found)];
}
