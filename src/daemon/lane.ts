// One banaction for one jail (or, where entries are shared, for all jails of one place): a queue of targets to look at, worked off
// in batches, one at a time. Whatever is asked while a batch is under way goes into the next one; a single ban goes out at once.
// What fails is halved until the culprit is found, kept, and retried with growing pauses.

import type { Asking, BanAction, Drops, Found, JailSetup, Standing } from "../banaction/index.ts";
import { targetKey } from "../core/address.ts";
import type { Fault, JailName, Target, Time } from "../core/domain.ts";
import { reconcile } from "../core/reconcile.ts";
import type { System } from "../system/index.ts";
import type { Enforced, Problem, Repair, Wanted } from "./enforcer.ts";
import type { Steps } from "./steps.ts";

export interface LaneNews {
  problem(problem: Problem, recovered: boolean): void;
  repaired(repair: Repair): void;
}

export interface LaneOptions {
  readonly action: BanAction;
  readonly system: System;
  readonly now: () => Time;
  readonly steps: Steps;
  readonly wanted: Wanted;
  readonly guard?: (target: Target) => string | undefined;
  readonly news: LaneNews;
}

export interface Lane {
  /** A jail comes in, or comes again with other settings. */
  join(setup: JailSetup, answers?: Answers): Promise<Enforced>;
  /** Takes away what only this jail holds, and with the last jail the place. */
  leave(jail: JailName): Promise<Enforced>;
  settle(asked: readonly Asked[], jail: JailName): Promise<Enforced>;
  verify(answers: Answers): Promise<Enforced>;
  /** Makes the place anew and fills it. */
  mend(reason: string): Promise<void>;
  intact(): readonly Asking<boolean>[];
  drops(jail: JailName): readonly Asking<Drops | undefined>[];
  problems(jail: JailName | undefined): Problem[];
  /** Resolves when nothing is under way any more; retries end. */
  close(): Promise<void>;
  readonly empty: boolean;
}

export interface Asked {
  readonly target: Target;
  /** No entry of this target stands. */
  readonly fresh?: boolean;
  /** Its open connections are to be ended: it is shut out now, and not only for longer or in another way. */
  readonly cut?: boolean;
}

/** Lanes that list by the same command share its answer when they are verified together. */
export type Answers = Map<string, ReturnType<Steps["look"]>>;

interface Batch {
  readonly targets: Map<string, Asked>;
  readonly done: Promise<Enforced>;
  readonly finish: (result: Enforced) => void;
}

/** Elements a command: some 20 ms of nft, and a line it still reads quickly. */
const batchSize = 2000;
/** Firewalls count whole seconds and tell what is left, rounded. */
const toleranceMs = 2500;
/** Bans that come within so long have their connections ended together. */
const cutAfterMs = 25;
/** Attempts to find the culprit in one failed batch before the whole of it is put off. */
const mostAttempts = 48;
const pausesMs = [250, 1000, 3000, 10_000, 30_000, 60_000] as const;
const fine: Enforced = { faults: [], refused: [] };

export function createLane({ action, system, now: clock, steps, wanted, guard, news }: LaneOptions): Lane {
  const members = new Map<JailName, JailSetup>();
  /** Whether the place is known to have been made. */
  let made = false;
  let next: Batch | undefined;
  let work: Promise<unknown> = Promise.resolve();
  let underWork = 0;
  let queued = false;
  let closed = false;
  const failed = new Map<string, Target>();
  let trouble: { fault: Fault; since: Time; attempts: number; next: Time | undefined } | undefined;
  /** What was settled while a listing was under way, which therefore may or may not show it. */
  const watching = new Set<Set<string>>();
  let underWay: readonly Asked[] = [];
  /** Shut out a moment ago; their open connections are still to be ended. */
  const cutting: Target[] = [];
  let lookedAt = 0;
  let cancelRetry: (() => void) | undefined;

  /**
   * Everything that touches the firewall goes through here, one after the other. What finds nothing under way begins at once and not a
   * promise later: by then the log would have been looked at again, before the ban.
   */
  function serially<T>(task: () => Promise<T>): Promise<T> {
    const result = underWork === 0 ? task() : work.then(task, task);
    underWork++;
    const over = (): void => void underWork--;
    work = result.then(over, over);
    return result;
  }

  const setup = (): JailSetup | undefined => members.values().next().value;

  /** What should stand on this target: the longest of the members' bans, as this banaction can hold it. */
  function effective(target: Target): Standing | undefined {
    let best: Standing | undefined;
    const now = clock();
    for (const jail of members.keys()) {
      const one = wanted.find(jail, target);
      if (one === undefined || (one.until !== "forever" && one.until <= now)) continue;
      if (
        best === undefined ||
        (best.until !== "forever" && (one.until === "forever" || one.until > best.until))
      )
        best = one;
    }
    return best === undefined ? undefined : held(best, now);
  }

  const held = (standing: Standing, now: Time): Standing =>
    action.longest !== undefined &&
    standing.until !== "forever" &&
    standing.until - now > action.longest * 1000
      ? { ...standing, until: "forever" }
      : standing;

  const isAble = (target: Target): boolean =>
    target.kind === "id"
      ? action.can.id
      : (target.family === 4 ? action.can.v4 : action.can.v6) &&
        (target.kind === "address" || action.can.prefix);

  // -------------------------------------------------------------------------------------------------------- the queue

  function enqueue(asked: readonly Asked[]): Promise<Enforced> {
    if (asked.length === 0 || members.size === 0) return Promise.resolve(fine);
    const waits = new Set<Promise<Enforced>>();
    for (const one of asked) {
      const batch = openBatch();
      const key = targetKey(one.target);
      const known = batch.targets.get(key);
      // Asked twice: it may have been banned in between, so it is not fresh any more.
      batch.targets.set(
        key,
        known === undefined ? one : { target: one.target, cut: one.cut === true || known.cut === true },
      );
      waits.add(batch.done);
      if (batch.targets.size >= batchSize) closeBatch(batch);
    }
    kick();
    return Promise.all(waits).then((results) => ({
      faults: results.flatMap((one) => one.faults),
      refused: results.flatMap((one) => one.refused),
    }));
  }

  const full: Batch[] = [];

  function openBatch(): Batch {
    if (next !== undefined) return next;
    let finish: Batch["finish"] = () => undefined;
    const done = new Promise<Enforced>((resolve) => {
      finish = resolve;
    });
    next = { targets: new Map(), done, finish };
    return next;
  }

  function closeBatch(batch: Batch): void {
    full.push(batch);
    if (next === batch) next = undefined;
  }

  function kick(): void {
    if (queued) return;
    queued = true;
    void serially(async () => {
      queued = false;
      if (next !== undefined) closeBatch(next);
      for (let batch = full.shift(); batch !== undefined; batch = full.shift())
        batch.finish(
          await settleBatch([...batch.targets.values()]).finally(() => {
            underWay = [];
          }),
        );
      if (next !== undefined) kick();
    });
  }

  async function settleBatch(asked: readonly Asked[]): Promise<Enforced> {
    const refused: { target: Target; reason: string }[] = [];
    const faults: Fault[] = [];
    const able: Asked[] = [];
    underWay = asked;
    for (const one of asked) {
      for (const seen of watching) seen.add(targetKey(one.target));
      if (isAble(one.target)) able.push(one);
      else if (effective(one.target) !== undefined)
        faults.push({
          what: `${action.name} cannot shut out ${one.target.text}`,
          fix: "Choose a further banaction for this jail.",
        });
    }
    const allowed = able.map((one) => {
      const standing = effective(one.target);
      const reason = standing === undefined ? undefined : guard?.(one.target);
      if (reason === undefined) return { ...one, standing };
      refused.push({ target: one.target, reason });
      return { ...one, standing: undefined };
    });
    if (!made) {
      const fault = waitsFor() ?? (await bringUp());
      if (fault !== undefined) {
        for (const one of able) failed.set(targetKey(one.target), one.target);
        return { faults: [...faults, fault], refused };
      }
    }
    const fault = await attempt(allowed, { left: mostAttempts });
    if (fault !== undefined) {
      putOff(fault);
      return { faults: [...faults, fault], refused };
    }
    if (failed.size === 0) recovered();
    return { faults, refused };
  }

  interface Chosen extends Asked {
    readonly standing: Standing | undefined;
  }

  /** Runs a batch; on failure mends the place once, then halves it. Failed targets are remembered. Returns the last fault. */
  async function attempt(chosen: readonly Chosen[], budget: { left: number }): Promise<Fault | undefined> {
    const mine = setup();
    if (chosen.length === 0 || mine === undefined) return undefined;
    const unbans = chosen.flatMap((one) => (one.standing === undefined ? [one.target] : []));
    const bans = chosen.flatMap((one) =>
      one.standing === undefined
        ? []
        : [
            {
              ...one.standing,
              target: one.target,
              ...(one.fresh === true ? { fresh: true } : {}),
            },
          ],
    );
    const run = () =>
      steps.run([
        ...(unbans.length > 0 ? action.unban(mine, unbans) : []),
        ...(bans.length > 0 ? action.ban(mine, bans, clock()) : []),
      ]);
    let fault = await run();
    if (fault !== undefined && budget.left === mostAttempts) {
      // The commonest cause is a place that somebody took away: it is made again, with all that stood in it.
      budget.left--;
      const missing = await isMissing();
      if (missing) {
        const mended = await restore("its place was missing when a ban was to be made");
        if (mended === undefined) fault = await run();
      }
    }
    if (fault === undefined) {
      for (const one of chosen) failed.delete(targetKey(one.target));
      cutSoon(chosen.flatMap(({ target, cut, standing }) => (cut && standing ? [target] : [])));
      return undefined;
    }
    if (chosen.length === 1 || budget.left <= 0) {
      for (const one of chosen) failed.set(targetKey(one.target), one.target);
      return fault;
    }
    const half = chosen.length >> 1;
    budget.left -= 2;
    const first = await attempt(chosen.slice(0, half), budget);
    const second = await attempt(chosen.slice(half), budget);
    return second ?? first;
  }

  /** What ends connections may cost more than the ban itself: a moment later, once for all of that moment. */
  function cutSoon(targets: readonly Target[]): void {
    if (targets.length === 0 || action.cut === undefined || closed) return;
    const waiting = cutting.length > 0;
    cutting.push(...targets);
    if (waiting) return;
    system.clock.after(cutAfterMs, () => {
      const now = cutting.splice(0);
      const mine = setup();
      if (mine !== undefined && !closed) void steps.run(action.cut?.(mine, now) ?? []);
    });
  }

  // --------------------------------------------------------------------------------------------------- making, mending

  async function make(): Promise<Fault | undefined> {
    for (const one of action.shared ? [...members.values()].slice(0, 1) : members.values()) {
      const fault = await steps.run(action.start(one));
      if (fault !== undefined) {
        made = false;
        putOff(fault);
        return fault;
      }
    }
    made = true;
    return undefined;
  }

  /** Makes the place and brings what stands there to what should. */
  async function bringUp(): Promise<Fault | undefined> {
    const fault = await make();
    if (fault !== undefined) return fault;
    failed.clear();
    return canList() ? compare(new Map(), false) : fill(allWanted().map(({ target }) => ({ target })));
  }

  /** What the place failed with, as long as its pause has not passed: a storm of bans must not become a storm of attempts. */
  const waitsFor = (): Fault | undefined =>
    trouble?.next !== undefined && clock() < trouble.next ? trouble.fault : undefined;

  async function list(answers: Answers): Promise<Found[] | undefined | Fault> {
    const mine = setup();
    const all: Found[] = [];
    const asked = mine && action.list(mine);
    const open = asked === undefined ? [] : [asked];
    for (let listing = open.shift(); listing !== undefined; listing = open.shift()) {
      const key = JSON.stringify(listing.step);
      const answer = answers.get(key) ?? steps.look(listing.step);
      answers.set(key, answer);
      const heard = await answer;
      if ("what" in heard) return heard;
      const found = listing.read(heard.text, heard.code, clock());
      if (found === undefined) return undefined;
      for (const one of found) all.push(one);
      for (const further of [listing.more?.(heard.text), listing.also])
        if (further !== undefined) open.push(further);
    }
    return all;
  }

  const canList = (): boolean => {
    const mine = setup();
    return mine !== undefined && action.list(mine) !== undefined;
  };

  async function isMissing(): Promise<boolean> {
    return canList() && (await list(new Map())) === undefined;
  }

  function allWanted(): Standing[] {
    const now = clock();
    const byKey = new Map<string, Standing>();
    for (const jail of members.keys()) {
      for (const one of wanted.standing(jail)) {
        if (!isAble(one.target) || (one.until !== "forever" && one.until <= now)) continue;
        if (guard?.(one.target) !== undefined) continue;
        const key = targetKey(one.target);
        const other = byKey.get(key);
        if (
          other === undefined ||
          (other.until !== "forever" && (one.until === "forever" || one.until > other.until))
        )
          byKey.set(key, held(one, now));
      }
    }
    return [...byKey.values()];
  }

  /** Makes the place and puts in what should stand. */
  async function restore(reason: string): Promise<Fault | undefined> {
    const began = system.clock.monotonic();
    const fault = await make();
    if (fault !== undefined) return fault;
    const all = allWanted();
    const result = await fill(all.map(({ target }) => ({ target, fresh: true, cut: true })));
    tellRepair(reason, all.length, 0, began);
    return result;
  }

  function tellRepair(reason: string, added: number, removed: number, began: number): void {
    const [jail] = members.keys();
    if (jail !== undefined)
      news.repaired({
        jail,
        banaction: action.name,
        reason,
        added,
        removed,
        took: system.clock.monotonic() - began,
      });
  }

  async function fill(asked: readonly Asked[]): Promise<Fault | undefined> {
    let last: Fault | undefined;
    for (let i = 0; i < asked.length; i += batchSize) {
      const part = asked.slice(i, i + batchSize).map((one) => ({
        ...one,
        standing: guard?.(one.target) === undefined ? effective(one.target) : undefined,
      }));
      last = (await attempt(part, { left: mostAttempts - 1 })) ?? last;
    }
    if (last !== undefined) putOff(last);
    return last;
  }

  /** Reads what stands and applies the difference; called from within the queue. */
  async function compare(answers: Answers, told: boolean): Promise<Fault | undefined> {
    if (!canList()) return undefined;
    return applyDifference(await list(answers), new Set(), told);
  }

  /** `told`: a difference is damage, worth telling. `settledSince`: keys about which `found` may be outdated. */
  async function applyDifference(
    found: Found[] | Fault | undefined,
    settledSince: ReadonlySet<string>,
    told: boolean,
  ): Promise<Fault | undefined> {
    if (found === undefined) return restore("its place was missing");
    if ("what" in found) {
      putOff(found);
      return found;
    }
    const began = system.clock.monotonic();
    // No listing can tell ids: they are neither missing nor too many.
    const listed = allWanted().filter(({ target }) => target.kind !== "id");
    const difference = reconcile(listed, found, clock(), toleranceMs);
    // What has just been asked for is not damage: it is done or on its way.
    const isOpen = (target: Target): boolean => {
      const key = targetKey(target);
      return (
        settledSince.has(key) ||
        next?.targets.has(key) === true ||
        full.some((batch) => batch.targets.has(key))
      );
    };
    const add = difference.add.filter((one) => !isOpen(one.target));
    const change = difference.change.filter((one) => !isOpen(one.target));
    // What the firewall ends by itself in a moment is left to it.
    const ending = new Set(
      found.flatMap(({ target, until }) =>
        typeof until === "number" && until - clock() < 5000 ? [targetKey(target)] : [],
      ),
    );
    const remove = difference.remove.filter((target) => !isOpen(target) && !ending.has(targetKey(target)));
    if (add.length + change.length + remove.length === 0) return undefined;
    const fault = await fill([
      ...remove.map((target) => ({ target })),
      ...add.map((one) => ({ target: one.target, fresh: true, cut: true })),
      ...change.map((one) => ({ target: one.target })),
    ]);
    // Where the daemon ends bans, one that has just ended may still stand: no damage.
    const damaged = add.length + change.length > 0 || action.expires;
    if (told && damaged && fault === undefined)
      tellRepair("what stood was not what should", add.length + change.length, remove.length, began);
    return fault;
  }

  // ---------------------------------------------------------------------------------------------------------- trouble

  function putOff(fault: Fault): void {
    const now = clock();
    const told = trouble?.fault.what;
    // Failures on the way to the next try neither count nor put it off further.
    if (trouble !== undefined && cancelRetry !== undefined) trouble = { ...trouble, fault };
    else {
      const attempts = (trouble?.attempts ?? 0) + 1;
      const pause = pausesMs[Math.min(attempts, pausesMs.length) - 1] ?? 60_000;
      trouble = { fault, since: trouble?.since ?? now, attempts, next: now + pause };
      if (!closed)
        cancelRetry = system.clock.after(pause, () => {
          cancelRetry = undefined;
          void serially(retry);
        });
    }
    if (told !== fault.what) for (const problem of problems(undefined)) news.problem(problem, false);
  }

  async function retry(): Promise<void> {
    if (closed || members.size === 0) return;
    if (!made) {
      if ((await bringUp()) === undefined) recovered();
      return;
    }
    const again = [...failed.values()].map((target) => ({ target }));
    const fault = again.length > 0 ? await fill(again) : await compare(new Map(), false);
    if (fault === undefined) recovered();
  }

  function recovered(): void {
    if (trouble === undefined) return;
    const told = problems(undefined);
    trouble = undefined;
    cancelRetry?.();
    cancelRetry = undefined;
    for (const problem of told) news.problem({ ...problem, next: undefined }, true);
  }

  function problems(jail: JailName | undefined): Problem[] {
    if (trouble === undefined) return [];
    const { fault, since, attempts, next: at } = trouble;
    return [...members.keys()]
      .filter((name) => jail === undefined || name === jail)
      .map((name) => ({ jail: name, banaction: action.name, fault, since, attempts, next: at }));
  }

  return {
    join(joining, asked) {
      members.set(joining.jail, joining);
      steps.prepare(action.start(joining));
      return serially(async () => {
        if (!members.has(joining.jail)) return fine;
        // What stands is read before the place is made again: a place that is there keeps its bans. Where jails share it, another
        // one's coming in may have changed it meanwhile.
        const answers: Answers = action.shared ? new Map() : (asked ?? new Map());
        const before = await list(answers);
        const fresh = before === undefined;
        const fault = await make();
        if (fault !== undefined) return { faults: [fault], refused: [] };
        const all = allWanted();
        const filled =
          before === undefined || "what" in before || !canList()
            ? await fill(all.map(({ target }) => ({ target, fresh, cut: fresh })))
            : // Networks are banned anew: a member may build structure for them, which other settings change.
              ((await compare(answers, false)) ??
              (await fill(
                all.filter(({ target }) => target.kind === "prefix").map(({ target }) => ({ target })),
              )));
        if (filled !== undefined) return { faults: [filled], refused: [] };
        recovered();
        return fine;
      });
    },
    leave(jail) {
      return serially(async () => {
        const leaving = members.get(jail);
        if (leaving === undefined) return fine;
        const loose = action.shared || action.leavesBans === true;
        const theirs = loose ? [...wanted.standing(jail)].map(({ target }) => ({ target })) : [];
        members.delete(jail);
        if (members.size === 0) {
          cancelRetry?.();
          failed.clear();
          trouble = undefined;
          made = false;
          const unbans =
            action.leavesBans === true && theirs.length > 0
              ? action.unban(
                  leaving,
                  theirs.map(({ target }) => target),
                )
              : [];
          const fault = await steps.run([...unbans, ...action.stop(leaving)]);
          return { faults: fault === undefined ? [] : [fault], refused: [] };
        }
        // Others stay: what only this jail held is let go.
        const fault = await fill(theirs);
        return { faults: fault === undefined ? [] : [fault], refused: [] };
      });
    },
    settle: (asked, jail) => (members.has(jail) ? enqueue(asked) : Promise.resolve(fine)),
    async verify(answers) {
      if (members.size === 0 || closed) return fine;
      // Listing a hundred thousand takes most of a second: bans go on meanwhile.
      const seen = new Set(underWay.map((one) => targetKey(one.target)));
      watching.add(seen);
      const found = made && canList() ? await list(answers) : [];
      return serially(async () => {
        watching.delete(seen);
        if (members.size === 0 || closed) return fine;
        const fault = !made
          ? (waitsFor() ?? (await bringUp()))
          : canList()
            ? await applyDifference(found, seen, true)
            : undefined;
        if (fault === undefined && failed.size === 0) recovered();
        return { faults: fault === undefined ? [] : [fault], refused: [] };
      });
    },
    mend: (reason) =>
      serially(async () => {
        // A retry is under way for a place that could not be made.
        if (!made || members.size === 0 || closed) return;
        await restore(reason);
      }),
    intact() {
      const mine = setup();
      if (mine === undefined || !made) return [];
      const now = system.clock.monotonic();
      return (action.intact?.(mine) ?? []).filter(({ everyMs = 0 }) => {
        if (now - lookedAt < everyMs) return false;
        if (everyMs > 0) lookedAt = now;
        return true;
      });
    },
    drops(jail) {
      const mine = members.get(jail);
      return mine === undefined ? [] : (action.drops?.(mine) ?? []);
    },
    problems,
    async close() {
      closed = true;
      cancelRetry?.();
      await work;
      while (full.length > 0 || next !== undefined) {
        kick();
        await work;
      }
    },
    get empty() {
      return members.size === 0;
    },
  };
}
