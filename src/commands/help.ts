// The help, made from the declarations.

import type { Command, commands, Option } from "./index.ts";
import { globalOptions } from "./parse.ts";
import { rows } from "./print.ts";

export async function overview(list: typeof commands): Promise<string> {
  const all = await Promise.all(Object.values(list).map((entry) => entry.load()));
  return `f2b watches logs, bans who keeps failing, and lets them back in when their time is up.

Start here:
  f2b init          protect this machine: looks, proposes, asks, writes the configuration
  f2b status        what is watched and who is banned
  f2b explain IP    why somebody is banned, or is not
  f2b doctor        what is wrong or could be better

Commands:
${rows(all.map((command) => [`  ${command.name}`, command.summary]))}
Every command: ${globalOptions.map((o) => spell(o)).join("  ")}
More: f2b help COMMAND
`;
}

export function helpFor(command: Command): string {
  const options = [
    ...command.options,
    ...globalOptions.filter((o) => !command.options.some((own) => own.name === o.name)),
  ];
  return `${command.summary}

Usage:
${command.usage.map((line) => `  ${line}`).join("\n")}

Options:
${rows(options.map((o) => [`  ${spell(o)}`, o.summary]))}${command.help === undefined ? "" : `\n${command.help.trim()}\n`}`;
}

const spell = (option: Option): string =>
  `${option.short === undefined ? "" : `-${option.short}, `}--${option.name}${option.value === undefined ? "" : ` ${option.value}`}`;
