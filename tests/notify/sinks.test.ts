// Every notification against what it talks to, or a fake of it that speaks the same protocol.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RedisClient } from "bun";
import { z } from "zod";
import type { JailName } from "../../src/core/domain.ts";
import { Failure } from "../../src/notify/failure.ts";
import { type Message, notifiers } from "../../src/notify/index.ts";
import { notifyRules, parseNotify } from "../../src/notify/rules.ts";
import { isSecret, maskOptions } from "../../src/notify/secret.ts";
import { realSystem } from "../../src/system/real.ts";
import { type HttpServer, ok, startHttp, status } from "./http-server.ts";
import { ban, message, nthAddress, problem, testSystem } from "./support.ts";

const { system } = testSystem();
let server: HttpServer;
beforeAll(async () => {
  server = await startHttp();
});
beforeEach(() => {
  server.behave = ok;
  server.seen.length = 0;
});
afterAll(() => server.close());

async function send(
  type: string,
  raw: Record<string, unknown>,
  what: Message = message(ban("192.0.2.1")),
): Promise<void> {
  const notifier = notifiers[type]!;
  await notifier.send(what, notifier.options.parse(raw), system);
}

async function failure(work: Promise<unknown>): Promise<Failure> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

const body = (n = 0): Record<string, unknown> => JSON.parse(server.seen[n]!.body) as Record<string, unknown>;

/** Smallest sound options of each that speaks HTTP, aimed at the fake, and the secrets in them. */
const overHttp: Readonly<Record<string, () => { raw: Record<string, unknown>; secrets: string[] }>> = {
  webhook: () => ({
    raw: { url: `${server.url}/hook/PATHSECRET`, token: "TOKENSECRET", headers: { "X-Key": "HEADERSECRET" } },
    secrets: ["PATHSECRET", "TOKENSECRET", "HEADERSECRET"],
  }),
  slack: () => ({ raw: { url: `${server.url}/services/PATHSECRET` }, secrets: ["PATHSECRET"] }),
  discord: () => ({ raw: { url: `${server.url}/api/webhooks/1/PATHSECRET` }, secrets: ["PATHSECRET"] }),
  teams: () => ({ raw: { url: `${server.url}/workflows/PATHSECRET` }, secrets: ["PATHSECRET"] }),
  telegram: () => ({
    raw: { server: server.url, token: "123456:TOKENSECRET", chat: -1001 },
    secrets: ["TOKENSECRET"],
  }),
  ntfy: () => ({
    raw: { server: server.url, topic: "TOPICSECRET", token: "tk_TOKENSECRET" },
    secrets: ["TOPICSECRET", "TOKENSECRET"],
  }),
  gotify: () => ({ raw: { server: server.url, token: "TOKENSECRET" }, secrets: ["TOKENSECRET"] }),
  pushover: () => ({
    raw: { server: server.url, token: "TOKENSECRET", user: "USERSECRET" },
    secrets: ["TOKENSECRET", "USERSECRET"],
  }),
  matrix: () => ({
    raw: { server: server.url, room: "!abc:example.org", token: "TOKENSECRET" },
    secrets: ["TOKENSECRET"],
  }),
  abuseipdb: () => ({ raw: { server: server.url, token: "TOKENSECRET" }, secrets: ["TOKENSECRET"] }),
  "blocklist-de": () => ({
    raw: { server: server.url, token: "TOKENSECRET", email: "f2b@example.org" },
    secrets: ["TOKENSECRET"],
  }),
};

const evil =
  '@everyone <!channel> <@U123> [click](http://evil.example) ``` *bold* <b>x</b> {{jail}} \u202e\x1b[31m"},"x":{"';
const hostile = message(
  ban("192.0.2.1", { user: evil, note: evil, lines: [evil] }),
  ban("2001:db8::1", { user: evil, lines: [evil] }),
);

describe("the contract", () => {
  test("every member is in the registry under its own name, strict, and describes each of its keys", () => {
    const undescribed: string[] = [];
    for (const [name, notifier] of Object.entries(notifiers)) {
      expect(notifier.name).toBe(name);
      expect(notifier.summary.length).toBeGreaterThan(10);
      expect(parseNotify("x", { type: name, surely_unknown: 1 })).toMatchObject({ ok: false });
      const shape = (notifier.options as unknown as { shape: Record<string, z.core.$ZodType> }).shape;
      expect(Object.keys(shape).length).toBeGreaterThan(0);
      for (const [key, schema] of Object.entries({ ...shape })) {
        let at: z.core.$ZodType | undefined = schema;
        let text: string | undefined;
        while (at !== undefined && text === undefined) {
          text = z.globalRegistry.get(at)?.description;
          at = (at._zod.def as { innerType?: z.core.$ZodType }).innerType;
        }
        if (text === undefined) undescribed.push(`${name}.${key}`);
        expect(Object.hasOwn(notifyRules().shape, key)).toBe(false);
      }
    }
    for (const [key, schema] of Object.entries(notifyRules().shape))
      if (schema.description === undefined) undescribed.push(key);
    expect(undescribed).toEqual([]);
    expect(Object.keys(notifiers)).toHaveLength(16);
  });

  test("those that report to third parties have a probe, so that a test accuses nobody", () => {
    const narrow = Object.values(notifiers).filter((notifier) => notifier.accepts !== undefined);
    expect(narrow.map((notifier) => notifier.name).sort()).toEqual(["abuseipdb", "blocklist-de", "xarf"]);
    for (const notifier of narrow) expect(notifier.probe).toBeDefined();
  });

  test("every key that holds a token, password or secret URL is masked when shown", () => {
    const secretKeys = Object.entries(notifiers).flatMap(([name, notifier]) => {
      const shape = (notifier.options as unknown as { shape: Record<string, z.core.$ZodType> }).shape;
      return Object.entries(shape).flatMap(([key, schema]) => (isSecret(schema) ? [`${name}.${key}`] : []));
    });
    for (const name of Object.keys(notifiers)) {
      const shape = (notifiers[name]!.options as unknown as { shape: Record<string, unknown> }).shape;
      for (const key of Object.keys(shape))
        if (/^(?:token|password)$/.test(key)) expect(secretKeys).toContain(`${name}.${key}`);
    }
    for (const [name, make] of Object.entries(overHttp)) {
      const { raw, secrets } = make();
      const shown = JSON.stringify(maskOptions(notifiers[name]!.options, raw));
      for (const secret of secrets) expect(shown).not.toContain(secret);
    }
  });

  for (const name of Object.keys(overHttp)) {
    test(`${name}: a refusal never shows its secrets, though the server repeats all it was sent`, async () => {
      const { raw, secrets } = overHttp[name]!();
      server.behave = (seen, response) => {
        response.writeHead(403);
        response.end(`${JSON.stringify(seen.headers)} ${seen.path} ${seen.body}`);
      };
      const failed = await failure(send(name, raw, message(ban("192.0.2.1", { lines: ["x"] }))));
      expect(failed.permanent).toBe(true);
      for (const secret of secrets) expect(failed.message).not.toContain(secret);
    });

    test(`${name}: what a stranger chose reaches the service as visible text inside sound data`, async () => {
      await send(name, overHttp[name]!().raw, hostile);
      expect(server.seen.length).toBeGreaterThan(0);
      for (const { body: text, headers } of server.seen) {
        const decoded =
          headers["content-type"] === "application/json"
            ? JSON.stringify(JSON.parse(text))
            : decodeURIComponent(text);
        expect(decoded).not.toContain("\u202e");
        expect(decoded).not.toContain("\x1b");
        expect(decoded).not.toContain("\\u001b");
        expect(JSON.stringify(headers)).not.toContain("everyone");
      }
    });
  }
});

describe("chats", () => {
  test("slack shows plain text only and escapes the one line that is markup", async () => {
    await send("slack", overHttp.slack!().raw, message(ban("192.0.2.1", { user: evil })));
    expect(String(body().text)).toContain("&lt;!channel&gt;");
    expect(String(body().text)).not.toContain("<!channel>");
    const blocks = body().blocks as { text: { type: string; text: string } }[];
    expect(blocks.map((block) => block.text.type)).toEqual(["plain_text", "plain_text"]);
    expect(blocks[0]!.text.text.length).toBeLessThanOrEqual(150);
  });

  test("discord may mention nobody and nothing leaves the code block", async () => {
    await send("discord", overHttp.discord!().raw, hostile);
    expect(body().allowed_mentions).toEqual({ parse: [] });
    const content = String(body().content);
    expect(content.length).toBeLessThanOrEqual(2000);
    expect(content.slice(3, -3)).not.toContain("`");
  });

  test("telegram is sent without a parse mode to the bot's own path", async () => {
    await send("telegram", overHttp.telegram!().raw, hostile);
    expect(server.seen[0]?.path).toBe("/bot123456:TOKENSECRET/sendMessage");
    expect(body()).not.toHaveProperty("parse_mode");
    expect(body()).toMatchObject({ chat_id: -1001, link_preview_options: { is_disabled: true } });
  });

  test("ntfy and gotify raise the priority of problems and send no text in headers", async () => {
    await send("ntfy", overHttp.ntfy!().raw, message(problem()));
    await send("gotify", overHttp.gotify!().raw, message(problem()));
    expect(body(0)).toMatchObject({ topic: "TOPICSECRET", priority: 5 });
    expect(body(1)).toMatchObject({
      priority: 8,
      extras: { "client::display": { contentType: "text/plain" } },
    });
    expect(server.seen[0]?.headers.authorization).toBe("Bearer tk_TOKENSECRET");
    expect(server.seen[1]?.headers["x-gotify-key"]).toBe("TOKENSECRET");
  });

  test("matrix writes a notice that mentions nobody, under the message's own transaction id", async () => {
    await send("matrix", overHttp.matrix!().raw, hostile);
    expect(server.seen[0]).toMatchObject({
      method: "PUT",
      path: "/_matrix/client/v3/rooms/!abc%3Aexample.org/send/m.room.message/f2b.0123456789abcdef01.1",
    });
    expect(body()).toMatchObject({ msgtype: "m.notice", "m.mentions": {} });
    expect(body()).not.toHaveProperty("formatted_body");
  });

  test("teams gets runs of text, which know no markdown", async () => {
    await send("teams", overHttp.teams!().raw, hostile);
    expect(server.seen[0]?.body).not.toContain('"TextBlock"');
    expect(server.seen[0]?.body).toContain('"RichTextBlock"');
  });

  test("a thousand bans stay within every service's limit of length", async () => {
    const storm = message(
      ...Array.from({ length: 1000 }, (_, i) => ban(nthAddress(i), { user: "u".repeat(60) })),
    );
    const caps = { slack: 3000, discord: 2000, telegram: 4096, ntfy: 4096, pushover: 1024 } as const;
    for (const [name, cap] of Object.entries(caps)) {
      server.seen.length = 0;
      await send(name, overHttp[name]!().raw, storm);
      const parsed = body();
      const texts = [parsed.content, parsed.text, parsed.message].filter(
        (text): text is string => typeof text === "string",
      );
      expect(texts.length).toBeGreaterThan(0);
      for (const text of texts) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(cap);
    }
  });

  test("so do names and reports of wide letters, where bytes are counted", async () => {
    const storm = message(
      ...Array.from({ length: 1000 }, (_, i) => ban(nthAddress(i), { user: "名".repeat(60) })),
    );
    const long = message({
      kind: "report",
      at: 0,
      subject: "a week",
      text: "sshd ▁▂▃▄▅▆▇█\n".repeat(500),
      html: "",
    });
    for (const one of [storm, long]) {
      server.seen.length = 0;
      await send("ntfy", overHttp.ntfy!().raw, one);
      const said = String(body().message);
      expect(Buffer.byteLength(said)).toBeLessThanOrEqual(4096);
      expect(Buffer.byteLength(said)).toBeGreaterThan(3500);
      server.seen.length = 0;
      await send("teams", overHttp.teams!().raw, one);
      expect(server.seen[0]?.body.length).toBeGreaterThan(1000);
      expect(Buffer.byteLength(server.seen[0]?.body ?? "")).toBeLessThanOrEqual(28_000);
    }
  });

  test("a name that has to be resolved works too", async () => {
    await send("gotify", { server: server.url.replace("127.0.0.1", "localhost"), token: "TOKENSECRET" });
    expect(server.seen).toHaveLength(1);
  });
});

describe("webhook", () => {
  const url = (): string => `${server.url}/hook`;

  test("without a template sends the facts of each event, one request each", async () => {
    await send("webhook", { url: url() }, message(ban("192.0.2.1", { user: "root" }), ban("2001:db8::1")));
    expect(server.seen).toHaveLength(2);
    expect(body(0)).toMatchObject({
      event: "ban",
      jail: "sshd",
      address: "192.0.2.1",
      family: 4,
      user: "root",
      failures: 5,
      seconds: 600,
    });
    expect(body(1)).not.toHaveProperty("user");
    expect(body(1)).not.toHaveProperty("lines");
  });

  test("placeholders become values with their types, and text inside longer strings", async () => {
    await send("webhook", {
      url: url(),
      method: "PUT",
      json: {
        ip: "{{address}}",
        n: "{{failures}}",
        say: "{{jail}} banned {{ address }}",
        none: "{{country}}",
        list: ["{{nth}}", 7, true],
      },
    });
    expect(server.seen[0]?.method).toBe("PUT");
    expect(body()).toEqual({
      ip: "192.0.2.1",
      n: 5,
      say: "sshd banned 192.0.2.1",
      none: null,
      list: [1, 7, true],
    });
  });

  test("no value can change the shape of the document, nor is it looked through for placeholders", async () => {
    await send(
      "webhook",
      { url: url(), json: { user: "{{user}}", text: "user: {{user}}" } },
      message(ban("192.0.2.1", { user: '"},"admin":true,"x":{"{{jail}}' })),
    );
    expect(body()).toEqual({
      user: '"},"admin":true,"x":{"{{jail}}',
      text: 'user: "},"admin":true,"x":{"{{jail}}',
    });
  });

  test("one request for a whole message carries all events", async () => {
    await send(
      "webhook",
      { url: url(), per: "message", json: { all: "{{events}}", n: "{{count}}" } },
      { ...hostile, omitted: 3 },
    );
    expect(server.seen).toHaveLength(1);
    expect(body().n).toBe(5);
    expect(body().all).toHaveLength(2);
  });

  test("unknown placeholders, header injection and reserved headers are refused by the configuration", () => {
    const parse = (raw: Record<string, unknown>) =>
      notifiers.webhook!.options.safeParse({ url: url(), ...raw }).success;
    expect(parse({ json: { a: "{{adress}}" } })).toBe(false);
    expect(parse({ json: { a: "{{events}}" } })).toBe(false);
    expect(parse({ headers: { "X-A": "b\r\nX-C: d" } })).toBe(false);
    expect(parse({ headers: { "X A": "b" } })).toBe(false);
    expect(parse({ headers: { Host: "other" } })).toBe(false);
    expect(parse({ url: "https://user:pw@example.org/" })).toBe(false);
    expect(parse({ headers: { "X-A": "b" }, json: { a: "{{address}}" } })).toBe(true);
  });

  test("a failure in the middle says how many events were taken", async () => {
    server.behave = (seen, response, nth) =>
      nth === 3 ? status(503)(seen, response, nth) : ok(seen, response, nth);
    const failed = await failure(
      send("webhook", { url: url() }, message(...[1, 2, 3, 4].map((n) => ban(`192.0.2.${n}`)))),
    );
    expect(failed).toMatchObject({ permanent: false, delivered: 2 });
  });
});

describe("reports to third parties", () => {
  test("abuseipdb reports failures only, with the jail's categories and never a line or user", async () => {
    const raw = { ...overHttp.abuseipdb!().raw, jail_categories: { sshd: [18, 22] } };
    await send(
      "abuseipdb",
      raw,
      message(
        ban("192.0.2.1", { user: "hunter2", lines: ["hunter2"] }),
        ban("192.0.2.2", { cause: "operator" }),
        ban("192.0.2.3", { jail: "dovecot" as JailName }),
      ),
    );
    const reports = server.seen.map((one) => Object.fromEntries(new URLSearchParams(one.body)));
    expect(reports.map((one) => [one.ip, one.categories])).toEqual([
      ["192.0.2.1", "18,22"],
      ["192.0.2.3", "18"],
    ]);
    expect(server.seen[0]?.headers.key).toBe("TOKENSECRET");
    expect(JSON.stringify(reports)).not.toContain("hunter2");
  });

  test("abuseipdb: an address reported a moment ago is no failure, a used-up quota waits as told", async () => {
    server.behave = status(422, '{"errors":[]}');
    await send("abuseipdb", overHttp.abuseipdb!().raw);
    server.behave = status(429, "", { "retry-after": "60" });
    expect(await failure(send("abuseipdb", overHttp.abuseipdb!().raw))).toMatchObject({
      permanent: false,
      retryAfterMs: 60_000,
    });
  });

  test("abuseipdb: a test asks about loopback and reports nobody", async () => {
    const options = notifiers.abuseipdb!.options.parse(overHttp.abuseipdb!().raw);
    await notifiers.abuseipdb!.probe!(options, system);
    expect(server.seen.map((one) => [one.method, one.path])).toEqual([
      ["GET", "/api/v2/check?ipAddress=127.0.0.1"],
    ]);
  });

  test("blocklist-de sends the lines as proof, passes over bans without, and believes an error told with 200", async () => {
    const raw = overHttp["blocklist-de"]!().raw;
    await send(
      "blocklist-de",
      raw,
      message(ban("192.0.2.1"), ban("192.0.2.2", { lines: ["line 1", "line 2"] })),
    );
    expect(server.seen).toHaveLength(1);
    expect(Object.fromEntries(new URLSearchParams(server.seen[0]!.body))).toMatchObject({
      ip: "192.0.2.2",
      service: "sshd",
      logs: "line 1\nline 2",
    });
    server.behave = status(200, '{"status":"error","error":["apikey: TOKENSECRET unknown"]}');
    const failed = await failure(send("blocklist-de", raw, message(ban("192.0.2.2", { lines: ["x"] }))));
    expect(failed.permanent).toBe(true);
    expect(failed.message).not.toContain("TOKENSECRET");
  });
});

describe("command", () => {
  const directory = mkdtempSync(join(tmpdir(), "f2b-command-"));
  const script = (name: string, text: string, mode = 0o755): string => {
    const path = join(directory, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, mode);
    return path;
  };

  test("gets values in its environment and as JSON on standard input; its arguments are the configuration's, untouched", async () => {
    const out = join(directory, "out");
    const program = script("tell", `{ printf '%s|' "$@"; echo; env | grep ^F2B_; cat; } > ${out}`);
    const user = `$(touch ${directory}/pwned); '; touch ${directory}/pwned #\n-oProxyCommand=x`;
    await send(
      "command",
      { command: [program, "--name", "{{jail}} $F2B_USER"] },
      message(ban("192.0.2.1", { user })),
    );
    const [args, ...rest] = readFileSync(out, "utf8").split("\n");
    expect(args).toBe("--name|{{jail}} $F2B_USER|");
    expect(rest).toContain("F2B_ADDRESS=192.0.2.1");
    expect(rest).toContain("F2B_FAILURES=5");
    expect(JSON.parse(rest.filter((line) => line.startsWith("{"))[0]!)).toMatchObject({
      address: "192.0.2.1",
      user: user.replace("\n", "\\n"),
    });
    expect(existsSync(join(directory, "pwned"))).toBe(false);
  });

  test("nothing of the daemon's environment is passed on", async () => {
    const out = join(directory, "env");
    process.env.F2B_TEST_LEAK = "leaked";
    await send("command", { command: [script("show-env", `env > ${out}`)] });
    delete process.env.F2B_TEST_LEAK;
    expect(readFileSync(out, "utf8")).not.toContain("leaked");
  });

  test("is killed with its children at its limit", async () => {
    const program = script("sleep", `sleep 60 & echo $! > ${directory}/child; wait`);
    const begun = performance.now();
    const failed = await failure(send("command", { command: [program], timeout: 1 }));
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(failed.message).toContain("killed after 1 s");
    const child = readFileSync(join(directory, "child"), "utf8").trim();
    const deadline = performance.now() + 3_000;
    const running = (): boolean => {
      try {
        return !/^\d+ \(\S+\) Z/.test(readFileSync(`/proc/${child}/stat`, "utf8"));
      } catch {
        return false;
      }
    };
    while (running() && performance.now() < deadline) await Bun.sleep(20);
    expect(running()).toBe(false);
  });

  test("its failure is told with its last words, and how many events it had taken", async () => {
    const program = script(
      "second",
      `case $F2B_ADDRESS in 192.0.2.2) echo 'no \x1b[31mway' >&2; exit 3;; esac`,
    );
    const failed = await failure(
      send("command", { command: [program] }, message(...[1, 2, 3].map((n) => ban(`192.0.2.${n}`)))),
    );
    expect(failed).toMatchObject({ delivered: 1, permanent: false });
    expect(failed.message).toContain("exit code 3");
    expect(failed.message).not.toContain("\x1b");
  });

  test("a program that others may write, or that is not there, is refused", async () => {
    expect((await failure(send("command", { command: [script("open", "true", 0o777)] }))).message).toContain(
      "chmod go-w",
    );
    expect((await failure(send("command", { command: [join(directory, "nothing")] }))).message).toContain(
      "not there",
    );
    expect(notifiers.command!.options.safeParse({ command: ["tell"] }).success).toBe(false);
    expect(notifiers.command!.options.safeParse({ command: "/bin/sh -c x" }).success).toBe(false);
  });

  test.skipIf(process.getuid?.() !== 0)("runs as another user without a way back when told to", async () => {
    const out = join(mkdtempSync(join(tmpdir(), "f2b-user-")), "id");
    writeFileSync(out, "");
    chmodSync(out, 0o666);
    chmodSync(join(out, ".."), 0o755);
    chmodSync(directory, 0o755);
    await send("command", {
      command: [script("id", `id -un > ${out}; grep NoNewPrivs /proc/self/status >> ${out}`)],
      user: "nobody",
    });
    expect(readFileSync(out, "utf8")).toMatch(/^nobody\nNoNewPrivs:\s+1\n$/);
  });
});

describe("syslog", () => {
  test("over UDP: one RFC 5424 entry an event, one line each", async () => {
    const got: string[] = [];
    const socket = createSocket("udp4");
    socket.on("message", (data) => void got.push(data.toString()));
    await new Promise<void>((go) => socket.bind(0, "127.0.0.1", go));
    await send(
      "syslog",
      { transport: "udp", server: "127.0.0.1", port: socket.address().port, facility: "local3" },
      hostile,
    );
    const deadline = performance.now() + 3_000;
    while (got.length < 2 && performance.now() < deadline) await Bun.sleep(5);
    socket.close();
    expect(got).toHaveLength(2);
    // local3 (19) * 8 + notice (5)
    expect(got[0]).toMatch(
      /^<157>1 2026-03-02T10:00:00\.000Z web1 f2b-notify - ban - event=ban jail=sshd address=192\.0\.2\.1 /,
    );
    for (const entry of got) expect(entry).not.toMatch(/[\n\r\x1b]/);
  });

  test("over TCP: octet-counted frames", async () => {
    let text = "";
    const listener = createServer((socket) =>
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      }),
    );
    await new Promise<void>((go) => listener.listen(0, "127.0.0.1", go));
    await send(
      "syslog",
      { transport: "tcp", server: "127.0.0.1", port: (listener.address() as AddressInfo).port },
      message(problem(), ban("192.0.2.1")),
    );
    const deadline = performance.now() + 3_000;
    while (!text.includes("192.0.2.1") && performance.now() < deadline) await Bun.sleep(5);
    listener.close();
    const first = Number(/^(\d+) /.exec(text)?.[1]);
    // daemon (3) * 8 + warning (4)
    expect(text.slice(String(first).length + 1)).toStartWith("<28>1 ");
    expect(text.slice(String(first).length + 1 + first)).toMatch(/^\d+ <29>1 /);
  });

  test("the local log is reached through logger, one line an event, by severity, text on standard input", async () => {
    const directory = mkdtempSync(join(tmpdir(), "f2b-logger-"));
    const program = join(directory, "logger");
    writeFileSync(program, `#!/bin/sh\n{ echo "$@"; cat; } >> ${directory}/log\n`, { mode: 0o755 });
    const local = realSystem({ say: () => undefined }, { directories: [directory, "/bin", "/usr/bin"] });
    const notifier = notifiers.syslog!;
    await notifier.send(
      message(ban("192.0.2.1", { user: evil }), problem()),
      notifier.options.parse({}),
      local,
    );
    const lines = readFileSync(join(directory, "log"), "utf8").trimEnd().split("\n");
    expect(lines.map((line) => line.split(" ").slice(0, 5).join(" "))).toEqual([
      "-t f2b-notify -p daemon.warning",
      "event=enforcement nft: the table is",
      "-t f2b-notify -p daemon.notice",
      "event=ban jail=sshd address=192.0.2.1 192.0.2.1 banned",
    ]);
  });

  test("a server that is not there is a failure that may pass", async () => {
    const listener = createServer();
    await new Promise<void>((go) => listener.listen(0, "127.0.0.1", go));
    const { port } = listener.address() as AddressInfo;
    await new Promise<void>((go) => listener.close(() => go()));
    expect(await failure(send("syslog", { transport: "tcp", server: "127.0.0.1", port }))).toMatchObject({
      permanent: false,
    });
  });
});

const redisServer = spawnSync("redis-server", ["--version"]).status === 0;
if (!redisServer && process.env.CI !== undefined)
  throw new Error("redis-server must be installed where CI runs");
if (!redisServer)
  console.log("skipped: the Redis tests, for there is no redis-server (apt-get install redis-server)");

describe.skipIf(!redisServer)("redis", () => {
  let child: ChildProcess;
  const directory = mkdtempSync(join(tmpdir(), "f2b-redis-"));
  let port = 0;
  beforeAll(async () => {
    const free = createServer();
    await new Promise<void>((go) => free.listen(0, "127.0.0.1", go));
    port = (free.address() as AddressInfo).port;
    await new Promise<void>((go) => free.close(() => go()));
    child = spawn(
      "redis-server",
      [
        "--port",
        String(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        directory,
        "--requirepass",
        "hunter2222",
      ],
      { stdio: "ignore" },
    );
    const deadline = performance.now() + 10_000;
    for (;;) {
      const probe = spawnSync("redis-cli", ["-p", String(port), "-a", "hunter2222", "ping"]);
      if (probe.stdout.toString().includes("PONG")) break;
      if (performance.now() > deadline) throw new Error("redis-server does not answer");
      await Bun.sleep(20);
    }
  });
  afterAll(() => void child.kill());

  test("publishes each event as JSON to whoever listens", async () => {
    const listener = new RedisClient(`redis://:hunter2222@127.0.0.1:${port}`);
    const got: string[] = [];
    await listener.subscribe("f2b:events", (text) => void got.push(text));
    await send("redis", { host: "127.0.0.1", port, password: "hunter2222" }, hostile);
    const deadline = performance.now() + 3_000;
    while (got.length < 2 && performance.now() < deadline) await Bun.sleep(5);
    listener.close();
    expect(got.map((text) => (JSON.parse(text) as { address: string }).address)).toEqual([
      "192.0.2.1",
      "2001:db8::1",
    ]);
  });

  test("a wrong password is permanent and not repeated in the error; a server that is gone may come back", async () => {
    const failed = await failure(send("redis", { host: "127.0.0.1", port, password: "wrong-password" }));
    expect([failed.message, failed.permanent]).toEqual([expect.any(String), true]);
    expect(failed.message).not.toContain("wrong-password");
    const gone = await failure(send("redis", { host: "127.0.0.1", port: 1 }));
    expect(gone.permanent).toBe(false);
  });

  test("a server that accepts and says nothing is left after the time limit", async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((go) => silent.listen(0, "127.0.0.1", go));
    const begun = performance.now();
    await failure(send("redis", { host: "127.0.0.1", port: (silent.address() as AddressInfo).port }));
    expect(performance.now() - begun).toBeLessThan(12_000);
    silent.close();
  }, 20_000);
});
