// Text → Config. Nothing is evaluated: no interpolation, no includes but the fixed places, no code. Mistakes of all files are
// reported together, each with its place; a faulty jail is put aside and never stops the others.

export { faultText, sortFaults } from "./faults.ts";
export { defaultPath, type LoadOptions, loadConfig } from "./load.ts";
export type { JailFault, Resolved, Resolver } from "./resolve.ts";
export type * from "./types.ts";
