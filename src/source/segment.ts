// Cuts what was read into whole lines. PURE. Line feed alone ends a line; a line longer than the cap is never shown, not even its
// beginning; runs of NUL at the start of a line (the hole a truncated file leaves) are passed over.

export interface Cut {
  /** [from, to) of whole lines, each ending behind its line feed, in order. */
  readonly spans: readonly (readonly [number, number])[];
  /** So many bytes are done with; the rest is a line that has not ended yet. */
  readonly consumed: number;
  /** The bytes after `consumed` belong to an over-long line: they are to be passed over up to the next line feed. */
  readonly skipping: boolean;
  /** Over-long lines begun here. */
  readonly overlong: number;
}

const LF = 10;

/** `cap` is the longest line shown, in bytes without its line feed. `skipping`: the bytes begin inside an over-long line. */
export function cutLines(bytes: Buffer, cap: number, skipping: boolean): Cut {
  const spans: (readonly [number, number])[] = [];
  let overlong = 0;
  let at = 0;
  /** Start of the span being gathered. */
  let from = 0;
  /** The next NUL that may begin a line; -1 when there is none, which is almost always. */
  let nul = bytes.indexOf(0);
  const close = () => {
    if (at > from) spans.push([from, at]);
  };
  const end = (consumed: number, inside: boolean): Cut => ({ spans, consumed, skipping: inside, overlong });

  if (skipping) {
    const feed = bytes.indexOf(LF);
    if (feed < 0) return end(bytes.length, true);
    at = from = feed + 1;
  }
  while (at < bytes.length) {
    if (bytes[at] === 0) {
      close();
      at = from = afterNuls(bytes, at);
      continue;
    }
    // One look backwards covers every line that ends within the cap: what lies between is no longer than the cap either.
    const feed = lastFeed(bytes, at, Math.min(at + cap, bytes.length - 1));
    if (feed >= at) {
      if (nul >= 0 && nul < at) nul = bytes.indexOf(0, at);
      while (nul >= 0 && nul < feed && bytes[nul - 1] !== LF) nul = bytes.indexOf(0, nul + 1);
      at = nul >= 0 && nul < feed ? nul : feed + 1;
      continue;
    }
    if (bytes.length - at <= cap) break;
    close();
    overlong++;
    const next = bytes.indexOf(LF, at);
    if (next < 0) return end(bytes.length, true);
    at = from = next + 1;
  }
  close();
  return end(at, false);
}

function lastFeed(bytes: Buffer, from: number, to: number): number {
  const feed = bytes.lastIndexOf(LF, to);
  return feed < from ? -1 : feed;
}

function afterNuls(bytes: Buffer, at: number): number {
  let end = at;
  while (end < bytes.length && bytes[end] === 0) end++;
  return end;
}
