// What the daemon tells of itself: the shapes that `--json` prints and that the commands turn into tables. Plain data.

import type { BanCause, Time } from "../core/domain.ts";

export interface BanReport {
  readonly jail: string;
  readonly target: string;
  readonly since: string;
  readonly until: string | "forever";
  /** Seconds left. */
  readonly left: number | "forever";
  readonly nth: number;
  readonly cause: BanCause;
  readonly failures: number;
  readonly user?: string;
  readonly note?: string;
  readonly lines: readonly string[];
  /** Why it seems not to shut the target out. */
  readonly ineffective?: string;
}

export interface JailReport {
  readonly name: string;
  readonly summary: string;
  readonly state: "running" | "waiting" | "broken" | "stopped";
  readonly reason?: string;
  readonly fix?: string;
  readonly backend: string;
  readonly files: readonly string[];
  readonly journalmatch: readonly string[];
  readonly failed: { readonly now: number; readonly total: number };
  readonly banned: { readonly now: number; readonly total: number };
  /** Packets the firewall has dropped for this jail, where it counts them. */
  readonly packets?: number;
  readonly campaign?: string;
  readonly banactions: readonly string[];
  readonly problems: readonly string[];
  readonly ineffective: readonly { readonly target: string; readonly reason: string }[];
  readonly bans?: readonly BanReport[];
}

export interface StatusReport {
  readonly version: string;
  readonly pid: number;
  readonly started: string;
  readonly uptime: number;
  readonly config: readonly string[];
  readonly firewall: string;
  /** Why nothing is really banned; absent when bans are real. */
  readonly dryrun?: string;
  /** Why the journal cannot be written. */
  readonly degraded?: string;
  readonly problems: readonly string[];
  readonly jails: readonly JailReport[];
}

export const iso = (time: Time): string => new Date(time).toISOString();
