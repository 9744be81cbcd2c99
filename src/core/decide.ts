// The policy, readable on one screen: a failure (or an operator's wish) and what is known → a decision with its reason.
// One Policy a jail; it owns that jail's window and campaign. What it may know of the rest of the world comes in as Facts.

import { banLength } from "./bantime.ts";
import { type CampaignView, createCampaign } from "./campaign.ts";
import type {
  Address,
  Ban,
  BanCause,
  CampaignPolicy,
  Decision,
  Failure,
  Jail,
  JailName,
  NoneCode,
  Seen,
  Span,
  Target,
  Time,
  WindowSnapshot,
} from "./domain.ts";
import { formatDuration } from "./duration.ts";
import { countKey, escalate, type Members } from "./prefixes.ts";
import { visible } from "./text.ts";
import { createWindow } from "./window.ts";

export interface Facts {
  readonly now: Time;
  /** The standing ban that covers the target in this jail: its own, or that of a prefix it lies in. */
  covering(jail: JailName, target: Target): Ban | undefined;
  /** Targets standing in this jail, for the prefix ladder. */
  standing(jail: JailName): Members;
  previousBans(jail: JailName | undefined, target: Target): number;
  /** True when this failure was judged before a restart (see Seen) or lies before an operator's unban. */
  judged(jail: JailName, target: Target, at: Time, seen: Seen | undefined): boolean;
  /** ignoreip, ignoreself: reason not to count this target. */
  ignored(target: Target): string | undefined;
  /** The last gate (core/guard.ts): reason why this must never be banned. */
  guarded(target: Target): string | undefined;
  /** In [0, 1), for rndtime. */
  random(): number;
}

/** What it is about, without the jail's name; of an ended one its subject only. */
export interface CampaignNews {
  readonly text: string;
  readonly ended: boolean;
}

export interface Policy {
  failure(failure: Failure, seen: Seen | undefined, facts: Facts): Decision;
  /** A ban by hand, by recidive or by import: no counting, but the same gates. `length` undefined: as the jail would. */
  wish(
    target: Target,
    cause: BanCause,
    length: Span | undefined,
    note: string | undefined,
    facts: Facts,
  ): Decision;
  /** Failures counted for this target inside findtime. */
  count(target: Target, now: Time): number;
  forget(target: Target): void;
  /** Lets old failures and ended campaigns go. */
  tick(now: Time): void;
  /** Campaigns that began or ended since this was last asked, in order: what people want to be told. */
  news(): readonly CampaignNews[];
  /** What the campaign in progress is about; undefined: none. */
  campaign(): string | undefined;
  /** Distinct keys with failures inside findtime. */
  readonly counting: number;
  readonly evicted: number;
  snapshot(): WindowSnapshot[];
  restore(windows: readonly WindowSnapshot[], now: Time): void;
  /** The clock was set by `delta` ms: failures counted so far are as long ago as they were. */
  shift(delta: number): void;
  /** Takes over changed settings; counters stay. */
  configure(jail: Jail): void;
}

const none = (code: NoneCode, reason: string): Decision => ({ kind: "none", code, reason });

export function createPolicy(initial: Jail, limits: { readonly maxKeys: number }): Policy {
  let jail = initial;
  const window = createWindow({ ...windowSettings(jail), maxKeys: limits.maxKeys });
  let campaign = jail.campaign === undefined ? undefined : createCampaign(jail.campaign);

  let news: CampaignNews[] = [];

  function began({ distinct, failures, subject }: CampaignView, policy: CampaignPolicy): void {
    const whom = subject === "" ? "all users" : `user ${visible(subject)}`;
    const text = `a campaign against ${whom}: ${distinct} addresses failed ${failures} times within ${formatDuration(policy.window)}; while it lasts addresses are banned at failure ${Math.min(policy.maxretry, jail.maxretry)}`;
    news.push({ text, ended: false });
  }

  function over(ended: string | undefined): void {
    if (ended !== undefined) news.push({ text: `the campaign against ${visible(ended)}`, ended: true });
  }

  function gate(target: Target, facts: Facts): Decision | undefined {
    const ignored = facts.ignored(target);
    if (ignored !== undefined) return none("ignored", ignored);
    const guarded = facts.guarded(target);
    if (guarded !== undefined) return none("guarded", guarded);
    return undefined;
  }

  function ban(
    target: Target,
    cause: BanCause,
    length: Span | undefined,
    facts: Facts,
    more: Partial<Ban>,
    reason: string,
  ): Decision {
    const previous = facts.previousBans(jail.bantime.overalljails ? undefined : jail.name, target);
    const span = length ?? banLength(jail.bantime, previous, facts.random());
    // An operator names exactly whom he means.
    const wide =
      cause === "operator" || cause === "import"
        ? undefined
        : escalate(jail.prefix, facts.standing(jail.name), target);
    const chosen = wide !== undefined && gate(wide.prefix, facts) === undefined ? wide : undefined;
    return {
      kind: "ban",
      ban: {
        jail: jail.name,
        target: chosen?.prefix ?? target,
        since: facts.now,
        until: span === "forever" ? "forever" : facts.now + span * 1000,
        nth: previous + 1,
        cause: chosen === undefined ? cause : "prefix",
        failures: more.failures ?? 0,
        lines: more.lines ?? [],
        ...(more.user === undefined ? {} : { user: more.user }),
        ...(more.note === undefined ? {} : { note: more.note }),
      },
      folds: chosen?.folds ?? [],
      reason: chosen === undefined ? reason : `${reason}; ${chosen.reason}`,
    };
  }

  return {
    failure(failure, seen, facts) {
      const { target } = failure;
      // The cheapest and commonest first: in a flood most failures are those of the banned.
      const standing = facts.covering(jail.name, target);
      if (standing !== undefined) return none("banned", `already banned as ${standing.target.text}`);
      if (facts.judged(jail.name, target, failure.at, seen))
        return none("judged", "already judged before the restart");
      const gated = gate(target, facts);
      if (gated !== undefined) return gated;
      if (failure.at < facts.now - jail.findtime * 1000) return none("stale", "older than findtime");

      const storm = campaign?.observe(addressOf(target), failure.user, failure.at);
      over(storm?.ended);
      if (storm?.started === true && jail.campaign !== undefined) began(storm, jail.campaign);
      const limit =
        storm?.active === true && jail.campaign !== undefined
          ? Math.min(jail.maxretry, jail.campaign.maxretry)
          : jail.maxretry;
      const key = countKey(target, jail.prefix);
      const { count } = window.hit(key, failure.at, failure.attempts, failure.line, failure.user);
      const neighbour =
        count < limit ? escalate(jail.prefix, facts.standing(jail.name), target, "failure") : undefined;
      if (count < limit && neighbour === undefined) {
        return none("below", `${count} of ${limit} failures within findtime`);
      }
      const { lines, user } = window.take(key);
      const cause: BanCause =
        storm?.active === true && count < jail.maxretry && neighbour === undefined ? "campaign" : "failures";
      const more = { failures: count, lines, ...(user === undefined ? {} : { user }) };
      return ban(target, cause, undefined, facts, more, `${count} of ${limit} failures within findtime`);
    },

    wish(target, cause, length, note, facts) {
      // An operator may ban what the jail ignores, never what the last gate refuses.
      const ignored = cause === "operator" ? undefined : facts.ignored(target);
      if (ignored !== undefined) return none("ignored", ignored);
      const guarded = facts.guarded(target);
      if (guarded !== undefined) return none("guarded", guarded);
      window.forget(countKey(target, jail.prefix));
      return ban(target, cause, length, facts, note === undefined ? {} : { note }, note ?? cause);
    },

    count: (target, now) => window.count(countKey(target, jail.prefix), now),
    forget: (target) => window.forget(countKey(target, jail.prefix)),
    tick(now) {
      window.expire(now);
      over(campaign?.tick(now).ended);
    },
    news() {
      const told = news;
      if (told.length > 0) news = [];
      return told;
    },
    campaign: () => campaign?.subject(),
    get counting() {
      return window.size;
    },
    get evicted() {
      return window.evicted;
    },
    snapshot: () => window.snapshot(),
    restore: (windows, now) => window.restore(windows, now),
    shift(delta) {
      window.shift(delta);
      campaign?.shift(delta);
    },
    configure(next) {
      const changed = JSON.stringify(next.campaign) !== JSON.stringify(jail.campaign);
      jail = next;
      window.configure(windowSettings(next));
      if (changed) campaign = next.campaign === undefined ? undefined : createCampaign(next.campaign);
    },
  };
}

function windowSettings(jail: Jail) {
  return { findtimeMs: jail.findtime * 1000, maxretry: jail.maxretry, maxmatches: jail.maxmatches };
}

const addressOf = (target: Target): Address | undefined =>
  target.kind === "address" ? target.text : undefined;
