// npf of NetBSD: a table that npf.conf declares (table <f2b> type lpm) and blocks from; we fill it.

import { z } from "zod";
import { parseTarget } from "../core/address.ts";
import type { Target } from "../core/domain.ts";
import type { BanAction, JailSetup, Step } from "./index.ts";

const options = z.strictObject({
  table: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,31}$/, "a table's name")
    .default("f2b")
    .describe("the table of npf.conf: table <f2b> type lpm, and block in final from <f2b>"),
});
const tableOf = (jail: JailSetup): string => options.parse(jail.options).table;

const perTarget = (
  jail: JailSetup,
  verb: "add" | "rem",
  targets: readonly Target[],
  ignore: RegExp,
): Step[] =>
  targets.flatMap((target) =>
    target.kind === "id"
      ? []
      : [{ kind: "run" as const, command: ["npfctl", "table", tableOf(jail), verb, target.text], ignore }],
  );

function standing(answer: string): Target[] {
  return answer.split("\n").flatMap((row) => {
    const target = parseTarget(
      row
        .trim()
        .replace(/^([\d.]+)\/32$/, "$1")
        .replace(/^(.*:.*)\/128$/, "$1"),
    );
    return target === undefined ? [] : [target];
  });
}

const show = (jail: JailSetup): Extract<Step, { kind: "run" }> => ({
  kind: "run",
  command: ["npfctl", "table", tableOf(jail), "list"],
});

export const npf: BanAction = {
  name: "npf",
  summary: "npf: a table that npf.conf declares",
  needs: ["npfctl"],
  can: { v4: true, v6: true, prefix: true, id: false },
  shared: true,
  expires: false,
  options,
  // Fails with npfctl's words where npf.conf does not declare the table.
  start: (jail) => [show(jail)],
  ban: (jail, bans) =>
    perTarget(
      jail,
      "add",
      bans.map((ban) => ban.target),
      /File exists|entry already exists/,
    ),
  unban: (jail, targets) => perTarget(jail, "rem", targets, /No such|no matching entry/),
  stop: (jail) => [
    {
      ...show(jail),
      next: (answer: string) => perTarget(jail, "rem", standing(answer), /No such|no matching entry/),
    },
  ],
  list: (jail) => ({
    step: show(jail),
    read: (answer, code) =>
      code === 0 ? standing(answer).map((target) => ({ target, until: undefined })) : undefined,
  }),
};
