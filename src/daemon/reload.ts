// A changed configuration: only the difference is applied, and only when the whole of it is sound. Jails that did not change lose neither
// counters nor bans; a broken configuration leaves the running one in force.

import type { Config } from "../config/index.ts";
import type { Jail, Result } from "../core/domain.ts";
import { jailBans } from "../core/state.ts";
import { Refusal } from "./control.ts";
import type { Core } from "./core.ts";
import { openJail, openPlace, prepare, type RunningJail, type Shared } from "./jail.ts";
import { changeJail } from "./operate.ts";
import { emptyOutcome, type Pipeline } from "./pipeline.ts";
import type { Supervisor } from "./supervisor.ts";

export interface Reloaded {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: number;
  readonly broken: readonly { readonly name: string; readonly reason: string }[];
  /** [daemon] keys that changed but take effect only at the next start. */
  readonly restart: readonly string[];
}

export interface Reload {
  readonly core: Core;
  readonly shared: Shared;
  readonly pipeline: Pipeline;
  readonly supervisor: Supervisor;
  readonly next: Result<Config>;
  /** Only this jail; undefined: all. */
  readonly only: string | undefined;
}

export async function applyConfig({
  core,
  shared,
  pipeline,
  supervisor,
  next,
  only,
}: Reload): Promise<Reloaded> {
  if (!next.ok) {
    throw new Refusal(422, {
      what: "the configuration has mistakes; the running one stays in force",
      why: next.faults
        .map(
          (fault) =>
            `${fault.at === undefined ? "" : `${fault.at.file}:${fault.at.line}:${fault.at.column}: `}${fault.what}${fault.fix === undefined ? "" : ` (${fault.fix})`}`,
        )
        .join("\n       "),
      fix: "f2b config check",
    });
  }
  const config = next.value;
  const wanted = new Map(
    config.jails
      .filter((jail) => jail.enabled && (only === undefined || jail.name === only))
      .map((jail) => [jail.name, jail]),
  );
  const broken = new Set(config.broken.map((one) => one.name));
  const added: string[] = [];
  const changed: string[] = [];
  const removed: string[] = [];
  let unchanged = 0;

  for (const [name, running] of [...core.jails]) {
    if (only !== undefined && name !== only) continue;
    const jail = wanted.get(name);
    if (jail !== undefined) {
      const sound = (running.state !== "broken" || running.unreadable) && running.state !== "stopped";
      if (sound && same(running.jail, jail)) unchanged++;
      else {
        if (running.state === "stopped") running.state = "waiting";
        await changeJail(core, pipeline, supervisor, running, jail);
        changed.push(name);
      }
    } else if (broken.has(name)) {
      unchanged++; // the jail as it ran is better than none; its mistakes are reported
    } else {
      await removeJail(core, pipeline, running);
      removed.push(name);
    }
  }
  for (const [name, jail] of wanted) {
    if (core.jails.has(name)) continue;
    const running = openJail(jail, shared);
    prepare(running);
    core.jails.set(name, running);
    await openPlace(core, running);
    added.push(name);
  }
  const before = core.config.daemon;
  const restart = (Object.keys(config.daemon) as (keyof Config["daemon"])[]).filter(
    (key) =>
      !["emergency", "unguarded", "loglevel"].includes(key) &&
      JSON.stringify(config.daemon[key]) !== JSON.stringify(before[key]),
  );
  core.config = config;
  pipeline.forgetScanners();
  supervisor.align();
  return {
    added,
    changed,
    removed,
    unchanged,
    broken: config.broken.map((one) => ({
      name: one.name,
      reason: one.faults[0]?.what ?? "faulty configuration",
    })),
    restart: restart.map((key) => `[daemon] ${key}`),
  };
}

const same = (a: Jail, b: Jail): boolean => JSON.stringify(a) === JSON.stringify(b);

async function removeJail(core: Core, pipeline: Pipeline, running: RunningJail): Promise<void> {
  const { jail } = running;
  const outcome = emptyOutcome();
  if (jail.onremove === "unban") {
    for (const ban of [...jailBans(core.state, jail.name)]) {
      const record = {
        t: "unban",
        jail: jail.name,
        target: ban.target,
        at: core.now(),
        reason: "removed",
      } as const;
      core.apply(record);
      outcome.records.push(record);
    }
  }
  await pipeline.commit(outcome);
  await core.enforcer.stop(jail.name, jail.onremove === "unban" ? "remove" : "keep");
  core.jails.delete(jail.name);
}
