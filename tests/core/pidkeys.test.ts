// A connection's key is the same for its lines and another one for those of others, whatever was asked before.

import { expect, test } from "bun:test";
import { newHead, parseSyslog } from "../../src/core/logformat.ts";
import { Page } from "../../src/core/page.ts";
import { PidKeys } from "../../src/core/pidkeys.ts";

test("host, program and process id make the key", () => {
  const keys = new PidKeys();
  const key = (tag: string): number | undefined => {
    const line = `Mar  2 10:15:09 ${tag}: x\n`;
    const head = newHead();
    expect(parseSyslog(line, 0, line.length - 1, head)).toBe(true);
    return keys.of(Page.of(line), head);
  };
  const pids = [...Array(300).keys()].map((n) => n * 37);
  const tags = ["web1 sshd", "web2 sshd", "web1 sshd-session", `${"w".repeat(70)} sshd`].flatMap((tag) =>
    [...pids, 123456789, 1234567890].map((pid) => `${tag}[${pid}]`),
  );
  const seen = tags.map(key);
  expect(new Set(seen).size).toBe(tags.length);
  expect(tags.toReversed().map(key).toReversed()).toEqual(seen);
  expect(key("web1 sshd")).toBeUndefined();
});
