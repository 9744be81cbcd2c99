// The jail files that are part of the executable. Texts only: a jail file is parsed when somebody names it, so that starting with
// one jail does not cost the parsing of two hundred.

import { jailTexts } from "./embed.ts" with { type: "macro" };

const texts: ReadonlyMap<string, string> = new Map(Object.entries(jailTexts()));

/** Text by service name, in the order of the names. */
export const bundledJails = (): ReadonlyMap<string, string> => texts;

/** How places name an embedded file. */
export const bundledFile = (name: string): string => `bundled ${name}.toml`;

/** The text behind a name that `bundledFile` made, for showing its lines; undefined: it is no such name. */
export function bundledText(file: string): string | undefined {
  const name = /^bundled ([\w.-]+)\.toml$/.exec(file)?.[1];
  return name === undefined ? undefined : texts.get(name);
}
