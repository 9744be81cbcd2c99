// Brings firewalls to the wanted state and keeps them there. Level-triggered: a call says "look at these targets", what should
// stand is asked of the state at the moment of acting, so retries, bursts and crashes all take the same way. A batch counts as
// done when its interpreter has acknowledged it and the acknowledgement was read back; what failed is retried with growing
// pauses and told. One banaction failing holds up no other.

import type { Fault, Jail, JailName, Target, Time, Use } from "../core/domain.ts";
import type { BanAction, Drops, Standing } from "../banaction/index.ts";
import type { System } from "../system/index.ts";

/** What the enforcer must know of a jail: a Jail is one. */
export type EnforcedJail = Pick<Jail, "name" | "port" | "protocol" | "chain" | "blocktype"> & {
  /** Names already resolved ("auto" is chosen before, see banaction/choose.ts) and options already parsed. */
  readonly banaction: readonly Use[];
};

/** The state, as far as firewalls need it. Asked when acting, not when called: the state must already say so before ban/unban. */
export interface Wanted {
  /** Bans that should stand in this jail now. */
  standing(jail: JailName): Iterable<Standing>;
  /** The ban that should stand on exactly this target in this jail. */
  find(jail: JailName, target: Target): Standing | undefined;
}

export interface EnforcerOptions {
  readonly system: System;
  readonly wanted: Wanted;
  /** The last gate (core/guard.ts): reason why this target must never reach a firewall. */
  readonly guard?: (target: Target) => string | undefined;
  /** Something failed or, with `recovered`, works again. Told once per change, not per attempt. */
  readonly onProblem?: (problem: Problem, recovered: boolean) => void;
  /** Somebody else damaged our part of the firewall and it has been restored. */
  readonly onRepaired?: (repair: Repair) => void;
  /** Registry, so that tests may bring their own members. */
  readonly banactions?: Readonly<Record<string, BanAction>>;
}

export interface Problem {
  readonly jail: JailName;
  readonly banaction: string;
  readonly fault: Fault;
  readonly since: Time;
  readonly attempts: number;
  /** When it will be tried again. */
  readonly next: Time | undefined;
}

export interface Repair {
  readonly jail: JailName;
  readonly banaction: string;
  readonly reason: string;
  readonly added: number;
  readonly removed: number;
  /** Milliseconds from noticing to repaired. */
  readonly took: number;
}

/** `faults` is empty when every banaction of the jail has acknowledged; what failed goes on being retried. */
export interface Enforced {
  readonly faults: readonly Fault[];
  /** Targets the last gate refused. */
  readonly refused: readonly { readonly target: Target; readonly reason: string }[];
}

export interface Enforcer {
  /**
   * Makes the jail's place in each of its banactions and applies only the difference between what stands there and what should.
   * Again with other settings: the new place is made before the old one goes. Never leaves a standing ban open.
   */
  start(jail: EnforcedJail): Promise<Enforced>;
  /** Looks at these targets: shuts out those that should stand. Resolves when acknowledged or failed; never rejects. */
  ban(jail: JailName, bans: readonly Standing[]): Promise<Enforced>;
  /** Looks at these targets: lets go those that should not stand (kept where another jail holds a shared one). */
  unban(jail: JailName, targets: readonly Target[]): Promise<Enforced>;
  /** "remove" takes away the jail's place with all its bans; "keep" leaves the firewall as it is and only forgets the jail. */
  stop(jail: JailName, how: "remove" | "keep"): Promise<Enforced>;
  /** Reads what stands and brings it to what should; all jails when none is named. */
  verify(jail?: JailName): Promise<Enforced>;
  /** What does not work at the moment. */
  problems(jail?: JailName): readonly Problem[];
  /** Packets and bytes the jail's banactions have dropped, where they count; asks the firewall. */
  drops(jail: JailName): Promise<Drops | undefined>;
  /** Waits for what is under way (at most `withinMs`), then ends the children; the firewall stays as it is. */
  close(withinMs: number): Promise<void>;
}
