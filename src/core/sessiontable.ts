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
  /** The target's number; see core/blame.ts. */
  number = -1;
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

  copy(from: Session): void {
    this.target = from.target;
    this.number = from.number;
    this.name = from.name;
    this.user = from.user;
    this.more = from.more;
    this.pending = from.pending;
    this.waiting = from.waiting;
    this.captures = from.captures;
    this.at = from.at;
  }

  clear(): void {
    this.target = undefined;
    this.number = -1;
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
  /** It was heard of: it belongs to the younger half, where it may be another object. */
  freshen(key: Key, session: Session): Session;
  /** What is dropped may still be read until the next one is added. */
  drop(key: Key): void;
  /** Drops those that were last heard of before this. */
  sweep(before: Time): void;
}

export class NumberTable implements SessionTable<number> {
  private young = new Half();
  private older = new Half();
  private readonly moving = new Session();

  get(key: number): Session | undefined {
    return this.young.get(key) ?? (this.older.size === 0 ? undefined : this.older.get(key));
  }

  add(key: number): Session {
    if (this.young.size >= half) {
      const { older } = this;
      older.empty();
      this.older = this.young;
      this.young = older;
    }
    return this.young.add(key);
  }

  freshen(key: number, session: Session): Session {
    if (this.older.size === 0 || !this.older.drop(key)) return session;
    // Its place may be given away when the halves change.
    this.moving.copy(session);
    const moved = this.add(key);
    moved.copy(this.moving);
    return moved;
  }

  drop(key: number): void {
    if (!this.young.drop(key) && this.older.size > 0) this.older.drop(key);
  }

  sweep(before: Time): void {
    this.young.sweep(before);
    this.older.sweep(before);
    this.moving.clear();
  }
}

const slots = 2 * half;

/** Up to `half` sessions by number. */
class Half {
  size = 0;
  /** By hash, the next free slot where one is taken: place among `sessions`, from 1 on. Made with the first session. */
  private places = new Uint16Array(0);
  private keys = new Int32Array(0);
  /** They are used again. Places below `used` were given away; those of them that came back are vacant. */
  private readonly sessions: Session[] = [];
  private vacant: number[] = [];
  private used = 0;
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
    const place = this.vacant.length > 0 ? this.vacant.pop()! : this.used++;
    if (place === this.sessions.length) this.sessions.push(new Session());
    const session = this.sessions[place]!;
    session.clear();
    this.size++;
    let slot = this.missedSlot;
    if (slot < 0 || this.missed !== key) {
      slot = hashOf(key);
      while (this.places[slot] !== 0) slot = (slot + 1) & (slots - 1);
    }
    this.places[slot] = place + 1;
    this.keys[slot] = key;
    this.missedSlot = -1;
    return session;
  }

  /** False: it was not here. */
  drop(key: number): boolean {
    const slot = this.slotOf(key);
    if (slot < 0) return false;
    this.close(slot);
    return true;
  }

  empty(): void {
    this.places.fill(0);
    this.vacant = [];
    this.used = this.size = 0;
    this.missedSlot = -1;
  }

  sweep(before: Time): void {
    for (let slot = 0; slot < this.places.length; ) {
      const place = this.places[slot]!;
      // What stood behind it may have come here.
      if (place > 0 && this.sessions[place - 1]!.at < before) this.close(slot);
      else slot++;
    }
    for (const place of this.vacant) this.sessions[place]!.clear();
    for (let place = this.used; place < this.sessions.length; place++) this.sessions[place]!.clear();
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

  /** Empties a slot and moves up what stands behind it only because it was taken. */
  private close(slot: number): void {
    const { places, keys } = this;
    this.vacant.push(places[slot]! - 1);
    this.size--;
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

  freshen(key: string, session: Session): Session {
    if (this.older.size > 0 && this.older.delete(key)) this.keep(key, session);
    return session;
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
