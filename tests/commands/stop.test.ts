// f2b stop without a jail: a daemon that systemd keeps would be started again a second later, so systemd is asked to stop it.

import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stop } from "../../src/commands/control.ts";
import { exits } from "../../src/commands/index.ts";
import { type FakeSystem, fakeSystem } from "../support/system.ts";

const directory = mkdtempSync(join(tmpdir(), "f2b-stop-"));
const socket = join(directory, "f2b.sock");
const asked: string[] = [];
const server = Bun.serve({
  unix: socket,
  fetch(request) {
    const { pathname } = new URL(request.url);
    asked.push(`${request.method} ${pathname}`);
    return Response.json(pathname === "/status" ? { pid: 812 } : {});
  },
});
afterAll(async () => {
  await server.stop(true);
  rmSync(directory, { recursive: true });
});

async function stopped(system: FakeSystem, flags = {}): Promise<{ code: number; out: string }> {
  let out = "";
  asked.length = 0;
  const code = await stop.run({
    words: [],
    flags,
    config: undefined,
    socket,
    json: false,
    out: (text) => {
      out += text;
    },
    err: (text) => {
      out += text;
    },
    env: {},
    stdin: process.stdin,
    stdout: process.stdout,
    system,
  });
  return { code, out };
}

const systemd = (pid: string): FakeSystem =>
  fakeSystem({
    files: { "/run/systemd/system/x": "" },
    programs: { systemctl: (command) => ({ stdout: command[1] === "show" ? `${pid}\n` : "" }) },
  });

describe("f2b stop", () => {
  test("asks systemd where the daemon is its service", async () => {
    const system = systemd("812");
    const { code, out } = await stopped(system, { unban: true });
    expect(code).toBe(exits.fine);
    expect(out).toStartWith("the service is stopped");
    expect(asked).toEqual(["GET /status", "POST /unban"]);
    expect(system.commands.at(-1)?.command.slice(1)).toEqual(["stop", "f2b.service"]);
  });

  test("asks the daemon where another process is the service, or no systemd runs", async () => {
    for (const system of [systemd("1"), fakeSystem({})]) {
      const { out } = await stopped(system);
      expect(out).toBe("the daemon is stopping\n");
      expect(asked.at(-1)).toBe("POST /stop");
      expect(system.commands.every(({ command }) => command[1] !== "stop")).toBe(true);
    }
  });
});
