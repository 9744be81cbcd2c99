// Which firewall is in charge: what works, who else writes rules, and what containers publish. Only looks; what works is tried by the
// caller (banaction/choose.ts) with an object that is made and taken away again.

import { type Choice, chooseBanaction } from "../banaction/choose.ts";
import type { System } from "../system/index.ts";
import type { Firewall, Published } from "./facts.ts";
import type { Process } from "./processes.ts";
import { publishedByRules } from "./sockets.ts";

interface Rules {
  /** Names of all chains, of nftables and iptables. */
  readonly chains: ReadonlySet<string>;
  readonly published: readonly Published[];
}

export async function lookAtFirewall(
  system: System,
  running: readonly Process[],
  units: ReadonlySet<string>,
): Promise<{ readonly firewall: Firewall; readonly published: readonly Published[] }> {
  const rules = await readRules(system);
  const { name, reason }: Choice = await chooseBanaction(system);
  const runs = (program: string): boolean =>
    units.has(`${program}.service`) || running.some((one) => one.names.includes(program));
  const has = (pattern: RegExp): boolean => [...rules.chains].some((chain) => pattern.test(chain));
  const others: string[] = [];
  if (ufwEnabled(system) || has(/^ufw-user-input$/)) others.push("ufw is active");
  if (runs("firewalld")) others.push("firewalld is running");
  if (has(/^DOCKER/)) others.push("docker has chains of its own");
  if (has(/^NETAVARK|^CNI-/)) others.push("podman has chains of its own");
  if (has(/^KUBE-/)) others.push("kubernetes has chains of its own");
  if (units.has("nftables.service")) others.push("nftables.service loads /etc/nftables.conf");
  if (units.has("netfilter-persistent.service"))
    others.push("netfilter-persistent loads /etc/iptables/rules.v4 and .v6");
  return {
    firewall: {
      choice: name,
      reason,
      others,
      forwarding: has(/^DOCKER-USER$/) ? ["DOCKER-USER"] : has(/^NETAVARK|^CNI-/) ? ["FORWARD"] : [],
    },
    published: rules.published,
  };
}

/** ufw(8) keeps its switch in a file. */
function ufwEnabled(system: System): boolean {
  try {
    return /^ENABLED=["']?yes/im.test(
      Buffer.from(system.files.readFile("/etc/ufw/ufw.conf")).toString("latin1"),
    );
  } catch {
    return false;
  }
}

async function readRules(system: System): Promise<Rules> {
  const { programs } = system;
  const ask: Ask = async (...command) =>
    programs.find(command[0] ?? "") === undefined
      ? ""
      : (await programs.run(command, { timeoutMs: 5000, maxOutput: 4 * 1024 * 1024 })).stdout;
  // Chains only: a ruleset may hold a hundred thousand elements of sets.
  const nft = parseChains(await ask("nft", "list", "chains"));
  const { filter, nat } = await iptablesRules(system, ask);
  const old = [...`${filter}\n${nat}`.matchAll(/^-[NP] (\S+)/gm)].map((match) => match[1] ?? "");
  const translating = nft.filter((one) => /^(?:DOCKER|NETAVARK-(?:DN|HOSTPORT)|CNI-|nv_)/i.test(one.chain));
  const listed: string[] = [];
  for (const { family, table, chain } of translating.slice(0, 200))
    listed.push(await ask("nft", "list", "chain", family, table, chain));
  return {
    chains: new Set([...nft.map((one) => one.chain), ...old]),
    published: [...publishedByRules(listed.join("\n")), ...publishedByRules(nat)],
  };
}

type Ask = (...command: readonly string[]) => Promise<string>;

/**
 * Rules that nft does not show: those of the old kernel interface, or all where nft is not installed. Asking the old interface for a table
 * that is not in use would load its kernel module, so only tables that the kernel names are asked for.
 */
async function iptablesRules(
  system: System,
  ask: Ask,
): Promise<{ readonly filter: string; readonly nat: string }> {
  let inUse = "";
  try {
    inUse = Buffer.from(system.files.readFile("/proc/net/ip_tables_names")).toString("latin1");
  } catch {
    // no such interface in this kernel, or not for our eyes
  }
  const legacy = new Set(inUse.split("\n").filter((name) => name !== ""));
  const overNft =
    system.programs.find("nft") === undefined && (await ask("iptables", "--version")).includes("nf_tables");
  const old = system.programs.find("iptables-legacy") === undefined ? "iptables" : "iptables-legacy";
  const rules = async (table: string): Promise<string> =>
    legacy.has(table)
      ? ask(old, "-w", "2", "-t", table, "-S")
      : overNft
        ? ask("iptables", "-w", "2", "-t", table, "-S")
        : "";
  return { filter: await rules("filter"), nat: await rules("nat") };
}

interface Chain {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
}

/** "nft list chains": tables with the names of their chains. */
export function parseChains(text: string): Chain[] {
  const found: Chain[] = [];
  let family = "";
  let table = "";
  for (const line of text.split("\n")) {
    const head = /^table (\S+) (\S+) \{/.exec(line);
    if (head !== null) [, family = "", table = ""] = head;
    const chain = /^\s+chain (\S+) \{/.exec(line)?.[1];
    if (chain !== undefined) found.push({ family, table, chain });
  }
  return found;
}
