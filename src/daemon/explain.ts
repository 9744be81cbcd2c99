// What `f2b explain` answers: one address taken through every gate of every jail.

import type { BanReport } from "./report.ts";

export interface Explanation {
  readonly target: string;
  /** The last gate's reason why it can never be banned. */
  readonly guarded?: string;
  readonly jails: readonly {
    readonly jail: string;
    readonly ban?: BanReport;
    /** What the firewall says of the ban. */
    readonly firewall?: string;
    /** Why it is not banned here. */
    readonly why: string;
    /** The logs that were read and held no failure of it. */
    readonly unseen?: readonly string[];
  }[];
  readonly history: readonly {
    readonly jail: string;
    readonly since: string;
    readonly length: string;
    readonly cause: string;
    readonly ended?: string;
  }[];
}
