// Subcommands. One file each, client half (`run`, where you typed it) and in-daemon half (`answer`) together. Help,
// completion and the usage text come from the declaration; a new command is one file and one line in the list below.

export interface Command {
  readonly name: string;
  /** One line for `f2b help`. */
  readonly summary: string;
  /** Lines such as "f2b ban JAIL IP… [--for 1h]". */
  readonly usage: readonly string[];
  readonly options: readonly Option[];
  /** Longer text and examples for `f2b help NAME`. */
  readonly help?: string;
  /** What completes the positional words: jails, banned addresses, files, or fixed words. */
  readonly completes?: readonly ("jail" | "banned" | "file" | "service" | readonly string[])[];
  /** Returns the exit code: 0 fine, 1 the answer is no, 64 usage, 69 daemon not reachable, 78 configuration. */
  run(call: Call): Promise<number>;
}

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
  readonly system: import("../system/index.ts").System;
}
