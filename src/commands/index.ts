// Subcommands. One file each, client half (`run`, where you typed it) and in-daemon half (`routes`) together. Help,
// completion and the usage text come from the declaration; a new command is one file and one line in the list below.

import type { Daemon } from "../daemon/daemon.ts";
import type { System } from "../system/index.ts";

export interface Command {
  readonly name: string;
  /** One line for `f2b help`. */
  readonly summary: string;
  /** Lines such as "f2b ban JAIL IP… [--for 1h]". */
  readonly usage: readonly string[];
  readonly options: readonly Option[];
  /** How many words it takes at most; undefined: any number. One too many is a mistake, and not passed over. */
  readonly most?: number;
  /** Longer text and examples for `f2b help NAME`. */
  readonly help?: string;
  /** What completes the positional words in turn; the last one repeats. */
  readonly completes?: readonly Completes[];
  /** Returns the exit code (see `exits`). */
  run(call: Call): Promise<number>;
  /** The half that lives in the daemon: what the control socket answers, by "METHOD /path". */
  readonly routes?: Readonly<Record<string, Route>>;
}

export type Completes = "jail" | "banned" | "file" | "setting" | "key" | readonly string[];

export interface Option {
  readonly name: string;
  readonly short?: string;
  /** Name of its value in the help; undefined for a switch. */
  readonly value?: string;
  readonly many?: boolean;
  readonly summary: string;
}

/** What was typed, parsed by main.ts against the declaration, and the streams to answer on. */
export interface Call {
  readonly words: readonly string[];
  readonly flags: Readonly<Record<string, string | boolean | readonly string[]>>;
  /** -c, -s: undefined means the default places. */
  readonly config: string | undefined;
  readonly socket: string | undefined;
  readonly json: boolean;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly system: System;
}

/** A request that reached the control socket; `body` is parsed JSON, not yet judged. */
export interface Request {
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** Aborted when the client goes away; for streams. */
  readonly signal: AbortSignal;
}

/** JSON by default; `text` for metrics, `stream` for events (one JSON object a line, unless `type` says otherwise) and for long answers. */
export type Answer =
  | { readonly status?: number; readonly json: unknown }
  | { readonly status?: number; readonly text: string; readonly type: string }
  | { readonly stream: AsyncIterable<string>; readonly type?: string };

export type Route = (request: Request, daemon: Daemon) => Promise<Answer> | Answer;

export const exits = {
  fine: 0,
  no: 1,
  usage: 64,
  unavailable: 69,
  broken: 70,
  permission: 77,
  configuration: 78,
} as const;

interface Entry {
  /** Loaded only when typed, so that a client command starts in a few milliseconds. */
  readonly load: () => Promise<Command>;
  /** True when it has routes, which the daemon must load. */
  readonly answers?: true;
}

/** In the order in which `f2b help` lists them. */
export const commands: Readonly<Record<string, Entry>> = {
  daemon: { load: async () => (await import("./daemon.ts")).daemon },
  init: { load: async () => (await import("./init.ts")).init },
  service: { load: async () => (await import("./service.ts")).service },
  status: { load: async () => (await import("./status.ts")).status, answers: true },
  explain: { load: async () => (await import("./explain.ts")).explain, answers: true },
  banned: { load: async () => (await import("./ban.ts")).banned, answers: true },
  ban: { load: async () => (await import("./ban.ts")).ban, answers: true },
  unban: { load: async () => (await import("./ban.ts")).unban, answers: true },
  events: { load: async () => (await import("./events.ts")).events, answers: true },
  top: { load: async () => (await import("./top.ts")).top },
  stats: { load: async () => (await import("./stats.ts")).stats, answers: true },
  report: { load: async () => (await import("./report.ts")).report, answers: true },
  notify: { load: async () => (await import("./notify.ts")).notify, answers: true },
  config: { load: async () => (await import("./config.ts")).config },
  doctor: { load: async () => (await import("./doctor.ts")).doctor },
  get: { load: async () => (await import("./settings.ts")).get, answers: true },
  set: { load: async () => (await import("./settings.ts")).set, answers: true },
  reload: { load: async () => (await import("./control.ts")).reload, answers: true },
  start: { load: async () => (await import("./control.ts")).start, answers: true },
  stop: { load: async () => (await import("./control.ts")).stop, answers: true },
  restart: { load: async () => (await import("./control.ts")).restart },
  ping: { load: async () => (await import("./control.ts")).ping, answers: true },
  healthz: { load: async () => (await import("./control.ts")).healthz, answers: true },
  flushlogs: { load: async () => (await import("./control.ts")).flushlogs, answers: true },
  version: { load: async () => (await import("./control.ts")).version, answers: true },
  replay: { load: async () => (await import("./replay.ts")).replay },
  jails: { load: async () => (await import("./jails.ts")).jails },
  regex: { load: async () => (await import("./regex.ts")).regex },
  match: { load: async () => (await import("./match.ts")).match },
  import: { load: async () => (await import("./import.ts")).importCommand },
  completion: { load: async () => (await import("./completion.ts")).completion },
};
