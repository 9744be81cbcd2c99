// The wizard's questions line by line: nothing is redrawn, no colour, no cursor; numbers instead of cursor keys. With `answers`
// undefined nothing is asked: every question is answered with its default and the answer shown, which is --yes.

import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { type Asked, type Choice, cancelled, type Terminal } from "./ask.ts";

export interface Answers {
  /** The next line; undefined: the input has ended or the user wants out. */
  next(): Promise<string | undefined>;
  close(): void;
}

/** Lines of a terminal. Ctrl-C ends the program before it comes here, unless the stream is raw. */
export function linesOf(input: Readable): Answers {
  const reader = createInterface({ input, terminal: false });
  const waiting: string[] = [];
  let wanted: ((line: string | undefined) => void) | undefined;
  let ended = false;
  const give = (line: string | undefined): void => {
    const to = wanted;
    wanted = undefined;
    to?.(line);
  };
  reader.on("line", (line) => {
    if (wanted === undefined) waiting.push(line);
    else give(line);
  });
  reader.on("close", () => {
    ended = true;
    give(undefined);
  });
  return {
    next: () => {
      const line = waiting.shift();
      if (line !== undefined) return Promise.resolve(line);
      if (ended) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        wanted = resolve;
      });
    },
    close: () => reader.close(),
  };
}

export function plainTerminal(write: (text: string) => void, answers: Answers | undefined): Terminal {
  const line = (text: string): void => write(`${text}\n`);
  /** Asks until an answer can be read; "" is what Enter gives. `shown` is printed where nothing is asked. */
  async function ask<T>(
    question: string,
    shown: string,
    read: (answer: string) => T | undefined,
    again: string,
  ): Promise<Asked<T>> {
    for (;;) {
      write(question);
      const answer = answers === undefined ? "" : await answers.next();
      if (answers === undefined) line(shown);
      if (answer === undefined || /[\x03\x1b]/.test(answer)) {
        line("");
        return cancelled;
      }
      const value = read(answer.trim());
      if (value !== undefined) return value;
      line(`  ${again}`);
    }
  }
  const numbered = (choices: readonly Choice<string>[], mark: (one: Choice<string>) => string): void => {
    choices.forEach((one, i) => {
      line(
        `  ${String(i + 1).padStart(2)} ${mark(one)}${one.label}${one.hint === undefined ? "" : `: ${one.hint}`}`,
      );
    });
  };

  return {
    intro: (title) => line(title),
    note: (title, text) => line(`\n${title}\n${indented(text)}`),
    say: (text) => line(text),
    warn: (text) => line(`! ${text}`),
    outro: (text) => line(`\n${text}`),
    confirm: (question, initial) =>
      ask(
        `\n${question} [${initial ? "Y/n" : "y/N"}] `,
        initial ? "yes" : "no",
        (answer) =>
          answer === ""
            ? initial
            : /^y(?:es)?$/i.test(answer)
              ? true
              : /^no?$/i.test(answer)
                ? false
                : undefined,
        "y or n",
      ),
    async text(question, initial, judge) {
      for (;;) {
        const answer = await ask(
          `\n${question}${initial === "" ? " (Enter: none)" : ` [${initial}]`} `,
          initial === "" ? "none" : initial,
          (given) => (given === "" ? initial : given),
          "",
        );
        const wrong = answer === cancelled ? undefined : judge(answer);
        if (wrong === undefined) return answer;
        line(`  ${wrong}`);
      }
    },
    choose: (question, choices, initial) => {
      line(`\n${question}`);
      numbered(choices, (one) => (one.value === initial ? "* " : "  "));
      const label = choices.find((one) => one.value === initial)?.label ?? initial;
      return ask(
        `A number (Enter: ${label}) `,
        label,
        (answer) => (answer === "" ? initial : choices[Number(answer) - 1]?.value),
        `1 to ${choices.length}`,
      );
    },
    async pick(question, choices, initial) {
      const on = new Set(initial);
      line(`\n${question}`);
      for (;;) {
        numbered(choices, (one) => (on.has(one.value) ? "[x] " : "[ ] "));
        const answer = await ask(
          "Numbers to switch on or off (Enter: as shown) ",
          "as shown",
          (given) => {
            const numbers = given === "" ? [] : given.split(/[\s,]+/).map(Number);
            return numbers.every((n) => choices[n - 1] !== undefined) ? numbers : undefined;
          },
          `numbers from 1 to ${choices.length}, with blanks between`,
        );
        if (answer === cancelled) return cancelled;
        if (answer.length === 0) return choices.map((one) => one.value).filter((value) => on.has(value));
        for (const n of answer) {
          const value = choices[n - 1]?.value ?? "";
          if (!on.delete(value)) on.add(value);
        }
      }
    },
    progress(what) {
      let quarter = 0;
      return {
        update(part) {
          if (Math.floor(part * 4) <= quarter || part >= 1) return;
          quarter = Math.floor(part * 4);
          line(`  ${what}: ${quarter * 25} %`);
        },
        end(result) {
          if (result !== undefined) line(result);
        },
      };
    },
    close: () => answers?.close(),
  };
}

const indented = (text: string): string => text.replace(/^(?=.)/gm, "  ");
