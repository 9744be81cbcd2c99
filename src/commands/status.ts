// f2b status: all jails as a table; f2b status JAIL: one of them with its banned list.

import { formatDuration } from "../core/duration.ts";
import { plural, visible } from "../core/text.ts";
import { Refusal } from "../daemon/control.ts";
import type { BanReport, JailReport, StatusReport } from "../daemon/report.ts";
import { show } from "./client.ts";
import { type Call, type Command, exits } from "./index.ts";
import { rows } from "./print.ts";

export const status: Command = {
  name: "status",
  summary: "what is watched and who is banned; with a jail's name, all about it",
  usage: ["f2b status", "f2b status JAIL"],
  most: 1,
  options: [{ name: "all", short: "a", summary: "with JAIL: the whole banned list, also when it is long" }],
  completes: ["jail"],
  help: `
The columns: failures counted now (inside findtime) and in total; banned now and in total; where the lines come from.
A jail is "waiting" while its log is not there yet, and "broken" when something in it must be mended; the others go on.
Exit code 1: a jail is broken, or bans cannot be carried out.`,
  run(call) {
    const [jail] = call.words;
    if (jail !== undefined) {
      const all = call.flags.all === true;
      return show<JailReport>(
        call,
        "GET",
        `/status/jail?jail=${encodeURIComponent(jail)}`,
        undefined,
        (value) => printJail(call, value, all),
      );
    }
    return show<StatusReport>(
      call,
      "GET",
      "/status",
      undefined,
      (value) => printAll(call, value),
      (value) =>
        value.problems.length > 0 || value.jails.some((one) => one.state === "broken")
          ? exits.no
          : exits.fine,
    );
  },
  routes: {
    "GET /status": async (_, daemon) => ({ json: await daemon.status() }),
    "GET /status/jail": async ({ query }, daemon) => {
      const report = await daemon.jailReport(query.jail ?? "");
      if (report === undefined) throw new Refusal(404, daemon.noSuchJail(query.jail ?? ""));
      return { json: report };
    },
  },
};

/** Problems but for what a jail is broken by: that stands with its jail. */
export function furtherProblems({ problems, jails }: StatusReport): string[] {
  const reasons = new Set(jails.map((jail) => jail.reason));
  return problems.filter((problem) => !reasons.has(problem));
}

function printAll(call: Call, report: StatusReport): void {
  const { out } = call;
  out(
    `f2b ${report.version}, up ${formatDuration(Math.max(1, Math.round(report.uptime)))}, firewall ${report.firewall}\n`,
  );
  if (report.dryrun !== undefined) out(`DRY RUN, nobody is really banned: ${visible(report.dryrun)}\n`);
  if (report.degraded !== undefined) out(`The journal cannot be written: ${visible(report.degraded)}\n`);
  for (const problem of furtherProblems(report)) out(`! ${visible(problem)}\n`);
  if (report.jails.length === 0) {
    out("No jails. f2b init proposes some.\n");
    return;
  }
  out("\n");
  out(
    rows([
      ["Jail", "State", "Failed", "total", "Banned", "total", "Source"],
      ...report.jails.map((jail) => [
        jail.name,
        jail.state,
        String(jail.failed.now),
        String(jail.failed.total),
        String(jail.banned.now),
        String(jail.banned.total),
        sourceOf(jail),
      ]),
    ]),
  );
  for (const jail of report.jails) printTroubles(call, jail);
}

function sourceOf(jail: JailReport): string {
  if (jail.files.length === 1) return jail.files[0] ?? "";
  if (jail.files.length > 1) return `${jail.files[0]} and ${plural(jail.files.length - 1, "more file")}`;
  return jail.backend;
}

function printTroubles(call: Call, jail: JailReport): void {
  const { out } = call;
  if (jail.reason !== undefined) out(`\n${jail.name} is ${jail.state}: ${visible(jail.reason)}\n`);
  if (jail.fix !== undefined) out(`  fix: ${visible(jail.fix)}\n`);
  if (jail.campaign !== undefined) out(`\n${jail.name}: a campaign is going on: ${visible(jail.campaign)}\n`);
  for (const problem of jail.problems) out(`\n${jail.name}: ${visible(problem)}\n`);
  for (const one of jail.ineffective.slice(0, 5))
    out(`\n${jail.name}: the ban of ${one.target} seems to have no effect: ${visible(one.reason)}\n`);
}

const shown = 50;

function printJail(call: Call, jail: JailReport, all: boolean): void {
  const { out } = call;
  out(`Jail ${jail.name}: ${visible(jail.summary)}\n`);
  out(
    rows([
      ["  State", jail.state],
      ["  Source", jail.backend],
      ...jail.files.map((file, i) => [i === 0 ? "  Files" : "", file]),
      ...jail.journalmatch.map((match, i) => [i === 0 ? "  Journal matches" : "", match]),
      ["  Currently failed", String(jail.failed.now)],
      ["  Total failed", String(jail.failed.total)],
      ["  Currently banned", String(jail.banned.now)],
      ["  Total banned", String(jail.banned.total)],
      ...(jail.packets === undefined ? [] : [["  Packets dropped", String(jail.packets)]]),
      ["  Enforced by", jail.banactions.join(", ")],
    ]),
  );
  printTroubles(call, jail);
  const bans = jail.bans ?? [];
  if (bans.length === 0) return;
  out("\n");
  const some = all ? bans : bans.slice(0, shown);
  out(banTable(some));
  if (some.length < bans.length)
    out(`… and ${bans.length - some.length} more: f2b status ${jail.name} --all\n`);
}

export function banTable(bans: readonly BanReport[]): string {
  return rows([
    ["Banned", "Since", "Time left", "Nth", "Cause", "User"],
    ...bans.map((ban) => [
      ban.target,
      ban.since.slice(0, 19).replace("T", " "),
      ban.left === "forever" ? "forever" : formatDuration(Math.max(1, Math.round(ban.left))),
      String(ban.nth),
      ban.ineffective === undefined ? ban.cause : `${ban.cause}, INEFFECTIVE`,
      visible(ban.user ?? ""),
    ]),
  ]);
}
