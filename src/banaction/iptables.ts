// iptables and ip6tables, both always. A jail is a chain `f2b-<jail>`, jumped to from the top of each chain of the jail's `chain`
// setting. With ipset (the default where it is installed) the chain looks into sets with timeouts; without, it holds a rule per
// address, the daemon ends bans, and every packet pays for every rule.
//
// INPUT sees packets to this host. FORWARD, DOCKER-USER and the like see packets after destination NAT: there the port asked for is
// the connection's original one.

import { z } from "zod";
import { parseTarget } from "../core/address.ts";
import type { PortRange, Target, Time } from "../core/domain.ts";
import { blocktypeOf, type IcmpKind, matchOf, portText, secondsLeft } from "./blocktype.ts";
import { cutOption, cutSteps } from "./cut.ts";
import type { Asking, BanAction, Drops, Found, JailSetup, Listing, Standing, Step } from "./index.ts";
import { objectName } from "./naming.ts";

type Family = 4 | 6;
const families: readonly Family[] = [4, 6];
const longestChain = 28;
const longestSet = 31;
/** The most ipset holds, 24.8 days; a ban further away stands without end until it comes nearer, or the daemon ends it. */
const longestTimeout = 2_147_483;
/** A multiport match takes 15 ports, a range counts two. */
const mostPorts = 7;

const options = z.strictObject({
  ipset: z
    .boolean()
    .optional()
    .describe("sets with timeouts instead of a rule per address; where ipset is installed by default"),
  maxelem: z
    .int()
    .min(1024)
    .max(16_777_216)
    .default(1_048_576)
    .describe("addresses a set may hold (ipset only)"),
  reject_limit: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe("answers a second when rejecting; above that packets are dropped"),
  tarpit_rate: z
    .int()
    .min(1)
    .max(10_000)
    .default(10)
    .describe('packets a minute let through by blocktype = "tarpit"'),
  log: z
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe('refused packets a minute that are written to the kernel\'s log, as "f2b-JAIL …"'),
  cut: cutOption,
});
type Options = z.infer<typeof options>;
const optionsOf = (jail: JailSetup): Options => options.parse(jail.options);
const usesIpset = (jail: JailSetup): boolean => optionsOf(jail).ipset !== false;

const chainOf = (jail: JailSetup): string => objectName("f2b-", jail.jail, longestChain);
const verdictChainOf = (jail: JailSetup): string => objectName("f2bv-", jail.jail, longestChain);
const hostSet = (jail: JailSetup, family: Family): string =>
  objectName(`f2b${family}-`, jail.jail, longestSet);
const netSet = (jail: JailSetup, family: Family): string =>
  objectName(`f2b${family}n-`, jail.jail, longestSet);
const setOf = (jail: JailSetup, target: Exclude<Target, { kind: "id" }>): string =>
  target.kind === "prefix" ? netSet(jail, target.family) : hostSet(jail, target.family);

const tables = (family: Family): string => (family === 4 ? "iptables" : "ip6tables");
/** A kernel without IPv6 has nothing to be shut out there. */
const noSuchFamily =
  /Address family not supported|can't initialize ip6?tables table `filter': (?:Address family|Table does not exist)/;
const alreadyThere = /Chain already exists|File exists/;

export const iptables: BanAction = {
  name: "iptables",
  summary: "iptables and ip6tables chains f2b-<jail>, with ipset where it is installed",
  needs: ["iptables", "ip6tables"],
  can: { v4: true, v6: true, prefix: true, id: false },
  shared: false,
  expires: true,
  asRoot: true,
  longest: longestTimeout,
  options,
  adapt: (given, has) => (given.ipset === undefined ? { ...given, ipset: has("ipset") } : given),

  start(jail) {
    const steps: Step[] = [];
    if (usesIpset(jail))
      steps.push({ kind: "script", interpreter: "ipset", text: setLines(jail).join("\n").concat("\n") });
    for (const family of families) {
      for (const chain of [chainOf(jail), ...(isSimple(jail, family) ? [] : [verdictChainOf(jail)])])
        steps.push({
          ...run(family, "-N", chain),
          ignore: new RegExp(`${alreadyThere.source}|${noSuchFamily.source}`),
        });
      if (!isSimple(jail, family)) steps.push(rewrite(family, verdictChainOf(jail), verdicts(jail, family)));
      if (usesIpset(jail)) steps.push(rewrite(family, chainOf(jail), setRules(jail, family)));
      else steps.push(removeSetRules(jail, family));
      for (const parent of parents(jail)) steps.push(placeJumps(jail, family, parent));
      steps.push(removeJumps(jail, family, parents(jail)));
    }
    return steps;
  },

  ban(jail, bans, now) {
    const steps = usesIpset(jail)
      ? ipsetBan(jail, bans, now)
      : plainEdit(
          jail,
          bans.map((ban) => ban.target),
          true,
        );
    return steps;
  },

  cut: (jail, targets) => cutSteps(jail, optionsOf(jail).cut, targets),

  unban(jail, targets) {
    if (!usesIpset(jail)) return plainEdit(jail, targets, false);
    const lines = targets.flatMap((target) =>
      target.kind === "id" ? [] : [`del ${setOf(jail, target)} ${target.text}`],
    );
    return lines.length === 0
      ? []
      : [{ kind: "script", interpreter: "ipset", text: `${lines.join("\n")}\n` }];
  },

  stop(jail) {
    const steps: Step[] = [];
    for (const family of families) {
      steps.push(removeJumps(jail, family, []));
      for (const chain of [chainOf(jail), verdictChainOf(jail)])
        for (const flag of ["-F", "-X"])
          steps.push({
            ...run(family, flag, chain),
            ignore: new RegExp(
              `No chain/target/match|does(?:n't| not) exist|No such file|incompatible|${noSuchFamily.source}`,
            ),
          });
    }
    if (usesIpset(jail))
      for (const family of families)
        for (const set of [hostSet(jail, family), netSet(jail, family)])
          steps.push({ kind: "run", command: ["ipset", "destroy", set], ignore: /does not exist/ });
    return steps;
  },

  list: (jail) => (usesIpset(jail) ? ipsetListing(jail) : plainListing(jail, 4, plainListing(jail, 6))),

  intact: (jail) => families.flatMap((family) => structureAsked(jail, family)),

  drops: (jail) => families.map((family) => dropsAsked(jail, family)),
};

const run = (family: Family, ...args: string[]): Extract<Step, { kind: "run" }> => ({
  kind: "run",
  command: [tables(family), "-w", "10", ...args],
  timeoutMs: 20_000,
});

/** Flushes a chain of ours and fills it anew in one commit. */
function rewrite(family: Family, chain: string, rules: readonly string[]): Step {
  return {
    kind: "script",
    interpreter: family === 4 ? "iptables-restore" : "ip6tables-restore",
    text: `*filter\n:${chain} - [0:0]\n${rules.map((rule) => `-A ${chain} ${rule}\n`).join("")}COMMIT\n`,
    ignore: noSuchFamily,
  };
}

// -------------------------------------------------------------------------------------------------------------- the jumps

const parents = (jail: JailSetup): readonly string[] =>
  jail.chain.length === 0 ? ["INPUT", "FORWARD"] : jail.chain;

/** As `iptables -S` prints them, so that what stands can be compared with what should. */
function jumps(jail: JailSetup, family: Family, parent: string): string[] {
  const { ported, whole } = matchOf(jail);
  const to = `-j ${chainOf(jail)}`;
  const found: string[] = [];
  if (jail.port !== "all")
    for (const protocol of ported) {
      if (parent === "INPUT")
        for (const group of chunks(jail.port, mostPorts))
          found.push(
            `-A ${parent} -p ${protocol} -m multiport --dports ${group.map((range) => portText(range, ":")).join(",")} ${to}`,
          );
      else
        for (const range of jail.port)
          found.push(
            `-A ${parent} -p ${protocol} -m conntrack --ctorigdstport ${portText(range, ":")} --ctdir ORIGINAL ${to}`,
          );
    }
  if (whole === "all") found.push(`-A ${parent} ${to}`);
  else
    for (const protocol of whole)
      found.push(`-A ${parent} -p ${protocol === "icmp" && family === 6 ? "ipv6-icmp" : protocol} ${to}`);
  return found;
}

const chunks = (ports: readonly PortRange[], size: number): PortRange[][] => {
  const result: PortRange[][] = [];
  for (let i = 0; i < ports.length; i += size) result.push(ports.slice(i, i + size));
  return result;
};

const jumpsToUs = (jail: JailSetup, answer: string): string[] =>
  answer.split("\n").filter((line) => line.startsWith("-A ") && line.endsWith(` -j ${chainOf(jail)}`));

/** Puts missing jumps at the top of the parent, takes away doubled and outdated ones; in this order, so there is no open moment. */
function placeJumps(jail: JailSetup, family: Family, parent: string): Step {
  return {
    ...run(family, "-S", parent),
    ignore: noSuchFamily,
    next(answer: string): Step[] {
      const wanted = jumps(jail, family, parent);
      const rules = answer.split("\n").filter((line) => line.startsWith("-A "));
      const standing = jumpsToUs(jail, answer);
      const foreign = rules.findIndex((line) => !/ -j f2b-\S+$/.test(line));
      const early = new Set(foreign < 0 ? rules : rules.slice(0, foreign));
      const missing = wanted.filter((rule) => !early.has(rule));
      const steps: Step[] = missing.map((rule) =>
        run(family, "-I", parent, "1", ...rule.split(" ").slice(2)),
      );
      const kept = new Set(wanted.filter((rule) => early.has(rule)));
      for (const rule of standing) {
        // The first of a wanted rule stays; deleting takes the first that matches, so doubles go until one is left.
        if (kept.delete(rule)) continue;
        if (missing.includes(rule)) steps.push(deleteLast(family, parent, rule));
        else steps.push(run(family, "-D", parent, ...rule.split(" ").slice(2)));
      }
      return steps;
    },
  };
}

/** A rule that was inserted anew at the top while an older one stood too far down: the older one goes, by its number. */
function deleteLast(family: Family, parent: string, rule: string): Step {
  return {
    ...run(family, "-S", parent),
    next(answer: string): Step[] {
      const rules = answer.split("\n").filter((line) => line.startsWith("-A "));
      const at = rules.lastIndexOf(rule);
      return at < 0 || rules.indexOf(rule) === at ? [] : [run(family, "-D", parent, `${at + 1}`)];
    },
  };
}

/** Takes away jumps from all chains but these: an earlier `chain` setting may have named others. */
function removeJumps(jail: JailSetup, family: Family, except: readonly string[]): Step {
  return {
    ...run(family, "-S"),
    ignore: new RegExp(`No chain/target/match|does(?:n't| not) exist|incompatible|${noSuchFamily.source}`),
    next: (answer: string) =>
      jumpsToUs(jail, answer).flatMap((rule) => {
        const [, parent = "", ...match] = rule.split(" ");
        return except.includes(parent) ? [] : [run(family, "-D", parent, ...match)];
      }),
  };
}

/** What the chain held while there were sets would go on shutting out whoever is in them. */
function removeSetRules(jail: JailSetup, family: Family): Step {
  return {
    ...run(family, "-S", chainOf(jail)),
    ignore: noSuchFamily,
    next: (answer: string) =>
      answer
        .split("\n")
        .filter((rule) => rule.startsWith("-A ") && rule.includes(" --match-set f2b"))
        .map((rule) => run(family, "-D", chainOf(jail), ...rule.split(" ").slice(2))),
  };
}

// ------------------------------------------------------------------------------------------------------- what is in the chain

const icmpWords: Readonly<Record<IcmpKind, { readonly v4: string; readonly v6: string }>> = {
  "icmp-port-unreachable": { v4: "icmp-port-unreachable", v6: "icmp6-port-unreachable" },
  "icmp-host-unreachable": { v4: "icmp-host-unreachable", v6: "icmp6-addr-unreachable" },
  "icmp-net-unreachable": { v4: "icmp-net-unreachable", v6: "icmp6-no-route" },
  "icmp-proto-unreachable": { v4: "icmp-proto-unreachable", v6: "icmp6-port-unreachable" },
  "icmp-net-prohibited": { v4: "icmp-net-prohibited", v6: "icmp6-adm-prohibited" },
  "icmp-host-prohibited": { v4: "icmp-host-prohibited", v6: "icmp6-adm-prohibited" },
  "icmp-admin-prohibited": { v4: "icmp-admin-prohibited", v6: "icmp6-adm-prohibited" },
};

/** What happens to a banned packet: one target for "drop", otherwise the rules of a verdict chain. */
function verdicts(jail: JailSetup, family: Family): string[] {
  const { log } = optionsOf(jail);
  const answers = answersOf(jail, family);
  if (log === 0) return answers;
  const within = `-m limit --limit ${log}/min --limit-burst ${log}`;
  return [`${within} -j LOG --log-prefix "${chainOf(jail)} " --log-level info`, ...answers];
}

function answersOf(jail: JailSetup, family: Family): string[] {
  const blocktype = blocktypeOf(jail);
  const { reject_limit, tarpit_rate } = optionsOf(jail);
  const within = `-m limit --limit ${reject_limit}/sec --limit-burst ${reject_limit}`;
  switch (blocktype.kind) {
    case "drop":
      return ["-j DROP"];
    case "tarpit":
      return [`-m limit --limit ${tarpit_rate}/min --limit-burst ${tarpit_rate} -j RETURN`, "-j DROP"];
    case "tcp-reset":
      return [`-p tcp ${within} -j REJECT --reject-with tcp-reset`, "-j DROP"];
    case "reject": {
      const words = icmpWords[blocktype.icmp];
      return [`${within} -j REJECT --reject-with ${family === 4 ? words.v4 : words.v6}`, "-j DROP"];
    }
  }
}

const isSimple = (jail: JailSetup, family: Family): boolean => verdicts(jail, family).length === 1;
const verdictTarget = (jail: JailSetup, family: Family): string =>
  isSimple(jail, family) ? `${verdicts(jail, family)[0]}` : `-j ${verdictChainOf(jail)}`;

const setRules = (jail: JailSetup, family: Family): string[] =>
  [hostSet(jail, family), netSet(jail, family)].map(
    (set) => `-m set --match-set ${set} src ${verdictTarget(jail, family)}`,
  );

const setLines = (jail: JailSetup): string[] =>
  families.flatMap((family) => {
    const kind = `family inet${family === 4 ? "" : "6"} timeout 0 maxelem ${optionsOf(jail).maxelem}`;
    return [
      `create ${hostSet(jail, family)} hash:ip ${kind}`,
      `create ${netSet(jail, family)} hash:net ${kind}`,
    ];
  });

/** `-exist` of the interpreter makes an add renew the timeout and a del of what is not there succeed. */
function ipsetBan(jail: JailSetup, bans: readonly Standing[], now: Time): Step[] {
  const lines = bans.flatMap(({ target, until }) =>
    target.kind === "id"
      ? []
      : [`add ${setOf(jail, target)} ${target.text} timeout ${secondsLeft(until, now, longestTimeout) ?? 0}`],
  );
  return lines.length === 0 ? [] : [{ kind: "script", interpreter: "ipset", text: `${lines.join("\n")}\n` }];
}

/** Without sets a rule that is there must not be made again, and one that is not there cannot be deleted: the chain is read first. */
function plainEdit(jail: JailSetup, targets: readonly Target[], ban: boolean): Step[] {
  const chain = chainOf(jail);
  return families.flatMap((family) => {
    const mine = targets.filter((target) => target.kind !== "id" && target.family === family);
    if (mine.length === 0) return [];
    return [
      {
        ...run(family, "-S", chain),
        next(answer: string): Step[] {
          const standing = new Map(plainRules(answer, chain));
          const verdict = verdictTarget(jail, family);
          const lines = mine.flatMap((target) => {
            const rule = standing.get(target.text);
            if (ban && rule?.endsWith(` ${verdict}`)) return [];
            return [
              ...(rule === undefined ? [] : [rule.replace(/^-A/, "-D")]),
              ...(ban ? [`-A ${chain} -s ${target.text} ${verdict}`] : []),
            ];
          });
          if (lines.length === 0) return [];
          return [
            {
              kind: "script",
              interpreter: family === 4 ? "iptables-restore" : "ip6tables-restore",
              text: `*filter\n${lines.join("\n")}\nCOMMIT\n`,
            },
          ];
        },
      },
    ];
  });
}

/** [target's text, the rule as printed]. A host is printed with /32 resp. /128. */
function* plainRules(answer: string, chain: string): Generator<[string, string]> {
  for (const line of answer.split("\n")) {
    const match = /^-A (\S+) -s (\S+) -j /.exec(line);
    if (match?.[1] !== chain || match[2] === undefined) continue;
    const target = parseTarget(match[2].replace(/\/32$|(?<=:.*)\/128$/, ""));
    if (target !== undefined) yield [target.text, line];
  }
}

// ---------------------------------------------------------------------------------------------------------------- reading

function ipsetListing(jail: JailSetup): Listing {
  const sets = new Set(families.flatMap((family) => [hostSet(jail, family), netSet(jail, family)]));
  return {
    step: { kind: "run", command: ["ipset", "save"], timeoutMs: 60_000 },
    read(answer, code, now) {
      if (code !== 0) return undefined;
      const found: Found[] = [];
      let created = 0;
      for (const line of answer.split("\n")) {
        const [verb, set = "", entry = "", word, seconds] = line.split(" ");
        if (!sets.has(set)) continue;
        if (verb === "create") created++;
        if (verb !== "add") continue;
        const target = parseTarget(entry);
        const left = word === "timeout" ? Number(seconds) : 0;
        if (target !== undefined) found.push({ target, until: left === 0 ? "forever" : now + left * 1000 });
      }
      return created === sets.size ? found : undefined;
    },
  };
}

function plainListing(jail: JailSetup, family: Family, also?: Listing): Listing {
  return {
    step: run(family, "-S", chainOf(jail)),
    read(answer, code) {
      if (code !== 0) return family === 6 && answer === "" ? [] : undefined;
      const verdict = verdictTarget(jail, family);
      return [...plainRules(answer, chainOf(jail))].flatMap(([text, rule]) => {
        // One with another answer than is wanted now is put right as if it were missing.
        const target = rule.endsWith(` ${verdict}`) ? parseTarget(text) : undefined;
        return target === undefined ? [] : [{ target, until: undefined }];
      });
    },
    ...(also === undefined ? {} : { also }),
  };
}

/** Each parent still jumps to us, once per rule; with sets our own chain is looked at as well. */
function structureAsked(jail: JailSetup, family: Family): Asking<boolean>[] {
  const wholeParents = parents(jail).map(
    (parent): Asking<boolean> => ({
      step: run(family, "-S", parent),
      read: (answer, code) => {
        // No answer at all is another fault (no IPv6, the lock): starting again would not mend it.
        if (code !== 0) return true;
        const lines = answer.split("\n");
        return jumps(jail, family, parent).every((rule) => lines.includes(rule));
      },
    }),
  );
  if (!usesIpset(jail)) return wholeParents;
  return [
    ...wholeParents,
    {
      step: run(family, "-S", chainOf(jail)),
      read: (answer, code) =>
        code !== 0 || setRules(jail, family).every((rule) => answer.includes(`-A ${chainOf(jail)} ${rule}`)),
    },
  ];
}

function dropsAsked(jail: JailSetup, family: Family): Asking<Drops | undefined> {
  return {
    step: run(family, "-n", "-v", "-x", "-L", chainOf(jail)),
    read(answer, code) {
      if (code !== 0) return undefined;
      let packets = 0;
      let bytes = 0;
      for (const line of answer.split("\n")) {
        const match = /^\s*(\d+)\s+(\d+)\s/.exec(line);
        packets += Number(match?.[1] ?? 0);
        bytes += Number(match?.[2] ?? 0);
      }
      return { packets, bytes };
    },
  };
}
