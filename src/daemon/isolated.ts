// Matches a jail's lines in a process of its own, because an expression of its user cannot be proven to end in time and a running match
// cannot be stopped in any other way. The process has a time budget for each chunk; when it overruns it is killed, the expression at fault
// is found by trying each suspicious one alone, and switched off. All other jails go on meanwhile.

import type { Filter, JournaldEntry } from "../core/domain.ts";
import type { Child, System } from "../system/index.ts";
import type { Answered, Matching, Told } from "./matching.ts";

/** Of processor time for one piece of some hundred lines; honest expressions need a few milliseconds. */
const budgetMs = 400;
const trialMs = 200;
/** A process that gets no processor is waited for, but not for ever. */
const patience = 10;
/** Chunks waiting for a process that is busy; beyond, the oldest are dropped and told. */
const mostWaiting = 64;
const chunkChars = 64 * 1024;

export interface Isolated {
  file(
    text: string,
    context: { readonly live: boolean; readonly now: number },
    done: (found: Answered["found"]) => void,
  ): void;
  journald(
    entries: readonly JournaldEntry[],
    context: { readonly live: boolean; readonly now: number },
    done: (found: Answered["found"]) => void,
  ): void;
  close(): void;
}

export interface IsolatedOptions {
  readonly system: System;
  /** How to start this program as `f2b match`. */
  readonly command: readonly string[];
  readonly matching: Matching;
  /** Indexes of failregex that could not be proven safe. */
  readonly suspicious: readonly number[];
  readonly switchedOff: (expression: string) => void;
  readonly dropped: (chunks: number) => void;
}

interface Waiting {
  readonly told: Exclude<Told, { open: Matching }>;
  readonly done: (found: Answered["found"]) => void;
}

export function createIsolated(options: IsolatedOptions): Isolated {
  const { system, command, switchedOff, dropped } = options;
  let { matching } = options;
  let suspicious = [...options.suspicious];
  const queue: Waiting[] = [];
  let child: Process | undefined;
  let working = false;
  let closed = false;
  let nextId = 1;

  async function work(): Promise<void> {
    if (working) return;
    working = true;
    for (let one = queue.shift(); one !== undefined && !closed; one = queue.shift()) {
      child ??= new Process(system, command, matching);
      const found = await child.ask(one.told, budgetMs);
      if (found !== undefined) {
        one.done(found);
        continue;
      }
      child.kill();
      child = undefined;
      if (await findCulprit(one.told)) queue.unshift(one); // again, without it
    }
    working = false;
  }

  /** Tries each suspicious expression alone on the chunk; switches off those that overrun. False: none did. */
  async function findCulprit(told: Waiting["told"]): Promise<boolean> {
    const guilty: number[] = [];
    for (const index of suspicious) {
      const alone = new Process(system, command, { ...matching, filter: only(matching.filter, index) });
      const found = await alone.ask(told, trialMs);
      alone.kill();
      if (found === undefined) guilty.push(index);
    }
    const chosen = guilty.length > 0 ? guilty : suspicious;
    for (const index of chosen) switchedOff(matching.filter.failregex[index] ?? "");
    suspicious = suspicious.filter((index) => !chosen.includes(index));
    // Never matching, in place: the others keep their numbers.
    const failregex = matching.filter.failregex.map((source, index) =>
      chosen.includes(index) ? "^(?!)<HOST>$" : source,
    );
    matching = { ...matching, filter: { ...matching.filter, failregex } };
    return chosen.length > 0;
  }

  function enter(told: Waiting["told"], done: Waiting["done"]): void {
    queue.push({ told, done });
    if (queue.length > mostWaiting) dropped(queue.splice(0, queue.length - mostWaiting).length);
    void work();
  }

  return {
    file(text, context, done) {
      // In small pieces, so that the budget is that of some hundred lines.
      for (let from = 0; from < text.length; ) {
        let to =
          from + chunkChars >= text.length ? text.length : text.lastIndexOf("\n", from + chunkChars) + 1;
        if (to <= from) to = text.indexOf("\n", from) + 1;
        const base = from;
        enter({ id: nextId++, ...context, text: text.slice(from, to) }, (found) =>
          done(found.map((one) => ({ ...one, end: one.end + base }))),
        );
        from = to;
      }
    },
    journald: (entries, context, done) => enter({ id: nextId++, ...context, entries }, done),
    close() {
      closed = true;
      child?.kill();
    },
  };
}

const only = (filter: Filter, index: number): Filter => ({
  ...filter,
  failregex: filter.failregex.filter((_, i) => i === index),
});

class Process {
  private readonly child: Child;
  private readonly answers: AsyncIterator<Answered>;

  constructor(
    private readonly system: System,
    command: readonly string[],
    matching: Matching,
  ) {
    this.child = system.programs.start(command);
    this.answers = answersOf(this.child.stdout)[Symbol.asyncIterator]();
    this.child.write(`${JSON.stringify({ open: matching } satisfies Told)}\n`);
  }

  /** Undefined: no answer within so much processor time, or the process has ended. */
  async ask(told: Waiting["told"], ms: number): Promise<Answered["found"] | undefined> {
    this.child.write(`${JSON.stringify(told)}\n`);
    const answer = this.answers.next();
    const begun = this.processorMs();
    for (let round = 0; round < patience; round++) {
      let cancel: (() => void) | undefined;
      const late = new Promise<"late">((resolve) => {
        cancel = this.system.clock.after(ms, () => resolve("late"));
      });
      const first = await Promise.race([answer, late]);
      cancel?.();
      if (first !== "late") return first.done === true ? undefined : first.value.found;
      if (this.processorMs() - begun >= ms) return undefined;
    }
    return undefined;
  }

  /** User and system time of the process (proc(5), stat; in hundredths of a second). */
  private processorMs(): number {
    try {
      const stat = Buffer.from(this.system.files.readFile(`/proc/${this.child.pid}/stat`)).toString("latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11]) + Number(fields[12])) * 10;
    } catch {
      return Number.POSITIVE_INFINITY; // gone
    }
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }
}

async function* answersOf(stdout: AsyncIterable<Uint8Array>): AsyncGenerator<Answered> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stdout) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line) as Answered;
  }
}
