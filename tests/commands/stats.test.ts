// f2b stats, report and notify: client half and in-daemon half together over a real unix socket, with a daemon of which only what
// they ask for is there.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Call, Command, Route } from "../../src/commands/index.ts";
import { notify } from "../../src/commands/notify.ts";
import { report } from "../../src/commands/report.ts";
import { sinceOf, stats } from "../../src/commands/stats.ts";
import type { JailName } from "../../src/core/domain.ts";
import { apply, createState } from "../../src/core/state.ts";
import type { Stats } from "../../src/core/stats.ts";
import { Refusal } from "../../src/daemon/control.ts";
import type { Daemon } from "../../src/daemon/daemon.ts";
import { createMessenger } from "../../src/daemon/messenger.ts";
import { createMetricsPort } from "../../src/daemon/metricsport.ts";
import { startReports } from "../../src/daemon/statistics.ts";
import { createTally } from "../../src/daemon/tally.ts";
import { Failure } from "../../src/notify/failure.ts";
import type { Message, Notifier } from "../../src/notify/index.ts";
import { parseNotify } from "../../src/notify/rules.ts";
import { address } from "../core/statsfixture.ts";
import { handClock, testSystem } from "../notify/support.ts";

const now = Date.UTC(2026, 2, 2, 13, 30);
const clock = handClock(now);
const { system } = testSystem(clock);
const sent: Message[] = [];
let broken = false;
const fake: Notifier = {
  name: "fake",
  summary: "keeps what it is sent",
  audience: "people",
  options: z.strictObject({}),
  async send(message) {
    if (broken) throw new Failure("nobody is there");
    sent.push(message);
  },
};
const parsed = parseNotify("admin", { type: "fake" }, { fake });
if (!parsed.ok) throw new Error("unusable");
const messenger = createMessenger({
  system,
  host: "web1",
  uses: [parsed.value],
  known: { fake },
  timezone: "UTC",
});

const jail = "sshd" as JailName;
const state = createState();
for (let i = 1; i <= 3; i++)
  apply(state, {
    t: "ban",
    ban: {
      jail,
      target: address(`192.0.2.${i}`),
      since: now - i * 1000,
      until: now + 600_000,
      nth: 1,
      cause: "failures",
      failures: 5,
      lines: [],
      user: "root",
    },
  });
const tally = createTally();
tally.failed("sshd", 15, now);
for (let i = 0; i < 3; i++) tally.banned("sshd", now);

const settings = {
  report: undefined as unknown,
  enrichment: { reversedns: false, rdap: false, whois: false, databases: [] },
  metrics: { listen: undefined as unknown },
};
const daemon = {
  system,
  version: "0.1.0",
  messenger,
  core: {
    system,
    state,
    tally,
    config: settings,
    now: () => clock.now(),
    jails: new Map([
      [
        jail,
        {
          jail: { name: jail, bantime: { base: "forever" }, findtime: 600, maxretry: 5 },
          ineffective: new Map(),
        },
      ],
    ]),
    enforcer: { drops: async () => ({ packets: 77, bytes: 4000 }) },
  },
  status: async () => ({
    started: new Date(now - 60_000).toISOString(),
    problems: [],
    jails: [{ name: "sshd", state: "running", failed: { now: 2, total: 15 }, banned: { now: 3, total: 3 } }],
  }),
} as unknown as Daemon;

const socket = join(mkdtempSync(join(tmpdir(), "f2b-stats-")), "f2b.sock");
let server: ReturnType<typeof Bun.serve>;
beforeAll(() => {
  const routes = new Map<string, Route>(
    [stats, report, notify].flatMap((command) => Object.entries(command.routes ?? {})),
  );
  server = Bun.serve({
    unix: socket,
    async fetch(request) {
      const url = new URL(request.url);
      const route = routes.get(`${request.method} ${url.pathname}`);
      if (route === undefined) return new Response("{}", { status: 404 });
      const text = await request.text();
      try {
        const answer = await route(
          {
            query: Object.fromEntries(url.searchParams),
            body: text === "" ? undefined : JSON.parse(text),
            signal: request.signal,
          },
          daemon,
        );
        if ("json" in answer) return Response.json(answer.json);
        return new Response("text" in answer ? answer.text : "");
      } catch (error) {
        if (error instanceof Refusal) return Response.json({ fault: error.fault }, { status: error.status });
        throw error;
      }
    },
  });
});
beforeEach(() => {
  sent.length = 0;
  broken = false;
});
afterAll(() => server.stop(true));

async function run(command: Command, words: string[], flags: Call["flags"] = {}, json = false) {
  let out = "";
  let err = "";
  const call = {
    words,
    flags,
    config: undefined,
    socket,
    json,
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    env: {},
    stdin: process.stdin,
    stdout: { isTTY: true, columns: 80 } as NodeJS.WriteStream,
    system,
  } satisfies Call;
  const exit = await command.run(call);
  return { exit, out, err };
}

describe("f2b stats", () => {
  test("prints the table, 80 columns wide", async () => {
    const { exit, out } = await run(stats, []);
    expect(exit).toBe(0);
    expect(out).toMatch(/sshd +2 +15 +3 +3 +3 +3 +77 /);
    expect(out).toContain("192.0.2.1");
    for (const line of out.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  });

  test("--json is data that scripts can rely on", async () => {
    const { out } = await run(stats, [], { since: "1h" }, true);
    const value = JSON.parse(out) as Stats;
    expect(value.jails[0]).toMatchObject({
      name: "sshd",
      failed: { now: 2, total: 15 },
      banned: { now: 3, today: 3 },
      packets: 77,
    });
    expect(value.period).toEqual({ bans: 3, targets: 3, failures: 15 });
    expect(value.users).toEqual([{ user: "root", bans: 3 }]);
  });

  test("--since takes lengths, dates and forever, and says what is wrong with anything else", async () => {
    expect(sinceOf("24h", now)).toBe(now - 86_400_000);
    expect(sinceOf(undefined, now)).toBe(now - 7 * 86_400_000);
    expect(sinceOf("2026-03-01", now)).toBe(Date.UTC(2026, 2, 1));
    expect(sinceOf("forever", now)).toBe(0);
    for (const text of ["yesterday", "2027-01-01", "-5", "2026-13-01"])
      expect(() => sinceOf(text, now)).toThrow();
    const { exit, err } = await run(stats, [], { since: "yesterday" });
    expect(exit).not.toBe(0);
    expect(err).toContain("--since 24h");
  });

  test("GET /metrics answers in Prometheus' format", async () => {
    const text = await (await fetch("http://f2b/metrics", { unix: socket })).text();
    expect(text).toContain('f2b_jail_banned_current{jail="sshd"} 3\n');
    expect(text).toContain('f2b_config_jail_ban_time{jail="sshd"} -1\n');
    expect(text).toContain('f2b_notify_queued{name="admin"} 0\n');
  });
});

describe("f2b report", () => {
  test("prints text and HTML", async () => {
    expect((await run(report, [])).out).toContain("3 bans of 3 addresses");
    expect((await run(report, [], { format: "html" })).out).toStartWith("<!doctype html>");
    expect(JSON.parse((await run(report, [], { format: "html" }, true)).out)).toHaveProperty("subject");
  });

  test("is handed to a notification by its name or type, whatever its rules", async () => {
    for (const format of ["admin", "fake"]) {
      const { exit, out } = await run(report, [], { format });
      expect([exit, out]).toEqual([0, "handed to admin; f2b notify shows whether it was delivered\n"]);
    }
    await clock.advance(0);
    await clock.advance(0);
    expect(sent.map((message) => message.events.map((event) => event.kind))).toEqual([
      ["report"],
      ["report"],
    ]);
  });

  test("says which notifications there are when it is none of them", async () => {
    const { exit, err } = await run(report, [], { format: "pigeon" });
    expect(exit).toBe(1);
    expect(err).toContain("admin (fake)");
  });

  test("is sent by its schedule, once each time, and by a changed one after a reload", async () => {
    settings.report = { schedule: { every: "interval", seconds: 3600 }, notify: ["admin"], since: 86_400 };
    const stop = startReports(daemon);
    const pass = async (minutes: number): Promise<void> => {
      for (let i = 0; i < minutes; i++) {
        await clock.advance(60_000);
        await clock.advance(0);
      }
    };
    await pass(29);
    expect(sent).toHaveLength(0);
    await pass(2);
    expect(sent).toHaveLength(1);
    await pass(60);
    expect(sent).toHaveLength(2);
    settings.report = undefined;
    await pass(120);
    expect(sent).toHaveLength(2);
    stop();
  });
});

describe("f2b notify", () => {
  test("shows how deliveries are going", async () => {
    const { exit, out } = await run(notify, []);
    expect(exit).toBe(0);
    expect(out).toMatch(/admin +fake +idle +\d+ +0 +0/);
  });

  test("test NAME sends a message, and its failure is exit code 1 with the reason", async () => {
    expect(await run(notify, ["test", "admin"])).toMatchObject({
      exit: 0,
      out: "admin: a test message was accepted\n",
    });
    expect(sent).toHaveLength(1);
    broken = true;
    const failed = await run(notify, ["test", "admin"]);
    expect(failed.exit).toBe(1);
    expect(failed.err).toContain("nobody is there");
    expect((await run(notify, ["test", "nobody"])).err).toContain("There are admin.");
    expect((await run(notify, ["tset"])).exit).toBe(64);
  });
});

describe("the metrics port", () => {
  test("opens, moves and closes with the configuration, and answers nobody who calls it by another name", async () => {
    const port = createMetricsPort(daemon);
    const free = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("") });
    const number = free.port;
    await free.stop(true);
    settings.metrics = { listen: { host: "127.0.0.1", port: number } };
    port.align();
    const url = `http://127.0.0.1:${number}`;
    expect(await (await fetch(`${url}/metrics`)).text()).toContain("f2b_up 1\n");
    expect((await fetch(`${url}/`)).status).toBe(404);
    expect((await fetch(`${url}/metrics`, { method: "POST" })).status).toBe(405);
    expect((await fetch(`${url}/metrics`, { headers: { host: "evil.example" } })).status).toBe(403);
    settings.metrics = { listen: undefined };
    port.align();
    await expect(fetch(`${url}/metrics`)).rejects.toThrow();
  });
});
