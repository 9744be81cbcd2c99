// The machine's own addresses and those it cannot live without: what the last gate never lets be banned. Read from the kernel and
// the login records; each look is cheap, and repeated, since addresses come and go.

import { networkInterfaces } from "node:os";
import { bytesToAddress, parseAddress } from "../core/address.ts";
import type { Address } from "../core/domain.ts";
import type { System } from "../system/index.ts";

export interface MachineAddresses {
  readonly own: readonly Address[];
  readonly gateways: readonly Address[];
  readonly resolvers: readonly Address[];
  /** Peers of live sessions of root and of users who may become root (groups sudo, wheel, admin). */
  readonly sessions: readonly Address[];
}

export function lookAtMachine(system: System): MachineAddresses {
  return {
    own: ownAddresses(),
    gateways: [
      ...gateways4(text(system, "/proc/net/route")),
      ...gateways6(text(system, "/proc/net/ipv6_route")),
    ],
    resolvers: [...new Set(resolverFiles.flatMap((path) => resolvers(text(system, path))))],
    sessions: sessions(system),
  };
}

/** Where a resolver of the machine's own answers (127.0.0.53), the ones that it asks stand elsewhere. */
const resolverFiles = [
  "/etc/resolv.conf",
  "/run/systemd/resolve/resolv.conf",
  "/run/NetworkManager/no-stub-resolv.conf",
  "/run/resolvconf/resolv.conf",
];

function text(system: System, path: string): string {
  try {
    return Buffer.from(system.files.readFile(path)).toString("latin1");
  } catch {
    return ""; // not there (a container, another kernel): nothing to protect by it
  }
}

const addresses = (texts: readonly (string | undefined)[]): Address[] =>
  texts.map((one) => (one === undefined ? undefined : parseAddress(one))).filter((one) => one !== undefined);

function ownAddresses(): Address[] {
  const found = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses(found.map((one) => one.address.split("%")[0]));
}

/** /proc/net/route: hexadecimal in host byte order; flag 2 is RTF_GATEWAY (route(8)). */
export function gateways4(route: string): Address[] {
  return route
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, , gateway, flags] = line.split(/\s+/);
      if (gateway === undefined || flags === undefined || (Number.parseInt(flags, 16) & 2) === 0) return [];
      const bytes = Buffer.from(gateway, "hex").reverse();
      return bytes.length === 4 ? [bytesToAddress(bytes)] : [];
    });
}

/** /proc/net/ipv6_route: the fifth column is the next hop, the ninth the flags. */
export function gateways6(route: string): Address[] {
  return route.split("\n").flatMap((line) => {
    const columns = line.split(/\s+/);
    const hop = columns[4];
    const flags = columns[8];
    if (hop === undefined || flags === undefined || (Number.parseInt(flags, 16) & 2) === 0) return [];
    const bytes = Buffer.from(hop, "hex");
    return bytes.length === 16 ? [bytesToAddress(bytes)] : [];
  });
}

/** resolv.conf(5) */
export function resolvers(conf: string): Address[] {
  return addresses([...conf.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1]?.split("%")[0]));
}

/** Who may become root: group(5) members of the groups that sudo is usually given to. */
export function mighty(group: string): Set<string> {
  const names = new Set(["root"]);
  for (const match of group.matchAll(/^(?:sudo|wheel|admin):[^:]*:[^:]*:(.*)$/gm)) {
    for (const name of (match[1] ?? "").split(",")) if (name !== "") names.add(name.trim());
  }
  return names;
}

function sessions(system: System): Address[] {
  const names = mighty(text(system, "/etc/group"));
  return [...new Set([...utmpSessions(bytes(system, "/run/utmp"), names), ...logindSessions(system, names)])];
}

function bytes(system: System, path: string): Uint8Array {
  try {
    return system.files.readFile(path);
  } catch {
    return new Uint8Array();
  }
}

/** utmp(5), glibc's layout on Linux: 384 bytes a record; type at 0 (7 is USER_PROCESS), user at 44, address at 348. */
export function utmpSessions(utmp: Uint8Array, names: ReadonlySet<string>): Address[] {
  const found: Address[] = [];
  const view = Buffer.from(utmp.buffer, utmp.byteOffset, utmp.byteLength);
  for (let at = 0; at + 384 <= view.length; at += 384) {
    if (view.readInt16LE(at) !== 7) continue;
    const user = view.toString("latin1", at + 44, at + 76).replace(/\0.*$/s, "");
    if (!names.has(user)) continue;
    const raw = view.subarray(at + 348, at + 364);
    const isV4 = raw.subarray(4).every((byte) => byte === 0);
    if (raw.every((byte) => byte === 0)) continue;
    found.push(bytesToAddress(isV4 ? raw.subarray(0, 4) : raw));
  }
  return found;
}

/** systemd-logind's records, one file a session with KEY=value lines: where there is no utmp any more. */
function logindSessions(system: System, names: ReadonlySet<string>): Address[] {
  let list: string[];
  try {
    list = system.files.readdir("/run/systemd/sessions");
  } catch {
    return [];
  }
  return list.flatMap((id) => {
    const record = text(system, `/run/systemd/sessions/${id}`);
    const user = /^USER=(.*)$/m.exec(record)?.[1];
    const host = /^REMOTE_HOST=(.*)$/m.exec(record)?.[1];
    if (user === undefined || host === undefined || !names.has(user) || !/^REMOTE=1$/m.test(record))
      return [];
    return addresses([host]);
  });
}
