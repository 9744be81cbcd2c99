import { describe, expect, test } from "bun:test";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog } from "../../src/system/log.ts";
import { createLogLimit } from "../../src/system/loglimit.ts";

const now = () => Date.UTC(2026, 10, 21, 6, 30, 0, 123);
const place = () => join(fs.mkdtempSync(join(tmpdir(), "f2b-log-")), "f2b.log");

function logTo(path: string, level: "info" | "debug" = "info") {
  return createLog({ level, target: { kind: "file", path }, now });
}

/** Starts a process that says two things on standard error and gives what came out there. */
async function saidOnStderr(env: Record<string, string>, stdio: number | "pipe"): Promise<string> {
  const script = `
    import { createLog } from "${import.meta.dir}/../../src/system/log.ts";
    const log = createLog({ level: "info", target: { kind: "stderr" }, now: () => ${now()} });
    log.say("notice", "[sshd] Ban 192.0.2.1"); log.say("error", "no nft");`;
  const child = Bun.spawn([process.execPath, "-e", script], { env, stderr: stdio, stdout: "ignore" });
  const text = stdio === "pipe" ? await new Response(child.stderr as ReadableStream).text() : "";
  await child.exited;
  return text;
}

describe("f2b's own log", () => {
  test("is one line an event: time, level, text, fields", () => {
    const path = place();
    const log = logTo(path);
    log.say("notice", "[sshd] Ban 192.0.2.1", { for: "10m", why: "3 failures in 10m" });
    log.say("debug", "not asked for");
    log.close();
    expect(fs.readFileSync(path, "utf8")).toBe(
      '2026-11-21T06:30:00.123Z notice [sshd] Ban 192.0.2.1 for=10m why="3 failures in 10m"\n',
    );
    expect(fs.statSync(path).mode & 0o777).toBe(0o600);
  });
  test("obeys no terminal and has no second line, whatever a stranger called himself", () => {
    const path = place();
    const log = logTo(path);
    log.say("info", "user \x1b]0;owned\x07 \u202e x\n2026 notice [sshd] Ban 192.0.2.2", { user: "a\r\nb" });
    log.close();
    const text = fs.readFileSync(path, "latin1");
    expect(text.split("\n").length).toBe(2);
    expect(/[^\x20-\x7e\n]/.test(text)).toBe(false);
  });
  test("changes its level while running", () => {
    const path = place();
    const log = logTo(path);
    log.level = "debug";
    log.say("debug", "now asked for");
    log.level = "error";
    log.say("warning", "no more");
    log.close();
    expect(fs.readFileSync(path, "utf8")).toBe("2026-11-21T06:30:00.123Z debug now asked for\n");
  });
  test("goes on in a new file after it was rotated and reopened", () => {
    const path = place();
    const log = logTo(path);
    log.say("info", "one");
    fs.renameSync(path, `${path}.1`);
    log.say("info", "two");
    log.reopen();
    log.say("info", "three");
    log.close();
    expect(fs.readFileSync(`${path}.1`, "utf8").trim().split("\n").length).toBe(2);
    expect(fs.readFileSync(path, "utf8")).toEndWith("three\n");
  });
  test("stays in the old file, and says so there, when the new one cannot be opened", () => {
    const path = place();
    const log = logTo(path);
    fs.renameSync(path, `${path}.1`);
    fs.mkdirSync(path);
    log.reopen();
    log.say("info", "still here");
    log.close();
    expect(fs.readFileSync(`${path}.1`, "utf8")).toContain("the old file is written on");
    expect(fs.readFileSync(`${path}.1`, "utf8")).toContain("still here");
  });
  test("on standard error has times for people and levels for journald", async () => {
    expect(await saidOnStderr({}, "pipe")).toStartWith(
      "2026-11-21T06:30:00.123Z notice [sshd] Ban 192.0.2.1\n",
    );
    const path = place();
    const fd = fs.openSync(path, "w");
    const { dev, ino } = fs.fstatSync(fd);
    await saidOnStderr({ JOURNAL_STREAM: `${dev}:${ino}` }, fd);
    expect(fs.readFileSync(path, "utf8")).toBe("<5>[sshd] Ban 192.0.2.1\n<3>no nft\n");
  });
  test("reaches a syslog socket as a datagram of its own", async () => {
    const python = Bun.which("python3");
    if (python === null) return console.log("skipped, no python3: there is no other datagram receiver here");
    const path = place();
    const script = `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("up",flush=True)
print(s.recv(1000)); print(s.recv(1000))`;
    const receiver = Bun.spawn([python, "-c", script, path], { stdout: "pipe" });
    while (!fs.existsSync(path)) await Bun.sleep(5);
    const log = createLog({ level: "info", target: { kind: "syslog" }, syslogsocket: path });
    log.say("notice", "[sshd] Ban 192.0.2.1");
    log.say("warning", "x\ny");
    const text = await new Response(receiver.stdout).text();
    expect(text).toContain(`b'<29>f2b[${process.pid}]: [sshd] Ban 192.0.2.1'`);
    expect(text).toContain(`b'<28>f2b[${process.pid}]: x\\\\ny'`);
  });
  test("falls back to standard error, with the reason, where its target is not", () => {
    const log = createLog({ level: "critical", target: { kind: "file", path: "/nonexistent/f2b.log" } });
    expect(() => log.say("info", "x")).not.toThrow();
  });
});

describe("an error in a loop", () => {
  test("does not fill the disk in an hour", () => {
    let at = 0;
    const limit = createLogLimit(() => at);
    let bytes = 0;
    let lines = 0;
    for (let i = 0; i < 360_000; i++) {
      at += 10;
      for (const { text } of limit.pass("error", `EIO: read /var/log/auth.log at ${i}, attempt ${i * 7}`)) {
        bytes += text.length + 40;
        lines++;
      }
    }
    expect(bytes).toBeLessThan(200_000);
    expect(lines).toBeGreaterThan(100);
  });
  test("is counted, and the count is told", () => {
    let at = 0;
    const limit = createLogLimit(() => at);
    const texts: string[] = [];
    for (let i = 0; i < 30; i++) texts.push(...limit.pass("error", `EIO ${i}`).map(({ text }) => text));
    expect(texts.length).toBe(20);
    at += 120_000;
    expect(limit.pass("info", "something else").map(({ text }) => text)).toEqual([
      "10 more like this left out: EIO 29",
      "something else",
    ]);
    expect(limit.rest()).toEqual([]);
  });
  test("never holds back a ban", () => {
    const limit = createLogLimit(() => 0);
    let passed = 0;
    for (let i = 0; i < 10_000; i++) passed += limit.pass("notice", `[sshd] Ban 192.0.2.${i % 256}`).length;
    expect(passed).toBe(10_000);
  });
  test("is remembered within bounds, however many kinds there are", () => {
    const limit = createLogLimit(() => 0);
    const letters = (n: number) =>
      n.toString(36).replaceAll(/\d/g, (d) => String.fromCharCode(65 + Number(d)));
    let passed = 0;
    for (let i = 0; i < 20_000; i++) passed += limit.pass("error", `kind ${letters(i)}`).length;
    expect(passed).toBe(20_000);
  });
});
