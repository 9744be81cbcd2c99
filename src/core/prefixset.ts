// Many addresses and networks, asked for one address: ignoreip lists of 100,000 entries stand in the way of every failure,
// so a lookup is one hash probe for each prefix length in use, longest first, and never a scan.

import { readWords, type Words, wordMask, wordsContain } from "./address.ts";
import type { Address, Prefix } from "./domain.ts";

export interface PrefixSet {
  readonly size: number;
  /** The most specific entry that holds the address, as canonical text (an entry of full length as an Address). */
  find(address: Address): Prefix | Address | undefined;
  /** An entry that holds the whole of `range` or lies in it: what a ban of `range` would hit. Linear for the second half. */
  touching(range: Address | Prefix): Prefix | Address | undefined;
  /** Takes canonical text; false when it was there already. */
  add(entry: Address | Prefix): boolean;
  remove(entry: Address | Prefix): boolean;
  entries(): IterableIterator<Prefix | Address>;
}

interface Entry extends Words {
  readonly text: Prefix | Address;
}

/** All entries of one family and one length. Chains hold entries whose hashes meet. */
interface Level {
  readonly bits: number;
  readonly masks: readonly [number, number, number, number];
  readonly byHash: Map<number, Entry | Entry[]>;
}

const asked: Words = { family: 4, w0: 0, w1: 0, w2: 0, w3: 0, bits: 0 };

/** Mixes four words; quality matters little since entries are compared, but neighbouring networks must not collide. */
function mix(w0: number, w1: number, w2: number, w3: number): number {
  let h = Math.imul(w0, 0x9e3779b1) ^ (w0 >>> 15);
  h = Math.imul(h ^ w1, 0x85ebca6b) ^ (h >>> 13);
  h = Math.imul(h ^ w2, 0xc2b2ae35) ^ (h >>> 16);
  h = Math.imul(h ^ w3, 0x27d4eb2f) ^ (h >>> 15);
  return h | 0;
}

const canonical = (text: Address | Prefix, words: Words): Address | Prefix => {
  const full = words.family === 4 ? 32 : 128;
  const slash = text.indexOf("/");
  return slash >= 0 && words.bits === full ? (text.slice(0, slash) as Address) : text;
};

export function createPrefixSet(initial: Iterable<Address | Prefix> = []): PrefixSet {
  const levels: Record<4 | 6, Level[]> = { 4: [], 6: [] };
  let size = 0;

  function levelOf(family: 4 | 6, bits: number): Level {
    const list = levels[family];
    const found = list.find((level) => level.bits === bits);
    if (found) return found;
    const masks = [wordMask(bits, 0), wordMask(bits, 32), wordMask(bits, 64), wordMask(bits, 96)] as const;
    const level: Level = { bits, masks, byHash: new Map() };
    list.push(level);
    list.sort((a, b) => b.bits - a.bits);
    return level;
  }

  function inLevel(level: Level, w: Words): Entry | undefined {
    const [m0, m1, m2, m3] = level.masks;
    const w0 = w.w0 & m0;
    const w1 = w.w1 & m1;
    const w2 = w.w2 & m2;
    const w3 = w.w3 & m3;
    const slot = level.byHash.get(mix(w0, w1, w2, w3));
    if (slot === undefined) return undefined;
    if (!Array.isArray(slot))
      return slot.w0 === w0 && slot.w1 === w1 && slot.w2 === w2 && slot.w3 === w3 ? slot : undefined;
    return slot.find((e) => e.w0 === w0 && e.w1 === w1 && e.w2 === w2 && e.w3 === w3);
  }

  function covering(w: Words): Entry | undefined {
    for (const level of levels[w.family]) {
      if (level.bits > w.bits) continue;
      const entry = inLevel(level, w);
      if (entry) return entry;
    }
    return undefined;
  }

  const set: PrefixSet = {
    get size() {
      return size;
    },
    find: (address) => (size === 0 ? undefined : covering(readWords(address, asked))?.text),
    touching(range) {
      const words = { ...readWords(range, asked) };
      const outer = covering(words);
      if (outer) return outer.text;
      for (const level of levels[words.family]) {
        if (level.bits < words.bits) continue;
        for (const slot of level.byHash.values())
          for (const entry of Array.isArray(slot) ? slot : [slot])
            if (wordsContain(words, entry)) return entry.text;
      }
      return undefined;
    },
    add(text) {
      const words = readWords(text, asked);
      const level = levelOf(words.family, words.bits);
      if (inLevel(level, words)) return false;
      const entry: Entry = { ...words, text: canonical(text, words) };
      const hash = mix(entry.w0, entry.w1, entry.w2, entry.w3);
      const slot = level.byHash.get(hash);
      if (slot === undefined) level.byHash.set(hash, entry);
      else if (Array.isArray(slot)) slot.push(entry);
      else level.byHash.set(hash, [slot, entry]);
      size++;
      return true;
    },
    remove(text) {
      const words = readWords(text, asked);
      const level = levels[words.family].find((l) => l.bits === words.bits);
      const entry = level && inLevel(level, words);
      if (!level || !entry) return false;
      const hash = mix(entry.w0, entry.w1, entry.w2, entry.w3);
      const slot = level.byHash.get(hash);
      const rest = Array.isArray(slot) ? slot.filter((e) => e !== entry) : [];
      if (rest.length === 0) level.byHash.delete(hash);
      else level.byHash.set(hash, rest);
      // An empty level would cost a probe in every lookup.
      if (level.byHash.size === 0) levels[words.family] = levels[words.family].filter((l) => l !== level);
      size--;
      return true;
    },
    *entries() {
      for (const family of [4, 6] as const)
        for (const level of levels[family])
          for (const slot of level.byHash.values())
            for (const entry of Array.isArray(slot) ? slot : [slot]) yield entry.text;
    },
  };
  for (const entry of initial) set.add(entry);
  return set;
}
