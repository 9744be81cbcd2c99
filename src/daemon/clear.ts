// Takes away what a daemon leaves in the firewalls when it stops: for who removes f2b altogether. Bans without an end would otherwise stand
// with nobody there to lift them. State and configuration are left alone: installed again, the bans stand again.

import type { Fault } from "../core/domain.ts";
import type { System } from "../system/index.ts";
import { createEnforcer, type EnforcedJail } from "./enforcer.ts";

const withinMs = 3000;

/** What could not be taken away. The daemon that kept it must have ended. */
export async function clearFirewalls(
  system: System,
  jails: readonly EnforcedJail[],
): Promise<readonly Fault[]> {
  const enforcer = createEnforcer({
    system,
    wanted: { standing: () => [], find: () => undefined },
  });
  const faults: Fault[] = [];
  for (const jail of jails) {
    // Joined first: what stands is read, and let go one by one where a firewall cannot drop it all at once.
    const joined = await enforcer.start(jail);
    const left = await enforcer.stop(jail.name, "remove");
    faults.push(...joined.faults, ...left.faults);
  }
  await enforcer.close(withinMs);
  return faults;
}
