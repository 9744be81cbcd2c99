// Tokens and passwords: read from a file when they are asked for (so that a rotated one is used without a reload), marked in the
// schema so that whoever prints a configuration masks them, and cut out of every text that leaves a notifier.

import { z } from "zod";
import { visible } from "../core/text.ts";
import type { System } from "../system/index.ts";
import { Failure } from "./failure.ts";

/** A key whose value is never shown; `isSecret` finds it again. */
export const secret = (description: string) =>
  z.string().min(1).max(4096).meta({ description, secret: true });

/** A key naming a file whose first line is the secret. */
export const secretFile = (description: string) =>
  z
    .string()
    .startsWith("/", "must be an absolute path")
    .describe(`${description}, read from this file (mode 0600, first line) at each use.`);

/** True for a schema made by `secret`, also inside optional() and default(). */
export function isSecret(schema: z.core.$ZodType): boolean {
  let at: z.core.$ZodType | undefined = schema;
  while (at !== undefined) {
    if (z.globalRegistry.get(at)?.secret === true) return true;
    at = (at._zod.def as { innerType?: z.core.$ZodType }).innerType;
  }
  return false;
}

/** The options of a notifier with every secret replaced by "•••", for `config show`, status and debug output. */
export function maskOptions(
  schema: z.core.$ZodType,
  options: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const shape = (schema as { shape?: Record<string, z.core.$ZodType> }).shape ?? {};
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => {
      const of = shape[key];
      return [key, of !== undefined && isSecret(of) && value !== undefined ? "•••" : value];
    }),
  );
}

/** The secret itself, or the first line of its file. Throws a permanent Failure that names the file and never its content. */
export function readSecret(
  system: System,
  given: { readonly value?: string | undefined; readonly file?: string | undefined; readonly what: string },
): string {
  if (given.value !== undefined) return given.value;
  const { file, what } = given;
  if (file === undefined) throw new Failure(`no ${what} is configured`, { permanent: true });
  const stat = system.files.stat(file);
  if (stat === undefined)
    throw new Failure(`the ${what} file ${visible(file)} does not exist`, { permanent: true });
  if (stat.kind !== "file" || stat.size > 65_536)
    throw new Failure(`the ${what} file ${visible(file)} is not a small plain file`, { permanent: true });
  if ((stat.mode & 0o007) !== 0)
    throw new Failure(`the ${what} file ${visible(file)} is open to everybody: chmod 600 it`, {
      permanent: true,
    });
  let text: string;
  try {
    text = new TextDecoder().decode(system.files.readFile(file));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new Failure(`the ${what} file ${visible(file)} cannot be read: ${code}`);
  }
  const first = text.split("\n", 1)[0]!.trim();
  if (first === "") throw new Failure(`the ${what} file ${visible(file)} is empty`, { permanent: true });
  return first;
}

/** The text without the secrets: as they are, and as they look percent-encoded and in base64. */
export function redact(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const one of secrets) {
    // Shorter ones would shred ordinary words, and are no secrets anyway.
    if (one.length < 4) continue;
    for (const form of new Set([one, encodeURIComponent(one), Buffer.from(one).toString("base64")]))
      clean = clean.replaceAll(form, "•••");
  }
  return clean;
}
