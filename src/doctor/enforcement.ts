// From the decision to the packet that does not arrive: programs, kernel, other tools, ports, containers, and what the daemon says.

import { banactions } from "../banaction/index.ts";
import type { Jail } from "../core/domain.ts";
import { plural } from "../core/text.ts";
import type { Facts } from "./facts.ts";
import { finding } from "./finding.ts";
import type { Finding } from "./index.ts";
import { settingPlace } from "./policy.ts";

export function checkEnforcement(facts: Facts): Finding[] {
  const jails = facts.config.jails.filter((jail) => jail.enabled);
  return [
    ...jails.flatMap((jail) => checkBanaction(facts, jail)),
    ...jails.flatMap((jail) => checkPorts(facts, jail)),
    ...checkOthers(facts, jails),
    ...checkDaemon(facts, jails),
  ];
}

/** What "auto" stands for on this machine. */
function namesOf(facts: Facts, jail: Jail): readonly string[] {
  const best = facts.firewall.probes.find((probe) => probe.works)?.name ?? "print";
  return jail.banaction.map((use) => (use.name === "auto" ? best : use.name));
}

function checkBanaction(facts: Facts, jail: Jail): Finding[] {
  const { probes, programs } = facts.firewall;
  const who = `[jails.${jail.name}]`;
  const place = { at: settingPlace(facts.config, jail.name, "banaction") };
  const found: Finding[] = [];
  if (
    probes.length > 0 &&
    jail.banaction.some((use) => use.name === "auto") &&
    !probes.some((probe) => probe.works)
  )
    found.push(
      finding(
        probes.every((probe) => probe.version === undefined) ? "F2B401" : "F2B402",
        `no firewall works here for ${who}`,
        {
          ...place,
          why: probes.map((probe) => `${probe.name}: ${probe.why ?? "does not work"}`).join("; "),
        },
      ),
    );
  for (const use of jail.banaction) {
    const member = banactions[use.name];
    if (member === undefined) continue;
    const missing = member.needs.filter((program) => !programs.has(program));
    const probe = probes.find((one) => one.name === use.name);
    if (missing.length > 0) found.push(finding("F2B401", `${who} needs ${missing.join(", ")}`, place));
    else if (probe?.works === false)
      found.push(finding("F2B402", `${who} cannot use ${use.name}`, { ...place, why: probe.why }));
    const ipset = use.options.ipset;
    if (use.name === "iptables" && ipset !== false && !programs.has("ipset") && missing.length === 0)
      found.push(finding("F2B421", `${who} has a rule of iptables for each address`, place));
  }
  const nft = probes.find((probe) => probe.name === "nftables")?.version;
  if (namesOf(facts, jail).includes("nftables") && nft !== undefined && older(nft, [0, 9, 3]))
    found.push(finding("F2B709", `${nft.trim()} is installed, and ${who} uses nftables`, place));
  return found;
}

/** "nftables v1.0.6 (Lester Gooch #5)" against a version. */
function older(text: string, least: readonly number[]): boolean {
  const parts = /v?(\d+)\.(\d+)(?:\.(\d+))?/
    .exec(text)
    ?.slice(1)
    .map((one) => Number(one ?? 0));
  if (parts === undefined) return false;
  const at = least.findIndex((one, n) => one !== (parts[n] ?? 0));
  return at >= 0 && (parts[at] ?? 0) < (least[at] ?? 0);
}

function checkPorts(facts: Facts, jail: Jail): Finding[] {
  // A jail that shuts all ports (recidive) does so to its own offenders only.
  const covered = (one: number): boolean =>
    facts.config.jails.some(
      (other) =>
        other.enabled &&
        other !== jail &&
        other.port !== "all" &&
        other.port.some((range) => range.from <= one && one <= range.to),
    );
  const { port } = jail;
  const service = facts.services.find((one) => one.jail === jail.name);
  if (port === "all" || port.length === 0 || service === undefined || !service.running) return [];
  const place = { at: settingPlace(facts.config, jail.name, "port") };
  const covers = (one: number): boolean => port.some((range) => range.from <= one && one <= range.to);
  const open = service.listening.filter(
    (one) => !covers(one.port) || !(jail.protocol.includes(one.protocol) || jail.protocol.includes("all")),
  );
  // A high port of datagrams is a client's answer, not a service.
  // What another jail shuts is another service of the same program: web and mail of one nginx.
  const exposed = open.filter((one) => !covered(one.port) && (one.protocol === "tcp" || one.port < 32_768));
  const found: Finding[] = [];
  if (exposed.length > 0)
    found.push(
      finding(
        "F2B407",
        `the service of [jails.${jail.name}] listens on ${exposed.map((one) => `${one.port}/${one.protocol}`).join(", ")} too`,
        place,
      ),
    );
  if (service.listening.length > 0 && !service.listening.some((one) => covers(one.port)))
    found.push(
      finding(
        "F2B406",
        `nothing listens on ${port.map((range) => (range.from === range.to ? range.from : `${range.from}-${range.to}`)).join(", ")} of [jails.${jail.name}]`,
        place,
      ),
    );
  return found;
}

function checkOthers(facts: Facts, jails: readonly Jail[]): Finding[] {
  const { firewall, config } = facts;
  const found: Finding[] = [];
  const using = (name: string): readonly Jail[] =>
    jails.filter((jail) => namesOf(facts, jail).includes(name));
  if (firewall.fail2ban) found.push(finding("F2B403", "fail2ban is running"));
  const iptables = using("iptables");
  for (const owner of firewall.owners)
    if (iptables.length > 0)
      found.push(
        finding(
          "F2B404",
          `${owner} rewrites the rules, and ${plural(iptables.length, "jail")} put theirs among them`,
          {
            fix: `write banaction = "${Object.hasOwn(banactions, owner) ? owner : "nftables"}"`,
          },
        ),
      );
  for (const { chain, rule } of firewall.earlier)
    if (iptables.length > 0) found.push(finding("F2B405", `in ${chain}, before f2b: ${rule}`));
  // Only what looks at packets before they are forwarded meets those for containers.
  const inward = jails.filter((jail) => {
    const names = namesOf(facts, jail);
    if (names.includes("iptables"))
      return !jail.chain.some((one) => /^(?:FORWARD|DOCKER-USER|NETAVARK|CNI)/.test(one));
    const use = jail.banaction.find((one) => one.name === "nftables");
    return use?.options.hook === "input";
  });
  const ports = (jail: Jail) =>
    firewall.published.filter(
      (one) =>
        jail.port === "all" || jail.port.some((range) => range.from <= one.port && one.port <= range.to),
    );
  for (const jail of inward) {
    const [first] = ports(jail);
    if (first !== undefined)
      found.push(
        finding(
          "F2B408",
          `[jails.${jail.name}] does not see packets to port ${first.port}, which a container publishes`,
          { at: settingPlace(config, jail.name, "chain") ?? settingPlace(config, jail.name, "banaction") },
        ),
      );
  }
  if (firewall.ipv6 && config.daemon.allowipv6 === "no" && jails.length > 0)
    found.push(
      finding("F2B409", "this machine is reachable by IPv6, and allowipv6 is off", {
        at: config.provenance()["daemon.allowipv6"]?.at,
      }),
    );
  for (const { jail, missing, foreign } of firewall.drift ?? [])
    if (missing + foreign > 0)
      found.push(
        finding(
          "F2B410",
          `[jails.${jail}]: ${[missing > 0 ? `${plural(missing, "ban")} of the journal not in the firewall` : "", foreign > 0 ? `${plural(foreign, "ban")} of the firewall not in the journal` : ""].filter((part) => part !== "").join(", ")}`,
        ),
      );
  return found;
}

function checkDaemon(facts: Facts, jails: readonly Jail[]): Finding[] {
  const { status, sameNetwork, version, journal } = facts.daemon;
  const found: Finding[] = [];
  if (journal.damaged > 0)
    found.push(finding("F2B415", `${plural(journal.damaged, "piece")} of f2b's journal cannot be read`));
  if (status === undefined) {
    if (jails.length > 0) found.push(finding("F2B411", "the daemon does not run, or may not be asked"));
    return found;
  }
  if (status.dryrun !== undefined)
    found.push(finding("F2B412", "the daemon bans nobody", { why: status.dryrun }));
  if (status.degraded !== undefined)
    found.push(finding("F2B418", `the journal cannot be written: ${status.degraded}`));
  // Those of one jail stand there as well, with more of the reason.
  const told = status.jails.flatMap(({ name, problems }) => problems.map((one) => `[${name}] ${one}`));
  for (const problem of status.problems)
    if (!told.some((one) => one.startsWith(problem))) found.push(finding("F2B413", problem));
  for (const jail of status.jails) {
    if (jail.state === "broken")
      found.push(
        finding("F2B315", `[jails.${jail.name}] is broken: ${jail.reason ?? "no reason given"}`, {
          fix: jail.fix,
        }),
      );
    for (const problem of jail.problems) found.push(finding("F2B413", `[jails.${jail.name}] ${problem}`));
    for (const { target, reason } of jail.ineffective.slice(0, 5))
      found.push(
        finding("F2B414", `[jails.${jail.name}] the ban of ${target} seems to have no effect: ${reason}`),
      );
  }
  if (sameNetwork === false)
    found.push(finding("F2B416", `the daemon (pid ${status.pid}) is in a network namespace of its own`));
  const running = new Set(status.jails.map((jail) => jail.name));
  const wanted = new Set<string>([
    ...jails.map((jail) => jail.name),
    ...facts.config.broken.map((one) => one.name),
  ]);
  const changed = [...wanted]
    .filter((name) => !running.has(name))
    .concat([...running].filter((name) => !wanted.has(name)));
  if (changed.length > 0)
    found.push(finding("F2B417", `the daemon does not know of the change to ${changed.join(", ")}`));
  if (status.version !== version)
    found.push(finding("F2B419", `the daemon is f2b ${status.version}, this is ${version}`));
  return found;
}
