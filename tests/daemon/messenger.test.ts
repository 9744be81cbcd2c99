import { describe, expect, test } from "bun:test";
import { z } from "zod";
import type { JailName } from "../../src/core/domain.ts";
import { createMessenger, type MessengerSetup } from "../../src/daemon/messenger.ts";
import { Failure } from "../../src/notify/failure.ts";
import type { Message, Notifier } from "../../src/notify/index.ts";
import { type NotifyUse, parseNotify } from "../../src/notify/rules.ts";
import { ban, handClock, nthAddress, problem, settle, testSystem } from "../notify/support.ts";

type Send = (message: Message) => Promise<void>;

function setUp(
  raw: Record<string, unknown> = {},
  more: { send?: Send; audience?: "people" | "machines" } & Partial<MessengerSetup> = {},
) {
  const clock = handClock();
  const { system, said } = testSystem(clock);
  const got: Message[] = [];
  const at: number[] = [];
  const fake: Notifier = {
    name: "fake",
    summary: "keeps what it is sent",
    audience: more.audience ?? "people",
    options: z.strictObject({ wish: z.string().optional() }),
    wants: () => [],
    async send(message) {
      await more.send?.(message);
      got.push(message);
      at.push(clock.monotonic());
    },
  };
  const known = { fake };
  const use = (table: Record<string, unknown>, name = "admin"): NotifyUse => {
    const parsed = parseNotify(name, { type: "fake", ...table }, known);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
    return parsed.value;
  };
  const messenger = createMessenger({
    system,
    host: "web1",
    uses: [use(raw)],
    timezone: "UTC",
    random: () => 0.5,
    known,
    ...(more.wanted === undefined ? {} : { wanted: more.wanted }),
    ...(more.enricher === undefined ? {} : { enricher: more.enricher }),
  });
  const addresses = (): string[] =>
    got.flatMap((message) =>
      message.events.flatMap((event) => (event.kind === "ban" ? [event.ban.target.text] : [])),
    );
  return { clock, system, said, got, at, messenger, use, addresses };
}

describe("grouping", () => {
  test("the first ban goes at once, what follows within the window comes as one message at its end", async () => {
    const { clock, messenger, got, at } = setUp();
    messenger.post(ban("192.0.2.1"));
    await clock.advance(0);
    expect(got.map((m) => m.events.length)).toEqual([1]);
    for (let i = 2; i < 7; i++) messenger.post(ban(`192.0.2.${i}`));
    await clock.advance(9_999);
    expect(got).toHaveLength(1);
    await clock.advance(1);
    expect(got.map((m) => m.events.length)).toEqual([1, 5]);
    expect(at).toEqual([0, 10_000]);
  });

  test("10,000 bans over a minute become at most eight messages to people, and none is unaccounted for", async () => {
    const { clock, messenger, got } = setUp();
    for (let i = 0; i < 10_000; i++) {
      messenger.post(ban(nthAddress(i)));
      if (i % 100 === 99) await clock.advance(600);
    }
    await clock.advance(3_600_000);
    expect(got.length).toBeLessThanOrEqual(8);
    expect(got.reduce((sum, m) => sum + m.events.length + m.omitted, 0)).toBe(10_000);
    expect(messenger.status()[0]?.queued).toBe(0);
  });

  test("posting 10,000 bans costs the caller under 100 ms", () => {
    const runs = Array.from({ length: 5 }, () => {
      const { messenger } = setUp({ digest: "daily 07:00" }, { audience: "machines" });
      const begun = performance.now();
      for (let i = 0; i < 10_000; i++) messenger.post(ban(nthAddress(i)));
      return performance.now() - begun;
    });
    // The best of them: what the machine does besides is not the messenger's time.
    expect(Math.min(...runs)).toBeLessThan(100);
  });

  test("machines get every ban without delay and without loss", async () => {
    const { clock, messenger, addresses, got } = setUp({}, { audience: "machines" });
    for (let i = 0; i < 1_000; i++) messenger.post(ban(nthAddress(i)));
    await clock.advance(1);
    expect(addresses()).toHaveLength(1_000);
    expect(new Set(addresses()).size).toBe(1_000);
    expect(Math.max(...got.map((m) => m.events.length))).toBe(100);
  });

  test("while a storm or a loop goes on the window doubles, up to a quarter of an hour, and is forgotten after a lull", async () => {
    const { clock, messenger, at } = setUp({ rate: "10000/1h" });
    for (let i = 0; i < 7200; i++) {
      messenger.post(ban(nthAddress(i)));
      await clock.advance(1_000);
    }
    const gaps = at.slice(1).map((t, i) => t - at[i]!);
    expect(gaps.slice(0, 4)).toEqual([10_000, 20_000, 40_000, 80_000]);
    expect(Math.max(...gaps)).toBe(900_000);
    await clock.advance(3_600_000);
    const before = at.length;
    messenger.post(ban("192.0.2.1"));
    await clock.advance(0);
    expect(at.length).toBe(before + 1);
    messenger.post(ban("192.0.2.2"));
    await clock.advance(10_000);
    expect(at.length).toBe(before + 2);
  });

  test("a rate is kept: no more than its messages in its time, and the rest comes collected", async () => {
    const { clock, messenger, at, got } = setUp({ rate: "3/1h", group: 0 });
    for (let i = 0; i < 3600; i++) {
      messenger.post(ban(nthAddress(i)));
      await clock.advance(1_000);
    }
    expect(at.filter((t) => t < 3_600_000).length).toBeLessThanOrEqual(6);
    await clock.advance(3_600_000);
    expect(got.reduce((sum, m) => sum + m.events.length + m.omitted, 0)).toBe(3600);
  });
});

describe("urgency", () => {
  test("a storm that has used up the rate does not hold up the news that the firewall is gone", async () => {
    const { clock, messenger, got } = setUp({ rate: "2/1h" });
    for (let i = 0; i < 50; i++) {
      messenger.post(ban(nthAddress(i)));
      await clock.advance(1_000);
    }
    const before = got.length;
    messenger.post(problem());
    await clock.advance(0);
    expect(got.length).toBe(before + 1);
    expect(got.at(-1)?.events[0]?.kind).toBe("enforcement");
  });

  test("quiet hours hold bans until their end and let problems through", async () => {
    // The clock starts at 10:00 UTC.
    const { clock, messenger, got } = setUp({ quiet: "09:00-11:00" });
    for (let i = 1; i <= 3; i++) messenger.post(ban(`192.0.2.${i}`));
    messenger.post(problem());
    await clock.advance(3_599_000);
    expect(got.map((m) => m.events.map((e) => e.kind))).toEqual([["enforcement"]]);
    await clock.advance(1_000);
    expect(got[1]?.events).toHaveLength(3);
  });

  test("a digest collects until its time by the zone's clock", async () => {
    const { clock, messenger, got } = setUp({ digest: "daily 07:00", timezone: "America/New_York" });
    messenger.post(ban("192.0.2.1"));
    // 10:00 UTC is 05:00 there.
    await clock.advance(2 * 3_600_000 - 1);
    expect(got).toHaveLength(0);
    messenger.post(ban("192.0.2.2"));
    await clock.advance(1);
    expect(got.map((m) => m.events.length)).toEqual([2]);
  });

  test("a report goes alone, at once, and only to those it is sent to", async () => {
    const { clock, messenger, got, use } = setUp({ digest: "daily 07:00" });
    messenger.configure({ uses: [use({ digest: "daily 07:00" }), use({}, "other")] });
    const report = { kind: "report", at: clock.now(), subject: "s", text: "t", html: "<p>t</p>" } as const;
    messenger.post(ban("192.0.2.1"), ["admin"]);
    messenger.post(report, ["admin"]);
    await clock.advance(0);
    expect(got.map((m) => m.events.map((e) => e.kind))).toEqual([["report"]]);
  });
});

describe("rules", () => {
  test("only wanted events of wanted jails are told", async () => {
    const { clock, messenger, got } = setUp({ events: ["ban", "unban"], jails: ["apache-*"] });
    messenger.post(ban("192.0.2.1"));
    messenger.post(problem());
    messenger.post(ban("192.0.2.2", { jail: "apache-auth" as JailName }));
    await clock.advance(0);
    expect(got.flatMap((m) => m.events)).toHaveLength(1);
  });

  test("a jail that names its notifications is told by those only", async () => {
    const { clock, messenger, got } = setUp(
      {},
      { wanted: (jail) => (jail === "sshd" ? ["other"] : undefined) },
    );
    messenger.post(ban("192.0.2.1"));
    messenger.post(ban("192.0.2.2", { jail: "dovecot" as JailName }));
    await clock.advance(0);
    expect(got.flatMap((m) => m.events.map((e) => (e.kind === "ban" ? String(e.ban.jail) : "")))).toEqual([
      "dovecot",
    ]);
  });

  test("log lines stay here unless they are let through, and hidden users take them along", async () => {
    const lines = ["Failed password for hunter2 from 192.0.2.1"];
    const seen = async (raw: Record<string, unknown>) => {
      const { clock, messenger, got } = setUp(raw);
      messenger.post(ban("192.0.2.1", { lines, user: "hunter2" }));
      await clock.advance(0);
      return JSON.stringify(got);
    };
    expect(await seen({})).not.toContain("Failed password");
    expect(await seen({ lines: true })).toContain("Failed password");
    expect(await seen({ lines: true, hide_users: true })).not.toContain("hunter2");
  });

  test("a notification that is switched off is told nothing and says so", async () => {
    const { clock, messenger, got } = setUp({ enabled: false });
    messenger.post(ban("192.0.2.1"));
    await clock.advance(60_000);
    expect(got).toHaveLength(0);
    expect(messenger.status()[0]?.state).toBe("off");
  });

  test("imported bans and bans that our own messages caused are told to nobody", async () => {
    const { clock, messenger, got } = setUp();
    messenger.post(ban("192.0.2.1"));
    await clock.advance(0);
    const id = got[0]!.id;
    messenger.post(ban("192.0.2.2", { cause: "import" }));
    messenger.post(ban("192.0.2.3", { lines: [`postfix/cleanup[1]: A1: message-id=<${id}@web1>`] }));
    await clock.advance(60_000);
    expect(got).toHaveLength(1);
  });
});

describe("failures", () => {
  test("what failed is sent again with growing pauses, merged with what came meanwhile, and nothing is lost", async () => {
    let broken = true;
    const tries: number[] = [];
    const setup = setUp(
      {},
      {
        send: async () => {
          tries.push(setup.clock.monotonic());
          if (broken) throw new Failure("mail server: connection refused");
        },
      },
    );
    const { clock, messenger, addresses, said } = setup;
    messenger.post(ban("192.0.2.1"));
    await clock.advance(1_000);
    messenger.post(ban("192.0.2.2"));
    await clock.advance(60_000);
    expect(messenger.status()[0]).toMatchObject({
      state: "failing",
      queued: 2,
      lastError: "mail server: connection refused",
    });
    const gaps = tries.slice(1).map((t, i) => t - tries[i]!);
    expect(gaps).toEqual([2_000, 4_000, 8_000, 16_000]);
    broken = false;
    await clock.advance(60_000);
    expect(addresses()).toEqual(["192.0.2.1", "192.0.2.2"]);
    expect(messenger.status()[0]).toMatchObject({ state: "idle", queued: 0, failures: 0 });
    expect(said.filter((line) => line.startsWith("warning")).length).toBe(1);
    expect(said.some((line) => line.startsWith("notice") && line.includes("delivering again"))).toBe(true);
  });

  test("the same message sent again has the same id, one that has grown another", async () => {
    const ids: string[] = [];
    const { clock, messenger } = setUp(
      {},
      {
        send: async ({ id, events }) => {
          ids.push(`${events.length} ${id}`);
          if (ids.length < 4) throw new Failure("no answer within the time limit");
        },
      },
    );
    messenger.post(ban("192.0.2.1"));
    await clock.advance(3_000);
    messenger.post(ban("192.0.2.2"));
    await clock.advance(60_000);
    expect(ids.length).toBe(4);
    expect(ids[1]).toBe(ids[0]!);
    expect(ids[2]).toStartWith("2 ");
    expect(ids[2]?.slice(2)).not.toBe(ids[0]?.slice(2));
    expect(ids[3]).toBe(ids[2]!);
  });

  test("the pause the other side asks for is kept", async () => {
    const tries: number[] = [];
    const setup = setUp(
      {},
      {
        send: async () => {
          tries.push(setup.clock.monotonic());
          if (tries.length === 1) throw new Failure("429", { retryAfterMs: 120_000 });
        },
      },
    );
    setup.messenger.post(ban("192.0.2.1"));
    await setup.clock.advance(600_000);
    expect(tries).toEqual([0, 120_000]);
  });

  test("what a retry cannot help is dropped, counted and said, and the next message says how much is missing", async () => {
    let refuse = true;
    const { clock, messenger, got, said } = setUp(
      {},
      {
        send: async () => {
          if (refuse) throw new Failure("answered 404", { permanent: true });
        },
      },
    );
    messenger.post(ban("192.0.2.1"));
    await clock.advance(60_000);
    expect(messenger.status()[0]).toMatchObject({ queued: 0, dropped: 1 });
    expect(said.join("\n")).toContain("1 event dropped");
    refuse = false;
    messenger.post(ban("192.0.2.2"));
    await clock.advance(60_000);
    expect(got.map((m) => [m.events.length, m.omitted])).toEqual([[1, 1]]);
  });

  test("events that were taken before a failure are not sent again", async () => {
    const seen: string[] = [];
    let first = true;
    const { clock, messenger } = setUp(
      {},
      {
        audience: "machines",
        send: async (message) => {
          for (const [i, event] of message.events.entries()) {
            if (first && i === 2) {
              first = false;
              throw new Failure("reset", { delivered: 2 });
            }
            if (event.kind === "ban") seen.push(event.ban.target.text);
          }
        },
      },
    );
    for (let i = 1; i <= 4; i++) messenger.post(ban(`192.0.2.${i}`));
    await clock.advance(60_000);
    expect(seen).toEqual(["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]);
  });

  test("after a day of failing it gives up what is old and goes on trying with what is new", async () => {
    const { clock, messenger } = setUp(
      { give_up: "1h" },
      { send: () => Promise.reject(new Failure("down")) },
    );
    messenger.post(ban("192.0.2.1"));
    await clock.advance(2 * 3_600_000);
    expect(messenger.status()[0]).toMatchObject({ queued: 0, dropped: 1 });
  });

  test("a full queue pushes out the oldest ban, never a problem, and counts it", async () => {
    const { clock, messenger, got } = setUp(
      { digest: "daily 07:00" },
      { send: () => Promise.reject(new Failure("down")) },
    );
    messenger.post(problem());
    await clock.advance(1);
    for (let i = 0; i < 3_000; i++) messenger.post(ban(nthAddress(i)));
    await clock.advance(1);
    expect(messenger.status()[0]).toMatchObject({ queued: 1000, dropped: 2001 });
    expect(got).toHaveLength(0);
  });

  test("a notifier that never settles neither blocks post nor other notifications, and its lane goes on after the limit", async () => {
    let hang = true;
    const { clock, messenger, got, use } = setUp(
      {},
      { send: () => (hang ? new Promise(() => undefined) : Promise.resolve()) },
    );
    const healthy = use({}, "healthy");
    messenger.post(ban("192.0.2.1"));
    await clock.advance(1_000);
    const begun = performance.now();
    for (let i = 0; i < 100; i++) messenger.post(ban(nthAddress(i)));
    expect(performance.now() - begun).toBeLessThan(1000);
    hang = false;
    messenger.configure({ uses: [use({}), healthy] });
    messenger.post(ban("192.0.2.9"));
    await clock.advance(0);
    expect(got).toHaveLength(1);
    await clock.advance(180_000);
    expect(got.reduce((sum, m) => sum + m.events.length, 0)).toBe(1 + 1 + 100 + 1);
  });

  test("a bug in a notifier is logged and does not end the daemon", async () => {
    const { clock, messenger, said } = setUp(
      {},
      { send: () => Promise.reject(new TypeError("x is not a function")) },
    );
    messenger.post(ban("192.0.2.1"));
    await clock.advance(1);
    expect(said.some((line) => line.startsWith("error: notify admin: x is not"))).toBe(true);
    expect(messenger.status()[0]?.lastError).toBe("unexpected TypeError in fake");
  });
});

describe("life", () => {
  test("stop sends what is held and collected, and waits no longer than it may", async () => {
    const { clock, messenger, got } = setUp({ digest: "daily 07:00" });
    messenger.post(ban("192.0.2.1"));
    messenger.post(ban("192.0.2.2"));
    const stopped = messenger.stop(5_000);
    await clock.advance(0);
    expect(await stopped).toBe(0);
    expect(got.map((m) => m.events.length)).toEqual([2]);
    messenger.post(ban("192.0.2.3"));
    await clock.advance(86_400_000);
    expect(got).toHaveLength(1);
  });

  test("stop gives a hanging notifier its limit and tells what was not delivered", async () => {
    const { clock, messenger } = setUp({}, { send: () => new Promise(() => undefined) });
    messenger.post(ban("192.0.2.1"));
    await clock.advance(0);
    messenger.post(ban("192.0.2.2"));
    let left: number | undefined;
    void messenger.stop(5_000).then((n) => {
      left = n;
    });
    await clock.advance(4_999);
    expect(left).toBeUndefined();
    await clock.advance(1);
    expect(left).toBe(2);
  });

  test("a reload keeps the queue of what did not change and sends the rest by the old settings", async () => {
    const { clock, messenger, got, use } = setUp({ digest: "daily 07:00" });
    messenger.post(ban("192.0.2.1"));
    messenger.configure({ uses: [use({ digest: "daily 07:00" })] });
    await clock.advance(0);
    expect(got).toHaveLength(0);
    expect(messenger.status()[0]?.queued).toBe(1);
    messenger.configure({ uses: [use({ digest: "daily 08:00" })] });
    await clock.advance(0);
    expect(got).toHaveLength(1);
  });

  test("lookups that never end do not keep a message back for good, and only the first bans are looked up", async () => {
    let asked = 0;
    const { clock, messenger, got } = setUp(
      {},
      {
        audience: "machines",
        enricher: {
          look: async () => {
            asked++;
            return { country: "DE" };
          },
          place: () => ({}),
        },
      },
    );
    for (let i = 0; i < 90; i++) messenger.post(ban(nthAddress(i)));
    await clock.advance(1);
    expect(asked).toBe(20);
    expect(got[0]?.events.filter((e) => e.kind === "ban" && e.enrichment?.country === "DE")).toHaveLength(20);
  });

  test("a test message goes past queue and rules, and its failure is a value", async () => {
    let broken = false;
    const { messenger, got } = setUp(
      { events: ["unban"], digest: "daily 07:00" },
      {
        send: async () => {
          if (broken) throw new Failure("smtp.example.org: connection refused");
        },
      },
    );
    expect(await messenger.test("admin")).toEqual({ ok: true, value: "a test message was accepted" });
    expect(got).toHaveLength(1);
    broken = true;
    expect(await messenger.test("admin")).toMatchObject({
      ok: false,
      faults: [{ why: "smtp.example.org: connection refused" }],
    });
    expect(await messenger.test("nobody")).toMatchObject({
      ok: false,
      faults: [{ fix: "There are admin." }],
    });
    await settle();
  });
});
