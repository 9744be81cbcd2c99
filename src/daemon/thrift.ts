// Memory is given back when the start, or a storm, is over. Compiled code goes with it, so this is not done for a line now and then.

import { forgetTargets } from "../core/blame.ts";
import { rebuild } from "../core/snapshot.ts";
import { countLive, type State } from "../core/state.ts";
import type { System } from "../system/index.ts";
import { dropProgram, trimHeap } from "../system/trim.ts";
import type { Pipeline } from "./pipeline.ts";

/** A storm is over when nothing has come for so long. */
const quietMs = 5000;
/** What it must have brought: characters of log. */
const storm = 256 * 1024;
/**
 * As long as it is quiet the program's pages are let go again and again: each that is looked at brings some hundred kilobytes of its
 * neighbours with it.
 */
const dropEveryMs = 2000;
/** Standing bans that are made again in fresh memory; more would hold up a line that comes in this very moment. */
const leastRebuilt = 1000;
const mostRebuilt = 30_000;

export interface Thrift {
  /** To be called every second. */
  tick(): void;
}

/** What only the start needed is let go at once. */
export function createThrift(
  { clock, files }: System,
  state: State,
  { lastTaken, volume }: Pick<Pipeline, "lastTaken" | "volume">,
): Thrift {
  let trimmedAt = 0;
  let droppedAt = 0;
  trim(0);

  function trim(standing: number): void {
    forgetTargets();
    if (standing >= leastRebuilt && standing <= mostRebuilt) rebuild(state, trimHeap);
    trimHeap();
    trimmedAt = volume();
    // It ran through much of the program.
    droppedAt = 0;
  }

  return {
    tick() {
      const now = clock.monotonic();
      if (now - lastTaken() < quietMs) return;
      if (volume() - trimmedAt >= storm) trim(countLive(state));
      else if (now - droppedAt >= dropEveryMs) {
        droppedAt = now;
        dropProgram({ files });
      }
    },
  };
}
