// Networks as offenders. One customer owns a whole IPv6 /64, so failures add up under it; the address that reached the limit is
// banned first (a /64 may be shared by a carrier's customers), and the /64 as soon as a second address of it misbehaves. The
// ladder goes on the same way: /64 → /56 → /48, and /24 for IPv4.

import { prefixBits, prefixContains, prefixOf, prefixTarget, targetKey } from "./address.ts";
import type { Address, Prefix, PrefixPolicy, Target } from "./domain.ts";

/** The key under which failures of this target add up: its network of count4 resp. count6 bits, the target itself otherwise. */
export function countKey(target: Target, policy: PrefixPolicy): string {
  if (target.kind !== "address") return targetKey(target);
  const bits = target.family === 4 ? policy.count4 : policy.count6;
  return bits >= (target.family === 4 ? 32 : 128) ? target.text : prefixOf(target.text, bits);
}

export interface Escalation {
  readonly prefix: Target;
  /** Standing bans that lie in it and need not stand any more. */
  readonly folds: readonly Target[];
  readonly reason: string;
}

/** What stands in a jail, answering for one network of the ladder without looking at every ban. */
export interface Members {
  inside(prefix: Prefix): Iterable<Target>;
}

/**
 * The network to ban instead of `target`, or undefined. `standing` is what is banned in the jail now: any iterable, or Members
 * where there may be many. A step of the ladder is taken when the distinct banned targets inside its network, with this one, are
 * at least `members`. Steps cascade: a folded /64 is one member of its /56. `when` says whether `target` is about to be banned or
 * merely failed; a failure takes only steps within the counting network (one customer's), and only if another target inside is
 * banned already.
 */
export function escalate(
  policy: PrefixPolicy,
  standing: Iterable<Target> | Members,
  target: Target,
  when: "ban" | "failure" = "ban",
): Escalation | undefined {
  if (target.kind === "id") return undefined;
  const { family } = target;
  const counted = family === 4 ? policy.count4 : policy.count6;
  const base = baseOf(target);
  let current: Target = target;
  let folds: readonly Target[] = [];
  let reason = "";
  for (const step of policy.ladder) {
    if (step.family !== family || step.bits >= lengthOf(current)) continue;
    if (when === "failure" && step.bits < counted) continue;
    const prefix = prefixOf(base, step.bits);
    const inside = insideOf(standing, prefix);
    const others = distinct(inside.filter((one) => !covers(current, one)));
    if (others.length < Math.max(step.members - 1, when === "failure" ? 1 : 0)) continue;
    current = prefixTarget(prefix);
    folds = inside.filter((one) => one.text !== prefix);
    reason =
      others.length === 0
        ? `the ladder bans the whole of ${prefix}`
        : `${others.length + 1} offenders inside ${prefix}, of ${step.members} that make it banned`;
  }
  return current === target ? undefined : { prefix: current, folds, reason };
}

const baseOf = (target: Exclude<Target, { kind: "id" }>): Address =>
  target.kind === "address" ? target.text : (target.text.slice(0, target.text.indexOf("/")) as Address);

function lengthOf(target: Target): number {
  if (target.kind === "prefix") return prefixBits(target.text);
  return target.kind === "address" && target.family === 4 ? 32 : 128;
}

function covers(outer: Target, inner: Target): boolean {
  if (outer.kind === "id" || inner.kind === "id") return false;
  return outer.kind === "prefix" ? prefixContains(outer.text, inner.text) : outer.text === inner.text;
}

function insideOf(standing: Iterable<Target> | Members, prefix: Prefix): Target[] {
  const candidates = "inside" in standing ? standing.inside(prefix) : standing;
  const found: Target[] = [];
  for (const one of candidates) if (one.kind !== "id" && prefixContains(prefix, one.text)) found.push(one);
  return found;
}

/** Without those that lie in another of them. */
function distinct(targets: readonly Target[]): readonly Target[] {
  const networks = targets.filter((one) => one.kind === "prefix");
  if (networks.length === 0) return targets;
  return targets.filter((one) => !networks.some((network) => network !== one && covers(network, one)));
}

export interface MemberIndex extends Members {
  add(target: Target): void;
  remove(target: Target): void;
}

/** An index over what stands in one jail, kept by whoever adds and removes bans; only lengths of the ladder can be asked. */
export function createMembers(ladder: PrefixPolicy["ladder"]): MemberIndex {
  const byPrefix = new Map<Prefix, Map<string, Target>>();
  function* networksOf(target: Target): Iterable<Prefix> {
    if (target.kind === "id") return;
    for (const step of ladder)
      if (step.family === target.family && step.bits <= lengthOf(target))
        yield prefixOf(baseOf(target), step.bits);
  }
  return {
    inside: (prefix) => byPrefix.get(prefix)?.values() ?? [],
    add(target) {
      for (const prefix of networksOf(target)) {
        const members = byPrefix.get(prefix) ?? new Map<string, Target>();
        members.set(targetKey(target), target);
        byPrefix.set(prefix, members);
      }
    },
    remove(target) {
      for (const prefix of networksOf(target)) {
        const members = byPrefix.get(prefix);
        if (members?.delete(targetKey(target)) && members.size === 0) byPrefix.delete(prefix);
      }
    },
  };
}
