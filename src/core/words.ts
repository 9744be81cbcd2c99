// Bytes looked at four and more at once: a loop over single ones ends where the processor does not foresee it, which costs more than the look.
// What lies behind the end of a page may be read, whatever it is: see `readAhead` in direct.ts.

import type { Page } from "./page.ts";

/** How many digits stand there, 8 at most; eight bytes are read. */
export function leadingDigits(view: DataView, at: number): number {
  const first = notDigits(view.getInt32(at, true));
  if (first !== 0) return lowest(first);
  const second = notDigits(view.getInt32(at + 4, true));
  return second === 0 ? 8 : 4 + lowest(second);
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

/** Where the line ends: at its line feed, or where the page does. */
export function lineEnd({ bytes, length }: Page, from: number): number {
  const feed = bytes.indexOf(10, from);
  return feed < 0 || feed > length ? length : feed;
}

/** The same where it is not far: sixteen bytes are looked at at once, without a call. What is left of a byte is its highest bit where it is 10. */
export function nearEnd(page: Page, from: number): number {
  const { view } = page;
  for (let at = from; at < from + 128; at += 16) {
    const a = view.getInt32(at, true) ^ 0x0a0a0a0a;
    const b = view.getInt32(at + 4, true) ^ 0x0a0a0a0a;
    const c = view.getInt32(at + 8, true) ^ 0x0a0a0a0a;
    const d = view.getInt32(at + 12, true) ^ 0x0a0a0a0a;
    const first = (a - 0x01010101) & ~a & 0x80808080;
    const second = (b - 0x01010101) & ~b & 0x80808080;
    const third = (c - 0x01010101) & ~c & 0x80808080;
    const fourth = (d - 0x01010101) & ~d & 0x80808080;
    if ((first | second | third | fourth) === 0) continue;
    if (first !== 0) return at + lowest(first);
    if (second !== 0) return at + 4 + lowest(second);
    return third !== 0 ? at + 8 + lowest(third) : at + 12 + lowest(fourth);
  }
  return lineEnd(page, from + 128);
}

/** Which of four bytes the lowest bit of a word is in. */
const lowest = (word: number): number => (31 - Math.clz32(word & -word)) >> 3;
