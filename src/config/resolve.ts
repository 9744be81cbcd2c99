// Tables → Jail: what [defaults], the service's jail file, [jails.NAME] and changes made at run time come to, every default filled in.

import { banactions } from "../banaction/index.ts";
import type { Fault, Filter, Jail, JailName, Place, Result, Use } from "../core/domain.ts";
import { suggest } from "../core/text.ts";
import { bundledFile, bundledJails, preparedJail } from "./bundled.ts";
import { faultsOf, placeOf } from "./faults.ts";
import { effectiveFilter, type JailFile, modesOf, parametersOf, parseJailFile } from "./jailfile.ts";
import type { Path } from "./locate.ts";
import {
  emptyMerge,
  graft,
  isTable,
  type Merged,
  mergeAt,
  originOf,
  type Tree,
  whereWritten,
} from "./merge.ts";
import type { Source } from "./read.ts";
import { type JailSettings, jailKeys, jailName } from "./schema.ts";
import { checkTable } from "./table.ts";
import type { Origin } from "./types.ts";

/** "wrong" is a mistake in a file of the configuration, "broken" one that concerns this jail alone. */
export type JailFault = Fault & { readonly severity: "wrong" | "broken" };
export type Resolved =
  | { readonly ok: true; readonly value: Jail }
  | { readonly ok: false; readonly faults: readonly JailFault[] };

/** Makes jails from the tables that were read; kept with the configuration, so that any service can be looked at later. */
export interface Resolver {
  /**
   * A jail by name, whether the configuration names it or only the catalogue does. `changes` are settings above all others, as
   * TOML would give them: for replay and trials.
   */
  jail(name: string, changes?: Readonly<Tree>): Resolved;
  /** The service file that a jail of this name builds on. */
  service(name: string): Result<JailFile> | undefined;
  /** Names of every jail file, own and bundled, sorted. */
  services(): readonly string[];
  /** Where a service file stands and its text; undefined: there is none. */
  source(name: string): Source | undefined;
  /** Where each value of one jail comes from, by dotted key below the jail; absent: built in. */
  origins(name: string): Readonly<Record<string, Origin>>;
  /** The same for all that is written anywhere, as Config.provenance. */
  provenance(): Readonly<Record<string, Origin>>;
}

type At = (path: Path, which: "key" | "value") => Place;

interface Inputs {
  readonly merged: Merged;
  readonly ownJails: ReadonlyMap<string, Source>;
  /** Names of [notify.NAME]. */
  readonly notify: readonly string[];
}

export function createResolver({ merged, ownJails, notify }: Inputs): Resolver {
  const parsed = new Map<string, Result<JailFile>>();
  const table = (key: string, name?: string): Tree => {
    const outer = merged.tree[key];
    const found =
      name === undefined || !isTable(outer) ? outer : Object.hasOwn(outer, name) ? outer[name] : undefined;
    return isTable(found) ? found : {};
  };

  function source(name: string): Source | undefined {
    const own = ownJails.get(name);
    if (own !== undefined) return own;
    const text = bundledJails().get(name);
    return text === undefined ? undefined : { file: bundledFile(name), text };
  }

  function readyJail(name: string): Result<JailFile> | undefined {
    const file = ownJails.has(name) ? undefined : preparedJail(name);
    return file && { ok: true, value: file };
  }

  function service(name: string): Result<JailFile> | undefined {
    const from = source(name);
    if (from === undefined) return undefined;
    const known = parsed.get(name) ?? readyJail(name) ?? parseJailFile(name, from.text, from.file);
    parsed.set(name, known);
    return known;
  }

  /** The three tables that make a jail, merged, under ["jails", name], with their places. */
  function stack(name: string): {
    readonly all: Merged;
    readonly serviceName: string;
    readonly file: Result<JailFile> | undefined;
    readonly from: Source | undefined;
  } {
    const own = table("jails", name);
    const serviceName = typeof own.filter === "string" ? own.filter : name;
    const file = service(serviceName);
    const from = source(serviceName);
    const all = emptyMerge();
    graft(all, ["jails", name], merged, ["defaults"]);
    if (file?.ok === true && from !== undefined) mergeAt(all, ["jails", name], file.value.settings, from);
    graft(all, ["jails", name], merged, ["jails", name]);
    return { all, serviceName, file, from };
  }

  function jail(name: string, changes: Readonly<Tree> = {}): Resolved {
    const { all, serviceName, file, from } = stack(name);
    if (Object.keys(changes).length > 0)
      mergeAt(all, ["jails", name], changes, { file: "changes", text: "" });
    const at = (path: Path, which: "key" | "value"): Place => {
      const written = whereWritten(all, ["jails", name, ...path]) ?? whereWritten(merged, ["jails", name]);
      if (written !== undefined)
        return placeOf(written.source.file, written.source.text, written.path, which);
      const from = source(serviceName);
      return { file: from?.file ?? "[jails]", line: 1, column: 1 };
    };
    const faults: JailFault[] = [];
    const found = (severity: JailFault["severity"], ...some: readonly Fault[]): void => {
      for (const fault of some) faults.push({ ...fault, severity: ours(fault) ? severity : "broken" });
    };
    /** A mistake in a jail file never is one of the configuration. */
    const ours = (fault: Fault): boolean => {
      const from = source(serviceName);
      return fault.at === undefined || fault.at.file !== from?.file;
    };

    const raw = all.tree.jails;
    const checked = checkTable(jailKeys, isTable(raw) ? (raw[name] ?? {}) : {});
    if (!checked.success) {
      found(
        "wrong",
        ...faultsOf(checked.error.issues, (path, which) => at(path.slice(2), which), ["jails", name]),
      );
      return { ok: false, faults };
    }
    const settings = checked.data;
    if (!jailName.test(name)) found("wrong", { what: `${JSON.stringify(name)} cannot be a jail's name` });
    if (file !== undefined && !file.ok) found("broken", ...file.faults);
    if (file === undefined && settings.filter !== undefined) {
      found("wrong", {
        what: `there is no filter ${JSON.stringify(serviceName)}`,
        ...meant(serviceName),
        at: at(["filter"], "value"),
      });
    } else if (file === undefined && settings.failregex === undefined) {
      found("wrong", {
        what: `there is no service ${JSON.stringify(name)}`,
        why: "no jail file has this name, and the jail names no filter and no failregex of its own",
        ...meant(name),
        at: at([], "key"),
      });
    }
    const base = file === undefined ? bare(name) : file;
    // A mode for all jails holds for those that have it.
    const everywhere = all.written.get(`jails.${name}.mode`)?.path[0] === "defaults";
    const mode =
      base.ok && everywhere && !modesOf(base.value).includes(settings.mode ?? "") ? undefined : settings.mode;
    if (base.ok && faults.length === 0)
      found("wrong", ...wordFaults(base.value, mode, settings.parameters, at));
    // Of the jail's own, not what holds for all or what the service's file says by itself.
    const zone = all.written.get(`jails.${name}.logtimezone`);
    const zoned = zone !== undefined && zone.path[0] !== "defaults" && zone.source.file !== from?.file;
    const filter =
      base.ok && faults.length === 0 ? filterOf(base.value, { ...settings, mode }, zoned) : undefined;
    if (filter?.ok === false)
      found("broken", ...filter.faults.map((fault) => ({ at: at(["parameters"], "key"), ...fault })));
    const banaction = banactionOf(settings, at);
    if (!banaction.ok) found("wrong", ...banaction.faults);
    for (const [n, one] of (settings.notify ?? []).entries()) {
      if (!notify.includes(one)) {
        const near = suggest(one, notify);
        found("wrong", {
          what: `there is no [notify.${one}]`,
          fix:
            near === undefined
              ? notify.length === 0
                ? `write [notify.${one}] and its type`
                : `there are ${notify.join(", ")}`
              : `did you mean ${near}?`,
          at: at(["notify", n], "value"),
        });
      }
    }
    if (file === undefined ? faults.length === 0 : file.ok) found("wrong", ...sourceFaults(settings, at));
    if (faults.length > 0 || filter?.ok !== true || !banaction.ok) return { ok: false, faults };
    const summary = file?.ok === true ? file.value.summary : name;
    return {
      ok: true,
      value: jailOf(name as JailName, summary, { ...settings, mode }, filter.value, banaction.value, notify),
    };
  }

  const meant = (name: string): { fix: string } => {
    const near = suggest(name, services());
    return {
      fix: near === undefined ? "f2b jails lists the services that are known" : `did you mean ${near}?`,
    };
  };
  const services = (): readonly string[] =>
    [...new Set([...bundledJails().keys(), ...ownJails.keys()])].sort();

  function origins(name: string): Readonly<Record<string, Origin>> {
    const { all, file, serviceName } = stack(name);
    const start = `jails.${name}.`;
    const result: Record<string, Origin> = {};
    for (const [key, written] of all.written) {
      if (!key.startsWith(start)) continue;
      const from =
        written.source.file === source(serviceName)?.file
          ? "service"
          : written.path[0] === "defaults"
            ? "defaults"
            : "jail";
      result[key.slice(start.length)] = originOf(written, from);
    }
    if (file?.ok === true && !Object.hasOwn(result, "failregex")) {
      const from = source(serviceName)!;
      result.failregex = {
        from: "service",
        at: placeOf(from.file, from.text, ["filter", "failregex"], "key"),
      };
    }
    return result;
  }

  return {
    jail,
    service,
    services,
    source,
    origins,
    provenance() {
      const result: Record<string, Origin> = {};
      for (const [key, written] of merged.written) {
        if (!key.startsWith("jails.") && !key.startsWith("defaults."))
          result[key] = originOf(written, "file");
      }
      for (const name of Object.keys(table("jails")))
        for (const [key, origin] of Object.entries(origins(name))) result[`jails.${name}.${key}`] = origin;
      return result;
    },
  };
}

/** The service of a jail that brings its own expressions and has no jail file. */
const bare = (name: string): Result<JailFile> =>
  parseJailFile(name, '[filter]\nformat = "auto"\nfailregex = []\n', `[jails.${name}]`);

/** Modes and parameters that the filter does not have. */
function wordFaults(
  file: JailFile,
  mode: string | undefined,
  parameters: JailSettings["parameters"],
  at: At,
): Fault[] {
  const faults: Fault[] = [];
  const modes = modesOf(file);
  if (mode !== undefined && !modes.includes(mode)) {
    const near = suggest(mode, modes);
    faults.push({
      what: `the filter ${file.name} has no mode ${JSON.stringify(mode)}`,
      fix: near === undefined ? `its modes are ${modes.join(", ")}` : `did you mean "${near}"?`,
      at: at(["mode"], "value"),
    });
  }
  const names = parametersOf(file);
  for (const one of Object.keys(parameters ?? {})) {
    if (names.includes(one)) continue;
    const near = suggest(one, names);
    faults.push({
      what: `the filter ${file.name} has no parameter ${JSON.stringify(one)}`,
      fix:
        near !== undefined
          ? `did you mean "${near}"?`
          : names.length === 0
            ? "it has none"
            : `they are ${names.join(", ")}`,
      at: at(["parameters", one], "key"),
    });
  }
  return faults;
}

function filterOf(file: JailFile, settings: JailSettings, zoned: boolean): Result<Filter> {
  const adding = (["failregex", "ignoreregex", "prefregex"] as const).filter(
    (key) => settings[key]?.[0] === "+",
  );
  const base = {
    zoned,
    ...(settings.mode === undefined ? {} : { mode: settings.mode }),
    ...(settings.parameters === undefined ? {} : { parameters: settings.parameters }),
    ...(settings.datepattern === undefined ? {} : { datepattern: settings.datepattern }),
    ...(settings.maxlines === undefined ? {} : { maxlines: settings.maxlines }),
    ...(settings.logencoding === undefined ? {} : { logencoding: settings.logencoding }),
  };
  const below = adding.length === 0 ? undefined : effectiveFilter(file, base);
  if (below?.ok === false) return below;
  const lists = Object.fromEntries(
    (["failregex", "ignoreregex", "prefregex"] as const).flatMap((key) => {
      const own = settings[key];
      if (own === undefined) return [];
      return [[key, own[0] === "+" ? [...(below?.value[key] ?? []), ...own.slice(1)] : own]];
    }),
  );
  const effective = effectiveFilter(file, { ...base, ...lists });
  // What is not shipped has not been proven: its expressions are looked at before they are trusted.
  if (!effective.ok || file.file === bundledFile(file.name)) return effective;
  return { ok: true, value: { ...effective.value, own: true } };
}

function banactionOf(settings: JailSettings, at: At): Result<Use[]> {
  const written = settings.banaction ?? "auto";
  const list = Array.isArray(written) ? written : [written];
  const faults: Fault[] = [];
  const uses: Use[] = [];
  list.forEach((one, n) => {
    const path: Path = ["banaction", ...(Array.isArray(written) ? [n] : [])];
    const { name, ...options } = typeof one === "string" ? { name: one } : one;
    if (name === "auto") {
      uses.push({ name, options: {} });
      if (Object.keys(options).length > 0)
        faults.push({
          what: 'banaction "auto" has no options',
          fix: "name the firewall that is meant",
          at: at(path, "value"),
        });
      return;
    }
    const member = Object.hasOwn(banactions, name) ? banactions[name] : undefined;
    if (member === undefined) {
      const bracket = /^([\w-]+)\[/.exec(name);
      const near = suggest(bracket?.[1] ?? name, ["auto", ...Object.keys(banactions)]);
      faults.push({
        what: `there is no banaction ${JSON.stringify(name)}`,
        fix:
          bracket !== null
            ? `options stand in a table: banaction = { name = "${near ?? bracket[1]}", … }`
            : near === undefined
              ? `there are ${["auto", ...Object.keys(banactions)].join(", ")}`
              : `did you mean "${near}"?`,
        at: at(typeof one === "string" ? path : [...path, "name"], "value"),
      });
      return;
    }
    const checked = member.options.safeParse(options, { reportInput: true });
    if (checked.success) uses.push({ name, options: isTable(checked.data) ? checked.data : {} });
    else faults.push(...faultsOf(checked.error.issues, at, path, optionNames(member.options)));
  });
  if (list.length === 0)
    faults.push({
      what: "no banaction is named: the jail would count and never ban",
      fix: 'write banaction = "auto", or "print" to only say what would happen',
      at: at(["banaction"], "value"),
    });
  return faults.length > 0 ? { ok: false, faults } : { ok: true, value: uses };
}

/** The keys of an options schema, inside refinements too. */
function optionNames(schema: unknown): string[] {
  const { shape, def } = (schema ?? {}) as { shape?: object; def?: { innerType?: unknown; in?: unknown } };
  if (shape !== undefined) return Object.keys(shape);
  const inner = def?.innerType ?? def?.in;
  return inner === undefined ? [] : optionNames(inner);
}

/** What can be said of where lines come from without looking at the disk. */
function sourceFaults(settings: JailSettings, at: At): Fault[] {
  const faults: Fault[] = [];
  const { backend = "auto", logpath = [], journalmatch = [] } = settings;
  for (const [n, one] of logpath.entries()) {
    const place = { at: at(["logpath", n], "value") };
    const tail = /^(.*\S)\s+(?:head|tail)$/.exec(one);
    if (tail !== null)
      faults.push({
        what: `logpath ${JSON.stringify(one)} ends in a word`,
        why: "a log that is new to f2b is read back as far as findtime and no further",
        fix: `write ${JSON.stringify(tail[1])}`,
        ...place,
      });
    else if (!one.startsWith("/"))
      faults.push({
        what: `logpath ${JSON.stringify(one)} is not absolute`,
        fix: "write the whole path, from / on",
        ...place,
      });
  }
  for (const [n, one] of journalmatch.entries()) {
    const bad = one
      .split(/\s+/)
      .find((word) => word !== "" && word !== "+" && !/^[A-Z_][A-Z0-9_]{0,63}=\S/.test(word));
    if (bad !== undefined)
      faults.push({
        what: `journalmatch has ${JSON.stringify(bad)}`,
        fix: "write FIELD=value, such as _SYSTEMD_UNIT=ssh.service",
        at: at(["journalmatch", n], "value"),
      });
  }
  if (backend === "events" || faults.length > 0) return faults;
  if (backend === "systemd" && journalmatch.length === 0)
    faults.push({
      what: "nothing says which records of the journal are meant",
      fix: 'write journalmatch = ["_SYSTEMD_UNIT=….service"]',
      at: at(["backend"], "value"),
    });
  if ((backend === "inotify" || backend === "polling") && logpath.length === 0)
    faults.push({
      what: "nothing says which log is meant",
      fix: 'write logpath = ["/var/log/…"]',
      at: at(["backend"], "value"),
    });
  if (backend === "auto" && logpath.length === 0 && journalmatch.length === 0)
    faults.push({
      what: "nothing says where the log is",
      fix: 'write logpath = ["/var/log/…"] or journalmatch = ["_SYSTEMD_UNIT=….service"]',
      at: at([], "key"),
    });
  return faults;
}

export const usualLadder: Jail["prefix"]["ladder"] = [{ family: 6, bits: 64, members: 2 }];

function jailOf(
  name: JailName,
  summary: string,
  settings: JailSettings,
  filter: Filter,
  banaction: readonly Use[],
  notify: readonly string[],
): Jail {
  const { prefix } = settings;
  return {
    name,
    enabled: settings.enabled ?? false,
    summary,
    filter,
    mode: settings.mode ?? "normal",
    logpath: settings.logpath ?? [],
    backend: settings.backend ?? "auto",
    journalmatch: (settings.journalmatch ?? [])
      .flatMap((one) => one.split(/(?:^|\s+)\+(?:\s+|$)/))
      .filter((one) => one !== ""),
    logtimezone: settings.logtimezone,
    usedns: settings.usedns ?? "no",
    maxretry: settings.maxretry ?? 5,
    findtime: settings.findtime ?? 600,
    maxmatches: settings.maxmatches ?? 10,
    bantime: bantimeOf(settings.bantime),
    ignore: {
      ignoreip: settings.ignoreip ?? [],
      ignoreself: settings.ignoreself ?? true,
      ignorecommand: (settings.ignorecommand ?? []).length === 0 ? undefined : settings.ignorecommand,
      ignorecache: ignorecacheOf(settings.ignorecache),
    },
    prefix: {
      count4: prefix?.count4 ?? 32,
      count6: prefix?.count6 ?? 64,
      ladder: prefix?.ladder ?? usualLadder,
    },
    campaign: campaignOf(settings.campaign),
    trustedproxies: settings.trustedproxies ?? [],
    banaction,
    notify: settings.notify ?? notify,
    port: settings.port ?? "all",
    protocol: settings.protocol ?? ["tcp"],
    chain: settings.chain ?? [],
    blocktype: settings.blocktype ?? "drop",
    acceptForgeable: settings.accept_forgeable ?? false,
    acceptSpoofable: settings.accept_spoofable ?? false,
    onremove: settings.onremove ?? "keep",
  };
}

export function bantimeOf(written: JailSettings["bantime"]): Jail["bantime"] {
  const table = typeof written === "object" ? written : written === undefined ? {} : { base: written };
  return {
    base: table.base ?? 600,
    increment: table.increment ?? false,
    factor: table.factor ?? 1,
    multipliers: table.multipliers,
    formula: table.formula ?? "double",
    maxtime: table.maxtime,
    rndtime: table.rndtime ?? 0,
    overalljails: table.overalljails ?? false,
  };
}

export function ignorecacheOf(written: JailSettings["ignorecache"]): Jail["ignore"]["ignorecache"] {
  if (written === undefined || written === false) return undefined;
  const table = written === true ? {} : written;
  return { key: table.key ?? "{ip}", maxCount: table["max-count"] ?? 100, maxTime: table["max-time"] ?? 300 };
}

export function campaignOf(written: JailSettings["campaign"]): Jail["campaign"] {
  if (written === undefined || written === false) return undefined;
  const table = written === true ? {} : written;
  return {
    addresses: table.addresses ?? 30,
    failures: table.failures ?? 40,
    window: table.window ?? 600,
    maxretry: table.maxretry ?? 2,
    per: table.per ?? "user",
  };
}
