// The jail files that are part of the executable. Texts only: a jail file is parsed when somebody names it, so that starting with
// one jail does not cost the parsing of two hundred.

import { jailTexts } from "./embed.ts" with { type: "macro" };

export const bundled: Readonly<Record<string, string>> = jailTexts();

/** How places name an embedded file. */
export const bundledFile = (name: string): string => `bundled ${name}.toml`;

/** The name of a bundled file as `bundledFile` made it, for showing its lines. */
export const bundledName = (file: string): string | undefined => /^bundled ([\w.-]+)\.toml$/.exec(file)?.[1];
