// The wizard's questions by @clack/prompts: cursor keys, blank to switch, Esc or Ctrl-C to leave. Its spinners are not used: they redraw
// for ever.

import type { Readable, Writable } from "node:stream";
import * as clack from "@clack/prompts";
import { type Asked, type Choice, cancelled, type Terminal } from "./ask.ts";

const asked = <T>(answer: T | typeof clack.CANCEL_SYMBOL): Asked<T> =>
  answer === clack.CANCEL_SYMBOL ? cancelled : (answer as T);
/** The bar moves when this much more is done: at most twenty times. */
const step = 0.05;

export function clackTerminal(input: Readable, output: Writable): Terminal {
  const streams = { input, output };
  return {
    intro: (title) => clack.intro(title, streams),
    note: (title, text) => clack.note(text, title, { ...streams, format: (line) => line }),
    say: (text) => clack.log.message(wrapped(text, output), streams),
    warn: (text) => clack.log.warn(wrapped(text, output), streams),
    outro: (text) => clack.outro(text, streams),
    confirm: async (message, initialValue) =>
      asked<boolean>(await clack.confirm({ ...streams, message, initialValue })),
    async text(message, initialValue, judge) {
      const answer = await clack.text({
        ...streams,
        message,
        ...(initialValue === "" ? {} : { initialValue }),
        validate: (typed) => judge((typed ?? "").trim()),
      });
      return asked<string>(typeof answer === "string" ? answer.trim() : (answer ?? ""));
    },
    async choose<T extends string>(message: string, choices: readonly Choice<T>[], initialValue: T) {
      const answer = await clack.select<string>({
        ...streams,
        message,
        options: choices.map(option),
        initialValue,
      });
      return asked<string>(answer) as Asked<T>;
    },
    pick: async (message, choices, initialValues) =>
      asked<readonly string[]>(
        await clack.multiselect<string>({
          ...streams,
          message,
          options: choices.map(option),
          initialValues: [...initialValues],
          required: false,
          maxItems: 14,
        }),
      ),
    progress(what) {
      let shown = -1;
      const draw = (text: string): boolean => output.write(`\r\x1b[2K${text}`);
      return {
        update(part) {
          if (part - shown < step) return;
          shown = part;
          const done = Math.round(part * 20);
          draw(
            `   ${"#".repeat(done)}${".".repeat(20 - done)} ${String(Math.round(part * 100)).padStart(3)} %  ${what}`,
          );
        },
        end(result) {
          if (shown >= 0) draw("");
          if (result !== undefined) clack.log.message(result, streams);
        },
      };
    },
    close: () => undefined,
  };
}

const option = (one: Choice<string>) => ({ ...one });

/** Broken between words, so that the terminal does not break within them. */
function wrapped(text: string, output: Writable): string {
  const { columns = 80 } = output as Writable & { readonly columns?: number };
  const width = Math.max(20, columns - 6);
  return text
    .split("\n")
    .flatMap((line) => {
      const lines: string[] = [];
      let rest = line;
      while (rest.length > width) {
        const blank = rest.lastIndexOf(" ", width);
        const at = blank > 0 ? blank : width;
        lines.push(rest.slice(0, at));
        rest = rest.slice(at).trimStart();
      }
      return [...lines, rest];
    })
    .join("\n");
}
