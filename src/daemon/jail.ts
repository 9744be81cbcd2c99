// One jail as it runs: its settings, its policy with counters, where its lines come from, and what is wrong with it.

import { banactions } from "../banaction/index.ts";
import { createPolicy, type Facts, type Policy } from "../core/decide.ts";
import type { Ban, Failure, Fault, Filter, Jail, JailName, Seen, Target, Time } from "../core/domain.ts";
import { type CompiledFilter, compileFilter, withoutForgeable } from "../core/filter.ts";
import { guardReason, type Machine } from "../core/guard.ts";
import { createPrefixSet } from "../core/prefixset.ts";
import type { State } from "../core/state.ts";
import * as stateful from "../core/state.ts";
import type { System } from "../system/index.ts";
import type { Core } from "./core.ts";
import type { Enforced } from "./enforcer.ts";
import { createIgnoreCommand, createIgnored, type Ignored } from "./ignored.ts";
import type { Answers } from "./lane.ts";
import type { MachineAddresses } from "./machine.ts";
import { createSearchbots } from "./searchbots.ts";

export type JailState = "running" | "waiting" | "broken" | "stopped";

/** A ban that stands and yet has no effect. */
export interface Ineffective {
  readonly target: Target;
  readonly reason: string;
}

export interface RunningJail {
  jail: Jail;
  readonly policy: Policy;
  compiled: CompiledFilter | undefined;
  ignored: Ignored;
  ignoreCommand: ((failure: Failure, now: number) => Promise<boolean>) | undefined;
  state: JailState;
  reason: string | undefined;
  fix: string | undefined;
  /** Where lines come from now; "none" while nothing is there yet. */
  origin: "file" | "journald" | "events" | "none";
  readonly files: Set<string>;
  readonly facts: Facts;
  /** Makes anew what hangs on the settings beside policy and filter: ignore rules. */
  retune(): void;
  /** Expressions that were switched off because they took too long. */
  readonly slow: Set<string>;
  /** None of its banactions has its programs. */
  lacking: boolean;
  /** Its logs are there, and none of them can be read. */
  unreadable: boolean;
  /** Standing bans whose target went on failing. */
  readonly ineffective: Map<string, Ineffective>;
}

/** What all jails share. */
export interface Shared {
  readonly system: System;
  readonly state: State;
  now(): Time;
  /** The last gate's sets, refreshed as the machine's addresses change. */
  guard(): Machine;
  readonly maxKeys: number;
  /** False: [daemon] allowipv6 = "no". */
  allowsV6(): boolean;
}

/** The last gate's sets, from what the machine says of itself and what the configuration adds. */
export function guardOf(
  machine: MachineAddresses,
  lists: Pick<Machine, "emergency" | "trustedProxies" | "unguarded">,
): Machine {
  return {
    own: createPrefixSet(machine.own),
    gateways: createPrefixSet(machine.gateways),
    resolvers: createPrefixSet(machine.resolvers),
    sessions: createPrefixSet(machine.sessions),
    ...lists,
  };
}

/** Who is asked before a ban: the DNS, or the program that ignorecommand names. */
const excuse = (system: System, jail: Jail): RunningJail["ignoreCommand"] =>
  createSearchbots(system, jail) ?? createIgnoreCommand(system, jail);

/** A jail whose filter is still to be compiled, by `prepare`. */
export function openJail(jail: Jail, shared: Shared): RunningJail {
  let facts: Facts | undefined;
  const running: RunningJail = {
    jail,
    policy: createPolicy(jail, { maxKeys: shared.maxKeys }),
    compiled: undefined,
    ignored: createIgnored(shared.system, jail.ignore, () => shared.guard().own),
    ignoreCommand: excuse(shared.system, jail),
    state: "waiting",
    reason: undefined,
    fix: undefined,
    origin: "none",
    files: new Set(),
    get facts() {
      facts ??= factsFor(running, shared);
      return facts;
    },
    retune() {
      running.ignored = createIgnored(shared.system, running.jail.ignore, () => shared.guard().own);
      running.ignoreCommand = excuse(shared.system, running.jail);
    },
    slow: new Set(),
    lacking: false,
    unreadable: false,
    ineffective: new Map(),
  };
  return running;
}

/** Compiles the filter; whatever is faulty in the jail becomes its state, never an exception. */
export function prepare(running: RunningJail): void {
  running.compiled = undefined;
  running.unreadable = false;
  running.slow.clear();
  const unfit = unfitness(running.jail);
  const compiled = compileFilter(runnable(running.jail));
  const fault = unfit ?? (compiled.ok ? undefined : faultOf(compiled));
  if (compiled.ok && fault === undefined) running.compiled = compiled.value;
  running.state = fault === undefined ? "waiting" : "broken";
  running.reason = fault?.what;
  running.fix = fault?.fix;
}

/** Why the jail's filter cannot be compiled. */
export function unusable(jail: Jail): Fault | undefined {
  const compiled = compileFilter(runnable(jail));
  return compiled.ok ? undefined : faultOf(compiled);
}

const faultOf = ({ faults }: { readonly faults: readonly Fault[] }): Fault =>
  faults[0] ?? { what: "the filter is not usable" };

/** The jail's filter as it runs: forms of lines that strangers can write whole are left out unless they are accepted. */
export const runnable = ({ filter, acceptForgeable }: Jail): Filter =>
  acceptForgeable ? filter : (withoutForgeable(filter) ?? filter);

/** A log that strangers can write into counts only for who has accepted it. */
function unfitness({ name, filter, backend, acceptForgeable, acceptSpoofable }: Jail): Fault | undefined {
  if (backend === "events") return undefined;
  const accept = (key: string): string =>
    `set ${key} = true in [jails.${name}] if you accept that strangers can get others banned`;
  const reason = filter.forgeable ?? Object.values(filter.forgeableFormats ?? {})[0] ?? "";
  if (!acceptForgeable && withoutForgeable(filter) === undefined) {
    return {
      what: `records in this log can be forged: ${reason}`,
      fix: accept("accept_forgeable"),
    };
  }
  if (filter.spoofable !== undefined && !acceptSpoofable) {
    return {
      what: `addresses in this log can be spoofed: ${filter.spoofable}`,
      fix: accept("accept_spoofable"),
    };
  }
  return undefined;
}

/** Whether none of the jail's banactions has the programs it needs. */
const isLacking = (core: Core, { banaction }: Jail): boolean =>
  banaction.length > 0 && banaction.every((use) => missingPrograms(core, use.name).length > 0);

/**
 * Begins to make the jails' places in the firewall; `openPlace` waits for it. What stands is read once for all jails. Resolves when that
 * has been read and the firewall's programs are at work: while they are there is time to compile filters.
 */
export async function beginPlaces(
  core: Core,
  all: Iterable<RunningJail>,
): Promise<ReadonlyMap<RunningJail, Promise<Enforced>>> {
  const answers: Answers = new Map();
  const begun = new Map<RunningJail, Promise<Enforced>>();
  for (const running of all)
    if (!isLacking(core, running.jail)) begun.set(running, core.enforcer.start(running.jail, answers));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  await turn();
  await Promise.allSettled(answers.values());
  await turn();
  return begun;
}

/** Makes the jail's place in the firewall, or brings it into line with changed settings. Without any of its programs it is broken. */
export async function openPlace(core: Core, running: RunningJail, begun?: Promise<Enforced>): Promise<void> {
  const { jail } = running;
  const lacking = jail.banaction.flatMap((use) => missingPrograms(core, use.name));
  running.lacking = isLacking(core, jail);
  if (running.lacking && running.state !== "stopped") {
    running.state = "broken";
    running.unreadable = false;
    running.reason = `${jail.banaction.map((use) => use.name).join(", ")} cannot work: ${[...new Set(lacking)].join(", ")} is not installed`;
    running.fix = 'install it, or set banaction = "auto"; it is looked for again by itself';
    core.system.log.say("error", `[${jail.name}] broken: ${running.reason}`, { fix: running.fix });
    return;
  }
  const { faults } = await (begun ?? core.enforcer.start(jail));
  for (const fault of faults) core.system.log.say("error", `[${jail.name}] ${fault.what}`);
}

/** A jail that lacked its programs comes to life when they are there. */
export async function lookForPrograms(core: Core, running: RunningJail): Promise<boolean> {
  if (!running.lacking || running.state !== "broken") return false;
  if (isLacking(core, running.jail)) return false;
  prepare(running);
  await openPlace(core, running);
  return true;
}

const missingPrograms = (core: Core, name: string): readonly string[] =>
  (banactions[name]?.needs ?? []).filter((program) => core.system.programs.find(program) === undefined);

function factsFor(running: RunningJail, shared: Shared): Facts {
  const { state } = shared;
  return {
    get now() {
      return shared.now();
    },
    covering: (jail: JailName, target: Target): Ban | undefined => stateful.covering(state, jail, target),
    standing: (jail: JailName) => stateful.standing(state, jail),
    previousBans: (jail: JailName | undefined, target: Target) => stateful.previousBans(state, target, jail),
    judged: (jail: JailName, target: Target, at: Time, seen: Seen | undefined) =>
      stateful.alreadyJudged(state, jail, target, at, seen),
    ignored(target) {
      if (target.kind !== "id" && target.family === 6 && !shared.allowsV6()) return 'allowipv6 = "no"';
      return running.ignored.reason(target);
    },
    guarded(target) {
      return guardReason(target, shared.guard());
    },
    random: Math.random,
  };
}
