// What every `[notify.NAME]` may say besides its own options: which events, which jails, when, how often. Parsed here and obeyed by
// daemon/messenger.ts, so that no notifier knows of it.

import { z } from "zod";
import type { Fault, Result } from "../core/domain.ts";
import { parseDuration } from "../core/duration.ts";
import { once } from "../core/lazily.ts";
import { parseDayPart, parseSchedule } from "../core/schedule.ts";
import { suggest } from "../core/text.ts";
import type { Event, EventKind, Notifier } from "./index.ts";
import { notifiers } from "./index.ts";

export const eventKinds = [
  "ban",
  "unban",
  "start",
  "stop",
  "source",
  "enforcement",
  "health",
  "campaign",
  "report",
] as const satisfies readonly EventKind[];

/** What is told when nothing is said: bans, and whatever is broken. Reports go where [report] sends them. */
const usual: readonly EventKind[] = ["ban", "source", "enforcement", "health", "campaign"];

const rate = () =>
  z.string().transform((text, context) => {
    const found = /^\s*(\d{1,5})\s*\/\s*(.+)$/.exec(text);
    const per = found === null ? undefined : parseDuration(found[2]!);
    if (found === null || found[1] === "0" || per?.ok !== true || per.value === "forever" || per.value < 1) {
      context.addIssue({ code: "custom", message: 'must be a number and a duration such as "20/1h"' });
      return z.NEVER;
    }
    return { count: Number(found[1]), seconds: per.value };
  });

const seconds = (least: number, most: number) =>
  z.union([z.string(), z.number()]).transform((text, context) => {
    const parsed = parseDuration(text);
    if (!parsed.ok || parsed.value === "forever" || parsed.value < least || parsed.value > most) {
      context.addIssue({ code: "custom", message: `must be a duration from ${least} s to ${most / 3600} h` });
      return z.NEVER;
    }
    return parsed.value;
  });

/** Reports what a parser of core/ found as an issue of zod. */
const parsed = <T>(parse: (text: string) => Result<T>) =>
  z.string().transform((text, context): T => {
    const result = parse(text);
    if (result.ok) return result.value;
    const { what, why, fix } = result.faults[0]!;
    context.addIssue({
      code: "custom",
      message: [what, why, fix].filter((part) => part !== undefined).join("; "),
    });
    return z.NEVER;
  });

/** The keys common to all notifications. */
export const notifyRules = once(() =>
  z.strictObject({
    enabled: z.boolean().default(true).describe("Whether it is used at all."),
    events: z
      .array(z.enum(eventKinds))
      .optional()
      .describe(`What to tell: ${eventKinds.join(", ")}. By default ${usual.join(", ")}.`),
    jails: z
      .array(z.string().regex(/^[A-Za-z0-9_.*-]{1,64}$/, "must be a jail name, * stands for anything"))
      .optional()
      .describe(
        'Only about these jails ("*" stands for anything: "apache-*"). Events of no jail are always told.',
      ),
    quiet: parsed(parseDayPart)
      .optional()
      .describe(
        'Quiet hours, "22:00-07:00": what is not urgent waits for their end and comes as one message.',
      ),
    digest: parsed(parseSchedule)
      .optional()
      .describe(
        'Collect what is not urgent and send it as one message: "daily 07:00", "weekly mon 07:00", "every 6h".',
      ),
    timezone: z
      .string()
      .refine((name) => {
        try {
          return new Intl.DateTimeFormat("en-US", { timeZone: name }).resolvedOptions().timeZone !== "";
        } catch {
          return false;
        }
      }, "must be a time zone such as Europe/Berlin")
      .optional()
      .describe("Time zone of quiet hours and digest; the machine's by default."),
    group: seconds(0, 86_400)
      .optional()
      .describe(
        "After a message, collect for this long before the next; doubles while it goes on. 10s for people, 0 for machines.",
      ),
    rate: rate()
      .optional()
      .describe(
        'At most so many messages in so much time, "20/1h"; beyond it events are collected. 30/1h for people, no limit for machines.',
      ),
    give_up: seconds(60, 30 * 86_400)
      .optional()
      .describe("How long to go on trying while the other side cannot be reached; 1d by default."),
    lines: z
      .boolean()
      .optional()
      .describe(
        "Let the matched log lines through. Off unless the form chosen needs them: people type passwords where their name belongs.",
      ),
    hide_users: z
      .boolean()
      .default(false)
      .describe("Leave out the user names that were tried, and with them the log lines."),
  }),
);
export type NotifyRules = z.output<ReturnType<typeof notifyRules>>;

/** One `[notify.NAME]`, checked: what createMessenger takes. */
export interface NotifyUse {
  readonly name: string;
  readonly type: string;
  readonly rules: NotifyRules;
  readonly options: unknown;
}

/** One mistake in a `[notify.NAME]`, with the keys that lead to it. */
export type NotifyFault = Fault & { readonly path: readonly (string | number)[] };

export type NotifyResult =
  | { readonly ok: true; readonly value: NotifyUse }
  | { readonly ok: false; readonly faults: readonly NotifyFault[] };

/**
 * Checks one `[notify.NAME]` as parsed from TOML: `type` picks the notifier, the rules' keys go to the rules, the rest to the
 * notifier's options. Faults carry the path of keys inside the table; `known` is there for tests.
 */
export function parseNotify(
  name: string,
  raw: Readonly<Record<string, unknown>>,
  known: Readonly<Record<string, Notifier>> = notifiers,
): NotifyResult {
  const { type, ...rest } = raw;
  const names = Object.keys(known);
  if (typeof type !== "string" || !Object.hasOwn(known, type)) {
    const near = typeof type === "string" ? suggest(type, names) : undefined;
    return {
      ok: false,
      faults: [
        {
          path: type === undefined ? [] : ["type"],
          what: type === undefined ? `notify.${name} has no type` : `notify.${name} has no known type`,
          fix: near === undefined ? `type is one of ${names.join(", ")}.` : `Did you mean "${near}"?`,
        },
      ],
    };
  }
  const isRule = (key: string): boolean => Object.hasOwn(notifyRules().shape, key);
  const of = (want: boolean) =>
    Object.fromEntries(Object.entries(rest).filter(([key]) => isRule(key) === want));
  const rules = notifyRules().safeParse(of(true));
  const options = known[type]!.options.safeParse(of(false));
  const faults = [...(rules.error?.issues ?? []), ...(options.error?.issues ?? [])].flatMap((issue) =>
    faultsOf(name, type, issue, known),
  );
  if (rules.success && options.success && faults.length === 0)
    return { ok: true, value: { name, type, rules: rules.data, options: options.data } };
  return { ok: false, faults };
}

function faultsOf(
  name: string,
  type: string,
  issue: z.core.$ZodIssue,
  known: Readonly<Record<string, Notifier>>,
): NotifyFault[] {
  const path = issue.path.filter((step) => typeof step !== "symbol");
  if (issue.code === "unrecognized_keys") {
    const shape = (known[type]!.options as { shape?: Record<string, unknown> }).shape ?? {};
    const keys = ["type", ...Object.keys(shape), ...Object.keys(notifyRules().shape)];
    return issue.keys.map((key) => {
      const near = suggest(key, keys);
      return {
        path: [...path, key],
        what: `notify.${name} (${type}) has no key "${key}"`,
        fix: near === undefined ? `Its keys are ${keys.join(", ")}.` : `Did you mean "${near}"?`,
      };
    });
  }
  return [{ path, what: `notify.${name}${path.map((step) => `.${step}`).join("")}: ${issue.message}` }];
}

/** Whether the rules let this event through. */
export function lets(rules: NotifyRules, notifier: Notifier, event: Event): boolean {
  if (notifier.accepts !== undefined && !notifier.accepts.includes(event.kind)) return false;
  const wanted: readonly EventKind[] = rules.events ?? usual;
  if (!wanted.includes(event.kind)) return false;
  const jail = event.kind === "ban" ? event.ban.jail : "jail" in event ? event.jail : undefined;
  return (
    jail === undefined || rules.jails === undefined || rules.jails.some((pattern) => glob(pattern, jail))
  );
}

function glob(pattern: string, name: string): boolean {
  const pieces = pattern.split("*").map((piece) => piece.replace(/[.]/g, "\\."));
  return new RegExp(`^${pieces.join("[^]*?")}$`).test(name);
}

/** The event without what the rules keep back: lines unless they are let through, user names if they are to be hidden. */
export function withhold(rules: NotifyRules, lines: boolean, event: Event): Event {
  if (event.kind !== "ban") return event;
  const { user, ...ban } = event.ban;
  // Lines name every user that was tried, not only the last.
  if (rules.hide_users) return { ...event, ban: { ...ban, lines: [] } };
  return lines ? event : { ...event, ban: { ...event.ban, lines: [] } };
}
