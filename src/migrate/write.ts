// The plan as files: f2b.toml with what is equal for all in [defaults], and a jail file for each translated filter. Comments say
// where things come from and what could not be carried over.

import { commonKeys } from "../config/schema.ts";
import type { Fault, Place } from "../core/domain.ts";
import type { Catalogue, FilterFile } from "./filters.ts";
import type { Plan, PlannedJail, Setting } from "./plan.ts";
import type { JailSample } from "./samples.ts";
import { tomlComment, tomlKey, tomlValue } from "./toml.ts";

export interface WrittenFile {
  /** Relative to the output directory. */
  readonly path: string;
  readonly text: string;
}

export interface WriteOptions {
  readonly directory: string;
  readonly catalogue: Catalogue;
  /** Real log lines by jail file, each with what came out of it. */
  readonly samples: ReadonlyMap<string, readonly JailSample[]>;
}

export function writePlan(plan: Plan, options: WriteOptions): WrittenFile[] {
  const files: WrittenFile[] = [{ path: "f2b.toml", text: mainFile(plan, options) }];
  for (const [name, file] of plan.files) {
    const users = plan.jails.filter((jail) => jail.filter === name && jail.file !== undefined);
    files.push({ path: `jails/${name}.toml`, text: jailFile(name, file, users, options) });
  }
  return files;
}

const order = [
  "enabled",
  "filter",
  "mode",
  "parameters",
  "port",
  "protocol",
  "backend",
  "logpath",
  "journalmatch",
  "logencoding",
  "logtimezone",
  "maxretry",
  "findtime",
  "bantime",
  "maxmatches",
  "usedns",
  "failregex",
  "ignoreregex",
  "ignoreself",
  "ignoreip",
  "ignorecommand",
  "ignorecache",
  "banaction",
  "chain",
  "blocktype",
  "notify",
];

const sorted = (settings: ReadonlyMap<string, Setting>): [string, Setting][] =>
  [...settings].toSorted(([a], [b]) => order.indexOf(a) - order.indexOf(b));

/** Keys every jail has, with the value most of them have. */
export function commonSettings(plan: Plan): Map<string, Setting> {
  const out = new Map<string, Setting>();
  const jails = plan.jails.filter((jail) => jail.runs);
  if (jails.length === 0) return out;
  for (const key of order) {
    if (!Object.hasOwn(commonKeys, key) || key === "mode") continue;
    const settings = jails.map((jail) => jail.settings.get(key));
    if (settings.some((setting) => setting === undefined)) continue;
    const counts = new Map<string, { setting: Setting; count: number }>();
    for (const setting of settings) {
      const text = JSON.stringify(setting!.value);
      const entry = counts.get(text) ?? { setting: setting!, count: 0 };
      entry.count++;
      counts.set(text, entry);
    }
    const best = [...counts.values()].toSorted((a, b) => b.count - a.count)[0]!;
    const ownMatter = key === "port" || key === "protocol" || key === "backend";
    if (ownMatter && best.count < jails.length) continue;
    if (best.count > 1 || jails.length === 1) out.set(key, best.setting);
  }
  // A single jail's own port or log is its own.
  if (jails.length === 1) for (const key of ["port", "protocol", "backend"]) out.delete(key);
  return out;
}

const head = (directory: string): string[] => [
  tomlComment(`Written by f2b import from ${directory}. Every key: f2b config reference`),
  "",
];

function mainFile(plan: Plan, options: WriteOptions): string {
  const { directory } = options;
  const lines = head(directory);
  const common = commonSettings(plan);
  for (const fault of plan.faults) lines.push(tomlComment(notCarriedOver(fault, directory)));
  for (const note of plan.notes) lines.push(tomlComment(`differs: ${note.text}${where(note.at, directory)}`));
  if (plan.faults.length + plan.notes.length > 0) lines.push("");
  if (plan.daemon.size > 0) {
    lines.push("[daemon]");
    for (const [key, setting] of plan.daemon) lines.push(entry(key, setting, directory));
    lines.push("");
  }
  if (common.size > 0) {
    lines.push("[defaults]");
    for (const [key, setting] of common) lines.push(entry(key, setting, directory));
    lines.push("");
  }
  for (const [name, settings] of plan.notify) {
    lines.push(`[notify.${tomlKey(name)}]`);
    for (const [key, value] of Object.entries(settings)) lines.push(`${tomlKey(key)} = ${tomlValue(value)}`);
    lines.push("");
  }
  for (const jail of plan.jails) lines.push(...jailTable(jail, common, options));
  return `${lines.join("\n").replace(/\n+$/, "")}\n`;
}

const notCarriedOver = ({ what, fix, at }: Fault, directory: string): string =>
  `NOT CARRIED OVER: ${what}${where(at, directory)}${fix === undefined ? "" : `: ${fix}`}`;

function jailTable(jail: PlannedJail, common: ReadonlyMap<string, Setting>, options: WriteOptions): string[] {
  const { directory, catalogue } = options;
  const lines: string[] = [];
  for (const fault of jail.faults) lines.push(tomlComment(notCarriedOver(fault, directory)));
  for (const note of jail.notes) lines.push(tomlComment(`differs: ${note.text}${where(note.at, directory)}`));
  if (!jail.runs) {
    // Without a filter it is no jail yet; what is known of it waits here.
    const waiting = [
      `[jails.${tomlKey(jail.name)}]`,
      ...sorted(jail.settings).map(([key, setting]) => entry(key, setting, directory)),
    ];
    return [...lines, ...waiting.flatMap((text) => text.split("\n")).map((text) => `#  ${text}`), ""];
  }
  lines.push(`[jails.${tomlKey(jail.name)}]`);
  const service =
    jail.filter !== undefined && jail.file === undefined
      ? new Set(catalogue.settings(jail.filter))
      : new Set<string>();
  for (const [key, setting] of sorted(jail.settings)) {
    const shared = common.get(key);
    // What the service's own file sets holds before [defaults], so it must be said here again.
    if (
      shared !== undefined &&
      !service.has(key) &&
      JSON.stringify(shared.value) === JSON.stringify(setting.value)
    )
      continue;
    lines.push(entry(key, setting, directory));
  }
  lines.push("");
  return lines;
}

function entry(key: string, setting: Setting, directory: string): string {
  const text = `${tomlKey(key)} = ${tomlValue(setting.value)}`;
  if (setting.at === undefined || text.includes("\n") || key === "enabled") return text;
  const from = relative(setting.at, directory);
  return text.length + from.length < 96 ? `${text.padEnd(40)} # ${from}` : text;
}

export function relative(at: Place, directory: string): string {
  const file = at.file.startsWith(`${directory}/`) ? at.file.slice(directory.length + 1) : at.file;
  return `${file}:${at.line}`;
}

const where = (at: Place | undefined, directory: string): string =>
  at === undefined ? "" : ` (${relative(at, directory)})`;

// ------------------------------------------------------------------------------------------------------------- jail files

function jailFile(
  name: string,
  file: FilterFile,
  users: readonly PlannedJail[],
  options: WriteOptions,
): string {
  const { directory } = options;
  const places = [...new Set(file.failregex.map((one) => relative(one.at, directory).replace(/:\d+$/, "")))];
  const lines = [
    tomlComment(
      `Translated by f2b import from ${places.join(", ") || directory}. The original of each expression stands above it.`,
    ),
    `summary = ${tomlValue(`${name}, translated from fail2ban`)}`,
    "",
    "[filter]",
    `format = ${tomlValue(file.format)}`,
  ];
  if (file.program !== undefined) lines.push(`program = ${tomlValue(file.program)}`);
  if (file.maxlines > 1) lines.push(`maxlines = ${file.maxlines}`);
  if (file.datepattern.length > 0) lines.push(`datepattern = ${tomlValue(file.datepattern)}`);
  if (file.session !== undefined) lines.push(`session = { key = ${tomlValue(file.session)} }`);
  for (const key of ["prefregex", "failregex", "ignoreregex"] as const) {
    const list = file[key];
    if (list.length === 0) continue;
    lines.push(`${key} = [`);
    for (const [index, one] of list.entries()) {
      if (one.original !== list[index - 1]?.original)
        lines.push(`  ${tomlComment(`${relative(one.at, directory)}: ${one.original}`)}`);
      lines.push(`  ${tomlValue(one.text)},`);
    }
    lines.push("]");
  }
  const samples = users.flatMap((jail) => options.samples.get(jail.name) ?? []);
  for (const sample of samples) {
    lines.push("", "[[sample]]", `about = ${tomlValue(sample.about)}`, `line = ${tomlValue(sample.line)}`);
    lines.push(`fail = ${sample.fail === undefined ? "false" : tomlValue(sample.fail)}`);
  }
  return `${lines.join("\n")}\n`;
}
