// Brings firewalls to the wanted state and keeps them there. Level-triggered: a call says "look at these targets", what should
// stand is asked of the state at the moment of acting, so retries, bursts and crashes all take the same way. A batch counts as
// done when its interpreter has acknowledged it and the acknowledgement was read back; what failed is retried with growing
// pauses and told. One banaction failing holds up no other.

import { type BanAction, banactions, type Drops, type JailSetup, type Standing } from "../banaction/index.ts";
import type { Fault, Jail, JailName, Target, Time, Use } from "../core/domain.ts";
import type { System } from "../system/index.ts";
import { type Answers, type Asked, createLane, type Lane, type LaneNews } from "./lane.ts";
import type { PlaceBook } from "./places.ts";
import { createSteps, type Fetch } from "./steps.ts";

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
  /** The time the state's bans are reckoned in; the system's clock by default. */
  readonly now?: () => Time;
  /** The last gate (core/guard.ts): reason why this target must never reach a firewall. */
  readonly guard?: (target: Target) => string | undefined;
  /** Something failed or, with `recovered`, works again. Told once per change, not per attempt. */
  readonly onProblem?: (problem: Problem, recovered: boolean) => void;
  /** Somebody else damaged our part of the firewall and it has been restored. */
  readonly onRepaired?: (repair: Repair) => void;
  /** Registry, so that tests may bring their own members. */
  readonly banactions?: Readonly<Record<string, BanAction>>;
  readonly fetch?: Fetch;
  /** Where what is made is written down, so that the next daemon takes away what nobody asks for any more. */
  readonly places?: PlaceBook;
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
   * Again with other settings: the new place is made before the old one goes. Never leaves a standing ban open. `answers`: what has been
   * read for other jails that are started at the same time.
   */
  start(jail: EnforcedJail, answers?: Answers): Promise<Enforced>;
  /** Looks at these targets: shuts out those that should stand. Resolves when acknowledged or failed; never rejects. */
  ban(jail: JailName, bans: readonly Asked[]): Promise<Enforced>;
  /** Looks at these targets: lets go those that should not stand (kept where another jail holds a shared one). */
  unban(jail: JailName, targets: readonly Target[]): Promise<Enforced>;
  /** "remove" takes away the jail's place with all its bans; "keep" leaves its bans to their ends and lets the place go with the last of them. */
  stop(jail: JailName, how: "remove" | "keep"): Promise<Enforced>;
  /** Reads what stands and brings it to what should; all jails when none is named. */
  verify(jail?: JailName): Promise<Enforced>;
  /** Jails that are gone from the configuration while bans of theirs last. */
  lingering(): readonly JailName[];
  /** What does not work at the moment. */
  problems(jail?: JailName): readonly Problem[];
  /** Packets and bytes the jail's banactions have dropped, where they count; asks the firewall. */
  drops(jail: JailName): Promise<Drops | undefined>;
  /** Waits for what is under way (at most `withinMs`), then ends the children; the firewall stays as it is. */
  close(withinMs: number): Promise<void>;
}

/** How often a banaction's structure is looked at where that is cheap; a flush by somebody else is mended within this. */
const lookEveryMs = 600;
/** How often everything that stands is read, at least; more rarely where reading takes long. */
const verifyEveryMs = 5000;
const verifyShare = 500;
const verifyAtMostMs = 60_000;

export function createEnforcer(options: EnforcerOptions): Enforcer {
  const { system, wanted } = options;
  const registry = options.banactions ?? banactions;
  const steps = createSteps(system, options.fetch);
  const lanes = new Map<string, Lane>();
  const jails = new Map<JailName, { readonly lanes: Lane[] }>();
  const drops = new Map<
    JailName,
    { readonly at: number; readonly took: number; readonly value: Drops | undefined }
  >();
  /** Jails that are gone from the configuration while their bans last. */
  const lingering = new Set<JailName>();
  /** What the daemon before this one had made and has not been looked at yet. */
  let inherited: readonly EnforcedJail[] = [];
  let unread = options.places !== undefined;
  const noted = new Map<JailName, EnforcedJail>();
  let jotting = false;
  let tried = false;
  let closed = false;
  let cancelLook: (() => void) | undefined;
  let cancelVerify: (() => void) | undefined;

  const news: LaneNews = {
    problem: (problem, recovered) => options.onProblem?.(problem, recovered),
    repaired: (repair) => options.onRepaired?.(repair),
  };

  function actionOf(use: Use): BanAction {
    const action = registry[use.name];
    if (action === undefined) throw new Error(`banaction "${use.name}" got past the configuration`);
    return action;
  }

  /** Setups that share their entries share a lane; others have one of their own. */
  function laneKey(jail: EnforcedJail, use: Use): string {
    const action = actionOf(use);
    const setup = setupFor(jail, use);
    const place = action.shared
      ? `${JSON.stringify(setup.options)} ${action.place?.(setup) ?? ""}`
      : jail.name;
    return `${use.name} ${action.shared ? place : `${place} ${jail.banaction.filter((one) => one.name === use.name).indexOf(use)}`}`;
  }

  function laneFor(jail: EnforcedJail, use: Use): Lane {
    const action = actionOf(use);
    const key = laneKey(jail, use);
    let lane = lanes.get(key);
    if (lane === undefined) {
      lane = createLane({
        action,
        system,
        now: options.now ?? system.clock.now,
        steps,
        wanted,
        news,
        ...(options.guard === undefined ? {} : { guard: options.guard }),
      });
      lanes.set(key, lane);
    }
    return lane;
  }

  function setupFor(jail: EnforcedJail, use: Use): JailSetup {
    const adapt = registry[use.name]?.adapt;
    const has = (program: string) => system.programs.find(program) !== undefined;
    return setupOf(jail, adapt === undefined ? use.options : adapt(use.options, has));
  }

  function lookSoon(): void {
    if (closed || cancelLook !== undefined) return;
    cancelLook = system.clock.after(lookEveryMs, () => {
      void lookAll().finally(() => {
        cancelLook = undefined;
        if (lanes.size > 0) lookSoon();
      });
    });
  }

  /** One question for all lanes that ask the same. */
  async function lookAll(): Promise<void> {
    const answers = new Map<string, Promise<{ readonly text: string; readonly code: number } | Fault>>();
    await Promise.all(
      [...lanes.values()].map(async (lane) => {
        const looks = lane.intact().map(async (asking) => {
          const key = JSON.stringify(asking.step);
          const answer = answers.get(key) ?? steps.look(asking.step);
          answers.set(key, answer);
          const heard = await answer;
          return "what" in heard || asking.read(heard.text, heard.code);
        });
        if ((await Promise.all(looks)).every((whole) => whole)) return;
        await lane.mend("its place was taken away");
      }),
    );
  }

  function verifySoon(afterMs: number): void {
    if (closed || cancelVerify !== undefined) return;
    cancelVerify = system.clock.after(afterMs, () => {
      const began = system.clock.monotonic();
      const settled = inherited.length > 0 && !tried ? settleInherited() : Promise.resolve();
      tried = true;
      void settled
        .then(() => verifyAll(lanes.values()))
        .finally(() => {
          cancelVerify = undefined;
          const took = system.clock.monotonic() - began;
          if (lanes.size > 0)
            verifySoon(Math.min(verifyAtMostMs, Math.max(verifyEveryMs, took * verifyShare)));
        });
    });
  }

  /** Written before the first program has run; once for all jails that start at the same time. */
  function jot(): void {
    if (options.places === undefined || jotting) return;
    jotting = true;
    queueMicrotask(() => {
      jotting = false;
      if (unread) inherited = [...(options.places?.read([...noted.values()]) ?? []), ...inherited];
      unread = false;
      options.places?.write([...noted.values(), ...inherited]);
    });
  }

  /**
   * Places of the daemon before this one that are none of ours: bans of a jail that is gone last to their ends, as when a reload takes it
   * out; what a jail no longer uses goes at once. Written down until then, so that a daemon killed meanwhile leaves them to the next.
   */
  async function settleInherited(): Promise<void> {
    const all = inherited;
    const unsettled: EnforcedJail[] = [];
    const lasts = ({ name }: EnforcedJail): boolean => !jails.has(name) && stillWanted(name);
    // First those whose bans last: what they share with others is then not taken away with the others'.
    for (const jail of [...all].sort((a, b) => Number(lasts(b)) - Number(lasts(a)))) {
      const others = jail.banaction.filter((use) => !lanes.has(laneKey(jail, use)));
      const left = others.filter((use) => !hasPrograms(use));
      if (lasts(jail))
        await linger({ ...jail, banaction: jail.banaction.filter((use) => !left.includes(use)) });
      else for (const use of others) if (hasPrograms(use) && !(await takeAway(jail, use))) left.push(use);
      if (left.length > 0) unsettled.push({ ...jail, banaction: left });
    }
    inherited = [...unsettled, ...inherited.filter((one) => !all.includes(one))];
    jot();
  }

  const hasPrograms = (use: Use): boolean =>
    actionOf(use).needs.every((program) => system.programs.find(program) !== undefined);

  async function linger(jail: EnforcedJail): Promise<void> {
    await enforcer.start(jail);
    // A reload may have brought it back meanwhile.
    if (noted.get(jail.name) === jail) lingering.add(jail.name);
  }

  async function takeAway(jail: EnforcedJail, use: Use): Promise<boolean> {
    const action = actionOf(use);
    const setup = setupFor(jail, use);
    const targets =
      action.leavesBans === true ? [...wanted.standing(jail.name)].map((one) => one.target) : [];
    const fault = await steps.run([
      ...(targets.length > 0 ? action.unban(setup, targets) : []),
      ...action.stop(setup),
    ]);
    system.log.say(
      fault === undefined ? "notice" : "warning",
      fault === undefined
        ? `[${jail.name}] what was left in ${use.name} is taken away`
        : `[${jail.name}] what was left in ${use.name} could not be taken away: ${fault.what}`,
      fault?.why === undefined ? {} : { why: fault.why },
    );
    return fault === undefined;
  }

  async function verifyAll(which: Iterable<Lane>): Promise<Enforced> {
    const answers = new Map<string, ReturnType<typeof steps.look>>();
    const results: Enforced[] = [];
    for (const lane of which) results.push(await lane.verify(answers));
    await letGo();
    return joined(results);
  }

  function lanesOf(name: JailName): readonly Lane[] {
    return jails.get(name)?.lanes ?? [];
  }

  const stillWanted = (name: JailName): boolean =>
    wanted.standing(name)[Symbol.iterator]().next().done !== true;

  async function remove(name: JailName): Promise<Enforced> {
    const mine = lanesOf(name);
    const made = noted.get(name);
    jails.delete(name);
    drops.delete(name);
    lingering.delete(name);
    noted.delete(name);
    return left(made, await Promise.all(mine.map((lane) => leave(lane, name))));
  }

  /** What could not be taken away stays written down: the next daemon tries again. */
  function left(made: EnforcedJail | undefined, results: readonly Enforced[]): Enforced {
    const all = joined(results);
    if (all.faults.length > 0 && made !== undefined) inherited = [...inherited, made];
    jot();
    return all;
  }

  async function letGo(): Promise<void> {
    for (const name of lingering) if (!stillWanted(name)) await remove(name);
  }

  const enforcer: Enforcer = {
    async start(jail, answers) {
      lingering.delete(jail.name);
      const earlier = noted.get(jail.name);
      noted.set(jail.name, jail);
      jot();
      const before = jails.get(jail.name)?.lanes ?? [];
      const now = jail.banaction.map((use) => ({ lane: laneFor(jail, use), setup: setupFor(jail, use) }));
      jails.set(jail.name, { lanes: now.map((one) => one.lane) });
      const results = await Promise.all(now.map(({ lane, setup }) => lane.join(setup, answers)));
      // The new place stands (or is being retried) before the old one goes.
      for (const lane of before)
        if (!now.some((one) => one.lane === lane)) left(earlier, [await leave(lane, jail.name)]);
      lookSoon();
      verifySoon(verifyEveryMs);
      return joined(results);
    },
    async ban(name, bans) {
      return joined(await Promise.all(lanesOf(name).map((lane) => lane.settle(bans, name))));
    },
    async unban(name, targets) {
      const asked = targets.map((target) => ({ target }));
      const result = joined(await Promise.all(lanesOf(name).map((lane) => lane.settle(asked, name))));
      if (lingering.has(name)) await letGo();
      return result;
    },
    async stop(name, how) {
      if (how === "keep" && stillWanted(name)) {
        lingering.add(name);
        return { faults: [], refused: [] };
      }
      return remove(name);
    },
    async verify(name) {
      return verifyAll(name === undefined ? [...lanes.values()] : lanesOf(name));
    },
    lingering: () => [...lingering],
    problems(name) {
      const which = name === undefined ? [...lanes.values()] : lanesOf(name);
      return which.flatMap((lane) => lane.problems(name));
    },
    async drops(name) {
      const known = drops.get(name);
      const now = system.clock.monotonic();
      // Where counting takes long (nft reads the whole table for it), a status must not wait for it every time.
      if (known !== undefined && now - known.at < known.took * 50) return known.value;
      let value: Drops | undefined;
      for (const asking of lanesOf(name).flatMap((lane) => lane.drops(name))) {
        const heard = await steps.look(asking.step);
        const found = "what" in heard ? undefined : asking.read(heard.text, heard.code);
        if (found !== undefined)
          value = {
            packets: (value?.packets ?? 0) + found.packets,
            bytes: (value?.bytes ?? 0) + found.bytes,
          };
      }
      const at = system.clock.monotonic();
      drops.set(name, { at, took: at - now, value });
      return value;
    },
    async close(withinMs) {
      closed = true;
      cancelLook?.();
      cancelVerify?.();
      const idle = Promise.all([...lanes.values()].map((lane) => lane.close()));
      await new Promise<void>((resolve) => {
        const cancel = system.clock.after(withinMs, resolve);
        void idle.then(() => {
          cancel();
          resolve();
        });
      });
      steps.close();
    },
  };
  return enforcer;

  async function leave(lane: Lane, name: JailName): Promise<Enforced> {
    const result = await lane.leave(name);
    if (lane.empty) for (const [key, one] of lanes) if (one === lane) lanes.delete(key);
    return result;
  }
}

function setupOf(jail: EnforcedJail, options: Use["options"]): JailSetup {
  return {
    jail: jail.name,
    port: jail.port,
    protocol: jail.protocol,
    chain: jail.chain,
    blocktype: jail.blocktype,
    options,
  };
}

const joined = (results: readonly Enforced[]): Enforced => ({
  faults: results.flatMap((one) => one.faults),
  refused: results[0]?.refused ?? [],
});
