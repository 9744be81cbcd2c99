// The terminal as the wizard sees it. Two fulfil it: clack.ts with cursor keys, plain.ts line by line (serial consoles, screen readers, no
// colours, and --yes, which answers every question with its default).

export const cancelled = Symbol("cancelled");
/** An answer, or that the user wants out (Ctrl-C, Esc, end of input). */
export type Asked<T> = T | typeof cancelled;

export interface Choice<T> {
  readonly value: T;
  readonly label: string;
  readonly hint?: string;
}

export interface Terminal {
  intro(title: string): void;
  /** A block of lines under a title. */
  note(title: string, text: string): void;
  say(text: string): void;
  warn(text: string): void;
  outro(text: string): void;
  confirm(question: string, initial: boolean): Promise<Asked<boolean>>;
  /** `judge` says what is wrong with an answer. Nothing typed means `initial`. */
  text(
    question: string,
    initial: string,
    judge: (answer: string) => string | undefined,
  ): Promise<Asked<string>>;
  choose<T extends string>(question: string, choices: readonly Choice<T>[], initial: T): Promise<Asked<T>>;
  /** Any number of them, none included. */
  pick(
    question: string,
    choices: readonly Choice<string>[],
    initial: readonly string[],
  ): Promise<Asked<readonly string[]>>;
  /** Shows how much of something long is done, sparingly: a slow line must not drown in it. */
  progress(what: string): Progress;
  close(): void;
}

export interface Progress {
  /** 0 to 1. */
  update(part: number): void;
  /** Nothing of it stays but the result, if there is one to tell. */
  end(result?: string): void;
}

/**
 * Whether prompts that move the cursor and redraw are out of place: no colours wanted (no-color.org), a terminal that cannot, or a
 * serial line. `tty` is the device's path, if known.
 */
export function wantsPlain(
  env: Readonly<Record<string, string | undefined>>,
  tty: string | undefined,
): boolean {
  const { TERM: term = "dumb" } = env;
  return (
    (env.NO_COLOR ?? "") !== "" ||
    (env.ACCESSIBLE ?? "") !== "" ||
    /^(?:dumb|unknown|vt\d.*|ansi-m|teletype)?$/.test(term) ||
    /^\/dev\/(?:tty(?:S|AMA|USB|ACM|O|MFD|mxc|PS|SAC)\d|hvc|xvc|console)/.test(tty ?? "")
  );
}
