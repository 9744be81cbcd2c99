// The user's own programs. Argument lists, not shell lines: values of a ban are put into arguments as parsed values only (an address,
// a number, a jail's checked name), and are always there as environment variables and as JSON on standard input. With
// `unsafe_shell` a text is run by /bin/sh, and then nothing is put into it: "$F2B_IP" is the only way.

import { z } from "zod";
import { parseTarget } from "../core/address.ts";
import { readsAsOption } from "../core/arguments.ts";
import type { Target, Time } from "../core/domain.ts";
import { visibleLine } from "../core/text.ts";
import { portsText } from "./cut.ts";
import type { BanAction, JailSetup, Standing, Step } from "./index.ts";

const words = ["ip", "family", "jail", "port", "protocol", "bantime", "until"] as const;
type Word = (typeof words)[number];

const line = z
  .array(
    z
      .string()
      .max(4096)
      .refine((text) => !text.includes("\0"), "a NUL byte"),
  )
  .min(1)
  .max(64)
  .refine(
    (list) => /^(?:\/[^{}]+|[A-Za-z0-9_.+-]+)$/.test(list[0] ?? ""),
    "the program: an absolute path or a bare name, nothing put into it",
  )
  .refine(
    (list) =>
      list.every((one) =>
        [...one.matchAll(/\{([a-z]+)\}/g)].every(([, word]) => words.some((known) => known === word)),
      ),
    {
      message: `known words are ${words.map((word) => `{${word}}`).join(", ")}`,
    },
  );
const action = z.union([line, z.string().min(1).max(4096)]);

const options = z
  .strictObject({
    ban: action.describe("run for each ban"),
    unban: action.describe("run for each unban"),
    start: action.optional().describe("run when the jail starts"),
    stop: action.optional().describe("run when the jail is removed"),
    check: action
      .optional()
      .describe("run now and then; another exit code than 0 means that all must be made anew"),
    list: action
      .optional()
      .describe("prints what stands, a line each: address or network, and seconds left if known"),
    timeout: z.int().min(1).max(600).default(30).describe("seconds a program may take"),
    expires: z.boolean().default(false).describe("the program sees to the end of a ban itself"),
    unsafe_shell: z.boolean().default(false).describe("allow texts that /bin/sh runs"),
  })
  .superRefine((value, context) => {
    for (const key of ["ban", "unban", "start", "stop", "check", "list"] as const)
      if (typeof value[key] === "string" && !value.unsafe_shell)
        context.addIssue({
          code: "custom",
          path: [key],
          message: 'write a list: ["/path/program", "argument"]; a text needs unsafe_shell = true',
        });
  });
type Options = z.infer<typeof options>;
const optionsOf = (jail: JailSetup): Options => options.parse(jail.options);

type Values = Readonly<Record<Word, string>>;

function values(
  jail: JailSetup,
  target: Target | undefined,
  until: Time | "forever" | undefined,
  now: Time,
): Values {
  const left =
    until === undefined ? "" : until === "forever" ? "-1" : `${Math.max(1, Math.ceil((until - now) / 1000))}`;
  return {
    ip: target?.text ?? "",
    family: target === undefined || target.kind === "id" ? "" : `inet${target.family === 6 ? "6" : ""}`,
    jail: jail.jail,
    port: jail.port === "all" ? "all" : portsText(jail.port).replaceAll(" ", ""),
    protocol: jail.protocol.join(","),
    bantime: left,
    until: until === undefined ? "" : until === "forever" ? "forever" : `${Math.ceil(until / 1000)}`,
  };
}

function run(
  jail: JailSetup,
  what: "start" | "stop" | "ban" | "unban" | "check" | "list",
  given: Values,
  standing?: Standing,
): Extract<Step, { kind: "run" | "say" }> | undefined {
  const wanted = optionsOf(jail)[what];
  if (wanted === undefined) return undefined;
  if (typeof wanted !== "string" && readsAsOption(wanted, given.ip))
    return {
      kind: "say",
      text: `[${jail.jail}] ${what} of "${visibleLine(given.ip, 80)}" is left out: ${wanted[0]} would take it for an option; write "--" before {ip}, or take it from $F2B_IP`,
    };
  const filled = (text: string): string =>
    text.replace(/\{([a-z]+)\}/g, (whole, word: Word) => given[word] ?? whole);
  const command =
    typeof wanted === "string"
      ? ["/bin/sh", "-c", wanted]
      : wanted.map((text, i) => (i === 0 ? text : filled(text)));
  const env: Record<string, string> = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
    F2B_ACTION: what,
  };
  for (const word of words) env[`F2B_${word.toUpperCase()}`] = given[word];
  const ban = standing?.ban;
  if (ban !== undefined) {
    env.F2B_TIME = String(Math.floor(ban.since / 1000));
    env.F2B_FAILURES = String(ban.failures);
    env.F2B_NTH = String(ban.nth);
    if (ban.user !== undefined) env.F2B_USER = ban.user.replaceAll("\0", "");
  }
  const about =
    ban === undefined
      ? {}
      : {
          since: ban.since,
          nth: ban.nth,
          cause: ban.cause,
          failures: ban.failures,
          lines: ban.lines,
          ...(ban.user === undefined ? {} : { user: ban.user }),
        };
  return {
    kind: "run",
    command,
    env,
    stdin: `${JSON.stringify({ action: what, ...given, ...about })}\n`,
    timeoutMs: optionsOf(jail).timeout * 1000,
  };
}

/** Questions name no target, so there is nothing to leave out. */
const asked = (jail: JailSetup, what: "check" | "list"): Extract<Step, { kind: "run" }> | undefined => {
  const step = run(jail, what, values(jail, undefined, undefined, 0));
  return step?.kind === "run" ? step : undefined;
};

const steps = (step: Step | undefined): Step[] => (step === undefined ? [] : [step]);

export const command: BanAction = {
  name: "command",
  summary: "your own programs: start, ban, unban, stop, check, list",
  needs: [],
  can: { v4: true, v6: true, prefix: true, id: true },
  shared: false,
  expires: false,
  asRoot: true,
  leavesBans: true,
  options,
  start: (jail) => steps(run(jail, "start", values(jail, undefined, undefined, 0))),
  ban: (jail, bans, now) =>
    bans.flatMap((one) => steps(run(jail, "ban", values(jail, one.target, one.until, now), one))),
  unban: (jail, targets) =>
    targets.flatMap((target) => steps(run(jail, "unban", values(jail, target, undefined, 0)))),
  stop: (jail) => steps(run(jail, "stop", values(jail, undefined, undefined, 0))),
  list(jail) {
    const step = asked(jail, "list");
    if (step === undefined) return undefined;
    return {
      step,
      read(answer, code, now) {
        if (code !== 0) return undefined;
        return answer.split("\n").flatMap((row) => {
          const [text = "", left] = row.trim().split(/\s+/);
          const target = parseTarget(text);
          if (target === undefined) return [];
          const seconds = left === undefined ? Number.NaN : Number(left);
          return [
            { target, until: Number.isFinite(seconds) && seconds > 0 ? now + seconds * 1000 : undefined },
          ];
        });
      },
    };
  },
  intact(jail) {
    const step = asked(jail, "check");
    return step === undefined ? [] : [{ step, everyMs: 10_000, read: (_answer, code) => code === 0 }];
  },
};
