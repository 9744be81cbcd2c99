// Many addresses that try a few times each are below every maxretry; together they are one campaign. Seen per user name (many
// addresses try the same name) or per jail. A busy morning must not look like one: people mistype their own name from their own
// address, so per jail a failure only counts when its name is tried from several addresses, or its address tries several names.
// Limit, stated: names and addresses that each appear only once cannot be told from people and are left to maxretry.

import { prefixOf } from "./address.ts";
import type { Address, CampaignPolicy, Time } from "./domain.ts";
import { detached } from "./text.ts";

export interface CampaignView {
  /** The campaign's subject is under attack now. */
  readonly active: boolean;
  /** This failure made it so. */
  readonly started: boolean;
  /** What a campaign was about that ended with this call; undefined: none did. */
  readonly ended: string | undefined;
  /** Distinct addresses (IPv6: /64 networks) and failures of the subject inside the window. */
  readonly distinct: number;
  readonly failures: number;
  /** The user name, or "" for the whole jail. */
  readonly subject: string;
}

export interface Campaign {
  /** One failure; `address` undefined (an id) and, per user, a missing name take no part. */
  observe(address: Address | undefined, user: string | undefined, at: Time): CampaignView;
  /** Lets time pass; `ended` names what was under attack and is no more, joined by ", ". */
  tick(now: Time): { readonly ended: string | undefined };
  /** The clock was set by `delta` ms: what is remembered moves along. */
  shift(delta: number): void;
  /** What is under attack now, for people: "user root", "all users"; undefined: nothing. */
  subject(): string | undefined;
  /** Failures remembered; bounded. */
  readonly size: number;
}

interface Attempt {
  readonly at: Time;
  readonly user: Group | undefined;
  readonly from: Origin;
}

/** A user name with the addresses that tried it. */
interface Group {
  readonly name: string;
  readonly origins: Map<Origin, number>;
  failures: number;
  active: boolean;
}

/** An address (or /64) with the names it tried. */
interface Origin {
  readonly key: string;
  readonly groups: Map<Group, number>;
  failures: number;
  /** Failures without any name. */
  nameless: number;
  /** Names it tried that others tried as well. */
  shared: number;
}

const longestName = 64;
const defaultMaxAttempts = 100_000;
/** From so many on, a name tried from several places (or a place trying several names) is nobody's own typo. */
const several = 3;

const outside: CampaignView = {
  active: false,
  started: false,
  ended: undefined,
  distinct: 0,
  failures: 0,
  subject: "",
};

/** `maxAttempts` bounds memory: beyond it the oldest failures are forgotten before their time. */
export function createCampaign(policy: CampaignPolicy, maxAttempts = defaultMaxAttempts): Campaign {
  const windowMs = policy.window * 1000;
  // Hysteresis: a campaign lasts until half of what began it is gone, so that it does not flap.
  const lasting = Math.max(1, Math.ceil(policy.addresses / 2));
  const groups = new Map<string, Group>();
  const origins = new Map<string, Origin>();
  const activeGroups = new Set<Group>();
  /** Per jail: what counts as part of a campaign. */
  const jail = { distinct: 0, failures: 0, active: false };
  let queue: Attempt[] = [];
  let head = 0;
  let latest = Number.NEGATIVE_INFINITY;

  const counts = (origin: Origin): boolean =>
    origin.shared > 0 || origin.groups.size >= several || origin.nameless > 0;

  /** Changes an origin and carries over into the jail's sums what that means. */
  function change(origin: Origin, by: () => void): void {
    if (counts(origin)) {
      jail.distinct--;
      jail.failures -= origin.failures;
    }
    by();
    if (counts(origin)) {
      jail.distinct++;
      jail.failures += origin.failures;
    }
  }

  function shareWithAll(group: Group, step: 1 | -1): void {
    for (const other of group.origins.keys())
      change(other, () => {
        other.shared += step;
      });
  }

  function add(attempt: Attempt): void {
    const { from, user } = attempt;
    change(from, () => {
      from.failures++;
      if (user === undefined) from.nameless++;
      else from.groups.set(user, (from.groups.get(user) ?? 0) + 1);
    });
    if (user === undefined) return;
    user.failures++;
    const before = user.origins.get(from) ?? 0;
    user.origins.set(from, before + 1);
    if (before > 0) return;
    if (user.origins.size === several) shareWithAll(user, 1);
    else if (user.origins.size > several)
      change(from, () => {
        from.shared++;
      });
  }

  function removeAttempt({ from, user }: Attempt): void {
    if (user !== undefined) {
      user.failures--;
      const left = (user.origins.get(from) ?? 1) - 1;
      if (left > 0) user.origins.set(from, left);
      else {
        const size = user.origins.size;
        if (size === several) shareWithAll(user, -1);
        else if (size > several)
          change(from, () => {
            from.shared--;
          });
        user.origins.delete(from);
      }
      if (user.failures === 0 && !user.active) groups.delete(user.name);
    }
    change(from, () => {
      from.failures--;
      if (user === undefined) from.nameless--;
      else {
        const left = (from.groups.get(user) ?? 1) - 1;
        if (left > 0) from.groups.set(user, left);
        else from.groups.delete(user);
      }
    });
    if (from.failures === 0) origins.delete(from.key);
  }

  /** Forgets what left the window, and what is more than memory allows. */
  function slide(now: Time): void {
    latest = Math.max(latest, now);
    const from = latest - windowMs;
    while (head < queue.length && (queue[head]!.at < from || queue.length - head > maxAttempts))
      removeAttempt(queue[head++]!);
    if (head > 1024 && head * 2 > queue.length) {
      queue = queue.slice(head);
      head = 0;
    }
  }

  function settle(): string | undefined {
    const over: string[] = [];
    for (const group of activeGroups) {
      if (group.origins.size >= lasting) continue;
      group.active = false;
      activeGroups.delete(group);
      if (group.failures === 0) groups.delete(group.name);
      over.push(describe(group.name));
    }
    if (jail.active && jail.distinct < lasting) {
      jail.active = false;
      over.push(describe(undefined));
    }
    return over.length === 0 ? undefined : over.join(", ");
  }

  const reached = (distinct: number, failures: number): boolean =>
    distinct >= policy.addresses && failures >= policy.failures;

  return {
    observe(address, user, at) {
      // Backlog of another file, older than the window: too late to tell anything.
      if (at < latest - windowMs) return outside;
      slide(at);
      const ended = settle();
      const name = user === undefined || user === "" ? undefined : user.slice(0, longestName).toLowerCase();
      if (address === undefined || (policy.per === "user" && name === undefined))
        return { ...outside, ended };
      const group = name === undefined ? undefined : groupOf(name);
      // Times out of order count as the latest, which keeps the queue sorted; the window is minutes, the disorder seconds.
      const attempt: Attempt = {
        at: Math.max(at, latest),
        user: group,
        from: originOf(prefixOf(address, 64)),
      };
      queue.push(attempt);
      add(attempt);
      if (group === undefined || policy.per === "jail") {
        const started = !jail.active && reached(jail.distinct, jail.failures);
        jail.active ||= started;
        return { active: jail.active && counts(attempt.from), started, ended, ...sums(), subject: "" };
      }
      const started = !group.active && reached(group.origins.size, group.failures);
      if (started) {
        group.active = true;
        activeGroups.add(group);
      }
      const { failures } = group;
      return {
        active: group.active,
        started,
        ended,
        distinct: group.origins.size,
        failures,
        subject: group.name,
      };
    },
    shift(delta) {
      queue = queue.slice(head).map((attempt) => ({ ...attempt, at: attempt.at + delta }));
      head = 0;
      latest += delta;
    },

    tick(now) {
      // The clock was set back: what lies in the future would never leave the window.
      if (now < latest - windowMs) {
        for (; head < queue.length; head++) removeAttempt(queue[head]!);
        latest = now;
      }
      slide(now);
      return { ended: settle() };
    },
    subject() {
      const names = [...activeGroups].map((group) => describe(group.name));
      if (jail.active) names.push(describe(undefined));
      return names.length === 0 ? undefined : names.join(", ");
    },
    get size() {
      return queue.length - head;
    },
  };

  function sums() {
    return { distinct: jail.distinct, failures: jail.failures };
  }

  function groupOf(name: string): Group {
    const known = groups.get(name);
    if (known) return known;
    const group: Group = { name: detached(name), origins: new Map(), failures: 0, active: false };
    groups.set(group.name, group);
    return group;
  }

  function originOf(key: string): Origin {
    const known = origins.get(key);
    if (known) return known;
    const origin: Origin = { key: detached(key), groups: new Map(), failures: 0, nameless: 0, shared: 0 };
    origins.set(origin.key, origin);
    return origin;
  }
}

const describe = (user: string | undefined): string => (user === undefined ? "all users" : `user ${user}`);
