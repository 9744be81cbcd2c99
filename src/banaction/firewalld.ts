// firewalld: ipsets of our own per jail and family, hosts and networks apart (firewalld takes no entry that overlaps with another),
// and rich rules that refer to them. Sets can only be made permanently and need one reload when they are new. A reload forgets what is of
// the running firewall only, as rules and entries are: ours of all jails are read before and put back in the same breath. After
// somebody else's reload a look at the rules notices.

import { z } from "zod";
import { parsePrefix, parseTarget, prefixContains } from "../core/address.ts";
import type { Prefix, Target } from "../core/domain.ts";
import { blocktypeOf, type IcmpKind, matchOf, portText } from "./blocktype.ts";
import { cutOption, cutSteps } from "./cut.ts";
import type { Asking, BanAction, Found, JailSetup, Listing, Step } from "./index.ts";
import { objectName } from "./naming.ts";

type Family = 4 | 6;
const families: readonly Family[] = [4, 6];
type Kind = "ip" | "net";
const kinds: readonly Kind[] = ["ip", "net"];
/** Entries a call: each call of firewall-cmd costs a third of a second, each entry little. */
const entriesACall = 200;
const lookEveryMs = 10_000;

const options = z.strictObject({
  zones: z
    .array(z.string().regex(/^[A-Za-z0-9_-]{1,17}$/, "a zone's name"))
    .default([])
    .describe("zones the rules are put into; the default zone when empty"),
  cut: cutOption,
});
const optionsOf = (jail: JailSetup): z.infer<typeof options> => options.parse(jail.options);

interface SetOf {
  readonly family: Family;
  readonly kind: Kind;
  readonly name: string;
}

const setName = (jail: JailSetup, family: Family, kind: Kind): string =>
  objectName(kind === "ip" ? `f2b${family}-` : `f2b${family}n-`, jail.jail, 31);
const setsOf = (jail: JailSetup): SetOf[] =>
  families.flatMap((family) => kinds.map((kind) => ({ family, kind, name: setName(jail, family, kind) })));

const call = (...args: string[]): Extract<Step, { kind: "run" }> => ({
  kind: "run",
  command: ["firewall-cmd", ...args],
});
const zoned = (jail: JailSetup): string[][] => {
  const { zones } = optionsOf(jail);
  return zones.length === 0 ? [[]] : zones.map((zone) => [`--zone=${zone}`]);
};

// ----------------------------------------------------------------------------------------------------------------- rules

const icmp6: Readonly<Record<IcmpKind, string>> = {
  "icmp-port-unreachable": "icmp6-port-unreachable",
  "icmp-host-unreachable": "icmp6-addr-unreachable",
  "icmp-net-unreachable": "icmp6-no-route",
  "icmp-proto-unreachable": "icmp6-port-unreachable",
  "icmp-net-prohibited": "icmp6-adm-prohibited",
  "icmp-host-prohibited": "icmp6-adm-prohibited",
  "icmp-admin-prohibited": "icmp6-adm-prohibited",
};

/** firewalld refuses a reset as the answer to what is not known to be TCP. */
function verdict(jail: JailSetup, family: Family, protocol: string): string {
  const blocktype = blocktypeOf(jail);
  if (blocktype.kind === "tcp-reset" && protocol === "tcp") return 'reject type="tcp-reset"';
  if (blocktype.kind === "drop" || blocktype.kind === "tarpit") return "drop";
  const word = blocktype.kind === "reject" ? blocktype.icmp : "icmp-port-unreachable";
  return `reject type="${family === 4 ? word : icmp6[word]}"`;
}

/** One rich rule per set, port range and protocol, before those that let in; written as firewalld lists them. */
function rules(jail: JailSetup): string[] {
  const { ported, whole } = matchOf(jail);
  return setsOf(jail).flatMap(({ family, name }) => {
    const rule = (match: string, protocol: string): string =>
      `rule priority="-100" family="ipv${family}" source ipset="${name}" ${match}${verdict(jail, family, protocol)}`;
    const found: string[] = [];
    if (jail.port !== "all")
      for (const protocol of ported)
        for (const range of jail.port)
          found.push(rule(`port port="${portText(range, "-")}" protocol="${protocol}" `, protocol));
    if (whole === "all") {
      if (blocktypeOf(jail).kind === "tcp-reset") found.push(rule('protocol value="tcp" ', "tcp"));
      found.push(rule("", "all"));
    } else
      for (const protocol of whole)
        found.push(
          rule(`protocol value="${protocol === "icmp" && family === 6 ? "ipv6-icmp" : protocol}" `, protocol),
        );
    return found;
  });
}

/** The rules of a listing that refer to one of these sets. */
const rulesAbout = (answer: string, isMeant: (set: string) => boolean): string[] =>
  answer.split("\n").flatMap((row) => {
    const rule = row.trim();
    const set = /^rule .*\bsource ipset="([^"]+)"/.exec(rule)?.[1];
    return set !== undefined && isMeant(set) ? [rule] : [];
  });

const add = (zone: readonly string[], rule: string): Step => ({
  ...call(...zone, `--add-rich-rule=${rule}`),
  ignore: /ALREADY_ENABLED/,
});
const remove = (zone: readonly string[], rule: string): Step => ({
  ...call(...zone, `--remove-rich-rule=${rule}`),
  ignore: /NOT_ENABLED/,
});

/** The new rules stand before the outdated ones go. */
function placeRules(jail: JailSetup): Step[] {
  const wanted = rules(jail);
  const mine = new Set(setsOf(jail).map(({ name }) => name));
  return zoned(jail).map((zone) => ({
    ...call(...zone, "--list-rich-rules"),
    next(answer: string): Step[] {
      const standing = rulesAbout(answer, (set) => mine.has(set));
      return [
        ...wanted.filter((rule) => !standing.includes(rule)).map((rule) => add(zone, rule)),
        ...standing.filter((rule) => !wanted.includes(rule)).map((rule) => remove(zone, rule)),
      ];
    },
  }));
}

// ------------------------------------------------------------------------------------------------------------------ sets

const isOurs = (set: string): boolean => /^f2b[46]n?-/.test(set);

/** Makes the sets that are missing, and puts back what the reload that this takes makes firewalld forget of all our jails. */
function makeSets(jail: JailSetup): Step {
  return {
    ...call("--get-ipsets"),
    next(answer: string): Step[] {
      const there = answer.split(/\s+/).filter(isOurs);
      const missing = setsOf(jail).filter(({ name }) => !there.includes(name));
      if (missing.length === 0) return [];
      const made = missing.map(
        ({ family, kind, name }): Step => ({
          ...call(
            "--permanent",
            `--new-ipset=${name}`,
            `--type=hash:${kind}`,
            `--option=family=inet${family === 6 ? "6" : ""}`,
            "--option=maxelem=1048576",
          ),
          ignore: /NAME_CONFLICT/,
        }),
      );
      return [
        {
          ...call("--list-all-zones"),
          next: (zones: string) => [...made, ...reloadAround(there, rulesOfZones(zones), [])],
        },
      ];
    },
  };
}

/** Reads one set after the other; with the last of them known, reloads and puts all back. */
function reloadAround(left: readonly string[], ruled: readonly Step[], back: readonly Step[]): Step[] {
  const [set, ...rest] = left;
  if (set === undefined) return [call("--reload"), ...back, ...ruled];
  return [
    {
      ...call(`--ipset=${set}`, "--get-entries"),
      next: (answer: string) =>
        reloadAround(rest, ruled, [...back, ...entryCalls(set, "--add-entry", entriesOf(answer))]),
    },
  ];
}

/** Our rules in each zone of `--list-all-zones`, as steps that make them again. */
function rulesOfZones(answer: string): Step[] {
  let zone = "";
  return answer.split("\n").flatMap((row) => {
    zone = /^([A-Za-z0-9_-]+)(?: \(.*\))?$/.exec(row)?.[1] ?? zone;
    return rulesAbout(row, isOurs).map((rule) => add([`--zone=${zone}`], rule));
  });
}

const entriesOf = (answer: string): string[] =>
  answer.split("\n").flatMap((row) => {
    const target = parseTarget(row.trim());
    return target === undefined ? [] : [target.text];
  });

function entryCalls(set: string, flag: "--add-entry" | "--remove-entry", entries: readonly string[]): Step[] {
  const calls: Step[] = [];
  for (let i = 0; i < entries.length; i += entriesACall)
    calls.push({
      ...call(`--ipset=${set}`, ...entries.slice(i, i + entriesACall).map((entry) => `${flag}=${entry}`)),
      ignore: flag === "--add-entry" ? /ALREADY_ENABLED/ : /NOT_ENABLED/,
    });
  return calls;
}

const inSets = (
  jail: JailSetup,
  targets: readonly Target[],
  steps: (set: string, entries: readonly string[], kind: Kind) => Step[],
): Step[] =>
  setsOf(jail).flatMap(({ family, kind, name }) => {
    const mine = targets.filter(
      (target) =>
        target.kind !== "id" && target.family === family && (target.kind === "prefix") === (kind === "net"),
    );
    return mine.length === 0
      ? []
      : steps(
          name,
          mine.map(({ text }) => text),
          kind,
        );
  });

/** firewalld takes no network that overlaps with another: of those inside each other only the largest stands, which shuts out all of them. */
const banNetworks = (set: string, entries: readonly string[]): Step => ({
  ...call(`--ipset=${set}`, "--get-entries"),
  next(answer: string): Step[] {
    const standing = networks(entriesOf(answer));
    const wanted = networks(entries);
    const inside = (one: Prefix, others: readonly Prefix[]): boolean =>
      others.some((other) => other !== one && prefixContains(other, one));
    return [
      ...entryCalls(
        set,
        "--remove-entry",
        standing.filter((one) => inside(one, wanted)),
      ),
      ...entryCalls(
        set,
        "--add-entry",
        wanted.filter((one) => !inside(one, [...standing, ...wanted])),
      ),
    ];
  },
});

const networks = (texts: readonly string[]): Prefix[] => texts.flatMap((text) => parsePrefix(text) ?? []);

const listing = (name: string, also?: Listing): Listing => ({
  step: call(`--ipset=${name}`, "--get-entries"),
  read(answer, code): Found[] | undefined {
    if (code !== 0) return undefined;
    return entriesOf(answer).flatMap((text) => {
      const target = parseTarget(text);
      return target === undefined ? [] : [{ target, until: undefined }];
    });
  },
  ...(also === undefined ? {} : { also }),
});

const wholeRules = (jail: JailSetup, answer: string): boolean => {
  const standing = new Set(rulesAbout(answer, isOurs));
  return rules(jail).every((rule) => standing.has(rule));
};

/** Finds no bans, but notices that rules are gone. */
const ruleListing = (jail: JailSetup): Listing => ({
  step: call(...(zoned(jail)[0] ?? []), "--list-rich-rules"),
  read: (answer, code) => (code === 0 && wholeRules(jail, answer) ? [] : undefined),
});

export const firewalld: BanAction = {
  name: "firewalld",
  summary: "firewalld: ipsets per jail and rich rules",
  needs: ["firewall-cmd"],
  can: { v4: true, v6: true, prefix: true, id: false },
  shared: false,
  expires: false,
  asRoot: true,
  options,
  start: (jail) => [makeSets(jail), ...placeRules(jail)],
  ban: (jail, bans) =>
    inSets(
      jail,
      bans.map((ban) => ban.target),
      (set, entries, kind) =>
        kind === "net" ? [banNetworks(set, entries)] : entryCalls(set, "--add-entry", entries),
    ),
  cut: (jail, targets) => cutSteps(jail, optionsOf(jail).cut, targets),
  unban: (jail, targets) =>
    inSets(jail, targets, (set, entries) => entryCalls(set, "--remove-entry", entries)),
  // No reload, which would take away what others have in the running firewall: there the sets stay until the next one, empty.
  stop(jail) {
    const mine = new Set(setsOf(jail).map(({ name }) => name));
    return [
      ...zoned(jail).map(
        (zone): Step => ({
          ...call(...zone, "--list-rich-rules"),
          next: (answer: string) =>
            rulesAbout(answer, (set) => mine.has(set)).map((rule) => remove(zone, rule)),
        }),
      ),
      ...setsOf(jail).flatMap(({ name }): Step[] => [
        {
          ...call(`--ipset=${name}`, "--get-entries"),
          ignore: /INVALID_IPSET/,
          next: (answer: string) => entryCalls(name, "--remove-entry", entriesOf(answer)),
        },
        { ...call("--permanent", `--delete-ipset=${name}`), ignore: /INVALID_IPSET/ },
      ]),
    ];
  },
  list: (jail) =>
    setsOf(jail).reduceRight<Listing>((also, { name }) => listing(name, also), ruleListing(jail)),
  intact: (jail) =>
    zoned(jail).map(
      (zone): Asking<boolean> => ({
        step: call(...zone, "--list-rich-rules"),
        everyMs: lookEveryMs,
        // No answer is another fault: firewalld itself is away.
        read: (answer, code) => code !== 0 || wholeRules(jail, answer),
      }),
    ),
};
