// The files in their order → checked tables, merged, with the place of every value. Every mistake of every file is found before
// anything is given up.

import { dirname, join } from "node:path";
import type { Fault, Jail, Result } from "../core/domain.ts";
import { enrichOptions, noEnrichment } from "../notify/enrichoptions.ts";
import { parseNotify } from "../notify/rules.ts";
import type { System } from "../system/index.ts";
import { daemonSettings, metricsSettings, reportSettings } from "./daemon.ts";
import { faultsOf, placeOf, sortFaults } from "./faults.ts";
import type { Path } from "./locate.ts";
import { emptyMerge, isTable, type Merged, mergeLayer, whereWritten } from "./merge.ts";
import { type Layer, parseToml, readText, type Source, tomlFiles } from "./read.ts";
import { createResolver, type JailFault, type Resolver } from "./resolve.ts";
import { daemonKeys, fileTable } from "./schema.ts";
import { learnServices } from "./services.ts";
import { checkTable } from "./table.ts";
import type { BrokenJail, Config, EnrichmentSettings, NotifyRule } from "./types.ts";

/** Where the configuration is looked for when nobody says otherwise. */
export const defaultPath = "/etc/f2b/f2b.toml";

/** What holds where there is no configuration at all. */
export const builtIn: Source = {
  file: "built-in default",
  text: "[jails.sshd]\nenabled = true\n",
};

export interface LoadOptions {
  /** The main file; undefined: `defaultPath` where it exists, else the embedded default. A path that is given must exist. */
  readonly path?: string;
  readonly system: System;
  /** The user who obeys the configuration; root refuses what others can write. This process's by default; undefined: nobody. */
  readonly reader?: number | undefined;
  /** False leaves out what `f2b set --save` wrote: for judging files as they are. */
  readonly saved?: boolean;
  /** Texts to use instead of the files' own, by path: for checking an edit before it is written. */
  readonly texts?: ReadonlyMap<string, string>;
}

/**
 * Reads the main file, its conf.d/*.toml in order, its jails/*.toml and the saved runtime settings, and resolves every jail.
 * Faults are mistakes for which no part of the configuration may be used; those of single jails are in `Config.broken`.
 */
export function loadConfig(options: LoadOptions): Result<Config> {
  const { system } = options;
  const reader = "reader" in options ? options.reader : process.geteuid?.();
  learnServices(system);
  const faults: Fault[] = [];
  const warnings: Fault[] = [];
  const layers: Layer[] = [];

  const open = (path: string): Source | undefined => {
    const given = options.texts?.get(path);
    const text: Result<string> =
      given === undefined ? readText(system, path, reader) : { ok: true, value: given };
    if (!text.ok) faults.push(...text.faults);
    return text.ok ? { file: path, text: text.value } : undefined;
  };
  /** Jails in which a value was left out because it is wrong; what else is said of them would mislead. */
  const pruned = new Set<string>();
  const take = (source: Source | undefined): void => {
    if (source === undefined) return;
    const judged = judgeParts(source, false);
    faults.push(...judged.faults);
    if (judged.layer !== undefined) layers.push(judged.layer);
    for (const path of judged.pruned)
      if (path[0] === "jails" && path[1] !== undefined) pruned.add(String(path[1]));
  };
  const list = (directory: string): readonly string[] => {
    const found = tomlFiles(system, directory);
    if (!found.ok) faults.push(...found.faults);
    return found.ok ? found.value : [];
  };

  const main = options.path ?? (exists(system, defaultPath) ? defaultPath : undefined);
  const directory = main === undefined ? undefined : dirname(main);
  if (main === undefined) take(builtIn);
  else take(open(main));
  const ownJails = new Map<string, Source>();
  if (directory !== undefined) {
    for (const path of list(join(directory, "conf.d"))) take(open(path));
    for (const path of list(join(directory, "jails"))) {
      const source = open(path);
      if (source !== undefined) ownJails.set(path.slice(path.lastIndexOf("/") + 1, -".toml".length), source);
    }
  }

  const files = main === undefined ? [] : layers.map((layer) => layer.file);
  if (options.saved !== false) {
    const saved = readSaved(system, savedPath(layers), reader);
    if (saved.ok && saved.value !== undefined) {
      layers.push(saved.value);
      files.push(saved.value.file);
    }
    if (!saved.ok) warnings.push(...saved.faults);
  }
  const merged = emptyMerge();
  for (const layer of layers) mergeLayer(merged, layer);
  const at = placeIn(merged);

  const notify = notifyRules(merged, at, faults);
  const { enrichment: table } = merged.tree;
  const enrichment =
    table === undefined ? { success: true as const, data: noEnrichment } : enrichOptions().safeParse(table);
  if (!enrichment.success) faults.push(...faultsOf(enrichment.error.issues, at, ["enrichment"]));
  const daemon = daemonSettings(merged.tree.daemon);
  const report = reportSettings(merged.tree.report, Object.keys(notify));
  for (const [n, name] of (report?.notify ?? []).entries())
    if (!Object.hasOwn(notify, name))
      faults.push({ what: `there is no [notify.${name}]`, at: at(["report", "notify", n], "value") });

  const resolver = createResolver({ merged, ownJails, notify: Object.keys(notify) });
  const { jails, broken } = resolveAll(resolver, merged, at, pruned, faults, warnings);
  if (faults.length > 0 || !enrichment.success) return { ok: false, faults: sortFaults(faults) };
  return {
    ok: true,
    value: {
      daemon,
      jails,
      broken,
      notify,
      report,
      metrics: metricsSettings(merged.tree.metrics),
      enrichment: enrichment.data satisfies EnrichmentSettings,
      files,
      provenance: () => resolver.provenance(),
      warnings: sortFaults(warnings),
      resolver,
    },
  };
}

function exists(system: System, path: string): boolean {
  try {
    return system.files.stat(path) !== undefined;
  } catch {
    // There, but behind a directory we may not enter: reading it says so.
    return true;
  }
}

/** Text → tables that hold only known keys with good values. */
export function judge(source: Source, saved = false): Result<Layer> {
  const { layer, faults } = judgeParts(source, saved);
  return layer === undefined || faults.length > 0 ? { ok: false, faults } : { ok: true, value: layer };
}

interface Judged {
  readonly faults: readonly Fault[];
  /** What is left without the wrong values, so that later mistakes can be told in the same breath; undefined: not TOML. */
  readonly layer: Layer | undefined;
  readonly pruned: readonly Path[];
}

function judgeParts(source: Source, saved: boolean): Judged {
  const data = parseToml(source.file, source.text);
  if (!data.ok) return { faults: data.faults, layer: undefined, pruned: [] };
  const layer = { ...source, data: data.value, saved };
  // zod passes over this name in tables with free names, so nothing below it would be judged.
  for (const table of ["jails", "notify"]) {
    const names = data.value[table];
    if (!isTable(names) || !Object.hasOwn(names, "__proto__")) continue;
    const at = placeOf(source.file, source.text, [table, "__proto__"], "key");
    return { faults: [{ what: '"__proto__" cannot be a name', at }], layer: undefined, pruned: [] };
  }
  const checked = fileTable(data.value).safeParse(data.value, { reportInput: true });
  if (checked.success) return { faults: [], layer, pruned: [] };
  const at = (path: Path, which: "key" | "value") => placeOf(source.file, source.text, path, which);
  const faults = sortFaults(faultsOf(checked.error.issues, at));
  const pruned = checked.error.issues.flatMap((issue): Path[] => {
    const path = issue.path.filter((step) => typeof step !== "symbol");
    return issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...path, key]) : [path];
  });
  for (const path of pruned) prune(data.value, path);
  return { faults, layer, pruned };
}

/** Takes a value out; of lists, the whole list. */
function prune(tree: Readonly<Record<string, unknown>>, path: Path): void {
  const end = path.findIndex((step) => typeof step === "number");
  const steps = path.slice(0, end < 0 ? path.length : end);
  let at: unknown = tree;
  for (const step of steps.slice(0, -1)) at = isTable(at) && Object.hasOwn(at, step) ? at[step] : undefined;
  const last = steps.at(-1);
  if (isTable(at) && last !== undefined) delete at[last];
}

/** What `f2b set --save` writes stands beside the state, which the daemon may write under a hardened service unit. */
export const savedName = "settings.toml";

function savedPath(layers: readonly Layer[]): string {
  const daemon = Object.assign({}, ...layers.map((layer) => layer.data.daemon));
  return join(daemonSettings(checkTable(daemonKeys, daemon).data ?? {}).statedir, savedName);
}

/** A saved file that cannot be used is left out with a warning: it must never keep the daemon from starting. */
function readSaved(system: System, path: string, reader: number | undefined): Result<Layer | undefined> {
  try {
    if (system.files.stat(path) === undefined) return { ok: true, value: undefined };
  } catch {
    // Not for our eyes (a client without root): the daemon's own view is what counts.
    return { ok: true, value: undefined };
  }
  const text = readText(system, path, reader);
  const layer = text.ok ? judge({ file: path, text: text.value }, true) : text;
  if (layer.ok) return layer;
  return {
    ok: false,
    faults: layer.faults.map((fault) => ({ ...fault, what: `saved settings are left out: ${fault.what}` })),
  };
}

export type At = (path: Path, which: "key" | "value") => { file: string; line: number; column: number };

function placeIn(merged: Merged): At {
  return (path, which) => {
    const written = whereWritten(merged, path);
    return written === undefined
      ? { file: builtIn.file, line: 1, column: 1 }
      : placeOf(written.source.file, written.source.text, written.path, which);
  };
}

function notifyRules(merged: Merged, at: At, faults: Fault[]): Record<string, NotifyRule> {
  const tables = merged.tree.notify;
  const rules: Record<string, NotifyRule> = {};
  for (const [name, raw] of Object.entries(isTable(tables) ? tables : {})) {
    const parsed = parseNotify(name, isTable(raw) ? raw : {});
    if (parsed.ok) rules[name] = parsed.value;
    else
      faults.push(
        ...parsed.faults.map(({ path, ...fault }) => ({
          ...fault,
          at: at(
            ["notify", name, ...path],
            path.length === 0 || fault.what.includes(" has no key ") ? "key" : "value",
          ),
        })),
      );
  }
  return rules;
}

function resolveAll(
  resolver: Resolver,
  merged: Merged,
  at: At,
  pruned: ReadonlySet<string>,
  faults: Fault[],
  warnings: Fault[],
): { jails: Jail[]; broken: BrokenJail[] } {
  const jails: Jail[] = [];
  const broken: BrokenJail[] = [];
  const tables = isTable(merged.tree.jails) ? merged.tree.jails : {};
  for (const [name, table] of Object.entries(tables)) {
    const here = whereWritten(merged, ["jails", name]);
    // What was saved for a jail that the configuration no longer names is nobody's wish any more.
    if (here?.saved === true || pruned.has(name)) continue;
    const own = isTable(table) ? table : {};
    if (own.enabled === undefined)
      warnings.push({
        what: `[jails.${name}] does not say enabled = true, so it is off`,
        at: at(["jails", name], "key"),
      });
    const resolved = resolver.jail(name);
    if (resolved.ok) jails.push(resolved.value);
    else {
      faults.push(...resolved.faults.filter((fault) => fault.severity === "wrong").map(plain));
      const rest = resolved.faults.filter((fault) => fault.severity === "broken").map(plain);
      if (rest.length > 0 && own.enabled === true) broken.push({ name, faults: rest });
      else warnings.push(...rest);
    }
  }
  if (![...jails, ...broken].some((one) => !("enabled" in one) || one.enabled) && faults.length === 0)
    warnings.push({
      what: "no jail is enabled: nothing is watched",
      fix: "write [jails.sshd] and enabled = true, or try f2b init",
    });
  return { jails, broken };
}

function plain({ severity: _, ...fault }: JailFault): Fault {
  return fault;
}
