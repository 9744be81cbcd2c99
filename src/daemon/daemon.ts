// The running daemon: opens everything in an order in which nothing that stands is ever open, keeps it in step, and closes it again.
// What commands ask of it is the Daemon interface; operate.ts carries out an operator's wishes, reload.ts a changed configuration.

import type { Route } from "../commands/index.ts";
import type { BrokenJail, Config } from "../config/index.ts";
import { parseTarget, targetKey } from "../core/address.ts";
import type { Ban, Fault, JailName, Result, Target, Time } from "../core/domain.ts";
import { guardReason, type Machine } from "../core/guard.ts";
import { createPrefixSet, type PrefixSet } from "../core/prefixset.ts";
import * as stateful from "../core/state.ts";
import { plural, suggest } from "../core/text.ts";
import { openJournal } from "../journal/journal.ts";
import type { System } from "../system/index.ts";
import type { LogWriter } from "../system/log.ts";
import { notifyReady, type ServiceNotifier } from "../system/notify-socket.ts";
import { makeWay, openControl } from "./control.ts";
import type { Core } from "./core.ts";
import { createEnforcer } from "./enforcer.ts";
import { createEvents, type Events } from "./events.ts";
import type { Explanation } from "./explain.ts";
import { explainTarget } from "./explaining.ts";
import {
  beginPlaces,
  guardOf,
  lookForPrograms,
  openJail,
  openPlace,
  prepare,
  type RunningJail,
  type Shared,
} from "./jail.ts";
import { lookAtMachine } from "./machine.ts";
import type { Messenger } from "./messenger.ts";
import { createMetricsPort } from "./metricsport.ts";
import { notificationsOf } from "./notifications.ts";
import { createOperations, type Operations, setLevel } from "./operate.ts";
import { createPipeline, emptyOutcome, type Pipeline } from "./pipeline.ts";
import { placeBook } from "./places.ts";
import { applyConfig, type Reloaded } from "./reload.ts";
import { iso, type JailReport, type StatusReport } from "./report.ts";
import { describeJail } from "./reporting.ts";
import { startReports } from "./statistics.ts";
import { createSupervisor, type Supervisor } from "./supervisor.ts";
import { createTally } from "./tally.ts";
import { createThrift } from "./thrift.ts";
import { steadyClock } from "./time.ts";

export interface Daemon extends Omit<Operations, "dropForbidden"> {
  readonly system: System;
  readonly version: string;
  readonly core: Core;
  readonly events: Events;
  readonly messenger: Messenger;
  hasJail(name: string): boolean;
  noSuchJail(name: string): Fault;
  status(): Promise<StatusReport>;
  jailReport(name: string): Promise<JailReport | undefined>;
  explain(target: Target): Promise<Explanation>;
  reload(jail: string | undefined): Promise<Reloaded>;
  reopenLog(): void;
  /** Stops after the answer has gone out. */
  stopSoon(): void;
  /** Resolves when the daemon has been stopped. */
  readonly stopped: Promise<void>;
}

export interface DaemonOptions {
  readonly system: System;
  readonly log: LogWriter;
  readonly version: string;
  readonly config: Config;
  /** Reads the configuration again, for reload. */
  readonly reread: () => Result<Config>;
  readonly messenger: Messenger;
  /** Gives the control socket to this group; undefined: root only. */
  readonly socketGroup: number | undefined;
  /** How this program is started as `f2b match`. */
  readonly matchCommand: readonly string[];
  /** Loaded while the firewall's programs are at work. */
  readonly routes: () => Promise<ReadonlyMap<string, Route>>;
  /** Why the firewall is not touched (then every banaction is "print"); undefined: bans are real. */
  readonly dryrun: string | undefined;
}

const watchMs = 1000;
const machineMs = 5000;
/** Logs that are begun together are written down together. */
const earlyMs = 200;
const sayAgainMs = 3600_000;

/** Starts; faults are what an administrator must mend, never a stack trace. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon | readonly Fault[]> {
  const { system, log, version, messenger, dryrun } = options;
  const started = system.clock.now();
  const { daemon: settings } = options.config;

  const opened = openJournal({
    system,
    directory: settings.statedir,
    dbpurgeage: settings.dbpurgeage,
    version,
    changed({ degraded, merged }) {
      const text =
        degraded === undefined
          ? "the journal is written again"
          : `the journal cannot be written: ${degraded}; bans go on from memory`;
      system.log.say(degraded === undefined ? "notice" : "critical", text);
      core.told({ kind: "health", at: clock.now(), text, recovered: degraded === undefined });
      events.tell({ at: iso(clock.now()), kind: "health", text });
      if (merged) {
        schedule();
        void enforcer.verify();
      }
    },
  });
  if (!opened.ok) return opened.faults;
  const { journal, state, damage } = opened.value;
  for (const fault of damage)
    system.log.say("warning", `journal: ${fault.what}`, fault.fix === undefined ? {} : { fix: fault.fix });

  const events = createEvents();
  const tally = createTally();
  const jails = new Map<JailName, RunningJail>();
  const clock = steadyClock(system.clock, stepped);
  let applied = 0;
  const apply: Core["apply"] = (record) => {
    applied++;
    stateful.apply(state, record);
  };
  const saidAt = new Map<string, Time>();

  let guard = lookAgain(options.config);
  const shared: Shared = {
    system,
    state,
    now: clock.now,
    guard: () => guard,
    maxKeys: settings.maxkeys,
    allowsV6: () => core.config.daemon.allowipv6 !== "no",
  };
  const enforcer = createEnforcer({
    system,
    now: clock.now,
    wanted: {
      standing: (jail) => stateful.jailBans(state, jail),
      find: (jail, target) => stateful.liveBan(state, jail, target),
    },
    guard: (target) => guardReason(target, guard),
    // A dry run makes nothing, and must take nothing away.
    ...(dryrun === undefined ? { places: placeBook(system, settings.statedir) } : {}),
    onProblem({ jail, banaction, fault }, recovered) {
      const text = recovered ? `[${jail}] ${banaction} works again` : `[${jail}] ${banaction}: ${fault.what}`;
      system.log.say(
        recovered ? "notice" : "error",
        text,
        fault.why === undefined || recovered ? {} : { why: fault.why },
      );
      core.told({ kind: "enforcement", at: clock.now(), jail, text, recovered });
      events.tell({ at: iso(clock.now()), kind: "enforcement", jail, text });
    },
    onRepaired({ jail, banaction, reason, added, removed, took }) {
      const text = `[${jail}] ${banaction} repaired: ${reason}; ${plural(added, "ban")} put back, ${removed} taken away`;
      system.log.say("notice", text, { ms: Math.round(took) });
      core.told({ kind: "enforcement", at: clock.now(), jail, text, recovered: true });
      events.tell({ at: iso(clock.now()), kind: "enforcement", jail, text });
    },
  });

  let lastEarly = Number.NEGATIVE_INFINITY;
  let cancelEarly: (() => void) | undefined;
  const core: Core = {
    system,
    config: options.config,
    jails,
    state,
    journal,
    enforcer,
    events,
    tally,
    now: clock.now,
    apply,
    get applied() {
      return applied;
    },
    chatty: false,
    dirty: false,
    checkpointSoon() {
      const pause = Math.max(0, lastEarly + earlyMs - system.clock.monotonic());
      cancelEarly ??= system.clock.after(pause, () => {
        cancelEarly = undefined;
        lastEarly = system.clock.monotonic();
        checkpoint();
      });
    },
    told: (event) => messenger.post(event),
    sayOnce(level, text) {
      if (clock.now() - (saidAt.get(text) ?? Number.NEGATIVE_INFINITY) < sayAgainMs) return;
      if (saidAt.size > 10_000) saidAt.clear();
      saidAt.set(text, clock.now());
      system.log.say(level, text);
    },
    matchCommand: options.matchCommand,
    switchedOff(running, expression) {
      if (running === undefined) return;
      const text = `an expression is too slow and is switched off: ${expression}`;
      running.slow.add(expression);
      system.log.say("error", `[${running.jail.name}] ${text}`);
      core.told({ kind: "health", at: clock.now(), jail: running.jail.name, text, recovered: false });
      events.tell({ at: iso(clock.now()), kind: "health", jail: running.jail.name, text });
    },
    whyIneffective,
    schedule,
  };
  setLevel(core, log, log.level);
  const pipeline: Pipeline = createPipeline(core);
  const supervisor: Supervisor = createSupervisor(core, pipeline);
  const operations = createOperations(core, pipeline, supervisor, log);

  function lookAgain(config: Config): Machine {
    const set = (texts: readonly string[]): PrefixSet =>
      createPrefixSet(
        texts.flatMap((text) => {
          const target = parseTarget(text);
          return target === undefined || target.kind === "id" ? [] : [target.text];
        }),
      );
    return guardOf(lookAtMachine(system), {
      emergency: set(config.daemon.emergency),
      unguarded: set(config.daemon.unguarded),
      trustedProxies: set(config.jails.flatMap((jail) => (jail.enabled ? jail.trustedproxies : []))),
    });
  }

  function stepped(delta: number): void {
    system.log.say(
      "warning",
      `the clock was set ${delta > 0 ? "forward" : "back"} by ${Math.round(Math.abs(delta) / 1000)} s; bans keep the length they were given`,
    );
    const record = { t: "shift", delta, at: clock.now() } as const;
    apply(record);
    void journal.append([record]);
    for (const { policy } of jails.values()) policy.shift(delta);
    schedule();
  }

  function whyIneffective({ jail }: RunningJail, _ban: Ban): string {
    if (dryrun !== undefined) return `dry run: ${dryrun}`;
    const [problem] = enforcer.problems(jail.name);
    if (problem !== undefined) return `${problem.banaction}: ${problem.fault.what}`;
    const elsewhere = "through a proxy, or past a rule before ours: see f2b doctor";
    if (jail.port === "all") return `it comes ${elsewhere}`;
    const ports = jail.port.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(", ");
    return `it comes through another port than ${ports} (then set port = "all"), ${elsewhere}`;
  }

  /** Lets out whose time is up, and sets the timer for the next. */
  function expire(): void {
    const outcome = emptyOutcome();
    for (const ban of stateful.dueForUnban(state, clock.now())) {
      const record = {
        t: "unban",
        jail: ban.jail,
        target: ban.target,
        at: clock.now(),
        reason: "expired",
      } as const;
      apply(record);
      outcome.records.push(record);
      const running = jails.get(ban.jail);
      if (running !== undefined) {
        running.ineffective.delete(targetKey(ban.target));
        const list = outcome.unbans.get(running);
        if (list === undefined) outcome.unbans.set(running, [ban.target]);
        else list.push(ban.target);
      }
      const text = `[${ban.jail}] Unban ${ban.target.text}`;
      system.log.say("notice", text);
      events.tell({ at: iso(clock.now()), kind: "unban", jail: ban.jail, target: ban.target.text, text });
      core.told({ kind: "unban", at: clock.now(), jail: ban.jail, target: ban.target, reason: "expired" });
    }
    void pipeline.commit(outcome);
    schedule();
  }

  let nextAt: Time | undefined;
  let cancelNext: (() => void) | undefined;
  function schedule(): void {
    const next = stateful.nextDue(state);
    if (next === nextAt && cancelNext !== undefined) return;
    cancelNext?.();
    nextAt = next;
    cancelNext = next === undefined ? undefined : system.clock.after(Math.max(0, next - clock.now()), due);
  }
  function due(): void {
    cancelNext = undefined;
    expire();
  }

  function checkpoint(): void {
    if (!core.dirty) return;
    core.dirty = false;
    journal.checkpoint({
      at: clock.now(),
      boot: system.clock.bootId(),
      positions: Object.fromEntries(pipeline.positions),
      windows: Object.fromEntries([...jails].map(([name, running]) => [name, running.policy.snapshot()])),
      totals: tally.all(),
    });
  }

  // What was there before: counters, positions, totals.
  const before = stateful.lastCheckpoint(state);
  if (before !== undefined) {
    tally.restore(before.totals);
    for (const [source, position] of Object.entries(before.positions))
      pipeline.positions.set(source, position);
  }
  const inTheWay = await makeWay(system, settings.socket);
  if (inTheWay !== undefined) {
    journal.close();
    return [inTheWay];
  }
  for (const jail of options.config.jails) if (jail.enabled) jails.set(jail.name, openJail(jail, shared));
  const places = await beginPlaces(core, jails.values());
  const routes = await options.routes();
  for (const running of jails.values()) {
    const { jail } = running;
    prepare(running);
    running.policy.restore(before?.windows[jail.name] ?? [], clock.now());
    if (running.state === "broken")
      system.log.say(
        "error",
        `[${jail.name}] broken: ${running.reason ?? ""}`,
        running.fix === undefined ? {} : { fix: running.fix },
      );
  }
  for (const { name, faults } of options.config.broken) {
    for (const fault of faults)
      system.log.say(
        "error",
        `[${name}] broken: ${fault.what}`,
        fault.fix === undefined ? {} : { fix: fault.fix },
      );
  }
  const ready: ServiceNotifier = notifyReady(system, process.env);
  let finish: (() => void) | undefined;

  const daemon: Daemon = {
    system,
    version,
    core,
    events,
    messenger,
    stopped: new Promise<void>((resolve) => {
      finish = resolve;
    }),
    hasJail: (name) => jails.has(name as JailName),
    noSuchJail(name) {
      const broken = core.config.broken.find((one) => one.name === name);
      if (broken?.faults[0] !== undefined) return broken.faults[0];
      const meant = suggest(name, jails.keys());
      return {
        what: `there is no jail "${name}"`,
        fix: meant === undefined ? "see f2b status" : `did you mean ${meant}?`,
      };
    },
    async status() {
      const { degraded } = journal.state();
      const reports = await Promise.all(
        [...jails.values()].map((running) => describeJail(core, running, false)),
      );
      return {
        version,
        pid: process.pid,
        started: iso(started),
        uptime: (system.clock.now() - started) / 1000,
        config: core.config.files,
        firewall: [
          ...new Set([...jails.values()].flatMap((running) => running.jail.banaction.map((use) => use.name))),
        ].join(", "),
        ...(dryrun === undefined ? {} : { dryrun }),
        ...(degraded === undefined ? {} : { degraded }),
        problems: [
          ...enforcer.problems().map((one) => `[${one.jail}] ${one.banaction}: ${one.fault.what}`),
          ...supervisor.problems.values(),
        ],
        jails: [
          ...reports,
          ...core.config.broken.filter((one) => !jails.has(one.name as JailName)).map(brokenReport),
        ],
      };
    },
    async jailReport(name) {
      const running = jails.get(name as JailName);
      if (running !== undefined) return describeJail(core, running, true);
      const broken = core.config.broken.find((one) => one.name === name);
      return broken === undefined ? undefined : brokenReport(broken);
    },
    ban: operations.ban,
    unban: operations.unban,
    banned: operations.banned,
    explain: (target) => explainTarget(core, target, shared),
    startJail: operations.startJail,
    stopJail: operations.stopJail,
    async reload(only) {
      system.log.say("info", "reading the configuration again");
      const { loglevel } = core.config.daemon;
      const done = await applyConfig({ core, shared, pipeline, supervisor, next: options.reread(), only });
      if (core.config.daemon.loglevel !== loglevel) setLevel(core, log, core.config.daemon.loglevel);
      guard = lookAgain(core.config);
      messenger.configure(notificationsOf(core.config, system));
      metricsPort.align();
      await operations.dropForbidden();
      system.log.say(
        "notice",
        `configuration read again: ${done.added.length} added, ${done.changed.length} changed, ${done.removed.length} removed, ${done.unchanged} unchanged`,
      );
      return done;
    },
    getSettings: operations.getSettings,
    setSetting: operations.setSetting,
    reopenLog: () => log.reopen(),
    stopSoon() {
      system.clock.after(50, () => void stop());
    },
  };

  const metricsPort = createMetricsPort(daemon);
  const control = openControl(system, settings.socket, options.socketGroup, routes, daemon);
  if ("what" in control) {
    journal.close();
    return [control];
  }

  await Promise.all([...jails.values()].map((running) => openPlace(core, running, places.get(running))));
  expire();
  await operations.dropForbidden();
  // A first checkpoint before anything is read: totals count from here, also when the next one is never written.
  core.dirty = true;
  checkpoint();
  supervisor.align();
  ready.ready();
  const standing = [...jails.values()].reduce(
    (sum, running) => sum + stateful.countLive(state, running.jail.name),
    0,
  );
  system.log.say("notice", `ready: ${plural(jails.size, "jail")}, ${plural(standing, "standing ban")}`, {
    ms: Math.round(system.clock.monotonic()),
  });
  const stopReports = startReports(daemon);
  metricsPort.align();
  messenger.post({
    kind: "start",
    at: clock.now(),
    text: `f2b ${version} has started with ${plural(jails.size, "jail")}`,
  });

  let ticking = true;
  let lastCheckpoint = system.clock.monotonic();
  let lastLook = Number.NEGATIVE_INFINITY;
  const thrift = createThrift(system, state, pipeline);
  function tick(): void {
    if (!ticking) return;
    const at = system.clock.monotonic();
    clock.check();
    ready.watchdog();
    thrift.tick();
    if (at - lastLook >= machineMs) {
      lastLook = at;
      guard = lookAgain(core.config);
      for (const running of jails.values()) {
        void running.ignored.refresh(at);
        void lookForPrograms(core, running).then((alive) => {
          if (alive) supervisor.align();
        });
        running.policy.tick(clock.now());
        pipeline.tellCampaigns(running);
      }
    }
    if (at - lastCheckpoint >= core.config.daemon.checkpoint * 1000) {
      lastCheckpoint = at;
      checkpoint();
    }
    system.clock.after(watchMs, tick);
  }
  tick();

  let stopping: Promise<void> | undefined;
  function stop(): Promise<void> {
    stopping ??= (async () => {
      ready.stopping();
      system.log.say("notice", "stopping; bans stand until their time is up");
      ticking = false;
      cancelEarly?.();
      stopReports();
      metricsPort.close();
      messenger.post({ kind: "stop", at: clock.now(), text: `f2b ${version} is stopping` });
      await supervisor.close();
      await pipeline.settled();
      core.dirty = true;
      checkpoint();
      await Promise.all([messenger.stop(3000), enforcer.close(3000)]);
      journal.close();
      if (!("what" in control)) control.close();
      finish?.();
    })();
    return stopping;
  }
  process.on("SIGTERM", () => void stop());
  process.on("SIGINT", () => void stop());
  process.on("SIGUSR1", () => log.reopen());
  process.on("SIGHUP", () => {
    ready.reloading();
    daemon
      .reload(undefined)
      .catch((error: unknown) => system.log.say("error", `reload: ${(error as Error).message}`))
      .finally(() => ready.ready());
  });
  return daemon;
}

function brokenReport(one: BrokenJail): JailReport {
  const [fault] = one.faults;
  return {
    name: one.name,
    summary: "",
    state: "broken",
    reason: fault?.what ?? "faulty configuration",
    ...(fault?.fix === undefined ? {} : { fix: fault.fix }),
    backend: "none",
    files: [],
    journalmatch: [],
    failed: { now: 0, total: 0 },
    banned: { now: 0, total: 0 },
    banactions: [],
    problems: [],
    ineffective: [],
  };
}
