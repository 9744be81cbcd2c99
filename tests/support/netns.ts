// Network namespaces for tests of the real kernel: a server with veth lines to clients and containers. Programs run inside one
// through a wrapped Programs, so that no code under test knows of namespaces.

import type { Log, Programs, System } from "../../src/system/index.ts";
import { realSystem } from "../../src/system/real.ts";

/** Why the real firewall cannot be tried here; undefined: it can. In CI that is a failure, not a reason to skip. */
export function whyNoNetns(programs: readonly string[] = ["nft"]): string | undefined {
  const reason = lacking(programs);
  if (reason !== undefined && process.env.CI !== undefined)
    throw new Error(`CI must be able to try the real firewall: ${reason}`);
  if (reason !== undefined) console.warn(`skipped: ${reason}`);
  return reason;
}

function lacking(programs: readonly string[]): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  for (const program of ["ip", ...programs])
    if (Bun.which(program, { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }) === null) return `needs ${program}`;
  const name = `f2b-try-${process.pid}`;
  if (sh(["ip", "netns", "add", name]).code !== 0) return "network namespaces cannot be made here";
  sh(["ip", "netns", "del", name]);
  return undefined;
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export function sh(command: readonly string[], stdin?: string): Ran {
  const done = Bun.spawnSync([...command], {
    stdin: stdin === undefined ? "ignore" : Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  return { code: done.exitCode, out: done.stdout.toString(), err: done.stderr.toString() };
}

export interface Namespace {
  readonly name: string;
  /** Runs a program inside and throws when it fails. */
  must(...command: string[]): string;
  run(...command: string[]): Ran;
  /** The machine, with every program started inside. */
  system(log?: Log): System;
  programs(base: Programs): Programs;
  remove(): void;
}

let made = 0;

export function namespace(label: string): Namespace {
  const name = `f2b-${process.pid}-${++made}-${label}`;
  const inside = (command: readonly string[]) => ["ip", "netns", "exec", name, ...command];
  const ran = sh(["ip", "netns", "add", name]);
  if (ran.code !== 0) throw new Error(`no namespace: ${ran.err}`);
  const self: Namespace = {
    name,
    run: (...command) => sh(inside(command)),
    must(...command) {
      const { code, out, err } = sh(inside(command));
      if (code !== 0) throw new Error(`${command.join(" ")}: ${err || out}`);
      return out;
    },
    programs: (base) => ({
      find: base.find,
      run: (command, options) => base.run(inside(command), options),
      start: (command, options) => base.start(inside(command), options),
    }),
    system(log = { say: () => undefined }) {
      const base = realSystem(log);
      return { ...base, programs: self.programs(base.programs) };
    },
    remove: () => void sh(["ip", "netns", "del", name]),
  };
  // Addresses are usable at once: no waiting for duplicate address detection.
  self.must("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0");
  self.must("ip", "link", "set", "lo", "up");
  return self;
}

/** A line between two namespaces: a gets .1 and ::1, b gets .2 and ::2 of 10.77.NET.0/24 and fd77:NET::/64. */
export function connect(
  a: Namespace,
  b: Namespace,
  net: number,
): { readonly a4: string; readonly b4: string; readonly a6: string; readonly b6: string } {
  const left = `v${net}a`;
  const right = `v${net}b`;
  const ran = sh([
    "ip",
    "link",
    "add",
    left,
    "netns",
    a.name,
    "type",
    "veth",
    "peer",
    "name",
    right,
    "netns",
    b.name,
  ]);
  if (ran.code !== 0) throw new Error(`no veth: ${ran.err}`);
  const addresses = {
    a4: `10.77.${net}.1`,
    b4: `10.77.${net}.2`,
    a6: `fd77:${net}::1`,
    b6: `fd77:${net}::2`,
  };
  for (const [side, device, v4, v6] of [
    [a, left, addresses.a4, addresses.a6],
    [b, right, addresses.b4, addresses.b6],
  ] as const) {
    side.must("ip", "addr", "add", `${v4}/24`, "dev", device);
    side.must("ip", "-6", "addr", "add", `${v6}/64`, "dev", device, "nodad");
    side.must("ip", "link", "set", device, "up");
  }
  return addresses;
}

export interface Listener {
  readonly stop: () => void;
}

const server = `
import os, socket, sys, threading
def serve(family, address, port):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((address, port)); s.listen(64)
    # In one piece: whoever has counted enough of these reads no more.
    try: os.write(1, b"ready\\n")
    except OSError: pass
    def talk(c):
        try:
            while True:
                data = c.recv(4096)
                if not data: break
                c.sendall(data)
        except OSError: pass
    while True:
        c, _ = s.accept()
        threading.Thread(target=talk, args=(c,), daemon=True).start()
threads = []
for port in map(int, sys.argv[1:]):
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        t = threading.Thread(target=serve, args=(family, address, port)); t.start(); threads.append(t)
`;

/** An echo server on these ports, both families. Resolves when all of them listen. */
export async function listen(where: Namespace, ports: readonly number[]): Promise<Listener> {
  const child = Bun.spawn(
    ["ip", "netns", "exec", where.name, "python3", "-c", server, ...ports.map(String)],
    { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  );
  let ready = 0;
  for await (const piece of child.stdout) {
    ready += new TextDecoder().decode(piece).split("ready").length - 1;
    if (ready >= ports.length * 2) break;
  }
  return { stop: () => child.kill("SIGKILL") };
}

const client = `
import socket, sys
source, address, port, limit = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
s.settimeout(limit)
try:
    if source != "-": s.bind((source, 0))
    s.connect((address, port)); s.sendall(b"x")
    print("open" if s.recv(1) == b"x" else "closed")
except socket.timeout: print("timeout")
except ConnectionRefusedError: print("refused")
except OSError as e: print("refused" if e.errno in (101, 111, 113) else "error %s" % e)
`;

/** Tries to exchange one byte: "open", "refused" (an answer says no), "timeout" (nothing comes back). */
export function tryTcp(
  from: Namespace,
  address: string,
  port: number,
  options: { readonly source?: string; readonly limit?: number } = {},
): string {
  return from
    .must("python3", "-c", client, options.source ?? "-", address, `${port}`, `${options.limit ?? 0.35}`)
    .trim();
}

const holder = `
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3); s.settimeout(0.35)
print("held", flush=True)
for line in sys.stdin:
    try:
        s.sendall(b"x"); print("open" if s.recv(1) == b"x" else "closed", flush=True)
    except Exception as e: print("cut", flush=True)
`;

/** A connection that is held open; ask() exchanges one byte over it. */
export async function hold(
  from: Namespace,
  address: string,
  port: number,
): Promise<{ readonly ask: () => Promise<string>; readonly stop: () => void }> {
  const child = Bun.spawn(["ip", "netns", "exec", from.name, "python3", "-c", holder, address, `${port}`], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = child.stdout.getReader();
  let said = "";
  /** A line may come in pieces, and its end by itself. */
  const line = async (): Promise<string> => {
    for (;;) {
      const feed = said.indexOf("\n");
      if (feed >= 0) {
        const whole = said.slice(0, feed);
        said = said.slice(feed + 1);
        return whole.trim();
      }
      const { done, value } = await reader.read();
      if (done) return said.trim();
      said += new TextDecoder().decode(value);
    }
  };
  const first = await line();
  if (first !== "held") throw new Error(`no connection: ${first}`);
  return {
    async ask() {
      child.stdin.write("go\n");
      await child.stdin.flush();
      return line();
    },
    stop: () => child.kill("SIGKILL"),
  };
}

/** Polls until the condition holds; throws at the deadline. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  ms = 3000,
  everyMs = 10,
): Promise<number> {
  const began = performance.now();
  for (;;) {
    if (await condition()) return performance.now() - began;
    if (performance.now() - began > ms) throw new Error(`not within ${ms} ms`);
    await Bun.sleep(everyMs);
  }
}
