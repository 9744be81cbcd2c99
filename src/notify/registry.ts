// What the address registries say: RDAP over HTTPS and whois on port 43. Referrals are followed only to registries known by name, so
// that no answer sends us anywhere else; answers are bounded, and their text is the attacker's provider's: cleaned before use.

import { visibleLine } from "../core/text.ts";
import { addressesOf, reachable } from "../system/dns.ts";
import { Failure } from "./failure.ts";
import { http, refusal } from "./http.ts";
import { mailAddress } from "./smtp.ts";

export interface Registries {
  /** RDAP base to start from; "…/ip/" and the address are appended. */
  readonly rdap: string;
  /** Host names RDAP may refer to. */
  readonly rdapHosts: readonly string[];
  readonly whois: { readonly host: string; readonly port: number };
  /** Hosts whois may refer to, and the port they listen on. */
  readonly whoisHosts: readonly string[];
  readonly whoisPort: number;
  /** For own servers with an own certificate authority. */
  readonly ca?: string;
}

export const registries: Registries = {
  rdap: "https://rdap.arin.net/registry",
  rdapHosts: [
    "rdap.arin.net",
    "rdap.db.ripe.net",
    "rdap.apnic.net",
    "rdap.lacnic.net",
    "rdap.afrinic.net",
    // The national registries that APNIC and LACNIC refer to for their members' networks.
    "jpnic.rdap.apnic.net",
    "krnic.rdap.apnic.net",
    "idnic.rdap.apnic.net",
    "twnic.rdap.apnic.net",
    "rdap.cnnic.cn",
    "rdap.registro.br",
  ],
  whois: { host: "whois.iana.org", port: 43 },
  whoisHosts: [
    "whois.arin.net",
    "whois.ripe.net",
    "whois.apnic.net",
    "whois.lacnic.net",
    "whois.afrinic.net",
  ],
  whoisPort: 43,
};

export interface Registration {
  readonly network?: string;
  readonly country?: string;
  readonly organisation?: string;
  readonly abuse?: string;
}

const hops = 3;

/** Asks RDAP. Rejects with a Failure when nobody answers usefully. */
export async function askRdap(address: string, from: Registries = registries): Promise<Registration> {
  let url = `${from.rdap.replace(/\/+$/, "")}/ip/${address}`;
  for (let hop = 0; hop <= hops; hop++) {
    const call = {
      url,
      headers: { accept: "application/rdap+json" },
      ...(from.ca === undefined ? {} : { ca: from.ca }),
    };
    const answer = await http(call);
    const location = answer.header("location");
    if (answer.status >= 300 && answer.status < 400 && location !== undefined) {
      const next = URL.canParse(location, url) ? new URL(location, url) : undefined;
      const sameScheme = next?.protocol === new URL(from.rdap).protocol;
      if (next === undefined || !sameScheme || !from.rdapHosts.includes(next.hostname))
        throw new Failure("RDAP referred to a host that is no address registry", { permanent: true });
      url = next.href;
      continue;
    }
    if (answer.status !== 200) throw refusal(call, answer);
    if (answer.truncated) throw new Failure("the RDAP answer is too long", { permanent: true });
    let parsed: unknown;
    try {
      parsed = JSON.parse(answer.body);
    } catch {
      throw new Failure("the RDAP answer is not JSON", { permanent: true });
    }
    return registrationOf(parsed);
  }
  throw new Failure("RDAP referred around in circles", { permanent: true });
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function registrationOf(answer: unknown): Registration {
  if (!isRecord(answer)) return {};
  const text = (value: unknown, cap: number): string | undefined =>
    typeof value === "string" && value !== "" ? visibleLine(value, cap) : undefined;
  const range = [text(answer.startAddress, 45), text(answer.endAddress, 45)].filter(
    (one) => one !== undefined,
  );
  const network = text(answer.name, 80);
  const country = text(answer.country, 2);
  const organisation = cardOf(answer.entities, "registrant", "fn", 0);
  const abuse = cardOf(answer.entities, "abuse", "email", 0);
  return {
    ...(network === undefined && range.length < 2
      ? {}
      : { network: [network ?? "", range.length === 2 ? `(${range.join(" - ")})` : ""].join(" ").trim() }),
    ...(country === undefined || !/^[A-Z]{2}$/i.test(country) ? {} : { country: country.toUpperCase() }),
    ...(organisation === undefined ? {} : { organisation: visibleLine(organisation, 120) }),
    ...(abuse === undefined || !mailAddress.test(abuse) || !abuse.includes("@") ? {} : { abuse }),
  };
}

/** The first value of a vCard property of an entity with this role; entities nest, and an answer may nest them without end. */
function cardOf(entities: unknown, role: string, property: string, depth: number): string | undefined {
  if (!Array.isArray(entities) || depth > 3) return undefined;
  for (const entity of entities.slice(0, 30) as unknown[]) {
    if (!isRecord(entity)) continue;
    const card = Array.isArray(entity.vcardArray) ? (entity.vcardArray as unknown[])[1] : undefined;
    if (Array.isArray(entity.roles) && entity.roles.includes(role) && Array.isArray(card))
      for (const line of card.slice(0, 50) as unknown[])
        if (Array.isArray(line) && line[0] === property && typeof line[3] === "string") return line[3];
    const inner = cardOf(entity.entities, role, property, depth + 1);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

const whoisLimit = 64 * 1024;

/** Asks whois; the text of the last registry, comments dropped, at most 60 lines. */
export async function askWhois(
  address: string,
  timeoutMs: number,
  from: Registries = registries,
): Promise<string> {
  let { host, port } = from.whois;
  let text = "";
  const asked = new Set<string>();
  for (let hop = 0; hop <= hops; hop++) {
    asked.add(host);
    const answer = await question(host, port, address, timeoutMs);
    if (answer.trim() !== "") text = answer;
    const next = /^\s*(?:refer|whois|ReferralServer):\s*(?:r?whois:\/\/)?([A-Za-z0-9.-]{1,253})/im
      .exec(answer)?.[1]
      ?.toLowerCase();
    if (next === undefined || asked.has(next) || !from.whoisHosts.includes(next)) break;
    host = next;
    port = from.whoisPort;
  }
  return cleanWhois(text);
}

/** Text of a registry made fit for a mail: one visible line each, comments and empty runs dropped, bounded. */
export function cleanWhois(text: string): string {
  const kept: string[] = [];
  for (const raw of text.slice(0, whoisLimit).split(/\r?\n/)) {
    const line = visibleLine(raw.trimEnd(), 160);
    // RIPE, APNIC and AFRINIC name the abuse contact in a comment.
    const isComment = /^[%#>]/.test(line) && !/^% Abuse contact for /.test(line);
    if (isComment || (line === "" && (kept.at(-1) ?? "") === "")) continue;
    kept.push(line);
    if (kept.length === 60) {
      kept.push("…");
      break;
    }
  }
  while (kept.at(-1) === "") kept.pop();
  return kept.join("\n");
}

/** The abuse contact in a whois text, as the registries write it. */
export function abuseInWhois(text: string): string | undefined {
  const found =
    /^(?:\s*(?:abuse-mailbox|OrgAbuseEmail|abuse-c-email):\s*|% Abuse contact for .{1,100} is ')([^\s']{3,320})'?\s*$/im.exec(
      text,
    )?.[1];
  return found?.includes("@") && mailAddress.test(found) ? found : undefined;
}

async function question(host: string, port: number, address: string, timeoutMs: number): Promise<string> {
  const { connect } = await import("node:net");
  const where = await addressesOf(host)
    .then(reachable)
    .catch(() => undefined);
  if (where === undefined) throw new Failure(`whois ${host}: its name does not resolve`);
  return new Promise((fulfil, reject) => {
    const socket = connect({ host: where, port });
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (error: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      if (error !== undefined) reject(new Failure(`whois ${host}: ${error}`));
      else fulfil(Buffer.concat(chunks).subarray(0, whoisLimit).toString("utf8"));
    };
    const timer = setTimeout(() => end(size > 0 ? undefined : "no answer within the time limit"), timeoutMs);
    socket.on("connect", () => socket.write(`${address}\r\n`));
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= whoisLimit) end(undefined);
    });
    socket.on("end", () => end(undefined));
    socket.on("close", () => end(undefined));
    socket.on("error", (error: NodeJS.ErrnoException) => end(error.code ?? "cannot connect"));
  });
}
