// What is offered after what was typed, and that bash passes it on unharmed: a candidate with a stranger's text in it is never expanded.

import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { completion } from "../../src/commands/completion.ts";
import { realSystem } from "../../src/system/real.ts";

async function said(words: readonly string[], socket?: string): Promise<string> {
  let out = "";
  await completion.run({
    words,
    flags: {},
    config: undefined,
    socket: socket ?? "/nonexistent/f2b.sock",
    json: false,
    out: (text) => {
      out += text;
    },
    err: () => undefined,
    env: {},
    stdin: process.stdin,
    stdout: process.stdout,
    system: realSystem({ say: () => undefined }),
  });
  return out;
}

const offered = async (typed: string, socket?: string): Promise<string[]> =>
  (await said(["words", ...typed.split(" ").filter((word) => word !== "")], socket))
    .split("\n")
    .filter((word) => word !== "");

/** A daemon that knows two jails and two bans, one of them of a target that a stranger named. */
async function withDaemon(body: (socket: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "f2b-completion-"));
  const unix = join(directory, "f2b.sock");
  const server = Bun.serve({
    unix,
    fetch: (request) =>
      Response.json(
        request.url.endsWith("/status")
          ? { jails: [{ name: "sshd" }, { name: "nginx" }] }
          : { bans: [{ target: "2001:db8::7" }, { target: "$(touch x)" }] },
      ),
  });
  try {
    await body(unix);
  } finally {
    await server.stop(true);
    rmSync(directory, { recursive: true });
  }
}

describe("offered", () => {
  test("commands first, also behind options that come before", async () => {
    expect(await offered("")).toContain("status");
    expect(await offered("-c /etc/f2b/f2b.toml")).toContain("status");
    expect(await offered("help")).toContain("completion");
    expect(await offered("nosuch")).toEqual([]);
  });

  test("jails, banned addresses and settings where they are meant; never a target that a stranger named", () =>
    withDaemon(async (socket) => {
      expect(await offered("status", socket)).toEqual(expect.arrayContaining(["sshd", "nginx", "--json"]));
      expect(await offered("unban --jail", socket)).toEqual(["sshd", "nginx"]);
      const banned = await offered("unban", socket);
      expect(banned).toContain("2001:db8::7");
      expect(banned.join(" ")).not.toContain("touch");
      expect(await offered("set sshd", socket)).toContain("maxretry");
      expect(await offered("get sshd", socket)).not.toContain("nginx");
    }));

  test("options still after options with values", async () => {
    expect(await offered("ban sshd 192.0.2.1 --for 1h")).toContain("--note");
    expect(await offered("ban sshd --for")).toEqual([]);
  });

  test("files where files are meant", async () => {
    expect(await offered("regex")).toContain("files here");
    expect(await offered("status -c")).toEqual(["files here"]);
    expect(await offered("status")).not.toContain("files here");
  });
});

describe.skipIf(Bun.which("bash") === null)("in bash", () => {
  /** What bash would put for `line` if f2b offered `words`. */
  async function completed(line: string, words: readonly string[], cwd: string): Promise<string[]> {
    const script = `${await said(["bash"])}
f2b() { printf '%s\\n' "$@" >&2; printf '%s\\n' ${words.map((word) => `'${word}'`).join(" ")}; }
COMP_LINE='${line}'; COMP_POINT=\${#COMP_LINE}; _f2b; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const done = spawnSync("bash", ["-c", script], { encoding: "utf8", cwd });
    return done.stdout.split("\n").filter((word) => word !== "");
  }

  test("what begins as the word before the cursor; an address is not repeated up to its last colon", async () => {
    expect(await completed("f2b st", ["status", "stop", "explain"], "/")).toEqual(["status", "stop"]);
    expect(await completed("f2b unban 2001:d", ["2001:db8::7", "192.0.2.1"], "/")).toEqual(["db8::7"]);
    expect(await completed("f2b regex /etc/host", ["files here"], "/")).toContain("/etc/hosts");
  });

  test("nothing that is offered is run", async () => {
    const directory = mkdtempSync(join(tmpdir(), "f2b-completion-"));
    const hostile = "$(touch ran)";
    expect(await completed("f2b unban ", [hostile, "`touch ran`"], directory)).toContain(hostile);
    expect(existsSync(join(directory, "ran"))).toBe(false);
    rmSync(directory, { recursive: true });
  });
});
