// Who is told, after a ban stands. A Notifier may fail; the queue (daemon/messenger.ts) retries with back-off, groups and
// bounds; nothing ever waits for it. It promises: time limits on everything, no text of a stranger in headers, markup or
// shells unescaped, no redirect followed, secrets never in errors. It leaves alone: the firewall, the journal.

import type { ZodType } from "zod";
import type { Ban, JailName, Target, Time, UnbanReason } from "../core/domain.ts";
import { lazily } from "../core/lazily.ts";
import type { System } from "../system/index.ts";

export type Event =
  | { readonly kind: "ban"; readonly at: Time; readonly ban: Ban; readonly enrichment?: Enrichment }
  | {
      readonly kind: "unban";
      readonly at: Time;
      readonly jail: JailName;
      readonly target: Target;
      readonly reason: UnbanReason;
    }
  | { readonly kind: "start" | "stop"; readonly at: Time; readonly text: string }
  | {
      readonly kind: "source" | "enforcement" | "health";
      readonly at: Time;
      readonly jail?: JailName;
      readonly text: string;
      readonly recovered: boolean;
    }
  | {
      readonly kind: "campaign";
      readonly at: Time;
      readonly jail: JailName;
      readonly text: string;
      readonly ended: boolean;
    }
  | {
      readonly kind: "report";
      readonly at: Time;
      readonly subject: string;
      readonly text: string;
      readonly html: string;
    };

export type EventKind = Event["kind"];

export interface Enrichment {
  /** What reverse DNS claims; chosen by whoever owns the address. */
  readonly name?: string;
  readonly country?: string;
  readonly network?: string;
  readonly asn?: number;
  readonly organisation?: string;
  readonly abuse?: string;
  readonly whois?: string;
}

/** What a notifier would like to have in a ban: looked up, resp. kept, only when asked for. */
export type Want = keyof Enrichment | "lines";

/** One delivery: several events grouped into one message when they came together. A report is always alone. */
export interface Message {
  /** Unique and not to be guessed: a mail's Message-ID, an idempotency key, and what the loop guard looks for. */
  readonly id: string;
  readonly host: string;
  readonly events: readonly Event[];
  /** How many more were dropped or folded because the queue is bounded. */
  readonly omitted: number;
}

export interface Notifier<Options = unknown> {
  readonly name: string;
  readonly summary: string;
  /** People get grouped and rated messages by default, machines every event at once. */
  readonly audience: "people" | "machines";
  /** Default of the rule `rate` where its audience's does not fit ("60/1h"). */
  readonly rate?: string;
  /** The only kinds it can take; undefined: all. */
  readonly accepts?: readonly EventKind[];
  readonly options: ZodType<Options>;
  wants?(options: Options): readonly Want[];
  /** Resolves when accepted by the other side; rejects with a Failure (see failure.ts) or an Error whose message is safe to show. */
  send(message: Message, options: Options, system: System): Promise<void>;
  /** Tries access without accusing anybody, where a test message would be a report to a third party. */
  probe?(options: Options, system: System): Promise<void>;
}

/** Every notifier, by the `type` one writes in `[notify.NAME]`. Adding one: its file and one line here. */
export const notifiers: Readonly<Record<string, Notifier>> = lazily({
  mail: () => (require("./mail.ts") as typeof import("./mail.ts")).mail,
  webhook: () => (require("./webhook.ts") as typeof import("./webhook.ts")).webhook,
  slack: () => (require("./slack.ts") as typeof import("./slack.ts")).slack,
  discord: () => (require("./discord.ts") as typeof import("./discord.ts")).discord,
  telegram: () => (require("./telegram.ts") as typeof import("./telegram.ts")).telegram,
  ntfy: () => (require("./ntfy.ts") as typeof import("./ntfy.ts")).ntfy,
  gotify: () => (require("./gotify.ts") as typeof import("./gotify.ts")).gotify,
  pushover: () => (require("./pushover.ts") as typeof import("./pushover.ts")).pushover,
  matrix: () => (require("./matrix.ts") as typeof import("./matrix.ts")).matrix,
  teams: () => (require("./teams.ts") as typeof import("./teams.ts")).teams,
  abuseipdb: () => (require("./abuseipdb.ts") as typeof import("./abuseipdb.ts")).abuseipdb,
  "blocklist-de": () => (require("./blocklist-de.ts") as typeof import("./blocklist-de.ts")).blocklistDe,
  xarf: () => (require("./xarf.ts") as typeof import("./xarf.ts")).xarf,
  syslog: () => (require("./syslog.ts") as typeof import("./syslog.ts")).syslog,
  command: () => (require("./command.ts") as typeof import("./command.ts")).command,
  redis: () => (require("./redis.ts") as typeof import("./redis.ts")).redis,
});
