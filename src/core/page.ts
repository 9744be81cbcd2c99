// The chunk in hand as bytes, beside its text: expressions that were written out (direct.ts) walk over these. One for all scanners, since one
// chunk is read at a time: it is good until the next one is turned.

import { readAhead } from "./direct.ts";

export interface Page {
  readonly text: string;
  /** As many as the text has chars; a line feed stands behind them. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Whether nothing in it needs decoding. */
  readonly ascii: boolean;
}

const encoder = new TextEncoder();
let bytes = new Uint8Array(0);
let view = new DataView(bytes.buffer);

/** Undefined for a text that is no latin-1 view of bytes. */
export function pageOf(text: string): Page | undefined {
  const { length } = text;
  if (bytes.length < length + 1 + readAhead) {
    bytes = new Uint8Array(length + 1 + readAhead);
    view = new DataView(bytes.buffer);
  }
  // ASCII is its own UTF-8; this is faster by far than looking at every char.
  const { read, written } = encoder.encodeInto(text, bytes);
  const ascii = read === length && written === length;
  if (!ascii && !copyCodes(text)) return undefined;
  bytes[length] = 10;
  return { text, bytes, view, ascii };
}

function copyCodes(text: string): boolean {
  let codes = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    codes |= code;
    bytes[at] = code;
  }
  return codes < 256;
}
