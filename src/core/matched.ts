// What one expression found in a text: where its groups stand. It is made once and filled again and again, because most of what groups
// hold nobody keeps: a text is cut out where it is asked for, an address is read where it stands.

import { decodeText, internBytes } from "./bytes.ts";
import type { Direct } from "./direct.ts";
import type { Page } from "./page.ts";

/** Groups that an expression can have and still be written out. */
const mostGroups = 100;

export class Matched {
  /** What a RegExp found; undefined: `spans` say where it stands on the page. */
  private array: RegExpExecArray | undefined;
  private page: Page | undefined;
  private readonly spans = new Int32Array(2 * mostGroups + 2);

  fromRegExp(array: RegExpExecArray): void {
    this.array = array;
  }

  /** False: it does not match there. */
  fromPage(direct: Direct, page: Page, from: number): boolean {
    if (direct(page.bytes, page.view, this.spans, from) < 0) return false;
    this.array = undefined;
    this.page = page;
    return true;
  }

  /** Whether the group took part. */
  has(group: number): boolean {
    return this.array === undefined ? this.spans[2 * group + 1]! >= 0 : this.array[group] !== undefined;
  }

  isEmpty(group: number): boolean {
    return this.array === undefined
      ? this.spans[2 * group] === this.spans[2 * group + 1]
      : this.array[group] === "";
  }

  /** The group as logged. */
  text(group: number): string | undefined {
    if (this.array !== undefined) return this.array[group];
    const end = this.spans[2 * group + 1]!;
    return end < 0 ? undefined : this.page?.text.slice(this.spans[2 * group], end);
  }

  /** The group for people to read; the same text is mostly the same string. */
  decoded(group: number, ascii: () => boolean, encoding: TextDecoder | undefined): string | undefined {
    if (this.array === undefined && this.page !== undefined) {
      const end = this.spans[2 * group + 1]!;
      if (end < 0) return undefined;
      const known = internBytes(this.page.bytes, this.spans[2 * group]!, end);
      if (known !== undefined) return known;
    }
    const text = this.text(group);
    return text === undefined ? undefined : decodeText(text, ascii(), encoding);
  }

  /** The 32 bits of the group where it is a dotted quad as parseAddress wants it; -1 for any other text. */
  quad(group: number): number {
    if (this.array !== undefined || this.page === undefined) return quadOf(this.array?.[group] ?? "");
    return quadIn(this.page.bytes, this.spans[2 * group]!, this.spans[2 * group + 1]!);
  }
}

function quadIn(bytes: Uint8Array, from: number, to: number): number {
  let bits = 0;
  let octet = -1;
  let dots = 0;
  for (let at = from; at < to; at++) {
    const code = bytes[at]!;
    if (code === 46) {
      if (octet < 0 || ++dots > 3) return -1;
      bits = (bits << 8) | octet;
      octet = -1;
    } else if (code < 48 || code > 57 || octet === 0) return -1;
    else {
      octet = octet < 0 ? code - 48 : octet * 10 + code - 48;
      if (octet > 255) return -1;
    }
  }
  return dots === 3 && octet >= 0 ? ((bits << 8) | octet) >>> 0 : -1;
}

const longestQuad = 15;
const scratch = new Uint8Array(longestQuad);

export function quadOf(text: string): number {
  if (text.length > longestQuad) return -1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    // A char beyond latin-1 must not look like a digit in a byte.
    if (code > 57) return -1;
    scratch[at] = code;
  }
  return quadIn(scratch, 0, text.length);
}
