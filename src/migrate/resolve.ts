// fail2ban's effective settings, jail by jail, as `fail2ban-client -d` prints them: the layers of jail.conf merged, references
// resolved, filters and actions read with their arguments. Nothing is translated here; every value still knows its place.

import type { Fault, Place } from "../core/domain.ts";
import { type Definition, readDefinition } from "./definition.ts";
import { getOption, type Layers, readLayers, type Scope, type Text, type Tree } from "./layers.ts";
import { fullLines, isTrue, type Reference, references, shellWords } from "./words.ts";

export interface OldInstallation {
  readonly directory: string;
  /** fail2ban.conf's [Definition] and [Thread]. */
  readonly daemon: ReadonlyMap<string, Text>;
  readonly jails: readonly OldJail[];
  /** Jails that are there but not enabled, by name. */
  readonly disabled: readonly string[];
  readonly layers: Layers;
  /** Mistakes outside any one jail: files that fail2ban would refuse. */
  readonly faults: readonly Fault[];
}

export interface OldJail {
  readonly name: string;
  readonly at: Place;
  /** Jail options after interpolation, [DEFAULT] included. */
  option(name: string): Text | undefined;
  /** Options in this jail's own section. */
  readonly own: readonly string[];
  readonly backend: Reference;
  readonly filter: OldFilter | undefined;
  readonly logpath: readonly { readonly path: string; readonly tail: boolean; readonly at: Place }[];
  readonly actions: readonly OldAction[];
  /** Each of these as it holds in the end: the jail's where it says so, else the filter's. */
  readonly prefregex: Text | undefined;
  readonly failregex: readonly Line[];
  readonly ignoreregex: readonly Line[];
  readonly datepattern: Text | undefined;
  readonly maxlines: Text | undefined;
  readonly usedns: Text | undefined;
  /** Groups in OR; the words of each, "+" included, as fail2ban gets them. */
  readonly journalmatch: readonly (readonly string[])[];
  /** True where the jail itself, not the filter, gives the expressions. */
  readonly ownExpressions: boolean;
  readonly faults: readonly Fault[];
}

export interface Line {
  readonly text: string;
  readonly at: Place;
}

export interface OldFilter {
  readonly reference: Reference;
  readonly definition: Definition;
  readonly at: Place;
}

export interface OldAction {
  /** What it is called in the jail: file name, or with "-NAME". */
  readonly id: string;
  readonly reference: Reference;
  readonly definition: Definition;
  readonly at: Place;
}

export interface ResolveOptions {
  readonly tree: Tree;
  readonly directory: string;
  /** Also resolve jails that are not enabled. */
  readonly all?: boolean;
}

const version = "1.1.0";

export function resolveInstallation(options: ResolveOptions): OldInstallation {
  const { tree, directory } = options;
  const predefined = { fail2ban_version: version, fail2ban_confpath: directory };
  const layers = readLayers(tree, layerPaths(tree, directory, "jail"), predefined);
  const faults: Fault[] = [...layers.faults];
  if (layers.files.length === 0) {
    faults.push({
      what: `there is no jail.conf or jail.local in ${directory}`,
      why: "it is where fail2ban's jails are written",
      fix: "name the directory that holds them: f2b import DIR",
    });
  }
  const scope: Scope = { layers, predefined };
  const jails: OldJail[] = [];
  const disabled: string[] = [];
  for (const [name, section] of layers.sections) {
    if (name === "DEFAULT" || name === "INCLUDES") continue;
    const own: Fault[] = [];
    const enabled = isTrue(getOption(scope, name, "enabled", own)?.text ?? "");
    if (!enabled && options.all !== true) {
      disabled.push(name);
      continue;
    }
    const first = [...section.values()].map((value) => value.at)[0];
    jails.push(resolveJail({ ...options, predefined, layers, name, at: first ?? unknownPlace(directory) }));
  }
  return {
    directory,
    daemon: readDaemon(tree, directory, predefined, faults),
    jails,
    disabled,
    layers,
    faults,
  };
}

/** jail.conf < jail.d/*.conf < jail.local < jail.d/*.local */
function layerPaths(tree: Tree, directory: string, base: string): string[] {
  const names = tree.list(`${directory}/${base}.d`);
  const inside = (ending: string) =>
    names
      .filter((name) => name.endsWith(ending) && !name.startsWith("."))
      .map((name) => `${directory}/${base}.d/${name}`);
  return [`${directory}/${base}.conf`, ...inside(".conf"), `${directory}/${base}.local`, ...inside(".local")];
}

function unknownPlace(directory: string): Place {
  return { file: `${directory}/jail.conf`, line: 1, column: 1 };
}

function readDaemon(
  tree: Tree,
  directory: string,
  predefined: Record<string, string>,
  faults: Fault[],
): Map<string, Text> {
  const layers = readLayers(tree, layerPaths(tree, directory, "fail2ban"), predefined);
  faults.push(...layers.faults);
  const out = new Map<string, Text>();
  for (const name of [
    "loglevel",
    "logtarget",
    "syslogsocket",
    "socket",
    "pidfile",
    "allowipv6",
    "dbfile",
    "dbmaxmatches",
    "dbpurgeage",
  ]) {
    const value = getOption({ layers, predefined }, "Definition", name, faults);
    if (value !== undefined) out.set(name, value);
  }
  return out;
}

interface JailTask extends ResolveOptions {
  readonly predefined: Readonly<Record<string, string>>;
  readonly layers: Layers;
  readonly name: string;
  readonly at: Place;
}

function resolveJail(task: JailTask): OldJail {
  const { name, layers, predefined } = task;
  const faults: Fault[] = [];
  let filter: OldFilter | undefined;
  const scope: Scope = { layers, predefined, known: (option) => filter?.definition.value(option) };
  const cache = new Map<string, Text | undefined>();
  const option = (key: string): Text | undefined => {
    if (!cache.has(key)) cache.set(key, getOption(scope, name, key, faults));
    return cache.get(key);
  };

  const backend = references(option("backend")?.text ?? "auto")[0] ?? references("auto")[0]!;
  const logtype = backend.name.toLowerCase() === "systemd" ? "journal" : "file";
  filter = resolveFilter(task, option("filter"), logtype, faults);
  const definition = filter?.definition;

  const chosen = (key: string): Text | undefined => {
    const mine = option(key);
    return mine !== undefined && mine.text !== "" ? mine : definition?.value(key);
  };
  const failregex = fullLines((chosen("failregex")?.lines ?? []) as Line[]);
  const actions = resolveActions(task, option("action"), faults);
  faults.push(...(definition?.faults ?? []));
  for (const action of actions) faults.push(...action.definition.faults);
  // Read once here, so that a reference to nothing in them is told like any other.
  for (const key of settled) option(key);
  return {
    name,
    at: task.at,
    option,
    own: [...(layers.sections.get(name)?.keys() ?? [])],
    backend,
    filter,
    logpath: logpaths(option("logpath")),
    actions,
    prefregex: chosen("prefregex"),
    failregex,
    ignoreregex: fullLines((chosen("ignoreregex")?.lines ?? []) as Line[]),
    datepattern: chosen("datepattern"),
    maxlines: chosen("maxlines"),
    usedns: chosen("usedns"),
    journalmatch: journalmatches(chosen("journalmatch"), faults),
    ownExpressions: (option("failregex")?.text ?? "") !== "",
    faults: dedupe(faults),
  };
}

/** Options whose values become settings later. */
const settled = [
  "maxretry",
  "maxmatches",
  "findtime",
  "bantime",
  ...["increment", "factor", "formula", "multipliers", "maxtime", "rndtime", "overalljails"].map(
    (key) => `bantime.${key}`,
  ),
  "ignoreself",
  "ignoreip",
  "ignorecommand",
  "ignorecache",
  "port",
  "protocol",
  "logencoding",
  "logtimezone",
];

function resolveFilter(
  task: JailTask,
  value: Text | undefined,
  logtype: string,
  faults: Fault[],
): OldFilter | undefined {
  if (value === undefined || value.text.trim() === "") return undefined;
  const reference = references(value.text)[0]!;
  if (reference.broken) faults.push(unbalanced("filter", reference.text, value.at));
  const definition = readDefinition({
    tree: task.tree,
    directory: task.directory,
    kind: "filter.d",
    name: reference.name,
    args: reference.args,
    defaults: { name: task.name },
    fixed: { logtype },
    at: value.at,
    predefined: task.predefined,
  });
  if (definition.files.length === 0) faults.push(missing("filter", "filter.d", reference.name, value.at));
  return { reference, definition, at: value.at };
}

function resolveActions(task: JailTask, value: Text | undefined, faults: Fault[]): OldAction[] {
  if (value === undefined) return [];
  const out: OldAction[] = [];
  for (const reference of references(value.text)) {
    const at = value.lines[reference.line]?.at ?? value.at;
    if (reference.broken) faults.push(unbalanced("action", reference.text, at));
    const python = reference.name.endsWith(".py");
    const definition = readDefinition({
      tree: task.tree,
      directory: task.directory,
      kind: "action.d",
      name: reference.name,
      args: reference.args,
      fixed: { name: task.name },
      at,
      predefined: task.predefined,
    });
    if (definition.files.length === 0 && !python)
      faults.push(missing("action", "action.d", reference.name, at));
    const named = reference.args.get("name");
    const suffix = named?.startsWith(`${task.name}-`) ? named.slice(task.name.length + 1) : named;
    const plain =
      suffix === undefined || suffix === task.name ? reference.name : `${reference.name}-${suffix}`;
    out.push({ id: reference.args.get("actname") ?? plain, reference, definition, at });
  }
  return out;
}

function logpaths(value: Text | undefined): { path: string; tail: boolean; at: Place }[] {
  return fullLines((value?.lines ?? []) as Line[]).map((line) => {
    const found = /^(\S.*?)(?:\s+(head|tail))?$/.exec(line.text.trim());
    return { path: found?.[1] ?? line.text.trim(), tail: found?.[2] === "tail", at: line.at };
  });
}

function journalmatches(value: Text | undefined, faults: Fault[]): string[][] {
  const out: string[][] = [];
  for (const line of fullLines((value?.lines ?? []) as Line[])) {
    const words = shellWords(line.text);
    if (words === undefined) faults.push(unbalanced("journalmatch", line.text, line.at));
    else out.push(words);
  }
  return out;
}

function missing(what: string, directory: string, name: string, at: Place): Fault {
  return {
    what: `${what} "${name}" does not exist`,
    why: `there is no ${directory}/${name}.conf or .local; fail2ban does not start such a jail`,
    fix: `correct the name, or write ${directory}/${name}.conf`,
    at,
  };
}

function unbalanced(what: string, text: string, at: Place): Fault {
  return {
    what: `brackets or quotes do not close in ${what} = ${text.slice(0, 60)}`,
    why: "fail2ban takes such text silently and drops what it cannot read",
    fix: 'write name[key="value", key2="value"]',
    at,
  };
}

function dedupe(faults: readonly Fault[]): Fault[] {
  const seen = new Set<string>();
  return faults.filter((fault) => {
    const key = `${fault.what}\0${fault.at?.file}\0${fault.at?.line}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
