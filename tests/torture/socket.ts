// Promise 9: the control socket under garbage, half requests, idle clients, huge bodies, wrong methods, names that want to be paths or
// prototypes; and strangers' uids. Meanwhile bans go on.

import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, lstatSync, readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { executable, type RunningDaemon, until } from "../support/lab.ts";
import { blame, type Part, percentile, seeded } from "./part.ts";
import { failure, isBanned, mib, needsKernel, openStage, processFacts, stranger } from "./stage.ts";

const get = async (socket: string, path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`http://f2b${path}`, { unix: socket, signal: AbortSignal.timeout(5000), ...init });

/** Opens, writes, and gives the socket back: nobody reads, nobody ends. */
function idle(socket: string, text: string | Uint8Array): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const client = connect(socket);
    client.once("connect", () => {
      client.write(text);
      resolve(client);
    });
    client.on("error", reject);
    client.resume();
  });
}

/** The kernel refuses while its queue of a socket is full; within a second it must have been emptied. */
async function patient(socket: string, text: string | Uint8Array): Promise<Socket | undefined> {
  for (let tries = 0; tries < 100; tries++) {
    const client = await idle(socket, text).catch(() => undefined);
    if (client !== undefined) return client;
    await Bun.sleep(10);
  }
  return undefined;
}

const nasty = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "../../etc/passwd",
  "..%2f..%2fetc%2fshadow",
  "/etc/shadow",
  "sshd\n[jails.x]",
  "sshd\0",
  "-h",
  "$(touch /tmp/f2b-pwned)",
  "`id`",
  "\u001b]0;x\u0007",
  "\u202e",
  "a".repeat(5000),
  "",
];

const values: readonly unknown[] = [
  ...nasty,
  null,
  true,
  -1,
  1e99,
  [],
  [[]],
  {},
  { length: 1e9 },
  ["1.2.3.4; flush ruleset"],
  ["198.51.100.7", null],
];

const shapes: readonly ((value: unknown) => unknown)[] = [
  (value) => value,
  (value) => ({ jail: value }),
  (value) => ({ jail: value, targets: value }),
  (value) => ({ jail: "sshd", targets: [value] }),
  (value) => ({ jail: "sshd", targets: ["198.51.100.200"], for: value, note: value }),
  (value) => ({ targets: value }),
  (value) => ({ jail: "sshd", key: value, values: [value] }),
  (value) => ({ jail: "sshd", key: "maxretry", values: value, save: value }),
  (value) => ({ name: value, ip: value, ips: [value], unban: value }),
  (value) =>
    JSON.parse(
      `{"__proto__":{"jail":"sshd","x":${JSON.stringify(value)}},"constructor":{"prototype":{"y":1}}}`,
    ),
];

/** Routes as the commands declare them, from the executable's own sources: nobody keeps a second list here. */
async function routes(): Promise<readonly string[]> {
  const { commands } = await import("../../src/commands/index.ts");
  const loaded = await Promise.all(Object.values(commands).map((entry) => entry.load()));
  return loaded.flatMap((command) => Object.keys(command.routes ?? {}));
}

export const socket: Part = {
  name: "socket",
  missing: needsKernel,
  async run(length) {
    const wrong = blame();
    const stage = openStage();
    const random = seeded(9);
    const open: Socket[] = [];
    let requests = 0;
    let daemon: RunningDaemon;
    try {
      daemon = await stage.start();
      const path = daemon.socket;
      const bansStill = async (what: string, n: number): Promise<void> => {
        appendFileSync(stage.log, failure(stranger(n)).repeat(3));
        await until(`a ban ${what}`, () => isBanned(daemon, stranger(n)), 2000).catch((error: Error) =>
          wrong.say(error.message),
        );
      };
      const mode = lstatSync(path).mode & 0o777;
      if (mode !== 0o600) wrong.say(`the socket's mode is ${mode.toString(8)}`);

      const all = (await routes()).filter((route) => !/ \/(?:stop|events|flushlogs)$/.test(route));
      const bad = async (method: string, route: string, body?: string): Promise<void> => {
        requests++;
        try {
          const answer = await get(path, route, { method, ...(body === undefined ? {} : { body }) });
          const text = await answer.text();
          if (answer.status >= 500 && answer.status !== 503)
            wrong.say(
              `${method} ${route} ${body?.slice(0, 80) ?? ""} → ${answer.status} ${text.slice(0, 100)}`,
            );
          if (/root:.*:0:0:|BEGIN [A-Z ]*PRIVATE/.test(text))
            wrong.say(`${method} ${route} gave a file away`);
        } catch (error) {
          wrong.say(`${method} ${route} ${body?.slice(0, 60) ?? ""}: ${(error as Error).message}`);
        }
      };
      for (const route of all) {
        const [method = "GET", where = "/"] = route.split(" ");
        if (/stop|reload|restart|start/.test(where) && length === "short") continue;
        for (const name of nasty) {
          const word = encodeURIComponent(name);
          await bad(
            method,
            `${where}?jail=${word}&name=${word}&ip=${word}&key=${word}&since=${word}&limit=${word}&file=${word}`,
          );
        }
        if (method !== "GET") {
          const tries = length === "short" ? 40 : shapes.length * values.length;
          for (let i = 0; i < tries; i++) {
            const pick = length === "short" ? Math.floor(random() * shapes.length * values.length) : i;
            const shape = shapes[pick % shapes.length];
            await bad(method, where, JSON.stringify(shape?.(values[Math.floor(pick / shapes.length)])) ?? "");
          }
          await bad(method, where, "{");
          await bad(method, where, `${"[".repeat(200_000)}`);
          await bad(method, where, "\xff\xfe\0");
        }
        for (const other of ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]) await bad(other, where);
      }
      for (const name of nasty) {
        await bad("GET", `/${encodeURI(name).replace("#", "")}`);
        await bad("GET", `/%2e%2e/%2e%2e/etc/${encodeURIComponent(name)}`);
      }
      if (existsSync("/tmp/f2b-pwned")) wrong.say("a name was run by a shell");
      await bansStill("after hostile requests", 1);

      const huge = "x".repeat(3 * 1024 * 1024);
      const refused = await get(path, "/ban", { method: "POST", body: huge }).then(
        (answer) => answer.status,
        () => 0,
      );
      if (refused !== 413 && refused !== 0) wrong.say(`a body of 3 MiB was answered with ${refused}`);

      // What is no HTTP at all, and clients that say half of it.
      const pieces = length === "short" ? 200 : 20_000;
      const halves = [
        "GET",
        "GET /status HTTP/1.1\r\nHost: x\r\n",
        "POST /ban HTTP/1.1\r\nContent-Length: 99999\r\n\r\n{",
        "\0\0\0",
        "POST /ban HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n",
        "GET /../../etc/passwd HTTP/1.1\r\n\r\n",
      ];
      for (let i = 0; i < pieces; i++) {
        const bytes = Uint8Array.from({ length: 1 + Math.floor(random() * 300) }, () => random() * 256);
        const text = i % 3 === 0 ? bytes : (halves[i % halves.length] ?? "");
        const client = await patient(path, text);
        if (client === undefined) wrong.say(`connection ${i} of garbage was refused`);
        else if (i % 7 === 0 && open.length < 100) open.push(client);
        else client.destroy();
      }
      await bansStill("after garbage", 2);

      const before = processFacts(daemon.pid());
      const clients = 1000;
      for (let i = 0; i < clients; i++) {
        const client = await patient(path, i % 2 === 0 ? "" : "GET /status HTTP/1.1\r\nHost: f2b\r\nX: ");
        if (client === undefined) wrong.say(`idle client ${i} was refused`);
        else open.push(client);
      }
      const took: number[] = [];
      for (let i = 0; i < 20; i++) {
        const began = performance.now();
        await bad("GET", "/ping");
        took.push(performance.now() - began);
      }
      await bansStill("beside a thousand idle clients", 3);
      const during = processFacts(daemon.pid());
      for (const client of open.splice(0)) client.destroy();
      await until(
        "their descriptors are given back",
        () => processFacts(daemon.pid()).fds <= before.fds + 5,
        15_000,
      ).catch((error: Error) =>
        wrong.say(`${error.message}: ${processFacts(daemon.pid()).fds} open, ${before.fds} before`),
      );

      // Another user: the socket is not his, and the way to it may well be.
      spawnSync("chmod", ["755", stage.lab.directory]);
      const other = stage.lab.server.run([
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        executable,
        "status",
        "-s",
        path,
      ]);
      if (other.code === 0) wrong.say("nobody (65534) was answered");
      const left = readdirSync(stage.lab.directory).filter((name) => /pwned|etc|proto/.test(name));
      if (left.length > 0) wrong.say(`files appeared: ${left.join(" ")}`);
      if (!existsSync(join(stage.files.state))) wrong.say("the state directory is gone");
      await daemon.kill("SIGTERM");
      return [
        {
          promise: "9 the control socket survives",
          tried: `${requests} hostile requests, ${pieces} pieces of garbage, ${clients} idle clients, another uid`,
          measured: `ping beside idle clients p99 ${percentile(took, 0.99).toFixed(0)} ms, ${mib(during.rss)} resident`,
          wrong: wrong.list,
        },
      ];
    } finally {
      for (const client of open) client.destroy();
      stage.close();
    }
  },
};
