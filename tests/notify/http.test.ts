import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Failure } from "../../src/notify/failure.ts";
import { answerLimit, deliver, http, isForbiddenAddress, judging } from "../../src/notify/http.ts";
import { drip, endless, type HttpServer, hang, ok, startHttp, status } from "./http-server.ts";
import { makeCertificate } from "./smtp-server.ts";

let server: HttpServer;
beforeAll(async () => {
  server = await startHttp();
});
afterAll(() => server.close());

async function failure(work: Promise<unknown>): Promise<Failure> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

describe("what is refused", () => {
  test("link-local, metadata, multicast and unspecified addresses, however they are written", () => {
    for (const address of [
      "169.254.169.254",
      "169.254.0.1",
      "::ffff:169.254.169.254",
      "64:ff9b::a9fe:a9fe",
      "2002:a9fe:a9fe::1",
      "fe80::1",
      "fd00:ec2::254",
      "100.100.100.200",
      "168.63.129.16",
      "0.0.0.0",
      "::",
      "224.0.0.1",
      "255.255.255.255",
      "ff02::1",
      "not an address",
    ])
      expect([address, isForbiddenAddress(address)]).toEqual([address, true]);
    for (const address of ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.5", "fd00::1", "93.184.216.34"])
      expect([address, isForbiddenAddress(address)]).toEqual([address, false]);
  });

  test("a URL with such an address is refused before anything is sent, also in disguise", async () => {
    for (const host of ["169.254.169.254", "[fe80::1]", "2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]"]) {
      const refused = await failure(http({ url: `http://${host}/latest/meta-data` }));
      expect(refused.permanent).toBe(true);
      expect(refused.message).toContain("refused");
    }
  });

  test("other schemes are not spoken", async () => {
    for (const url of ["file:///etc/passwd", "ftp://127.0.0.1/", "nonsense"])
      expect((await failure(http({ url }))).permanent).toBe(true);
  });

  test("a redirect is not followed, wherever it points", async () => {
    const before = server.seen.length;
    for (const location of ["http://169.254.169.254/", `${server.url}/elsewhere`]) {
      server.behave = status(302, "", { location });
      const refused = await failure(deliver({ url: `${server.url}/hook`, body: "{}" }));
      expect(refused.permanent).toBe(true);
      expect(refused.message).toContain("redirects are not followed");
    }
    expect(server.seen.slice(before).map((one) => one.path)).toEqual(["/hook", "/hook"]);
  });
});

describe("names", () => {
  test("one that resolves to the metadata address is refused, and of several addresses only sound ones are handed on", async () => {
    const answers: Record<string, string[]> = {
      "rebound.example": ["169.254.169.254"],
      "mixed.example": ["169.254.169.254", "::ffff:169.254.169.254", "192.0.2.1"],
    };
    const lookup = judging((name, _, callback) =>
      callback(
        null,
        (answers[name] ?? []).map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      ),
    );
    const found = (name: string): Promise<unknown> =>
      new Promise((fulfil) =>
        lookup(name, { all: true }, (error, addresses) => fulfil(error?.code ?? addresses)),
      );
    expect(await found("rebound.example")).toBe("F2B_FORBIDDEN");
    expect(await found("mixed.example")).toEqual([{ address: "192.0.2.1", family: 4 }]);
  });

  test("over TLS the certificate must be the name's, and somebody must vouch for it", async () => {
    const certificate = makeCertificate();
    const secure = createServer({ cert: certificate.cert, key: certificate.key }, (_, response) =>
      response.end("ok"),
    );
    await new Promise<void>((go) => secure.listen(0, "127.0.0.1", go));
    const { port } = secure.address() as AddressInfo;
    expect((await deliver({ url: `https://localhost:${port}/`, ca: certificate.cert })).body).toBe("ok");
    await failure(deliver({ url: `https://localhost:${port}/` }));
    const wrongName = await failure(deliver({ url: `https://127.0.0.1:${port}/`, ca: certificate.cert }));
    expect(wrongName.message).toMatch(/altname|CERT/i);
    secure.close();
  });
});

describe("what is bounded", () => {
  test("a server that never answers is left after the time limit", async () => {
    server.behave = hang;
    const begun = performance.now();
    const failed = await failure(deliver({ url: server.url, body: "{}", timeoutMs: 300 }));
    expect(performance.now() - begun).toBeLessThan(2_000);
    expect(failed.permanent).toBe(false);
    expect(failed.message).toContain("time limit");
  });

  test("a server that drips one byte at a time is left after the time limit all the same", async () => {
    server.behave = drip;
    const begun = performance.now();
    await failure(deliver({ url: server.url, body: "{}", timeoutMs: 400 }));
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  test("of an endless answer 64 KiB are read, and its status counts", async () => {
    server.behave = endless;
    const answer = await deliver({ url: server.url, body: "{}" });
    expect(answer.truncated).toBe(true);
    expect(answer.body.length).toBe(answerLimit);
  });

  test("a server that has gone is said to refuse, and may come back", async () => {
    const other = await startHttp();
    await other.close();
    const failed = await failure(deliver({ url: other.url }));
    expect(failed.permanent).toBe(false);
    expect(failed.message).toContain("connection refused");
  });
});

describe("what an answer means", () => {
  test("5xx, 408 and 429 may pass, the rest of 4xx does not", async () => {
    for (const [code, permanent] of [
      [500, false],
      [503, false],
      [429, false],
      [408, false],
      [400, true],
      [401, true],
      [404, true],
      [410, true],
    ] as const) {
      server.behave = status(code, "no");
      expect([code, (await failure(deliver({ url: server.url }))).permanent]).toEqual([code, permanent]);
    }
  });

  test("Retry-After is heeded, up to an hour", async () => {
    server.behave = status(429, "", { "retry-after": "30" });
    expect((await failure(deliver({ url: server.url }))).retryAfterMs).toBe(30_000);
    server.behave = status(429, "", { "retry-after": "999999" });
    expect((await failure(deliver({ url: server.url }))).retryAfterMs).toBe(3_600_000);
  });

  test("errors name the host and what it said, never path, headers or secrets, and no escape sequences", async () => {
    const token = "s3cr3t-t0k3n";
    server.behave = (seen, response) => {
      response.writeHead(403);
      response.end(`\x1b[31mno: ${seen.headers.authorization} ${seen.path} ${encodeURIComponent(token)}`);
    };
    const failed = await failure(
      deliver({
        url: `${server.url}/services/${token}`,
        headers: { authorization: `Bearer ${token}` },
        secrets: [token],
      }),
    );
    expect(failed.message).toContain("127.0.0.1");
    expect(failed.message).toContain("403");
    expect(failed.message).not.toContain(token);
    expect(failed.message).not.toContain("\x1b");
  });

  test("after a failure the same server works again", async () => {
    server.behave = (_, response, nth) =>
      nth % 2 === 1 ? status(503)(_, response, nth) : ok(_, response, nth);
    const results: boolean[] = [];
    for (let i = 0; i < 2; i++)
      results.push(
        await deliver({ url: server.url }).then(
          () => true,
          () => false,
        ),
      );
    expect(results.sort()).toEqual([false, true]);
  });
});
