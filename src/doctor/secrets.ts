// What is secret in a configuration: options of notifications by their own schema, and, where lines are shown, whatever is named like one.

import type { NotifyRule } from "../config/index.ts";
import { suggest } from "../core/text.ts";
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

const words = /token|passw|secret|api_?key|webhook|authorization|\burl|topic/i;
/** Also misspelt: that is when a line is shown. */
const nearly = ["token", "password", "secret", "api_key", "webhook", "url", "topic"];
const isSecretKey = (key: string): boolean =>
  key !== "socket" && !key.endsWith("file") && (words.test(key) || suggest(key, nearly) !== undefined);

/** A line of a configuration without what may be a secret: what is shown here ends up in mails and bug reports. Keeps its columns. */
export const maskLine = (line: string): string =>
  line.replace(
    /(["']?([\w-]+)["']?\s*=\s*)("(?:[^"\\]|\\.)*"?|'[^']*'?|\[[^\]]*\]?|[^\s#,}]+)/g,
    (whole, start: string, key: string, value: string) =>
      isSecretKey(key) ? `${start}${"•".repeat(value.length)}` : whole,
  );
