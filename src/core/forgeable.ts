// A log that strangers can write whole records into is known by its own lines: once one is seen, lines of a safe form in the same
// file are not to be believed either, since who can begin a record can begin it in any form.

import type { CompiledFilter, Format } from "./filter.ts";
import { newHead, parseStamped, parseSyslog } from "./logformat.ts";
import type { Where } from "./page.ts";

const shapes: Partial<Record<Format, RegExp>> = {
  "nginx-error": /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[[a-z]{4,6}\] \d+#\d+: /,
  "apache-error": /^\[[A-Z][a-z]{2} [A-Z][a-z]{2} [^\]]{1,40}\] \[/,
  clf: /^[^{\s]\S{0,255} [^"]{1,500}\[\d{1,2}\/\w{2,12}\/\d{4}:/,
  json: /^\{"/,
};

function hasForm(format: Format, line: string): boolean {
  const shape = shapes[format];
  if (shape !== undefined) return shape.test(line);
  const head = newHead();
  const syslog = parseSyslog(line, 0, line.length, head) && head.program >= 0;
  return format === "syslog"
    ? syslog
    : format === "timestamp" && !syslog && parseStamped(line, 0, line.length) !== undefined;
}

/** So much of a line shows its form. */
const shown = 1024;

/** Why the file that a chunk is of can be forged: its first line has a form of `forgeableFormats`. Undefined: it does not show. */
export function forgeableFile({ filter, unforgeable }: CompiledFilter, chunk: Where): string | undefined {
  const marks = filter.forgeableFormats;
  if (marks === undefined) return undefined;
  const begin = chunk.slice(0, Math.min(chunk.length, shown));
  const feed = begin.indexOf("\n");
  const line = feed < 0 ? begin : begin.slice(0, feed);
  if (unforgeable?.test(line) === true) return undefined;
  for (const [format, reason] of Object.entries(marks)) if (hasForm(format as Format, line)) return reason;
  return undefined;
}
