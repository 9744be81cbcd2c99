// What the schema says of itself, in three shapes: the reference for people, a commented file to start from, a JSON Schema for
// editors.

import { z } from "zod";
import { banactions } from "../banaction/index.ts";
import { enrichOptions } from "../notify/enrichoptions.ts";
import { notifiers } from "../notify/index.ts";
import { notifyRules } from "../notify/rules.ts";
import {
  campaignKeys,
  commonKeys,
  daemonKeys,
  fileTable,
  ignorecacheKeys,
  metricsKeys,
  ownKeys,
  prefixKeys,
  reportKeys,
  stepKeys,
} from "./schema.ts";
import { tomlText } from "./settings.ts";
import { bantimeKeys } from "./values.ts";

export interface KeyReference {
  /** Where it may be written, as a table header: "[jails.NAME]", "[notify.NAME] with type = \"mail\"". */
  readonly table: string;
  readonly key: string;
  readonly type: string;
  readonly meaning: string;
  /** In TOML, or in words; undefined where the key must be written or has no default. */
  readonly default?: string;
  readonly example?: string;
}

type Keys = Readonly<Record<string, z.core.$ZodType>>;

interface Table {
  readonly header: string;
  readonly about: string;
  readonly keys: Keys;
}

const shapeOf = (schema: unknown): Keys => {
  const { shape, def } = schema as { shape?: Keys; def?: { innerType?: unknown; in?: unknown } };
  if (shape !== undefined) return shape;
  const inner = def?.innerType ?? def?.in;
  return inner === undefined ? {} : shapeOf(inner);
};

/** Every table with its keys, in the order in which one writes them. */
export function tables(): readonly Table[] {
  return [
    { header: "[daemon]", about: "The daemon itself.", keys: daemonKeys },
    {
      header: "[defaults]",
      about:
        "What holds for every jail that does not say otherwise; these keys may stand in [jails.NAME] too.",
      keys: commonKeys,
    },
    { header: "[jails.NAME]", about: "One service. NAME is a jail file's, or your own.", keys: ownKeys },
    { header: "[jails.NAME.bantime]", about: "bantime as a table; also in [defaults].", keys: bantimeKeys },
    { header: "[jails.NAME.prefix]", about: "Networks; also in [defaults].", keys: prefixKeys },
    {
      header: "[[jails.NAME.prefix.ladder]]",
      about: "One step of the ladder; also as a list of tables in a line. All three must be written.",
      keys: stepKeys,
    },
    {
      header: "[jails.NAME.campaign]",
      about: "Distributed attacks; also in [defaults].",
      keys: campaignKeys,
    },
    {
      header: "[jails.NAME.ignorecache]",
      about: "Remembered answers of ignorecommand; also in [defaults].",
      keys: ignorecacheKeys,
    },
    ...Object.values(banactions).map((one) => ({
      header: `banaction = { name = "${one.name}" }`,
      about: `${one.summary}.`,
      keys: shapeOf(one.options),
    })),
    {
      header: "[notify.NAME]",
      about: "Who is told, when and how often; the keys common to all types.",
      keys: { type: z.enum(Object.keys(notifiers)).describe("How they are told."), ...notifyRules().shape },
    },
    ...Object.values(notifiers).map((one) => ({
      header: `[notify.NAME] with type = "${one.name}"`,
      about: `${one.summary}.`,
      keys: shapeOf(one.options),
    })),
    {
      header: "[enrichment]",
      about: "What is found out about a banned address for messages.",
      keys: enrichOptions().shape,
    },
    { header: "[report]", about: "Reports that the daemon sends by itself.", keys: reportKeys },
    { header: "[metrics]", about: "Numbers for Prometheus.", keys: metricsKeys },
  ];
}

export function reference(): readonly KeyReference[] {
  return tables().flatMap((table) =>
    Object.entries(table.keys).map(([key, schema]): KeyReference => {
      const json = jsonOf(schema);
      const { otherwise } = json;
      const fallback = json.default === undefined ? otherwise : tomlText(json.default);
      const example = json.examples?.[0];
      return {
        table: table.header,
        key,
        type: typeText(json),
        meaning: json.description ?? "",
        ...(fallback === undefined ? {} : { default: fallback }),
        ...(example === undefined ? {} : { example: `${key} = ${tomlText(example)}` }),
      };
    }),
  );
}

interface Json {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Json[];
  readonly items?: Json;
  readonly description?: string;
  readonly default?: unknown;
  /** What holds without the key, in words, where no value says it. */
  readonly otherwise?: string;
  readonly examples?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

/** zod drops default and examples of what is transformed; they are meant as written, so they are put back. */
const toJson = (schema: z.core.$ZodType, words = false): unknown =>
  z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      const meta = z.globalRegistry.get(zodSchema);
      if (meta?.default !== undefined) jsonSchema.default = meta.default as typeof jsonSchema.default;
      const examples: unknown = meta?.examples;
      if (Array.isArray(examples)) jsonSchema.examples = [...examples];
      if (!words) for (const key of ["otherwise", "secret"]) delete jsonSchema[key];
    },
  });

const jsonOf = (schema: z.core.$ZodType): Json => toJson(schema, true) as Json;

function typeText(json: Json): string {
  if (json.enum !== undefined) return json.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (json.const !== undefined) return JSON.stringify(json.const);
  if (json.anyOf !== undefined) return [...new Set(json.anyOf.map(typeText))].join(" | ");
  if (Array.isArray(json.type)) return json.type.map((type: string) => typeText({ type })).join(" | ");
  switch (json.type) {
    case "string":
      return "text";
    case undefined:
      return "anything";
    case "boolean":
      return "true | false";
    case "integer":
    case "number": {
      const word = json.type === "integer" ? "whole number" : "number";
      const most =
        json.maximum !== undefined && json.maximum < Number.MAX_SAFE_INTEGER ? json.maximum : undefined;
      const least =
        json.minimum !== undefined && json.minimum > Number.MIN_SAFE_INTEGER
          ? json.minimum
          : json.exclusiveMinimum;
      if (least !== undefined && most !== undefined) return `${word} ${least} to ${most}`;
      return least === undefined ? word : `${word} from ${least}`;
    }
    case "array": {
      const inner = json.items === undefined ? "anything" : typeText(json.items);
      return `list of ${inner.includes(" | ") ? `(${inner})` : inner}`;
    }
    case "object":
      return "table";
    default:
      return "anything";
  }
}

/** Whether a header such as "[jails.NAME.bantime]" is that of `name`, or of a table in it. */
const inTable = (header: string, name: string): boolean =>
  header.startsWith("[") && `${header.replace(/^\[+|\]+$/g, "")}.`.includes(`.${name}.`);

/** The keys that a word is about: those of this name or in a table of it, else all that mention it. */
export function referenceOf(word?: string): readonly KeyReference[] {
  const all = reference();
  if (word === undefined) return all;
  const wanted = word.toLowerCase();
  // "bantime" is a key and a table; "bantime.factor" a key in it.
  const exact = all.filter(
    ({ table, key }) =>
      key.toLowerCase() === wanted ||
      inTable(table, wanted) ||
      inTable(`${table.replace(/\]+$/, "")}.${key.toLowerCase()}]`, wanted),
  );
  return exact.length > 0
    ? exact
    : all.filter((one) => `${one.table} ${one.key} ${one.meaning}`.toLowerCase().includes(wanted));
}

/** The reference as text; `word` keeps the tables and keys that hold it. */
export function referenceText(word?: string): string {
  const kept = referenceOf(word);
  let text = "";
  for (const table of tables()) {
    const keys = kept.filter((one) => one.table === table.header);
    if (keys.length === 0) continue;
    text += `${table.header}\n  ${table.about}\n\n`;
    for (const one of keys) {
      text += `  ${one.key}    ${one.type}\n    ${one.meaning}\n`;
      if (one.default !== undefined) text += `    default: ${one.default}\n`;
      if (one.example !== undefined) text += `    example: ${one.example}\n`;
      text += "\n";
    }
  }
  return text;
}

/** A file to start from: sshd on, everything else as a comment with its default. */
export function defaultFile(): string {
  let text = `# f2b's configuration. Everything that is commented out shows its default; "f2b config reference" explains each key
# with an example, "f2b config check" finds mistakes, "f2b reload" brings a change into force. Durations: 10m, 1h 30m, 1w, "forever".
# Further files conf.d/*.toml beside this one are read after it, in the order of their names; later wins key by key.

[daemon]
${commented(daemonKeys)}
[defaults]
${commented(commonKeys)}
`;
  text += `# A jail is switched on by its table. "f2b jails" lists the services that are known and those found here.
[jails.sshd]
enabled = true

# [jails.nginx-http-auth]
# enabled = true
# maxretry = 3
# bantime = { base = "1h", increment = true, maxtime = "5w" }

# A service of your own:
# [jails.myapp]
# enabled = true
# logpath = ["/var/log/myapp.log"]
# failregex = ['^login of \\S+ from <HOST> failed$']
# port = [8080]

# Tell somebody ("f2b config reference notify" lists the types and their keys):
# [notify.admin]
# type = "mail"
# to = ["root@localhost"]

# [report]
# schedule = "daily 07:00"
`;
  return text;
}

function commented(keys: Keys): string {
  return Object.entries(keys)
    .map(([key, schema]) => {
      const json = jsonOf(schema);
      const value = json.default ?? json.examples?.[0];
      const why =
        json.default === undefined && json.otherwise !== undefined ? ` (default: ${json.otherwise})` : "";
      return `# ${json.description ?? ""}${why}\n# ${key} = ${tomlText(value)}\n`;
    })
    .join("");
}

/** JSON Schema (2020-12) of the whole file, for editors that check TOML against one. */
export function jsonSchema(): unknown {
  const schema = toJson(fileTable()) as {
    properties: Record<string, unknown>;
  };
  const rules = toJson(notifyRules()) as { properties: object };
  return {
    ...schema,
    $id: "f2b.schema.json",
    title: "f2b configuration",
    properties: {
      ...schema.properties,
      notify: {
        type: "object",
        additionalProperties: {
          anyOf: Object.values(notifiers).map((one) => {
            const options = toJson(one.options) as {
              properties?: object;
              required?: string[];
            };
            return {
              type: "object",
              description: one.summary,
              properties: { type: { const: one.name }, ...rules.properties, ...options.properties },
              required: ["type", ...(options.required ?? [])],
              additionalProperties: false,
            };
          }),
        },
      },
      enrichment: toJson(enrichOptions()),
    },
  };
}
