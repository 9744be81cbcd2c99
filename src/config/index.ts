// Text → Config. Nothing is evaluated: no interpolation, no includes but the fixed places, no code. Mistakes of all files are
// reported together, each with its place; a faulty jail is put aside and never stops the others.

import type { Result } from "../core/domain.ts";
import type { System } from "../system/index.ts";
import type { Config } from "./types.ts";

export type * from "./types.ts";

/** Where the configuration is looked for when nobody says otherwise. */
export const defaultPath = "/etc/f2b/f2b.toml";

export interface LoadOptions {
  /** The main file; undefined: `defaultPath` where it exists, else the embedded default. A path that is given must exist. */
  readonly path?: string;
  readonly system: System;
}

/**
 * Reads the main file, its conf.d/*.toml in order, its jails/*.toml and the saved runtime settings, and resolves every jail.
 * Faults are mistakes for which no part of the configuration may be used; those of single jails are in `Config.broken`.
 */
export function loadConfig(options: LoadOptions): Result<Config> {
  void options;
  return { ok: false, faults: [{ what: "reading the configuration is being written" }] };
}
