// nftables: the default. One table `inet f2b`; a jail is two sets of hosts whose elements carry timeouts (a ban ends in the kernel
// even if we are dead; a lookup costs the same for one address or a million), a counter, and a base chain of its own, so that
// its part is made, remade and removed in one transaction and never doubled.
//
//   f2b-sshd (hooked before connection tracking and DNAT: established traffic and published container ports are met as well)
//     ports match → look-sshd: in a set? → hit-sshd: count, drop
//
// Networks: an interval set refuses overlapping ones, so each prefix length in use gets a hash set of its own, looked up under its
// mask, behind a chain of its own; made with the first ban of that length. Nested networks stand and end apart from each other.

import { z } from "zod";
import { parseTarget } from "../core/address.ts";
import type { Target, Time } from "../core/domain.ts";
import { type Blocktype, blocktypeOf, icmpKinds, matchOf, portText, secondsLeft } from "./blocktype.ts";
import { cutOption, cutSteps } from "./cut.ts";
import type { BanAction, Drops, Found, JailSetup, Listing, Standing, Step } from "./index.ts";
import { objectName } from "./naming.ts";

const table = "inet f2b";
/** Before `raw` (-300), hence before connection tracking (-200) and destination NAT (-100), after defragmentation (-400). */
const earlyPriority = -310;
/** Before the usual filter chains (0). */
const filterPriority = -10;
/** Ten years. Further away is "no timeout": older kernels overflow, and the daemon ends it. */
const longestTimeout = 315_360_000;
const longestName = 31;

const options = z
  .strictObject({
    hook: z
      .enum(["prerouting", "input", "forward", "ingress"])
      .default("prerouting")
      .describe("where packets are met; prerouting covers the host and published container ports"),
    devices: z
      .array(z.string().regex(/^[A-Za-z0-9_.:@-]{1,15}$/, "a network device's name"))
      .default([])
      .describe('network devices, for hook = "ingress" only'),
    reject_limit: z
      .int()
      .min(1)
      .max(100_000)
      .default(100)
      .describe("answers a second when rejecting; above that packets are dropped"),
    tarpit_rate: z
      .int()
      .min(1)
      .max(10_000)
      .default(10)
      .describe('packets a minute let through by blocktype = "tarpit", all banned together'),
    log: z
      .int()
      .min(0)
      .max(10_000)
      .default(0)
      .describe('refused packets a minute that are written to the kernel\'s log, as "f2b-JAIL …"'),
    cut: cutOption,
  })
  .refine((value) => (value.hook === "ingress") === value.devices.length > 0, {
    message: 'hook = "ingress" needs devices = ["eth0", …], other hooks take none',
    path: ["devices"],
  });
type Options = z.infer<typeof options>;
const optionsOf = (jail: JailSetup): Options => options.parse(jail.options);

interface Names {
  readonly chain: string;
  readonly look: string;
  readonly hit: string;
  readonly counter: string;
  readonly set4: string;
  readonly set6: string;
}

const namesOf = (jail: JailSetup): Names => ({
  chain: objectName("f2b-", jail.jail, longestName),
  look: objectName("look-", jail.jail, longestName),
  hit: objectName("hit-", jail.jail, longestName),
  counter: objectName("f2b-", jail.jail, longestName),
  set4: objectName("addr-set-", jail.jail, longestName),
  set6: objectName("addr6-set-", jail.jail, longestName),
});

/** One name for set and chain of a prefix length: "net4.24-sshd". */
const netName = (jail: JailSetup, family: 4 | 6, bits: number): string =>
  objectName(`net${family}.${bits}-`, jail.jail, longestName);

export const nftables: BanAction = {
  name: "nftables",
  summary: "nftables sets with timeouts, met before connection tracking and DNAT (the default)",
  needs: ["nft"],
  can: { v4: true, v6: true, prefix: true, id: false },
  shared: false,
  expires: true,
  longest: longestTimeout,
  options,

  start(jail) {
    const { chain, look, hit, counter, set4, set6 } = namesOf(jail);
    const lines = [
      `add table ${table}`,
      `add set ${table} ${set4} { type ipv4_addr; flags timeout; }`,
      `add set ${table} ${set6} { type ipv6_addr; flags timeout; }`,
      `add counter ${table} ${counter}`,
      `add chain ${table} ${hit}`,
      `flush chain ${table} ${hit}`,
      ...verdicts(jail).map((verdict, i) =>
        i === 0
          ? `add rule ${table} ${hit} counter name "${counter}" ${verdict}`
          : `add rule ${table} ${hit} ${verdict}`,
      ),
      `add chain ${table} ${look}`,
      `flush chain ${table} ${look}`,
      `add rule ${table} ${look} ip saddr @${set4} goto ${hit}`,
      `add rule ${table} ${look} ip6 saddr @${set6} goto ${hit}`,
      ...baseChain(jail, chain),
      ...matches(jail).map(
        (match) => `add rule ${table} ${chain} ${match} jump ${look} comment "f2b jail ${jail.jail}"`,
      ),
    ];
    return [script(lines)];
  },

  ban(jail, bans, now) {
    const lines: string[] = [];
    for (const [key, group] of grouped(jail, bans)) {
      if (key.bits !== undefined) lines.push(...netStructure(jail, key.family, key.bits, key.set));
      const known = group.filter((standing) => standing.fresh !== true);
      if (known.length > 0) {
        // An element keeps its old timeout on older kernels when it is added again, and deleting what is not there voids the
        // transaction: so it is made sure to be there, taken away and added, which nobody sees in between.
        const all = known.map((standing) => elementKey(standing.target)).join(", ");
        lines.push(
          `add element ${table} ${key.set} { ${all} }`,
          `delete element ${table} ${key.set} { ${all} }`,
        );
      }
      lines.push(
        `add element ${table} ${key.set} { ${group.map((standing) => element(standing, now)).join(", ")} }`,
      );
    }
    if (lines.length === 0) return [];
    return [script(lines)];
  },

  cut: (jail, targets) => cutSteps(jail, optionsOf(jail).cut, targets),

  unban(jail, targets) {
    const lines: string[] = [];
    for (const [key, group] of grouped(
      jail,
      targets.map((target) => ({ target })),
    )) {
      if (key.bits !== undefined) lines.push(netSet(key.family, key.set));
      const all = group.map((entry) => elementKey(entry.target)).join(", ");
      lines.push(
        `add element ${table} ${key.set} { ${all} }`,
        `delete element ${table} ${key.set} { ${all} }`,
      );
    }
    return lines.length === 0 ? [] : [script(lines)];
  },

  stop(jail) {
    const { chain, look, hit, counter, set4, set6 } = namesOf(jail);
    const lines = [`add table ${table}`];
    const chains = [chain, ...everyNet(jail).map((net) => net.name), look, hit];
    // What is not there is made first, because deleting it would void the transaction.
    for (const name of chains) lines.push(`add chain ${table} ${name}`, `flush chain ${table} ${name}`);
    for (const name of chains) lines.push(`delete chain ${table} ${name}`);
    for (const net of everyNet(jail))
      lines.push(netSet(net.family, net.name), `delete set ${table} ${net.name}`);
    lines.push(
      `add set ${table} ${set4} { type ipv4_addr; flags timeout; }`,
      `add set ${table} ${set6} { type ipv6_addr; flags timeout; }`,
      `delete set ${table} ${set4}`,
      `delete set ${table} ${set6}`,
      `add counter ${table} ${counter}`,
      `delete counter ${table} ${counter}`,
    );
    return [script(lines)];
  },

  list(jail): Listing {
    return {
      step: { kind: "run", command: ["nft", "-j", "list", "table", "inet", "f2b"], timeoutMs: 60_000 },
      read(answer, code, now) {
        if (code !== 0) return undefined;
        return readTable(parseTable(answer), jail, now);
      },
    };
  },

  intact(jail) {
    const names = namesOf(jail);
    return [
      {
        step: { kind: "ask", interpreter: "nft", text: "list chains inet" },
        read: (answer, code) =>
          code === 0 &&
          [names.chain, names.look, names.hit].every((name) => answer.includes(`chain ${name} {`)),
      },
    ];
  },

  drops(jail) {
    const { counter } = namesOf(jail);
    return [
      {
        step: {
          kind: "run",
          command: ["nft", "-j", "list", "counter", "inet", "f2b", counter],
          timeoutMs: 10_000,
        },
        read: (answer, code) => (code === 0 ? parseTable(answer).counters.get(counter) : undefined),
      },
    ];
  },
};

const script = (lines: readonly string[]): Step => ({
  kind: "script",
  interpreter: "nft",
  text: lines.join("\n"),
});

/** Deleting and making a base chain in one transaction changes hook, devices and priority without an open moment. */
function baseChain(jail: JailSetup, chain: string): string[] {
  const { hook, devices } = optionsOf(jail);
  const priority = hook === "prerouting" || hook === "ingress" ? earlyPriority : filterPriority;
  const where =
    hook === "ingress" ? `ingress devices = { ${devices.map((device) => `"${device}"`).join(", ")} }` : hook;
  return [
    `add chain ${table} ${chain}`,
    `delete chain ${table} ${chain}`,
    `add chain ${table} ${chain} { type filter hook ${where} priority ${priority}; policy accept; }`,
  ];
}

/** One expression per half of the jail's match; an empty one meets everything. */
function matches(jail: JailSetup): string[] {
  const { ported, whole } = matchOf(jail);
  const found: string[] = [];
  if (ported.length > 0 && jail.port !== "all") {
    const ports = jail.port.map((range) => portText(range, "-"));
    found.push(`meta l4proto ${oneOf(ported)} th dport ${oneOf(ports)}`);
  }
  if (whole === "all") found.push("");
  else if (whole.length > 0)
    found.push(
      `meta l4proto ${oneOf(whole.flatMap((protocol) => (protocol === "icmp" ? ["icmp", "ipv6-icmp"] : [protocol])))}`,
    );
  return found;
}

const oneOf = (words: readonly string[]): string =>
  words.length === 1 ? `${words[0]}` : `{ ${words.join(", ")} }`;

/** Statements of the verdict chain, in order; the first also counts. */
function verdicts(jail: JailSetup): string[] {
  const { log } = optionsOf(jail);
  const answers = answersOf(blocktypeOf(jail), optionsOf(jail));
  if (log === 0) return answers;
  const logged = `limit rate ${log}/minute burst ${log} packets log prefix "${namesOf(jail).chain} " level info`;
  return answers[0] === "" ? ["", logged, ...answers.slice(1)] : ["", logged, ...answers];
}

function answersOf(blocktype: Blocktype, { reject_limit, tarpit_rate }: Options): string[] {
  const flood = `limit rate over ${reject_limit}/second burst ${reject_limit} packets drop`;
  switch (blocktype.kind) {
    case "drop":
      return ["drop"];
    case "tarpit":
      return ["", `limit rate over ${tarpit_rate}/minute burst ${tarpit_rate} packets drop`];
    case "tcp-reset":
      return ["", flood, "meta l4proto tcp reject with tcp reset", "reject with icmpx type port-unreachable"];
    case "reject": {
      const { v4, v6 } = icmpKinds[blocktype.icmp];
      return [
        "",
        flood,
        `meta nfproto ipv4 reject with icmp type ${v4}`,
        `meta nfproto ipv6 reject with icmpv6 type ${v6}`,
      ];
    }
  }
}

const netSet = (family: 4 | 6, name: string): string =>
  `add set ${table} ${name} { type ipv${family}_addr; flags timeout; }`;

function netStructure(jail: JailSetup, family: 4 | 6, bits: number, name: string): string[] {
  const { hit } = namesOf(jail);
  const saddr = family === 4 ? `ip saddr & ${mask4(bits)}` : `ip6 saddr & ${mask6(bits)}`;
  return [
    netSet(family, name),
    ...baseChain(jail, name),
    ...matches(jail).map((match) => `add rule ${table} ${name} ${match} ${saddr} @${name} goto ${hit}`),
  ];
}

const mask4 = (bits: number): string =>
  [0, 1, 2, 3].map((i) => 256 - 2 ** (8 - Math.max(0, Math.min(8, bits - 8 * i)))).join(".");

const mask6 = (bits: number): string =>
  [0, 1, 2, 3, 4, 5, 6, 7]
    .map((i) => (0x10000 - 2 ** (16 - Math.max(0, Math.min(16, bits - 16 * i)))).toString(16))
    .join(":");

function* netLengths(): Generator<{ readonly family: 4 | 6; readonly bits: number }> {
  for (let bits = 1; bits <= 32; bits++) yield { family: 4, bits };
  for (let bits = 1; bits <= 128; bits++) yield { family: 6, bits };
}

const everyNet = (jail: JailSetup): { readonly family: 4 | 6; readonly name: string }[] =>
  [...netLengths()].map(({ family, bits }) => ({ family, name: netName(jail, family, bits) }));

interface SetKey {
  readonly set: string;
  readonly family: 4 | 6;
  /** Prefix length; undefined for the sets of hosts. */
  readonly bits: number | undefined;
}

/** What goes into one set together. Targets that are no addresses are not ours to ban (`can.id`). */
function grouped<T extends { readonly target: Target }>(
  jail: JailSetup,
  entries: readonly T[],
): [SetKey, T[]][] {
  const names = namesOf(jail);
  const groups = new Map<string, [SetKey, T[]]>();
  for (const entry of entries) {
    const { target } = entry;
    if (target.kind === "id") continue;
    const bits =
      target.kind === "prefix" ? Number(target.text.slice(target.text.indexOf("/") + 1)) : undefined;
    const set =
      bits !== undefined ? netName(jail, target.family, bits) : target.family === 4 ? names.set4 : names.set6;
    const group = groups.get(set);
    if (group === undefined) groups.set(set, [{ set, family: target.family, bits }, [entry]]);
    else group[1].push(entry);
  }
  return [...groups.values()];
}

const elementKey = (target: Target): string =>
  target.kind === "prefix" ? target.text.slice(0, target.text.indexOf("/")) : target.text;

function element(standing: Standing, now: Time): string {
  const left = secondsLeft(standing.until, now, longestTimeout);
  const key = elementKey(standing.target);
  return left === undefined ? key : `${key} timeout ${left}s`;
}

// ------------------------------------------------------------------------------------------------------ reading nft -j

interface Table {
  readonly sets: ReadonlyMap<string, readonly unknown[]>;
  readonly counters: ReadonlyMap<string, Drops>;
  /** Rules of each chain. */
  readonly rules: ReadonlyMap<string, number>;
  readonly hooked: ReadonlySet<string>;
}

/** All jails ask the same question: the last answer is read once. Held weakly: with 10,000 bans it weighs some five megabytes. */
let lastAnswer: WeakRef<{ readonly text: string; readonly table: Table }> | undefined;

function parseTable(text: string): Table {
  const last = lastAnswer?.deref();
  if (last?.text === text) return last.table;
  const sets = new Map<string, readonly unknown[]>();
  const counters = new Map<string, Drops>();
  const rules = new Map<string, number>();
  const hooked = new Set<string>();
  for (const entry of asArray(field(parseJson(text), "nftables"))) {
    const set = field(entry, "set");
    const counter = field(entry, "counter");
    const chain = field(entry, "chain");
    const rule = field(entry, "rule");
    if (set !== undefined) sets.set(String(field(set, "name")), asArray(field(set, "elem")));
    else if (counter !== undefined)
      counters.set(String(field(counter, "name")), {
        packets: Number(field(counter, "packets")),
        bytes: Number(field(counter, "bytes")),
      });
    else if (chain !== undefined && field(chain, "hook") !== undefined)
      hooked.add(String(field(chain, "name")));
    else if (rule !== undefined) {
      const name = String(field(rule, "chain"));
      rules.set(name, (rules.get(name) ?? 0) + 1);
    }
  }
  const table = { sets, counters, rules, hooked };
  lastAnswer = new WeakRef({ text, table });
  return table;
}

/** Undefined when something of the jail's structure is missing: the table, a set, a hook or a rule. */
function readTable(table: Table, jail: JailSetup, now: Time): Found[] | undefined {
  const names = namesOf(jail);
  const expected = matches(jail).length;
  const hosts4 = table.sets.get(names.set4);
  const hosts6 = table.sets.get(names.set6);
  if (hosts4 === undefined || hosts6 === undefined || !table.hooked.has(names.chain)) return undefined;
  if (table.rules.get(names.chain) !== expected || table.rules.get(names.look) !== 2) return undefined;
  if (table.rules.get(names.hit) !== verdicts(jail).length) return undefined;
  const found: Found[] = [];
  for (const elem of hosts4) pushFound(found, elem, "", now);
  for (const elem of hosts6) pushFound(found, elem, "", now);
  for (const { family, bits } of netLengths()) {
    const name = netName(jail, family, bits);
    const elems = table.sets.get(name);
    if (elems === undefined) continue;
    if (elems.length > 0 && table.rules.get(name) !== expected) return undefined;
    for (const elem of elems) pushFound(found, elem, `/${bits}`, now);
  }
  return found;
}

/** An element is "192.0.2.1" or { elem: { val, timeout, expires } }, seconds. */
function pushFound(found: Found[], raw: unknown, suffix: string, now: Time): void {
  const detail = field(raw, "elem");
  const value = typeof raw === "string" ? raw : field(detail, "val");
  if (typeof value !== "string") return;
  const target = parseTarget(value + suffix);
  if (target === undefined) return;
  const expires = field(detail, "expires");
  found.push({ target, until: typeof expires === "number" ? now + expires * 1000 : "forever" });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const field = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;

const asArray = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
