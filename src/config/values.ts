// The kinds of values that keys take: durations, lists, ports, ignore entries, schedules. Each accepts what people write (also
// fail2ban's spelling where it is plain) and gives what the core works with. Each is a function: zod's schemas cost some thirty
// microseconds to make, and a start needs few of them.

import { z } from "zod";
import { parseAddress, parsePrefix } from "../core/address.ts";
import type { BanTime, Fault, PortRange, Protocol, Span } from "../core/domain.ts";
import { parseDuration } from "../core/duration.ts";
import { compileIgnore } from "../core/ignore.ts";
import { lazily } from "../core/lazily.ts";
import { parseSchedule, type Schedule } from "../core/schedule.ts";
import { searchbotFault, searchbotWord } from "../core/searchbots.ts";
import { portNumber } from "./services.ts";

/** Adds a mistake to the value being parsed; what is wrong first, then after a line feed what to do. */
export type Complain = (message: string, path?: readonly (string | number)[]) => void;

function reads<In extends z.ZodType, Out>(input: In, read: (value: z.output<In>, complain: Complain) => Out) {
  return input.transform((value, context): Out => {
    let wrong = false;
    const complain: Complain = (message, path = []) => {
      wrong = true;
      context.issues.push({ code: "custom", message, path: [...path], input: value });
    };
    const result = read(value, complain);
    return wrong ? z.NEVER : result;
  });
}

const sayFault = (fault: Fault): string =>
  `${fault.what}${fault.why === undefined ? "" : `: ${fault.why}`}\n${fault.fix ?? ""}`;

/** What stands for a value that was complained about; the complaint makes it unreachable. */
const nothing = z.NEVER;

// ------------------------------------------------------------------------------------------------------------- durations

const written = () => z.union([z.string(), z.number()]);

/** Seconds or "forever". */
export const span = () =>
  reads(written(), (value, complain): Span => {
    const parsed = parseDuration(value);
    if (parsed.ok) return parsed.value;
    complain(sayFault(parsed.faults[0]!));
    return nothing;
  });

/** Seconds, finite, within bounds. */
export const seconds = (least = 1, most = Number.POSITIVE_INFINITY) =>
  reads(written(), (value, complain): number => {
    const parsed = parseDuration(value);
    if (!parsed.ok) {
      complain(sayFault(parsed.faults[0]!));
      return nothing;
    }
    if (parsed.value === "forever")
      complain('this cannot be forever\nwrite a duration such as "10m" or "1d"');
    else if (parsed.value < least) complain(`${JSON.stringify(value)} is too short: at least ${least} s`);
    else if (parsed.value > most) complain(`${JSON.stringify(value)} is too long: at most ${most} s`);
    else return parsed.value;
    return nothing;
  });

// ----------------------------------------------------------------------------------------------------------------- lists

const texts = () => z.union([z.string(), z.array(z.string())]);

/** One text or several, each as it is. */
export const textList = () =>
  reads(texts(), (value, complain): string[] => {
    const list = typeof value === "string" ? [value] : value;
    list.forEach((one, n) => {
      if (one.trim() === "") complain("an empty text", typeof value === "string" ? [] : [n]);
    });
    return list;
  });

/** A list, or one text with words between blanks and commas, as fail2ban writes lists. */
export const wordList = () =>
  reads(texts(), (value): string[] =>
    typeof value === "string" ? words(value) : value.flatMap((one) => one.trim()).filter((one) => one !== ""),
  );

/** Chains of iptables-like firewalls: nothing that a rule could be made of. */
export const chains = () =>
  reads(texts(), (value, complain): string[] => {
    const list = typeof value === "string" ? words(value) : value;
    list.forEach((one, n) => {
      if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,27}$/.test(one))
        complain(
          `${JSON.stringify(one)} is not a chain's name\nsuch as INPUT, FORWARD or DOCKER-USER, at most 28 long`,
          typeof value === "string" ? [] : [n],
        );
    });
    return list;
  });

const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== "");

/**
 * Argument list; one text is split at blanks (quotes keep a word together), never by a shell. fail2ban's <ip> is taken for {ip}; its
 * other tags would reach the program as they are written, which then says no to everybody.
 */
export const command = () =>
  reads(texts(), (given, complain): string[] => {
    const value = ipTags(given);
    const list = typeof value === "string" ? splitCommand(value) : value;
    const tag = list?.join(" ").match(/<[a-z][\w-]*>/i)?.[0];
    if (tag !== undefined)
      complain(`${tag} is not known here\nthere is {ip}; the rest comes as environment and JSON`);
    else if (list === undefined) complain("a quote is not closed");
    else if (list.length === 0) return [];
    else if (list[0] === searchbotWord) {
      const fault = searchbotFault(list.slice(1));
      if (fault === undefined) return list;
      complain(sayFault(fault));
    } else if (!list[0]!.startsWith("/")) {
      complain(
        `${JSON.stringify(list[0])} is not an absolute path\nprograms are not looked up in $PATH: write the whole path`,
      );
    } else if (typeof value === "string" && /[|;&<>`$(){}*?~]/.test(value.replaceAll("{ip}", ""))) {
      complain(
        "this holds characters that only a shell would understand, and no shell runs it\nput it into a script and name that",
      );
    } else return list;
    return nothing;
  });

const ipTags = (value: string | string[]): string | string[] =>
  typeof value === "string"
    ? value.replaceAll("<ip>", "{ip}")
    : value.map((one) => one.replaceAll("<ip>", "{ip}"));

/** "a 'b c' \"d\"" → words; undefined when a quote is not closed. No variables, no globs, no backslashes. */
export function splitCommand(text: string): string[] | undefined {
  const list: string[] = [];
  const part = /\s*(?:((?:[^\s'"]|'[^']*'|"[^"]*")+)|$)/y;
  while (part.lastIndex < text.length) {
    const found = part.exec(text);
    if (found === null) return undefined;
    if (found[1] !== undefined)
      list.push(found[1].replace(/'([^']*)'|"([^"]*)"/g, (_, a?: string, b?: string) => a ?? b ?? ""));
    else break;
  }
  return list;
}

/**
 * What answers of ignorecommand are remembered by: a text with {ip}, {user}, {jail}, as daemon/ignored.ts fills them in;
 * fail2ban's <ip> and <F-USER> are taken for them.
 */
export const cacheKey = () =>
  reads(z.string(), (value, complain): string => {
    const key = value.replace(/<ip(?:-host)?>/g, "{ip}").replace(/<F-(?:ALT_)?USER>/g, "{user}");
    const odd = [...key.matchAll(/\{([^}]*)\}|<([^>]*)>/g)].find(
      (found) => !/^(?:ip|user|jail)$/.test(found[1] ?? ""),
    );
    if (odd !== undefined) complain(`${odd[0]} is not known here\nthere are {ip}, {user} and {jail}`);
    else if (!/\{(?:ip|user)\}/.test(key))
      complain("every address would share one answer\nwrite {ip} or {user} into it");
    return key;
  });

// ------------------------------------------------------------------------------------------------------------- addresses

/** Addresses and prefixes only. */
export const prefixList = () =>
  reads(texts(), (value, complain): string[] => {
    const list = typeof value === "string" ? words(value) : value;
    list.forEach((one, n) => {
      if (parseAddress(one) === undefined && parsePrefix(one) === undefined) {
        complain(
          `${JSON.stringify(one)} is not an address or prefix\nsuch as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32`,
          typeof value === "string" ? [] : [n],
        );
      }
    });
    return list;
  });

/** Addresses, prefixes (also with a netmask), host names, "file:/path". */
export const ignoreList = () =>
  reads(texts(), (value, complain): string[] => {
    const list = typeof value === "string" ? words(value) : value.map((one) => one.trim());
    list.forEach((one, n) => {
      const why = judgeIgnored(one);
      if (why !== undefined) complain(why, typeof value === "string" ? [] : [n]);
    });
    return list;
  });

/** What is wrong with an entry of ignoreip; undefined: nothing. */
export function judgeIgnored(entry: string): string | undefined {
  if (parseAddress(entry) !== undefined || parsePrefix(entry) !== undefined) return undefined;
  if (entry.startsWith("file:")) {
    return entry.startsWith("file:/")
      ? undefined
      : `${JSON.stringify(entry)} is not absolute\nwrite file:/the/whole/path`;
  }
  if (entry.startsWith("#") || entry.startsWith(";")) {
    return `${JSON.stringify(entry)} looks like a comment inside the text\ncomments stand outside of quotes: write a list, one entry a line`;
  }
  const slash = entry.indexOf("/");
  if (slash > 0 && parseAddress(entry.slice(0, slash)) !== undefined) {
    return `${JSON.stringify(entry)} is not a prefix: ${JSON.stringify(entry.slice(slash + 1))} is no number of bits\nsuch as 192.0.2.0/24 or 2001:db8::/32`;
  }
  // All digits and dots, or with a colon: meant as an address, never a name.
  if (/^[\d.]+(?:\/\d*)?$/.test(entry) || entry.includes(":")) {
    return `${JSON.stringify(entry)} is not an address\nsuch as 192.0.2.1 or 2001:db8::1`;
  }
  const [fault] = compileIgnore([entry]).faults;
  return fault === undefined
    ? undefined
    : `${JSON.stringify(entry)} is neither an address, a prefix, a host name nor file:/path`;
}

// ----------------------------------------------------------------------------------------------------------------- ports

const portText = () => z.union([z.string(), z.int(), z.array(z.union([z.string(), z.int()]))]);

export const ports = () =>
  reads(portText(), (value, complain): readonly PortRange[] | "all" => {
    const list = Array.isArray(value) ? value : [value];
    const ranges: PortRange[] = [];
    let all = false;
    let named = false;
    list.forEach((entry, n) => {
      const path = Array.isArray(value) ? [n] : [];
      named ||= typeof entry === "number" || entry.trim() !== "";
      for (const one of typeof entry === "number" ? [String(entry)] : words(entry)) {
        if (one === "all") {
          all = true;
          continue;
        }
        const range = parsePort(one);
        if (typeof range === "string") complain(range, path);
        else ranges.push(range);
      }
    });
    if (!named) complain('no port is named\nwrite "all" for every port');
    return all || ranges.some((range) => range.from <= 1 && range.to === 65535) ? "all" : ranges;
  });

/** "ssh", "22", "6000-6010", "6000:6010" → a range, or what is wrong. */
export function parsePort(text: string): PortRange | string {
  const single = portNumber(text);
  if (single !== undefined) return { from: single, to: single };
  const range = /^(\d{1,5})[-:](\d{1,5})$/.exec(text);
  if (range !== null) {
    const [from, to] = [Number(range[1]), Number(range[2])];
    if (from > to) return `the range ${text} runs backwards`;
    if (to > 65535) return `${to} is not a port: they end at 65535`;
    return { from, to };
  }
  if (/^-?\d+$/.test(text)) return `${text} is not a port: they are 1 to 65535`;
  return `no port is called ${JSON.stringify(text)} here\nwrite its number, or a name of /etc/services`;
}

const protocolNames = ["tcp", "udp", "sctp", "dccp", "icmp", "all"] as const;

export const protocols = () =>
  reads(texts(), (value, complain): readonly Protocol[] => {
    const list = typeof value === "string" ? words(value) : value;
    const known: Protocol[] = [];
    list.forEach((one, n) => {
      const found = protocolNames.find((name) => name === one.toLowerCase());
      if (found === undefined)
        complain(
          `${JSON.stringify(one)} is no protocol\none of ${protocolNames.join(", ")}`,
          typeof value === "string" ? [] : [n],
        );
      else if (!known.includes(found)) known.push(found);
    });
    if (list.length === 0) complain("no protocol is named");
    return known;
  });

// ----------------------------------------------------------------------------------------------------------------- times

/** IANA names, and the fixed offsets fail2ban knows: UTC, GMT, Z, UTC+0200, +01:00. */
export const timeZone = () =>
  reads(z.string(), (value, complain): string => {
    const text = value.trim();
    const offset = /^(?:UTC|GMT|Z)?([+-])(\d{2}):?(\d{2})?$/i.exec(text);
    if (offset !== null) {
      if (Number(offset[2]) <= 14 && Number(offset[3] ?? 0) < 60)
        return `${offset[1]}${offset[2]}:${offset[3] ?? "00"}`;
    } else if (/^(?:UTC|GMT|Z)$/i.test(text)) return "UTC";
    else {
      try {
        return new Intl.DateTimeFormat("en", { timeZone: text }).resolvedOptions().timeZone;
      } catch {
        // falls through to the complaint
      }
    }
    complain(`${JSON.stringify(value)} is no time zone\nsuch as "Europe/Berlin", "UTC" or "+02:00"`);
    return nothing;
  });

/** "daily 07:00", "weekly mon 07:00", "monthly 1 07:00", "every 6h": see core/schedule.ts. */
export const schedule = () =>
  reads(z.string(), (value, complain): Schedule => {
    const parsed = parseSchedule(value);
    if (parsed.ok) return parsed.value;
    complain(sayFault(parsed.faults[0]!));
    return nothing;
  });

// --------------------------------------------------------------------------------------------------------------- bantime

const factors = () =>
  reads(z.union([z.string(), z.array(z.number())]), (value, complain): number[] => {
    const list = typeof value === "string" ? words(value).map(Number) : value;
    if (list.length === 0 || !list.every((one) => Number.isFinite(one) && one > 0 && one <= 1e6))
      complain("multipliers are positive numbers, such as [1, 5, 30, 60, 300]");
    return list;
  });

export const formulas = [
  "double",
  "exponential",
  "linear",
  "constant",
] as const satisfies readonly BanTime["formula"][];

/** The keys of the bantime table; `base` is what `bantime = "…"` alone says. */
export const bantimeKeys = lazily({
  base: () =>
    span().meta({
      description: "Length of the first ban, and of every ban without increment.",
      default: "10m",
      examples: ["1h", "forever"],
    }),
  increment: () =>
    z.boolean().meta({
      description: "Ban longer each time the same target comes back.",
      default: false,
      examples: [true],
    }),
  factor: () =>
    z
      .number()
      .positive()
      .max(1e6)
      .meta({
        description: "Multiplies what the formula or the multipliers give; a number, never an expression.",
        default: 1,
        examples: [2],
      }),
  multipliers: () =>
    factors().meta({
      description:
        "List used instead of the formula: the n-th ban lasts base × the n-th number; the last one goes on.",
      otherwise: "none",
      examples: [[1, 5, 30, 60, 300, 720]],
    }),
  formula: () =>
    z.enum(formulas).meta({
      description:
        "Growth: double (base × 2 each time), exponential (base × e^factor each time), linear (base × n), constant.",
      default: "double",
      examples: ["linear"],
    }),
  maxtime: () =>
    seconds().meta({
      description: "No ban by increment is longer.",
      otherwise: "none",
      examples: ["5w"],
    }),
  rndtime: () =>
    seconds(0).meta({
      description: "Up to so much is added at random, so that the end cannot be waited for.",
      default: 0,
      examples: ["10m"],
    }),
  overalljails: () =>
    z.boolean().meta({
      description: "Count earlier bans of every jail and not of this one only.",
      default: false,
      examples: [true],
    }),
});

export const bantime = () => z.union([span(), z.strictObject(bantimeKeys).partial()]);
