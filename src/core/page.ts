// The chunk in hand as bytes, and as text where somebody asks for it: expressions that were written out (direct.ts) walk over the bytes, and
// of most chunks nobody wants more. Good until the next one is turned, since one chunk is read at a time.

import { encodeText } from "./bytes.ts";
import { readAhead } from "./direct.ts";

export class Page {
  readonly view: DataView;
  private own: string | undefined;
  private gone = false;

  private constructor(
    /** A line feed stands behind the text, or ends it; then as much as may be read ahead. */
    readonly bytes: Uint8Array,
    readonly length: number,
    /** Whether nothing in it needs decoding. */
    readonly ascii: boolean,
    text: string | undefined,
    private readonly cutOut: ((from: number, to: number) => string) | undefined,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.own = text;
  }

  /**
   * Whole lines in a buffer that will be filled again: the page is good until `expire`. `readAhead` bytes stand behind them, whatever they are;
   * `cutOut` gives a piece of the lines as a latin-1 view.
   */
  static lent(
    buffer: Uint8Array,
    from: number,
    to: number,
    ascii: boolean,
    cutOut: (from: number, to: number) => string,
  ): Page {
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + from, to - from + readAhead);
    return new Page(bytes, to - from, ascii, undefined, cutOut);
  }

  /** Of a latin-1 view; what is none is looked at as its UTF-8. The page before is no longer good. */
  static of(text: string): Page {
    const { length } = text;
    if (room.length < length + 1 + readAhead) room = new Uint8Array(length + 1 + readAhead);
    // ASCII is its own UTF-8; this is faster by far than looking at every char.
    const { read, written } = encoder.encodeInto(text, room);
    const ascii = read === length && written === length;
    if (!ascii && !copyCodes(text)) return Page.of(encodeText(text));
    room[length] = 10;
    return new Page(room.subarray(0, length + 1 + readAhead), length, ascii, text, undefined);
  }

  /** The chunk as a latin-1 view of its bytes. */
  get text(): string {
    this.own ??= this.cut(0, this.length);
    return this.own;
  }

  /** A piece of the text. */
  slice(from: number, to: number): string {
    return this.own === undefined ? this.cut(from, to) : this.own.slice(from, to);
  }

  /** The buffer will be filled again: from now on only the text can be asked for, where that has been done before. */
  expire(): void {
    this.gone = true;
  }

  /** Whether its bytes may still be looked at. */
  get isGood(): boolean {
    return !this.gone;
  }

  private cut(from: number, to: number): string {
    if (this.gone || this.cutOut === undefined)
      throw new Error("a chunk was asked for its text after the next one had been read");
    return this.cutOut(from, to);
  }
}

const encoder = new TextEncoder();
let room = new Uint8Array(0);

function copyCodes(text: string): boolean {
  let codes = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    codes |= code;
    room[at] = code;
  }
  return codes < 256;
}

/** Where a message stands: on the page, or in a text of its own. */
export type Where = Page | string;

export const textOf = (where: Where): string => (typeof where === "string" ? where : where.text);
