// TOML as a person would write it: expressions in single quotes, scripts over several lines, long lists one entry a line.

/** One value. Objects become inline tables. */
export function tomlValue(value: unknown, indent = ""): string {
  if (typeof value === "string") return tomlString(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return tomlArray(value, indent);
  if (typeof value === "object" && value !== null) {
    const parts = Object.entries(value).map(([key, item]) => `${tomlKey(key)} = ${tomlValue(item, indent)}`);
    return `{ ${parts.join(", ")} }`;
  }
  throw new Error(`TOML has no ${typeof value}`);
}

function tomlArray(values: readonly unknown[], indent: string): string {
  const parts = values.map((value) => tomlValue(value, `${indent}  `));
  const line = `[${parts.join(", ")}]`;
  if (line.length <= 90 && !line.includes("\n")) return line;
  return `[\n${parts.map((part) => `${indent}  ${part},\n`).join("")}${indent}]`;
}

export function tomlKey(key: string): string {
  return /^[\w-]+$/.test(key) ? key : JSON.stringify(key);
}

export function tomlString(text: string): string {
  const printable = !/[\0-\x08\x0b\x0c\x0d-\x1f\x7f]/.test(text);
  if (printable && text.includes("\n") && !text.includes("'''") && !text.endsWith("'"))
    return `'''\n${text}'''`;
  if (printable && !text.includes("\n") && /["\\]/.test(text)) {
    if (!text.includes("'")) return `'${text}'`;
    if (!text.includes("'''") && !text.endsWith("'")) return `'''${text}'''`;
  }
  const escapes: Record<string, string> = { "\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r" };
  const escaped = text.replace(
    /[\\"\0-\x1f\x7f]/g,
    (c) => escapes[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

/** Text of a stranger or a file inside a comment: one line, nothing that ends it. */
export function tomlComment(text: string): string {
  return `# ${text.replace(/[\0-\x1f\x7f]+/g, " ")}`;
}
