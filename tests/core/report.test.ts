import { describe, expect, test } from "bun:test";
import type { JailName } from "../../src/core/domain.ts";
import { prometheus } from "../../src/core/metrics.ts";
import { report, sparkline, textOf } from "../../src/core/report.ts";
import { apply, createState } from "../../src/core/state.ts";
import { bansKnown, statsOf } from "../../src/core/stats.ts";
import { address, busyMonth, emptyServer, now } from "./statsfixture.ts";

const day = 86_400_000;

describe("statistics", () => {
  test("count bans of the period once each, and failures by whole days", () => {
    const base = emptyServer();
    const stats = statsOf({
      ...base,
      since: now - day,
      jails: [
        {
          ...base.jails[0]!,
          totals: {
            failed: 500,
            banned: 50,
            days: [
              ["2026-02-23", 7, 1],
              ["2026-02-24", 70, 10],
              ["2026-03-01", 20, 4],
              ["2026-03-02", 9, 2],
            ],
          },
        },
      ],
      bans: [
        { jail: "sshd", target: address("192.0.2.1"), since: now - 1_000, failures: 5, user: "root" },
        { jail: "postfix", target: address("192.0.2.1"), since: now - 2_000, failures: 3, user: "root" },
        { jail: "sshd", target: address("192.0.2.9"), since: now - 3 * 3_600_000, failures: 5 },
        { jail: "sshd", target: address("192.0.2.7"), since: now - 2 * day, failures: 5 },
      ],
    });
    expect(stats.period).toEqual({ bans: 3, targets: 2, failures: 29 });
    expect(stats.jails[0]?.banned).toEqual({ now: 0, total: 50, today: 2, week: 16 });
    expect(stats.jails[0]?.failed).toEqual({ now: 0, total: 500, today: 9, week: 99 });
    expect(stats.addresses[0]).toMatchObject({
      target: "192.0.2.1",
      bans: 2,
      failures: 8,
      jails: ["postfix", "sshd"],
    });
    expect(stats.networks).toEqual([{ network: "192.0.2.0/24", bans: 3, addresses: 2 }]);
    expect(stats.users).toEqual([{ user: "root", bans: 2 }]);
    expect(stats.hours.at(-1)).toBe(2);
    expect(stats.hours.at(-4)).toBe(1);
    expect(stats.days).toHaveLength(30);
    expect(stats.days.at(-1)).toEqual(["2026-03-02", 9, 2]);
  });

  test("know the bans that stand and those that are over from the state itself", () => {
    const state = createState();
    const ban = (text: string, since: number) => ({
      jail: "sshd" as JailName,
      target: address(text),
      since,
      until: since + day,
      nth: 1,
      cause: "failures" as const,
      failures: 5,
      lines: [],
    });
    apply(state, { t: "ban", ban: ban("192.0.2.1", now - 5_000) });
    apply(state, {
      t: "unban",
      jail: "sshd" as JailName,
      target: address("192.0.2.1"),
      at: now - 4_000,
      reason: "expired",
    });
    apply(state, { t: "ban", ban: ban("192.0.2.1", now - 3_000) });
    apply(state, { t: "ban", ban: ban("192.0.2.2", now - 2_000) });
    expect([...bansKnown(state)].map((one) => [one.target.text as string, one.since]).sort()).toEqual([
      ["192.0.2.1", now - 5_000],
      ["192.0.2.1", now - 3_000],
      ["192.0.2.2", now - 2_000],
    ]);
  });

  test("of 100,000 bans take less than a second", () => {
    const bans = Array.from({ length: 100_000 }, (_, i) => ({
      jail: "sshd",
      target: address(`10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`),
      since: now - i * 100,
      failures: 5,
    }));
    const begun = performance.now();
    const stats = statsOf({ ...emptyServer(), bans });
    expect(performance.now() - begun).toBeLessThan(1_000);
    expect(stats.period.bans).toBe(100_000);
  });
});

describe("the report", () => {
  const made = report(statsOf(busyMonth()));

  test("says in its subject what matters", () => {
    expect(made.subject).toMatch(
      /^\[f2b\] web1\.example\.org: \d+ bans, 1,313 banned now, 1 jail broken since 2026-02-23$/,
    );
  });

  test("as text keeps to the width of the terminal and shows every jail and why one is broken", () => {
    const text = textOf(statsOf(busyMonth()), 80);
    for (const line of text.split("\n").slice(2, 10)) expect(line.length).toBeLessThanOrEqual(80);
    for (const jail of ["sshd", "postfix-sasl", "wordpress", "recidive (waiting)"])
      expect(made.text).toContain(jail);
    expect(made.text).toContain("nginx-limit-req: logpath /var/log/nginx/error.log cannot be read");
  });

  test("as HTML is one file: nothing is fetched, nothing is run, every tag is closed", () => {
    expect(made.html).not.toMatch(/<script|<link|<img|<iframe|\son\w+=|src=|href=|url\(|@import|https?:/i);
    const open: string[] = [];
    for (const [, slash, name, rest] of made.html.matchAll(/<(\/?)([a-z][a-z0-9]*)([^>]*)>/g)) {
      if (name === "meta" || rest!.endsWith("/")) continue;
      if (slash === "") open.push(name!);
      else expect(open.pop()).toBe(name);
    }
    expect(open).toEqual([]);
    expect(made.html.length).toBeLessThan(100_000);
  });

  test("shows what strangers chose as text", () => {
    expect(made.html).not.toContain("<b>x</b>");
    expect(made.html).toContain("&#60;b&#62;x&#60;/b&#62;");
    const stats = statsOf({
      ...emptyServer(),
      host: "<script>\x1b[31m",
      bans: [{ jail: "sshd", target: address("192.0.2.1"), since: now, failures: 1, user: "a\u202eb" }],
    });
    const hostile = report(stats);
    for (const text of [hostile.html, hostile.text, hostile.subject]) {
      expect(text).not.toContain("\x1b");
      expect(text).not.toContain("\u202e");
    }
    expect(hostile.html).not.toContain("<script");
  });

  test("has a bar for each day that had bans, as tall as its share", () => {
    const stats = statsOf({
      ...emptyServer(),
      jails: [
        {
          ...emptyServer().jails[0]!,
          totals: {
            failed: 0,
            banned: 30,
            days: [
              ["2026-03-01", 0, 10],
              ["2026-03-02", 0, 20],
            ],
          },
        },
      ],
    });
    const plot = report(stats).html.split("<figure>")[1]!;
    const tall = [...plot.matchAll(/<rect class="bans"[^>]* height="([\d.]+)"/g)].map(([, height]) =>
      Number(height),
    );
    expect(tall).toHaveLength(2);
    expect(tall[1]! / tall[0]!).toBeCloseTo(2, 1);
  });

  test("of a server on which nothing has happened is whole, too", () => {
    const empty = report(statsOf(emptyServer()));
    expect(empty.text).toContain("0 bans of 0 addresses");
    expect(empty.html).not.toContain("NaN");
    expect(empty.html).not.toContain("undefined");
  });

  test("a sparkline has a bar a number, the highest being full", () => {
    expect(sparkline([0, 1, 50, 100])).toBe("▁▂▅█");
    expect(sparkline([0, 0])).toBe("▁▁");
  });
});

describe("metrics", () => {
  const text = prometheus({
    version: "0.1.0",
    startedSeconds: 1_772_000_000,
    jails: [
      {
        name: 'we"ird\\',
        state: "running",
        failed: { now: 1, total: 2, today: 0, week: 0 },
        banned: { now: 3, total: 4, today: 0, week: 0 },
        packets: 5,
        bantime: -1,
        findtime: 600,
        maxretry: 5,
        ineffective: 0,
      },
    ],
    notifications: [{ name: "admin", queued: 1, messages: 2, dropped: 3, failing: true }],
    problems: 0,
    journalDegraded: false,
  });

  test("have the names that dashboards made for the fail2ban exporter ask for", () => {
    for (const name of [
      "f2b_up",
      "f2b_errors",
      "f2b_jail_count",
      "f2b_jail_banned_current",
      "f2b_jail_banned_total",
      "f2b_jail_failed_current",
      "f2b_jail_failed_total",
      "f2b_config_jail_ban_time",
      "f2b_config_jail_find_time",
      "f2b_config_jail_max_retries",
      "f2b_version",
    ])
      expect(text).toMatch(new RegExp(`^${name}(?:\\{[^}]*\\})? `, "m"));
  });

  test("are in the text format: each metric announced once, labels escaped, one number a line", () => {
    const lines = text.trimEnd().split("\n");
    const announced = lines.filter((line) => line.startsWith("# TYPE")).map((line) => line.split(" ")[2]);
    expect(new Set(announced).size).toBe(announced.length);
    for (const line of lines)
      expect(line).toMatch(
        /^(?:# (?:HELP|TYPE) \S+ .+|[a-z0-9_]+(?:\{(?:[a-z0-9]+="(?:[^"\\]|\\.)*",?)+\})? -?[\d.]+)$/,
      );
    expect(text).toContain('f2b_jail_banned_current{jail="we\\"ird\\\\"} 3');
    expect(text).toContain('f2b_notify_failing{name="admin"} 1');
  });
});
