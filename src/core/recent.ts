// What is mostly the same from line to line: kept, and looked for four bytes at once where it would stand in the next one.

/** The longest text kept. */
const longest = 64;

export class Recent {
  /** Of the text kept; 0: none is. */
  length = 0;
  private readonly words = new Int32Array(longest / 4);
  private readonly bytes = new Uint8Array(this.words.buffer);
  /** What is left of the last word, and which one it is. */
  private mask = 0;
  private last = 0;

  /** Of a latin-1 text. */
  static of(text: string): Recent {
    const recent = new Recent();
    recent.keep(
      Uint8Array.from(text, (char) => char.charCodeAt(0)),
      0,
      text.length,
    );
    return recent;
  }

  /** Keeps bytes [from, to); what is longer is not kept, nor what was before. */
  keep(bytes: Uint8Array, from: number, to: number): void {
    const length = to - from;
    this.length = length <= longest ? length : 0;
    if (this.length === 0) return;
    for (let i = 0; i < length; i++) this.bytes[i] = bytes[from + i]!;
    this.last = (length - 1) >> 2;
    this.mask = -1 >>> (8 * (4 * (this.last + 1) - length));
    this.words[this.last]! &= this.mask;
  }

  forget(): void {
    this.length = 0;
  }

  /** Whether the text kept stands there. As many bytes as it has, and three, must stand behind `at`, whatever they are. */
  standsAt(view: DataView, at: number): boolean {
    const { words, last } = this;
    if (this.length === 0) return false;
    for (let i = 0; i < last; i++) if (view.getInt32(at + 4 * i, true) !== words[i]) return false;
    return (view.getInt32(at + 4 * last, true) & this.mask) === words[last];
  }
}
