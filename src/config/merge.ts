// Several files become one tree: later wins key by key, tables are merged, lists and single values are replaced. Every value
// remembers where it was written.

import { placeOf } from "./faults.ts";
import type { Path } from "./locate.ts";
import type { Layer, Source } from "./read.ts";
import type { Origin } from "./types.ts";

export type Tree = Record<string, unknown>;

/** Where a value of the merged tree was written: the file, and its path there. */
export interface Written {
  readonly source: Source;
  readonly path: Path;
  readonly saved: boolean;
}

export interface Merged {
  readonly tree: Tree;
  /** By dotted path of the merged tree. */
  readonly written: Map<string, Written>;
}

export const emptyMerge = (): Merged => ({ tree: {}, written: new Map() });

/** Puts a layer's tables above what is there. */
export function mergeLayer(merged: Merged, layer: Layer): void {
  put(merged, [], merged.tree, layer.data, (below) => ({ source: layer, path: below, saved: layer.saved }));
}

/** Puts a table of one file at a path of the merged tree; `from` is its path in that file. */
export function mergeAt(
  merged: Merged,
  to: Path,
  data: Readonly<Tree>,
  source: Source,
  from: Path = [],
): void {
  put(merged, to, tableAt(merged.tree, to), data, (below) => ({
    source,
    path: [...from, ...below],
    saved: false,
  }));
}

/** Puts a part of one merged tree at a path of another; every value keeps its place. */
export function graft(into: Merged, to: Path, from: Merged, path: Path): void {
  let part: unknown = from.tree;
  for (const step of path) part = isTable(part) && Object.hasOwn(part, step) ? part[step] : undefined;
  if (!isTable(part)) return;
  put(into, to, tableAt(into.tree, to), part, (below) => from.written.get([...path, ...below].join(".")));
}

function tableAt(tree: Tree, path: Path): Tree {
  let at = tree;
  for (const step of path) {
    const inner = Object.hasOwn(at, step) ? at[step] : undefined;
    const table: Tree = isTable(inner) ? inner : {};
    assign(at, String(step), table);
    at = table;
  }
  return at;
}

/** `where` tells the place of a value by its path below `data`. */
function put(
  merged: Merged,
  to: Path,
  tree: Tree,
  data: Readonly<Tree>,
  where: (below: Path) => Written | undefined,
  below: Path = [],
): void {
  const note = (path: Path, written: Written | undefined): void => {
    if (written !== undefined) merged.written.set(path.join("."), written);
  };
  for (const [key, value] of Object.entries(data)) {
    const path = [...to, key];
    const under = Object.hasOwn(tree, key) ? tree[key] : undefined;
    const at = where([...below, key]);
    // `bantime = "1h"` sets the base and leaves the increments of a lower layer as they are.
    const single = key === "bantime" && !isTable(value);
    if (isTable(value) || single) {
      const table: Tree = isTable(under) ? under : {};
      if (!isTable(under)) forget(merged, path);
      assign(tree, key, table);
      // A table is where it was first opened, however many files add to it.
      if (!merged.written.has(path.join("."))) note(path, at);
      if (isTable(value)) put(merged, path, table, value, where, [...below, key]);
      else {
        assign(table, "base", value);
        note([...path, "base"], at);
      }
    } else if (value === true && isTable(under)) {
      // `campaign = true` switches on what a lower layer's table describes.
    } else {
      if (isTable(under)) forget(merged, path);
      assign(tree, key, value);
      note(path, at);
    }
  }
}

/** Plain assignment, also of a key called "__proto__". */
function assign(tree: Tree, key: string, value: unknown): void {
  Object.defineProperty(tree, key, { value, enumerable: true, configurable: true, writable: true });
}

function forget(merged: Merged, path: Path): void {
  const name = path.join(".");
  merged.written.delete(name);
  const start = `${name}.`;
  for (const key of merged.written.keys()) if (key.startsWith(start)) merged.written.delete(key);
}

export function isTable(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The place of a value of the merged tree, or of the nearest table around it that is written down. */
export function whereWritten(merged: Merged, path: Path): Written | undefined {
  for (let length = path.length; length > 0; length--) {
    const found = merged.written.get(path.slice(0, length).join("."));
    if (found !== undefined) return { ...found, path: [...found.path, ...path.slice(length)] };
  }
  return undefined;
}

export function originOf(written: Written, from: Origin["from"]): Origin {
  return {
    from: written.saved ? "saved" : from,
    at: placeOf(written.source.file, written.source.text, written.path, "key"),
  };
}
