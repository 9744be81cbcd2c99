// Text → Address or nothing. Everything that reaches a window, the journal or a firewall went through this file, so it is
// strict: what inet_aton would also understand (octal, hex, short forms) is no address, because two spellings of one host
// would be counted, ignored and banned apart. Canonical text is RFC 5952; v4-mapped IPv6 is the IPv4 address it carries.
// Hand-written scanners: this runs once for every failure and for every entry of every list.

import type { Address, FailureId, Prefix, Target } from "./domain.ts";

const longestText = 45;
/** The eight groups of the IPv6 address scanned last; only valid until the next scan. */
const groups = new Uint16Array(8);

/**
 * Dotted quad without leading zeros, or RFC 4291 IPv6 (optionally with an embedded IPv4 tail). No blanks, brackets or ports.
 * A zone id ("fe80::1%eth0") is refused: a link-local address means nothing without its interface, and "%" must reach no command.
 */
export function parseAddress(text: string): Address | undefined {
  const length = text.length;
  if (length < 2 || length > longestText) return undefined;
  // An IPv4 text has its first dot at index 1..3; anything else is IPv6 ("::1.2.3.4" too) or nothing.
  const dotted =
    text.charCodeAt(1) === 46 ||
    (text.charCodeAt(0) !== 58 && (text.charCodeAt(2) === 46 || text.charCodeAt(3) === 46));
  if (dotted) return scanV4(text, 0, length) < 0 ? undefined : (text as Address);
  return scanV6(text, length) ? formatGroups() : undefined;
}

/** The 32 bits of the dotted quad text[from..to), or -1. */
function scanV4(text: string, from: number, to: number): number {
  if (to - from > 15) return -1;
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (code >= 48 && code <= 57) {
      // A leading zero would be octal elsewhere.
      if (octet === 0) return -1;
      octet = octet < 0 ? code - 48 : octet * 10 + code - 48;
      if (octet > 255) return -1;
    } else if (code === 46) {
      if (octet < 0 || ++dots > 3) return -1;
      value = value * 256 + octet;
      octet = -1;
    } else return -1;
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : -1;
}

/** Fills `groups` from text[0..length); false when that is no IPv6 address. */
function scanV6(text: string, length: number): boolean {
  let count = 0;
  // Index of the group before which "::" stands.
  let gap = -1;
  let i = 0;
  if (text.charCodeAt(0) === 58) {
    if (text.charCodeAt(1) !== 58) return false;
    gap = 0;
    i = 2;
  }
  while (i < length) {
    if (count === 8) return false;
    let value = 0;
    let digits = 0;
    const start = i;
    let code = 0;
    for (; i < length; i++) {
      code = text.charCodeAt(i);
      const lower = code | 32;
      if (code >= 48 && code <= 57) value = (value << 4) | (code - 48);
      else if (lower >= 97 && lower <= 102) value = (value << 4) | (lower - 87);
      else break;
      if (++digits > 4) return false;
    }
    if (digits === 0) return false;
    if (i < length && code === 46) {
      if (count > 6) return false;
      const tail = scanV4(text, start, length);
      if (tail < 0) return false;
      groups[count++] = tail >>> 16;
      groups[count++] = tail & 0xffff;
      break;
    }
    groups[count++] = value;
    if (i === length) break;
    if (code !== 58 || ++i === length) return false;
    if (text.charCodeAt(i) === 58) {
      if (gap >= 0) return false;
      gap = count;
      i++;
    }
  }
  if (gap < 0) return count === 8;
  if (count === 8) return false;
  const shift = 8 - count;
  for (let g = count - 1; g >= gap; g--) groups[g + shift] = groups[g]!;
  for (let g = gap; g < gap + shift; g++) groups[g] = 0;
  return true;
}

const isMapped = (): boolean =>
  groups[5] === 0xffff && (groups[0]! | groups[1]! | groups[2]! | groups[3]! | groups[4]!) === 0;

const formatV4 = (value: number): Address =>
  `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}` as Address;

/** RFC 5952 of `groups`: lower case, the first of the longest runs of two or more zero groups becomes "::". */
function formatGroups(): Address {
  return isMapped() ? formatV4(((groups[6]! << 16) | groups[7]!) >>> 0) : formatV6();
}

function formatV6(): Address {
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    if (groups[i] !== 0) continue;
    let end = i + 1;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > bestLength) {
      best = i;
      bestLength = end - i;
    }
    i = end;
  }
  let text = "";
  for (let i = 0; i < 8; i++) {
    if (i === best) {
      text += "::";
      i += bestLength - 1;
    } else {
      if (i > 0 && i !== best + bestLength) text += ":";
      text += groups[i]!.toString(16);
    }
  }
  return text as Address;
}

export const addressFamily = (address: Address): 4 | 6 => (address.includes(":") ? 6 : 4);

/** 4 or 16 bytes, network order. */
export function addressBytes(address: Address): Uint8Array {
  if (addressFamily(address) === 4) {
    const value = scanV4(address, 0, address.length);
    return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
  }
  scanV6(address, address.length);
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 8; i++) {
    bytes[2 * i] = groups[i]! >>> 8;
    bytes[2 * i + 1] = groups[i]! & 255;
  }
  return bytes;
}

/** 4 or 16 bytes in network order; v4-mapped is folded. Any other length is a bug and throws. */
export function bytesToAddress(bytes: Uint8Array): Address {
  if (bytes.length === 4)
    return formatV4(((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0);
  if (bytes.length !== 16) throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`);
  for (let i = 0; i < 8; i++) groups[i] = (bytes[2 * i]! << 8) | bytes[2 * i + 1]!;
  return formatGroups();
}

/** Four 32-bit words as signed integers; IPv4 in the first. For comparing under masks; see core/prefixset.ts. */
export interface Words {
  family: 4 | 6;
  w0: number;
  w1: number;
  w2: number;
  w3: number;
  bits: number;
}

/** Reads an Address or a Prefix into `into` (host bits as they stand). */
export function readWords(text: Address | Prefix, into: Words): Words {
  const slash = text.indexOf("/");
  const end = slash < 0 ? text.length : slash;
  if (text.includes(":")) {
    scanV6(text, end);
    into.family = 6;
    into.w0 = (groups[0]! << 16) | groups[1]!;
    into.w1 = (groups[2]! << 16) | groups[3]!;
    into.w2 = (groups[4]! << 16) | groups[5]!;
    into.w3 = (groups[6]! << 16) | groups[7]!;
    into.bits = slash < 0 ? 128 : scanBits(text, slash + 1, 128);
  } else {
    into.family = 4;
    into.w0 = scanV4(text, 0, end) | 0;
    into.w1 = into.w2 = into.w3 = 0;
    into.bits = slash < 0 ? 32 : scanBits(text, slash + 1, 32);
  }
  return into;
}

/** A decimal number 0..max without leading zeros, or -1. */
function scanBits(text: string, from: number, max: number): number {
  const digits = text.length - from;
  if (digits < 1 || digits > 3 || (digits > 1 && text.charCodeAt(from) === 48)) return -1;
  let value = 0;
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 48 || code > 57) return -1;
    value = value * 10 + code - 48;
  }
  return value <= max ? value : -1;
}

/** "192.0.2.0/255.255.255.0" is /24; a mask with holes is nothing. */
function scanMask(text: string, from: number): number {
  const mask = scanV4(text, from, text.length);
  if (mask < 0) return -1;
  const bits = Math.clz32(~mask);
  return ((bits === 0 ? 0 : -1 << (32 - bits)) | 0) === (mask | 0) ? bits : -1;
}

/**
 * "net/bits", for IPv4 also "net/mask"; host bits are zeroed; a bare address is its /32 or /128. A v4-mapped network of /96
 * and longer is the IPv4 network it carries.
 */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) {
    const address = parseAddress(text);
    return address && (`${address}/${addressFamily(address) === 4 ? 32 : 128}` as Prefix);
  }
  if (slash > longestText || text.length - slash > 16) return undefined;
  if (!text.includes(":")) {
    const value = scanV4(text, 0, slash);
    if (value < 0) return undefined;
    const bits = text.includes(".", slash) ? scanMask(text, slash + 1) : scanBits(text, slash + 1, 32);
    return bits < 0 ? undefined : prefixV4(value, bits);
  }
  const bits = scanBits(text, slash + 1, 128);
  if (bits < 0 || slash < 2 || !scanV6(text, slash)) return undefined;
  return prefixOfGroups(bits);
}

const prefixV4 = (value: number, bits: number): Prefix =>
  `${formatV4((bits === 0 ? 0 : value & (-1 << (32 - bits))) >>> 0)}/${bits}` as Prefix;

function prefixOfGroups(bits: number): Prefix {
  if (bits >= 96 && isMapped()) return prefixV4(((groups[6]! << 16) | groups[7]!) >>> 0, bits - 96);
  for (let i = 0; i < 8; i++) {
    const kept = Math.min(16, Math.max(0, bits - 16 * i));
    groups[i] = groups[i]! & (0xffff << (16 - kept));
  }
  return `${formatV6()}/${bits}` as Prefix;
}

/** The network of `bits` that holds the address; bits beyond its family's length mean the address alone. */
export function prefixOf(address: Address, bits: number): Prefix {
  if (!Number.isInteger(bits) || bits < 0) throw new RangeError(`a prefix length cannot be ${bits}`);
  if (addressFamily(address) === 4) return prefixV4(scanV4(address, 0, address.length), Math.min(bits, 32));
  scanV6(address, address.length);
  return prefixOfGroups(Math.min(bits, 128));
}

const outerWords: Words = { family: 4, w0: 0, w1: 0, w2: 0, w3: 0, bits: 0 };
const innerWords: Words = { family: 4, w0: 0, w1: 0, w2: 0, w3: 0, bits: 0 };

/** Whether the whole of `inner` lies in `outer`; never across families. */
export function prefixContains(outer: Prefix, inner: Address | Prefix): boolean {
  return wordsContain(readWords(outer, outerWords), readWords(inner, innerWords));
}

export function wordsContain(outer: Words, inner: Words): boolean {
  if (outer.family !== inner.family || inner.bits < outer.bits) return false;
  const { bits } = outer;
  return (
    ((outer.w0 ^ inner.w0) & wordMask(bits, 0)) === 0 &&
    ((outer.w1 ^ inner.w1) & wordMask(bits, 32)) === 0 &&
    ((outer.w2 ^ inner.w2) & wordMask(bits, 64)) === 0 &&
    ((outer.w3 ^ inner.w3) & wordMask(bits, 96)) === 0
  );
}

/** Mask of the word that begins at bit `from`, for a prefix of `bits`. */
export function wordMask(bits: number, from: number): number {
  const kept = bits - from;
  return kept <= 0 ? 0 : kept >= 32 ? -1 : -1 << (32 - kept);
}

/** Length in bits of a prefix. */
export const prefixBits = (prefix: Prefix): number => scanBits(prefix, prefix.indexOf("/") + 1, 128);

// --------------------------------------------------------------------------------------------------------------- targets

export const addressTarget = (address: Address): Target => ({
  kind: "address",
  text: address,
  family: addressFamily(address),
});

/** A prefix as a target; one of full length is the address, so that nothing is banned twice under two names. */
export function prefixTarget(prefix: Prefix): Target {
  const family = prefix.includes(":") ? 6 : 4;
  if (prefixBits(prefix) === (family === 4 ? 32 : 128))
    return { kind: "address", text: prefix.slice(0, prefix.indexOf("/")) as Address, family };
  return { kind: "prefix", text: prefix, family };
}

export const idTarget = (text: string): Target => ({ kind: "id", text: text as FailureId });

/** An address or a prefix; never an id, which only a filter's <F-ID> makes. */
export function parseTarget(text: string): Target | undefined {
  if (text.includes("/")) {
    const prefix = parsePrefix(text);
    return prefix && prefixTarget(prefix);
  }
  const address = parseAddress(text);
  return address && addressTarget(address);
}

/** One target, one key: its text. An id that reads like an address or network is told apart by "id:". */
export function targetKey(target: Target): string {
  if (target.kind !== "id") return target.text;
  return target.text.startsWith("id:") || parseTarget(target.text) ? `id:${target.text}` : target.text;
}
