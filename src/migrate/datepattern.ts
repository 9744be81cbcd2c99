// fail2ban's datepattern → ours. What is cut out of the line there is the first group or the whole match; here always the match, so
// what surrounds a group becomes a look around. {DATE} stands for any form known by itself.

import type { Note } from "./actions.ts";
import type { RawLine } from "./ini.ts";
import { translatePython } from "./pyregex.ts";

/** Forms that {DATE} stands for, in the language of datepattern. */
const knownDates = [
  "%Y[-/.]%m[-/.]%d(?:T| {1,2})%H:%M:%S(?:[.,]%f)?(?: ?%z)?",
  "(?:%a )?%b {1,2}%d %H:%M:%S(?:[.]%f)?(?: %Y)?",
  "(?:%a )?%b {1,2}%d %Y %H:%M:%S(?:[.]%f)?",
  "%d[-/]%m[-/]%Y %H:%M:%S",
  "%d[-/]%b[-/]%Y[ :]?%H:%M:%S(?:[.]%f)?(?: %z)?",
  "%m/%d/%Y:%H:%M:%S",
  "%y%m%d {1,2}%H:%M:%S",
  "%b %d, %Y %I:%M:%S %p",
].join("|");

const date = "\uE0F0";

/** Lines that ask only for what is looked for anyway give nothing. */
export function translateDatepattern(lines: readonly RawLine[], notes: Note[]): string[] {
  const out: string[] = [];
  for (const line of lines) {
    const text = line.text.trim();
    const bare = text.replace(/\{(?:UNB|DEFAULT|NONE)\}|\*\*/g, "");
    if (/^(?:\{\^LN-BEG\}|\^|\{DATE\})*$/.test(bare)) continue;
    const one = translateOne(bare);
    if (typeof one === "string") out.push(one);
    else notes.push({ text: `datepattern ${text} is left out: ${one.why}`, at: line.at });
  }
  return out;
}

function translateOne(text: string): string | { readonly why: string } {
  const begins = text.startsWith("{^LN-BEG}");
  let source = text.replaceAll("{^LN-BEG}", "").replaceAll("{DATE}", date);
  if (/^(?:l?epoch|tai64n)$/i.test(source)) return `${begins ? "^" : ""}${source.toUpperCase()}`;
  source = source.replace(/%(E?x?[A-Za-z])/g, "@@$1");
  const group = firstGroup(source);
  if (group !== undefined) {
    const [before, inside, behind] = group;
    source = `${before === "" ? "" : `(?<=${before})`}(?:${inside})${behind === "" ? "" : `(?=${behind})`}`;
  }
  // Quotes and brackets may stand before a date that begins the line.
  else if (begins && !source.startsWith("^")) source = `(?<=^\\W{0,2})(?:${source})`;
  const result = translatePython(source, { feed: false });
  if (!result.ok) return { why: result.fault.why ?? result.fault.what };
  const [one] = result.value.expressions;
  if (one === undefined || result.value.expressions.length > 1) return { why: "it has conditions" };
  return one.replaceAll("@@", "%").replaceAll(date, `(?:${knownDates})`);
}

/** What stands before, in and behind the first group without a name, when it is not inside another one. */
function firstGroup(text: string): [string, string, string] | undefined {
  let depth = 0;
  let opened = -1;
  let start = -1;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "\\") i++;
    else if (opened >= 0) {
      const first = i === opened + 1 || (i === opened + 2 && text[opened + 1] === "^");
      if (c === "]" && !first) opened = -1;
    } else if (c === "[") opened = i;
    else if (c === "(") {
      if (depth === 0 && text[i + 1] !== "?") start = i;
      depth++;
    } else if (c === ")") {
      depth--;
      if (depth === 0 && start >= 0) {
        // A repeated group is no part of the line one could point at.
        if (/[*+?{]/.test(text[i + 1] ?? "")) return undefined;
        return [text.slice(0, start), text.slice(start + 1, i), text.slice(i + 1)];
      }
    }
  }
  return undefined;
}
