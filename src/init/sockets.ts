// Who listens: the kernel's tables of sockets (proc(5), /proc/net/tcp and its relatives), and the ports that containers publish, which no
// socket of this machine need show.

import type { System } from "../system/index.ts";
import type { Published } from "./facts.ts";
import type { Process } from "./processes.ts";

export interface Listener {
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  readonly inode: string;
  readonly loopback: boolean;
}

export function listeners(system: System): readonly Listener[] {
  return (["tcp", "udp"] as const).flatMap((protocol) =>
    ["", "6"].flatMap((family) => {
      try {
        const table = system.files.readFile(`/proc/self/net/${protocol}${family}`);
        return parseSockets(Buffer.from(table).toString("latin1"), protocol);
      } catch {
        return []; // no IPv6 in this kernel
      }
    }),
  );
}

/** State 0A is LISTEN; a bound UDP socket without a peer is 07. Addresses are hexadecimal words in host byte order. */
export function parseSockets(text: string, protocol: Listener["protocol"]): Listener[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line): Listener[] => {
      const columns = line.trim().split(/\s+/);
      const [address = "", port = ""] = (columns[1] ?? "").split(":");
      const inode = columns[9];
      if (inode === undefined || columns[3] !== (protocol === "tcp" ? "0A" : "07")) return [];
      const loopback =
        /^[0-9A-F]{6}7F$/.test(address) ||
        address === "00000000000000000000000001000000" ||
        /^0{16}FFFF0000[0-9A-F]{6}7F$/.test(address);
      return [{ protocol, port: Number.parseInt(port, 16), inode, loopback }];
    });
}

/** Ports the world can reach a process on, ascending. */
export function portsOf(process: Process, all: readonly Listener[]): number[] {
  const own = new Set(process.sockets);
  return all
    .filter((one) => one.protocol === "tcp" && !one.loopback && own.has(one.inode))
    .map((one) => one.port);
}

const loopbackHost = /^(?:127\.|::1$|\[::1\]$)/;

/** docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8096 -container-ip 172.17.0.2 -container-port 8096; rootlessport alike. */
export function publishedByProxies(all: readonly Process[]): Published[] {
  return all.flatMap(({ names, words }): Published[] => {
    if (!names.some((name) => name === "docker-proxy")) return [];
    const value = (flag: string): string => words[words.indexOf(flag) + 1] ?? "";
    const port = Number(value("-host-port"));
    if (!(port > 0) || loopbackHost.test(value("-host-ip"))) return [];
    const to = `${value("-container-ip")}:${value("-container-port")}`;
    return [{ port, protocol: value("-proto") || "tcp", to }];
  });
}

/** What netfilter translates, from "nft list chain", "iptables -t nat -S" or iptables-save. */
export function publishedByRules(rules: string): Published[] {
  return rules.split("\n").flatMap((line): Published[] => {
    const nft = /\b(tcp|udp) dport (\d{1,5})\b.*\bdnat(?: ip6?)? to ([\d.:[\]a-f]+)/.exec(line);
    const old = /-p (tcp|udp)\b.*--dport (\d{1,5})\b.*-j DNAT --to-destination (\S+)/.exec(line);
    const [, protocol, port, to] = nft ?? old ?? [];
    if (protocol === undefined || port === undefined || to === undefined) return [];
    // Bound to loopback only.
    if (/(?:daddr|-d) 127\./.test(line)) return [];
    return [{ port: Number(port), protocol, to }];
  });
}

export function onePublished(all: readonly Published[]): Published[] {
  const seen = new Map(all.map((one) => [`${one.protocol} ${one.port}`, one]));
  return [...seen.values()].sort((a, b) => a.port - b.port);
}
