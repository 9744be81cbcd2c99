// The path of the data inside the daemon: chunk → failures → decisions → journal → firewall, in that order and for a whole chunk at
// once. One loop owns the state: everything here runs to its end between two awaits, so a checkpoint taken between chunks is consistent.

import { targetKey } from "../core/address.ts";
import type {
  Ban,
  Decision,
  Failure,
  Fault,
  JournalRecord,
  Position,
  Seen,
  Target,
  UnbanReason,
} from "../core/domain.ts";
import { formatDuration } from "../core/duration.ts";
import { countKey } from "../core/prefixes.ts";
import { createScanner, type Scanner, type Settles } from "../core/scan.ts";
import type { Chunk, FileChunk, JournaldChunk } from "../source/index.ts";
import { matchesJournal } from "../source/journalmatch.ts";
import type { Core } from "./core.ts";
import type { Enforced } from "./enforcer.ts";
import { createIsolated, type Isolated } from "./isolated.ts";
import { type RunningJail, runnable } from "./jail.ts";
import { KnownBans } from "./knownbans.ts";
import type { Asked } from "./lane.ts";
import { type Answered, type Matching, memberOf, zoneOf } from "./matching.ts";
import { createNames } from "./names.ts";

/** A ban's target may still be seen for so long: lines were on their way, open connections are being cut. */
const graceMs = 5000;

export interface Pipeline {
  take(chunk: Chunk): void;
  /** Positions of all sources as of the last chunk taken. */
  readonly positions: Map<string, Position>;
  /** Enters a ban into the state and into what is to be written and done; `commit` does it. */
  addBan(
    running: RunningJail,
    decision: Extract<Decision, { kind: "ban" }>,
    seen: Seen | undefined,
    outcome: Outcome,
  ): void;
  /**
   * Carries out decisions in the one order: journal, then firewall. Resolves when they are on disk and the firewall has answered, with what
   * the firewall could not do yet (it goes on being tried); rejects never.
   */
  commit(outcome: Outcome): Promise<readonly Fault[]>;
  /** Says which campaigns against this jail began or ended: log, events, notifications. */
  tellCampaigns(running: RunningJail): void;
  /** Scanners are made anew after the jails or their files have changed. */
  forgetScanners(): void;
  /** When a chunk was last taken (monotonic). */
  lastTaken(): number;
  /** How much was taken since the start: characters of log files, records of journald at a hundred each. */
  volume(): number;
  /** Resolves once everything committed so far is on disk and in the firewall. */
  settled(): Promise<void>;
}

/** What is to be written and done together. */
export interface Outcome {
  readonly records: JournalRecord[];
  readonly bans: Map<RunningJail, Asked[]>;
  readonly unbans: Map<RunningJail, Target[]>;
  /** What is said of it, once the firewall has been asked: telling never delays a ban. */
  readonly told: (() => void)[];
}

interface Reader {
  readonly scanner: Scanner;
  readonly members: readonly RunningJail[];
  readonly elsewhere: readonly { readonly running: RunningJail; readonly isolated: Isolated }[];
}

export const emptyOutcome = (): Outcome => ({ records: [], bans: new Map(), unbans: new Map(), told: [] });

const push = <K, V>(map: Map<K, V[]>, key: K, value: V): void => {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
};

export function createPipeline(core: Core): Pipeline {
  const { system, jails, events } = core;
  const positions = new Map<string, Position>();
  /** By path, resp. by journalmatch: what reads for whom. */
  const fileScanners = new Map<string, readonly Reader[]>();
  let journaldReaders: readonly (Reader & { readonly match: readonly string[] })[] | undefined;
  const asking = new Set<string>();
  const names = createNames();
  let taken = Number.NEGATIVE_INFINITY;
  let volume = 0;
  let inFlight: Promise<unknown> = Promise.resolve();

  const matchingOf = ({ jail }: RunningJail): Matching => ({
    jail: jail.name,
    filter: runnable(jail),
    findtime: jail.findtime,
    zone: jail.logtimezone,
    linecap: core.config.daemon.linecap,
    trustedproxies: jail.trustedproxies,
    names: jail.usedns === "yes" || jail.usedns === "warn",
  });

  /** A user's expressions that cannot be proven to end in time are matched elsewhere. */
  function suspiciousOf({ jail, compiled }: RunningJail): readonly number[] {
    if (!jail.filter.own || compiled === undefined) return [];
    return compiled.fail.flatMap(({ pattern, index }) => (pattern.suspicious === undefined ? [] : [index]));
  }

  function open(members: readonly RunningJail[]): Reader {
    const here = members.filter((one) => suspiciousOf(one).length === 0);
    const scanner = createScanner(
      here.flatMap((one) =>
        one.compiled === undefined
          ? []
          : [{ ...memberOf(matchingOf(one), one.compiled), settles: settlesFor(one) }],
      ),
      {
        zone: zoneOf(members[0]?.jail.logtimezone),
        linecap: core.config.daemon.linecap,
        clock: () => system.clock.monotonic(),
        gaveUp: (member, expression) => {
          // Once may be the machine; the third time puts it out of use.
          if (expression.stats.disabled !== undefined)
            core.switchedOff(here[member], expression.pattern.source);
        },
      },
    );
    const elsewhere = members
      .filter((one) => !here.includes(one))
      .map((running) => ({
        running,
        isolated: createIsolated({
          system,
          command: core.matchCommand,
          matching: matchingOf(running),
          suspicious: suspiciousOf(running),
          switchedOff: (source) => core.switchedOff(running, source),
          dropped: (chunks) =>
            core.sayOnce(
              "error",
              `[${running.jail.name}] its expressions are too slow for its log: ${chunks} pieces of it were not looked at`,
            ),
        }),
      }));
    return { scanner, members: here, elsewhere };
  }

  /** What a process of its own found, judged when it comes. */
  function judgeLater(
    running: RunningJail,
    live: boolean,
    found: Answered["found"],
    seenAt: (end: number) => Seen,
  ): void {
    const outcome = emptyOutcome();
    for (const { failure, end } of found) judge(running, failure, seenAt(end), live, outcome);
    void commit(outcome);
  }

  /** Jails that differ in time zone read with scanners of their own. */
  const grouped = (
    members: readonly RunningJail[],
    key: (one: RunningJail) => string,
  ): readonly (readonly RunningJail[])[] => [
    ...Map.groupBy(
      members.filter((one) => one.compiled !== undefined),
      key,
    ).values(),
  ];

  function takeFile(chunk: FileChunk): Outcome {
    let readers = fileScanners.get(chunk.path);
    if (readers === undefined) {
      const members = [...jails.values()].filter(
        (one) => one.origin === "file" && one.jail.logpath.some((path) => chunk.patterns.includes(path)),
      );
      for (const member of members) member.files.add(chunk.path);
      readers = grouped(members, (one) => one.jail.logtimezone ?? "").map(open);
      fileScanners.set(chunk.path, readers);
    }
    const outcome = emptyOutcome();
    const context = { live: chunk.live, now: core.now() };
    const seenAt = (end: number): Seen => ({
      source: chunk.path,
      ino: chunk.ino,
      offset: chunk.offset + end,
    });
    for (const { scanner, members, elsewhere } of readers) {
      for (const found of scanner.file(chunk.page ?? chunk.text, context)) {
        const running = members[found.member];
        if (running !== undefined) judge(running, found.failure, seenAt(found.end), chunk.live, outcome);
      }
      for (const { running, isolated } of elsewhere) {
        isolated.file(chunk.text, context, (found) => judgeLater(running, chunk.live, found, seenAt));
      }
    }
    positions.set(chunk.path, chunk.after);
    return outcome;
  }

  function takeJournald(chunk: JournaldChunk): Outcome {
    journaldReaders ??= grouped(
      [...jails.values()].filter((one) => one.origin === "journald"),
      (one) => JSON.stringify(one.jail.journalmatch),
    ).map((members) => ({ ...open(members), match: members[0]?.jail.journalmatch ?? [] }));
    const outcome = emptyOutcome();
    const context = { live: chunk.live, now: core.now() };
    for (const { scanner, members, elsewhere, match } of journaldReaders) {
      const entries = chunk.entries.filter((entry) => matchesJournal(entry, match));
      const seenAt = (end: number): Seen => ({ source: "journald", at: entries[end]?.at ?? context.now });
      for (const found of scanner.journald(entries, context)) {
        const running = members[found.member];
        if (running !== undefined) judge(running, found.failure, seenAt(found.end), chunk.live, outcome);
      }
      for (const { running, isolated } of elsewhere) {
        isolated.journald(entries, context, (found) => judgeLater(running, chunk.live, found, seenAt));
      }
    }
    positions.set("journald", chunk.after);
    return outcome;
  }

  /** A failure of who is shut out already is only counted; any other is to be judged. */
  function settlesFor(running: RunningJail): Settles {
    const { name } = running.jail;
    const failed = core.tally.failing(name);
    const known = new KnownBans();
    return (target, number, attempts, at, live) => {
      if (core.chatty || events.listening) return false;
      let due = known.due(number, core.applied);
      if (Number.isNaN(due) || (live && at >= due)) {
        const ban = running.facts.covering(name, target);
        if (ban === undefined) return false;
        due = ban.since + graceMs;
        if (live && at >= due) {
          noteStillFailing(running, ban);
          due = Number.POSITIVE_INFINITY;
        }
        known.keep(number, core.applied, due);
      }
      failed(attempts, at);
      return true;
    };
  }

  function judge(
    running: RunningJail,
    failure: Failure,
    seen: Seen | undefined,
    live: boolean,
    outcome: Outcome,
  ): void {
    const { jail } = running;
    if (failure.name !== undefined && failure.target.kind === "id") {
      void judgeByName(running, failure, failure.name);
      return;
    }
    core.tally.failed(jail.name, failure.attempts, failure.at);
    if (core.chatty || events.listening) tellFailure(running, failure);
    // What arrives now cannot have been judged before; only what is read again can.
    const decision = running.policy.failure(failure, live ? undefined : seen, running.facts);
    tellCampaigns(running);
    switch (decision.kind) {
      case "ban":
        if (running.ignoreCommand !== undefined) void askFirst(running, failure, decision);
        else
          addBan(running, decision, seen && { ...seen, key: countKey(failure.target, jail.prefix) }, outcome);
        return;
      case "none":
        if (decision.code === "banned" && live) noteBanned(running, failure);
        if (decision.code === "guarded")
          core.sayOnce(
            "warning",
            `[${jail.name}] ${failure.target.text} would be banned but never is: ${decision.reason}`,
          );
        return;
      case "unban":
        return;
    }
  }

  /** usedns: the failure is everybody's whom the name stands for. Its position in the log is not kept: after a crash it counts again. */
  async function judgeByName(running: RunningJail, failure: Failure, name: string): Promise<void> {
    const { jail } = running;
    const targets = await names.resolve(name, core.now());
    if (jail.usedns === "warn" && targets.length > 0) {
      core.sayOnce(
        "warning",
        `[${jail.name}] the log names hosts instead of addresses (${name}): whoever owns an address also owns what its name says`,
      );
    }
    const outcome = emptyOutcome();
    for (const target of targets) judge(running, { ...failure, target }, undefined, true, outcome);
    await commit(outcome);
  }

  /** ignorecommand may take its time; the ban is decided only after it has answered, by the same policy's gates. */
  async function askFirst(
    running: RunningJail,
    failure: Failure,
    decision: Extract<Decision, { kind: "ban" }>,
  ): Promise<void> {
    const key = `${running.jail.name} ${targetKey(failure.target)}`;
    if (asking.has(key) || running.ignoreCommand === undefined) return;
    asking.add(key);
    try {
      if (await running.ignoreCommand(failure, core.now())) {
        system.log.say("info", `[${running.jail.name}] Ignore ${failure.target.text} by command`);
        return;
      }
      if (
        running.state === "stopped" ||
        running.facts.covering(running.jail.name, decision.ban.target) !== undefined
      )
        return;
      const outcome = emptyOutcome();
      addBan(running, decision, undefined, outcome);
      await commit(outcome);
    } finally {
      asking.delete(key);
    }
  }

  function addBan(
    running: RunningJail,
    decision: Extract<Decision, { kind: "ban" }>,
    seen: Seen | undefined,
    outcome: Outcome,
  ): void {
    const { folds } = decision;
    const most = core.config.daemon.dbmaxmatches;
    const ban = { ...decision.ban, lines: most === 0 ? [] : decision.ban.lines.slice(-most) };
    const record: JournalRecord = seen === undefined ? { t: "ban", ban } : { t: "ban", ban, seen };
    const { target } = ban;
    const cut = running.facts.covering(ban.jail, target) === undefined;
    const fresh = cut && running.facts.previousBans(undefined, target) === 0;
    core.apply(record);
    outcome.records.push(record);
    push(outcome.bans, running, { target, cut, fresh });
    core.tally.banned(ban.jail, ban.since);
    running.ineffective.delete(targetKey(ban.target));
    outcome.told.push(() => tellBan(ban, decision.reason));
    for (const target of folds) addUnban(running, target, "folded", outcome);
    if (running.jail.backend !== "events" && ban.cause !== "import") followBan(ban, outcome);
  }

  function tellBan(ban: Ban, reason: string): void {
    system.log.say("notice", `[${ban.jail}] Ban ${ban.target.text}`, {
      for: ban.until === "forever" ? "forever" : formatDuration(Math.round((ban.until - ban.since) / 1000)),
      nth: ban.nth,
      why: reason,
    });
    core.told({ kind: "ban", at: ban.since, ban });
    events.tell({
      at: new Date(ban.since).toISOString(),
      kind: "ban",
      jail: ban.jail,
      target: ban.target.text,
      cause: ban.cause,
      nth: ban.nth,
      until: ban.until === "forever" ? "forever" : new Date(ban.until).toISOString(),
      text: `[${ban.jail}] Ban ${ban.target.text} (${reason})`,
    });
  }

  /** Repeat offenders: jails that listen to bans rather than to a log (recidive) see every new one. */
  function followBan(ban: Ban, outcome: Outcome): void {
    for (const listener of jails.values()) {
      if (listener.jail.backend !== "events" || listener.state === "stopped" || listener.state === "broken")
        continue;
      const line = `[${ban.jail}] Ban ${ban.target.text}`;
      const failure: Failure = {
        target: ban.target,
        at: ban.since,
        line,
        attempts: 1,
        regex: 0,
        ...(ban.user === undefined ? {} : { user: ban.user }),
      };
      core.tally.failed(listener.jail.name, 1, ban.since);
      const decision = listener.policy.failure(failure, undefined, listener.facts);
      tellCampaigns(listener);
      if (decision.kind === "ban")
        addBan(listener, { ...decision, ban: { ...decision.ban, cause: "recidive" } }, undefined, outcome);
    }
  }

  function addUnban(running: RunningJail, target: Target, reason: UnbanReason, outcome: Outcome): void {
    const record: JournalRecord = { t: "unban", jail: running.jail.name, target, at: core.now(), reason };
    core.apply(record);
    outcome.records.push(record);
    push(outcome.unbans, running, target);
    running.ineffective.delete(targetKey(target));
  }

  function tellFailure(running: RunningJail, failure: Failure): void {
    const at = new Date(failure.at).toISOString();
    const text = `[${running.jail.name}] Found ${failure.target.text} - ${at.slice(0, 19).replace("T", " ")}`;
    if (core.chatty) system.log.say("info", text);
    events.tell({
      at,
      kind: "failure",
      jail: running.jail.name,
      target: failure.target.text,
      ...(failure.user === undefined ? {} : { user: failure.user }),
      text,
    });
  }

  function tellCampaigns({ jail, policy }: RunningJail): void {
    for (const { text, ended } of policy.news()) {
      const now = core.now();
      const said = `[${jail.name}] ${text}${ended ? " is over" : ""}`;
      system.log.say(ended ? "notice" : "warning", said);
      events.tell({ at: new Date(now).toISOString(), kind: "campaign", jail: jail.name, ended, text: said });
      core.told({ kind: "campaign", at: now, jail: jail.name, text, ended });
    }
  }

  function noteBanned(running: RunningJail, { target }: Failure): void {
    const ban = running.facts.covering(running.jail.name, target);
    if (ban !== undefined && core.now() - ban.since >= graceMs) noteStillFailing(running, ban);
  }

  /** The ban stands in the firewall and still it goes on failing: the commonest complaint in this field, so it is noticed and named. */
  function noteStillFailing(running: RunningJail, ban: Ban): void {
    const key = targetKey(ban.target);
    if (running.ineffective.has(key)) return;
    const reason = core.whyIneffective(running, ban);
    running.ineffective.set(key, { target: ban.target, reason });
    system.log.say(
      "warning",
      `[${running.jail.name}] ${ban.target.text} goes on failing although it is banned: ${reason}`,
    );
    events.tell({
      at: new Date(core.now()).toISOString(),
      kind: "enforcement",
      jail: running.jail.name,
      target: ban.target.text,
      text: `the ban of ${ban.target.text} has no effect: ${reason}`,
    });
    core.told({
      kind: "enforcement",
      at: core.now(),
      jail: running.jail.name,
      text: `${ban.target.text} goes on failing although it is banned: ${reason}`,
      recovered: false,
    });
    void core.enforcer.verify(running.jail.name);
  }

  /** Written before done: the records are in the file before a program runs; what is told as done is on disk and in the firewall. */
  function commit(outcome: Outcome): Promise<readonly Fault[]> {
    if (outcome.records.length === 0) return Promise.resolve([]);
    const durable = core.journal.append(outcome.records);
    const enforced: Promise<Enforced>[] = [];
    for (const [running, bans] of outcome.bans) enforced.push(core.enforcer.ban(running.jail.name, bans));
    for (const [running, targets] of outcome.unbans)
      enforced.push(core.enforcer.unban(running.jail.name, targets));
    core.schedule();
    if (outcome.told.length > 0) {
      setImmediate(() => {
        for (const tell of outcome.told) tell();
      });
    }
    const all = Promise.all([durable, ...enforced]).then(([, ...answers]) =>
      answers.flatMap((answer) => answer.faults),
    );
    inFlight = Promise.allSettled([inFlight, all]);
    return all;
  }

  return {
    positions,
    take(chunk) {
      const outcome = chunk.kind === "file" ? takeFile(chunk) : takeJournald(chunk);
      core.dirty = true;
      const brought = chunk.kind === "file" ? (chunk.page ?? chunk.text).length : chunk.entries.length * 100;
      // That a log was begun is told without a line.
      if (brought > 0) taken = system.clock.monotonic();
      volume += brought;
      void commit(outcome);
    },
    addBan,
    commit,
    tellCampaigns,
    forgetScanners() {
      for (const reader of [...fileScanners.values(), journaldReaders ?? []].flat()) {
        for (const { isolated } of reader.elsewhere) isolated.close();
      }
      fileScanners.clear();
      journaldReaders = undefined;
    },
    lastTaken: () => taken,
    volume: () => volume,
    async settled() {
      await inFlight;
    },
  };
}
