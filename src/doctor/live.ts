// All checks of the live system. Functions of what was gathered, in the order of the data's path.

import { checkEnforcement } from "./enforcement.ts";
import type { Facts } from "./facts.ts";
import { sortFindings } from "./finding.ts";
import type { Finding } from "./index.ts";
import { checkLockout } from "./lockout.ts";
import { checkNotifications } from "./notifications.ts";
import { checkSecurity } from "./security.ts";
import { checkSources } from "./sources.ts";
import { checkSystem } from "./system.ts";

export const checkLive = (facts: Facts): Finding[] =>
  sortFindings([
    ...checkSources(facts),
    ...checkEnforcement(facts),
    ...checkLockout(facts),
    ...checkSecurity(facts),
    ...checkSystem(facts),
    ...checkNotifications(facts),
  ]);
