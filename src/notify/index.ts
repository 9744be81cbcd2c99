// Who is told, after a ban stands. A Notifier may fail; the queue (daemon/messenger.ts) retries with back-off, groups and
// bounds; nothing ever waits for it. It promises: time limits on everything, no text of a stranger in headers, markup or
// shells unescaped, no redirect followed, secrets never in errors. It leaves alone: the firewall, the journal.

import type { ZodType } from "zod";
import type { Ban, JailName, Target, Time, UnbanReason } from "../core/domain.ts";
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

export interface Enrichment {
  readonly name?: string;
  readonly country?: string;
  readonly network?: string;
  readonly asn?: number;
  readonly organisation?: string;
  readonly abuse?: string;
  readonly whois?: string;
}

/** One delivery: several events grouped into one message when they came together. */
export interface Message {
  readonly host: string;
  readonly events: readonly Event[];
  /** How many more were dropped or folded because the queue is bounded. */
  readonly omitted: number;
}

export interface Notifier<Options = unknown> {
  readonly name: string;
  readonly summary: string;
  readonly options: ZodType<Options>;
  /** Resolves when accepted by the other side; rejects with an Error whose message is safe to show. */
  send(message: Message, options: Options, system: System): Promise<void>;
}

/** Every notifier, by the `type` one writes in `[notify.NAME]`. Adding one: its file and one line here. */
export const notifiers: Readonly<Record<string, Notifier>> = {};
