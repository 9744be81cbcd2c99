// Each of these gives its own clear message and exit code, and loses nothing: no stack trace, no silent skip. The compiled executable.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ableTo, executable } from "../support/lab.ts";

const able = ableTo(
  existsSync(executable) ? undefined : "needs dist/f2b (npm run build)",
  "bad input against the executable",
);
const root = process.getuid?.() === 0;

interface Ran {
  readonly code: number;
  readonly text: string;
}

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "f2b-bad-"));
  chmodSync(directory, 0o755);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function f2b(
  words: readonly string[],
  options: { readonly cwd?: string; readonly env?: Record<string, string>; readonly uid?: number } = {},
): Ran {
  const done = spawnSync(executable, words, {
    encoding: "utf8",
    timeout: 8000,
    cwd: options.cwd ?? directory,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...options.env },
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
  const text = `${done.stdout}${done.stderr}`;
  expect(text).not.toMatch(/\n\s+at .+:\d+:\d+/); // a stack trace
  return { code: done.status ?? -1, text };
}

let count = 0;
function file(toml: string, more = ""): string {
  const place = join(directory, `case${count++}`);
  mkdirSync(place, { mode: 0o755 });
  const path = join(place, "f2b.toml");
  writeFileSync(
    path,
    `[daemon]\nsocket = "${place}/f2b.sock"\nstatedir = "${place}/state"\n${more}\n${toml}`,
    { mode: 0o600 },
  );
  return path;
}

describe.skipIf(!able)("bad input", () => {
  test("broken TOML names the place and shows the line", () => {
    const { code, text } = f2b(["daemon", "-c", file("[jails.sshd\nenabled = true\n")]);
    expect(code).toBe(78);
    expect(text).toMatch(/f2b\.toml:\d+:\d+: /);
    expect(text).toContain("[jails.sshd");
    expect(text).toContain("^");
  });

  test("a configuration that is no plain file is refused at once, whatever it would give", () => {
    const fifo = join(directory, "fifo");
    spawnSync("mkfifo", [fifo]);
    for (const path of ["/dev/zero", fifo, directory]) {
      const { code, text } = f2b(["daemon", "-c", path]);
      expect(code).toBe(78);
      expect(text).toContain("not a file");
    }
  });

  test("an unknown key, a wrong type and a second mistake are told together, with did you mean", () => {
    const { code, text } = f2b([
      "daemon",
      "-c",
      file('[jails.sshd]\nenabled = "yes"\nmaxretri = 3\nfindtime = "10 parsecs"\n'),
    ]);
    expect(code).toBe(78);
    expect(text).toContain("maxretry");
    expect(text).toContain("enabled");
    expect(text).toContain("parsecs");
  });

  test("a configuration that is named but not there", () => {
    const { code, text } = f2b(["daemon", "-c", join(directory, "nothere.toml")]);
    expect(code).toBe(78);
    expect(text).toContain("nothere.toml");
  });

  test("an unknown command and an unknown option, with did you mean", () => {
    const command = f2b(["statsu"]);
    expect(command.code).toBe(64);
    expect(command.text).toContain("did you mean f2b status");
    const option = f2b(["ban", "--forr", "1h"]);
    expect(option.code).toBe(64);
    expect(option.text).toContain("--for");
  });

  test("no daemon to talk to", () => {
    const { code, text } = f2b(["status", "-s", join(directory, "no.sock")]);
    expect(code).toBe(69);
    expect(text).toContain("no socket");
  });

  test.skipIf(!root || existsSync("/etc/f2b/f2b.toml") || existsSync("/var/lib/f2b"))(
    "no root and no configuration: it runs dry, says so, and keeps its files under the home directory",
    async () => {
      const home = join(directory, "home");
      mkdirSync(home);
      chownSync(home, 65534, 65534);
      const child = Bun.spawn(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", executable, "daemon"],
        {
          env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", XDG_STATE_HOME: home },
          stderr: "pipe",
          stdout: "ignore",
        },
      );
      let said = "";
      for await (const piece of child.stderr) {
        said += new TextDecoder().decode(piece);
        if (said.includes(" ready: ")) break;
      }
      expect(said).toContain("DRY RUN, nobody is banned");
      expect(said).toContain(`this daemon's own files are in ${home}/f2b`);
      const asked = f2b(["ping", "-s", join(home, "f2b", "f2b.sock")]);
      child.kill("SIGTERM");
      expect(await child.exited).toBe(0);
      expect(asked).toMatchObject({ code: 0 });
    },
  );

  test("a state directory that cannot be made", () => {
    writeFileSync(join(directory, "plain"), "");
    const path = join(directory, "plainstate.toml");
    writeFileSync(
      path,
      `[daemon]\nsocket = "${directory}/p.sock"\nstatedir = "${directory}/plain/state"\n[jails.sshd]\nenabled = true\n`,
      { mode: 0o600 },
    );
    const { code, text } = f2b(["daemon", "--dry-run", "-c", path]);
    expect(code).not.toBe(0);
    expect(text).toContain("plain");
  });

  test("something that is no socket stands where the socket should be", () => {
    const path = file("[jails.sshd]\nenabled = true\n");
    writeFileSync(join(path, "../f2b.sock"), "a file");
    const { code, text } = f2b(["daemon", "--dry-run", "-c", path]);
    expect(code).toBe(69);
    expect(text).toContain("not a socket");
  });

  test("a socket in use by another", async () => {
    const path = file("[jails.sshd]\nenabled = true\n");
    const server: Server = createServer();
    await new Promise<void>((resolve) => server.listen(join(path, "../f2b.sock"), resolve));
    // Asynchronously: a server in this process must go on answering.
    const child = Bun.spawn([executable, "daemon", "--dry-run", "-c", path], {
      stderr: "pipe",
      stdout: "ignore",
      cwd: directory,
    });
    const [code, text] = await Promise.all([child.exited, new Response(child.stderr).text()]);
    server.close();
    expect(code).toBe(69);
    expect(text).toContain("in use");
  });

  test("a log that is not there, and one that cannot be a log, leave the jail waiting or refused and the daemon running", async () => {
    const path = file(
      `[jails.sshd]\nenabled = true\nbackend = "inotify"\nlogpath = ["${directory}/later.log"]\n`,
    );
    const child = Bun.spawn([executable, "daemon", "--dry-run", "-c", path], {
      stderr: "pipe",
      stdout: "ignore",
      cwd: directory,
    });
    const end = performance.now() + 8000;
    let text = "";
    while (performance.now() < end && !text.includes('"waiting"')) {
      text = f2b(["status", "--json", "-s", join(path, "../f2b.sock")]).text;
      await Bun.sleep(50);
    }
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(text).toContain('"waiting"');
    expect(text).toContain("later.log");
  });

  test.skipIf(!root)("without root it runs dry and says so", async () => {
    const path = file("[jails.sshd]\nenabled = true\n");
    chmodSync(join(path, ".."), 0o777);
    chmodSync(path, 0o644);
    const child = Bun.spawn(
      ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", executable, "daemon", "-c", path],
      { stderr: "pipe", stdout: "ignore", cwd: directory },
    );
    await Bun.sleep(1500);
    child.kill("SIGTERM");
    const text = await new Response(child.stderr).text();
    expect(text).toContain("DRY RUN");
  });

  test("a hostile bunfig.toml and .env in the current directory run nothing", () => {
    const place = join(directory, "hostile");
    mkdirSync(place);
    writeFileSync(join(place, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
    writeFileSync(
      join(place, "evil.ts"),
      `require("node:fs").writeFileSync(${JSON.stringify(join(place, "owned"))}, "");\n`,
    );
    writeFileSync(join(place, ".env"), "F2B_EVIL=1\nBUN_OPTIONS=--preload ./evil.ts\n");
    writeFileSync(join(place, "tsconfig.json"), "{");
    writeFileSync(join(place, "package.json"), "{");
    const { code, text } = f2b(["version"], { cwd: place });
    expect(code).toBe(0);
    expect(text).toMatch(/^f2b \d/);
    expect(existsSync(join(place, "owned"))).toBe(false);
  });

  test.skipIf(!root)("variables that would make an interpreter of it are refused as root", () => {
    const debuggers = ["BUN_INSPECT", "BUN_INSPECT_CONNECT_TO", "BUN_INSPECT_NOTIFY"];
    for (const [name, value] of [
      ...debuggers.map((one) => [one, "ws://127.0.0.1:1/"]),
      ["BUN_OPTIONS", "--smol"],
    ]) {
      const { code, text } = f2b(["version"], { env: { [`${name}`]: `${value}` } });
      expect(code).toBe(64);
      expect(text).toContain(`${name} is set`);
    }
    // What only tunes the engine is left to the administrator.
    expect(f2b(["version"], { env: { BUN_JSC_useJIT: "0" } }).code).toBe(0);
  });
});
