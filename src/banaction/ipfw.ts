// ipfw of FreeBSD: a table per jail and rules that look into it, at free numbers of a range of ours.

import { z } from "zod";
import { parseTarget } from "../core/address.ts";
import type { Target } from "../core/domain.ts";
import { blocktypeOf, matchOf, portText } from "./blocktype.ts";
import type { BanAction, JailSetup, Step } from "./index.ts";
import { objectName } from "./naming.ts";

const options = z.strictObject({
  rule_base: z
    .int()
    .min(1)
    .max(64_000)
    .default(100)
    .describe("first of the thousand rule numbers that may be used; below those that let in"),
});
const numbers = 1000;

const table = (jail: JailSetup): string => objectName("f2b-", jail.jail, 63);
const ipfwRun = (...args: string[]): Extract<Step, { kind: "run" }> => ({
  kind: "run",
  command: ["ipfw", "-q", ...args],
});

function bodies(jail: JailSetup): string[][] {
  const { ported, whole } = matchOf(jail);
  const blocktype = blocktypeOf(jail);
  const verb = (protocol: string): string =>
    blocktype.kind === "tcp-reset" && protocol === "tcp"
      ? "reset"
      : blocktype.kind === "reject"
        ? "unreach port"
        : "deny";
  const from = (protocol: string) => [
    ...verb(protocol).split(" "),
    protocol,
    "from",
    `table(${table(jail)})`,
    "to",
    "any",
  ];
  const found: string[][] = [];
  if (jail.port !== "all") {
    const ports = jail.port.map((range) => portText(range, "-")).join(",");
    for (const protocol of ported) found.push([...from(protocol), "dst-port", ports]);
  }
  if (whole === "all") found.push(from("ip"));
  else
    for (const protocol of whole)
      found.push(...(protocol === "icmp" ? [from("icmp"), from("ipv6-icmp")] : [from(protocol)]));
  return found;
}

/** [number, mentions our table] of each line of `ipfw list`. */
const listed = (jail: JailSetup, answer: string): { readonly number: number; readonly ours: boolean }[] =>
  answer.split("\n").flatMap((row) => {
    const number = Number(/^(\d+) /.exec(row)?.[1] ?? Number.NaN);
    return Number.isNaN(number) ? [] : [{ number, ours: row.includes(`table(${table(jail)})`) }];
  });

function addRules(jail: JailSetup, answer: string): Step[] {
  const { rule_base } = options.parse(jail.options);
  const rules = listed(jail, answer);
  const taken = new Set(rules.map((rule) => rule.number));
  const steps: Step[] = [];
  let number = rule_base;
  for (const body of bodies(jail)) {
    while (taken.has(number)) number++;
    // With no free number left the rules go to the last one, which the firewall takes as well.
    const at = Math.min(number, rule_base + numbers - 1);
    taken.add(at);
    steps.push(ipfwRun("add", `${at}`, ...body));
  }
  // Older rules go after the new ones stand.
  for (const rule of rules) if (rule.ours) steps.push(ipfwRun("delete", `${rule.number}`));
  return steps;
}

const perTarget = (
  jail: JailSetup,
  verb: "add" | "delete",
  targets: readonly Target[],
  ignore: RegExp,
): Step[] =>
  targets.flatMap((target) =>
    target.kind === "id" ? [] : [{ ...ipfwRun("table", table(jail), verb, target.text), ignore }],
  );

export const ipfw: BanAction = {
  name: "ipfw",
  summary: "ipfw: a table per jail",
  needs: ["ipfw"],
  can: { v4: true, v6: true, prefix: true, id: false },
  shared: false,
  expires: false,
  options,
  start: (jail) => [
    { ...ipfwRun("table", table(jail), "create", "type", "addr"), ignore: /exists/ },
    { kind: "run", command: ["ipfw", "list"], next: (answer) => addRules(jail, answer) },
  ],
  ban: (jail, bans) =>
    perTarget(
      jail,
      "add",
      bans.map((ban) => ban.target),
      /exists/,
    ),
  unban: (jail, targets) => perTarget(jail, "delete", targets, /not found|No such/),
  stop: (jail) => [
    {
      kind: "run",
      command: ["ipfw", "list"],
      next: (answer) =>
        listed(jail, answer).flatMap((rule) => (rule.ours ? [ipfwRun("delete", `${rule.number}`)] : [])),
    },
    { ...ipfwRun("table", table(jail), "destroy"), ignore: /not found|No such/ },
  ],
  list: (jail) => ({
    step: { kind: "run", command: ["ipfw", "table", table(jail), "list"] },
    read(answer, code) {
      if (code !== 0) return undefined;
      return answer.split("\n").flatMap((row) => {
        const text = row.trim().split(/\s+/)[0] ?? "";
        const target = parseTarget(text.replace(/^([\d.]+)\/32$/, "$1").replace(/^(.*:.*)\/128$/, "$1"));
        return target === undefined ? [] : [{ target, until: undefined }];
      });
    },
  }),
};
