import { describe, expect, test } from "bun:test";
import { parseNotify } from "../../src/notify/rules.ts";

const faults = (raw: Record<string, unknown>): string[] => {
  const parsed = parseNotify("admin", raw);
  return parsed.ok
    ? []
    : parsed.faults.map((fault) => `${fault.path.join(".")} | ${fault.what} | ${fault.fix ?? ""}`);
};

describe("a [notify.NAME]", () => {
  test("is split into rules and the notifier's own options, with defaults", () => {
    const parsed = parseNotify("admin", {
      type: "mail",
      to: ["root@example.org"],
      events: ["ban", "health"],
      quiet: "22:00-07:00",
      digest: "daily 07:00",
      group: "1m",
      rate: "5/1h",
      lines: true,
    });
    expect(parsed).toMatchObject({
      ok: true,
      value: {
        name: "admin",
        type: "mail",
        rules: {
          enabled: true,
          quiet: { from: 1320, to: 420 },
          digest: { every: "day", minute: 420 },
          group: 60,
          rate: { count: 5, seconds: 3600 },
          lines: true,
          hide_users: false,
        },
        options: { to: ["root@example.org"], form: "plain", via: "smtp", tls: "auto", html: true },
      },
    });
  });

  test("tells of an unknown type or key, and what was meant", () => {
    expect(faults({ type: "mial", to: ["a@b.c"] })).toEqual([
      'type | notify.admin has no known type | Did you mean "mail"?',
    ]);
    expect(faults({ to: ["a@b.c"] })[0]).toContain("has no type");
    expect(faults({ type: "mail", to: ["a@b.c"], evnts: ["ban"] })).toEqual([
      'evnts | notify.admin (mail) has no key "evnts" | Did you mean "events"?',
    ]);
    expect(faults({ type: "mail", too: ["a@b.c"], to: ["a@b.c"] })[0]).toContain('Did you mean "to"?');
  });

  test("reports several mistakes at once, each with the path to it", () => {
    const all = faults({ type: "mail", to: ["a b"], rate: "often", quiet: "nights", events: ["bann"] });
    expect(all.map((one) => one.split(" | ")[0]).sort()).toEqual(["events.0", "quiet", "rate", "to.0"]);
  });

  test("names no secret in a fault", () => {
    const all = faults({
      type: "mail",
      to: ["a@b.c"],
      host: "mx.example.org",
      tls: "none",
      username: "u",
      password: "hunter2222",
    });
    expect(all).toHaveLength(1);
    expect(all.join()).not.toContain("hunter2222");
  });
});
