// What the parts of the running daemon share. One loop owns it all: whoever changes it does so between two awaits.

import type { Config } from "../config/index.ts";
import type { Ban, JailName, JournalRecord, Time } from "../core/domain.ts";
import type { State } from "../core/state.ts";
import type { Journal } from "../journal/journal.ts";
import type { Event } from "../notify/index.ts";
import type { Level, System } from "../system/index.ts";
import type { Enforcer } from "./enforcer.ts";
import type { Events } from "./events.ts";
import type { RunningJail } from "./jail.ts";
import type { Tally } from "./tally.ts";

export interface Core {
  readonly system: System;
  config: Config;
  readonly jails: Map<JailName, RunningJail>;
  readonly state: State;
  readonly journal: Journal;
  readonly enforcer: Enforcer;
  readonly events: Events;
  readonly tally: Tally;
  now(): Time;
  /** The only way in which the state changes. */
  apply(record: JournalRecord): void;
  /** How often it has changed. */
  readonly applied: number;
  /** Failures are told one by one at log level info and below. */
  chatty: boolean;
  /** Something has changed since the last checkpoint. */
  dirty: boolean;
  /** A log has been begun: the place is written down soon, for the next start to know it also if this process is killed in a moment. */
  checkpointSoon(): void;
  /** Tells the notifiers; never waits. */
  told(event: Event): void;
  /** Says something once an hour, for what would otherwise be said at every line. */
  sayOnce(level: Level, text: string): void;
  /** An expression took longer than it may and is out of use: said loudly, shown by status. */
  switchedOff(running: RunningJail | undefined, expression: string): void;
  /** How this program is started as the process that matches unproven expressions. */
  readonly matchCommand: readonly string[];
  whyIneffective(running: RunningJail, ban: Ban): string;
  /** Sets the timer for the next ban that ends. */
  schedule(): void;
}
