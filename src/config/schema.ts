// Every key of the configuration: its type, meaning, default and an example, in one place. Checking, `f2b config reference`,
// `f2b config schema`, the commented default and `f2b set` all follow from here. Keys keep fail2ban's names.

import { z } from "zod";
import { blocktypes } from "../banaction/blocktype.ts";
import { parseAddress } from "../core/address.ts";
import { joined, lazily } from "../core/lazily.ts";
import { tableOf, type Values } from "./table.ts";
import * as values from "./values.ts";

// A configuration is read once or twice in the life of a process: compiling a parser for each table costs more than it saves.
z.config({ jitless: true });

const text = () => z.string().min(1);
const path = () => text().startsWith("/", "write the whole path, from / on");

/** A banaction by name, or as a table with its options: `{ name = "nftables", hook = "input" }`. */
const use = () => z.union([text(), z.looseObject({ name: text() })]);

// ------------------------------------------------------------------------------------------------------------------ jails

export const stepKeys = lazily({
  family: () => z.union([z.literal(4), z.literal(6)]).meta({ description: "4 or 6.", examples: [4] }),
  bits: () =>
    z
      .int()
      .min(8)
      .max(127)
      .meta({ description: "Length of the prefix that is banned.", examples: [24] }),
  members: () =>
    z
      .int()
      .min(2)
      .max(100_000)
      .meta({
        description: "Distinct targets banned (or failing, for the last one) inside the prefix.",
        examples: [8],
      }),
});

export const prefixKeys = lazily({
  count4: () =>
    z
      .int()
      .min(8)
      .max(32)
      .optional()
      .meta({
        description: "Failures of one IPv4 prefix of so many bits add up.",
        default: 32,
        examples: [24],
      }),
  count6: () =>
    z
      .int()
      .min(16)
      .max(128)
      .optional()
      .meta({
        description: "Failures of one IPv6 prefix of so many bits add up.",
        default: 64,
        examples: [56],
      }),
  ladder: () =>
    z
      .array(z.strictObject(stepKeys))
      .optional()
      .meta({
        description:
          "Steps, narrow ones first: once so many members of a prefix are banned, the whole prefix is.",
        default: [{ family: 6, bits: 64, members: 2 }],
        examples: [
          [
            { family: 4, bits: 24, members: 8 },
            { family: 6, bits: 64, members: 2 },
            { family: 6, bits: 56, members: 8 },
            { family: 6, bits: 48, members: 32 },
          ],
        ],
      }),
});

export const campaignKeys = lazily({
  addresses: () =>
    z
      .int()
      .min(2)
      .max(100_000)
      .optional()
      .meta({
        description: "Distinct addresses that must fail.",
        default: 30,
        examples: [100],
      }),
  failures: () =>
    z
      .int()
      .min(2)
      .max(1_000_000)
      .optional()
      .meta({
        description: "Failures they must cause together.",
        default: 40,
        examples: [200],
      }),
  window: () =>
    values
      .seconds(10, 7 * 86_400)
      .optional()
      .meta({
        description: "Within so much time.",
        default: "10m",
        examples: ["1h"],
      }),
  maxretry: () =>
    z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .meta({
        description: "What holds instead of maxretry while the campaign lasts.",
        default: 2,
        examples: [1],
      }),
  per: () =>
    z
      .enum(["user", "jail"])
      .optional()
      .meta({
        description: "Whether failures must be against the same user, or against the service as a whole.",
        default: "user",
        examples: ["jail"],
      }),
});

export const ignorecacheKeys = lazily({
  key: () =>
    values
      .cacheKey()
      .optional()
      .meta({
        description: "What answers are remembered by; {ip}, {user} and {jail} are filled in.",
        default: "{ip}",
        examples: ["{user}@{ip}"],
      }),
  "max-count": () =>
    z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .meta({
        description: "Answers kept.",
        default: 100,
        examples: [1000],
      }),
  "max-time": () =>
    values
      .seconds(1)
      .optional()
      .meta({ description: "For so long.", default: "5m", examples: ["1h"] }),
});

/** Keys that make sense for all jails at once: [defaults] and [jails.NAME]. */
export const commonKeys = lazily({
  mode: () =>
    text().meta({
      description: "Variant of the filter; which ones there are stands in its jail file.",
      default: "normal",
      examples: ["aggressive"],
    }),
  backend: () =>
    z.enum(["auto", "inotify", "polling", "systemd", "events"]).meta({
      description:
        "How the log is read: auto takes the file where there is one and the journal otherwise; events reads f2b's own bans (recidive).",
      default: "auto",
      examples: ["systemd"],
    }),
  logencoding: () =>
    text().meta({
      description: "Encoding of user names in the log; the address never depends on it.",
      default: "utf-8",
      examples: ["latin1"],
    }),
  logtimezone: () =>
    values.timeZone().meta({
      description: "Zone of times in the log that name none: an IANA name or a fixed offset.",
      otherwise: "the machine's",
      examples: ["Europe/Berlin"],
    }),
  ignoreregex: () =>
    values.textList().meta({
      description:
        'Expressions; a line that matches one is no failure. Replaces the filter\'s own; "+" as first entry adds to them.',
      otherwise: "the filter's",
      examples: [["^healthcheck "]],
    }),
  usedns: () =>
    z.enum(["yes", "warn", "no", "raw"]).meta({
      description:
        "Whether host names in a log are resolved and banned; raw bans the text as it is, where the banaction can.",
      default: "no",
      examples: ["warn"],
    }),
  maxretry: () =>
    z
      .int()
      .min(1)
      .max(1_000_000)
      .meta({
        description: "Failures within findtime that lead to a ban.",
        default: 5,
        examples: [3],
      }),
  findtime: () =>
    values.seconds(1).meta({
      description: "The window in which failures are counted; exact and sliding.",
      default: "10m",
      examples: ["1h"],
    }),
  maxmatches: () =>
    z
      .int()
      .min(0)
      .max(10_000)
      .meta({
        description: "Matched lines kept while counting, for notifications and explain.",
        default: 10,
        examples: [50],
      }),
  bantime: () =>
    values.bantime().meta({
      description: 'How long a ban lasts: a duration, "forever", or a table with base and increments.',
      default: "10m",
      examples: ["1h", { base: "10m", increment: true, maxtime: "5w" }],
    }),
  ignoreself: () =>
    z.boolean().meta({
      description: "Never count the machine's own addresses.",
      default: true,
      examples: [false],
    }),
  ignoreip: () =>
    values.ignoreList().meta({
      description: "Addresses, prefixes, host names and file:/path that are never counted nor banned.",
      default: [],
      examples: [["192.0.2.0/24", "2001:db8::/32", "vpn.example.org", "file:/etc/f2b/allow.txt"]],
    }),
  ignorecommand: () =>
    values.command().meta({
      description:
        'Program that may excuse an address: it gets the failure as environment and JSON, {ip} among its arguments; exit 0 ignores. ["@searchbot", "google", "bing"] asks the DNS instead whether it is a crawler of these. [] switches it off.',
      otherwise: "none",
      examples: [
        ["/usr/local/bin/is-known", "{ip}"],
        ["@searchbot", "google"],
      ],
    }),
  ignorecache: () =>
    z.union([z.boolean(), z.strictObject(ignorecacheKeys)]).meta({
      description: "Remember the answers of ignorecommand: true, or a table.",
      default: false,
      examples: [{ key: "{ip}", "max-count": 1000, "max-time": "5m" }],
    }),
  port: () =>
    values.ports().meta({
      description: 'Ports shut by a ban: names, numbers, ranges "6000-6010", or "all".',
      default: "all",
      examples: [["ssh", 2222]],
    }),
  protocol: () =>
    values.protocols().meta({
      description: "Protocols of these ports.",
      default: ["tcp"],
      examples: [["tcp", "udp"]],
    }),
  banaction: () =>
    z.union([use(), z.array(use())]).meta({
      description:
        "What shuts out: auto takes the best firewall that is there; a name, a table with its options, or a list of them.",
      default: "auto",
      examples: ["nftables", { name: "nftables", hook: "input" }],
    }),
  chain: () =>
    values.chains().meta({
      description: "Chains that iptables-like banactions hook into; [] leaves it to the banaction.",
      default: [],
      examples: [["INPUT", "DOCKER-USER"]],
    }),
  blocktype: () =>
    z
      .string()
      .transform((word) => word.toLowerCase())
      .pipe(z.enum(blocktypes))
      .meta({
        description: `What becomes of a banned packet: ${blocktypes.join(", ")}.`,
        default: "drop",
        examples: ["reject"],
      }),
  notify: () =>
    values.wordList().meta({
      description: "Names of [notify.NAME] that are told; by default all.",
      otherwise: "all",
      examples: [["admin"]],
    }),
  prefix: () =>
    z.strictObject(prefixKeys).meta({
      description: "Whole networks: how failures add up, when the network is banned.",
      otherwise: "see its keys",
      examples: [{ count6: 64, ladder: [{ family: 6, bits: 64, members: 2 }] }],
    }),
  campaign: () =>
    z.union([z.boolean(), z.strictObject(campaignKeys)]).meta({
      description:
        "Many addresses, few attempts each: while it lasts, newcomers are banned sooner. true, or a table.",
      default: false,
      examples: [{ addresses: 30, window: "10m" }],
    }),
  trustedproxies: () =>
    values.prefixList().meta({
      description: "Reverse proxies whose forwarded-for field is believed; they are never banned.",
      default: [],
      examples: [["10.0.0.0/24"]],
    }),
  onremove: () =>
    z.enum(["keep", "unban"]).meta({
      description:
        "Standing bans of a jail that is switched off or removed: kept until their end, or lifted.",
      default: "keep",
      examples: ["unban"],
    }),
});

/** Keys of one jail only. */
export const ownKeys = lazily({
  enabled: () =>
    z.boolean().meta({ description: "Whether the jail runs.", default: false, examples: [true] }),
  filter: () =>
    z
      .string()
      .regex(
        /^[A-Za-z0-9_.-]{1,64}$/,
        'a name such as "sshd"\nits variant goes to mode = "…", its options to parameters = { … }',
      )
      .meta({
        description: "Jail file whose filter is used; by default the one of the jail's own name.",
        otherwise: "the jail's name",
        examples: ["sshd"],
      }),
  parameters: () =>
    z.record(z.string(), z.string()).meta({
      description: "Values for the filter's {{parameters}}.",
      otherwise: "the filter's",
      examples: [{ domain: "example.org" }],
    }),
  logpath: () =>
    values.textList().meta({
      description: "Log files and globs; one that is not there yet is waited for.",
      otherwise: "the jail file's",
      examples: [["/var/log/auth.log", "/var/log/nginx/*access.log"]],
    }),
  journalmatch: () =>
    values.textList().meta({
      description:
        "Matches for the systemd journal: words in one text are ANDed, texts are ORed. Trusted fields (_…) only.",
      otherwise: "the jail file's",
      examples: [["_SYSTEMD_UNIT=ssh.service"]],
    }),
  prefregex: () =>
    values.textList().meta({
      description: "Expressions of which a line must match one first; replaces the filter's.",
      otherwise: "the filter's",
      examples: [["^app: <F-CONTENT>.+</F-CONTENT>$"]],
    }),
  failregex: () =>
    values.textList().meta({
      description: 'Expressions for a failure; replaces the filter\'s; "+" as first entry adds to them.',
      otherwise: "the filter's",
      examples: [["^login failed from <HOST>$"]],
    }),
  datepattern: () =>
    values.textList().meta({
      description:
        "Patterns of times that are not known by themselves; {UTC} at the end is their zone where they name none.",
      otherwise: "the filter's",
      examples: [["%Y-%m-%d %H:%M:%S"]],
    }),
  maxlines: () =>
    z
      .int()
      .min(1)
      .max(100)
      .meta({
        description: "Lines that one record may span.",
        otherwise: "the filter's",
        examples: [2],
      }),
  accept_forgeable: () =>
    z.boolean().meta({
      description: "Run the jail although a stranger can write whole records into its log.",
      default: false,
      examples: [true],
    }),
  accept_spoofable: () =>
    z.boolean().meta({
      description: "Run the jail although the addresses in its log can be forged by their sender.",
      default: false,
      examples: [true],
    }),
});

export const jailKeys = joined(ownKeys, commonKeys);

export type JailSettings = Values<typeof jailKeys>;

// ----------------------------------------------------------------------------------------------------------------- daemon

const levels = ["critical", "error", "warning", "notice", "info", "debug", "trace"] as const;

export const daemonKeys = lazily({
  socket: () =>
    path().meta({
      description: "The control socket.",
      default: "/run/f2b/f2b.sock",
      examples: ["/run/f2b.sock"],
    }),
  socketgroup: () =>
    z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, "a group's name")
      .meta({
        description: "Members of this group may use the socket too, which lets them ban and unban.",
        otherwise: "none: root only",
        examples: ["adm"],
      }),
  statedir: () =>
    path().meta({
      description: "Where the journal (bans, counters, positions, saved settings) is kept.",
      default: "/var/lib/f2b",
      examples: ["/srv/f2b"],
    }),
  loglevel: () =>
    z
      .string()
      .transform((name) => name.toLowerCase())
      .pipe(z.enum(levels))
      .meta({
        description: "What the daemon says: critical, error, warning, notice, info, debug, trace.",
        default: "info",
        examples: ["debug"],
      }),
  logtarget: () =>
    z.union([z.enum(["stderr", "stdout", "syslog", "journald"]), path()]).meta({
      description:
        "Where it says so: stderr, stdout, syslog, journald or a file (reopened by f2b flushlogs).",
      default: "stderr",
      examples: ["/var/log/f2b.log"],
    }),
  syslogsocket: () =>
    z.union([z.literal("auto"), path()]).meta({
      description: 'The socket for logtarget = "syslog".',
      default: "auto",
      examples: ["/dev/log"],
    }),
  dbpurgeage: () =>
    values.span().meta({
      description: "Bans that are over are forgotten after so long; increments cannot look back further.",
      default: "30d",
      examples: ["1y"],
    }),
  dbmaxmatches: () =>
    z
      .int()
      .min(0)
      .max(1000)
      .meta({
        description: "Matched lines kept with a ban in the journal.",
        default: 10,
        examples: [50],
      }),
  allowipv6: () =>
    z
      .union([z.boolean(), z.enum(["auto", "yes", "no"])])
      .transform((value) =>
        typeof value === "boolean" ? (value ? ("yes" as const) : ("no" as const)) : value,
      )
      .meta({
        description: "Whether IPv6 addresses are banned: auto, yes, no.",
        default: "auto",
        examples: ["no"],
      }),
  emergency: () =>
    values.prefixList().meta({
      description:
        "Addresses and prefixes that nobody and nothing bans: the last gate before the firewall refuses them.",
      default: [],
      examples: [["192.0.2.10", "2001:db8:1::/48"]],
    }),
  unguarded: () =>
    values.prefixList().meta({
      description:
        "Addresses and prefixes that may be banned although the last gate would refuse them (a gateway, a resolver).",
      default: [],
      examples: [["192.0.2.1"]],
    }),
  maxkeys: () =>
    z
      .int()
      .min(1000)
      .max(10_000_000)
      .meta({
        description:
          "Addresses counted at once by one jail; beyond it those with the fewest failures are forgotten. Bounds memory.",
        default: 100_000,
        examples: [1_000_000],
      }),
  linecap: () =>
    z
      .int()
      .min(512)
      .max(1_048_576)
      .meta({
        description: "Bytes of one line that are looked at; the rest is counted and dropped.",
        default: 8192,
        examples: [16_384],
      }),
  checkpoint: () =>
    values.seconds(1, 3600).meta({
      description:
        "How often counters and log positions are written down; after a crash logs are read again from there.",
      default: "10s",
      examples: ["1m"],
    }),
});

// ------------------------------------------------------------------------------------------------------------------ others

export const reportKeys = lazily({
  schedule: () =>
    values.schedule().meta({
      description: "When: daily, weekly, monthly with a time, or an interval. Without it no report is sent.",
      otherwise: "none",
      examples: ["daily 07:00", "weekly mon 07:00"],
    }),
  notify: () =>
    values.wordList().meta({
      description: "Names of [notify.NAME] that get it.",
      otherwise: "all",
      examples: [["admin"]],
    }),
  since: () =>
    values.seconds(3600, 366 * 86_400).meta({
      description: "How far a report looks back.",
      otherwise: "as long as from one report to the next",
      examples: ["7d"],
    }),
});
export const metricsKeys = lazily({
  listen: () =>
    z
      .string()
      .regex(
        /^(?:\[[0-9A-Fa-f:.]+\]|[\d.]+|localhost):\d{1,5}$/,
        'an address and a port such as "127.0.0.1:9191"',
      )
      .transform((value, context) => {
        const split = value.lastIndexOf(":");
        const host = value
          .slice(0, split)
          .replace(/^\[|\]$/g, "")
          .replace("localhost", "127.0.0.1");
        const port = Number(value.slice(split + 1));
        if (port < 1 || port > 65535)
          context.issues.push({ code: "custom", message: `${port} is not a port`, input: value });
        else if (parseAddress(host) === undefined || !(host === "::1" || host.startsWith("127.")))
          context.issues.push({
            code: "custom",
            message: `${host} is not a loopback address\nmetrics tell who attacks whom: let a local agent or proxy fetch and protect them`,
            input: value,
          });
        return { host, port };
      })
      .meta({
        description: "Loopback address and port for Prometheus (GET /metrics), besides the control socket.",
        otherwise: "none",
        examples: ["127.0.0.1:9191"],
      }),
});
/** Not "daemon", which `f2b set` and the journal know as the daemon itself. */
export const jailName = /^(?!(?:__proto__|daemon)$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

/**
 * The whole file, resp. as much of the schema as a file can be judged by that holds `data`: the keys that stand in it. [notify.NAME] and
 * [enrichment] are judged by the folder notify/, which owns their keys.
 */
export function fileTable(data?: Readonly<Record<string, unknown>>) {
  const of = (key: string): readonly unknown[] | undefined => data && [data[key]];
  const jails = data?.jails;
  const tables = typeof jails === "object" && jails !== null ? Object.values(jails) : [];
  return z
    .strictObject({
      defaults: tableOf(commonKeys, of("defaults")),
      daemon: tableOf(daemonKeys, of("daemon")),
      jails: z.record(
        z.string().regex(jailName, "a jail's name is made of letters, digits, _ . - and at most 64 long"),
        tableOf(jailKeys, data && tables),
      ),
      notify: z.record(
        z.string().regex(jailName, "letters, digits, _ . - and at most 64 long"),
        z.looseObject({}),
      ),
      report: tableOf(reportKeys, of("report")),
      metrics: tableOf(metricsKeys, of("metrics")),
      enrichment: z.looseObject({}),
    })
    .partial();
}
