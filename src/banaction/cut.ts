// Open connections of a banned address. Rules meet established packets already; these steps also free the server's side at
// once (a hanging login keeps its slot otherwise) and drop the tracked flows. Nothing to cut is a success.

import { z } from "zod";
import type { Target } from "../core/domain.ts";
import { portText } from "./blocktype.ts";
import type { JailSetup, Step } from "./index.ts";

export const cutOption = z
  .array(z.enum(["sockets", "conntrack"]))
  .default(["sockets"])
  .describe(
    "what to end of a banned address's open connections: local sockets (ss), tracked flows (conntrack)",
  );

/** More than this at once is a list being restored, not an attacker at the door: their packets are dropped anyway. */
const mostAddresses = 64;

/** Sockets only of the jail's own ports. */
export function cutSteps(jail: JailSetup, kinds: readonly string[], targets: readonly Target[]): Step[] {
  const hosts = targets.filter((target) => target.kind !== "id");
  if (hosts.length === 0 || hosts.length > mostAddresses) return [];
  const steps: Step[] = [];
  if (kinds.includes("sockets")) {
    const from = hosts
      .map((target) => `dst ${target.family === 6 ? bracketed(target.text) : target.text}`)
      .join(" or ");
    const ports =
      jail.port === "all"
        ? ""
        : jail.port
            .map((range) =>
              range.from === range.to
                ? `sport = :${range.from}`
                : `( sport >= :${range.from} and sport <= :${range.to} )`,
            )
            .join(" or ");
    const filter = ports === "" ? `( ${from} )` : `( ${from} ) and ( ${ports} )`;
    steps.push({
      kind: "run",
      command: ["ss", "-K", "-H", "-n", "-t", "-u", filter],
      timeoutMs: 5000,
      extra: true,
    });
  }
  if (kinds.includes("conntrack"))
    for (const target of hosts)
      steps.push({
        kind: "run",
        command: ["conntrack", "-D", "-f", `ipv${target.family}`, "-s", target.text],
        timeoutMs: 5000,
        ok: [1],
        extra: true,
      });
  return steps;
}

const bracketed = (text: string): string => {
  const [address, bits] = text.split("/");
  return bits === undefined ? `[${address}]` : `[${address}]/${bits}`;
};

/** For comments and messages: "22, 80-90" or "all ports". */
export const portsText = (port: JailSetup["port"]): string =>
  port === "all" ? "all ports" : port.map((range) => portText(range, "-")).join(", ");
