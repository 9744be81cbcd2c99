// What one expression found in a text: where its groups stand. It is made once and filled again and again, because most of what groups
// hold nobody keeps: a text is cut out where it is asked for, an address is read where it stands.

import { decodeText, internText } from "./bytes.ts";
import type { Direct } from "./direct.ts";
import type { Page } from "./page.ts";
import { Spelled } from "./spelled.ts";

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
  fromPage(direct: Direct, page: Page, from: number, to: number): boolean {
    if (direct(page.bytes, page.view, this.spans, from, to) < 0) return false;
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
    return end < 0 ? undefined : this.page?.slice(this.spans[2 * group]!, end);
  }

  /** The group for people to read; the same name is mostly the same string. */
  decoded(group: number, ascii: () => boolean, encoding: TextDecoder | undefined): string | undefined {
    const known = this.placeIn(names, group);
    if (known >= 0) return names.at(known);
    const text = this.text(group);
    if (text === undefined) return undefined;
    if (this.array !== undefined || !isAscii(text)) return decodeText(text, ascii(), encoding);
    const own = internText(text);
    names.set(own);
    return own;
  }

  /** The place of the group's text among those known; -1: it is not, and `table.set` says what it stands for. Only on the page. */
  placeIn<Value>(table: Spelled<Value>, group: number): number {
    if (this.array !== undefined || this.page === undefined) return -1;
    const end = this.spans[2 * group + 1]!;
    return end < 0 ? -1 : table.find(this.page.view, this.spans[2 * group]!, end);
  }

  get onPage(): boolean {
    return this.array === undefined;
  }
}

const names = new Spelled<string>(1 << 12);

function isAscii(text: string): boolean {
  let codes = 0;
  for (let at = 0; at < text.length; at++) codes |= text.charCodeAt(at);
  return codes < 128;
}
