// How a delivery fails. The queue must know whether trying again can help, how long the other side asked it to wait, and how
// many events of the message were already taken, so that a retry does not report them twice.

export interface FailureInfo {
  /** Trying the same again cannot help: wrong token, refused recipient, unusable option. */
  readonly permanent?: boolean;
  /** The other side asked for a pause (Retry-After). */
  readonly retryAfterMs?: number;
  /** So many events from the front of the message were accepted before the failure. */
  readonly delivered?: number;
}

/** The message is safe to show: no secrets, nothing a terminal would obey. */
export class Failure extends Error {
  readonly permanent: boolean;
  readonly retryAfterMs: number | undefined;
  readonly delivered: number;

  constructor(message: string, info: FailureInfo = {}) {
    super(message);
    this.name = "Failure";
    this.permanent = info.permanent ?? false;
    this.retryAfterMs = info.retryAfterMs;
    this.delivered = info.delivered ?? 0;
  }

  /** The same failure, said to have happened after `delivered` events. */
  after(delivered: number): Failure {
    return new Failure(this.message, {
      permanent: this.permanent,
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
      delivered,
    });
  }
}
