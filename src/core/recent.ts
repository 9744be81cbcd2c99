// What is mostly the same from line to line, or short, looked at four bytes at once: a loop over single bytes ends where the processor does
// not foresee it, which costs more than the look.

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

/** How many digits stand there, 8 at most; eight bytes are read. */
export function leadingDigits(view: DataView, at: number): number {
  const first = notDigits(view.getInt32(at, true));
  if (first !== 0) return (31 - Math.clz32(first & -first)) >> 3;
  const second = notDigits(view.getInt32(at + 4, true));
  return second === 0 ? 8 : 4 + ((31 - Math.clz32(second & -second)) >> 3);
}

/** The highest bit of each byte that is no digit; behind the first of them others may have it, too. */
function notDigits(word: number): number {
  const digits = word ^ 0x30303030;
  return ((digits + 0x76767676) | digits) & 0x80808080;
}

/** What is left of eight bytes by the length of a text: of the first four, of the others. */
const masks = Int32Array.from({ length: 16 }, (_, i) => {
  const length = Math.max(0, Math.min(4, (i >> 1) - 4 * (i & 1)));
  return length === 0 ? 0 : -1 >>> (8 * (4 - length));
});

/** The digits [from, to) as a number, another one for each text of up to seven; eight bytes are read. -1: there is more, or other than digits. */
export function idAt(view: DataView, from: number, to: number): number {
  const length = to - from;
  if (length < 1 || length > 7) return -1;
  const of = masks[2 * length]!;
  const ofOthers = masks[2 * length + 1]!;
  const word = view.getInt32(from, true) & of;
  const other = view.getInt32(from + 4, true) & ofOthers;
  if ((notDigits(word | (0x30303030 & ~of)) | notDigits(other | (0x30303030 & ~ofOthers))) !== 0) return -1;
  // Four bits for each digit, 1 to 10: none is like nothing.
  return (
    packed((word & 0x0f0f0f0f) + (0x01010101 & of)) |
    (packed((other & 0x0f0f0f0f) + (0x01010101 & ofOthers)) << 16)
  );
}

function packed(digits: number): number {
  const pairs = (digits | (digits >>> 4)) & 0xff00ff;
  return (pairs | (pairs >>> 8)) & 0xffff;
}
