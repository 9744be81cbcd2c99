// One address taken through every gate of every jail, with the reason at each.

import type { Jail, Target } from "../core/domain.ts";
import { formatDuration } from "../core/duration.ts";
import { guardReason } from "../core/guard.ts";
import { countKey } from "../core/prefixes.ts";
import { covering, historyOf } from "../core/state.ts";
import { plural } from "../core/text.ts";
import type { Core } from "./core.ts";
import type { Explanation } from "./explain.ts";
import type { RunningJail, Shared } from "./jail.ts";
import { iso } from "./report.ts";
import { filesOf, problemsOf, reportBan } from "./reporting.ts";

export async function explainTarget(core: Core, target: Target, shared: Shared): Promise<Explanation> {
  const guarded = guardReason(target, shared.guard());
  return {
    target: target.text,
    ...(guarded === undefined ? {} : { guarded }),
    jails: [...core.jails.values()]
      .map((running): Explanation["jails"][number] => {
        const ban = covering(core.state, running.jail.name, target);
        if (ban === undefined) {
          const seen = running.policy.count(target, core.now()) > 0;
          const files = seen || running.state !== "running" ? [] : filesOf(core, running);
          return {
            jail: running.jail.name,
            why: whyNot(core, running, target, guarded),
            ...(files.length === 0 ? {} : { unseen: files }),
          };
        }
        return {
          jail: running.jail.name,
          ban: reportBan(core, ban),
          firewall: firewallSays(core, running),
          why: "banned",
        };
      })
      .concat(lingering(core, target)),
    history: historyOf(core.state, target).map((one) => ({
      jail: one.jail,
      since: iso(one.since),
      length:
        one.until === "forever"
          ? "forever"
          : formatDuration(Math.max(1, Math.round((one.until - one.since) / 1000))),
      cause: one.cause,
      ...(one.ended === undefined
        ? {}
        : { ended: `${one.ended.reason} ${iso(one.ended.at).slice(0, 19).replace("T", " ")}` }),
    })),
  };
}

/** A jail that is gone has nothing to say but that a ban of its lasts. */
const lingering = (core: Core, target: Target): Explanation["jails"][number][] =>
  core.enforcer.lingering().flatMap((jail) => {
    const ban = covering(core.state, jail, target);
    return ban === undefined
      ? []
      : [
          {
            jail,
            ban: reportBan(core, ban),
            firewall: "the jail is gone from the configuration; what it banned lasts to its end",
            why: "banned",
          },
        ];
  });

function whyNot(core: Core, running: RunningJail, target: Target, guarded: string | undefined): string {
  const { jail, policy } = running;
  if (running.state === "broken") return `the jail is broken: ${running.reason ?? ""}`;
  if (running.state === "stopped") return "the jail is stopped";
  if (running.state === "waiting") return running.reason ?? "its log is not there yet";
  const ignored = running.ignored.reason(target);
  if (ignored !== undefined) return `it is ignored: ${ignored}`;
  if (guarded !== undefined) return `it is never banned: ${guarded}`;
  return counted(target, jail, policy.count(target, core.now()), policy.campaign());
}

/** How far the counting is; it may be a whole network's, and a campaign lowers what is enough. */
export function counted(
  target: Target,
  jail: Pick<Jail, "maxretry" | "findtime" | "prefix" | "campaign">,
  count: number,
  campaign: string | undefined,
): string {
  const key = countKey(target, jail.prefix);
  const whole = key !== target.text && key.includes("/") ? `, all of ${key} counted together` : "";
  const span = formatDuration(jail.findtime);
  const lowered =
    campaign === undefined || jail.campaign === undefined || jail.campaign.maxretry >= jail.maxretry
      ? ""
      : `; while the campaign against ${campaign} lasts, ${plural(jail.campaign.maxretry, "failure")} ${jail.campaign.maxretry === 1 ? "is" : "are"} enough`;
  if (count > 0) return `${count} of ${plural(jail.maxretry, "failure")} within ${span}${whole}${lowered}`;
  return `no failure of ${whole === "" ? "it" : key} within ${span}${lowered}`;
}

function firewallSays(core: Core, { jail }: RunningJail): string {
  const problems = problemsOf(core, jail.name);
  if (problems.length > 0) return problems.join("; ");
  return `${jail.banaction.map((use) => use.name).join(", ")}, ${jail.port === "all" ? "all ports" : `ports ${jail.port.map((p) => (p.from === p.to ? `${p.from}` : `${p.from}-${p.to}`)).join(", ")}`}`;
}
