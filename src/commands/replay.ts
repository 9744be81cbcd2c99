// f2b replay: logs through the configuration without touching anything: who would have been banned, when and for how long, and how the
// picture changes with other settings.

import { faultText } from "../config/faults.ts";
import type { Config } from "../config/index.ts";
import { loadConfig } from "../config/index.ts";
import { parseAddress, targetKey } from "../core/address.ts";
import type { Ban, Jail, Time } from "../core/domain.ts";
import { formatDuration, parseDuration } from "../core/duration.ts";
import { guardReason, type Machine } from "../core/guard.ts";
import { createPrefixSet } from "../core/prefixset.ts";
import { type Simulation, simulate } from "../core/simulate.ts";
import { plural, visible } from "../core/text.ts";
import { createIgnored } from "../daemon/ignored.ts";
import { guardOf } from "../daemon/jail.ts";
import { lookAtMachine } from "../daemon/machine.ts";
import { type Gathered, gatherFailures } from "../daemon/replaying.ts";
import { type Call, type Command, exits } from "./index.ts";
import { rows } from "./print.ts";
import { sparkline } from "./topscreen.ts";

export const replay: Command = {
  name: "replay",
  summary: "who would have been banned: past logs through the configuration, nothing is touched",
  usage: ["f2b replay [LOG…] [--jail JAIL…] [--since 7d] [--set sshd.maxretry=3]…"],
  options: [
    { name: "jail", value: "JAIL", many: true, summary: "only these jails (also ones that are not enabled)" },
    { name: "since", value: "TIME", summary: "how far back: 24h, 7d (default), forever" },
    {
      name: "set",
      value: "JAIL.KEY=VALUE",
      many: true,
      summary:
        "try another setting; each --set is one trial beside the present settings (several settings: with commas)",
    },
    { name: "all", short: "a", summary: "list every address, not only the first 20" },
  ],
  completes: ["file"],
  help: `
Without LOG: the logs of the jails themselves, rotated and packed ones included, and the systemd journal.
The log's own times count. ignorecommand and usedns are not run.
Examples:
  f2b replay --since 30d
  f2b replay /var/log/auth.log.2.gz --jail sshd
  f2b replay --set sshd.maxretry=3 --set sshd.maxretry=3,sshd.findtime=1h`,
  run,
};

interface Trial {
  readonly name: string;
  readonly jails: readonly Jail[];
}

async function run(call: Call): Promise<number> {
  const loaded = loadConfig({
    system: call.system,
    ...(call.config === undefined ? {} : { path: call.config }),
  });
  if (!loaded.ok) {
    for (const fault of loaded.faults) call.err(faultText(fault, () => undefined));
    return exits.configuration;
  }
  const config = loaded.value;
  const now = call.system.clock.now();
  const since = sinceOf(call, now);
  if (since === undefined) return exits.usage;
  const wanted = Array.isArray(call.flags.jail) ? (call.flags.jail as readonly string[]) : undefined;
  const absent = call.words.filter((path) => call.system.files.stat(path)?.kind !== "file");
  if (absent.length > 0) {
    for (const path of absent) call.err(`f2b: ${visible(path)} is no file that can be read\n`);
    return exits.usage;
  }
  const present = trialOf(call, config, wanted, "as configured", []);
  if (present === undefined) return exits.configuration;
  if (present.jails.length === 0) {
    call.err("f2b: no jail is enabled\n  fix: f2b replay --jail sshd, or f2b init\n");
    return exits.no;
  }
  const sets = Array.isArray(call.flags.set) ? (call.flags.set as readonly string[]) : [];
  const others = sets.map((text) => trialOf(call, config, wanted, text, text.split(",")));
  if (others.some((one) => one === undefined)) return exits.usage;
  const trials = [present, ...others.filter((one) => one !== undefined)];

  const progress = progressOf(call);
  const gathered = await gatherFailures(call.system, present.jails, {
    files: call.words,
    since,
    now,
    linecap: config.daemon.linecap,
    progress,
  });
  progress(1, "");
  const machine = machineOf(call, config);
  const results = trials.map((trial) => ({
    trial,
    result: simulate(
      trial.jails.map((jail) => ({
        jail,
        ignored: createIgnored(call.system, jail.ignore, () => machine.own).reason,
      })),
      gathered.failures,
      { guarded: (target) => guardReason(target, machine), random: () => 0 },
    ),
  }));
  if (call.json) {
    call.out(`${JSON.stringify(asJson(gathered, results), null, 2)}\n`);
    return exits.fine;
  }
  for (const note of gathered.notes) call.err(`${visible(note)}\n`);
  print(call, gathered, results, sessionAddress(call));
  return exits.fine;
}

function sinceOf(call: Call, now: Time): Time | undefined {
  const text =
    typeof call.flags.since === "string" ? call.flags.since : call.words.length > 0 ? "forever" : "7d";
  const parsed = parseDuration(text);
  if (parsed.ok) return parsed.value === "forever" ? 0 : now - parsed.value * 1000;
  call.err(`f2b: --since ${visible(text)}: ${parsed.faults[0]?.what ?? "not a duration"}\n`);
  return undefined;
}

/** The jails under trial: those enabled or asked for, with `changes` ("sshd.maxretry=3") above all other settings. */
function trialOf(
  call: Call,
  config: Config,
  wanted: readonly string[] | undefined,
  name: string,
  changes: readonly string[],
): Trial | undefined {
  const names = wanted ?? config.jails.filter((jail) => jail.enabled).map((jail) => jail.name as string);
  const byJail = new Map<string, Record<string, unknown>>();
  for (const change of changes) {
    const match = /^([\w.-]+)\.([\w-]+)=(.*)$/.exec(change.trim());
    const [, first = "", last = "", value = ""] = match ?? [];
    // A name may hold dots, and so may a key: bantime.increment.
    const jail = names.find((one) => first === one || first.startsWith(`${one}.`));
    if (match === null || jail === undefined) {
      call.err(
        `f2b: --set ${visible(change)}: ${match === null ? "write JAIL.KEY=VALUE" : `the jail "${visible(first)}" takes no part (${names.join(", ")})`}\n`,
      );
      return undefined;
    }
    const outer = first.slice(jail.length + 1);
    const before = byJail.get(jail) ?? {};
    const set = { [last]: settingOf(value) };
    byJail.set(jail, {
      ...before,
      ...(outer === "" ? set : { [outer]: { ...tableOf(before[outer]), ...set } }),
    });
  }
  const jails: Jail[] = [];
  for (const one of names) {
    const resolved = config.resolver.jail(one, byJail.get(one) ?? {});
    if (resolved.ok) jails.push(resolved.value);
    else {
      // What was typed has no place in a file.
      for (const { at, ...fault } of resolved.faults)
        call.err(
          `f2b: ${changes.length > 0 ? "--set: " : ""}${faultText(at?.file === "changes" ? fault : { ...fault, ...(at === undefined ? {} : { at }) }, () => undefined)}`,
        );
      return undefined;
    }
  }
  return { name, jails };
}

function settingOf(text: string): unknown {
  if (text !== "" && Number.isFinite(Number(text))) return Number(text);
  return text === "true" ? true : text === "false" ? false : text;
}

const tableOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};

function machineOf(call: Call, config: Config): Machine {
  const set = (texts: readonly string[]) =>
    createPrefixSet(texts.map(parseAddress).filter((one) => one !== undefined));
  return guardOf(lookAtMachine(call.system), {
    emergency: set(config.daemon.emergency),
    unguarded: set(config.daemon.unguarded),
    trustedProxies: set(config.jails.flatMap((jail) => jail.trustedproxies)),
  });
}

/** The address the administrator comes from: sshd puts it into the environment. */
const sessionAddress = (call: Call): string | undefined =>
  parseAddress(call.env.SSH_CONNECTION?.split(" ")[0] ?? "");

function progressOf(call: Call): (part: number, what: string) => void {
  const columns = call.stdout.columns ?? 80;
  if (call.stdout.isTTY !== true || call.json) return () => undefined;
  let last = -1;
  return (part, what) => {
    const percent = Math.floor(part * 100);
    if (percent === last) return;
    last = percent;
    const width = 30;
    const done = Math.round((percent / 100) * width);
    call.err(
      part >= 1
        ? `\r${" ".repeat(columns - 1)}\r`
        : `\r[${"#".repeat(done)}${".".repeat(width - done)}] ${String(percent).padStart(3)}%  ${visible(what)
            .slice(0, Math.max(0, columns - 44))
            .padEnd(Math.max(0, columns - 44))}`,
    );
  };
}

interface Result {
  readonly trial: Trial;
  readonly result: Simulation;
}

interface Offender {
  readonly target: string;
  readonly jail: string;
  readonly bans: readonly Ban[];
}

/** Banned targets with their bans, those banned most often first. */
export function offendersOf(bans: readonly Ban[]): Offender[] {
  const grouped = Map.groupBy(bans, (ban) => `${ban.jail} ${targetKey(ban.target)}`);
  return [...grouped.values()]
    .map((list) => ({ target: list[0]?.target.text ?? "", jail: list[0]?.jail ?? "", bans: list }))
    .sort((a, b) => b.bans.length - a.bans.length || (a.bans[0]?.since ?? 0) - (b.bans[0]?.since ?? 0));
}

const lengthOf = (ban: Ban): number | "forever" =>
  ban.until === "forever" ? "forever" : (ban.until - ban.since) / 1000;
const clock = (time: Time): string => new Date(time).toISOString().slice(0, 16).replace("T", " ");

function print(call: Call, gathered: Gathered, results: readonly Result[], mine: string | undefined): void {
  const { out } = call;
  const [first] = results;
  if (first === undefined) return;
  const { bans, spared, failures, offenders } = first.result;
  out(
    `${plural(gathered.lines, "line")} of ${plural(gathered.sources.length, "source")}${gathered.from === undefined ? "" : `, ${clock(gathered.from)} to ${clock(gathered.to ?? gathered.from)} UTC`}\n\n`,
  );
  out(
    rows([
      ["Jail", "Failures", "Addresses", "Bans", "Banned"],
      ...first.trial.jails.map((jail) => {
        const own = bans.filter((ban) => ban.jail === jail.name);
        return [
          jail.name,
          String(failures.get(jail.name) ?? 0),
          String(offenders.get(jail.name) ?? 0),
          String(own.length),
          String(offendersOf(own).length),
        ];
      }),
    ]),
  );
  if (results.length > 1) {
    out("\nWith other settings:\n");
    out(
      rows([
        ["  Settings", "Bans", "Banned", "More", "Less"],
        ...results.map(({ trial, result }) => {
          const keys = new Set(result.bans.map((ban) => targetKey(ban.target)));
          const base = new Set(bans.map((ban) => targetKey(ban.target)));
          return [
            `  ${trial.name}`,
            String(result.bans.length),
            String(keys.size),
            String([...keys].filter((key) => !base.has(key)).length),
            String([...base].filter((key) => !keys.has(key)).length),
          ];
        }),
      ]),
    );
  }
  if (gathered.from !== undefined && gathered.to !== undefined && bans.length > 0) {
    out(`\nBans over time  |${histogram(bans, gathered.from, gathered.to, 60)}|\n`);
  }
  const list = offendersOf(bans);
  const shown = call.flags.all === true ? list : list.slice(0, 20);
  if (shown.length > 0) {
    out("\n");
    out(
      rows([
        ["Address", "Jail", "Bans", "First", "Length of the last", ""],
        ...shown.map((one) => {
          const last = one.bans.at(-1);
          const span = last === undefined ? 0 : lengthOf(last);
          const remark =
            one.target === mine
              ? "YOU ARE LOGGED IN FROM HERE"
              : last?.cause === "failures"
                ? ""
                : (last?.cause ?? "");
          return [
            one.target,
            one.jail,
            String(one.bans.length),
            clock(one.bans[0]?.since ?? 0),
            span === "forever" ? "forever" : formatDuration(Math.max(1, Math.round(span))),
            remark,
          ];
        }),
      ]),
    );
    if (shown.length < list.length) out(`… and ${list.length - shown.length} more: --all\n`);
  } else out("\nNobody would have been banned.\n");
  if (spared.size > 0) {
    out("\nFailed often enough, but would not have been banned:\n");
    out(rows([...spared].map(([target, reason]) => [`  ${target}`, reason, target === mine ? "you" : ""])));
  }
}

/** Bans in `width` equal parts of the time between. */
export function histogram(bans: readonly Ban[], from: Time, to: Time, width: number): string {
  const counts = Array.from({ length: width }, () => 0);
  for (const ban of bans) {
    const i = Math.min(
      width - 1,
      Math.max(0, Math.floor(((ban.since - from) / Math.max(1, to - from)) * width)),
    );
    counts[i] = (counts[i] ?? 0) + 1;
  }
  return sparkline(counts);
}

function asJson(gathered: Gathered, results: readonly Result[]): unknown {
  return {
    lines: gathered.lines,
    sources: gathered.sources,
    notes: gathered.notes,
    from: gathered.from === undefined ? null : new Date(gathered.from).toISOString(),
    to: gathered.to === undefined ? null : new Date(gathered.to).toISOString(),
    trials: results.map(({ trial, result }) => ({
      settings: trial.name,
      jails: trial.jails.map((jail) => ({
        jail: jail.name,
        failures: result.failures.get(jail.name) ?? 0,
        addresses: result.offenders.get(jail.name) ?? 0,
      })),
      bans: result.bans.map((ban) => ({
        jail: ban.jail,
        target: ban.target.text,
        since: new Date(ban.since).toISOString(),
        until: ban.until === "forever" ? "forever" : new Date(ban.until).toISOString(),
        nth: ban.nth,
        cause: ban.cause,
      })),
      spared: Object.fromEntries(result.spared),
    })),
  };
}
