// Whom a match blames: the text in the place of a host becomes a target here or stays a name, and behind a trusted proxy the forwarded-for
// list is read from the side that no client can write to.

import { addressTarget, idTarget, parseAddress, parseTarget } from "./address.ts";
import { copyText, decodeText } from "./bytes.ts";
import type { Target } from "./domain.ts";
import type { Pattern } from "./pattern.ts";

/** Whether a peer is a trusted proxy. */
export type Trusts = ((target: Target) => boolean) | undefined;

export interface Host {
  readonly target: Target | undefined;
  readonly name: string | undefined;
}
export const nobody: Host = { target: undefined, name: undefined };

export function findHost(pattern: Pattern, match: RegExpExecArray, trusted: Trusts): Host {
  const { hosts, bits, forwarded } = pattern.groups;
  for (const { kind, index } of hosts) {
    const text = match[index];
    if (text === undefined) continue;
    if (kind === "id") return { target: idTarget(decodeText(text)), name: undefined };
    if (kind === "name") return { target: undefined, name: copyText(text) };
    const width = bits > 0 ? match[bits] : undefined;
    const target = judge(
      width === undefined ? text : `${text}/${width}`,
      kind === "subnet" || width !== undefined,
    );
    if (target === undefined) return { target: undefined, name: copyText(text) };
    const list = forwarded > 0 ? match[forwarded] : undefined;
    return behindProxy(target, list, trusted);
  }
  return nobody;
}

/** Addresses seen, by their spelling: the same ones come again and again, and their texts must not keep whole chunks alive. */
const seen = new Map<string, Target>();
const seenLimit = 50_000;
/** The same for IPv4 by its 32 bits, where one has displaced another: most failures end here. */
const quads = new Float64Array(1 << 15).fill(-1);
const quadTargets: (Target | undefined)[] = new Array(1 << 15).fill(undefined);

/** An address (or, where `wide`, a prefix) as a target; undefined when the text is neither. */
export function judge(text: string, wide: boolean): Target | undefined {
  const bits = quadOf(text);
  if (bits >= 0) {
    const slot = (Math.imul(bits, 0x9e3779b1) >>> 17) & 0x7fff;
    if (quads[slot] === bits) return quadTargets[slot];
    const target = judgeText(text, wide);
    quads[slot] = bits;
    quadTargets[slot] = target;
    return target;
  }
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

/** The 32 bits of a dotted quad that is spelled as parseAddress wants it; -1 for any other text. */
function quadOf(text: string): number {
  let bits = 0;
  let octet = -1;
  let dots = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 46) {
      if (octet < 0 || ++dots > 3) return -1;
      bits = bits * 256 + octet;
      octet = -1;
    } else if (code < 48 || code > 57 || octet === 0) return -1;
    else {
      octet = octet < 0 ? code - 48 : octet * 10 + code - 48;
      if (octet > 255) return -1;
    }
  }
  return dots === 3 && octet >= 0 ? bits * 256 + octet : -1;
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
