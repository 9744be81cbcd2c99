// One expression in Python and, translated, in the engine: do both match the same texts and name the same host and user?

import { spawnSync } from "node:child_process";
import { parseAddress } from "../../../src/core/address.ts";
import { decodeText, encodeText } from "../../../src/core/bytes.ts";
import { compilePattern, type Pattern } from "../../../src/core/pattern.ts";

export const hasPython = spawnSync("python3", ["-c", "import re"]).status === 0;

export interface Case {
  readonly pattern: string;
  readonly multiline?: boolean;
  /** The text does not end in a line feed. */
  readonly bare?: boolean;
  readonly texts: readonly string[];
}

export type PythonAnswer =
  | { readonly error: string }
  | { readonly rows: readonly (Readonly<Record<string, string>> | null)[] };

export function runPython(cases: readonly Case[]): PythonAnswer[] {
  const input = JSON.stringify({ cases });
  const run = spawnSync("python3", [`${import.meta.dir}/pyre.py`], {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as PythonAnswer[];
}

export interface Seen {
  readonly host: string | undefined;
  readonly user: string | undefined;
  readonly id: string | undefined;
  readonly content: string | undefined;
}

export function seenByPython(groups: Readonly<Record<string, string>>): Seen {
  groups = Object.fromEntries(Object.entries(groups).map(([key, value]) => [key.toLowerCase(), value]));
  const host = groups.ip4 ?? groups.ip6 ?? groups.dns;
  const users = Object.keys(groups)
    .filter((key) => key.startsWith("alt_user"))
    .map((key) => groups[key]!);
  const user =
    groups.user !== undefined && groups.user !== ""
      ? groups.user
      : (users.find((one) => one !== "") ?? groups.user);
  return {
    host: host === undefined ? undefined : (parseAddress(host) ?? host),
    user: user === "" ? undefined : user,
    id: groups.fid,
    content: groups.content,
  };
}

/** The first expression that matches decides, as in a filter. */
export function seenByEngine(patterns: readonly Pattern[], text: string): Seen | undefined {
  for (const pattern of patterns) {
    pattern.regex.lastIndex = 0;
    const found = pattern.regex.exec(encodeText(text));
    if (found === null) continue;
    const group = (indexes: readonly number[]): string | undefined => {
      let empty: string | undefined;
      for (const index of indexes) {
        if (found[index] !== undefined && found[index] !== "") return decodeText(found[index]);
        empty ??= found[index];
      }
      return empty;
    };
    const { groups } = pattern;
    const host = group(groups.hosts.filter((one) => one.kind !== "id").map((one) => one.index));
    const user = group(groups.users);
    return {
      host: host === undefined ? undefined : (parseAddress(host) ?? host),
      user: (user === "" ? undefined : user) ?? (group(groups.altUsers) || undefined),
      id: group(groups.hosts.filter((one) => one.kind === "id").map((one) => one.index)),
      content: groups.content > 0 ? group([groups.content]) : undefined,
    };
  }
  return undefined;
}

export function compileAll(expressions: readonly string[], multiline = false): Pattern[] {
  return expressions.map((expression) => {
    const compiled = compilePattern(expression, { multiline });
    if (!compiled.ok) throw new Error(`${expression}: ${compiled.faults[0]!.what}`);
    return compiled.value;
  });
}
