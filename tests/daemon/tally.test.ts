import { describe, expect, test } from "bun:test";
import { createTally } from "../../src/daemon/tally.ts";

const day = (n: number): number => Date.UTC(2026, 2, n, 12);

describe("totals", () => {
  test("are kept by jail and by day", () => {
    const tally = createTally();
    tally.failed("sshd", 3, day(1));
    tally.failed("sshd", 1, day(2));
    tally.banned("sshd", day(2));
    expect(tally.of("sshd")).toEqual({
      failed: 4,
      banned: 1,
      days: [
        ["2026-03-01", 3, 0],
        ["2026-03-02", 1, 1],
      ],
    });
    expect(tally.of("other")).toEqual({ failed: 0, banned: 0, days: [] });
  });

  test("come back as they went", () => {
    const tally = createTally();
    const again = createTally();
    tally.failed("sshd", 2, day(3));
    again.restore(tally.all());
    expect(again.of("sshd")).toEqual(tally.of("sshd"));
  });

  test("hold the last 31 days", () => {
    const tally = createTally();
    for (let i = 0; i < 40; i++) tally.failed("sshd", 1, day(1) + i * 86_400_000);
    const { days, failed } = tally.of("sshd");
    expect(failed).toBe(40);
    expect(days.length).toBe(31);
    expect(days[0]?.[0]).toBe("2026-03-10");
  });
});
