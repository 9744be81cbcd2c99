// Runs while building (a macro, see bundled.ts): reads jails/*.toml, so that adding a file there needs no list. Synchronous,
// because a macro's value must be plain data.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export function jailTexts(): Record<string, string> {
  const directory = join(import.meta.dir, "../../jails");
  return Object.fromEntries(
    readdirSync(directory)
      .filter((name) => name.endsWith(".toml"))
      .sort()
      .map((name) => [name.slice(0, -".toml".length), readFileSync(join(directory, name), "utf8")]),
  );
}
