// A chunk as it was read → the text that is matched: line ends are LF, container runtimes' wrappers are taken off. Where
// that moves offsets, the ends of the lines in the chunk are kept, so that a failure can say how far into the file it lies.

import { unwrap } from "./logformat.ts";
import { Page } from "./page.ts";

export interface Records {
  /** Whole lines, each ended by "\n". */
  readonly page: Page;
  /** Ends (exclusive, with the line feed) of the lines in the chunk; undefined: as on the page. */
  readonly ends: readonly number[] | undefined;
  /** The container runtime's time of each line; undefined: none. */
  readonly times: readonly string[] | undefined;
}

/** Keeps what a container runtime cut in two until the rest comes; one a source. */
export class RecordReader {
  private partial = "";
  constructor(private readonly cap: number) {}

  read(chunk: Page): Records {
    const begin = chunk.slice(0, Math.min(chunk.length, 64));
    if (
      begin.startsWith('{"log":"') ||
      /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) std(?:out|err) [FP]/.test(begin)
    ) {
      return this.unwrapped(chunk.text);
    }
    // A single char is found faster by far.
    const at = chunk.bytes.indexOf(13);
    return at >= 0 && at < chunk.length && chunk.text.includes("\r\n")
      ? withoutReturns(chunk.text)
      : { page: chunk, ends: undefined, times: undefined };
  }

  private unwrapped(chunk: string): Records {
    const ends: number[] = [];
    const times: string[] = [];
    let text = "";
    for (let from = 0; from < chunk.length; ) {
      const feed = chunk.indexOf("\n", from);
      const to = feed < 0 ? chunk.length : feed;
      const line = chunk.slice(from, to);
      const inner = unwrap(line);
      from = to + 1;
      if (inner === undefined) {
        text += `${line}\n`;
        times.push("");
      } else {
        const whole = this.partial + inner.text;
        if (!inner.whole) {
          // Cut beyond the cap: such a line is too long to be looked at in any case.
          this.partial = whole.slice(0, this.cap + 1);
          continue;
        }
        this.partial = "";
        // A line feed inside one record must not begin another one.
        text += `${whole.replace(/\n/g, "\\n")}\n`;
        times.push(inner.time);
      }
      ends.push(from);
    }
    return { page: Page.of(text), ends, times };
  }
}

function withoutReturns(chunk: string): Records {
  const ends: number[] = [];
  for (let at = chunk.indexOf("\n"); at >= 0; at = chunk.indexOf("\n", at + 1)) ends.push(at + 1);
  const text = chunk.replaceAll("\r\n", "\n");
  return { page: Page.of(text), ends, times: undefined };
}
