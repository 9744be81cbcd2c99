// A bug throws, and what it throws must not end what bans: it is told with its stack, and the daemon goes on. Everything that matters is
// level-triggered (the firewall is compared with the state again and again), so that one lost step mends itself. When nothing but bugs
// comes, a fresh start from the journal is better than going on: then the daemon asks to be ended.

import type { System } from "../system/index.ts";

/** Of `process`: where an error arrives that nobody caught. */
export interface Uncaught {
  on(event: "uncaughtException" | "unhandledRejection", heard: (error: unknown) => void): unknown;
}

/** So many within so long are too many. */
const most = 50;
const withinMs = 60_000;

/** `tooMany` is called once. */
export function surviveBugs(
  { clock, log }: Pick<System, "clock" | "log">,
  from: Uncaught,
  tooMany: () => void,
): void {
  let times: number[] = [];
  let given = false;
  const heard = (error: unknown): void => {
    log.say("critical", `a bug in f2b, please report it: ${bugText(error)}`);
    const now = clock.monotonic();
    times = [...times.filter((at) => now - at < withinMs), now];
    if (times.length <= most || given) return;
    given = true;
    log.say("critical", "one bug after the other: f2b ends, to be started anew");
    tooMany();
  };
  from.on("uncaughtException", heard);
  from.on("unhandledRejection", heard);
}

/** The stack where there is one. */
export const bugText = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? String(error)) : `${typeof error} thrown: ${String(error)}`;
