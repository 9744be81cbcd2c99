// Lines of one connection that only together tell the story. A line may be a failure without an address (the address came
// or will come in another line), a helper that only says who is there, the end, or a success that clears what was pending.
// A helper turns into the failure it stands for when something was pending, or when one connection tried several users.

import type { Seconds, Target, Time } from "./domain.ts";
import type { Said } from "./filter.ts";

interface Session {
  target: Target | undefined;
  name: string | undefined;
  users: string[];
  /** A failure was seen for which there is no address yet. */
  pending: boolean;
  /** Lines that count once the session turns out to be a failure: helpers, and failures that wait. */
  waiting: number;
  captures: Readonly<Record<string, string>> | undefined;
  at: Time;
}

/** What a line means once its session is known. */
export interface Told {
  readonly target: Target | undefined;
  readonly name: string | undefined;
  readonly user: string | undefined;
  readonly users: readonly string[];
  readonly attempts: number;
  readonly captures: Readonly<Record<string, string>> | undefined;
}

/** Sessions kept at once by one filter; beyond it the oldest is forgotten. */
const limit = 4096;
/** Different users remembered of one session. */
const userLimit = 32;

export class Sessions {
  private readonly known = new Map<string, Session>();
  constructor(private readonly expire: Seconds) {}

  get size(): number {
    return this.known.size;
  }

  /** Takes in what a line of session `key` said; returns the failure it makes, if any. */
  tell(key: string, said: Said, at: Time): Told | undefined {
    let session = this.known.get(key);
    if (session !== undefined && at - session.at > this.expire * 1000) {
      this.known.delete(key);
      session = undefined;
    }
    const fresh = session === undefined;
    session ??= {
      target: undefined,
      name: undefined,
      users: [],
      pending: false,
      waiting: 0,
      captures: undefined,
      at,
    };
    session.at = at;
    // A host name says less than the address that another line of the connection gave.
    if (said.target !== undefined || session.target === undefined) {
      session.target = said.target;
      session.name = said.name ?? session.name;
    }
    if (said.target !== undefined) session.name = undefined;
    if (said.captures !== undefined) session.captures = { ...session.captures, ...said.captures };
    const user = said.user;
    if (
      user !== undefined &&
      user !== "" &&
      !session.users.includes(user) &&
      session.users.length < userLimit
    ) {
      session.users.push(user);
    }
    if (said.gained) {
      session.pending = false;
      session.waiting = 0;
    }
    if (said.forget) this.known.delete(key);
    else if (fresh) this.keep(key, session);

    const helper = (said.nofail || said.gained) && !session.pending && session.users.length < 2;
    if (helper) {
      if (!said.gained) session.waiting++;
      return undefined;
    }
    if (session.target === undefined && session.name === undefined) {
      session.pending = true;
      session.waiting++;
      return undefined;
    }
    // A failure that names its address itself is one attempt: the helper before it (PAM's line) told of the same guess.
    const complete =
      !said.nofail &&
      !said.gained &&
      !session.pending &&
      (said.target !== undefined || said.name !== undefined);
    const told: Told = {
      target: session.target,
      name: session.name,
      user: user === undefined || (user === "" && session.users.length > 0) ? session.users.at(-1) : user,
      users: [...session.users],
      attempts: complete ? 1 : session.waiting + 1,
      captures: session.captures,
    };
    session.pending = false;
    session.waiting = 0;
    return told;
  }

  /** Forgets what has expired; called now and then. */
  sweep(now: Time): void {
    for (const [key, session] of this.known) {
      if (now - session.at > this.expire * 1000) this.known.delete(key);
    }
  }

  private keep(key: string, session: Session): void {
    if (this.known.size >= limit) {
      const oldest = this.known.keys().next().value;
      if (oldest !== undefined) this.known.delete(oldest);
    }
    this.known.set(key, session);
  }
}
