// The settings of a running jail: what `f2b get` shows, what `f2b set` may change at once, and how a change is made to last.
// Values travel as TOML would hold them, so that what is shown can be pasted into the configuration.

import { join } from "node:path";
import { stringify } from "smol-toml";
import { z } from "zod";
import { banactions } from "../banaction/index.ts";
import type { Fault, Filter, Jail, PortRange, Result, Use } from "../core/domain.ts";
import { formatDuration } from "../core/duration.ts";
import { suggest } from "../core/text.ts";
import type { System } from "../system/index.ts";
import { faultsOf } from "./faults.ts";
import { judge, savedName } from "./load.ts";
import { isTable, type Tree } from "./merge.ts";
import { readText } from "./read.ts";
import { campaignOf, ignorecacheOf } from "./resolve.ts";
import { jailKeys, prefixKeys } from "./schema.ts";
import { bantimeKeys } from "./values.ts";

interface Setting<T = unknown> {
  readonly kind: "flag" | "number" | "text" | "list" | "words";
  /** Made when the first value is judged. */
  readonly schema: () => z.ZodType<T>;
  /** As TOML holds it; undefined: not set. */
  get(jail: Jail): unknown;
  set(jail: Jail, value: T): Jail;
}

/** One setting, its value's type seen by `set` only. */
const setting = <S extends z.ZodType>(
  kind: Setting["kind"],
  schema: () => S,
  get: (jail: Jail) => unknown,
  set: (jail: Jail, value: z.output<S>) => Jail,
): Setting => ({ kind, schema, get, set: (jail, value) => set(jail, value as z.output<S>) });

const bantime = <K extends keyof typeof bantimeKeys>(
  kind: Setting["kind"],
  key: K,
  get: (jail: Jail) => unknown,
): Setting =>
  setting(
    kind,
    () => bantimeKeys[key],
    get,
    (jail, value) => ({
      ...jail,
      bantime: { ...jail.bantime, [key]: value },
    }),
  );

/** Expressions of one's own are proven or watched, so the filter is no longer the shipped one. */
const filter = (
  kind: Setting["kind"],
  key: "failregex" | "ignoreregex" | "prefregex" | "datepattern" | "maxlines" | "logencoding",
): Setting =>
  setting(
    kind,
    () => jailKeys[key] as z.ZodType<Filter[typeof key]>,
    (jail) => jail.filter[key],
    (jail, value) => ({
      ...jail,
      filter: { ...jail.filter, [key]: value, own: jail.filter.own || key.endsWith("regex") },
    }),
  );

const plain = <K extends keyof typeof jailKeys & keyof Jail>(
  kind: Setting["kind"],
  key: K,
  get: (jail: Jail) => unknown = (jail) => jail[key],
): Setting =>
  setting(
    kind,
    () => jailKeys[key],
    get,
    (jail, value) => ({ ...jail, [key]: value }),
  );

const ignore = (kind: Setting["kind"], key: "ignoreip" | "ignoreself" | "ignorecommand"): Setting =>
  setting(
    kind,
    () => jailKeys[key],
    (jail) => jail.ignore[key],
    (jail, value) => ({
      ...jail,
      ignore: {
        ...jail.ignore,
        [key]: key === "ignorecommand" && Array.isArray(value) && value.length === 0 ? undefined : value,
      },
    }),
  );

const prefix = (key: "count4" | "count6"): Setting =>
  setting(
    "number",
    () => prefixKeys[key],
    (jail) => jail.prefix[key],
    (jail, value) => ({
      ...jail,
      prefix: { ...jail.prefix, ...(value === undefined ? {} : { [key]: value }) },
    }),
  );

const settings: Readonly<Record<string, Setting>> = {
  maxretry: plain("number", "maxretry"),
  findtime: plain("text", "findtime", (jail) => formatDuration(jail.findtime)),
  bantime: bantime("text", "base", (jail) => formatDuration(jail.bantime.base)),
  "bantime.increment": bantime("flag", "increment", (jail) => jail.bantime.increment),
  "bantime.factor": bantime("number", "factor", (jail) => jail.bantime.factor),
  "bantime.formula": bantime("text", "formula", (jail) => jail.bantime.formula),
  "bantime.multipliers": bantime("text", "multipliers", (jail) => jail.bantime.multipliers),
  "bantime.maxtime": bantime("text", "maxtime", (jail) => span(jail.bantime.maxtime)),
  "bantime.rndtime": bantime("text", "rndtime", (jail) => formatDuration(jail.bantime.rndtime)),
  "bantime.overalljails": bantime("flag", "overalljails", (jail) => jail.bantime.overalljails),
  maxmatches: plain("number", "maxmatches"),
  ignoreip: ignore("words", "ignoreip"),
  ignoreself: ignore("flag", "ignoreself"),
  ignorecommand: ignore("list", "ignorecommand"),
  ignorecache: setting(
    "flag",
    () => jailKeys.ignorecache,
    (jail) => jail.ignore.ignorecache !== undefined,
    (jail, value) => ({ ...jail, ignore: { ...jail.ignore, ignorecache: ignorecacheOf(value) } }),
  ),
  usedns: plain("text", "usedns"),
  backend: plain("text", "backend"),
  logpath: plain("list", "logpath"),
  journalmatch: plain("list", "journalmatch"),
  logtimezone: plain("text", "logtimezone"),
  logencoding: filter("text", "logencoding"),
  datepattern: filter("list", "datepattern"),
  maxlines: filter("number", "maxlines"),
  prefregex: filter("list", "prefregex"),
  failregex: filter("list", "failregex"),
  ignoreregex: filter("list", "ignoreregex"),
  port: plain("words", "port", (jail) => (jail.port === "all" ? ["all"] : jail.port.map(portText))),
  protocol: plain("words", "protocol"),
  banaction: setting(
    "words",
    () => z.array(z.string()).min(1),
    (jail) => jail.banaction.map((use) => use.name),
    (jail, value) => ({
      ...jail,
      banaction: value.map((name) => jail.banaction.find((use) => use.name === name) ?? usual(name)),
    }),
  ),
  chain: plain("words", "chain"),
  blocktype: plain("text", "blocktype"),
  notify: plain("words", "notify"),
  trustedproxies: plain("words", "trustedproxies"),
  "prefix.count4": prefix("count4"),
  "prefix.count6": prefix("count6"),
  campaign: setting(
    "flag",
    () => jailKeys.campaign,
    (jail) => jail.campaign !== undefined,
    (jail, value) => ({
      ...jail,
      campaign: value === true && jail.campaign !== undefined ? jail.campaign : campaignOf(value),
    }),
  ),
  onremove: plain("text", "onremove"),
  accept_forgeable: setting(
    "flag",
    () => jailKeys.accept_forgeable,
    (jail) => jail.acceptForgeable,
    (jail, value) => ({ ...jail, acceptForgeable: value }),
  ),
  accept_spoofable: setting(
    "flag",
    () => jailKeys.accept_spoofable,
    (jail) => jail.acceptSpoofable,
    (jail, value) => ({ ...jail, acceptSpoofable: value }),
  ),
};

const span = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : formatDuration(value);
const portText = (range: PortRange): string =>
  range.from === range.to ? `${range.from}` : `${range.from}-${range.to}`;

/** A banaction with its options at their defaults; unknown ones were refused by `parseSetting`. */
function usual(name: string): Use {
  const options = name === "auto" ? {} : banactions[name]?.options.safeParse({}).data;
  return { name, options: isTable(options) ? options : {} };
}

/** What `f2b get` and `f2b set` know, in the order in which they are listed. Filter, mode and parameters change by a reload. */
export const settableKeys: readonly string[] = Object.keys(settings);

/** Also fail2ban's "addignoreip" and "delignoreip". */
function lookUp(
  key: string,
): { readonly setting: Setting; readonly key: string; readonly change?: "+=" | "-=" } | undefined {
  const plainKey = /^(add|del)(.+)$/.exec(key);
  if (plainKey !== null && Object.hasOwn(settings, plainKey[2]!))
    return {
      setting: settings[plainKey[2]!]!,
      key: plainKey[2]!,
      change: plainKey[1] === "add" ? "+=" : "-=",
    };
  return Object.hasOwn(settings, key) ? { setting: settings[key]!, key } : undefined;
}

/** The effective value and how the configuration would spell it; `key` is the setting's own name. */
export function formatSetting(
  jail: Jail,
  key: string,
): Result<{ readonly key: string; readonly value: unknown; readonly text: string }> {
  const found = lookUp(key);
  if (found === undefined) return noSuch(key);
  const value = found.setting.get(jail);
  const text = value === undefined ? "none" : tomlText(value);
  return { ok: true, value: { key: found.key, value: value ?? null, text } };
}

/**
 * What was typed → the new value as TOML holds it. Words are the value's words; lists take `+=` or `-=` as first word (resp. keys
 * beginning with add or del) and then give the whole new list; `-=` also takes an index, from 0.
 */
export function parseSetting(jail: Jail, key: string, words: readonly string[]): Result<unknown> {
  const found = lookUp(key);
  if (found === undefined) return noSuch(key);
  const { setting } = found;
  const first = words[0];
  const change = found.change ?? (first === "+=" || first === "-=" ? first : undefined);
  const rest = change !== undefined && found.change === undefined ? words.slice(1) : words;
  const list = setting.kind === "list" || setting.kind === "words";
  if (change !== undefined && !list)
    return wrong({ what: `${found.key} is not a list`, fix: `f2b set JAIL ${found.key} VALUE` });
  if (rest.length === 0 || (!list && rest.join("") === ""))
    return wrong({ what: `${found.key} wants a value` });
  const value = list ? listValue(setting, jail, rest, change) : single(setting.kind, rest.join(" "));
  if (isFault(value)) return wrong(value);
  const judged = judgeValue(jail, found.key, setting, value);
  return judged.ok ? { ok: true, value } : judged;
}

const isFault = (value: unknown): value is Fault => isTable(value) && "what" in value;

function listValue(
  setting: Setting,
  jail: Jail,
  words: readonly string[],
  change: "+=" | "-=" | undefined,
): string[] | Fault {
  const given =
    words.length === 1 && words[0] === "[]"
      ? []
      : setting.kind === "words"
        ? words.flatMap((word) => word.split(/[\s,]+/)).filter((word) => word !== "")
        : [...words];
  if (change === undefined) return given;
  const current = setting.get(jail);
  const list = Array.isArray(current) ? current.map(String) : [];
  if (change === "+=") return [...list, ...given.filter((one) => !list.includes(one))];
  let left = list;
  for (const one of given) {
    const at =
      left.indexOf(one) >= 0
        ? left.indexOf(one)
        : setting.kind === "list" && /^\d+$/.test(one) && Number(one) < left.length
          ? Number(one)
          : -1;
    if (at < 0) {
      const near = suggest(one, left);
      return {
        what: `${one} is not in the list`,
        fix: near === undefined ? `it holds ${left.join(", ") || "nothing"}` : `did you mean ${near}?`,
      };
    }
    left = left.filter((_, n) => n !== at);
  }
  return left;
}

function single(kind: Setting["kind"], text: string): unknown {
  if (kind === "flag") {
    if (/^(?:true|yes|on|1)$/i.test(text)) return true;
    if (/^(?:false|no|off|0)$/i.test(text)) return false;
    return { what: `${JSON.stringify(text)} is neither true nor false` } satisfies Fault;
  }
  if (kind === "number") {
    const value = Number(text);
    return text.trim() === "" || !Number.isFinite(value)
      ? ({ what: `${JSON.stringify(text)} is no number` } satisfies Fault)
      : value;
  }
  return text;
}

function judgeValue(jail: Jail, key: string, setting: Setting, value: unknown): Result<unknown> {
  const checked = setting.schema().safeParse(value, { reportInput: true });
  if (!checked.success) {
    const faults = faultsOf(checked.error.issues, () => ({ file: "", line: 1, column: 1 }), [key]);
    return { ok: false, faults: faults.map(({ at: _, ...fault }) => fault) };
  }
  if (key === "banaction" && Array.isArray(value)) {
    const known = ["auto", ...Object.keys(banactions)];
    const bad = value.find((one) => !known.includes(String(one)));
    if (bad !== undefined) {
      const near = suggest(String(bad), known);
      return wrong({
        what: `there is no banaction "${bad}"`,
        fix: near === undefined ? `there are ${known.join(", ")}` : `did you mean ${near}?`,
      });
    }
    const needy = value.find(
      (name) =>
        !jail.banaction.some((use) => use.name === name) &&
        banactions[String(name)]?.options.safeParse({}).success === false,
    );
    if (needy !== undefined)
      return wrong({
        what: `banaction "${needy}" wants options, which cannot be set while the jail runs`,
        fix: `write banaction = { name = "${needy}", … } in the configuration, then f2b reload`,
      });
  }
  return { ok: true, value: checked.data };
}

/** The jail with a value that `parseSetting` gave, or that was read from the saved settings. */
export function applySetting(jail: Jail, key: string, value: unknown): Result<Jail> {
  const found = lookUp(key);
  if (found === undefined) return noSuch(key);
  const judged = judgeValue(jail, found.key, found.setting, value);
  return judged.ok ? { ok: true, value: found.setting.set(jail, judged.value) } : judged;
}

function noSuch(key: string): Result<never> {
  const near = suggest(key, settableKeys);
  return wrong({
    what: `a running jail has no setting ${JSON.stringify(key)}`,
    fix:
      near !== undefined
        ? `did you mean ${near}?`
        : Object.hasOwn(jailKeys, key)
          ? `write ${key} in the configuration, then f2b reload`
          : `there are ${settableKeys.join(", ")}`,
  });
}

const wrong = (fault: Fault): Result<never> => ({ ok: false, faults: [fault] });

/** A value in TOML, on one line. */
export function tomlText(value: unknown): string {
  if (typeof value === "string")
    return value.includes("\\") && !/['\n]/.test(value) ? `'${value}'` : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(tomlText).join(", ")}]`;
  if (isTable(value)) {
    const pairs = Object.entries(value).filter(([, one]) => one !== undefined && one !== null);
    return pairs.length === 0
      ? "{}"
      : `{ ${pairs.map(([key, one]) => `${/^[\w-]+$/.test(key) ? key : JSON.stringify(key)} = ${tomlText(one)}`).join(", ")} }`;
  }
  return String(value);
}

const head = `# Settings changed by "f2b set … --save". Read after f2b.toml and conf.d/*.toml, so they win. Written by f2b: comments
# are lost at the next change. To undo one, remove its line and type "f2b reload".
`;

interface Where {
  readonly system: System;
  readonly statedir: string;
}

/**
 * Adds a value to the saved settings, through a temporary file. Gives the file's path. A saved file that is damaged is not
 * touched but named.
 */
export function saveSetting(where: Where, jail: string, key: string, value: unknown): Result<string> {
  const found = lookUp(key);
  const steps = found?.key === "bantime" ? ["bantime", "base"] : (found?.key ?? key).split(".");
  return save(where, ["jails", jail, ...steps], value);
}

/** The same for a key of [daemon]. */
export const saveDaemonSetting = (where: Where, key: string, value: unknown): Result<string> =>
  save(where, ["daemon", key], value);

function save(where: Where, steps: readonly string[], value: unknown): Result<string> {
  const path = join(where.statedir, savedName);
  const { files } = where.system;
  let data: Tree = {};
  if (files.stat(path) !== undefined) {
    const text = readText(where.system, path, undefined);
    const before = text.ok ? judge({ file: path, text: text.value }, true) : text;
    if (!before.ok)
      return {
        ok: false,
        faults: before.faults.map((fault) => ({ ...fault, fix: `mend or remove ${path}, then save again` })),
      };
    data = { ...before.value.data };
  }
  let at = data;
  for (const [n, step] of steps.slice(0, -1).entries()) {
    const inner = Object.hasOwn(at, step) ? at[step] : undefined;
    // What was `bantime = "1h"` becomes the base of the table.
    const table: Tree = isTable(inner)
      ? inner
      : n === 2 && step === "bantime" && inner !== undefined
        ? { base: inner }
        : {};
    at[step] = table;
    at = table;
  }
  at[steps.at(-1)!] = value;
  try {
    files.replaceFile(path, `${head}\n${stringify(data)}`, 0o600);
    return { ok: true, value: path };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    return wrong({
      what: `${path} cannot be written: ${code}`,
      why: "the setting holds until the daemon stops",
    });
  }
}
