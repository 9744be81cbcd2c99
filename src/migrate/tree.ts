// The directory tree of a real machine, as the importer sees it.

import type { System } from "../system/index.ts";
import type { Tree } from "./layers.ts";

/** Reads through the System; what exists but cannot be read says why (see Tree.read). */
export function realTree(system: Pick<System, "files">): Tree {
  return {
    read(path) {
      try {
        if (system.files.stat(path) === undefined) return undefined;
        return new TextDecoder("utf-8", { ignoreBOM: true }).decode(system.files.readFile(path));
      } catch (error) {
        return `\0${error instanceof Error ? error.message : String(error)}`;
      }
    },
    list(directory) {
      try {
        return system.files.readdir(directory).toSorted();
      } catch {
        return [];
      }
    },
  };
}
