import { describe, expect, test } from "bun:test";
import fs from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatagram, peerUid } from "../../src/system/datagram.ts";
import { notifyReady } from "../../src/system/notify-socket.ts";
import { system } from "../source/reading.ts";
import { fakeSystem } from "../support/system.ts";

const python = Bun.which("python3");
const received = `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)
p=sys.argv[1]; s.bind(("\\0"+p[1:]) if p[0]=="@" else p); print("up",flush=True); s.settimeout(5)
for i in range(int(sys.argv[2])): print(s.recv(1000).decode().replace("\\n"," "))`;

async function receive(path: string, count: number, send: () => void): Promise<string[]> {
  const child = Bun.spawn([python ?? "", "-c", received, path, String(count)], { stdout: "pipe" });
  const reader = child.stdout.getReader();
  let text = "";
  for (let sent = false; ; ) {
    const { done, value } = await reader.read();
    if (done) return text.trim().split("\n").slice(1);
    text += Buffer.from(value).toString();
    if (!sent && text.startsWith("up")) {
      sent = true;
      send();
    }
  }
}

describe.skipIf(python === null && !process.env.CI)("telling systemd", () => {
  const said = (env: Record<string, string>) => () => {
    const notifier = notifyReady(system, env);
    notifier.ready();
    notifier.reloading();
    notifier.watchdog();
    notifier.status("12 jails\nMAINPID=1");
    notifier.stopping();
  };
  for (const path of [
    join(fs.mkdtempSync(join(tmpdir(), "f2b-notify-")), "notify"),
    `@f2b-test-${process.pid}`,
  ]) {
    test(`says ready, reloading, alive, stopping over ${path.startsWith("@") ? "an abstract socket" : "a path"}`, async () => {
      const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "10000000", WATCHDOG_PID: String(process.pid) };
      const lines = await receive(path, 5, said(env));
      expect(lines[0]).toBe(`READY=1 MAINPID=${process.pid}`);
      expect(lines[1]).toMatch(/^RELOADING=1 MONOTONIC_USEC=\d{6,} MAINPID=/);
      expect(lines.slice(2)).toEqual(["WATCHDOG=1", "STATUS=12 jails MAINPID=1", "STOPPING=1"]);
    });
  }
  test("says nothing of being alive when another process is meant, and nothing at all unasked", () => {
    const { log, said: complaints } = fakeSystem();
    const other = notifyReady({ ...system, log }, { WATCHDOG_USEC: "1000000", WATCHDOG_PID: "1" });
    other.ready();
    expect([other.watchdogMs, complaints.length]).toEqual([undefined, 0]);
    expect(notifyReady(system, { WATCHDOG_USEC: "10000000" }).watchdogMs).toBe(10_000);
  });
  test("complains once when nobody listens", () => {
    const { log, said: complaints } = fakeSystem();
    const notifier = notifyReady({ ...system, log }, { NOTIFY_SOCKET: "/nonexistent/notify" });
    notifier.ready();
    notifier.stopping();
    expect(complaints.length).toBe(1);
  });
});

describe("unix sockets", () => {
  test("take no address that does not fit", () => {
    expect(openDatagram("")).toBeUndefined();
    expect(openDatagram(`/tmp/${"x".repeat(200)}`)).toBeUndefined();
    expect(openDatagram("/nonexistent/socket")?.send("x")).toBe(false);
  });
  test("tell who is on the other side", async () => {
    const path = join(fs.mkdtempSync(join(tmpdir(), "f2b-peer-")), "socket");
    const seen = await new Promise<number | undefined>((resolve) => {
      const server = net.createServer((socket) => {
        const handle = (socket as unknown as { _handle?: { fd?: number } })._handle;
        resolve(peerUid(handle?.fd ?? -1));
        socket.destroy();
        server.close();
      });
      server.listen(path, () => net.connect(path));
    });
    expect(seen).toBe(process.getuid!());
    expect(peerUid(-1)).toBeUndefined();
    expect(peerUid(0)).toBeUndefined();
  });
});
