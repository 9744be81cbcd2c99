// The machine itself, as a System. Tests turn the one in tests/support/system.ts by hand.

import { realClock } from "./clock.ts";
import { realFiles } from "./files.ts";
import type { Log, System } from "./index.ts";
import { type ProgramPlaces, realPrograms } from "./programs.ts";

export function realSystem(log: Log, places: ProgramPlaces = {}): System {
  return { clock: realClock(), files: realFiles(), programs: realPrograms(places), log };
}
