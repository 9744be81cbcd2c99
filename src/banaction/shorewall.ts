// Shorewall's dynamic blacklist: all ports, one list for all jails.

import { z } from "zod";
import type { Target } from "../core/domain.ts";
import { blocktypeOf } from "./blocktype.ts";
import type { BanAction, JailSetup, Step } from "./index.ts";

type Family = 4 | 6;
/** Addresses a call. */
const aCall = 200;
const options = z.strictObject({
  ipv6: z.boolean().default(true).describe("shorewall6 as well; false where it is not installed"),
});

const program = (family: Family): string => (family === 4 ? "shorewall" : "shorewall6");
const families = (jail: JailSetup): Family[] => (options.parse(jail.options).ipv6 ? [4, 6] : [4]);

function calls(jail: JailSetup, verb: string, targets: readonly Target[]): Step[] {
  return families(jail).flatMap((family) => {
    const mine = targets.filter((target) => target.kind !== "id" && target.family === family);
    const steps: Step[] = [];
    for (let i = 0; i < mine.length; i += aCall)
      steps.push({
        kind: "run",
        command: [program(family), verb, ...mine.slice(i, i + aCall).map((target) => target.text)],
      });
    return steps;
  });
}

export const shorewall: BanAction = {
  name: "shorewall",
  summary: "Shorewall's dynamic blacklist, all ports",
  needs: ["shorewall"],
  can: { v4: true, v6: true, prefix: true, id: false },
  shared: true,
  expires: false,
  asRoot: true,
  leavesBans: true,
  options,
  start: () => [],
  ban: (jail, bans) =>
    calls(
      jail,
      blocktypeOf(jail).kind === "reject" || blocktypeOf(jail).kind === "tcp-reset" ? "reject" : "drop",
      bans.map((ban) => ban.target),
    ),
  unban: (jail, targets) => calls(jail, "allow", targets),
  stop: () => [],
  // The list is the administrator's as well, and entries bear no mark: what stands there cannot be told to be ours.
  list: () => undefined,
};
