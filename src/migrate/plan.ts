// From what fail2ban would do to what f2b shall do: per jail the new settings, each with the place it came from, what differs, and
// what could not be carried over. Pure: writing, reading logs and bans are other files' business.

import { judgeIgnored } from "../config/values.ts";
import type { Fault, Place } from "../core/domain.ts";
import { type NewAction, type Note, translateActions } from "./actions.ts";
import { type Catalogue, type FilterFile, translateFilter } from "./filters.ts";
import type { Text, Tree } from "./layers.ts";
import type { OldInstallation, OldJail } from "./resolve.ts";
import { toEnvironment } from "./shell.ts";
import type { StockJudge } from "./stock.ts";
import { formulaName, str2sec, timeText } from "./times.ts";
import { fullLines, isTrue, shellWords } from "./words.ts";

export interface Setting {
  readonly value: unknown;
  readonly at?: Place;
}

export interface PlannedJail {
  readonly name: string;
  readonly old: OldJail;
  /** Keys of [jails.NAME], all of them; factoring comes later. */
  readonly settings: ReadonlyMap<string, Setting>;
  /** Name of the jail file whose filter it uses. */
  readonly filter: string | undefined;
  /** Set when that file is written by the import. */
  readonly file: FilterFile | undefined;
  readonly actions: readonly NewAction[];
  readonly notes: readonly Note[];
  readonly faults: readonly Fault[];
  /** False when it cannot run: it is written down with enabled = false. */
  readonly runs: boolean;
}

export interface Plan {
  readonly jails: readonly PlannedJail[];
  /** [notify.NAME] */
  readonly notify: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  readonly daemon: ReadonlyMap<string, Setting>;
  /** Own jail files by name. */
  readonly files: ReadonlyMap<string, FilterFile>;
  readonly notes: readonly Note[];
  readonly faults: readonly Fault[];
}

export interface PlanOptions {
  readonly installation: OldInstallation;
  readonly tree: Tree;
  readonly stock: StockJudge;
  readonly catalogue: Catalogue;
}

export function makePlan(options: PlanOptions): Plan {
  const notify = new Map<string, Readonly<Record<string, unknown>>>();
  const files = new Map<string, FilterFile>();
  const daemonNotes: Note[] = [];
  const jails = options.installation.jails.map((jail) => planJail(jail, options, notify, files));
  const faults = shared(jails.map((jail) => jail.faults));
  const notes = shared(jails.map((jail) => jail.notes));
  return {
    jails: jails.map((jail) => ({
      ...jail,
      faults: without(jail.faults, faults),
      notes: without(jail.notes, notes),
    })),
    notify,
    daemon: planDaemon(options.installation, daemonNotes),
    files,
    notes: [...daemonNotes, ...notes.values()],
    faults: [...options.installation.faults, ...faults.values()],
  };
}

/** What several jails have from one line, of [DEFAULT] as a rule, is said once and of none of them. */
function shared<T extends { readonly at?: Place }>(lists: readonly (readonly T[])[]): ReadonlyMap<string, T> {
  const seen = new Map<string, { readonly one: T; times: number }>();
  for (const list of lists)
    for (const [key, one] of new Map(list.map((some) => [JSON.stringify(some), some]))) {
      const before = seen.get(key);
      if (before === undefined) seen.set(key, { one, times: 1 });
      else before.times++;
    }
  return new Map(
    [...seen].flatMap(([key, { one, times }]) => (times > 1 && one.at !== undefined ? [[key, one]] : [])),
  );
}

const without = <T>(list: readonly T[], told: ReadonlyMap<string, T>): T[] =>
  list.filter((one) => !told.has(JSON.stringify(one)));

function planJail(
  jail: OldJail,
  options: PlanOptions,
  notify: Map<string, Readonly<Record<string, unknown>>>,
  files: Map<string, FilterFile>,
): PlannedJail {
  const filter = translateFilter(jail, options.stock, options.catalogue, options.tree);
  const actions = translateActions(jail, options.stock);
  const notes: Note[] = [...filter.notes, ...actions.flatMap((action) => action.notes)];
  const faults: Fault[] = [...jail.faults, ...filter.faults, ...actions.flatMap((action) => action.faults)];
  const settings = new Map<string, Setting>();
  const task: Task = { jail, settings, notes, faults };
  const file = filter.filter.kind === "own" ? filter.filter.file : undefined;
  const runs = filter.filter.kind !== "none" && (file === undefined || file.failregex.length > 0);
  settings.set("enabled", { value: runs && isTrue(jail.option("enabled")?.text ?? ""), at: jail.at });
  let filterName: string | undefined;
  if (filter.filter.kind === "ours") {
    filterName = filter.filter.name;
    if (filter.filter.mode !== undefined)
      settings.set("mode", { value: filter.filter.mode, at: jail.filter!.at });
    if (Object.keys(filter.filter.parameters).length > 0) {
      settings.set("parameters", { value: filter.filter.parameters, at: jail.filter!.at });
    }
    if (filter.filter.added.length > 0) settings.set("failregex", { value: ["+", ...filter.filter.added] });
    if (filter.filter.ignored.length > 0)
      settings.set("ignoreregex", { value: ["+", ...filter.filter.ignored] });
  } else if (file !== undefined && runs) {
    filterName = nameFile(jail, file, files, options.catalogue);
    files.set(filterName, file);
  }
  if (filterName !== undefined && filterName !== jail.name)
    settings.set("filter", { value: filterName, ...placed(jail.filter?.at) });
  const listens = file === undefined && filterName !== undefined && options.catalogue.ownBans(filterName);
  if (!planOwnBans(task, options.installation, listens)) planSources(task, file !== undefined);
  planPolicy(task);
  planIgnore(task);
  planActions(task, actions, notify);
  return { name: jail.name, old: jail, settings, filter: filterName, file, actions, notes, faults, runs };
}

interface Task {
  readonly jail: OldJail;
  readonly settings: Map<string, Setting>;
  readonly notes: Note[];
  readonly faults: Fault[];
}

const placed = (at: Place | undefined): { at?: Place } => (at === undefined ? {} : { at });

/** Jails that share a translated filter share its file; the same name for something else takes the jail's name. */
function nameFile(
  jail: OldJail,
  file: FilterFile,
  files: ReadonlyMap<string, FilterFile>,
  catalogue: Catalogue,
): string {
  const wanted = jail.ownExpressions ? jail.name : (jail.filter?.reference.name ?? jail.name);
  const safe = (name: string): string => name.replace(/[^A-Za-z0-9_.-]/g, "-");
  for (const name of [safe(wanted), safe(jail.name), `${safe(jail.name)}-imported`]) {
    const other = files.get(name);
    if (other !== undefined && JSON.stringify(other) === JSON.stringify(file)) return name;
    if (other === undefined && (name === safe(jail.name) || !catalogue.has(name))) return name;
  }
  return `${safe(jail.name)}-imported`;
}

// --------------------------------------------------------------------------------------------------------------- sources

/**
 * What read fail2ban's own log, in a file or in the journal, reads f2b's own bans: that log ends with fail2ban. A log of another
 * host stays what it is. `listens`: the filter is one for that log. False: it is no such jail.
 */
function planOwnBans(
  { jail, settings, notes }: Task,
  installation: OldInstallation,
  listens: boolean,
): boolean {
  const target = installation.daemon.get("logtarget")?.text ?? usualLog;
  const journal = jail.backend.name.toLowerCase() === "systemd";
  const own = journal
    ? listens ||
      (jail.journalmatch.length > 0 && jail.journalmatch.every((words) => words.includes(usualUnit)))
    : jail.logpath.length > 0 &&
      jail.logpath.every(({ path }) => path === target || (listens && path === usualLog));
  if (!own) return false;
  const at = (journal ? jail.option("backend") : jail.logpath[0])?.at;
  settings.set("backend", { value: "events", ...placed(at) });
  notes.push({ text: "it reads f2b's own bans instead of fail2ban's log", at: at ?? jail.at });
  return true;
}

const usualLog = "/var/log/fail2ban.log";
const usualUnit = "_SYSTEMD_UNIT=fail2ban.service";

function planSources(task: Task, own: boolean): void {
  const { jail, settings, notes, faults } = task;
  const backend = jail.backend.name.toLowerCase();
  const at = jail.option("backend")?.at;
  if (backend === "systemd") {
    settings.set("backend", { value: "systemd", ...placed(at) });
    for (const key of jail.backend.args.keys()) {
      notes.push({
        text: `backend option ${key} has no counterpart: f2b reads the machine's own journal`,
        at: at ?? jail.at,
      });
    }
    const matches = journalmatches(task);
    if (own || jail.own.includes("journalmatch")) {
      if (matches.length > 0)
        settings.set("journalmatch", { value: matches, ...placed(jail.option("journalmatch")?.at) });
      else if (own) {
        faults.push({
          what: `jail ${jail.name} reads the whole journal`,
          why: "without journalmatch any program may write lines it believes",
          fix: 'add journalmatch = ["_SYSTEMD_UNIT=NAME.service"]',
          at: jail.at,
        });
      }
    }
    return;
  }
  const known: Record<string, string> = { polling: "polling", pyinotify: "inotify", gamin: "inotify" };
  settings.set("backend", { value: known[backend] ?? "auto", ...placed(at) });
  const paths = [...new Set(jail.logpath.map((log) => log.path))];
  if (paths.length > 0) settings.set("logpath", { value: paths, ...placed(jail.logpath[0]?.at) });
  for (const log of jail.logpath) {
    if (log.tail)
      notes.push({ text: `"tail" of ${log.path} is not needed: f2b remembers where it was`, at: log.at });
  }
  const encoding = jail.option("logencoding");
  if (encoding !== undefined && !/^(?:auto|utf-?8)?$/i.test(encoding.text)) {
    settings.set("logencoding", { value: encoding.text.toLowerCase(), at: encoding.at });
  }
  const zone = jail.option("logtimezone");
  if (zone !== undefined && zone.text !== "")
    settings.set("logtimezone", { value: zoneName(zone.text), at: zone.at });
}

/** "UTC+0200", "GMT-0100", "+01" → "+02:00", "-01:00", "+01:00"; names stay. */
function zoneName(text: string): string {
  const offset = /^(?:UTC|GMT|Z)?([+-])(\d\d):?(\d\d)?$/i.exec(text.trim());
  if (offset !== null) return `${offset[1]}${offset[2]}:${offset[3] ?? "00"}`;
  return /^(?:UTC|GMT|Z)$/i.test(text.trim()) ? "UTC" : text.trim();
}

/** Groups in OR; a field that a client chooses itself is told, because f2b believes only the journal's own. */
function journalmatches(task: Task): string[] {
  const { jail, faults } = task;
  const out: string[] = [];
  for (const words of jail.journalmatch) {
    let group: string[] = [];
    for (const word of [...words, "+"]) {
      if (word !== "+") {
        group.push(word);
        continue;
      }
      const untrusted = group.filter((one) => !one.startsWith("_"));
      if (group.length > 0 && untrusted.length === 0) out.push(group.join(" "));
      else if (untrusted.length > 0) {
        faults.push({
          what: `journalmatch ${untrusted.join(" ")} is left out`,
          why: "any program may write such a field; f2b believes only those the journal adds itself (_…)",
          fix: "match by _SYSTEMD_UNIT, _EXE or _COMM with _UID",
          at: jail.option("journalmatch")?.at ?? jail.at,
        });
      }
      group = [];
    }
  }
  return out;
}

// ---------------------------------------------------------------------------------------------------------------- policy

function planPolicy(task: Task): void {
  whole(task, "maxretry", 1);
  whole(task, "maxmatches", 0);
  time(task, "findtime");
  const { jail, settings } = task;
  const usedns = jail.usedns;
  if (usedns !== undefined && usedns.text !== "") {
    const value = usedns.text.toLowerCase();
    settings.set("usedns", {
      value: ["yes", "warn", "no", "raw"].includes(value) ? value : "no",
      at: usedns.at,
    });
  }
  planBantime(task);
}

function whole(task: Task, key: string, least: number): void {
  const value = task.jail.option(key);
  if (value === undefined || value.text === "") return;
  if (/^\d+$/.test(value.text.trim()) && Number(value.text) >= least)
    task.settings.set(key, { value: Number(value.text), at: value.at });
  else {
    task.faults.push({
      what: `${key} = ${value.text} is no number${least > 0 ? " above 0" : ""}`,
      why: "fail2ban warns and takes its default",
      fix: `write ${key} = 5, say`,
      at: value.at,
    });
  }
}

function time(task: Task, key: string): string | undefined {
  const value = task.jail.option(key);
  if (value === undefined || value.text === "") return undefined;
  const text = timeText(value.text, false);
  if (text !== undefined) task.settings.set(key, { value: text, at: value.at });
  else task.faults.push(badTime(key, value));
  return text;
}

function badTime(key: string, value: Text): Fault {
  const comment = /\s#/.test(value.text);
  return {
    what: `${key} = ${value.text} is no time`,
    why: comment
      ? '" #" begins no comment here: it is part of the value'
      : "it is neither a number nor numbers with units",
    fix: comment ? `put the comment on a line of its own` : `write ${key} = 1h, say`,
    at: value.at,
  };
}

function planBantime(task: Task): void {
  const { jail, settings, faults } = task;
  const value = jail.option("bantime");
  let base: string | undefined;
  if (value !== undefined && value.text !== "") {
    base = timeText(value.text, true);
    if (base === undefined) faults.push(badTime("bantime", value));
  }
  if (!isTrue(jail.option("bantime.increment")?.text ?? "")) {
    if (base !== undefined) settings.set("bantime", { value: base, at: value!.at });
    return;
  }
  const table: Record<string, unknown> = { ...(base === undefined ? {} : { base }), increment: true };
  const get = (name: string): Text | undefined => {
    const text = jail.option(`bantime.${name}`);
    return text === undefined || text.text === "" ? undefined : text;
  };
  const factor = get("factor");
  if (factor !== undefined) {
    const number = str2sec(factor.text);
    if (number !== undefined && number > 0) table.factor = number;
    else
      faults.push({
        what: `bantime.factor = ${factor.text} is no number`,
        why: "f2b evaluates no expressions",
        fix: "write the number it comes to",
        at: factor.at,
      });
  }
  const multipliers = get("multipliers");
  const formula = get("formula");
  if (multipliers !== undefined) {
    const list = multipliers.text.split(/[\s,]+/).filter((word) => word !== "");
    if (list.every((word) => /^\d+(?:\.\d+)?$/.test(word))) table.multipliers = list.map(Number);
    else
      faults.push({
        what: `bantime.multipliers = ${multipliers.text} is no list of numbers`,
        fix: "write numbers with blanks between",
        at: multipliers.at,
      });
  } else if (formula !== undefined) {
    const name = formulaName(formula.text);
    if (name === undefined) {
      faults.push({
        what: `bantime.formula = ${formula.text} has no counterpart`,
        why: "it is a program in Python, and f2b evaluates none; bans double each time instead",
        fix: 'choose formula = "double", "linear", "exponential" or "constant", or give multipliers = [1, 2, 4, …]',
        at: formula.at,
      });
    } else if (name !== "double") table.formula = name;
  }
  for (const key of ["maxtime", "rndtime"] as const) {
    const text = get(key);
    if (text === undefined) continue;
    const span = timeText(text.text, false);
    if (span === undefined) faults.push(badTime(`bantime.${key}`, text));
    else table[key] = span;
  }
  if (isTrue(get("overalljails")?.text ?? "")) table.overalljails = true;
  settings.set("bantime", { value: table, ...placed(jail.option("bantime.increment")?.at) });
}

// ---------------------------------------------------------------------------------------------------------------- ignore

const ignoreVariables = {
  ip: "F2B_IP",
  fid: "F2B_IP",
  user: "F2B_USER",
  "jail.name": "F2B_JAIL",
};

function planIgnore(task: Task): void {
  const { jail, settings, faults, notes } = task;
  const ignoreself = jail.option("ignoreself");
  if (ignoreself !== undefined && !isTrue(ignoreself.text))
    settings.set("ignoreself", { value: false, at: ignoreself.at });
  planIgnoreip(task);
  const command = jail.option("ignorecommand");
  if (command !== undefined && command.text.trim() !== "" && !command.text.includes("%(")) {
    const converted = toEnvironment(command.text.trim(), ignoreVariables, {});
    for (const tag of converted.unknown) {
      faults.push({
        what: `<${tag}> in ignorecommand has no counterpart`,
        why: "f2b passes only parsed values",
        fix: "read the failure as JSON from standard input",
        at: command.at,
      });
    }
    settings.set("ignorecommand", { value: ["/bin/sh", "-c", converted.text], at: command.at });
  }
  const cache = jail.option("ignorecache");
  if (cache !== undefined && cache.text.trim() !== "") {
    const table: Record<string, unknown> = {};
    for (const [, key, quoted, plain] of cache.text.matchAll(/([\w-]+)\s*=\s*(?:"([^"]*)"|([^,\]]+))/g)) {
      const value = (quoted ?? plain ?? "").trim();
      if (key === "key")
        table.key = value
          .replaceAll("<F-USER>", "{user}")
          .replaceAll("<ip-host>", "{ip}")
          .replaceAll("<ip>", "{ip}");
      if (key === "max-count" && /^\d+$/.test(value)) table["max-count"] = Number(value);
      if (key === "max-time") table["max-time"] = timeText(value, false) ?? "5m";
    }
    settings.set("ignorecache", { value: Object.keys(table).length > 0 ? table : true, at: cache.at });
    if (/<ip-host>/.test(cache.text))
      notes.push({
        text: "ignorecache remembers by address; <ip-host> is looked up by nobody",
        at: cache.at,
      });
  }
}

/** fail2ban takes every word for an address or a host name, words of a would-be comment included. */
function planIgnoreip(task: Task): void {
  const value = task.jail.option("ignoreip");
  if (value === undefined) return;
  const kept: string[] = [];
  const dropped: string[] = [];
  /** Addresses that stand in a would-be comment. */
  const saved: string[] = [];
  let comment: Place | undefined;
  for (const line of fullLines(value.lines)) {
    let inComment = false;
    for (const word of line.text.split(/[\s,]+/).filter((one) => one !== "")) {
      if (word.startsWith("#") || word.startsWith("//")) {
        inComment = true;
        comment ??= line.at;
      }
      const sound = judgeIgnored(word) === undefined;
      const address = /^[\d.]+(?:\/[\d.]+)?$|:/.test(word);
      if (sound && (!inComment || address)) {
        kept.push(word);
        if (inComment) saved.push(word);
      } else dropped.push(word);
    }
  }
  if (kept.length > 0) task.settings.set("ignoreip", { value: [...new Set(kept)], at: value.at });
  if (dropped.length === 0) return;
  task.faults.push({
    what: `ignoreip holds words that are no addresses: ${dropped.slice(0, 8).join(" ")}${dropped.length > 8 ? " …" : ""}`,
    why:
      comment !== undefined
        ? '"#" behind a value begins no comment in fail2ban: it looks the words up as host names'
        : "fail2ban looks them up as host names",
    fix: `they are left out${saved.length > 0 ? `; kept, as fail2ban heeds them too: ${saved.join(" ")}` : ""}; put comments on lines of their own`,
    at: comment ?? value.at,
  });
}

// --------------------------------------------------------------------------------------------------------------- actions

function planActions(
  task: Task,
  actions: readonly NewAction[],
  notify: Map<string, Readonly<Record<string, unknown>>>,
): void {
  const { jail, settings, notes, faults } = task;
  const at = jail.option("action")?.at;
  const banactions: unknown[] = [];
  const told: string[] = [];
  const protocols = new Set<string>();
  const ports = new Set<string>();
  for (const action of actions) {
    if (action.banaction !== undefined) {
      const { name, ...options } = action.banaction;
      const value = Object.keys(options).length === 0 ? name : action.banaction;
      if (!banactions.some((other) => JSON.stringify(other) === JSON.stringify(value)))
        banactions.push(value);
    }
    for (const protocol of action.protocol ?? []) protocols.add(protocol);
    if (action.port !== undefined) ports.add(action.port);
    if (action.chain !== undefined) settings.set("chain", { value: action.chain, ...placed(at) });
    if (action.blocktype !== undefined) settings.set("blocktype", { value: action.blocktype, ...placed(at) });
    if (action.notify !== undefined) told.push(nameNotify(action.notify, notify));
  }
  if (ports.size > 1) {
    const all = ports.has("all");
    notes.push({
      text: `its actions shut different ports; here they are one list${all ? ": all ports" : ""}`,
      at: at ?? jail.at,
    });
  }
  const port = [...ports].join(",");
  const own = jail.option("port");
  if (ports.has("all")) settings.set("port", { value: "all", ...placed(own?.at) });
  else if (/%\(/.test(port + (own?.text ?? ""))) {
    // Told already; the service's own ports hold then, instead of a configuration that cannot be loaded.
  } else if (port !== "") settings.set("port", { value: portValue(port), ...placed(own?.at) });
  else if (own !== undefined && own.text !== "")
    settings.set("port", { value: portValue(own.text.replaceAll(":", "-")), at: own.at });
  if (protocols.size > 0)
    settings.set("protocol", { value: [...protocols], ...placed(jail.option("protocol")?.at) });
  if (banactions.length > 0)
    settings.set("banaction", { value: banactions.length === 1 ? banactions[0] : banactions, ...placed(at) });
  else if (actions.length > 0) {
    settings.set("banaction", { value: "print", ...placed(at) });
    notes.push({ text: "none of its actions shuts anybody out: bans are only printed", at: at ?? jail.at });
  } else {
    faults.push({
      what: `jail ${jail.name} has no action`,
      why: "fail2ban only counts then; f2b would shut out",
      fix: 'banaction = "print" is written; change it if banning was meant',
      at: jail.at,
    });
    settings.set("banaction", { value: "print" });
  }
  settings.set("notify", { value: told, ...placed(at) });
}

function portValue(text: string): (string | number)[] | "all" {
  const list = text.split(/[\s,]+/).filter((port) => port !== "");
  if (list.includes("0-65535") || list.includes("all")) return "all";
  return [...new Set(list)].map((port) => (/^\d+$/.test(port) ? Number(port) : port));
}

/** Equal notifications of several jails are one entry. */
function nameNotify(
  settings: Readonly<Record<string, unknown>> & { readonly type: string },
  notify: Map<string, Readonly<Record<string, unknown>>>,
): string {
  for (const [name, other] of notify) if (JSON.stringify(other) === JSON.stringify(settings)) return name;
  let name = settings.type;
  for (let n = 2; notify.has(name); n++) name = `${settings.type}-${n}`;
  notify.set(name, settings);
  return name;
}

// ---------------------------------------------------------------------------------------------------------------- daemon

function planDaemon(installation: OldInstallation, notes: Note[]): Map<string, Setting> {
  const out = new Map<string, Setting>();
  const get = (name: string): Text | undefined => {
    const value = installation.daemon.get(name);
    return value === undefined || value.text === "" ? undefined : value;
  };
  const level = get("loglevel");
  if (level !== undefined) {
    const names: Record<string, string> = { MSG: "info", TRACEDEBUG: "trace", HEAVYDEBUG: "trace" };
    const upper = level.text.toUpperCase();
    const name = names[upper] ?? upper.toLowerCase();
    if (/^(?:critical|error|warning|notice|info|debug|trace)$/.test(name) && name !== "info")
      out.set("loglevel", { value: name, at: level.at });
  }
  const target = get("logtarget");
  if (target !== undefined) {
    const name = shellWords(target.text)?.[0]?.replace(/\[.*$/, "") ?? "";
    const known: Record<string, string> = {
      STDOUT: "stdout",
      SYSOUT: "stdout",
      STDERR: "stderr",
      SYSLOG: "syslog",
      "SYSTEMD-JOURNAL": "journald",
    };
    const value =
      known[name.toUpperCase()] ??
      (name.startsWith("/") ? name.replace(/fail2ban(?=[^/]*$)/, "f2b") : undefined);
    if (value !== undefined && value !== "stderr") out.set("logtarget", { value, at: target.at });
    if (/\[/.test(target.text))
      notes.push({ text: "options of logtarget have no counterpart", at: target.at });
  }
  const purge = get("dbpurgeage");
  if (purge !== undefined) {
    const span = timeText(purge.text, true);
    if (span !== undefined && span !== "1d") out.set("dbpurgeage", { value: span, at: purge.at });
  }
  const matches = get("dbmaxmatches");
  if (matches !== undefined && /^\d+$/.test(matches.text) && matches.text !== "10") {
    out.set("dbmaxmatches", { value: Number(matches.text), at: matches.at });
  }
  const ipv6 = get("allowipv6");
  if (ipv6 !== undefined && !/^auto$/i.test(ipv6.text))
    out.set("allowipv6", { value: isTrue(ipv6.text) ? "yes" : "no", at: ipv6.at });
  return out;
}
