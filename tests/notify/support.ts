// A clock turned by hand, and events and messages to send.

import { parseAddress } from "../../src/core/address.ts";
import type { Ban, JailName } from "../../src/core/domain.ts";
import type { Event, Message } from "../../src/notify/index.ts";
import type { Clock, System } from "../../src/system/index.ts";
import { realSystem } from "../../src/system/real.ts";

export interface HandClock extends Clock {
  /** Moves time forward, calling what falls due in order, and lets promises settle in between. */
  advance(ms: number): Promise<void>;
}

/** Lets everything that waits only for promises run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve();
}

export function handClock(start = Date.UTC(2026, 2, 2, 10, 0, 0)): HandClock {
  let elapsed = 0;
  let serial = 0;
  const timers = new Map<number, { at: number; run: () => void }>();
  return {
    now: () => start + elapsed,
    monotonic: () => elapsed,
    after(ms, run) {
      const id = serial++;
      timers.set(id, { at: elapsed + Math.max(0, ms), run });
      return () => void timers.delete(id);
    },
    bootId: () => "boot",
    async advance(ms) {
      const end = elapsed + ms;
      for (;;) {
        await settle();
        const next = [...timers]
          .filter(([, timer]) => timer.at <= end)
          .sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
        if (next === undefined) break;
        timers.delete(next[0]);
        elapsed = Math.max(elapsed, next[1].at);
        next[1].run();
      }
      elapsed = end;
      await settle();
    },
  };
}

/** The real machine, with its log kept in `said` and, if given, another clock. */
export function testSystem(clock?: Clock): { system: System; said: string[] } {
  const said: string[] = [];
  const real = realSystem({ say: (level, text) => void said.push(`${level}: ${text}`) });
  return { system: clock === undefined ? real : { ...real, clock }, said };
}

export function ban(address: string, more: Partial<Ban> = {}): Extract<Event, { kind: "ban" }> {
  const text = parseAddress(address);
  if (text === undefined) throw new Error(`${address} is no address`);
  const since = more.since ?? Date.UTC(2026, 2, 2, 10, 0, 0);
  return {
    kind: "ban",
    at: since,
    ban: {
      jail: "sshd" as JailName,
      target: { kind: "address", text, family: text.includes(":") ? 6 : 4 },
      since,
      until: since + 600_000,
      nth: 1,
      cause: "failures",
      failures: 5,
      lines: [],
      ...more,
    },
  };
}

export const problem = (text = "nft: the table is gone"): Event => ({
  kind: "enforcement",
  at: Date.UTC(2026, 2, 2, 10, 0, 0),
  text,
  recovered: false,
});

export const message = (...events: Event[]): Message => ({
  id: "f2b.0123456789abcdef01.1",
  host: "web1",
  events,
  omitted: 0,
});

/** The nth address of 10.0.0.0/8. */
export const nthAddress = (n: number): string => `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
