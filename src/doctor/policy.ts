// Settings that are valid and yet a trap: times without units, bans that stop nobody, lists that hold everybody, jails that never ban.

import { banactions } from "../banaction/index.ts";
import { placeOf } from "../config/faults.ts";
import type { Config } from "../config/index.ts";
import type { Path } from "../config/locate.ts";
import { parseAddress, parsePrefix, prefixBits, prefixContains } from "../core/address.ts";
import type { Address, Jail, Place, Prefix, Span } from "../core/domain.ts";
import { formatDuration } from "../core/duration.ts";
import { withoutForgeable } from "../core/filter.ts";
import type { Read } from "./files.ts";
import { finding } from "./finding.ts";
import type { Finding } from "./index.ts";
import { shapeOf, writtenSecrets } from "./secrets.ts";

export function lintSettings(read: Read): Finding[] {
  const enabled = read.config.jails.filter((jail) => jail.enabled);
  return [
    ...bareTimes(read),
    ...enabled.flatMap((jail) => lintJail(read.config, jail)),
    ...ignoreLists(read),
    ...twins(read.config, enabled),
    ...lintDaemon(read),
    ...lintNotify(read, enabled),
  ];
}

/** Where a jail's setting is written; the jail's own table where it is not. */
export function settingPlace(config: Config, jail: string, key: string): Place | undefined {
  const origins = config.resolver.origins(jail);
  return origins[key]?.at ?? origins[key.replace(/\..*$/, "")]?.at ?? origins.enabled?.at;
}

/** True when the user wrote the setting himself; not the service's jail file. */
function wrote(config: Config, jail: string, key: string): boolean {
  const from = config.resolver.origins(jail)[key]?.from;
  return from !== undefined && from !== "service";
}

// ------------------------------------------------------------------------------------------------------------- durations

const times = new Set([
  "findtime",
  "bantime",
  "base",
  "maxtime",
  "rndtime",
  "dbpurgeage",
  "checkpoint",
  "window",
  "max-time",
  "since",
]);

function bareTimes({ layers }: Read): Finding[] {
  const found: Finding[] = [];
  for (const layer of layers) {
    const walk = (value: unknown, path: Path): void => {
      if (typeof value === "object" && value !== null && !Array.isArray(value)) {
        for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key]);
        return;
      }
      const key = String(path.at(-1));
      const number = typeof value === "string" && /^\s*\d+\s*$/.test(value) ? Number(value) : value;
      if (path[0] === "notify" || !times.has(key) || typeof number !== "number" || number <= 0) return;
      const spelt = formatDuration(number);
      // Small numbers were meant as minutes, hours or days; large ones only read badly.
      const meant = number < 120;
      found.push(
        finding(
          "F2B101",
          `${key} = ${number} means ${spelt === `${number}s` ? `${number} seconds` : spelt}`,
          {
            at: placeOf(layer.file, layer.text, path, "value"),
            severity: meant ? "warning" : "note",
            fix: meant
              ? `write the unit that is meant: "${number}m", "${number}h" or, if seconds are, "${number}s"`
              : `write ${key} = "${spelt.replaceAll(" ", "")}"`,
          },
        ),
      );
    };
    if (!layer.saved) walk(layer.data, []);
  }
  return found;
}

const secondsOf = (span: Span): number => (span === "forever" ? Number.POSITIVE_INFINITY : span);

function lintJail(config: Config, jail: Jail): Finding[] {
  const found: Finding[] = [];
  const at = (key: string): { at: Place | undefined } => ({ at: settingPlace(config, jail.name, key) });
  const who = `[jails.${jail.name}]`;
  const { bantime, findtime } = jail;
  const base = secondsOf(bantime.base);
  const mine = (key: string): boolean => wrote(config, jail.name, key);

  if (base < 60)
    found.push(finding("F2B102", `${who} bans for ${formatDuration(base)} only`, at("bantime.base")));
  else if (base < findtime)
    found.push(
      finding(
        "F2B103",
        `${who} bans for ${formatDuration(base)} and counts over ${formatDuration(findtime)}`,
        at("bantime.base"),
      ),
    );
  if (jail.maxretry === 1 && mine("maxretry"))
    found.push(finding("F2B104", `${who} bans after one failure`, at("maxretry")));
  if (jail.banaction.length > 0 && jail.banaction.every((use) => use.name === "print"))
    found.push(finding("F2B105", `${who} shuts nobody out`, at("banaction")));
  if (bantime.maxtime !== undefined && bantime.increment && bantime.maxtime < base)
    found.push(
      finding(
        "F2B108",
        `${who} bans for ${formatDuration(bantime.base)} at first and for ${formatDuration(bantime.maxtime)} at most`,
        at("bantime.maxtime"),
      ),
    );
  if (bantime.increment && secondsOf(config.daemon.dbpurgeage) < Math.max(bantime.maxtime ?? 0, base))
    found.push(
      finding(
        "F2B109",
        `${who} lets bans grow, but what is older than ${formatDuration(config.daemon.dbpurgeage)} is forgotten`,
        {
          at: config.provenance()["daemon.dbpurgeage"]?.at ?? at("bantime.base").at,
        },
      ),
    );
  if (bantime.base === "forever" && mine("bantime.base"))
    found.push(finding("F2B110", `${who} bans for ever`, at("bantime.base")));
  if (jail.usedns === "yes" || jail.usedns === "warn")
    found.push(finding("F2B111", `${who} resolves host names that stand in its log`, at("usedns")));
  if (jail.campaign !== undefined && jail.campaign.maxretry >= jail.maxretry)
    found.push(
      finding(
        "F2B112",
        `${who} bans after ${jail.maxretry} anyway, during a campaign after ${jail.campaign.maxretry}`,
        at("campaign"),
      ),
    );
  if (jail.prefix.count6 > 64)
    found.push(finding("F2B113", `${who} counts IPv6 by /${jail.prefix.count6}`, at("prefix.count6")));
  found.push(...forgeable(config, jail));
  const growing = (["factor", "formula", "multipliers", "maxtime"] as const).filter((key) =>
    mine(`bantime.${key}`),
  );
  if (!bantime.increment && growing.length > 0)
    found.push(
      finding(
        "F2B116",
        `${who} sets ${growing.join(", ")} but bans do not grow`,
        at(`bantime.${growing[0]}`),
      ),
    );
  if (bantime.multipliers !== undefined && mine("bantime.formula"))
    found.push(finding("F2B117", `${who} sets both formula and multipliers`, at("bantime.formula")));
  if (jail.trustedproxies.length > 0 && !seesThrough(jail))
    found.push(
      finding(
        "F2B120",
        `${who} trusts proxies, but ${jail.filter.name} has no forwarded-for field`,
        at("trustedproxies"),
      ),
    );
  if ((jail.backend === "systemd" || jail.backend === "events") && mine("logpath"))
    found.push(
      finding(
        "F2B121",
        `${who} reads ${jail.backend === "events" ? "f2b's own bans" : "the journal"}, not ${jail.logpath[0] ?? "its log"}`,
        at("logpath"),
      ),
    );
  const wide = jail.prefix.ladder.find((step) => step.bits < (step.family === 4 ? 22 : 44));
  if (wide !== undefined)
    found.push(
      finding("F2B122", `${who} may ban a whole IPv${wide.family} /${wide.bits}`, at("prefix.ladder")),
    );
  if (!jail.ignore.ignoreself)
    found.push(finding("F2B123", `${who} counts this machine's own addresses`, at("ignoreself")));
  if (
    jail.port !== "all" &&
    mine("protocol") &&
    jail.protocol.length === 1 &&
    jail.protocol[0] === "tcp" &&
    bothWays(jail)
  )
    found.push(finding("F2B125", `${who} shuts tcp only`, at("protocol")));
  if (
    jail.usedns === "raw" ||
    [...jail.filter.failregex, ...jail.filter.prefregex].some((one) => one.includes("<F-ID"))
  )
    if (!jail.banaction.some((use) => banactions[use.name]?.can.id === true))
      found.push(finding("F2B420", `${who} blames by something that is no address`, at("banaction")));
  return found;
}

/** Ports (IANA) that are spoken by udp as often as by tcp: DNS, SIP, RADIUS, OpenVPN, TURN. */
const datagrams = new Set([53, 1194, 1812, 1813, 3478, 5060, 5061, 64738]);
const bothWays = (jail: Jail): boolean =>
  jail.port !== "all" &&
  jail.port.some((range) => [...datagrams].some((port) => range.from <= port && port <= range.to));

const seesThrough = (jail: Jail): boolean =>
  (jail.filter.json ?? []).some((shape) => shape.forwarded !== undefined) ||
  [...jail.filter.failregex, ...jail.filter.prefregex].some((one) => one.includes("F-FORWARDED"));

function forgeable(config: Config, jail: Jail): Finding[] {
  const { filter } = jail;
  const who = `[jails.${jail.name}]`;
  const at = (key: string) => ({ at: settingPlace(config, jail.name, key) });
  const reason = filter.forgeable ?? Object.values(filter.forgeableFormats ?? {})[0];
  const found: Finding[] = [];
  if (jail.backend !== "systemd" && withoutForgeable(filter) === undefined && !jail.acceptForgeable)
    found.push(finding("F2B114", `${who} is off: its log can be forged`, { ...at("enabled"), why: reason }));
  if (filter.spoofable !== undefined && !jail.acceptSpoofable)
    found.push(
      finding("F2B114", `${who} is off: addresses in its log can be forged`, {
        ...at("enabled"),
        why: filter.spoofable,
      }),
    );
  if (jail.acceptForgeable && reason !== undefined)
    found.push(
      finding("F2B115", `${who} accepts a log that can be forged`, {
        ...at("accept_forgeable"),
        why: reason,
      }),
    );
  if (jail.acceptSpoofable && filter.spoofable !== undefined)
    found.push(
      finding("F2B115", `${who} accepts addresses that can be forged`, {
        ...at("accept_spoofable"),
        why: filter.spoofable,
      }),
    );
  return found;
}

// ----------------------------------------------------------------------------------------------------------- ignore lists

type Table = Readonly<Record<string, unknown>>;
const tableAt = (table: unknown, key: string): Table => {
  const inner = typeof table === "object" && table !== null ? (table as Table)[key] : undefined;
  return typeof inner === "object" && inner !== null && !Array.isArray(inner) ? (inner as Table) : {};
};

function ignoreLists({ layers }: Read): Finding[] {
  return layers.flatMap((layer) => {
    const tables: readonly (readonly [Path, Table])[] = [
      [["defaults"], tableAt(layer.data, "defaults")],
      ...Object.keys(tableAt(layer.data, "jails")).map(
        (name) => [["jails", name], tableAt(tableAt(layer.data, "jails"), name)] as const,
      ),
    ];
    return tables.flatMap(([path, table]) => {
      const raw = table.ignoreip;
      const words = typeof raw === "string" ? raw.split(/[\s,]+/) : Array.isArray(raw) ? raw.map(String) : [];
      return ignoreList(words, (n) =>
        placeOf(
          layer.file,
          layer.text,
          Array.isArray(raw) ? [...path, "ignoreip", n] : [...path, "ignoreip"],
          "value",
        ),
      );
    });
  });
}

function ignoreList(words: readonly string[], at: (n: number) => Place): Finding[] {
  const found: Finding[] = [];
  const entries: { readonly range: Address | Prefix; readonly n: number; readonly word: string }[] = [];
  for (const [n, word] of words.entries()) {
    const range = parseAddress(word) ?? parsePrefix(word);
    if (range === undefined) continue;
    entries.push({ range, n, word });
    if (!range.includes("/")) continue;
    const bits = prefixBits(range as Prefix);
    const six = range.includes(":");
    if (bits <= 1)
      found.push(finding("F2B106", `ignoreip holds ${word}: nobody is ever banned`, { at: at(n) }));
    // Private and other special networks are as large as they are.
    else if (bits < (six ? 20 : 8) || (!six && bits < 12 && !/^(?:10|127|100)\./.test(range)))
      found.push(finding("F2B107", `ignoreip holds ${word}`, { at: at(n) }));
  }
  // Long lists come from files and scripts; what is doubled in them does no harm.
  if (entries.length > 500) return found;
  for (const one of entries) {
    const outer = entries.find(
      (other) =>
        other !== one &&
        other.range.includes("/") &&
        prefixContains(other.range as Prefix, one.range) &&
        (other.range !== one.range || other.n < one.n),
    );
    if (outer !== undefined || entries.some((other) => other.range === one.range && other.n < one.n))
      found.push(
        finding("F2B119", `${one.word} is ignored already${outer === undefined ? "" : ` by ${outer.word}`}`, {
          at: at(one.n),
        }),
      );
  }
  return found;
}

// ------------------------------------------------------------------------------------------------------ jails as a whole

function twins(config: Config, jails: readonly Jail[]): Finding[] {
  const seen = new Map<string, Jail>();
  return jails.flatMap((jail) => {
    const { name: _, ...filter } = jail.filter;
    const source = jail.backend === "systemd" ? jail.journalmatch : jail.logpath;
    const key = JSON.stringify([jail.backend, [...source].sort(), filter, jail.ignore.ignorecommand]);
    const before = seen.get(key);
    if (before === undefined) {
      seen.set(key, jail);
      return [];
    }
    return [
      finding("F2B118", `[jails.${jail.name}] reads and finds the same as [jails.${before.name}]`, {
        at: settingPlace(config, jail.name, "enabled"),
      }),
    ];
  });
}

function lintDaemon({ config }: Read): Finding[] {
  const found: Finding[] = [];
  const { daemon } = config;
  const provenance = config.provenance();
  const wide = daemon.unguarded.find((one) => one.includes("/") && !/\/(?:3[0-2]|1[12]\d)$/.test(one));
  if (wide !== undefined)
    found.push(finding("F2B124", `unguarded releases ${wide}`, { at: provenance["daemon.unguarded"]?.at }));
  if (daemon.allowipv6 === "no")
    found.push(
      finding("F2B126", "bans of IPv6 addresses are not carried out", {
        at: provenance["daemon.allowipv6"]?.at,
      }),
    );
  // Groups that distributions put every user into.
  if (
    daemon.socketgroup !== undefined &&
    ["users", "nogroup", "staff", "everyone", "games"].includes(daemon.socketgroup)
  )
    found.push(
      finding("F2B607", `members of ${daemon.socketgroup} may use the socket`, {
        at: provenance["daemon.socketgroup"]?.at,
      }),
    );
  for (const jail of config.jails)
    if (jail.enabled && jail.banaction.some((use) => use.options.unsafe_shell === true))
      found.push(
        finding("F2B613", `[jails.${jail.name}] lets a shell run its banaction`, {
          at: settingPlace(config, jail.name, "banaction"),
        }),
      );
  return found;
}

// ---------------------------------------------------------------------------------------------------------- notifications

const placeholder =
  /\bexample\.(?:org|com|net)\b|change[_-]?me|your[_-](?:token|key|address|password)|^x{4,}$|^<.*>$/i;

function lintNotify({ config, layers }: Read, jails: readonly Jail[]): Finding[] {
  const found: Finding[] = [];
  const at = (path: Path): { at: Place | undefined } => {
    const layer = [...layers]
      .reverse()
      .find((one) => Object.hasOwn(tableAt(one.data, "notify"), String(path[0])));
    return {
      at: layer === undefined ? undefined : placeOf(layer.file, layer.text, ["notify", ...path], "key"),
    };
  };
  for (const [name, use] of Object.entries(config.notify)) {
    const options = use.options as Table;
    const shape = shapeOf(use.type);
    const secrets = writtenSecrets(use);
    for (const [key, value] of Object.entries(options)) {
      const texts = (Array.isArray(value) ? value : [value]).filter((one) => typeof one === "string");
      const odd = texts.find((one) => placeholder.test(one));
      if (odd !== undefined)
        found.push(
          finding(
            "F2B804",
            `[notify.${name}] ${key} ${secrets.includes(key) ? "is" : `= ${JSON.stringify(odd)} is`} still a placeholder`.replace(
              "is still",
              "is still",
            ),
            at([name, key]),
          ),
        );
    }
    // Addresses of webhooks are secrets that have no file of their own.
    const inline = secrets.find((key) => shape[`${key}_file`] !== undefined);
    if (inline !== undefined)
      found.push(
        finding("F2B611", `[notify.${name}] has its ${inline} written out`, {
          ...at([name, inline]),
          fix: `put it into a file of mode 600 and write ${inline}_file = "/etc/f2b/secrets/${name}"`,
        }),
      );
    const url = [options.url, options.server, options.homeserver].find(
      (one) => typeof one === "string" && /^http:\/\//i.test(one),
    );
    if (typeof url === "string" && !loopback(new URL(url).hostname))
      found.push(
        finding(
          "F2B612",
          `[notify.${name}] speaks http with ${new URL(url).hostname}`,
          at([name, options.url === url ? "url" : options.server === url ? "server" : "homeserver"]),
        ),
      );
    const password = options.password !== undefined || options.password_file !== undefined;
    if (options.tls === false && password && !loopback(String(options.host)))
      found.push(
        finding(
          "F2B612",
          `[notify.${name}] sends its password to ${String(options.host)} without TLS`,
          at([name, "tls"]),
        ),
      );
    const used =
      jails.some((jail) => jail.notify.includes(name)) || config.report?.notify.includes(name) === true;
    if (!use.rules.enabled || (!used && jails.length > 0))
      found.push(
        finding(
          "F2B807",
          use.rules.enabled ? `no jail names [notify.${name}]` : `[notify.${name}] is switched off`,
          at([name, ...(use.rules.enabled ? [] : ["enabled"])]),
        ),
      );
  }
  if (
    config.report !== undefined &&
    !config.report.notify.some((name) => config.notify[name]?.rules.enabled === true)
  )
    found.push(
      finding("F2B805", "[report] has nobody to send it to", {
        at: config.provenance()["report.schedule"]?.at,
      }),
    );
  return found;
}

const loopback = (host: string): boolean =>
  host === "localhost" || host === "[::1]" || host === "::1" || host.startsWith("127.");
