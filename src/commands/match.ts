// f2b match: the process in which the daemon runs expressions that could not be proven safe. For the daemon, not for people.

import { answerMatching } from "../daemon/matching.ts";
import { type Command, exits } from "./index.ts";

export const match: Command = {
  name: "match",
  summary: "used by the daemon: matches lines from standard input in a process of its own",
  usage: ["f2b match"],
  most: 0,
  options: [],
  async run(call) {
    const { createInterface } = await import("node:readline");
    await answerMatching(createInterface({ input: call.stdin }), (answer) =>
      call.out(`${JSON.stringify(answer)}\n`),
    );
    return exits.fine;
  },
};

/** How this program is started again: the executable itself, or bun with the main file while developing. */
export function selfCommand(...words: string[]): readonly string[] {
  const compiled = Bun.main.startsWith("/$bunfs/");
  return compiled ? [process.execPath, ...words] : [process.execPath, Bun.main, ...words];
}
