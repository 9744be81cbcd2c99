// What `f2b regex` reads: a file (also .gz), standard input, one line, or the journal of this host; as chunks of whole lines.

import { createReadStream, existsSync, statSync } from "node:fs";
import { createGunzip } from "node:zlib";
import { encodeText } from "../core/bytes.ts";
import type { JournaldEntry } from "../core/domain.ts";

export type RegexInput =
  | { readonly kind: "file"; readonly path: string; readonly size: number }
  | { readonly kind: "stdin" }
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "journal" };

/** What the LOG argument means; undefined: a file that is not there. */
export function inputOf(word: string): RegexInput | undefined {
  if (word === "-") return { kind: "stdin" };
  if (word === "systemd-journal") return { kind: "journal" };
  if (existsSync(word)) {
    const stat = statSync(word);
    return stat.isDirectory() ? undefined : { kind: "file", path: word, size: stat.size };
  }
  // A path has no blanks where a log line has some.
  return /\s/.test(word.trim()) ? { kind: "line", text: word } : undefined;
}

export interface LineChunk {
  /** Whole lines, latin-1 view, each ended by "\n". */
  readonly text: string;
  /** Bytes of the input read so far, compressed ones where it is compressed. */
  readonly read: number;
}

const longestTail = 1024 * 1024;

/** The lines of an input, in chunks; a last line without line feed counts as one. */
export async function* linesOf(input: RegexInput, stdin: NodeJS.ReadStream): AsyncGenerator<LineChunk> {
  if (input.kind === "line") {
    yield { text: `${encodeText(input.text)}\n`, read: input.text.length };
    return;
  }
  if (input.kind === "journal") return;
  let read = 0;
  const raw = input.kind === "stdin" ? stdin : createReadStream(input.path, { highWaterMark: 1024 * 1024 });
  const counted = raw.on("data", (part: string | Buffer) => {
    read += part.length;
  });
  const bytes = input.kind === "file" && input.path.endsWith(".gz") ? counted.pipe(createGunzip()) : counted;
  let tail = "";
  for await (const part of bytes as AsyncIterable<Buffer | string>) {
    const text = tail + (typeof part === "string" ? encodeText(part) : part.toString("latin1"));
    const end = text.lastIndexOf("\n") + 1;
    tail = text.slice(end);
    // A line without end is not kept for ever: what is beyond the cap is not looked at in any case.
    if (tail.length > longestTail) tail = tail.slice(0, longestTail);
    if (end > 0) yield { text: text.slice(0, end), read };
  }
  if (tail !== "") yield { text: `${tail}\n`, read };
}

/** One line of `journalctl -o json` as an entry; undefined when it has no message of text. */
export function journalEntry(line: string): JournaldEntry | undefined {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const text = (key: string): string | undefined => {
    const value = record[key];
    if (typeof value === "string") return value;
    // Bytes that are not UTF-8 come as numbers.
    if (Array.isArray(value) && value.every((one) => typeof one === "number"))
      return String.fromCharCode(...value.slice(0, 8192));
    return undefined;
  };
  const message = text("MESSAGE");
  if (message === undefined) return undefined;
  const trusted = Object.fromEntries(
    Object.keys(record).flatMap((key) =>
      key.startsWith("_") && typeof record[key] === "string" ? [[key, String(record[key])]] : [],
    ),
  );
  return {
    message,
    identifier: text("SYSLOG_IDENTIFIER") ?? text("_COMM") ?? "",
    pid: text("SYSLOG_PID") ?? text("_PID"),
    host: text("_HOSTNAME") ?? "",
    at: Math.floor(Number(text("_SOURCE_REALTIME_TIMESTAMP") ?? text("__REALTIME_TIMESTAMP") ?? 0) / 1000),
    trusted,
  };
}
