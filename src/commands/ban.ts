// f2b ban, f2b unban, f2b banned: an operator's wishes.

import { idTarget, parseTarget } from "../core/address.ts";
import type { Span, Target } from "../core/domain.ts";
import { parseDuration } from "../core/duration.ts";
import { bansOf, jailBans, type State } from "../core/state.ts";
import { plural, visible } from "../core/text.ts";
import { Refusal } from "../daemon/control.ts";
import type { Daemon } from "../daemon/daemon.ts";
import type { UnbanAnswer } from "../daemon/operate.ts";
import type { BanReport } from "../daemon/report.ts";
import { reportBan } from "../daemon/reporting.ts";
import { show } from "./client.ts";
import { type Command, exits } from "./index.ts";
import { banTable } from "./status.ts";

/** Reads a JSON body's list of targets; each must be an address or a prefix, or, where a state is given, another target banned in it. */
export function targetsOf(value: unknown, state?: State): Target[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > 100_000) {
    throw new Refusal(400, { what: "no address was given" });
  }
  return value.map((text: unknown) => {
    const target = typeof text === "string" ? (parseTarget(text) ?? bannedId(text, state)) : undefined;
    if (target === undefined) {
      throw new Refusal(400, {
        what: `"${visible(String(text)).slice(0, 80)}" is no IP address or network`,
        fix: "write 192.0.2.1, 2001:db8::1, 192.0.2.0/24 or 2001:db8::/64",
      });
    }
    return target;
  });
}

/** What a filter's <F-ID> has got banned, by its text; with "id:" before one that reads like an address. */
export const bannedId = (text: string, state: State | undefined): Target | undefined =>
  [text, text.replace(/^id:/, "")]
    .map(idTarget)
    .find((target) => state !== undefined && bansOf(state, target).length > 0);

const field = (body: unknown, name: string): unknown =>
  typeof body === "object" && body !== null ? (body as Record<string, unknown>)[name] : undefined;
const textField = (body: unknown, name: string): string | undefined => {
  const value = field(body, name);
  return typeof value === "string" ? value : undefined;
};

function spanOf(text: string | undefined): Span | undefined {
  if (text === undefined) return undefined;
  const parsed = parseDuration(text);
  if (!parsed.ok) throw new Refusal(400, parsed.faults[0] ?? { what: "not a duration" });
  if (parsed.value !== "forever" && parsed.value < 1)
    throw new Refusal(400, {
      what: `a ban for ${visible(text)} would be over at once`,
      fix: "--for 10m, or f2b unban IP",
    });
  return parsed.value;
}

interface BanAnswer {
  readonly banned: readonly BanReport[];
  readonly already: readonly string[];
  readonly refused: readonly { readonly target: string; readonly reason: string }[];
}

export const ban: Command = {
  name: "ban",
  summary: "ban addresses or networks now",
  usage: ["f2b ban JAIL IP… [--for 1h] [--note TEXT]"],
  options: [
    {
      name: "for",
      value: "TIME",
      summary: "how long: 90s, 10m, 1d12h, forever (default: as the jail would)",
    },
    { name: "note", value: "TEXT", summary: "kept with the ban; explain shows it" },
  ],
  completes: ["jail", []],
  help: `
Examples:
  f2b ban sshd 192.0.2.7
  f2b ban sshd 2001:db8:bad::/64 --for forever --note "case 4711"
ignoreip does not hold back an operator; the last gate does: the machine's own addresses, its gateway and resolvers, and the
address you are logged in from are refused. Answered once the ban is on disk and in the firewall.`,
  run(call) {
    const [jail, ...targets] = call.words;
    if (jail === undefined || targets.length === 0) {
      call.err("f2b: which jail, and whom?\n  f2b ban JAIL IP… [--for 1h]\n");
      return Promise.resolve(exits.usage);
    }
    return show<BanAnswer>(
      call,
      "POST",
      "/ban",
      { jail, targets, for: call.flags.for, note: call.flags.note },
      (value) => {
        for (const one of value.banned)
          call.out(
            `banned ${one.target} in ${one.jail} ${one.until === "forever" ? "for ever" : `until ${one.until.slice(0, 19).replace("T", " ")} UTC`}\n`,
          );
        for (const one of value.already) call.out(`${one} is banned already\n`);
        for (const one of value.refused)
          call.err(`f2b: ${one.target} was not banned: ${visible(one.reason)}\n`);
      },
      (value) => (value.refused.length > 0 ? exits.no : exits.fine),
    );
  },
  routes: {
    "POST /ban": async ({ body }, daemon) => {
      const jail = textField(body, "jail") ?? "";
      if (!daemon.hasJail(jail)) throw new Refusal(404, daemon.noSuchJail(jail));
      return {
        json: await daemon.ban(
          jail,
          targetsOf(field(body, "targets")),
          spanOf(textField(body, "for")),
          textField(body, "note"),
        ),
      };
    },
  },
};

export const unban: Command = {
  name: "unban",
  summary: "let addresses or networks back in",
  usage: ["f2b unban IP… [--jail JAIL]", "f2b unban --all [--jail JAIL]"],
  options: [
    { name: "all", summary: "everybody" },
    { name: "jail", value: "JAIL", summary: "only in this jail" },
  ],
  completes: ["banned"],
  help: `
Lifts the ban in every jail, forgets the failures counted so far, and lines already written to the log do not ban again.
What a filter bans by another name than an address (<F-ID>) is let in by that name.
A network lifts every ban inside it; an address inside a banned network stays out until that network is let in, which is said.
Exit code 1: nobody was banned under what you named, or somebody is still shut out.`,
  run(call) {
    const all = call.flags.all === true;
    if (!all && call.words.length === 0) {
      call.err("f2b: whom?\n  f2b unban IP… | f2b unban --all [--jail JAIL]\n");
      return Promise.resolve(exits.usage);
    }
    if (all && call.words.length > 0) {
      call.err(
        `f2b: ${visible(call.words.join(" "))}, or everybody?\n  fix: leave out --all (one jail only: --jail JAIL; without it the ban is lifted in every jail)\n`,
      );
      return Promise.resolve(exits.usage);
    }
    const [first = "", ...rest] = call.words;
    if (
      parseTarget(first) === undefined &&
      /^[a-z]/i.test(first) &&
      parseTarget(rest[0] ?? "") !== undefined
    ) {
      call.err(
        `f2b: "${visible(first)}" is no IP address or network\n  fix: in one jail only: f2b unban ${visible(rest.join(" "))} --jail ${visible(first)}\n`,
      );
      return Promise.resolve(exits.usage);
    }
    return show<UnbanAnswer>(
      call,
      "POST",
      "/unban",
      { ...(all ? { all } : { targets: call.words }), jail: call.flags.jail },
      (value) => {
        if (value.unbanned.length > 20) call.out(`${plural(value.unbanned.length, "ban")} lifted\n`);
        else for (const one of value.unbanned) call.out(`unbanned ${one.target} in ${one.jail}\n`);
        if (all && value.unbanned.length === 0) call.out("nobody was banned\n");
        const out = new Set(value.covered.map((one) => one.target));
        for (const one of value.absent) if (!out.has(one)) call.out(`${one} was not banned\n`);
        for (const { target, jail, by } of value.covered)
          call.out(
            `${target} is still shut out: ${jail} has banned all of ${by}\n  let it in:  f2b unban ${by}\n`,
          );
      },
      (value) =>
        value.covered.length > 0 || (value.absent.length > 0 && value.unbanned.length === 0)
          ? exits.no
          : exits.fine,
    );
  },
  routes: {
    "POST /unban": async ({ body }, daemon) => {
      const jail = textField(body, "jail");
      const isGone = daemon.core.enforcer.lingering().some((name) => name === jail);
      if (jail !== undefined && !isGone && !daemon.hasJail(jail))
        throw new Refusal(404, daemon.noSuchJail(jail));
      const targets =
        field(body, "all") === true ? "all" : targetsOf(field(body, "targets"), daemon.core.state);
      return { json: await daemon.unban(targets, jail) };
    },
  },
};

export const banned: Command = {
  name: "banned",
  summary: "who is banned, in all jails; with addresses: is this one?",
  usage: ["f2b banned", "f2b banned IP…"],
  options: [],
  completes: ["banned"],
  help: "\nWith addresses: exit code 0 when all of them are banned, 1 when one is not. A ban of its network counts.",
  run(call) {
    const asked = call.words;
    return show<{ bans: readonly BanReport[]; absent: readonly string[] }>(
      call,
      "POST",
      "/banned",
      asked.length === 0 ? {} : { targets: asked },
      (value) => {
        if (value.bans.length > 0) call.out(table(value.bans));
        else if (asked.length === 0) call.out("Nobody is banned.\n");
        for (const one of value.absent) call.out(`${one} is not banned\n`);
      },
      (value) => (value.absent.length > 0 ? exits.no : exits.fine),
    );
  },
  routes: {
    "POST /banned": ({ body }, daemon) => {
      const targets = field(body, "targets");
      return targets === undefined
        ? { stream: everyBan(daemon), type: "application/json" }
        : { json: daemon.banned(targetsOf(targets, daemon.core.state)) };
    },
  },
};

/** So many bans are put into text before others get their turn. */
const piece = 1000;

/**
 * All bans as the answer to `f2b banned`, a piece at a time as the asker reads: a hundred thousand at once would hold up the daemon for a
 * quarter of a second, and stand in memory for as long as he does not read.
 */
async function* everyBan({ core }: Pick<Daemon, "core">): AsyncGenerator<string> {
  const bans = [...core.jails.keys(), ...core.enforcer.lingering()].flatMap((jail) => [
    ...jailBans(core.state, jail),
  ]);
  yield '{"bans":[';
  for (let at = 0; at < bans.length; at += piece) {
    const text = bans.slice(at, at + piece).map((ban) => JSON.stringify(reportBan(core, ban)));
    yield `${at === 0 ? "" : ","}${text.join(",")}`;
    await new Promise((resolve) => setImmediate(resolve));
  }
  yield '],"absent":[]}';
}

const table = (bans: readonly BanReport[]): string => {
  const jails = [...new Set(bans.map((one) => one.jail))];
  return jails.map((jail) => `${jail}:\n${banTable(bans.filter((one) => one.jail === jail))}`).join("\n");
};
