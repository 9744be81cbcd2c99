// The running daemon → the plain shapes of report.ts.

import { targetKey } from "../core/address.ts";
import type { Ban, JailName } from "../core/domain.ts";
import { jailBans } from "../core/state.ts";
import { findFiles } from "../source/glob.ts";
import type { Core } from "./core.ts";
import type { RunningJail } from "./jail.ts";
import { type BanReport, iso, type JailReport } from "./report.ts";

export function reportBan(core: Core, ban: Ban): BanReport {
  const running = core.jails.get(ban.jail);
  const ineffective = running?.ineffective.get(targetKey(ban.target))?.reason;
  return {
    jail: ban.jail,
    target: ban.target.text,
    since: iso(ban.since),
    until: ban.until === "forever" ? "forever" : iso(ban.until),
    left: ban.until === "forever" ? "forever" : Math.max(0, (ban.until - core.now()) / 1000),
    nth: ban.nth,
    cause: ban.cause,
    failures: ban.failures,
    ...(ban.user === undefined ? {} : { user: ban.user }),
    ...(ban.note === undefined ? {} : { note: ban.note }),
    lines: ban.lines,
    ...(ineffective === undefined ? {} : { ineffective }),
  };
}

const endOf = (ban: Ban): number => (ban.until === "forever" ? Number.POSITIVE_INFINITY : ban.until);

/** What a firewall has refused, with what it said: nowhere else would an operator look for it. */
export const problemsOf = (core: Core, jail: JailName): string[] =>
  core.enforcer
    .problems(jail)
    .map(
      ({ banaction, fault }) =>
        `${banaction}: ${fault.what}${fault.why === undefined ? "" : `: ${fault.why}`}`,
    );

/** What is read, and what is watched though nothing has come from it since the start. */
export function filesOf({ system }: Core, { jail, origin, files }: RunningJail): string[] {
  const found = origin === "file" ? findFiles(system, jail.logpath).map((one) => one.path) : [];
  return [...new Set([...files, ...found])].sort();
}

/** `whole`: with the banned list, soonest to end first. */
export async function describeJail(core: Core, running: RunningJail, whole: boolean): Promise<JailReport> {
  const { jail, policy } = running;
  const totals = core.tally.of(jail.name);
  const bans = [...jailBans(core.state, jail.name)];
  const drops = whole ? await core.enforcer.drops(jail.name) : undefined;
  const campaign = policy.campaign();
  return {
    name: jail.name,
    summary: jail.summary,
    state: running.state,
    ...(running.reason === undefined ? {} : { reason: running.reason }),
    ...(running.fix === undefined ? {} : { fix: running.fix }),
    backend: running.origin === "none" ? jail.backend : running.origin,
    files: filesOf(core, running),
    journalmatch: running.origin === "journald" ? jail.journalmatch : [],
    failed: { now: policy.counting, total: totals.failed },
    banned: { now: bans.length, total: totals.banned },
    ...(drops === undefined ? {} : { packets: drops.packets }),
    ...(campaign === undefined ? {} : { campaign }),
    banactions: jail.banaction.map((use) => use.name),
    problems: [
      ...problemsOf(core, jail.name),
      ...[...running.slow].map(
        (one) =>
          `this expression is too slow and was switched off: ${one}  (anchor it and repeat nothing that repeats; see f2b doctor)`,
      ),
    ],
    ineffective: [...running.ineffective.values()].map((one) => ({
      target: one.target.text,
      reason: one.reason,
    })),
    ...(whole ? { bans: bans.sort((a, b) => endOf(a) - endOf(b)).map((ban) => reportBan(core, ban)) } : {}),
  };
}
