// Whom a match blames: the text in the place of a host becomes a target here or stays a name, and behind a trusted proxy the forwarded-for
// list is read from the side that no client can write to.

import { addressTarget, idTarget, parseAddress, parseTarget, quadTarget } from "./address.ts";
import { copyText, decodeText } from "./bytes.ts";
import type { Target } from "./domain.ts";
import { type Matched, quadOf } from "./matched.ts";
import type { Pattern } from "./pattern.ts";

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
    const plain = bits === 0 && kind !== "id" && kind !== "name" ? judgeQuad(match.quad(index)) : undefined;
    if (plain !== undefined)
      return trusted === undefined ? plain : behindProxy(plain.target, match.text(forwarded), trusted);
    const text = match.text(index) ?? "";
    if (kind === "id") return { target: idTarget(decodeText(text)), name: undefined };
    if (kind === "name") return { target: undefined, name: copyText(text) };
    const width = bits > 0 ? match.text(bits) : undefined;
    const target = judge(
      width === undefined ? text : `${text}/${width}`,
      kind === "subnet" || width !== undefined,
    );
    if (target === undefined) return { target: undefined, name: copyText(text) };
    const list = forwarded > 0 ? match.text(forwarded) : undefined;
    return behindProxy(target, list, trusted);
  }
  return nobody;
}

/** Addresses seen, by their spelling: the same ones come again and again, and their texts must not keep whole chunks alive. */
const seen = new Map<string, Target>();
const seenLimit = 50_000;
/** The same for IPv4 by its 32 bits, where one has displaced another: most failures end here. */
const slots = 1 << 15;
let quads: Uint32Array | undefined;
let quadHosts: (Quad | undefined)[] = [];
type Quad = Host & { readonly target: Target };

/** Who that dotted quad is; undefined where it is none. */
function judgeQuad(bits: number): Quad | undefined {
  if (bits < 0) return undefined;
  if (quads === undefined) {
    quads = new Uint32Array(slots);
    quadHosts = new Array<Quad | undefined>(slots).fill(undefined);
  }
  const slot = (Math.imul(bits, 0x9e3779b1) >>> 17) & (slots - 1);
  const before = quadHosts[slot];
  if (before !== undefined && quads[slot] === bits) return before;
  const host = { target: quadTarget(bits), name: undefined };
  quads[slot] = bits;
  quadHosts[slot] = host;
  return host;
}

/** Lets go of the addresses seen so far. */
export function forgetTargets(): void {
  seen.clear();
  quads = undefined;
  quadHosts = [];
}

/** An address (or, where `wide`, a prefix) as a target; undefined when the text is neither. */
export function judge(text: string, wide: boolean): Target | undefined {
  const quad = judgeQuad(quadOf(text));
  if (quad !== undefined) return quad.target;
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
