// A first jail file from sample lines: what the lines have in common becomes the text of an expression, what varies becomes classes. It is
// a draft: the person who knows the service says which part a stranger chooses.

import { parseAddress } from "./address.ts";
import { newHead, parseStamped, parseSyslog } from "./logformat.ts";

const addressLike =
  /(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.\d+){0,3})(?![\w.:])/g;

/** What a line looks like with its varying parts taken out; lines of one shape come from one place in a program. */
export function shapeOf(line: string): { readonly shape: string; readonly address: boolean } {
  let address = false;
  const shape = line
    .slice(0, 2000)
    .replace(addressLike, (text) => {
      if (parseAddress(text) === undefined) return text;
      address = true;
      return "<HOST>";
    })
    .replace(/"[^"]*"/g, '"…"')
    .replace(/[0-9A-Fa-f]{8,}/g, "…")
    .replace(/\d+/g, "0");
  return { shape, address };
}

export type DraftFormat = "syslog" | "timestamp" | "clf" | "json" | "bare";

/** The format that fits all the lines. */
export function guessFormat(lines: readonly string[]): DraftFormat {
  const all = (test: (line: string) => boolean): boolean => lines.every(test);
  if (all((line) => line.trimStart().startsWith("{") && isJson(line))) return "json";
  if (all((line) => /^\S+ \S+ .*\[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "/.test(line))) return "clf";
  if (all((line) => readHeader("syslog", line)?.program !== undefined)) return "syslog";
  if (all((line) => readHeader("timestamp", line) !== undefined)) return "timestamp";
  return "bare";
}

function isJson(line: string): boolean {
  try {
    return typeof JSON.parse(line) === "object";
  } catch {
    return false;
  }
}

interface Header {
  readonly program: string | undefined;
  readonly message: string;
}

function readHeader(format: DraftFormat, line: string): Header | undefined {
  if (format === "timestamp") {
    const stamped = parseStamped(line, 0, line.length);
    return stamped === undefined ? undefined : { program: undefined, message: line.slice(stamped.message) };
  }
  const head = newHead();
  if (!parseSyslog(line, 0, line.length, head)) return undefined;
  return {
    program: head.program < 0 ? undefined : line.slice(head.program, head.programEnd),
    message: line.slice(head.message),
  };
}

const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/** An expression for one message: the first address is the host, user-like words after "user" are the user, numbers are numbers. */
export function expressionFor(message: string): {
  readonly expression: string;
  readonly host: string | undefined;
} {
  let host: string | undefined;
  let out = "";
  let at = 0;
  for (const match of message.matchAll(addressLike)) {
    const address = parseAddress(match[0]);
    if (address === undefined || host !== undefined) continue;
    out += generalise(message.slice(at, match.index));
    out += "<HOST>";
    host = address;
    at = match.index + match[0].length;
  }
  return { expression: `^${out}${generalise(message.slice(at))}$`, host };
}

function generalise(text: string): string {
  return literally(text)
    .replace(/\b(user(?:name)?(?:\\?[=:])? ?(?:"|'|\\\[)?)([\w.@-]+)/i, "$1<F-USER>.*</F-USER>")
    .replace(/\d+/g, "\\d+");
}

/** TOML literal strings hold no single quote. */
const literal = (text: string): string => (text.includes("'") ? JSON.stringify(text) : `'${text}'`);

export function draftFile(draft: {
  readonly name: string;
  readonly log: string;
  readonly lines: readonly string[];
  readonly format: DraftFormat;
}): string {
  const { name, log, lines, format } = draft;
  const headers = lines.map((line) => ({
    line,
    header: format === "syslog" || format === "timestamp" ? readHeader(format, line) : undefined,
  }));
  const programs = [
    ...new Set(headers.map(({ header }) => header?.program).filter((one) => one !== undefined)),
  ];
  const expressions = new Map<string, { line: string; host: string | undefined }>();
  for (const { line, header } of headers) {
    const { expression, host } = expressionFor(header?.message ?? line);
    if (!expressions.has(expression)) expressions.set(expression, { line, host });
  }
  const samples = [...expressions.values()].map(
    ({ line, host }) =>
      `[[sample]]\nabout = "a failed attempt"\nline  = ${literal(line)}\nfail  = { host = ${JSON.stringify(host ?? "")} }\n`,
  );
  return `# ${name}: say here what the service is and what must be switched on for it to log failures.
summary = "${name}"
port    = ["http", "https"]        # the ports to shut: complete
logpath = [${JSON.stringify(log)}]

[filter]
format    = "${format}"
${programs.length > 0 ? `program   = ${literal(programs.map(literally).join("|"))}\n` : ""}failregex = [
${[...expressions.keys()].map((one) => `  ${literal(one)},`).join("\n")}
]
# Every line is written by the attacker: which part of it does he choose? Let that part be greedy before a fixed tail, or come after <HOST>.

${samples.join("\n")}
# Add: a line that is no failure (fail = false), and attacks on this filter: an address inside the user name, quotes, brackets.
`;
}
