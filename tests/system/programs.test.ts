import { describe, expect, test } from "bun:test";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realPrograms } from "../../src/system/programs.ts";
import { eventually } from "../support/time.ts";

const programs = realPrograms();
const descriptors = () => fs.readdirSync("/proc/self/fd").length;

/** A directory of programs of our own, as DESIGN asks for instead of mocked functions. */
function fakePrograms(scripts: Readonly<Record<string, string>>) {
  const directory = fs.mkdtempSync(join(tmpdir(), "f2b-programs-"));
  for (const [name, text] of Object.entries(scripts))
    fs.writeFileSync(`${directory}/${name}`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return { directory, programs: realPrograms({ directories: [directory, "/usr/bin", "/bin"] }) };
}

describe("finding a program", () => {
  test("looks in the system's directories, never where $PATH points", () => {
    const { directory } = fakePrograms({ nft: "echo evil" });
    const path = process.env.PATH;
    process.env.PATH = `${directory}:${path}`;
    expect(programs.find("sh")).toMatch(/^\/(?:usr\/)?bin\/sh$/);
    expect(programs.find("nft") ?? "").not.toContain(directory);
    process.env.PATH = path;
  });
  test("takes no path, no directory and nothing that others can change", () => {
    const { directory, programs: own } = fakePrograms({ good: "exit 0", "f2b-writable": "exit 0" });
    fs.chmodSync(`${directory}/f2b-writable`, 0o777);
    fs.mkdirSync(`${directory}/directory`);
    fs.writeFileSync(`${directory}/text`, "", { mode: 0o644 });
    expect(own.find("good")).toBe(`${directory}/good`);
    for (const name of ["f2b-writable", "directory", "text", "absent", "../good", "/bin/sh", ""])
      expect(own.find(name)).toBeUndefined();
  });
});

describe("running a program", () => {
  test("named by its path happens only while nobody else can change it", async () => {
    const { directory } = fakePrograms({ act: "echo done" });
    const act = `${directory}/act`;
    const ran = async () => {
      const { code, stdout, stderr } = await programs.run([act]);
      return { code, said: stdout + stderr };
    };
    expect(await ran()).toEqual({ code: 0, said: "done\n" });
    fs.chmodSync(act, 0o757);
    expect(await ran()).toEqual({
      code: -1,
      said: `${act} can be written by others: it is not run (chmod go-w it)`,
    });
    expect(() => programs.start([act])).toThrow("can be written by others");
    fs.chmodSync(act, 0o755);
    expect((await ran()).code).toBe(0);
    if (process.geteuid?.() !== 0) return;
    fs.chownSync(act, 4242, 4242);
    expect(await ran()).toEqual({
      code: -1,
      said: `${act} belongs to user 4242, not to root: it is not run (chown root it)`,
    });
  });
  test("gives its code, its output, and takes standard input", async () => {
    const result = await programs.run(["sh", "-c", "cat; echo oops >&2; exit 3"], { stdin: "hello" });
    expect(result).toEqual({ code: 3, stdout: "hello", stderr: "oops\n", timedOut: false });
  });
  test("passes arguments as they are, through no shell", async () => {
    const words = ["$(id)", "a b", "`id`", "--", "-n", "; echo x", "\\n"];
    const { stdout } = await programs.run(["printf", "%s|", ...words]);
    expect(stdout).toBe(words.map((word) => `${word}|`).join(""));
  });
  test("gives it a clean environment and leads it away from the current directory", async () => {
    process.env.F2B_SECRET = "x";
    const { stdout } = await programs.run(["env"]);
    delete process.env.F2B_SECRET;
    expect(stdout).toContain("PATH=/usr/sbin:/usr/bin:/sbin:/bin:");
    expect(stdout).toContain("LC_ALL=C.UTF-8");
    expect(stdout).not.toContain("F2B_SECRET");
    expect((await programs.run(["pwd"])).stdout).toBe("/\n");
    expect((await programs.run(["env"], { env: { A: "1" } })).stdout.trim().split("\n").sort()[0]).toBe(
      "A=1",
    );
  });
  test("ends it and all its children when its time is up", async () => {
    const mark = `31536${process.pid}`;
    const started = performance.now();
    const result = await programs.run(
      ["sh", "-c", `trap '' TERM; sleep ${mark} & sleep ${mark}; sleep ${mark}`],
      { timeoutMs: 100 },
    );
    expect(result).toMatchObject({ code: -1, timedOut: true });
    expect(performance.now() - started).toBeLessThan(3_000);
    await eventually(
      "no sleep is left",
      async () => !(await programs.run(["ps", "-eo", "args"])).stdout.includes(`sleep ${mark}`),
    );
  });
  test("does not wait for what it leaves behind", async () => {
    const started = performance.now();
    const result = await programs.run(["sh", "-c", "sleep 5 & echo done"]);
    expect(result).toMatchObject({ code: 0, stdout: "done\n" });
    expect(performance.now() - started).toBeLessThan(2_000);
  });
  test("keeps so much of its output and no more", async () => {
    const { stdout, code } = await programs.run(["sh", "-c", "yes | head -c 5000000"], { maxOutput: 1000 });
    expect([stdout.length, code]).toEqual([1000, 0]);
  });
  test("survives a program that reads nothing of a large input", async () => {
    expect((await programs.run(["true"], { stdin: "x".repeat(5_000_000) })).code).toBe(0);
  });
  test("says what is wrong with one that is not there", async () => {
    const result = await programs.run(["no-such-program-here"]);
    expect(result).toMatchObject({ code: -1, timedOut: false });
    expect(result.stderr).toContain("no-such-program-here: no such program in /usr/sbin");
    expect((await programs.run(["/nonexistent/nft"])).code).toBe(-1);
  });
  test("leaves nothing open behind it, five hundred times", async () => {
    await programs.run(["true"]);
    const before = descriptors();
    for (let i = 0; i < 500; i++) await programs.run(["true"], { stdin: "x" });
    // On a busy machine the last ends are told a little later.
    for (let i = 0; i < 60 && descriptors() > before + 2; i++) {
      Bun.gc(true);
      await Bun.sleep(50);
    }
    expect(descriptors()).toBeLessThanOrEqual(before + 2);
  }, 20_000);
});

describe("a long-lived child", () => {
  test("answers what is written to it", async () => {
    const child = programs.start(["cat"]);
    const out = child.stdout[Symbol.asyncIterator]();
    for (const text of ["one\n", "two\n"]) {
      expect(child.write(text)).toBe(true);
      expect(Buffer.from((await out.next()).value).toString()).toBe(text);
    }
    child.kill();
    await child.exited;
  });
  test("that is dead takes no more text", async () => {
    const child = programs.start(["true"]);
    expect(await child.exited).toBe(0);
    expect(child.write("delete everything\n")).toBe(false);
  });
  test("that closed its input takes no more text, soon after the first", async () => {
    const child = programs.start(["sh", "-c", "exec 0<&-; sleep 5"]);
    await Bun.sleep(100);
    await eventually("a refusal", () => !child.write("x\n"));
    child.kill("SIGKILL");
    await child.exited;
  });
  test("that is killed is told, and reaped", async () => {
    const child = programs.start(["sleep", "60"]);
    process.kill(child.pid, "SIGKILL");
    expect(await child.exited).not.toBe(0);
    expect(child.write("x")).toBe(false);
    expect(fs.existsSync(`/proc/${child.pid}`)).toBe(false);
  });
  test("whose output nobody reads is held back and fills no memory", async () => {
    const child = programs.start(["yes"]);
    const before = process.memoryUsage.rss();
    await Bun.sleep(700);
    expect(process.memoryUsage.rss() - before).toBeLessThan(50e6);
    child.kill("SIGKILL");
    await child.exited;
  });
});
