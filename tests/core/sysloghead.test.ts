// Heads of lines by syslog daemons that have a way of their own: BusyBox (Alpine), metalog.

import { describe, expect, test } from "bun:test";
import { newHead, parseSyslog } from "../../src/core/logformat.ts";

function read(
  line: string,
): { program: string | undefined; pid: string | undefined; message: string } | undefined {
  const head = newHead();
  if (!parseSyslog(line, 0, line.length, head)) return undefined;
  return {
    program: head.program < 0 ? undefined : line.slice(head.program, head.programEnd),
    pid: head.pid < 0 ? undefined : line.slice(head.pid, head.pidEnd),
    message: line.slice(head.message),
  };
}

describe("a line of BusyBox' syslogd", () => {
  test("has facility and level behind the host", () => {
    expect(read("Mar  2 10:15:09 alpine authpriv.info sshd[812]: Failed password")).toEqual({
      program: "sshd",
      pid: "812",
      message: "Failed password",
    });
    expect(read("Mar  2 10:15:09 alpine local7.notice app: started")?.program).toBe("app");
  });

  test("so has AIX, in a way of its own", () => {
    expect(read("Mar  2 10:15:09 aix1 auth|security:info sshd[812]: Failed password")?.program).toBe("sshd");
    expect(read("Mar  2 10:15:09 aix1 daemon:notice app: started")?.program).toBe("app");
  });

  test("may have no program", () => {
    expect(read("Mar  2 10:15:09 alpine user.notice just words")).toEqual({
      program: undefined,
      pid: undefined,
      message: "just words",
    });
  });

  test("what only looks like a facility is part of the message", () => {
    expect(read("Mar  2 10:15:09 gw1 auth.information sshd[812]: Failed password")?.message).toBe(
      "auth.information sshd[812]: Failed password",
    );
    expect(read("Mar  2 10:15:09 web1 app: auth.info sshd[812]: Failed password")).toEqual({
      program: "app",
      pid: undefined,
      message: "auth.info sshd[812]: Failed password",
    });
    expect(read("Mar  2 10:15:09 web1 some auth.info sshd[812]: Failed password")?.program).toBeUndefined();
  });
});

describe("a line of metalog", () => {
  test("has the program in brackets and no host", () => {
    expect(read("Mar  2 10:15:09 [sshd] Failed password")).toEqual({
      program: "sshd",
      pid: undefined,
      message: "Failed password",
    });
  });

  test("brackets behind a host or another kind of time are the message's", () => {
    expect(read("Mar  2 10:15:09 web1 [warn] Failed password")?.message).toBe("[warn] Failed password");
    expect(read("2026-03-02 10:15:09 [warn] Failed password")?.program).toBeUndefined();
  });
});
