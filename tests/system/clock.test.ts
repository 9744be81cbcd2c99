import { describe, expect, test } from "bun:test";
import { realClock } from "../../src/system/clock.ts";
import { turnedClock } from "../support/time.ts";

describe("the machine's clock", () => {
  test("calls once, after at least the time asked for", async () => {
    const clock = realClock();
    const started = clock.monotonic();
    await new Promise<void>((resolve) => clock.after(20, resolve));
    expect(clock.monotonic() - started).toBeGreaterThanOrEqual(19);
  });
  test("does not call what was cancelled, nor at once what is due in a hundred years", async () => {
    const clock = realClock();
    let called = 0;
    const cancels = [5, 100 * 365 * 86_400_000, Number.POSITIVE_INFINITY].map((ms) =>
      clock.after(ms, () => {
        called++;
      }),
    );
    cancels[0]?.();
    await Bun.sleep(30);
    for (const cancel of cancels) cancel();
    expect(called).toBe(0);
  });
  test("knows the boot it runs in", () => {
    expect(realClock().bootId()).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("the clock turned by hand", () => {
  test("runs what falls due in order, at its own time", () => {
    const clock = turnedClock(1_000);
    const seen: [string, number][] = [];
    clock.after(30, () => seen.push(["c", clock.now()]));
    clock.after(10, () => {
      seen.push(["a", clock.now()]);
      clock.after(10, () => seen.push(["b", clock.now()]));
    });
    clock.after(15, () => seen.push(["never", 0]))();
    clock.turn(25);
    expect(seen).toEqual([
      ["a", 1_010],
      ["b", 1_020],
    ]);
    clock.step(-500);
    clock.turn(10);
    expect(seen.at(-1)).toEqual(["c", 530]);
    expect(clock.monotonic()).toBe(35);
  });
});
