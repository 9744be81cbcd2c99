// Heads read one after the other, each with the last one's front at hand, are the same as heads read alone.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { SyslogHeads } from "../../src/core/heads.ts";
import { newHead, parseSyslog } from "../../src/core/logformat.ts";
import { Page } from "../../src/core/page.ts";

test("remembering the last line's front changes no head", () => {
  const stamp = fc.constantFrom(
    "Mar  2 10:15:09 ",
    "Mar  2 10:15:10 ",
    "2026-03-02T10:15:09+01:00 ",
    "2026-03-02T10:15:10+01:00 ",
    "2026-03-02T10:15:10.123456+01:00 ",
    "2026-03-02T10:15:1 +01:00 ",
    "2026-03-02 10:15:10 ",
    "Mar  2 10:15:09 2026 ",
    "Mar 12 10:15:0x ",
    "Mon Mar  2 10:15:09 2026 ",
    "<38>Mar  2 10:15:09 ",
    "",
  );
  const host = fc.constantFrom(
    "web1 ",
    "web1 web1 ",
    "web ",
    "2026 ",
    "2026 web1 ",
    "10.0.0.1 ",
    "web1  ",
    "@guest ",
    "",
  );
  const rest = fc.constantFrom(
    "sshd[812]: hello",
    "sshd[813]: hello",
    "sshd[1]: hello",
    "sshd[12345678]: hello",
    "sshd[123456789]: hello",
    "sshd[81a]: hello",
    "sshd[812]:hello",
    "sshd[812]: kernel",
    "sshd: hello",
    "sshd: ",
    "sudo: hello",
    "su[812]: hello",
    "s[812]: hello",
    "sshd[]: hello",
    "sshd[812] hello",
    "sshd[812]: ",
    "sshd[812]:",
    "sshd:hello",
    "ssh_d[812]: hello",
    "sshd-session[812]: [  970.699396] hello",
    "sshd [812]: hello",
    "[sshd]: hello",
    "[812]: hello",
    "auth.info sshd[812]: hello",
    "web1[3]: hello",
    "@guest sshd[1]: hello",
    "kernel: [  970.699396] hello",
    "hello there",
    "x",
    "",
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(stamp, host, rest), { minLength: 2, maxLength: 12 }), (lines) => {
      const text = lines.map((parts) => `${parts.join("")}\n`).join("");
      const heads = new SyslogHeads("", (program) => program);
      for (let from = 0; from < text.length; ) {
        const to = text.indexOf("\n", from);
        const [alone, along] = [newHead(), newHead()];
        const is = parseSyslog(text, from, to, alone);
        expect(heads.parse(Page.of(text), from, to, along)).toBe(is);
        if (is) expect(along).toEqual(alone);
        if (is && alone.program >= 0) expect(heads.wanting).toBe(text.slice(alone.program, alone.programEnd));
        from = to + 1;
      }
    }),
    { numRuns: 2000 },
  );
});
