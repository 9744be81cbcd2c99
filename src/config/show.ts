// The configuration in force as plain data under fail2ban's names, so that it can be printed, compared with another
// installation's, and pasted back. Secrets are masked.

import { banactions } from "../banaction/index.ts";
import type { Jail, PortRange, Span } from "../core/domain.ts";
import { formatSchedule } from "../core/schedule.ts";
import { notifiers } from "../notify/index.ts";
import { maskOptions } from "../notify/secret.ts";
import type { Config, NotifyRule, Origin } from "./types.ts";

type Settings = Readonly<Record<string, unknown>>;

export interface JailDescription {
  readonly name: string;
  readonly summary: string;
  /** Durations in seconds (or "forever"); null: not set. */
  readonly settings: Settings;
  /** Where a setting was written; absent: built in. */
  readonly from: Readonly<Record<string, Origin>>;
}

export interface ConfigDescription {
  readonly files: readonly string[];
  readonly daemon: Settings;
  readonly jails: readonly JailDescription[];
  readonly broken: Config["broken"];
  readonly notify: readonly { readonly name: string; readonly settings: Settings }[];
  readonly report: Settings | null;
  readonly metrics: Settings;
  readonly enrichment: Settings;
  readonly warnings: Config["warnings"];
}

export function describeConfig(config: Config): ConfigDescription {
  const { daemon, metrics, report } = config;
  const { logtarget } = daemon;
  return {
    files: config.files,
    daemon: {
      ...nulls(daemon),
      logtarget: logtarget.kind === "file" ? logtarget.path : logtarget.kind,
    },
    jails: config.jails.map((jail) => describeJail(config, jail)),
    broken: config.broken,
    notify: Object.values(config.notify).map(describeNotify),
    report: report === undefined ? null : { ...report, schedule: formatSchedule(report.schedule) },
    metrics: {
      listen:
        metrics.listen === undefined
          ? null
          : `${metrics.listen.host.includes(":") ? `[${metrics.listen.host}]` : metrics.listen.host}:${metrics.listen.port}`,
    },
    enrichment: { ...config.enrichment },
    warnings: config.warnings,
  };
}

function describeNotify(rule: NotifyRule): { name: string; settings: Settings } {
  const schema = notifiers[rule.type]?.options;
  const options = (rule.options ?? {}) as Settings;
  const shown = schema === undefined ? {} : maskOptions(shaped(schema), options);
  const rules = Object.fromEntries(Object.entries(rule.rules).filter(([, value]) => value !== undefined));
  return { name: rule.name, settings: { type: rule.type, ...rules, ...shown } };
}

/** The object schema inside refinements and transforms. */
function shaped<S extends { readonly def: unknown }>(schema: S): S {
  const { innerType, in: input } = schema.def as { innerType?: S; in?: S };
  const inner = innerType ?? input;
  return "shape" in schema || inner === undefined ? schema : shaped(inner);
}

export function describeJail(config: Config, jail: Jail): JailDescription {
  const { filter, bantime, ignore, prefix } = jail;
  const settings: Settings = nulls({
    enabled: jail.enabled,
    filter: filter.name,
    mode: jail.mode,
    backend: jail.backend,
    logpath: jail.logpath,
    journalmatch: jail.journalmatch,
    logencoding: filter.logencoding,
    logtimezone: jail.logtimezone,
    datepattern: filter.datepattern,
    prefregex: filter.prefregex,
    failregex: filter.failregex,
    ignoreregex: filter.ignoreregex,
    maxlines: filter.maxlines,
    usedns: jail.usedns,
    maxretry: jail.maxretry,
    findtime: jail.findtime,
    maxmatches: jail.maxmatches,
    bantime: bantime.base satisfies Span,
    "bantime.increment": bantime.increment,
    "bantime.factor": bantime.factor,
    "bantime.multipliers": bantime.multipliers,
    "bantime.formula": bantime.formula,
    "bantime.maxtime": bantime.maxtime,
    "bantime.rndtime": bantime.rndtime,
    "bantime.overalljails": bantime.overalljails,
    ignoreself: ignore.ignoreself,
    ignoreip: ignore.ignoreip,
    ignorecommand: ignore.ignorecommand,
    ignorecache: ignore.ignorecache,
    port: jail.port === "all" ? "all" : jail.port.map(portText),
    protocol: jail.protocol,
    chain: jail.chain,
    banaction: jail.banaction.map(({ name, options }) => {
      const schema = banactions[name]?.options;
      const shown = schema === undefined ? options : maskOptions(shaped(schema), options);
      return Object.keys(shown).length === 0 ? name : { name, ...shown };
    }),
    blocktype: jail.blocktype,
    notify: jail.notify,
    prefix,
    campaign: jail.campaign,
    trustedproxies: jail.trustedproxies,
    accept_forgeable: jail.acceptForgeable,
    accept_spoofable: jail.acceptSpoofable,
    onremove: jail.onremove,
  });
  const origins = config.resolver.origins(jail.name);
  const from = Object.fromEntries(
    Object.keys(settings).flatMap((key) => {
      const origin = origins[key === "bantime" ? "bantime.base" : key];
      return origin === undefined ? [] : [[key, origin]];
    }),
  );
  return { name: jail.name, summary: jail.summary, settings, from };
}

const portText = (range: PortRange): string | number =>
  range.from === range.to ? range.from : `${range.from}-${range.to}`;

const nulls = (table: object): Settings =>
  Object.fromEntries(Object.entries(table).map(([key, value]) => [key, value ?? null]));
