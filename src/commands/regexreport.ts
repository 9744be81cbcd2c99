// What `f2b regex` tells: which expression matched what, what was missed (by shape, the commonest first, so that one sees what to
// write next), the times that were recognised.

import { decodeText } from "../core/bytes.ts";
import { accessStamp } from "../core/datetime.ts";
import type { CompiledFilter } from "../core/filter.ts";
import { newHead, parseStamped, parseSyslog } from "../core/logformat.ts";
import { plural, visibleLine } from "../core/text.ts";
import { rows } from "./print.ts";

export interface Tally {
  lines: number;
  matched: number;
  ignored: number;
  /** Lines that help in a session. */
  helped: number;
  overlong: number;
}

const shapeLimit = 5000;

/** Lines that nothing matched, with numbers, addresses and names taken out. */
export class Shapes {
  private readonly known = new Map<string, { count: number; readonly example: string }>();

  add(line: string): void {
    const shape = shapeOf(line);
    const before = this.known.get(shape);
    if (before !== undefined) before.count++;
    else if (this.known.size < shapeLimit) this.known.set(shape, { count: 1, example: line });
  }

  commonest(count: number): readonly { readonly count: number; readonly example: string }[] {
    return [...this.known.values()].sort((a, b) => b.count - a.count).slice(0, count);
  }

  get size(): number {
    return this.known.size;
  }
}

const head = newHead();

export function shapeOf(line: string): string {
  const message = parseSyslog(line, 0, line.length, head)
    ? line.slice(head.program >= 0 ? head.program : head.message)
    : line;
  return message
    .slice(0, 400)
    .replace(/"[^"]*"/g, '"…"')
    .replace(/'[^']*'/g, "'…'")
    .replace(/<[^<>]*>/g, "<…>")
    .replace(/\b(?:[0-9a-f]{1,4}:){2,7}[0-9a-f]{0,4}\b|\b\d+(?:\.\d+){3}\b/gi, "ADDRESS")
    .replace(/\b[0-9a-f]{8,}\b/gi, "HEX")
    .replace(/\d+/g, "N")
    .replace(/(\b(?:user|for|from|by|rhost|ruser|login)[= ]+)[^\s,;\]]+/gi, "$1…");
}

/** How times are written in the log: shape → lines. */
export class TimeFormats {
  private readonly counts = new Map<string, { count: number; readonly example: string }>();

  add(line: string): void {
    const stamp =
      parseSyslog(line, 0, line.length, head) && head.program >= 0
        ? { start: head.stamp, end: parseStamped(line, head.stamp, line.length)?.stamp.end ?? head.stamp }
        : (parseStamped(line, 0, line.length)?.stamp ?? accessStamp(line, 0, Math.min(line.length, 512)));
    const text = stamp === undefined ? "" : line.slice(stamp.start, stamp.end);
    const shape = text.replace(/[A-Za-z]+/g, (word) => (word.length < 3 ? word : "Mon")).replace(/\d/g, "0");
    const known = this.counts.get(shape);
    if (known !== undefined) known.count++;
    else if (this.counts.size < 50) this.counts.set(shape, { count: 1, example: text });
  }

  list(): readonly { readonly count: number; readonly example: string }[] {
    return [...this.counts.values()].sort((a, b) => b.count - a.count);
  }
}

export function expressionsText(filter: CompiledFilter): string {
  const cells = [...filter.fail, ...filter.ignore].map((one) => {
    const ignoring = filter.ignore.includes(one);
    return [
      // Counted from 1, as wherever an expression is named to people.
      `${ignoring ? "ignore" : "fail"} ${one.index + 1}`,
      String(one.stats.hits),
      `${one.stats.ms.toFixed(1)} ms`,
      visibleLine(one.pattern.source, 120),
      one.stats.disabled ?? (one.stats.gaveUp > 0 ? `gave up ${plural(one.stats.gaveUp, "time")}` : ""),
    ];
  });
  return rows([["Expression", "Lines", "Time", "", ""], ...cells]);
}

export function missedText(shapes: Shapes, count: number): string {
  const list = shapes.commonest(count);
  if (list.length === 0) return "";
  return `\nMissed, the commonest shapes first${shapes.size > count ? ` (${count} of ${shapes.size})` : ""}:\n${rows(
    list.map((one) => [String(one.count).padStart(8), visibleLine(decodeText(one.example), 160)]),
  )}`;
}

export function timesText(formats: TimeFormats): string {
  const list = formats
    .list()
    .map((one) => [String(one.count).padStart(8), one.example === "" ? "(no time recognised)" : one.example]);
  return `\nTimes:\n${rows(list)}`;
}
