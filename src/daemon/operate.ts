// An operator's wishes: ban, unban, start and stop a jail, change a setting. The same order as for failures: state and journal, then firewall.

import {
  applySetting,
  formatSetting,
  parseSetting,
  saveDaemonSetting,
  saveSetting,
  settableKeys,
} from "../config/settings.ts";
import { parsePrefix, prefixContains, targetKey } from "../core/address.ts";
import type { Ban, Jail, JailName, JournalRecord, Result, Span, Target } from "../core/domain.ts";
import { covering, jailBans } from "../core/state.ts";
import { plural, suggest } from "../core/text.ts";
import type { Level } from "../system/index.ts";
import { type LogWriter, levels } from "../system/log.ts";
import { Refusal } from "./control.ts";
import type { Core } from "./core.ts";
import { openPlace, prepare, type RunningJail, unusable } from "./jail.ts";
import { emptyOutcome, type Outcome, type Pipeline } from "./pipeline.ts";
import type { BanReport } from "./report.ts";
import { reportBan } from "./reporting.ts";
import type { Supervisor } from "./supervisor.ts";

export interface BanAnswer {
  readonly banned: readonly BanReport[];
  readonly already: readonly string[];
  readonly refused: readonly { readonly target: string; readonly reason: string }[];
}

export interface UnbanAnswer {
  readonly unbanned: readonly { readonly jail: string; readonly target: string }[];
  readonly absent: readonly string[];
  /** Who is still shut out, because a whole network around it is banned. */
  readonly covered: readonly { readonly jail: string; readonly target: string; readonly by: string }[];
}

export interface Setting {
  readonly jail: string;
  readonly key: string;
  readonly value: unknown;
  readonly text: string;
  readonly saved?: string;
}

export interface Operations {
  ban(
    jail: string,
    targets: readonly Target[],
    length: Span | undefined,
    note: string | undefined,
  ): Promise<BanAnswer>;
  unban(targets: readonly Target[] | "all", jail: string | undefined): Promise<UnbanAnswer>;
  banned(targets: readonly Target[] | undefined): {
    readonly bans: readonly BanReport[];
    readonly absent: readonly string[];
  };
  startJail(name: string): Promise<{ readonly state: string; readonly reason?: string }>;
  stopJail(name: string, unban: boolean): Promise<void>;
  getSettings(jail: string, key: string | undefined): readonly Setting[];
  setSetting(jail: string, key: string, values: readonly string[], save: boolean): Promise<Setting>;
  /** Lifts bans that the configuration or the last gate forbids by now: an address may have become ours or ignored while we were down. */
  dropForbidden(): Promise<void>;
}

/** How much the daemon says of itself; each failure is told from "info" on. */
export function setLevel(core: Core, log: LogWriter, level: Level): void {
  log.level = level;
  core.chatty = levels.indexOf(level) >= levels.indexOf("info");
}

export function createOperations(
  core: Core,
  pipeline: Pipeline,
  supervisor: Supervisor,
  log: LogWriter,
): Operations {
  const jailOf = (name: string): RunningJail => {
    const running = core.jails.get(name as JailName);
    if (running === undefined) {
      const meant = suggest(name, core.jails.keys());
      const fix = meant === undefined ? "see f2b status" : `did you mean ${meant}?`;
      throw new Refusal(404, { what: `there is no jail "${name}"`, fix });
    }
    return running;
  };

  function lift(
    running: RunningJail,
    target: Target,
    reason: "operator" | "ignored",
    outcome: Outcome,
  ): void {
    liftFrom(running.jail.name, target, reason, outcome);
    outcome.unbans.set(running, [...(outcome.unbans.get(running) ?? []), target]);
    running.ineffective.delete(targetKey(target));
  }

  function liftFrom(jail: JailName, target: Target, reason: "operator" | "ignored", outcome: Outcome): void {
    const record: JournalRecord = { t: "unban", jail, target, at: core.now(), reason };
    core.apply(record);
    outcome.records.push(record);
    core.system.log.say("notice", `[${jail}] Unban ${target.text}`, { why: reason });
    core.told({ kind: "unban", at: core.now(), jail, target, reason });
    core.events.tell({
      at: new Date(core.now()).toISOString(),
      kind: "unban",
      jail,
      target: target.text,
      text: `[${jail}] Unban ${target.text} (${reason})`,
    });
  }

  /** Bans of jails that are gone from the configuration; they last to their ends, or until somebody lifts them. */
  function liftLingering(targets: readonly Target[] | "all", jails: readonly JailName[], outcome: Outcome) {
    return jails.map((jail) => {
      const found =
        targets === "all"
          ? [...jailBans(core.state, jail)].map((ban) => ban.target)
          : targets.flatMap((target) => inside(jail, target));
      for (const target of found) liftFrom(jail, target, "operator", outcome);
      return { jail, found };
    });
  }

  /** Targets standing in the jail that are `target` or lie inside it. */
  const inside = (jail: JailName, target: Target): Target[] =>
    [...jailBans(core.state, jail)].map((ban) => ban.target).filter((one) => isInside(one, target));

  function settingOf(running: RunningJail, key: string): Setting {
    const formatted = formatSetting(running.jail, key);
    if (!formatted.ok) {
      const meant = suggest(key, settableKeys);
      throw new Refusal(404, {
        what: `a jail has no setting "${key}"`,
        fix: meant === undefined ? `settings: ${settableKeys.join(", ")}` : `did you mean ${meant}?`,
      });
    }
    return { jail: running.jail.name, ...formatted.value };
  }

  const where = () => ({ system: core.system, statedir: core.config.daemon.statedir });

  /** What is in force but could not be saved is a fault all the same. */
  function savedAt(saved: Result<string>): string {
    if (saved.ok) return saved.value;
    const [fault] = saved.faults;
    throw new Refusal(503, {
      ...fault,
      what: fault?.what ?? "the setting is in force but could not be saved",
    });
  }

  return {
    async ban(name, targets, length, note) {
      const running = jailOf(name);
      const outcome = emptyOutcome();
      const banned: Ban[] = [];
      const already: string[] = [];
      const refused: { target: string; reason: string }[] = [];
      for (const target of targets) {
        const standing = covering(core.state, running.jail.name, target);
        if (standing !== undefined && length === undefined) {
          already.push(target.text);
          continue;
        }
        const decision = running.policy.wish(target, "operator", length, note, running.facts);
        if (decision.kind !== "ban") refused.push({ target: target.text, reason: decision.reason });
        else {
          pipeline.addBan(running, decision, undefined, outcome);
          banned.push(decision.ban);
        }
      }
      const [fault] = await pipeline.commit(outcome);
      if (fault === undefined) return { banned: banned.map((one) => reportBan(core, one)), already, refused };
      // In the journal, and tried again; but nobody is to believe that it stands.
      const reason = `written down, but the firewall has not taken it yet: ${fault.what}`;
      return {
        banned: [],
        already,
        refused: [...refused, ...banned.map((one) => ({ target: one.target.text, reason }))],
      };
    },

    async unban(targets, name) {
      const gone = core.enforcer.lingering().filter((one) => name === undefined || one === name);
      const list = name === undefined ? [...core.jails.values()] : gone.length > 0 ? [] : [jailOf(name)];
      const outcome = emptyOutcome();
      const lifted = liftLingering(targets, gone, outcome);
      const unbanned: { jail: string; target: string }[] = lifted.flatMap(({ jail, found }) =>
        found.map(({ text }) => ({ jail, target: text })),
      );
      const absent: string[] = [];
      const covered: { jail: string; target: string; by: string }[] = [];
      if (targets === "all") {
        for (const running of list) {
          for (const ban of [...jailBans(core.state, running.jail.name)]) {
            lift(running, ban.target, "operator", outcome);
            unbanned.push({ jail: running.jail.name, target: ban.target.text });
          }
        }
      } else {
        for (const target of targets) {
          let found = lifted.some((one) => one.found.some((had) => isInside(had, target)));
          for (const running of list) {
            running.policy.forget(target);
            const standing = inside(running.jail.name, target);
            const around = covering(core.state, running.jail.name, target);
            if (around !== undefined && targetKey(around.target) !== targetKey(target))
              covered.push({ jail: running.jail.name, target: target.text, by: around.target.text });
            for (const one of standing) {
              lift(running, one, "operator", outcome);
              unbanned.push({ jail: running.jail.name, target: one.text });
            }
            found ||= standing.length > 0;
            if (standing.length > 0) continue;
            // Nothing to lift: but lines that are already written are forgiven all the same.
            const record: JournalRecord = {
              t: "unban",
              jail: running.jail.name,
              target,
              at: core.now(),
              reason: "operator",
            };
            core.apply(record);
            outcome.records.push(record);
          }
          if (!found) absent.push(target.text);
        }
      }
      await pipeline.commit(outcome);
      for (const { jail, found } of lifted) if (found.length > 0) await core.enforcer.unban(jail, found);
      return { unbanned, absent, covered };
    },

    banned(targets) {
      const jails = [...core.jails.keys(), ...core.enforcer.lingering()];
      if (targets === undefined) {
        return {
          bans: jails.flatMap((jail) => [...jailBans(core.state, jail)].map((ban) => reportBan(core, ban))),
          absent: [],
        };
      }
      const bans: BanReport[] = [];
      const absent: string[] = [];
      for (const target of targets) {
        const found = jails
          .map((jail) => covering(core.state, jail, target))
          .filter((ban) => ban !== undefined);
        if (found.length === 0) absent.push(target.text);
        bans.push(...found.map((ban) => reportBan(core, ban)));
      }
      return { bans, absent };
    },

    async startJail(name) {
      const running = jailOf(name);
      if (running.state === "stopped" || running.state === "broken") {
        prepare(running);
        await openPlace(core, running);
        supervisor.align();
        pipeline.forgetScanners();
      }
      return { state: running.state, ...(running.reason === undefined ? {} : { reason: running.reason }) };
    },

    async stopJail(name, unban) {
      const running = jailOf(name);
      if (unban) {
        const outcome = emptyOutcome();
        for (const ban of [...jailBans(core.state, running.jail.name)])
          lift(running, ban.target, "operator", outcome);
        await pipeline.commit(outcome);
      }
      running.state = "stopped";
      running.reason = "stopped by an operator";
      running.origin = "none";
      running.files.clear();
      running.policy.restore([], core.now());
      supervisor.align();
      pipeline.forgetScanners();
      core.system.log.say("info", `Jail '${name}' stopped`);
    },

    getSettings(name, key) {
      if (name === "daemon") {
        const level = log.level;
        if (key !== undefined && key !== "loglevel")
          throw new Refusal(404, {
            what: `of the daemon only loglevel can be asked while it runs`,
            fix: "f2b config show prints the rest",
          });
        return [{ jail: "daemon", key: "loglevel", value: level, text: level }];
      }
      const running = jailOf(name);
      return (key === undefined ? settableKeys : [key]).map((one) => settingOf(running, one));
    },

    async setSetting(name, key, words, save) {
      if (name === "daemon") {
        const level = levels.find((one) => one === words[0]?.toLowerCase());
        if (key !== "loglevel" || level === undefined)
          throw new Refusal(400, {
            what: "of the daemon only loglevel can be set while it runs",
            fix: `f2b set daemon loglevel ${levels.join("|")}`,
          });
        setLevel(core, log, level);
        const path = save ? savedAt(saveDaemonSetting(where(), key, level)) : undefined;
        return {
          jail: name,
          key,
          value: level,
          text: level,
          ...(path === undefined ? {} : { saved: path }),
        };
      }
      const running = jailOf(name);
      const parsed = parseSetting(running.jail, key, words);
      if (!parsed.ok) throw new Refusal(400, parsed.faults[0] ?? { what: `${key} cannot be set to that` });
      const applied = applySetting(running.jail, key, parsed.value);
      if (!applied.ok) throw new Refusal(400, applied.faults[0] ?? { what: `${key} cannot be set to that` });
      const fault = applied.value.filter === running.jail.filter ? undefined : unusable(applied.value);
      if (fault !== undefined) throw new Refusal(400, fault);
      await changeJail(core, pipeline, supervisor, running, applied.value);
      const now = settingOf(running, key);
      core.system.log.say("info", `[${name}] ${now.key} = ${now.text}`, { saved: String(save) });
      const path = save ? savedAt(saveSetting(where(), name, key, parsed.value)) : undefined;
      return { ...now, ...(path === undefined ? {} : { saved: path }) };
    },

    async dropForbidden() {
      const outcome = emptyOutcome();
      let dropped = 0;
      for (const running of core.jails.values()) {
        for (const ban of [...jailBans(core.state, running.jail.name)]) {
          const guarded = running.facts.guarded(ban.target);
          const ignored = ban.cause === "operator" ? undefined : running.facts.ignored(ban.target);
          if (guarded === undefined && ignored === undefined) continue;
          lift(running, ban.target, "ignored", outcome);
          dropped++;
        }
      }
      if (dropped > 0)
        core.system.log.say(
          "notice",
          `${plural(dropped, "standing ban")} lifted: ignored or never to be banned by now`,
        );
      await pipeline.commit(outcome);
    },
  };
}

/** Takes over changed settings of a jail: counters and bans stay; the firewall is touched only when its part has changed. */
export async function changeJail(
  core: Core,
  pipeline: Pipeline,
  supervisor: Supervisor,
  running: RunningJail,
  next: Jail,
): Promise<void> {
  const before = running.jail;
  const differs = (...keys: (keyof Jail)[]): boolean =>
    keys.some((key) => JSON.stringify(before[key]) !== JSON.stringify(next[key]));
  running.jail = next;
  running.policy.configure(next);
  running.retune();
  if (differs("filter", "acceptForgeable", "acceptSpoofable") || running.state === "broken") prepare(running);
  if (
    differs(
      "filter",
      "logpath",
      "backend",
      "journalmatch",
      "logtimezone",
      "findtime",
      "trustedproxies",
      "acceptForgeable",
      "acceptSpoofable",
    )
  ) {
    pipeline.forgetScanners();
  }
  if (differs("banaction", "port", "protocol", "chain", "blocktype")) await openPlace(core, running);
  supervisor.align();
}

/** Whether this target is the other one or a part of it. */
function isInside(one: Target, other: Target): boolean {
  if (other.kind !== "prefix") return targetKey(one) === targetKey(other);
  const outer = parsePrefix(other.text);
  return one.kind !== "id" && outer !== undefined && prefixContains(outer, one.text);
}
