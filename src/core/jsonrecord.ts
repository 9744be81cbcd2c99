// Records in JSON: fields by dotted path. The object is what the service's encoder made of it, so a stranger's text stays inside
// its own field; a key that stands twice is refused, since which one counts would be the parser's taste.

import { behindProxy, judge } from "./blame.ts";
import { copyText, decodeText, encodeText } from "./bytes.ts";
import type { JsonShape } from "./domain.ts";
import { type CompiledFilter, type CompiledShape, type Expression, expression } from "./filter.ts";
import { type MatchContext, matchMessage, run, type Said } from "./match.ts";

/**
 * The value at a path such as "request.headers.X-Real-Ip.0"; keys may hold dots themselves. In a list "-1" is the last entry and
 * "key=login" the entry whose "key" is "login".
 */
export function valueAt(value: unknown, path: string): unknown {
  if (path === "") return value;
  if (typeof value !== "object" || value === null) return undefined;
  const own = childOf(value, path);
  if (own !== undefined) return own;
  for (let dot = path.indexOf("."); dot > 0; dot = path.indexOf(".", dot + 1)) {
    const child = childOf(value, path.slice(0, dot));
    if (child === undefined) continue;
    const found = valueAt(child, path.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

function childOf(value: object, key: string): unknown {
  if (Object.hasOwn(value, key)) return (value as Record<string, unknown>)[key];
  if (!Array.isArray(value)) return undefined;
  if (key === "-1") return value.at(-1);
  const equals = key.indexOf("=");
  if (equals <= 0) return undefined;
  return value.find((item) => asText(valueAt(item, key.slice(0, equals))) === key.slice(equals + 1));
}

const asText = (value: unknown): string | undefined =>
  typeof value === "string"
    ? value
    : typeof value === "number" || typeof value === "boolean"
      ? String(value)
      : undefined;

function textAt(record: unknown, paths: readonly string[]): string | undefined {
  for (const path of paths) {
    const text = asText(valueAt(record, path));
    if (text !== undefined && text !== "") return text;
  }
  return undefined;
}

/** A forwarded-for list, written as one text or as a list. */
function listAt(record: unknown, paths: readonly string[]): string | undefined {
  for (const path of paths) {
    const value = valueAt(record, path);
    const text = Array.isArray(value) ? value.map((item) => asText(item) ?? "?").join(", ") : asText(value);
    if (text !== undefined && text !== "") return text;
  }
  return undefined;
}

/** An address field may be "1.2.3.4", "1.2.3.4:5678", "[::1]:5678" or "::1". */
const addressField = /^(?:\[([^\]]+)\](?::\d+)?|((?:\d{1,3}\.){3}\d{1,3})(?::\d+)?|(.+))$/;

export interface JsonSaid {
  readonly said: Said | "ignored";
  readonly time: unknown;
}

/** What the JSON text of one record says, by the first shape that it has; undefined when it is no JSON, or nothing. */
export function matchJson(filter: CompiledFilter, line: string, context: MatchContext): JsonSaid | undefined {
  if (filter.shapes.length === 0) return undefined;
  let record: unknown;
  try {
    record = JSON.parse(decodeText(line));
  } catch {
    return undefined;
  }
  if (typeof record !== "object" || record === null) return undefined;
  // JSON may have escaped what the message holds: the line being ASCII says nothing.
  context = { ...context, ascii: () => false };
  for (const shape of filter.shapes) {
    if (!hasShape(record, shape)) continue;
    const said = saysAs(filter, shape.paths, record, context);
    if (said === undefined) continue;
    const trusted = [...shape.paths.address, ...shape.require.map((one) => one.path)];
    if (hasTwice(line, record, trusted)) return undefined;
    if (said.said !== "ignored") shape.stats.hits++;
    return said;
  }
  return undefined;
}

/** Whether each required path has a value that one of its expressions matches; of a list one entry is enough. */
function hasShape(record: object, { require }: CompiledShape): boolean {
  return require.every(({ path, regexes }) =>
    [valueAt(record, path)].flat().some((value) => {
      const text = asText(value);
      return text !== undefined && regexes.some((regex) => regex.test(text));
    }),
  );
}

function saysAs(
  filter: CompiledFilter,
  paths: JsonShape,
  record: object,
  context: MatchContext,
): JsonSaid | undefined {
  // One record is one message: a line feed in it begins nothing.
  const message = encodeText(textAt(record, paths.message) ?? "").replace(/\n/g, "\\n");
  const time = paths.time.map((path) => valueAt(record, path)).find((value) => value !== undefined);
  let said: Said;
  if (paths.message.length > 0 && filter.fail.length > 0) {
    const outcome = matchMessage(filter, message, 0, message.length, context);
    if (outcome === undefined || outcome === "ended") return undefined;
    if (outcome === "ignored") return { said: outcome, time };
    said = outcome;
  } else {
    said = { ...bare, expression: fieldsOnly };
    for (const ignoring of filter.ignore)
      if (run(ignoring, message, 0, message.length, context) !== null) return { said: "ignored", time };
  }
  if (said.target === undefined && said.name === undefined && paths.address.length > 0) {
    const text = textAt(record, paths.address);
    if (text === undefined) return undefined;
    const parts = addressField.exec(text.trim());
    const host = parts?.[1] ?? parts?.[2] ?? parts?.[3] ?? "";
    const target = judge(host, false);
    const blamed =
      target === undefined
        ? { target: undefined, name: copyText(host) }
        : behindProxy(target, listAt(record, paths.forwarded ?? []), context.trusted);
    said = { ...said, ...blamed, number: -1 };
  }
  const field = said.user === undefined ? textAt(record, paths.user) : undefined;
  return { said: field === undefined ? said : { ...said, user: copyText(field), named: true }, time };
}

/** Stands for "the fields alone matched" where a shape has no message or the filter no failregex. */
const fieldsOnly: Expression = expression(
  {
    source: "",
    regex: /(?:)/,
    anchored: true,
    groups: {
      hosts: [],
      bits: 0,
      users: [],
      altUsers: [],
      content: 0,
      session: 0,
      forwarded: 0,
      nofail: [],
      begins: [],
      forget: [],
      gained: [],
      captures: [],
    },
    literals: undefined,
    leads: undefined,
    certain: new Set(),
    suspicious: undefined,
  },
  0,
);

const bare: Omit<Said, "expression"> = {
  number: -1,
  named: false,
  target: undefined,
  name: undefined,
  user: undefined,
  nofail: false,
  begins: false,
  forget: false,
  gained: false,
  captures: undefined,
};

/** Whether the last part of a trusted path stands twice as a key at the top of the text though the record has it once. */
function hasTwice(line: string, record: object, paths: readonly string[]): boolean {
  for (const path of paths) {
    if (!Object.hasOwn(record, path)) continue;
    if (topKeys(line, path) > 1) return true;
  }
  return false;
}

/** How often `"key":` stands at depth one of a JSON object. */
function topKeys(line: string, key: string): number {
  const quoted = JSON.stringify(key);
  let count = 0;
  let depth = 0;
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (code === 123 || code === 91) depth++;
    else if (code === 125 || code === 93) depth--;
    else if (code === 34) {
      if (
        depth === 1 &&
        line.startsWith(quoted, at) &&
        /^\s*:/.test(line.slice(at + quoted.length, at + quoted.length + 8))
      )
        count++;
      for (at++; at < line.length && line.charCodeAt(at) !== 34; at++) if (line.charCodeAt(at) === 92) at++;
    }
  }
  return count;
}
