// Finds the command that was typed, runs it, and turns what comes out into an exit code.

import { writeSync } from "node:fs";
import { suggest, visible } from "../core/text.ts";
import { createLog } from "../system/log.ts";
import { realSystem } from "../system/real.ts";
import { fromFail2ban } from "./fail2banwords.ts";
import { helpFor, overview } from "./help.ts";
import { type Call, type Command, type commands as Commands, exits } from "./index.ts";
import { parseWords } from "./parse.ts";
import { version } from "./version.ts";

/**
 * Variables that turn a Bun executable into an interpreter of a stranger's code, or let a debugger in. BUN_OPTIONS has had its effect when
 * we get here, and BUN_BE_BUN never lets us: sudo and the service unit keep them away, this is for who starts f2b with them by mistake.
 */
const dangerous = /^BUN_(?:OPTIONS|BE_BUN|CONFIG_PRELOAD|INSPECT(?:_[A-Z_]+)?)$/;

export async function main(argv: readonly string[], list: typeof Commands): Promise<number> {
  const out = (text: string): void => write(1, text);
  const err = (text: string): void => write(2, text);

  const hostile = Object.keys(process.env).find((name) => dangerous.test(name));
  if (hostile !== undefined && process.getuid?.() === 0) {
    err(
      `f2b: ${hostile} is set: as root this would run other code than f2b's\n  fix: unset ${hostile}, then try again\n`,
    );
    return exits.usage;
  }

  const instead = fromFail2ban(argv);
  if (instead !== undefined) {
    err(`f2b: so says fail2ban-client\n  fix: ${visible(instead)}\n`);
    return exits.usage;
  }
  const at = argv.findIndex(
    (word, i) => !word.startsWith("-") && !["-c", "-s", "--config", "--socket"].includes(argv[i - 1] ?? ""),
  );
  const name = argv[at];
  if (name === undefined || name === "help") {
    const topic = name === undefined ? undefined : argv[at + 1];
    if (argv.includes("--version") || argv.includes("-V")) {
      out(`f2b ${version}\n`);
      return exits.fine;
    }
    if (topic === undefined) {
      out(await overview(list));
      return argv.length === 0 || name === "help" || argv.includes("-h") || argv.includes("--help")
        ? exits.fine
        : exits.usage;
    }
    const entry = Object.hasOwn(list, topic) ? list[topic] : undefined;
    if (entry === undefined) return unknown(topic, list, err);
    out(helpFor(await entry.load()));
    return exits.fine;
  }
  const entry = Object.hasOwn(list, name) ? list[name] : undefined;
  if (entry === undefined) return unknown(name, list, err);
  const command = await entry.load();
  const words = [...argv.slice(0, at), ...argv.slice(at + 1)];
  return run(command, words, out, err);
}

async function run(
  command: Command,
  argv: readonly string[],
  out: Call["out"],
  err: Call["err"],
): Promise<number> {
  if (argv.includes("--help") || argv.includes("-h")) {
    out(helpFor(command));
    return exits.fine;
  }
  const parsed = parseWords(command, argv);
  if ("what" in parsed) {
    err(`f2b: ${visible(parsed.what)}\n${parsed.fix === undefined ? "" : `  fix: ${visible(parsed.fix)}\n`}`);
    return exits.usage;
  }
  const text = (flag: string): string | undefined => {
    const value = parsed.flags[flag];
    return typeof value === "string" ? value : undefined;
  };
  return command.run({
    words: parsed.words,
    flags: parsed.flags,
    config: text("config"),
    socket: text("socket"),
    json: parsed.flags.json === true,
    out,
    err,
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    system: realSystem(createLog({ level: "warning", target: { kind: "stderr" } })),
  });
}

function unknown(name: string, list: typeof Commands, err: Call["err"]): number {
  const meant = suggest(name, Object.keys(list));
  err(
    `f2b: there is no command "${visible(name)}"\n  fix: ${meant === undefined ? "see f2b help" : `did you mean f2b ${meant}?`}\n`,
  );
  return exits.usage;
}

/** Written before it returns, since process.exit follows. A reader that went away (`f2b status | head`) is no error. */
function write(fd: number, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      Bun.sleepSync(1);
    }
  }
}
