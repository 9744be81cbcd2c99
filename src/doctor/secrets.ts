// Which options of a notification are secrets, by its own schema.

import type { NotifyRule } from "../config/index.ts";
import { notifiers } from "../notify/index.ts";
import { isSecret } from "../notify/secret.ts";

type Shape = Readonly<Record<string, Parameters<typeof isSecret>[0]>>;

/** The schema's keys; {} for a type that is not known. */
export function shapeOf(type: string): Shape {
  const schema = notifiers[type]?.options as unknown as { readonly shape?: Shape } | undefined;
  return schema?.shape ?? {};
}

/** Keys of secrets that are written out in the configuration. */
export function writtenSecrets({ type, options }: NotifyRule): string[] {
  const shape = shapeOf(type);
  return Object.entries(options as Readonly<Record<string, unknown>>).flatMap(([key, value]) =>
    value !== undefined && shape[key] !== undefined && isSecret(shape[key]) ? [key] : [],
  );
}
