// A chunk as bytes: the same text, the same pieces of it, and none of either when its buffer is no longer its own.

import { expect, test } from "bun:test";
import { Page } from "../../src/core/page.ts";
import { createScanner } from "../../src/core/scan.ts";

const lent = (text: string): { readonly buffer: Buffer; readonly page: Page } => {
  const buffer = Buffer.from(`before\n${text}after${"x".repeat(80)}`, "latin1");
  return {
    buffer,
    page: Page.lent(buffer, 7, 7 + text.length, false, (from, to) =>
      buffer.toString("latin1", 7 + from, 7 + to),
    ),
  };
};

test("gives the text of its bytes, whole and in pieces", () => {
  const text = "one \xff\n\0two\n";
  const { page } = lent(text);
  expect([page.length, page.bytes[0], page.view.getUint8(4)]).toEqual([text.length, 111, 255]);
  expect(page.slice(4, 8)).toBe(text.slice(4, 8));
  expect(page.text).toBe(text);
  expect(page.slice(4, 8)).toBe(text.slice(4, 8));
  for (const whole of [text, "plain\n"]) {
    const one = Page.of(whole);
    expect([...one.text].map((char) => char.charCodeAt(0))).toEqual([...one.bytes.subarray(0, one.length)]);
    expect(one.bytes[one.length]).toBe(10);
  }
  expect([Page.of(text).ascii, Page.of("plain\n").ascii]).toEqual([false, true]);
  expect(Page.of("\u20ac\n").text).toBe("\xe2\x82\xac\n");
});

test("is refused after its buffer was filled again, but for a text that was asked for before", () => {
  const [asked, other] = [lent("one\n").page, lent("two\n").page];
  expect(asked.text).toBe("one\n");
  asked.expire();
  other.expire();
  expect(asked.text).toBe("one\n");
  expect(() => other.text).toThrow("after the next one");
  expect(() => other.slice(0, 2)).toThrow("after the next one");
  expect(() => createScanner([]).file(other, { now: 0, live: true })).toThrow("after the next one");
});
