// Which connection a line of syslog belongs to.

import type { Head } from "./logformat.ts";
import type { Page } from "./page.ts";
import { Recent } from "./recent.ts";
import { idAt } from "./words.ts";

/**
 * Host, program and process id of a syslog head as one number; BSD's level in front belongs to it, as it does in fail2ban. Two
 * sessions at once meet in one number once in some million.
 */
export class PidKeys {
  private readonly tag = new Recent();
  private tagHash = 0;

  of({ bytes, view }: Page, { pid, pidEnd, tag: from }: Head): number | undefined {
    if (pid < 0) return undefined;
    if (this.tag.length !== pid - from || !this.tag.standsAt(view, from)) {
      this.tagHash = hashOf(bytes, from, pid);
      this.tag.keep(bytes, from, pid);
    }
    const id = idAt(view, pid, pidEnd);
    return Math.imul(this.tagHash, 0x9e3779b1) ^ (id < 0 ? hashOf(bytes, pid, pidEnd) : id);
  }
}

function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = to - from;
  for (let at = from; at < to; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0;
  return hash;
}
