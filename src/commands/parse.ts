// argv → Call: node's own parser against a command's declaration, with "did you mean" instead of a stack trace.

import { parseArgs } from "node:util";
import type { Fault } from "../core/domain.ts";
import { suggest } from "../core/text.ts";
import type { Call, Command, Option } from "./index.ts";

export const globalOptions: readonly Option[] = [
  { name: "config", short: "c", value: "FILE", summary: "configuration file (default /etc/f2b/f2b.toml)" },
  { name: "socket", short: "s", value: "SOCKET", summary: "the daemon's socket (default /run/f2b/f2b.sock)" },
  { name: "json", summary: "print JSON" },
  { name: "help", short: "h", summary: "what this command does" },
];

export interface Parsed {
  readonly words: readonly string[];
  readonly flags: Call["flags"];
}

/** The words after the command's name. A mistake is a Fault naming the option. */
export function parseWords(command: Command, argv: readonly string[]): Parsed | Fault {
  const options = [
    ...command.options,
    ...globalOptions.filter((o) => !command.options.some((own) => own.name === o.name)),
  ];
  const known = new Map(options.map((option) => [option.name, option]));
  const shorts = new Map(
    options.flatMap((option) => (option.short === undefined ? [] : [[option.short, option] as const])),
  );
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      options.map((o) => [
        o.name,
        {
          type: o.value === undefined ? ("boolean" as const) : ("string" as const),
          ...(o.short === undefined ? {} : { short: o.short }),
          ...(o.many === true ? { multiple: true } : {}),
        },
      ]),
    ),
  });
  const words: string[] = [];
  let number = -1;
  const flags = new Map<string, string | boolean | string[]>();
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    // f2b set JAIL KEY -= VALUE
    if (token.rawName === "-=") {
      words.push("-=");
      continue;
    }
    // A number and no options, of which the parser sees one in each char: f2b set JAIL bantime -1
    const typed = argv[token.index] ?? "";
    if (/^-\d/.test(typed)) {
      if (token.index !== number) words.push(typed);
      number = token.index;
      continue;
    }
    const option = known.get(token.name) ?? shorts.get(token.name);
    if (option === undefined) {
      const meant = suggest(token.name, [...known.keys()]);
      return {
        what: `f2b ${command.name} has no option ${token.rawName}`,
        fix: meant === undefined ? `see f2b help ${command.name}` : `did you mean --${meant}?`,
      };
    }
    if (option.value === undefined) {
      if (token.value !== undefined) return { what: `${token.rawName} takes no value` };
      flags.set(option.name, true);
    } else if (token.value === undefined || (token.value.startsWith("--") && token.inlineValue !== true)) {
      return { what: `${token.rawName} wants a value: ${option.value}`, fix: option.summary };
    } else if (option.many === true) {
      const before = flags.get(option.name);
      flags.set(option.name, [...(Array.isArray(before) ? before : []), token.value]);
    } else {
      flags.set(option.name, token.value);
    }
  }
  const { most = words.length } = command;
  if (words.length > most)
    return {
      what: `f2b ${command.name} takes ${most === 0 ? "no words" : most === 1 ? "one word" : `${most} words`}; "${words[most]}" is one too many`,
      fix: command.usage.map((line) => line.trim()).join("  |  "),
    };
  return { words, flags: Object.fromEntries(flags) };
}
