// pf of OpenBSD, FreeBSD and macOS: an anchor f2b/<jail> with a table and its rules. pf.conf must have the line  anchor "f2b/*".

import { z } from "zod";
import { parseTarget } from "../core/address.ts";
import type { Target } from "../core/domain.ts";
import { blocktypeOf, matchOf, portText } from "./blocktype.ts";
import type { BanAction, JailSetup, Step } from "./index.ts";
import { objectName } from "./naming.ts";

const options = z.strictObject({
  kill_states: z.boolean().default(true).describe("end the open connections of a banned address (pfctl -k)"),
});
/** More at once is a list being restored. */
const mostKilled = 64;

const anchor = (jail: JailSetup): string => `f2b/${objectName("", jail.jail, 31)}`;
const table = (jail: JailSetup): string => objectName("f2b-", jail.jail, 31);
const pfctl = (jail: JailSetup, ...args: string[]): Extract<Step, { kind: "run" }> => ({
  kind: "run",
  command: ["pfctl", "-q", "-a", anchor(jail), ...args],
});

function ruleset(jail: JailSetup): string {
  const { ported, whole } = matchOf(jail);
  const blocktype = blocktypeOf(jail).kind;
  const verb = blocktype === "drop" || blocktype === "tarpit" ? "block drop" : "block return";
  const from = `quick from <${table(jail)}> to any`;
  const rules: string[] = [];
  const protocols = (list: readonly string[]) =>
    list.length === 1 ? `proto ${list[0]}` : `proto { ${list.join(" ")} }`;
  if (ported.length > 0 && jail.port !== "all") {
    const ports = jail.port.map((range) => portText(range, ":")).join(" ");
    rules.push(`${verb} in quick ${protocols(ported)} from <${table(jail)}> to any port { ${ports} }`);
  }
  if (whole === "all") rules.push(`${verb} in ${from}`);
  else if (whole.length > 0)
    rules.push(
      `${verb} in quick ${protocols(whole.flatMap((one) => (one === "icmp" ? ["icmp", "icmp6"] : [one])))} from <${table(jail)}> to any`,
    );
  return [`table <${table(jail)}> persist`, ...rules, ""].join("\n");
}

const texts = (targets: readonly Target[]): string =>
  targets
    .filter((target) => target.kind !== "id")
    .map((target) => `${target.text}\n`)
    .join("");

const fail = (what: string, fix: string): Step => ({ kind: "fail", fault: { what, fix } });

/** pf takes anchors that nothing refers to, and while it is off: then they shut out nobody. */
const isInForce: readonly Step[] = [
  {
    kind: "run",
    command: ["pfctl", "-s", "info"],
    next: (answer) =>
      /^Status: Disabled/m.test(answer)
        ? [fail("pf is not enabled: its rules shut out nobody", "pfctl -e")]
        : [],
  },
  {
    kind: "run",
    command: ["pfctl", "-s", "rules"],
    next: (answer) =>
      /^anchor "(?:f2b|\*)/m.test(answer)
        ? []
        : [
            fail(
              "no rule of pf.conf refers to the anchor f2b",
              'add the line  anchor "f2b/*"  to pf.conf, before what lets in',
            ),
          ],
  },
];

export const pf: BanAction = {
  name: "pf",
  summary: 'pf: a table and rules in the anchor f2b/<jail> (pf.conf needs: anchor "f2b/*")',
  needs: ["pfctl"],
  can: { v4: true, v6: true, prefix: true, id: false },
  shared: false,
  expires: false,
  options,
  start: (jail) => [{ ...pfctl(jail, "-f", "-"), stdin: ruleset(jail) }, ...isInForce],
  ban: (jail, bans) => [
    {
      ...pfctl(jail, "-t", table(jail), "-T", "add", "-f", "-"),
      stdin: texts(bans.map((ban) => ban.target)),
    },
  ],
  cut: (jail, targets) =>
    options.parse(jail.options).kill_states && targets.length <= mostKilled
      ? targets.map((target) => ({ kind: "run", command: ["pfctl", "-q", "-k", target.text], extra: true }))
      : [],
  unban: (jail, targets) => [
    { ...pfctl(jail, "-t", table(jail), "-T", "delete", "-f", "-"), stdin: texts(targets) },
  ],
  stop: (jail) => [
    pfctl(jail, "-F", "rules"),
    { ...pfctl(jail, "-t", table(jail), "-T", "kill"), ignore: /does not exist/ },
  ],
  list: (jail) => ({
    step: pfctl(jail, "-t", table(jail), "-T", "show"),
    read(answer, code) {
      if (code !== 0) return undefined;
      return answer.split("\n").flatMap((row) => {
        const target = parseTarget(row.trim());
        return target === undefined ? [] : [{ target, until: undefined }];
      });
    },
  }),
};
