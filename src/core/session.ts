// Lines of one connection that only together tell the story. A line may be a failure without an address (the address came
// or will come in another line), a helper that only says who is there, the end, or a success that clears what was pending.
// A helper turns into the failure it stands for when something was pending, or when one connection tried several users.

import { areAlike } from "./blame.ts";
import type { Seconds, Time } from "./domain.ts";
import type { Said } from "./match.ts";
import { NumberTable, Session, type SessionTable, TextTable } from "./sessiontable.ts";

/** Different users remembered of one session, beside the first. */
const userLimit = 32;
/** Expired sessions are looked for so often; in between, the bound on their number holds. */
const sweepEvery = 30_000;

export class Sessions {
  private readonly numbers = new NumberTable();
  private readonly texts = new TextTable();
  /** For lines that are their session's only one. */
  private readonly passing = new Session();
  private swept: Time = 0;
  /** The session that was told last. */
  last: Session = this.passing;

  /** `awaitsAddress`: who is known by a host name only is not blamed before an address has been told. */
  constructor(
    private readonly expire: Seconds,
    private readonly awaitsAddress: boolean,
  ) {}

  get(key: string | number): Session | undefined {
    return typeof key === "number" ? this.numbers.get(key) : this.texts.get(key);
  }

  drop(key: string | number): void {
    if (typeof key === "number") this.numbers.drop(key);
    else this.texts.drop(key);
  }

  /** Takes in what a line of session `key` said. Returns how many attempts of a failure that makes; 0: none (yet). */
  tell(key: string | number, said: Said, at: Time): number {
    return typeof key === "number"
      ? this.tellIn(this.numbers, key, said, at)
      : this.tellIn(this.texts, key, said, at);
  }

  private tellIn<Key>(table: SessionTable<Key>, key: Key, said: Said, at: Time): number {
    let session = table.get(key);
    if (session !== undefined && this.isAnother(session, said, at)) {
      table.drop(key);
      session = undefined;
    }
    if (session === undefined) {
      if (said.forget) {
        session = this.passing;
        session.clear();
      } else session = table.add(key);
    } else if (said.forget) table.drop(key);
    else session = table.freshen(key, session);
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
    const now = said.target;
    if (now === undefined) return false;
    // Without a look at either target.
    if (areAlike(said.number, session.number)) return said.number !== session.number;
    const before = session.target;
    return now !== before && before !== undefined && now.text !== before.text;
  }

  /** Forgets what has expired; does nothing when called again soon. */
  sweep(now: Time): void {
    if (now - this.swept < sweepEvery && now >= this.swept) return;
    this.swept = now;
    this.numbers.sweep(now - this.expire * 1000);
    this.texts.sweep(now - this.expire * 1000);
  }
}

/** What the line knows of address, user and captures. */
function takeIn(session: Session, said: Said): void {
  if (said.target !== undefined) {
    session.target = said.target;
    session.number = said.number;
    session.name = undefined;
  } else if (session.target === undefined && said.name !== undefined) {
    // A host name says less than the address that another line of the connection gave.
    session.name = said.name;
  }
  if (said.captures !== undefined) session.captures = { ...session.captures, ...said.captures };
  if (said.named) {
    if (session.user === undefined) session.user = said.user;
    else if (said.user !== session.user) addUser(session, said.user ?? "");
  }
  if (said.gained) {
    session.pending = false;
    session.waiting = 0;
  }
}

function addUser(session: Session, user: string): void {
  if (session.more === undefined) session.more = [user];
  else if (session.more.length < userLimit && !session.more.includes(user)) session.more.push(user);
}
