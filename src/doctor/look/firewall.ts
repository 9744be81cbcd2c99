// Looks at the firewall: what works, who else writes rules, which rules come before ours, and whether what stands is what should.

import { networkInterfaces } from "node:os";
import { probeFirewalls } from "../../banaction/choose.ts";
import { banactions, type JailSetup, type Listing } from "../../banaction/index.ts";
import type { Config } from "../../config/index.ts";
import type { Jail } from "../../core/domain.ts";
import { lookAtFirewall } from "../../init/firewall.ts";
import type { Process } from "../../init/processes.ts";
import { onePublished, publishedByProxies } from "../../init/sockets.ts";
import type { System } from "../../system/index.ts";
import type { FirewallFacts } from "../facts.ts";

/** A ban as the daemon tells it (GET /banned). */
export interface Banned {
  readonly jail: string;
  readonly target: string;
}

export async function lookAtEnforcement(
  system: System,
  config: Config,
  running: readonly Process[],
  banned: readonly Banned[] | undefined,
): Promise<FirewallFacts> {
  const names = new Set([...Object.values(banactions).flatMap((member) => member.needs), "ipset"]);
  const programs = new Set([...names].filter((name) => system.programs.find(name) !== undefined));
  const [probes, around] = [
    process.geteuid?.() === 0 ? await probeFirewalls(system) : [],
    await lookAtFirewall(system, running, new Set()),
  ];
  const best = probes.find((probe) => probe.works)?.name;
  return {
    probes,
    programs,
    fail2ban: running.some((one) => one.container === undefined && one.names.includes("fail2ban-server")),
    owners: around.firewall.others.flatMap((text) => /^(\w+) is (?:active|running)/.exec(text)?.[1] ?? []),
    published: onePublished([...publishedByProxies(running), ...around.published]),
    earlier: [...(await earlierRules(system, "iptables")), ...(await earlierRules(system, "ip6tables"))],
    ipv6: Object.values(networkInterfaces()).some((list) =>
      list?.some((one) => !one.internal && /^[23]/.test(one.address) && one.family === "IPv6"),
    ),
    drift: banned === undefined ? undefined : await drift(system, config, best, banned),
  };
}

/** Rules of INPUT that accept new packets from anywhere before the first jump to f2b's chains. */
async function earlierRules(system: System, program: string): Promise<FirewallFacts["earlier"]> {
  if (system.programs.find(program) === undefined) return [];
  const { stdout } = await system.programs.run([program, "-w", "2", "-S", "INPUT"], { timeoutMs: 5000 });
  return before(stdout).map((rule) => ({ chain: `INPUT of ${program}`, rule }));
}

/** Of the output of "iptables -S INPUT". Those for known connections, loopback and single sources are how every firewall begins. */
export function before(rules: string): string[] {
  const lines = rules.split("\n");
  const jump = lines.findIndex((line) => / -j f2b-/.test(line));
  return lines
    .slice(0, Math.max(0, jump))
    .filter(
      (line) =>
        / -j ACCEPT\b/.test(line) && !/ESTABLISHED| -i lo\b| -s \S+| -p (?:icmp|ipv6-icmp|igmp)\b/.test(line),
    );
}

async function drift(
  system: System,
  config: Config,
  best: string | undefined,
  banned: readonly Banned[],
): Promise<FirewallFacts["drift"]> {
  const found: { jail: string; missing: number; foreign: number }[] = [];
  for (const jail of config.jails) {
    if (!jail.enabled) continue;
    for (const use of jail.banaction) {
      const name = use.name === "auto" ? best : use.name;
      const member = name === undefined ? undefined : banactions[name];
      // What serves all jails at once cannot be told apart by jail.
      if (member === undefined || member.shared) continue;
      const options = name === use.name ? use.options : plainOptions(name ?? "");
      const has = (program: string): boolean => system.programs.find(program) !== undefined;
      const listing = member.list(setupOf(jail, member.adapt?.(options, has) ?? options));
      const standing = listing === undefined ? undefined : await standingIn(system, listing);
      if (standing === undefined) continue;
      const wanted = new Set(banned.filter((ban) => ban.jail === jail.name).map((ban) => ban.target));
      found.push({
        jail: jail.name,
        missing: [...wanted].filter((target) => !standing.has(target)).length,
        foreign: [...standing].filter((target) => !wanted.has(target)).length,
      });
    }
  }
  return found;
}

function plainOptions(name: string): JailSetup["options"] {
  const parsed = banactions[name]?.options.safeParse({});
  return parsed?.success === true && typeof parsed.data === "object" && parsed.data !== null
    ? { ...parsed.data }
    : {};
}

const setupOf = (jail: Jail, options: JailSetup["options"]): JailSetup => ({
  jail: jail.name,
  port: jail.port,
  protocol: jail.protocol,
  chain: jail.chain,
  blocktype: jail.blocktype,
  options,
});

/** Undefined where it cannot be asked by a program; nothing stands where our structure is missing. */
async function standingIn(system: System, listing: Listing): Promise<ReadonlySet<string> | undefined> {
  const all = new Set<string>();
  for (let at: Listing | undefined = listing; at !== undefined; at = at.also) {
    if (at.step.kind !== "run") return undefined;
    const { command, stdin, env, timeoutMs } = at.step;
    const result = await system.programs.run(command, {
      timeoutMs: timeoutMs ?? 10_000,
      maxOutput: 64 * 1024 * 1024,
      ...(stdin === undefined ? {} : { stdin }),
      ...(env === undefined ? {} : { env }),
    });
    for (const { target } of at.read(result.stdout, result.code, system.clock.now()) ?? [])
      all.add(target.text);
  }
  return all;
}
