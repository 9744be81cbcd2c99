// f2b explain IP: the question of three in the morning. Why is this customer banned, and why is that attacker not?

import { formatDuration } from "../core/duration.ts";
import { visible } from "../core/text.ts";
import type { Explanation } from "../daemon/explain.ts";
import { targetsOf } from "./ban.ts";
import { show } from "./client.ts";
import { type Call, type Command, exits } from "./index.ts";
import { rows } from "./print.ts";

export const explain: Command = {
  name: "explain",
  summary: "is this address banned, by which lines, until when; if not, why not",
  usage: ["f2b explain IP…"],
  options: [],
  completes: ["banned"],
  help: `
Goes through every gate: is a jail running for the log, has the address failed there, how often inside findtime, is it on an ignore
list, would the last gate refuse it, is it banned, does the firewall hold it, has it been seen since.
While the daemon is down the journal is asked instead (exit code 69).
Exit code 1: it is not banned; of several, one is not (with --json one object after the other).`,
  async run(call) {
    if (call.words.length === 0) {
      call.err("f2b: which address?\n  f2b explain IP\n");
      return exits.usage;
    }
    let code: number = exits.fine;
    for (const [i, target] of call.words.entries()) {
      if (i > 0 && !call.json) call.out("\n");
      const one = await show<Explanation>(
        call,
        "GET",
        `/explain?target=${encodeURIComponent(target)}`,
        undefined,
        (value) => print(call, value),
        (value) => (value.jails.some((jail) => jail.ban !== undefined) ? exits.fine : exits.no),
      );
      code = Math.max(code, one);
      if (one === exits.unavailable && !call.json) {
        const { explainOffline } = await import("./explainoffline.ts");
        for (const word of call.words) call.out(explainOffline(call, word) ?? "");
      }
      if (one > exits.no) break;
    }
    return code;
  },
  routes: {
    "GET /explain": async ({ query }, daemon) => {
      const [target] = targetsOf([query.target ?? ""], daemon.core.state);
      if (target === undefined) throw new Error("unreachable: targetsOf returns one target for one text");
      return { json: await daemon.explain(target) };
    },
  },
};

function print({ out }: Call, value: Explanation): void {
  const bans = value.jails.filter((jail) => jail.ban !== undefined);
  out(
    `${value.target} is ${bans.length === 0 ? "not banned" : `banned in ${bans.map((jail) => jail.jail).join(", ")}`}.\n`,
  );
  if (value.guarded !== undefined) out(`It can never be banned: ${visible(value.guarded)}.\n`);
  for (const { jail, ban, firewall } of bans) {
    if (ban === undefined) continue;
    out(
      `\n${jail}: banned ${ban.target === value.target ? "" : `as ${ban.target} `}since ${ban.since.slice(0, 19).replace("T", " ")} UTC, `,
    );
    out(
      ban.left === "forever"
        ? "for ever"
        : `${formatDuration(Math.max(1, Math.round(ban.left)))} left (until ${ban.until.slice(0, 19).replace("T", " ")} UTC)`,
    );
    out(
      `; ban number ${ban.nth}, cause: ${ban.cause}${ban.user === undefined ? "" : `, user ${visible(ban.user)}`}\n`,
    );
    if (ban.note !== undefined) out(`  note: ${visible(ban.note)}\n`);
    if (firewall !== undefined) out(`  firewall: ${visible(firewall)}\n`);
    if (ban.ineffective !== undefined) out(`  INEFFECTIVE: ${visible(ban.ineffective)}\n`);
    for (const line of ban.lines) out(`  | ${visible(line)}\n`);
    out(`  let it in:  f2b unban ${ban.target}\n`);
  }
  const others = value.jails.filter((jail) => jail.ban === undefined);
  if (others.length > 0) {
    out(`\n${bans.length === 0 ? "Why not:" : "Other jails:"}\n`);
    out(rows(others.map((jail) => [`  ${jail.jail}`, visible(jail.why)])));
  }
  const ignored = others.some((jail) => /^it is (?:ignored|never)/.test(jail.why));
  const unseen = others.find((jail) => jail.unseen !== undefined);
  if (bans.length === 0 && value.history.length === 0 && !ignored && unseen !== undefined)
    out(
      `\nIf a log does name it, its lines are none that count. Which do:\n  grep -F ${value.target} ${visible(unseen.unseen?.[0] ?? "")} | f2b regex - ${unseen.jail} --print missed\n`,
    );
  if (value.history.length > 0) {
    out("\nHistory:\n");
    out(
      rows(
        value.history.map((one) => [
          `  ${one.since.slice(0, 19).replace("T", " ")}`,
          one.jail,
          one.length,
          one.cause,
          one.ended ?? "",
        ]),
      ),
    );
  }
}
