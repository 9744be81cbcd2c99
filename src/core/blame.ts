// Whom a match blames: the text in the place of a host becomes a target here or stays a name, and behind a trusted proxy the forwarded-for
// list is read from the side that no client can write to.

import { addressTarget, idTarget, parseAddress, parseTarget } from "./address.ts";
import { copyText, decodeText } from "./bytes.ts";
import type { Target } from "./domain.ts";
import type { Matched } from "./matched.ts";
import type { Pattern } from "./pattern.ts";
import { Spelled } from "./spelled.ts";

/** Whether a peer is a trusted proxy. */
export type Trusts = ((target: Target) => boolean) | undefined;

export interface Host {
  readonly target: Target | undefined;
  readonly name: string | undefined;
}
const nobody: Host = { target: undefined, name: undefined };

/**
 * A host, and the number under which an address is known for now; -1: it has none, or was not found by it. It is not another's later,
 * or only after some two thousand million other ones.
 */
export interface Blamed {
  target: Target | undefined;
  name: string | undefined;
  number: number;
}

/** Whom a match blames; false: nobody, and `into` says so. */
export function blame(pattern: Pattern, match: Matched, trusted: Trusts, into: Blamed): boolean {
  const { hosts, bits, forwarded } = pattern.groups;
  for (let i = 0; i < hosts.length; i++) {
    const { kind, index } = hosts[i]!;
    if (!match.has(index)) continue;
    if (kind === "id") return settle(into, idTarget(decodeText(match.text(index) ?? "")), undefined);
    if (kind === "name") return settle(into, undefined, copyText(match.text(index) ?? ""));
    const place = bits > 0 && match.has(bits) ? -1 : match.placeIn(spelled, index);
    if (place >= 0) {
      into.target = spelled.at(place);
      into.name = undefined;
      into.number = epoch + place;
    } else hostIn(match, index, bits, kind === "subnet", into);
    if (into.target === undefined || trusted === undefined) return true;
    const { target, name } = behindProxy(
      into.target,
      forwarded > 0 ? match.text(forwarded) : undefined,
      trusted,
    );
    return settle(into, target, name);
  }
  return settle(into, undefined, undefined);
}

function settle(into: Blamed, target: Target | undefined, name: string | undefined): boolean {
  into.target = target;
  into.name = name;
  into.number = -1;
  return target !== undefined || name !== undefined;
}

/** Who the text in a host's place is. */
function hostIn(match: Matched, index: number, bits: number, subnet: boolean, into: Blamed): void {
  const text = match.text(index) ?? "";
  const width = bits > 0 ? match.text(bits) : undefined;
  const target = judge(width === undefined ? text : `${text}/${width}`, subnet || width !== undefined);
  settle(into, target, target === undefined ? copyText(text) : undefined);
  // As it is written here it has one number only.
  if (width === undefined && target?.kind === "address" && target.text === text && match.onPage) {
    if (spelled.isFull) letGo();
    const place = spelled.set(target);
    if (place >= 0) into.number = epoch + place;
  }
}

/** Addresses that have a number at once: numbers that are the same modulo this are never in use together. A power of two. */
export const numbersAtOnce = 1 << 14;
/** Whether of two numbers each other one is another address: both were given since all were let go last. */
export const areAlike = (one: number, other: number): boolean =>
  one >= 0 && other >= 0 && (one ^ other) < numbersAtOnce;

/** Addresses seen, as they stood in a chunk: most failures end here. */
const spelled = new Spelled<Target>(numbersAtOnce);
/** Added to their places, another one each time all are let go. */
let epoch = 0;

function letGo(): void {
  spelled.clear();
  epoch = (epoch + numbersAtOnce) & 0x7fff_ffff;
}
/** Addresses seen, by their spelling: the same ones come again and again, and their texts must not keep whole chunks alive. */
const seen = new Map<string, Target>();
const seenLimit = 50_000;
/** Lets go of the addresses seen so far. */
export function forgetTargets(): void {
  seen.clear();
  letGo();
}

/** An address (or, where `wide`, a prefix) as a target; undefined when the text is neither. */
export function judge(text: string, wide: boolean): Target | undefined {
  const before = seen.get(text);
  if (before !== undefined) return wide || before.kind === "address" ? before : undefined;
  const own = copyText(text);
  const target = judgeText(own, wide);
  if (target === undefined) return undefined;
  if (seen.size >= seenLimit) seen.clear();
  seen.set(own, target);
  return target;
}

function judgeText(text: string, wide: boolean): Target | undefined {
  const address = parseAddress(copyText(text));
  return address !== undefined ? addressTarget(address) : wide ? parseTarget(text) : undefined;
}

/**
 * Whom to blame for a request of `peer` with the forwarded-for `list`. Proxies append on the right, so it is read from there: the first
 * address that is no trusted proxy's. All further left could have been written by that client itself. A trusted proxy is never to blame.
 */
export function behindProxy(peer: Target, list: string | undefined, trusted: Trusts): Host {
  if (trusted === undefined || !trusted(peer)) return { target: peer, name: undefined };
  const entries = (list ?? "").split(/[\s,]+/).filter((entry) => entry !== "");
  for (const entry of entries.reverse()) {
    const text = /^\[?(.*?)\]?$/.exec(entry.replace(/^"|"$/g, ""))?.[1] ?? "";
    const target = judge(text, false);
    if (target === undefined) return nobody;
    if (!trusted(target)) return { target, name: undefined };
  }
  return nobody;
}
