// Which session has which key, in two halves: when the younger one is full it becomes the older one, and what was there and has not been
// heard of since is forgotten. So their number is bounded, and forgetting them costs little.
//
// Most keys are numbers (process ids), and nearly every line of such a service finds, begins or ends a session: for these the table is
// made of numbers and the sessions are used again, so that no line leaves garbage.

import type { Target, Time } from "./domain.ts";

/** Sessions in each half. */
export const half = 2048;

/** What is known of a session. */
export class Session {
  target: Target | undefined = undefined;
  /** A host name where no address is known. */
  name: string | undefined = undefined;
  /** The user named first, and the others; mostly there is one. */
  user: string | undefined = undefined;
  more: string[] | undefined = undefined;
  /** A failure was seen for which there is no address yet. */
  pending = false;
  /** Lines that count once the session turns out to be a failure: helpers, and failures that wait. */
  waiting = 0;
  captures: Readonly<Record<string, string>> | undefined = undefined;
  at: Time = 0;

  clear(): void {
    this.target = undefined;
    this.name = undefined;
    this.user = undefined;
    this.more = undefined;
    this.pending = false;
    this.waiting = 0;
    this.captures = undefined;
  }
}

export interface SessionTable<Key> {
  get(key: Key): Session | undefined;
  /** A new one under a key that has none. */
  add(key: Key): Session;
  /** It was heard of: it belongs to the younger half. */
  freshen(key: Key): void;
  /** What is dropped may still be read until the next one is added. */
  drop(key: Key): void;
  /** Drops those that were last heard of before this. */
  sweep(before: Time): void;
}

const slots = 4 * half;
const free = 0;

export class NumberTable implements SessionTable<number> {
  /** By hash, the next free slot where one is taken: place among `sessions`, from 1 on. Made with the first session. */
  private places = new Uint16Array(0);
  private keys = new Int32Array(0);
  private readonly sessions: Session[] = [];
  /** Of each place: free, or the number of its half. */
  private readonly halves = new Uint8Array(2 * half);
  private readonly vacant: number[] = [];
  private young = 1;
  private youngs = 0;
  /** The key that was looked for last and not found, and the slot where it would have stood; good until anything changes. */
  private missed = 0;
  private missedSlot = -1;

  get(key: number): Session | undefined {
    const slot = this.slotOf(key);
    return slot < 0 ? undefined : this.sessions[this.places[slot]! - 1];
  }

  add(key: number): Session {
    if (this.places.length === 0) {
      this.places = new Uint16Array(slots);
      this.keys = new Int32Array(slots);
    }
    this.makeRoom();
    const place = this.vacant.pop() ?? this.sessions.push(new Session()) - 1;
    const session = this.sessions[place]!;
    session.clear();
    this.halves[place] = this.young;
    this.youngs++;
    if (this.missedSlot >= 0 && this.missed === key) {
      this.places[this.missedSlot] = place + 1;
      this.keys[this.missedSlot] = key;
      this.missedSlot = -1;
    } else this.enter(key, place + 1);
    return session;
  }

  freshen(key: number): void {
    const slot = this.slotOf(key);
    const place = this.places[slot]! - 1;
    if (this.halves[place] === this.young) return;
    // Out of the older half first, so that it is not forgotten with it.
    this.halves[place] = this.young;
    if (this.youngs >= half) {
      this.makeRoom();
      this.halves[place] = this.young;
    }
    this.youngs++;
  }

  drop(key: number): void {
    const slot = this.slotOf(key);
    if (slot < 0) return;
    this.vacate(this.places[slot]! - 1);
    this.close(slot);
  }

  sweep(before: Time): void {
    for (let slot = 0; slot < this.places.length; ) {
      const place = this.places[slot]! - 1;
      if (place >= 0 && this.sessions[place]!.at < before) {
        this.vacate(place);
        // What stood behind it may have come here.
        this.close(slot);
      } else slot++;
    }
    for (const place of this.vacant) this.sessions[place]!.clear();
  }

  private vacate(place: number): void {
    if (this.halves[place] === this.young) this.youngs--;
    this.halves[place] = free;
    this.vacant.push(place);
  }

  /** A full younger half becomes the older one; what is left of the older one is forgotten. */
  private makeRoom(): void {
    if (this.youngs < half) return;
    this.young = 3 - this.young;
    this.youngs = 0;
    const { places, keys } = this;
    this.missedSlot = -1;
    const before = places.slice();
    const beforeKeys = keys.slice();
    places.fill(0);
    for (let slot = 0; slot < slots; slot++) {
      const place = before[slot]!;
      if (place === 0) continue;
      if (this.halves[place - 1] === this.young) {
        this.halves[place - 1] = free;
        this.vacant.push(place - 1);
      } else this.enter(beforeKeys[slot]!, place);
    }
  }

  private slotOf(key: number): number {
    const { places, keys } = this;
    if (places.length === 0) return -1;
    let slot = hashOf(key);
    while (places[slot] !== 0) {
      if (keys[slot] === key) return slot;
      slot = (slot + 1) & (slots - 1);
    }
    this.missed = key;
    this.missedSlot = slot;
    return -1;
  }

  private enter(key: number, place: number): void {
    let slot = hashOf(key);
    while (this.places[slot] !== 0) slot = (slot + 1) & (slots - 1);
    this.places[slot] = place;
    this.keys[slot] = key;
    this.missedSlot = -1;
  }

  /** Empties a slot and moves up what stands behind it only because it was taken. */
  private close(slot: number): void {
    const { places, keys } = this;
    this.missedSlot = -1;
    let hole = slot;
    for (let at = (slot + 1) & (slots - 1); places[at] !== 0; at = (at + 1) & (slots - 1)) {
      const wanted = hashOf(keys[at]!);
      if (((at - wanted) & (slots - 1)) < ((at - hole) & (slots - 1))) continue;
      places[hole] = places[at]!;
      keys[hole] = keys[at]!;
      hole = at;
    }
    places[hole] = 0;
  }
}

const hashOf = (key: number): number => (Math.imul(key, 0x9e3779b1) >>> 16) & (slots - 1);

/** Keys that expressions cut out of messages, and those of journald. */
export class TextTable implements SessionTable<string> {
  private known = new Map<string, Session>();
  private older = new Map<string, Session>();

  get(key: string): Session | undefined {
    return this.known.get(key) ?? (this.older.size === 0 ? undefined : this.older.get(key));
  }

  add(key: string): Session {
    const session = new Session();
    this.keep(key, session);
    return session;
  }

  freshen(key: string): void {
    const session = this.older.get(key);
    if (session === undefined || !this.older.delete(key)) return;
    this.keep(key, session);
  }

  drop(key: string): void {
    if (!this.known.delete(key) && this.older.size > 0) this.older.delete(key);
  }

  sweep(before: Time): void {
    for (const sessions of [this.known, this.older])
      for (const [key, session] of sessions) if (session.at < before) sessions.delete(key);
  }

  private keep(key: string, session: Session): void {
    if (this.known.size >= half) {
      this.older = this.known;
      this.known = new Map();
    }
    this.known.set(key, session);
  }
}
