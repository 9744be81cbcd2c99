// f2b init: looks at the machine, proposes a configuration, asks a little, writes it and starts the service. The conversation is in init/;
// here is what it may have done, and what is done once everything is decided.

import { mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { parse } from "smol-toml";
import { checkConfig } from "../config/check.ts";
import { type Config, defaultPath, faultText, loadConfig } from "../config/index.ts";
import { isTable } from "../config/merge.ts";
import { parseAddress, parsePrefix } from "../core/address.ts";
import type { Address, Prefix } from "../core/domain.ts";
import { parseDuration } from "../core/duration.ts";
import { guardReason } from "../core/guard.ts";
import { createPrefixSet } from "../core/prefixset.ts";
import { simulate } from "../core/simulate.ts";
import { table, visible } from "../core/text.ts";
import { createIgnored } from "../daemon/ignored.ts";
import { guardOf } from "../daemon/jail.ts";
import { lookAtMachine } from "../daemon/machine.ts";
import { gatherFailures } from "../daemon/replaying.ts";
import {
  addedText,
  type Base,
  clackTerminal,
  converse,
  type Facts,
  freshText,
  type Lent,
  linesOf,
  look,
  lookForGuests,
  nothingPresent,
  type Outcome,
  type Preview,
  plainTerminal,
  propose,
  type TakenOver,
  type Terminal,
  unprotected,
  wantsPlain,
} from "../init/index.ts";
import type { System } from "../system/index.ts";
import { reload } from "./control.ts";
import { importCommand } from "./import.ts";
import { type Call, type Command, exits } from "./index.ts";
import { offendersOf } from "./replay.ts";
import { install } from "./service.ts";

export const init: Command = {
  name: "init",
  summary: "set f2b up: look at this machine, propose a configuration, write it, start the service",
  usage: ["f2b init [--yes | --print [--json]] [--plain] [--since 7d] [--no-preview] [--no-start]"],
  most: 0,
  options: [
    { name: "yes", short: "y", summary: "ask nothing: take what is proposed" },
    { name: "print", summary: "only print the configuration that would be written" },
    { name: "plain", summary: "questions line by line, for slow lines and screen readers" },
    { name: "since", value: "TIME", summary: "how far back the preview reads logs (default 7d)" },
    { name: "no-preview", summary: "do not read logs for a preview" },
    { name: "no-start", summary: "write the configuration, leave the service alone" },
  ],
  help: `
Nothing is written before the last question is answered; Ctrl-C at any of them leaves everything as it was. Where there is a
configuration already, only additions are proposed. An installed fail2ban can be taken over (see also f2b import).
Examples:
  sudo f2b init
  f2b init --print          what would be written, and why
  sudo f2b init --yes       for scripts`,
  run,
};

async function run(call: Call): Promise<number> {
  const path = call.config ?? defaultPath;
  const print = call.flags.print === true;
  const yes = call.flags.yes === true;
  const root = process.geteuid?.() === 0;
  if (!root && !print && call.config === undefined) {
    call.err(
      `f2b: writing ${path} needs root\n  fix: sudo f2b init, or f2b init --print to see what it would be\n`,
    );
    return exits.permission;
  }
  if (!print && !yes && call.stdin.isTTY !== true) {
    call.err(
      "f2b: init asks questions and this is no terminal\n  fix: f2b init --yes, or f2b init --print\n",
    );
    return exits.usage;
  }
  const since = parseDuration(typeof call.flags.since === "string" ? call.flags.since : "7d");
  if (!since.ok) {
    call.err(`f2b: --since: ${since.faults[0]?.what ?? "not a duration"}\n  fix: --since 7d\n`);
    return exits.usage;
  }
  const before = textOf(call.system, path);
  if (before === undefined && isThere(call.system, path)) {
    call.err(
      `f2b: ${visible(path)} is there and cannot be read, so nothing can be added to it\n  fix: sudo f2b init\n`,
    );
    return exits.permission;
  }
  const loaded = loadConfig({ system: call.system, path, saved: false, ...stand(path, before ?? "") });
  if (!loaded.ok) {
    for (const fault of loaded.faults) call.err(faultText(fault, () => undefined));
    call.err(`f2b: ${visible(path)} has mistakes, so nothing is added to it\n  fix: f2b config check\n`);
    return exits.configuration;
  }
  const config = loaded.value;
  const machine = lookAtMachine(call.system);
  const facts = await look(call.system, {
    resolver: config.resolver,
    env: call.env,
    sessions: machine.sessions,
    root,
  });
  const base = before === undefined ? undefined : baseOf(path, before, config);
  const stages: string[] = [];
  const lent: Lent = {
    path,
    date: today(call),
    base,
    takeOver:
      basename(path) !== "f2b.toml" || facts.fail2ban === undefined
        ? undefined
        : () => stageImport(call, facts.fail2ban?.directory ?? "", stages),
    check: (at, text) => checkConfig(call.system, at, new Map([[at, text]])).errors,
    preview:
      call.flags["no-preview"] === true
        ? undefined
        : (at, text, progress) =>
            previewOf(call, at, text, since.value === "forever" ? undefined : since.value, progress),
  };
  if (print) return printed(call, facts, lent);
  const terminal = terminalOf(call, yes);
  const clean = (): void => {
    for (const stage of stages.splice(0)) rmSync(stage, { recursive: true, force: true });
  };
  const unguard = onSignals(clean);
  try {
    terminal.intro(`f2b init on ${hostname()}`);
    const outcome = await converse(
      call.flags["no-start"] === true ? { ...facts, systemd: false, guarded: false } : facts,
      lent,
      terminal,
    );
    return await act(call, facts, lent, outcome, terminal, before);
  } finally {
    terminal.close();
    unguard();
    clean();
  }
}

/** Ctrl-C while no prompt holds the keyboard, or a line that goes away: what was made aside is taken away, then the signal has its way. */
function onSignals(clean: () => void): () => void {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const handlers = signals.map((signal) => {
    const handler = (): void => {
      clean();
      unguard();
      process.kill(process.pid, signal);
    };
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  const unguard = (): void => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
  return unguard;
}

const today = (call: Call): string => new Date(call.system.clock.now()).toISOString().slice(0, 10);
const stand = (path: string, text: string) => ({ texts: new Map([[path, text]]) });

function textOf(system: System, path: string): string | undefined {
  try {
    return system.files.stat(path) === undefined
      ? undefined
      : new TextDecoder().decode(system.files.readFile(path));
  } catch {
    return undefined; // loading it says why it cannot be read
  }
}

function isThere(system: System, path: string): boolean {
  try {
    return system.files.stat(path) !== undefined;
  } catch {
    return false;
  }
}

function terminalOf(call: Call, yes: boolean): Terminal {
  if (yes) return plainTerminal(call.out, undefined);
  const plain = call.flags.plain === true || wantsPlain(call.env, ttyOf(call.system));
  return plain ? plainTerminal(call.out, linesOf(call.stdin)) : clackTerminal(call.stdin, call.stdout);
}

function ttyOf(system: System): string | undefined {
  try {
    return system.files.readlink("/proc/self/fd/0");
  } catch {
    return undefined;
  }
}

/** What a configuration settles: jails it names, keys of [defaults], addresses that all its jails ignore. */
function baseOf(path: string, text: string, config: Config): Base {
  const defaults = config.files.flatMap((file) => {
    const table = parse(file === path ? text : "").defaults;
    return isTable(table) ? Object.keys(table) : [];
  });
  const ignored = config.jails
    .map((jail) => jail.ignore.ignoreip)
    .reduce<readonly string[] | undefined>(
      (all, own) => all?.filter((one) => own.includes(one)) ?? own,
      undefined,
    );
  return {
    path,
    text,
    present: {
      jails: new Set([
        ...config.jails.map((jail) => jail.name as string),
        ...config.broken.map((jail) => jail.name),
      ]),
      defaults: new Set(defaults),
    },
    ignored: (ignored ?? [])
      .map((one) => parseAddress(one) ?? parsePrefix(one))
      .filter((one): one is Address | Prefix => one !== undefined),
  };
}

async function printed(call: Call, facts: Facts, lent: Lent): Promise<number> {
  const { base, path, date } = lent;
  const first = propose(facts, base?.present ?? nothingPresent);
  const proposal = await lookForGuests(first, lent, path, base?.text, () => undefined);
  const choices = {
    jails: proposal.jails.filter((jail) => jail.chosen).map((jail) => jail.jail),
    ignore: unprotected(facts.admin?.addresses ?? [], base?.ignored ?? []),
    mail: undefined,
  };
  const text =
    base === undefined ? freshText(proposal, choices, date) : addedText(base.text, proposal, choices);
  call.out(call.json ? `${JSON.stringify({ found: facts, proposal, text }, null, 2)}\n` : text);
  return exits.fine;
}

/** fail2ban's configuration, translated into a directory that goes away. */
async function stageImport(call: Call, directory: string, stages: string[]): Promise<TakenOver> {
  const stage = mkdtempSync(join(tmpdir(), "f2b-init-"));
  stages.push(stage);
  let report = "";
  const say = (text: string): void => {
    report += text;
  };
  await importCommand.run({
    ...call,
    words: [directory],
    flags: { output: stage, "no-bans": true },
    json: false,
    out: say,
    err: say,
  });
  const path = join(stage, "f2b.toml");
  const text = textOf(call.system, path);
  const loaded = text === undefined ? undefined : loadConfig({ system: call.system, path, saved: false });
  const shown = report
    .split("\n")
    .filter((line) => !line.startsWith("written  "))
    .join("\n");
  if (text === undefined || loaded?.ok !== true)
    return {
      base: undefined,
      report: `${shown}\nIt cannot be taken over as it is; see f2b import --dry-run.`,
    };
  return { base: baseOf(path, text, loaded.value), report: shown };
}

async function previewOf(
  call: Call,
  path: string,
  text: string,
  seconds: number | undefined,
  progress: (part: number) => void,
): Promise<Preview> {
  const loaded = loadConfig({ system: call.system, path, saved: false, ...stand(path, text) });
  const config = loaded.ok ? loaded.value : undefined;
  const jails = config?.jails.filter((jail) => jail.enabled) ?? [];
  const now = call.system.clock.now();
  const gathered = await gatherFailures(call.system, jails, {
    files: [],
    since: seconds === undefined ? 0 : now - seconds * 1000,
    now,
    linecap: config?.daemon.linecap ?? 8192,
    progress,
  });
  const set = (texts: readonly string[]) =>
    createPrefixSet(
      texts.map((one) => parsePrefix(one) ?? parseAddress(one)).filter((one) => one !== undefined),
    );
  const machine = guardOf(lookAtMachine(call.system), {
    emergency: set(config?.daemon.emergency ?? []),
    unguarded: set(config?.daemon.unguarded ?? []),
    trustedProxies: set(jails.flatMap((jail) => jail.trustedproxies)),
  });
  const { bans, failures, offenders, spared } = simulate(
    jails.map((jail) => ({
      jail,
      ignored: createIgnored(call.system, jail.ignore, () => machine.own).reason,
    })),
    gathered.failures,
    { guarded: (target) => guardReason(target, machine), random: () => 0 },
  );
  return {
    lines: gathered.lines,
    sources: gathered.sources,
    from: gathered.from,
    to: gathered.to,
    notes: gathered.notes,
    jails: jails.map((jail) => ({
      jail: jail.name,
      failures: failures.get(jail.name) ?? 0,
      addresses: offenders.get(jail.name) ?? 0,
      banned: offendersOf(bans.filter((ban) => ban.jail === jail.name)).length,
    })),
    banned: offendersOf(bans).map((one) => ({ target: one.target, jail: one.jail, bans: one.bans.length })),
    spared: [...spared],
  };
}

/** Everything is decided: now it is done, and each thing said. */
async function act(
  call: Call,
  facts: Facts,
  { path }: Lent,
  outcome: Outcome,
  terminal: Terminal,
  before: string | undefined,
): Promise<number> {
  if (outcome.kind === "cancelled") {
    terminal.outro("Nothing was changed.");
    return exits.no;
  }
  if (outcome.kind === "faulty") {
    for (const fault of outcome.faults) terminal.warn(faultText(fault, () => undefined).trimEnd());
    terminal.outro("Nothing was changed.");
    return exits.configuration;
  }
  const { files } = call.system;
  if (outcome.write !== undefined) {
    if (textOf(call.system, path) !== before) {
      terminal.warn(
        `${path} was changed by somebody else meanwhile; nothing is written. Run f2b init again.`,
      );
      return exits.no;
    }
    try {
      if (files.stat(dirname(path)) === undefined) files.mkdir(dirname(path), 0o755);
      if (outcome.takeOver && !(await carryOver(call, facts, path, terminal))) return exits.no;
      const present = textOf(call.system, path);
      const mode = present === undefined ? 0o600 : (files.stat(path)?.mode ?? 0o600) & 0o777;
      files.replaceFile(path, outcome.write(present), mode);
    } catch (error) {
      terminal.warn(`${path} cannot be written: ${(error as Error).message}`);
      return exits.permission;
    }
    terminal.say(`${path} is written.`);
  }
  const said = {
    ...call,
    words: [],
    flags: {},
    json: false,
    out: lineWise(terminal.say),
    err: lineWise(terminal.warn),
  };
  if (outcome.start) {
    const code = facts.guarded ? await reload.run(said) : await install(said);
    if (code !== exits.fine) {
      terminal.outro(
        `The service did not start. When that is mended: f2b ${facts.guarded ? "reload" : "service install"}`,
      );
      return exits.no;
    }
  }
  if (outcome.stopFail2ban) await stopFail2ban(call, terminal);
  terminal.outro(nextSteps(call, facts, outcome.start, outcome.stopFail2ban, path));
  return exits.fine;
}

const lineWise =
  (say: (text: string) => void) =>
  (text: string): void => {
    if (text.trim() !== "") say(text.trimEnd());
  };

async function carryOver(call: Call, facts: Facts, path: string, terminal: Terminal): Promise<boolean> {
  let report = "";
  const collect = (text: string): void => {
    report += text;
  };
  await importCommand.run({
    ...call,
    words: [facts.fail2ban?.directory ?? ""],
    flags: { output: dirname(path) },
    json: false,
    out: collect,
    err: collect,
  });
  const written = call.system.files.stat(path) !== undefined;
  const lines = report.split("\n").filter((line) => /^(?:written|bans) /.test(line) || !written);
  if (lines.length > 0) (written ? terminal.say : terminal.warn)(lines.join("\n").trimEnd());
  return written;
}

async function stopFail2ban(call: Call, terminal: Terminal): Promise<void> {
  const program = call.system.programs.find("systemctl");
  const done =
    program === undefined
      ? undefined
      : await call.system.programs.run([program, "disable", "--now", "fail2ban.service"], {
          timeoutMs: 90_000,
        });
  if (done?.code === 0)
    terminal.say("fail2ban is stopped and stays so (back again: systemctl enable --now fail2ban).");
  else terminal.warn(`fail2ban could not be stopped: ${done?.stderr.trim() ?? "there is no systemctl"}`);
}

function nextSteps(call: Call, facts: Facts, started: boolean, stopped: boolean, path: string): string {
  const own = call.config === undefined ? "" : ` -c ${path}`;
  const begin: readonly (readonly [string, string])[] = started
    ? []
    : facts.guarded
      ? [[`f2b reload${own}`, "bring it into force"]]
      : facts.systemd
        ? [[`f2b service install${own}`, "start it now and at every boot"]]
        : [[`f2b daemon${own}`, "start it; there is no systemd here: let your init do so"]];
  const old: readonly (readonly [string, string])[] =
    facts.fail2ban?.running === true && !stopped
      ? [["f2b doctor", "fail2ban still runs: how to end it"]]
      : [];
  const mine = facts.admin?.addresses[0] ?? "ADDRESS";
  return [
    started ? "f2b is at work. What to type next:" : "What to type next:",
    table([
      ...begin,
      ...old,
      ["f2b status", "what it watches and whom it has banned"],
      [`f2b explain ${mine}`, "why an address is or is not banned"],
      ["f2b unban ADDRESS", "lift a ban"],
      [`f2b config edit${own}`, "change the configuration"],
    ])
      .split("\n")
      .map((line) => `  ${line}`)
      .join("\n"),
  ].join("\n");
}
