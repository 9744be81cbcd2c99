// A month of a server that is attacked, made up but the same at every run.

import { addressTarget, parseAddress, parsePrefix, prefixTarget } from "../../src/core/address.ts";
import type { JailTotals } from "../../src/core/domain.ts";
import type { BanFact, StatsInput } from "../../src/core/stats.ts";

const day = 86_400_000;
export const now = Date.UTC(2026, 2, 2, 13, 30);

/** A small generator of pseudo-random numbers (mulberry32), 0 ≤ x < 1. */
export function dice(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const address = (text: string) => {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(text);
  return addressTarget(parsed);
};

const days = (roll: () => number, most: number): JailTotals["days"] =>
  Array.from({ length: 30 }, (_, i) => {
    const bans = Math.floor(roll() ** 2 * most);
    return [
      new Date(now - (29 - i) * day).toISOString().slice(0, 10),
      bans * 9 + Math.floor(roll() * most),
      bans,
    ] as const;
  });

const totals = (list: JailTotals["days"]): JailTotals => ({
  failed: list.reduce((sum, [, failed]) => sum + failed, 41_000),
  banned: list.reduce((sum, [, , bans]) => sum + bans, 3_800),
  days: list,
});

export function busyMonth(): StatsInput {
  const roll = dice(7);
  const bans: BanFact[] = [];
  for (let i = 0; i < 900; i++) {
    const net = Math.floor(roll() ** 3 * 40);
    bans.push({
      jail: ["sshd", "sshd", "sshd", "postfix-sasl", "wordpress"][Math.floor(roll() * 5)]!,
      target:
        roll() < 0.1
          ? address(`2001:db8:${net}::${1 + Math.floor(roll() * 5)}`)
          : address(`198.51.${net}.${1 + Math.floor(roll() ** 2 * 30)}`),
      since: now - Math.floor(roll() ** 2 * 30 * day),
      failures: 3 + Math.floor(roll() * 20),
      ...(i % 3 === 0
        ? { user: ["root", "admin", "test", "oracle", "ubuntu", "<b>x</b>"][Math.floor(roll() ** 2 * 6)]! }
        : {}),
    });
  }
  bans.push({
    jail: "recidive",
    target: prefixTarget(parsePrefix("203.0.113.0/24")!),
    since: now - 3_600_000,
    failures: 40,
  });
  return {
    at: now,
    since: now - 7 * day,
    host: "web1.example.org",
    version: "0.1.0",
    jails: [
      {
        name: "sshd",
        state: "running",
        failedNow: 143,
        bannedNow: 1204,
        totals: totals(days(roll, 120)),
        packets: 1_893_221,
      },
      {
        name: "postfix-sasl",
        state: "running",
        failedNow: 12,
        bannedNow: 88,
        totals: totals(days(roll, 30)),
        packets: 20_112,
      },
      {
        name: "wordpress",
        state: "running",
        failedNow: 0,
        bannedNow: 4,
        totals: totals(days(roll, 8)),
        packets: 95,
      },
      {
        name: "recidive",
        state: "waiting",
        failedNow: 3,
        bannedNow: 17,
        totals: { failed: 0, banned: 17, days: [] },
        packets: 0,
      },
      {
        name: "nginx-limit-req",
        state: "broken",
        reason: "logpath /var/log/nginx/error.log cannot be read: permission denied",
        failedNow: 0,
        bannedNow: 0,
        totals: { failed: 0, banned: 0, days: [] },
      },
    ],
    bans,
    country: (text) => ["CN", "US", "RU", "BR", "DE", "VN"][Number(text.split(/[.:]/)[2]) % 6],
  };
}

export const emptyServer = (): StatsInput => ({
  at: now,
  since: now - day,
  host: "new",
  version: "0.1.0",
  jails: [
    {
      name: "sshd",
      state: "running",
      failedNow: 0,
      bannedNow: 0,
      totals: { failed: 0, banned: 0, days: [] },
    },
  ],
  bans: [],
});
