// The half of f2b doctor that looks at the live system.

import { lint } from "../doctor/files.ts";
import { report, select } from "./doctor.ts";
import type { Call } from "./index.ts";

export async function examine(call: Call): Promise<number> {
  const { findings, files } = lint(call.system, call.config, { saved: true });
  return report(call, select(call, findings), files);
}
