// Any HTTP endpoint. The body is a JSON value written as TOML; placeholders stand in its strings and are put in as parsed values,
// after parsing and before serialising, so that no text of a stranger can change the shape of the document.

import { z } from "zod";
import { type FactName, factNames, facts, messageFacts } from "./facts.ts";
import { Failure } from "./failure.ts";
import { caFile, deliver, json, readCa, secretUrl } from "./http.ts";
import type { Notifier } from "./index.ts";
import { readSecret, secret, secretFile } from "./secret.ts";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const messageNames = ["id", "host", "subject", "tally", "count", "omitted", "events"] as const;
const placeholder = /\{\{\s*([a-z]+)\s*\}\}/g;

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;
// What our side writes itself; a second one would make the request ambiguous.
const reserved = new Set(["host", "content-length", "transfer-encoding", "connection"]);

const options = z
  .strictObject({
    url: secretUrl(
      "Where to send; http or https, no redirects. Treated as a secret, for many such URLs are.",
    ),
    method: z.enum(["POST", "PUT", "PATCH"]).default("POST").describe("HTTP method."),
    headers: z
      .record(
        z.string().regex(token, "must be a header name"),
        z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, "must be one line"),
      )
      .refine((headers) => Object.keys(headers).every((name) => !reserved.has(name.toLowerCase())), {
        error: `must not hold ${[...reserved].join(", ")}`,
      })
      .default({})
      .meta({ description: "Additional headers; treated as secrets.", secret: true }),
    token: secret("Sent as Authorization: Bearer ….").optional(),
    token_file: secretFile("Sent as Authorization: Bearer …").optional(),
    per: z
      .enum(["event", "message"])
      .default("event")
      .describe("One request for each event, or one for a whole message of several events."),
    json: z
      .json()
      .optional()
      .describe(
        `The body, as a TOML value. A string that is just "{{name}}" becomes the value with its type, inside longer strings its text. Names with per = "event": ${factNames.join(", ")}; with per = "message": ${messageNames.join(", ")}. Without it all of these are sent as one object.`,
      ),
    ca_file: caFile,
  })
  .superRefine((o, context) => {
    const known: readonly string[] = o.per === "event" ? factNames : messageNames;
    for (const name of placeholders(o.json ?? null))
      if (!known.includes(name))
        context.addIssue({
          code: "custom",
          path: ["json"],
          message: `{{${name}}} is not known with per = "${o.per}"; known are ${known.join(", ")}`,
        });
  });

function placeholders(value: Json): string[] {
  if (typeof value === "string") return [...value.matchAll(placeholder)].map((match) => match[1]!);
  if (value === null || typeof value !== "object") return [];
  return Object.values(value).flatMap((inner: Json) => placeholders(inner));
}

/** The template with values in place of placeholders. A lone placeholder keeps its value's type; an absent fact is null, resp. "". */
export function fill(template: Json, values: Readonly<Record<string, unknown>>): unknown {
  if (typeof template === "string") {
    const alone = /^\{\{\s*([a-z]+)\s*\}\}$/.exec(template);
    if (alone !== null) return own(values, alone[1]!) ?? null;
    return template.replace(placeholder, (_, name: string) => {
      const value = own(values, name) ?? "";
      return typeof value === "object" ? JSON.stringify(value) : String(value);
    });
  }
  if (Array.isArray(template)) return template.map((inner: Json) => fill(inner, values));
  if (template === null || typeof template !== "object") return template;
  return Object.fromEntries(Object.entries(template).map(([key, inner]) => [key, fill(inner, values)]));
}

const own = (values: Readonly<Record<string, unknown>>, name: string): unknown =>
  Object.hasOwn(values, name) ? values[name] : undefined;

export const webhook: Notifier<z.output<typeof options>> = {
  name: "webhook",
  summary: "a JSON request to any URL, with a template of your own",
  audience: "machines",
  options,
  wants: (o) =>
    (placeholders(o.json ?? null) as FactName[]).filter((name) => name === "abuse" || name === "lines"),
  async send(message, o, system) {
    const secrets = [o.url, ...Object.values(o.headers)];
    const headers: Record<string, string> = { ...json, "x-f2b-message": message.id, ...o.headers };
    if (o.token !== undefined || o.token_file !== undefined) {
      const bearer = readSecret(system, { value: o.token, file: o.token_file, what: "token" });
      secrets.push(bearer);
      headers.authorization = `Bearer ${bearer}`;
    }
    const bodies =
      o.per === "message"
        ? [messageFacts(message)]
        : message.events.map((event) => facts(message, event) as Readonly<Record<string, unknown>>);
    const ca = readCa(system, o.ca_file);
    let delivered = 0;
    for (const values of bodies) {
      const body = JSON.stringify(o.json === undefined ? values : fill(o.json, values));
      try {
        await deliver({ url: o.url, method: o.method, headers, body, secrets, ca });
      } catch (error) {
        throw error instanceof Failure ? error.after(delivered) : error;
      }
      delivered++;
    }
  },
};
