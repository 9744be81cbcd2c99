// Whether the files of a configuration are sound: loading, and every enabled jail's expressions. Nothing of the machine but the
// files is looked at; f2b doctor goes further.

import type { Fault } from "../core/domain.ts";
import { compileFilter } from "../core/filter.ts";
import type { System } from "../system/index.ts";
import { sortFaults } from "./faults.ts";
import { loadConfig } from "./load.ts";

export interface Checked {
  readonly errors: readonly Fault[];
  readonly warnings: readonly Fault[];
  readonly files: readonly string[];
}

/** `texts` stand in for files that are not written yet. What `f2b set --save` wrote is left out. */
export function checkConfig(
  system: System,
  path: string | undefined,
  texts?: ReadonlyMap<string, string>,
): Checked {
  const loaded = loadConfig({
    system,
    saved: false,
    ...(path === undefined ? {} : { path }),
    ...(texts === undefined ? {} : { texts }),
  });
  if (!loaded.ok) return { errors: loaded.faults, warnings: [], files: [] };
  const { jails, broken, warnings, files, resolver } = loaded.value;
  const expressions = jails.flatMap((jail): Fault[] => {
    if (!jail.enabled) return [];
    const compiled = compileFilter(jail.filter);
    if (compiled.ok) return [];
    const origins = resolver.origins(jail.name);
    return compiled.faults.map((fault) => {
      const at = fault.at ?? origins.failregex?.at;
      return { ...fault, what: `[jails.${jail.name}] ${fault.what}`, ...(at === undefined ? {} : { at }) };
    });
  });
  return { errors: sortFaults([...broken.flatMap((one) => one.faults), ...expressions]), warnings, files };
}
