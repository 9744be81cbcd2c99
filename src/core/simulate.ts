// What would have been banned: failures in the order of their time through the same policies and the same state as the daemon's, with the
// clock turned by the failures themselves. Nothing outside is touched.

import { targetKey } from "./address.ts";
import { createPolicy, type Facts, type Policy } from "./decide.ts";
import type { Ban, Decision, Failure, Jail, JailName, Target, Time } from "./domain.ts";
import { apply, covering, createState, dueForUnban, previousBans, type State, standing } from "./state.ts";

export interface SimulatedFailure {
  readonly jail: JailName;
  readonly failure: Failure;
}

export interface SimulatedJail {
  readonly jail: Jail;
  readonly ignored: (target: Target) => string | undefined;
}

export interface Simulation {
  /** Every ban in the order of its time. */
  readonly bans: readonly Ban[];
  /** Targets that would have been banned but are ignored or guarded, with the reason. */
  readonly spared: ReadonlyMap<string, string>;
  readonly failures: ReadonlyMap<string, number>;
  /** Distinct targets that failed, by jail. */
  readonly offenders: ReadonlyMap<string, number>;
}

export interface SimulationOptions {
  /** The last gate: reason why a target is never banned. */
  readonly guarded: (target: Target) => string | undefined;
  /** In [0, 1); a constant keeps two simulations comparable. */
  readonly random: () => number;
}

/** `failures` sorted by time. Those ignored are counted without a ban: they are what one wants to see before one relies on the list. */
export function simulate(
  jails: readonly SimulatedJail[],
  failures: Iterable<SimulatedFailure>,
  options: SimulationOptions,
): Simulation {
  const state = createState();
  const clock = { now: 0 };
  const running = new Map(
    jails.map((one) => [
      one.jail.name,
      {
        ...one,
        policy: open(one.jail),
        facts: factsFor(
          state,
          clock,
          () => undefined,
          () => undefined,
          options.random,
        ),
      },
    ]),
  );
  const bans: Ban[] = [];
  const spared = new Map<string, string>();
  const counts = new Map<string, number>();
  const seen = new Map<string, Set<string>>();

  function enter(jail: Jail, decision: Decision, followed: boolean): void {
    if (decision.kind !== "ban") return;
    const { ban, folds } = decision;
    apply(state, { t: "ban", ban });
    for (const target of folds)
      apply(state, { t: "unban", jail: jail.name, target, at: clock.now, reason: "folded" });
    bans.push(ban);
    if (!followed) return;
    for (const listener of running.values()) {
      if (listener.jail.backend !== "events" || listener.jail.name === jail.name) continue;
      const failure: Failure = {
        target: ban.target,
        at: ban.since,
        line: `[${ban.jail}] Ban ${ban.target.text}`,
        attempts: 1,
        regex: 0,
      };
      const again = listener.policy.failure(failure, undefined, listener.facts);
      if (again.kind === "ban")
        enter(listener.jail, { ...again, ban: { ...again.ban, cause: "recidive" } }, false);
    }
  }

  for (const { jail: name, failure } of failures) {
    const one = running.get(name);
    if (one === undefined) continue;
    clock.now = Math.max(clock.now, failure.at);
    for (const ban of dueForUnban(state, clock.now))
      apply(state, { t: "unban", jail: ban.jail, target: ban.target, at: clock.now, reason: "expired" });
    counts.set(name, (counts.get(name) ?? 0) + failure.attempts);
    const targets = seen.get(name) ?? new Set();
    seen.set(name, targets.add(targetKey(failure.target)));
    const decision = one.policy.failure(failure, undefined, one.facts);
    if (decision.kind !== "ban") continue;
    const reason = one.ignored(decision.ban.target) ?? options.guarded(decision.ban.target);
    if (reason === undefined) enter(one.jail, decision, true);
    else spared.set(targetKey(decision.ban.target), reason);
  }
  return {
    bans,
    spared,
    failures: counts,
    offenders: new Map([...seen].map(([name, targets]) => [name, targets.size])),
  };
}

const open = (jail: Jail): Policy => createPolicy(jail, { maxKeys: 1_000_000 });

function factsFor(
  state: State,
  clock: { now: Time },
  ignored: Facts["ignored"],
  guarded: Facts["guarded"],
  random: () => number,
): Facts {
  return {
    get now() {
      return clock.now;
    },
    covering: (jail, target) => covering(state, jail, target),
    standing: (jail) => standing(state, jail),
    previousBans: (jail, target) => previousBans(state, target, jail),
    judged: () => false,
    ignored,
    guarded,
    random,
  };
}
