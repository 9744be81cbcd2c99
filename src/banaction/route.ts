// Routes into nowhere: the machine no longer answers a banned address, whatever the port. No firewall needed. Ours carry a routing
// protocol number of their own, so that others' routes are never touched.

import { z } from "zod";
import { parseTarget } from "../core/address.ts";
import type { Target } from "../core/domain.ts";
import type { BanAction, Found, JailSetup, Listing, Step } from "./index.ts";

type Family = 4 | 6;
const families: readonly Family[] = [4, 6];
/** Free for private use by convention (see /etc/iproute2/rt_protos): marks our routes. */
const protocol = "242";

const options = z.strictObject({
  type: z
    .enum(["blackhole", "unreachable", "prohibit"])
    .default("blackhole")
    .describe("silence, or an error to local programs"),
});

const typeOf = (jail: JailSetup): string => options.parse(jail.options).type;

const whole = (target: Target): string =>
  target.kind === "address" ? `${target.text}/${target.family === 4 ? 32 : 128}` : target.text;

const show = (jail: JailSetup, family: Family): readonly string[] => [
  "ip",
  `-${family}`,
  "route",
  "show",
  "table",
  "all",
  "type",
  typeOf(jail),
  "proto",
  protocol,
];

function standing(answer: string): Target[] {
  return answer.split("\n").flatMap((line) => {
    const text = line.trim().split(/\s+/)[1];
    const target = text === undefined ? undefined : parseTarget(text.replace(/^default$/, ""));
    return target === undefined ? [] : [target];
  });
}

const batch = (family: Family, lines: readonly string[]): Step => ({
  kind: "run",
  command: ["ip", `-${family}`, "-batch", "-"],
  stdin: `${lines.join("\n")}\n`,
});

const byFamily = (targets: readonly Target[]): [Family, Target[]][] =>
  families.flatMap((family): [Family, Target[]][] => {
    const mine = targets.filter((target) => target.kind !== "id" && target.family === family);
    return mine.length === 0 ? [] : [[family, mine]];
  });

/** Deletes what stands and is asked for: deleting a route that is not there would end the batch. */
const removal = (jail: JailSetup, family: Family, isMeant: (target: Target) => boolean): Step => ({
  kind: "run",
  command: show(jail, family),
  next: (answer) => {
    const lines = standing(answer)
      .filter(isMeant)
      .map((target) => `route del ${typeOf(jail)} ${whole(target)} proto ${protocol}`);
    return lines.length === 0 ? [] : [batch(family, lines)];
  },
});

const listing = (jail: JailSetup, family: Family, also?: Listing): Listing => ({
  step: { kind: "run", command: show(jail, family) },
  read: (answer, code): Found[] | undefined =>
    code === 0 ? standing(answer).map((target) => ({ target, until: undefined })) : undefined,
  ...(also === undefined ? {} : { also }),
});

export const route: BanAction = {
  name: "route",
  summary: "blackhole routes: no answer to a banned address, on any port",
  needs: ["ip"],
  can: { v4: true, v6: true, prefix: true, id: false },
  shared: true,
  expires: false,
  options,
  start: () => [],
  ban: (jail, bans) =>
    byFamily(bans.map((ban) => ban.target)).map(([family, targets]) =>
      batch(
        family,
        targets.map((target) => `route replace ${typeOf(jail)} ${whole(target)} proto ${protocol}`),
      ),
    ),
  unban: (jail, targets) =>
    byFamily(targets).map(([family, mine]) => {
      const meant = new Set(mine.map(whole));
      return removal(jail, family, (target) => meant.has(whole(target)));
    }),
  stop: (jail) => families.map((family) => removal(jail, family, () => true)),
  list: (jail) => listing(jail, 4, listing(jail, 6)),
};
