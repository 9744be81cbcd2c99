// fail2ban's static `<tag>` substitution: options of a filter or an action stand in for <name> inside other options, also nested
// (`<mdre-<mode>>`) and through several steps. Names that are not options stay as they are: they are expression tags or run-time tags.

import type { Fault, Place } from "../core/domain.ts";
import type { RawLine } from "./ini.ts";
import type { Text } from "./layers.ts";

/** fail2ban gives up after 25 rounds; here every name is counted for itself in a line, so that a long list is no circle. */
const maxRounds = 200;
const maxLength = 1 << 20;

/** The options a tag may name. */
export interface Options {
  get(name: string): Text | undefined;
  /** Names as written in the files, with conditions such as "?family=inet6". */
  names(): Iterable<string>;
}

/** Options that have a variant for one address family (`name?family=inet6`): they stay tags until the family is known. */
export function conditionalNames(options: Options): ReadonlySet<string> {
  const names = new Set<string>();
  for (const key of options.names()) {
    const mark = key.indexOf("?");
    if (mark > 0) names.add(key.slice(0, mark));
  }
  return names;
}

/** Replaces tags in one value, keeping for each resulting line the place it came from. `keep` names stay tags. */
export function substitute(
  value: Text,
  self: string,
  options: Options,
  keep: ReadonlySet<string>,
  faults: Fault[],
): Text {
  const lines: RawLine[] = [];
  for (const line of value.lines) lines.push(...substituteLine(line, self, options, keep, faults, value.at));
  return { text: lines.map((line) => line.text).join("\n"), lines, at: value.at };
}

function substituteLine(
  line: RawLine,
  self: string,
  options: Options,
  keep: ReadonlySet<string>,
  faults: Fault[],
  at: Place,
): RawLine[] {
  let text = line.text;
  let from = 0;
  const counts = new Map<string, number>();
  for (;;) {
    const tag = /<([^ <>\n]+)>/g;
    tag.lastIndex = from;
    const found = tag.exec(text);
    if (found === null) break;
    const name = found[1]!;
    const value = keep.has(name) ? undefined : options.get(name);
    if (value === undefined) {
      from = found.index + found[0].length;
      continue;
    }
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    if (name === self || count > maxRounds || text.length > maxLength) {
      faults.push({
        what: `the tag <${name}> in "${self}" leads to itself`,
        why: "tags that refer to one another in a circle never come to an end; fail2ban refuses them",
        fix: "break the circle",
        at,
      });
      from = found.index + found[0].length;
      continue;
    }
    // A tag that is the whole line brings its own lines and places with it.
    if (found[0] === text.trim() && value.lines.length > 1) {
      return value.lines.flatMap((part) => substituteLine(part, self, options, keep, faults, part.at));
    }
    text = text.slice(0, found.index) + value.text + text.slice(found.index + found[0].length);
    // Begin again at the start: what was put in may complete an outer tag.
    from = 0;
  }
  return text.split("\n").map((part) => ({ text: part, at: line.at }));
}
