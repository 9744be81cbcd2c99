// Settings of the running daemon, as one types them: what cannot be is refused and changes nothing. The compiled executable, run dry.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ableTo, executable } from "../support/lab.ts";

const able = ableTo(
  existsSync(executable) ? undefined : "needs dist/f2b (npm run build)",
  "settings of the running executable",
);

describe.skipIf(!able)("settings", () => {
  const directory = able ? mkdtempSync(join(tmpdir(), "f2b-set-")) : "";
  const path = join(directory, "f2b.toml");
  const socket = join(directory, "by-option.sock");
  let daemon: ReturnType<typeof Bun.spawn>;

  const configure = (loglevel: string) =>
    writeFileSync(
      path,
      `[daemon]\nsocket = "${directory}/f2b.sock"\nstatedir = "${directory}/state"\nloglevel = "${loglevel}"
[jails.sshd]\nenabled = true\nbackend = "inotify"\nlogpath = "${directory}/auth.log"\n`,
      { mode: 0o600 },
    );

  function f2b(...words: readonly string[]): { code: number; text: string } {
    const done = spawnSync(executable, [...words, "-s", socket], { encoding: "utf8", timeout: 8000 });
    return { code: done.status ?? -1, text: `${done.stdout}${done.stderr}` };
  }

  beforeAll(async () => {
    configure("warning");
    writeFileSync(join(directory, "auth.log"), "");
    // Its log goes to a file of the test, to be looked at while it runs.
    daemon = Bun.spawn([executable, "daemon", "--dry-run", "-c", path, "-s", socket, "--loglevel", "INFO"], {
      stderr: Bun.file(join(directory, "said")),
      stdout: "ignore",
    });
    const end = performance.now() + 8000;
    while (performance.now() < end && f2b("ping").code !== 0) await Bun.sleep(50);
  });
  afterAll(async () => {
    daemon.kill("SIGTERM");
    await daemon.exited;
    rmSync(directory, { recursive: true, force: true });
  });

  test("the daemon listens where -s says, and says as much as --loglevel asks for", async () => {
    expect(f2b("ping")).toEqual({ code: 0, text: "pong\n" });
    expect(f2b("get", "daemon", "loglevel").text).toBe("info\n");
    const line = `${new Date().toISOString()} host sshd[7]: Failed password for root from 192.0.2.7 port 22 ssh2\n`;
    writeFileSync(join(directory, "auth.log"), line);
    const end = performance.now() + 5000;
    const said = () => readFileSync(join(directory, "said"), "utf8");
    while (performance.now() < end && !said().includes("Found 192.0.2.7")) await Bun.sleep(20);
    expect(said()).toContain("[sshd] Found 192.0.2.7");
  });

  test("-1 is a length, as in fail2ban", () => {
    expect(f2b("set", "sshd", "bantime", "-1").code).toBe(0);
    expect(f2b("get", "sshd", "bantime").text).toBe('"forever"\n');
    expect(f2b("set", "sshd", "findtime", "-1").text).toContain("findtime: this cannot be forever");
  });

  test("an expression that cannot be read is refused; the jail runs on with its own", () => {
    const before = f2b("get", "sshd", "failregex").text;
    expect(f2b("set", "sshd", "failregex", "^x(")).toMatchObject({
      code: 64,
      text: expect.stringContaining("cannot be read"),
    });
    expect(f2b("get", "sshd", "failregex").text).toBe(before);
    expect(f2b("status").code).toBe(0);
  });

  test("a firewall that wants options is refused; the jail keeps its own", () => {
    const before = f2b("get", "sshd", "banaction").text;
    expect(f2b("set", "sshd", "banaction", "cloudflare").code).toBe(64);
    expect(f2b("get", "sshd", "banaction").text).toBe(before);
  });

  test("fail2ban's addignoreip answers with the setting's name", () => {
    expect(f2b("set", "sshd", "addignoreip", "192.0.2.0/24").text).toStartWith(
      'ignoreip = ["192.0.2.0/24"]\n',
    );
  });

  test("the log level: changed by a reload, for now, and for good", () => {
    configure("error");
    expect(f2b("reload").code).toBe(0);
    expect(f2b("get", "daemon", "loglevel").text).toBe("error\n");
    expect(f2b("set", "daemon", "loglevel", "notice").text).toContain("until the next start");
    expect(f2b("get", "daemon", "loglevel").text).toBe("notice\n");
    expect(f2b("set", "daemon", "loglevel", "debug", "--save").text).toContain("saved in");
    expect(readFileSync(join(directory, "state/settings.toml"), "utf8")).toContain(
      '[daemon]\nloglevel = "debug"',
    );
    expect(f2b("set", "sshd", "maxretry", "4", "--save").code).toBe(0);
    expect(f2b("reload").code).toBe(0);
    expect(f2b("get", "daemon", "loglevel").text).toBe("debug\n");
    expect(f2b("get", "sshd", "maxretry").text).toBe("4\n");
  });
});
