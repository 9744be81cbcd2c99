// Lines of one connection that only together tell the story. A line may be a failure without an address (the address came
// or will come in another line), a helper that only says who is there, the end, or a success that clears what was pending.
// A helper turns into the failure it stands for when something was pending, or when one connection tried several users.

import type { Seconds, Target, Time } from "./domain.ts";
import type { Said } from "./filter.ts";

export interface Session {
  target: Target | undefined;
  /** A host name where no address is known. */
  name: string | undefined;
  readonly users: string[];
  /** A failure was seen for which there is no address yet. */
  pending: boolean;
  /** Lines that count once the session turns out to be a failure: helpers, and failures that wait. */
  waiting: number;
  captures: Readonly<Record<string, string>> | undefined;
  at: Time;
}

/** Sessions kept at once by one filter; beyond it the oldest is forgotten. */
const limit = 4096;
/** Different users remembered of one session. */
const userLimit = 32;
/** Expired sessions are looked for so often; in between, the bound on their number holds. */
const sweepEvery = 30_000;

export class Sessions {
  private readonly known = new Map<string | number, Session>();
  private swept: Time = 0;
  /** The session that was told last. */
  last: Session | undefined;

  /** `awaitsAddress`: who is known by a host name only is not blamed before an address has been told. */
  constructor(
    private readonly expire: Seconds,
    private readonly awaitsAddress: boolean,
  ) {}

  get size(): number {
    return this.known.size;
  }

  get(key: string | number): Session | undefined {
    return this.known.get(key);
  }

  drop(key: string | number): void {
    this.known.delete(key);
  }

  /** Takes in what a line of session `key` said. Returns how many attempts of a failure that makes; 0: none (yet). */
  tell(key: string | number, said: Said, at: Time): number {
    let session = this.known.get(key);
    if (session !== undefined && this.isAnother(session, said, at)) {
      this.known.delete(key);
      session = undefined;
    }
    if (session === undefined) {
      session = {
        target: undefined,
        name: undefined,
        users: [],
        pending: false,
        waiting: 0,
        captures: undefined,
        at,
      };
      if (!said.forget) this.keep(key, session);
    } else if (said.forget) this.known.delete(key);
    this.last = session;
    session.at = at;
    takeIn(session, said);

    const helper = said.nofail || said.gained;
    if (helper && !session.pending && session.users.length < 2) {
      // A line that only says who is connected (no user) is no attempt.
      if (!said.gained && said.user !== undefined) session.waiting++;
      return 0;
    }
    if (session.target === undefined && (session.name === undefined || this.awaitsAddress)) {
      session.pending = true;
      session.waiting++;
      return 0;
    }
    // A failure that names its address itself is one attempt: the helper before it (PAM's line) told of the same guess.
    const complete = !helper && !session.pending && (said.target !== undefined || said.name !== undefined);
    const itself = helper && said.user === undefined ? 0 : 1;
    const attempts = complete ? 1 : session.waiting + itself;
    session.pending = false;
    session.waiting = 0;
    return attempts;
  }

  /** Keys come again: process ids are used again, and some sessions never tell their end. */
  private isAnother(session: Session, said: Said, at: Time): boolean {
    if (said.begins || at - session.at > this.expire * 1000) return true;
    return (
      said.target !== undefined && session.target !== undefined && said.target.text !== session.target.text
    );
  }

  /** Forgets what has expired; does nothing when called again soon. */
  sweep(now: Time): void {
    if (now - this.swept < sweepEvery && now >= this.swept) return;
    this.swept = now;
    for (const [key, session] of this.known) {
      if (now - session.at > this.expire * 1000) this.known.delete(key);
    }
  }

  private keep(key: string | number, session: Session): void {
    if (this.known.size >= limit) {
      // Some at once, oldest first: looking for one alone costs as much.
      let surplus = limit / 8;
      for (const oldest of this.known.keys()) {
        if (surplus-- === 0) break;
        this.known.delete(oldest);
      }
    }
    this.known.set(key, session);
  }
}

/** What the line knows of address, user and captures. */
function takeIn(session: Session, said: Said): void {
  if (said.target !== undefined) {
    session.target = said.target;
    session.name = undefined;
  } else if (session.target === undefined && said.name !== undefined) {
    // A host name says less than the address that another line of the connection gave.
    session.name = said.name;
  }
  if (said.captures !== undefined) session.captures = { ...session.captures, ...said.captures };
  const { users } = session;
  const user = said.user;
  if (user !== undefined && user !== "" && users.length < userLimit && !users.includes(user))
    users.push(user);
  if (said.gained) {
    session.pending = false;
    session.waiting = 0;
  }
}
