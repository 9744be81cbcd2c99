// Names → addresses, and back, without the machine's own resolver function. Bun runs getaddrinfo(3) on as many threads as there are
// processors, and a name server that does not answer keeps each of them for half a minute: two names, and nothing else that needs a
// thread moves any more, the journal's flush not either. Questions are asked by a resolver made for each of them, since one that is
// kept never looks into resolv.conf again. What nsswitch.conf may name beside files and DNS is not asked.

import type { Resolver } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { parseAddress } from "../core/address.ts";

/** Text of a file of the system's; "" where there is none. */
export type ReadText = (path: string) => string;

/** For one question to one name server. */
const timeoutMs = 3000;
const tries = 2;
const largestHosts = 1024 * 1024;

const fromDisk: ReadText = (path) => {
  try {
    return readFileSync(path, "latin1").slice(0, largestHosts);
  } catch {
    return "";
  }
};

export async function freshResolver(): Promise<Resolver> {
  const { Resolver: Fresh } = await import("node:dns/promises");
  return new Fresh({ timeout: timeoutMs, tries });
}

/** What is asked of DNS, replaceable in tests. Rejects with a `code` as node:dns does. */
export interface Questions {
  resolve4(name: string): Promise<readonly string[]>;
  resolve6(name: string): Promise<readonly string[]>;
}

/**
 * The addresses of a name, IPv4 first; of an address, itself. Looks into /etc/hosts before it asks. Rejects with a `code` (ENOTFOUND,
 * ENODATA: there are none; ETIMEOUT and others: nobody knows).
 */
export async function addressesOf(
  name: string,
  read: ReadText = fromDisk,
  ask: () => Promise<Questions> = freshResolver,
): Promise<readonly string[]> {
  if (parseAddress(name) !== undefined) return [name];
  const known = inHosts(read("/etc/hosts"), name);
  if (known.length > 0) return known;
  let last: unknown;
  for (const full of fullNames(read("/etc/resolv.conf"), name)) {
    const questions = await ask();
    const answers = await Promise.allSettled([questions.resolve4(full), questions.resolve6(full)]);
    const found = answers.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
    if (found.length > 0) return found;
    const errors = answers.flatMap((one) =>
      one.status === "rejected" ? [one.reason as NodeJS.ErrnoException] : [],
    );
    last = errors.find(({ code }) => !isAbsent(code)) ?? errors[0] ?? last;
    // Nobody answers: the next suffix would wait as long.
    if (!isAbsent((last as NodeJS.ErrnoException | undefined)?.code)) break;
  }
  throw last ?? Object.assign(new Error(`${name} has no address`), { code: "ENOTFOUND" });
}

/** The first of them that this machine has a way to: one without IPv6 does not try it, one with nothing else does. */
export async function reachable(addresses: readonly string[]): Promise<string> {
  const [first = ""] = addresses;
  if (addresses.length > 1) for (const address of addresses) if (await hasWay(address)) return address;
  return first;
}

/** A datagram socket is tied to the address, which asks the kernel for a way and sends nothing. */
async function hasWay(address: string): Promise<boolean> {
  const { createSocket } = await import("node:dgram");
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    const end = (answer: boolean): void => {
      try {
        socket.close();
      } catch {
        // Closed by the error that it told.
      }
      resolve(answer);
    };
    socket.on("error", () => end(false));
    try {
      socket.connect(9, address, (...errors: unknown[]) =>
        end(errors[0] === undefined || errors[0] === null),
      );
    } catch {
      end(false);
    }
  });
}

const isAbsent = (code: string | undefined): boolean =>
  code === undefined || code === "ENOTFOUND" || code === "ENODATA";

/** hosts(5) */
export function inHosts(hosts: string, name: string): string[] {
  const wanted = name.toLowerCase().replace(/\.$/, "");
  if (wanted === "localhost" || wanted.endsWith(".localhost")) return ["127.0.0.1", "::1"];
  const found = hosts.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*$/, "").trim().split(/\s+/);
    return parseAddress(address) !== undefined && names.some((one) => one.toLowerCase() === wanted)
      ? [address]
      : [];
  });
  return [...found.filter((one) => !one.includes(":")), ...found.filter((one) => one.includes(":"))];
}

/** resolv.conf(5), search and domain: a name with a dot is tried as it is first, one without last. */
export function fullNames(conf: string, name: string): string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  let suffixes: string[] = [];
  for (const [, words = ""] of conf.matchAll(/^[ \t]*(?:search|domain)[ \t]+([^\n#;]+)/gm))
    suffixes = words.trim().split(/\s+/).slice(0, 6);
  const longer = suffixes.map((suffix) => `${name}.${suffix.replace(/\.$/, "")}`);
  return name.includes(".") ? [name, ...longer] : [...longer, name];
}
