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
export const nobody: Host = { target: undefined, name: undefined };

export function findHost(pattern: Pattern, match: Matched, trusted: Trusts): Host {
  const { hosts, bits, forwarded } = pattern.groups;
  for (let i = 0; i < hosts.length; i++) {
    const { kind, index } = hosts[i]!;
    if (!match.has(index)) continue;
    if (kind === "id") return { target: idTarget(decodeText(match.text(index) ?? "")), name: undefined };
    if (kind === "name") return { target: undefined, name: copyText(match.text(index) ?? "") };
    const host = bits > 0 && match.has(bits) ? undefined : match.recall(spelled, index);
    const found = host ?? hostIn(match, index, bits, kind === "subnet");
    if (found.target === undefined || trusted === undefined) return found;
    return behindProxy(found.target, forwarded > 0 ? match.text(forwarded) : undefined, trusted);
  }
  return nobody;
}

/** Who the text in a host's place is. */
function hostIn(match: Matched, index: number, bits: number, subnet: boolean): Host {
  const text = match.text(index) ?? "";
  const width = bits > 0 ? match.text(bits) : undefined;
  const target = judge(width === undefined ? text : `${text}/${width}`, subnet || width !== undefined);
  if (target === undefined) return { target: undefined, name: copyText(text) };
  const host: Host = { target, name: undefined };
  if (width === undefined && target.kind === "address" && match.onPage) spelled.set(host);
  return host;
}

/** Addresses seen, as they stood in a chunk: most failures end here. */
const spelled = new Spelled<Host>(1 << 14);
/** Addresses seen, by their spelling: the same ones come again and again, and their texts must not keep whole chunks alive. */
const seen = new Map<string, Target>();
const seenLimit = 50_000;
/** Lets go of the addresses seen so far. */
export function forgetTargets(): void {
  seen.clear();
  spelled.clear();
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
