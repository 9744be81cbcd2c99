// What f2b has of its own, for the importer: names, modes, parameters and settings of the jail files in the executable.

import { parse } from "smol-toml";
import { bundledJails } from "../config/bundled.ts";
import type { Catalogue } from "./filters.ts";

type Table = Readonly<Record<string, unknown>>;

const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** From texts of jail files by name; a file is parsed when it is asked about. */
export function createCatalogue(texts: ReadonlyMap<string, string> = bundledJails()): Catalogue {
  const parsed = new Map<string, Table>();
  const table = (name: string): Table => {
    let found = parsed.get(name);
    if (found === undefined) {
      found = parse(texts.get(name) ?? "");
      parsed.set(name, found);
    }
    return found;
  };
  const keys = (name: string, key: string): string[] => {
    const filter = table(name).filter;
    const inner = isTable(filter) ? filter[key] : undefined;
    return isTable(inner) ? Object.keys(inner) : [];
  };
  return {
    has: (name) => texts.has(name),
    modes: (name) => keys(name, "modes"),
    parameters: (name) => keys(name, "parameters"),
    settings: (name) => Object.keys(table(name)),
    ownBans: (name) => table(name).backend === "events",
  };
}
