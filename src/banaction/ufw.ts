// ufw: a rule per address, put before all others and marked by its comment. ufw takes two rules that differ only in their comment
// for one, so jails with the same ports share their rules.

import { z } from "zod";
import { parseTarget } from "../core/address.ts";
import type { PortRange, Target } from "../core/domain.ts";
import { blocktypeOf, matchOf, portText } from "./blocktype.ts";
import { cutOption, cutSteps } from "./cut.ts";
import type { BanAction, JailSetup, Step } from "./index.ts";
import { shortHash } from "./naming.ts";

const options = z.strictObject({ cut: cutOption });

/** A rule takes fifteen ports, and a range counts two. */
const mostPorts = 15;

function portLists(ports: readonly PortRange[]): string[] {
  const lists: string[][] = [];
  let room = 0;
  for (const range of ports) {
    const size = range.from === range.to ? 1 : 2;
    if (size > room) {
      lists.push([]);
      room = mostPorts;
    }
    room -= size;
    lists.at(-1)?.push(portText(range, ":"));
  }
  return lists.map((list) => list.join(","));
}

/** What follows "from ADDRESS" in each rule of this jail. ufw knows no ICMP in its own rules. */
function destinations(jail: JailSetup): string[][] {
  const { ported, whole } = matchOf(jail);
  const rules: string[][] = [];
  if (jail.port !== "all")
    for (const ports of portLists(jail.port))
      for (const protocol of ported)
        if (protocol === "tcp" || protocol === "udp")
          rules.push(["to", "any", "port", ports, "proto", protocol]);
  if (whole === "all") rules.push([]);
  else
    for (const protocol of whole)
      if (protocol === "tcp" || protocol === "udp") rules.push(["to", "any", "proto", protocol]);
  return rules;
}

const verb = (jail: JailSetup): string =>
  blocktypeOf(jail).kind === "drop" || blocktypeOf(jail).kind === "tarpit" ? "deny" : "reject";
/** The mark tells jails' places apart when they are listed. */
const mark = (jail: JailSetup): string =>
  `f2b-${shortHash(JSON.stringify([verb(jail), destinations(jail)]))}`;

const prepend = (jail: JailSetup, target: Target, destination: readonly string[]): Step => ({
  kind: "run",
  command: ["ufw", "prepend", verb(jail), "from", target.text, ...destination, "comment", mark(jail)],
});

const remove = (jail: JailSetup, target: Target, destination: readonly string[]): Step => ({
  kind: "run",
  command: ["ufw", "delete", verb(jail), "from", target.text, ...destination],
  ignore: /Could not delete non-existent rule/,
});

/** `ufw show added` prints the commands that would make the rules, whether ufw is active or not. */
function standing(answer: string, jail: JailSetup): Target[] {
  const counts = new Map<string, number>();
  for (const row of answer.split("\n")) {
    const match = /\bfrom (\S+)\b.* comment '([^']*)'/.exec(row);
    if (match?.[1] !== undefined && match[2] === mark(jail))
      counts.set(match[1], (counts.get(match[1]) ?? 0) + 1);
  }
  const needed = destinations(jail).length;
  return [...counts].flatMap(([text, count]) => {
    const target = count >= needed ? parseTarget(text) : undefined;
    return target === undefined ? [] : [target];
  });
}

const show: Extract<Step, { kind: "run" }> = { kind: "run", command: ["ufw", "show", "added"] };

/** It takes rules while it is off, too, and then they shut out nobody. */
const isActive: Step = {
  kind: "run",
  command: ["ufw", "status"],
  next: (answer) =>
    /^Status: inactive/m.test(answer)
      ? [
          {
            kind: "fail",
            fault: {
              what: "ufw is not active: its rules shut out nobody",
              fix: 'ufw enable, or banaction = "auto"',
            },
          },
        ]
      : [],
};

export const ufw: BanAction = {
  name: "ufw",
  summary: "ufw rules put before all others",
  needs: ["ufw"],
  can: { v4: true, v6: true, prefix: true, id: false },
  shared: true,
  place: (jail) => mark(jail),
  expires: false,
  asRoot: true,
  options,
  start: () => [isActive],
  ban: (jail, bans) => [
    ...bans.flatMap(({ target }) =>
      destinations(jail).map((destination) => prepend(jail, target, destination)),
    ),
  ],
  cut: (jail, targets) => cutSteps(jail, options.parse(jail.options).cut, targets),
  unban: (jail, targets) =>
    targets.flatMap((target) => destinations(jail).map((destination) => remove(jail, target, destination))),
  stop: (jail) => [
    {
      ...show,
      next: (answer: string) =>
        standing(answer, jail).flatMap((target) =>
          destinations(jail).map((destination) => remove(jail, target, destination)),
        ),
    },
  ],
  list: (jail) => ({
    step: show,
    read: (answer, code) =>
      code === 0 ? standing(answer, jail).map((target) => ({ target, until: undefined })) : undefined,
  }),
};
