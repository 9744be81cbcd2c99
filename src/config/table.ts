// One table of a file against the keys it may have, whose schemas are made when they are first looked at (core/lazily.ts).

import { z } from "zod";

export type Keys = Readonly<Record<string, z.ZodType>>;

/** What a checked table holds. */
export type Values<K extends Keys> = { readonly [Key in keyof K]?: z.output<K[Key]> | undefined };

/** A table's schema; of `tables` only the keys that one of them has, since making the others takes longer than a start may. */
export function tableOf(keys: Keys, tables: readonly unknown[] | undefined) {
  if (tables === undefined) return z.strictObject(keys).partial();
  const names = new Set(
    tables.flatMap((one) => (typeof one === "object" && one !== null ? Object.keys(one) : [])),
  );
  const known = [...names].filter((name) => Object.hasOwn(keys, name));
  return z.strictObject(Object.fromEntries(known.map((name) => [name, keys[name]!]))).partial();
}

/** Judges one table by itself. */
export const checkTable = <K extends Keys>(keys: K, data: unknown): z.ZodSafeParseResult<Values<K>> =>
  tableOf(keys, [data]).safeParse(data, { reportInput: true }) as z.ZodSafeParseResult<Values<K>>;
