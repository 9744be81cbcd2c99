import { describe, expect, test } from "bun:test";
import { shortly } from "../../src/commands/top.ts";
import { fit, screen, sparkline, type TopView } from "../../src/commands/topscreen.ts";

const view = (events: number): TopView => ({
  status: {
    version: "1",
    pid: 1,
    started: "",
    uptime: 1,
    config: [],
    firewall: "nftables",
    problems: [],
    jails: Array.from({ length: 40 }, (_, i) => ({
      name: `jail-${i}-with-a-rather-long-name`,
      summary: "",
      state: "running",
      backend: "file",
      files: [],
      journalmatch: [],
      failed: { now: i, total: 10 * i },
      banned: { now: i, total: i },
      banactions: [],
      problems: [],
      ineffective: [],
    })),
  },
  events: Array.from({ length: events }, (_, i) => ({
    at: "2026-03-01T00:00:00Z",
    kind: "failure",
    text: `[sshd] Found 192.0.2.${i} \x1b[31m漢字`,
  })),
  rates: [{ failures: 3, bans: 0 }],
  selected: 0,
  message: "",
  now: Date.parse("2026-03-01T00:00:05Z"),
});

describe("f2b top", () => {
  for (const [columns, rows] of [
    [80, 24],
    [200, 50],
    [40, 12],
  ] as const) {
    test(`fills ${columns}×${rows} exactly, and writes no escape of a stranger's`, () => {
      const lines = screen(view(100), rows, columns, false);
      expect(lines.length).toBe(rows);
      for (const line of lines) {
        expect(Bun.stringWidth(line)).toBe(columns);
        expect(line).not.toContain("\x1b");
      }
      expect(lines.at(-1)).toContain("q quit");
    });
  }

  test("shows the jail with most bans first and the newest event first", () => {
    const text = screen(view(3), 24, 80, false).join("\n");
    expect(text.indexOf("jail-39-")).toBeLessThan(text.indexOf("jail-38-"));
    expect(text.indexOf("192.0.2.2")).toBeLessThan(text.indexOf("192.0.2.0"));
  });

  test("a bar is full for the highest value and blank for none", () => {
    expect(sparkline([0, 1, 8])).toBe(" ▁█");
    expect(sparkline([0, 0])).toBe("  ");
  });

  test("cuts by columns, not by characters", () => {
    expect(fit("漢字漢字", 5)).toBe("漢字…");
    expect(Bun.stringWidth(fit("漢字漢字", 6))).toBe(6);
  });
});

test("an explanation in one line speaks of the jails that know something", () => {
  const jails = [
    { jail: "web", why: "none of its logs is there yet: /x" },
    { jail: "sshd", why: "1 of 3 failures within 10m" },
    { jail: "recidive", why: "no failure of it within 1d" },
  ];
  expect(shortly({ target: "192.0.2.1", jails, history: [] })).toBe("sshd: 1 of 3 failures within 10m");
  expect(shortly({ target: "192.0.2.1", jails: jails.slice(2), history: [] })).toBe(
    "192.0.2.1: nothing counts against it now",
  );
});
