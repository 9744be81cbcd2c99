// A shell command of fail2ban's, with its run-time tags, as a shell command that gets its values from the environment. fail2ban
// pastes values into the text; here the text is fixed and "$F2B_…" stands quoted wherever a value goes, whatever quotes are around.

export interface ShellText {
  readonly text: string;
  /** Tags that have no counterpart and were replaced by nothing. */
  readonly unknown: readonly string[];
  /** Tags that were replaced, for the report. */
  readonly used: readonly string[];
}

/** `variables`: tag name → environment variable, e.g. "ip" → "F2B_ADDRESS". `constants`: tag → fixed text. */
export function toEnvironment(
  command: string,
  variables: Readonly<Record<string, string>>,
  constants: Readonly<Record<string, string>>,
): ShellText {
  const unknown = new Set<string>();
  const used = new Set<string>();
  let quote: "" | "'" | '"' = "";
  let out = "";
  for (let i = 0; i < command.length; i++) {
    const c = command[i]!;
    const tag = c === "<" ? /^<([A-Za-z][\w.-]*)>/.exec(command.slice(i, i + 64)) : null;
    if (tag !== null) {
      const name = tag[1]!;
      const constant = constants[name];
      const variable = variables[name] ?? (name.startsWith("F-") ? userVariable(name, variables) : undefined);
      if (constant !== undefined || variable !== undefined) {
        i += tag[0].length - 1;
        used.add(name);
        out += constant !== undefined ? quoted(constant, quote) : reference(variable!, quote);
        continue;
      }
      // `cat <file>` is a redirection; `<matches>` would have been a value, and must not become one.
      if (runtimeTags.has(name) || name.startsWith("F-")) {
        i += tag[0].length - 1;
        unknown.add(name);
        continue;
      }
    }
    if (c === "\\" && quote !== "'") {
      out += c + (command[i + 1] ?? "");
      i++;
      continue;
    }
    if (quote === "" && (c === "'" || c === '"')) quote = c;
    else if (c === quote) quote = "";
    out += c;
  }
  return { text: out, unknown: [...unknown], used: [...used] };
}

/** Tags that fail2ban fills in when it bans. */
const runtimeTags: ReadonlySet<string> = new Set([
  "ip-rev",
  "ip-host",
  "matches",
  "ipmatches",
  "ipjailmatches",
  "ipfailures",
  "ipjailfailures",
  "raw-ticket",
  "restored",
  "jail.banned",
  "jail.banned_total",
  "jail.found",
  "jail.found_total",
  "fq-hostname",
  "sh-hostname",
  "bancount",
  "bantime",
  "failures",
  "time",
  "family",
]);

function userVariable(name: string, variables: Readonly<Record<string, string>>): string | undefined {
  return name === "F-USER" || name.startsWith("F-ALT_USER") ? variables.user : undefined;
}

function reference(variable: string, quote: "" | "'" | '"'): string {
  if (quote === '"') return `\${${variable}}`;
  return quote === "'" ? `'"\${${variable}}"'` : `"\${${variable}}"`;
}

function quoted(text: string, quote: "" | "'" | '"'): string {
  if (/^[\w.,:/@%+=-]*$/.test(text)) return text;
  if (quote === "'") return text.replaceAll("'", "'\\''");
  if (quote === '"') return text.replace(/["\\$`]/g, "\\$&");
  return text;
}
