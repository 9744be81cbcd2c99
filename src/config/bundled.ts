// The jail files that are part of the executable. Texts only: a jail file is parsed when somebody names it, so that starting with
// one jail does not cost the parsing of two hundred. In the executable each is there a second time, made ready (config/prepare.ts).

import { type Frozen, learnPatterns } from "../core/frozen.ts";
import { jailTexts } from "./embed.ts" with { type: "macro" };
import type { JailFile } from "./jailfile.ts";

/** One jail file that was judged while building. */
export interface Prepared {
  readonly file: Omit<JailFile, "text" | "file">;
  readonly multiline: boolean;
  readonly patterns: readonly Frozen[];
}

/** JSON of Prepared by service name, put in by build.ts; not there when run from source. */
declare const F2B_JAILS: Readonly<Record<string, string>> | undefined;
const prepared = typeof F2B_JAILS === "undefined" ? undefined : F2B_JAILS;

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

/** The jail file as parseJailFile gives it; its expressions are known to compilePattern from then on. Undefined: it was not made ready. */
export function preparedJail(name: string): JailFile | undefined {
  const text = texts.get(name);
  if (prepared === undefined || text === undefined || !Object.hasOwn(prepared, name)) return undefined;
  const { file, multiline, patterns } = JSON.parse(prepared[name]!) as Prepared;
  learnPatterns(patterns, multiline);
  return { ...file, text, file: bundledFile(name) };
}
