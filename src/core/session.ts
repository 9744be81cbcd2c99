// Lines of one connection that only together tell the story. A line may be a failure without an address (the address came
// or will come in another line), a helper that only says who is there, the end, or a success that clears what was pending.
// A helper turns into the failure it stands for when something was pending, or when one connection tried several users.

import type { Seconds, Target, Time } from "./domain.ts";
import type { Said } from "./match.ts";

export interface Session {
  target: Target | undefined;
  /** A host name where no address is known. */
  name: string | undefined;
  /** The user named first, and the others; mostly there is one, and this is made for every line that counts. */
  user: string | undefined;
  more: string[] | undefined;
  /** A failure was seen for which there is no address yet. */
  pending: boolean;
  /** Lines that count once the session turns out to be a failure: helpers, and failures that wait. */
  waiting: number;
  captures: Readonly<Record<string, string>> | undefined;
  at: Time;
}

/**
 * Sessions kept at once by one filter, in two halves: when the younger one is full it becomes the older one, and what was there and has
 * not been heard of since is forgotten. Deleting them one by one costs as much as all the rest.
 */
const half = 2048;
/** Different users remembered of one session, beside the first. */
const userLimit = 32;
/** Expired sessions are looked for so often; in between, the bound on their number holds. */
const sweepEvery = 30_000;

export class Sessions {
  private known = new Map<string | number, Session>();
  private older = new Map<string | number, Session>();
  private swept: Time = 0;
  /** The session that was told last. */
  last: Session | undefined;

  /** `awaitsAddress`: who is known by a host name only is not blamed before an address has been told. */
  constructor(
    private readonly expire: Seconds,
    private readonly awaitsAddress: boolean,
  ) {}

  get size(): number {
    return this.known.size + this.older.size;
  }

  get(key: string | number): Session | undefined {
    return this.known.get(key) ?? (this.older.size === 0 ? undefined : this.older.get(key));
  }

  drop(key: string | number): void {
    if (!this.known.delete(key) && this.older.size > 0) this.older.delete(key);
  }

  /** Takes in what a line of session `key` said. Returns how many attempts of a failure that makes; 0: none (yet). */
  tell(key: string | number, said: Said, at: Time): number {
    let session = this.get(key);
    if (session !== undefined && this.isAnother(session, said, at)) {
      this.drop(key);
      session = undefined;
    }
    if (session === undefined) {
      session = {
        target: undefined,
        name: undefined,
        user: undefined,
        more: undefined,
        pending: false,
        waiting: 0,
        captures: undefined,
        at,
      };
      if (!said.forget) this.keep(key, session);
    } else if (said.forget) this.drop(key);
    else if (this.older.delete(key)) this.keep(key, session);
    this.last = session;
    session.at = at;
    takeIn(session, said);

    const helper = said.nofail || said.gained;
    if (helper && !session.pending && session.more === undefined) {
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
    for (const sessions of [this.known, this.older]) {
      for (const [key, session] of sessions) if (now - session.at > this.expire * 1000) sessions.delete(key);
    }
  }

  private keep(key: string | number, session: Session): void {
    if (this.known.size >= half) {
      this.older = this.known;
      this.known = new Map();
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
  const { user } = said;
  if (user !== undefined && user !== "" && user !== session.user) {
    if (session.user === undefined) session.user = user;
    else if (session.more === undefined) session.more = [user];
    else if (session.more.length < userLimit && !session.more.includes(user)) session.more.push(user);
  }
  if (said.gained) {
    session.pending = false;
    session.waiting = 0;
  }
}
