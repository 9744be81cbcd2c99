// Numbers people write scripts for: per jail, per day, and who comes most. From the state's facts to plain data that `f2b stats --json`
// prints as it is; core/report.ts makes text and HTML of it.

import { prefixOf } from "./address.ts";
import type { Address, JailTotals, Target, Time } from "./domain.ts";
import type { State } from "./state.ts";
import { visibleLine } from "./text.ts";

/** One ban, standing or over. */
export interface BanFact {
  readonly jail: string;
  readonly target: Target;
  readonly since: Time;
  readonly failures: number;
  readonly user?: string;
}

export interface JailInput {
  readonly name: string;
  readonly state: string;
  readonly reason?: string;
  readonly failedNow: number;
  readonly bannedNow: number;
  readonly totals: JailTotals;
  readonly packets?: number;
}

export interface StatsInput {
  readonly at: Time;
  /** The period that counts for the top lists. */
  readonly since: Time;
  readonly host: string;
  readonly version: string;
  readonly jails: readonly JailInput[];
  readonly bans: Iterable<BanFact>;
  readonly country?: (address: string) => string | undefined;
  /** Rows of each top list; 10 by default. */
  readonly top?: number;
}

export interface JailRow {
  readonly name: string;
  readonly state: string;
  readonly reason?: string;
  readonly failed: {
    readonly now: number;
    readonly total: number;
    readonly today: number;
    readonly week: number;
  };
  readonly banned: {
    readonly now: number;
    readonly total: number;
    readonly today: number;
    readonly week: number;
  };
  readonly packets?: number;
  /** Bans of the last 14 days, today last. */
  readonly spark: readonly number[];
}

export interface Stats {
  readonly at: string;
  readonly since: string;
  readonly host: string;
  readonly version: string;
  readonly jails: readonly JailRow[];
  readonly total: Omit<JailRow, "name" | "state" | "reason">;
  /** Bans within the period, and distinct targets in them. */
  readonly period: { readonly bans: number; readonly targets: number; readonly failures: number };
  /** [day as YYYY-MM-DD in UTC, failures, bans], 30 of them, gaps filled, today last. */
  readonly days: readonly (readonly [string, number, number])[];
  /** Bans of the last 24 hours by hour, the current one last. */
  readonly hours: readonly number[];
  readonly addresses: readonly AddressRow[];
  readonly networks: readonly {
    readonly network: string;
    readonly bans: number;
    readonly addresses: number;
  }[];
  readonly users: readonly { readonly user: string; readonly bans: number }[];
  /** Empty when no country is known. */
  readonly countries: readonly { readonly country: string; readonly bans: number }[];
}

export interface AddressRow {
  readonly target: string;
  readonly bans: number;
  readonly failures: number;
  readonly jails: readonly string[];
  readonly last: string;
  readonly country?: string;
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;
const dayName = (at: Time): string => new Date(at).toISOString().slice(0, 10);

/** Every ban the state knows of; of those that are over, the last few of each target. */
export function* bansKnown(state: State): Generator<BanFact> {
  for (const { target, jails } of state.past.values())
    for (const { jail, ended } of jails)
      for (const { since, failures } of ended) yield { jail, target, since, failures };
  for (const { bans } of state.jails.values()) yield* bans.values();
}

export function statsOf(input: StatsInput): Stats {
  const { at, since } = input;
  const top = input.top ?? 10;
  const today = dayName(at);
  const dayNames = Array.from({ length: 30 }, (_, i) => dayName(at - (29 - i) * dayMs));
  const sums = new Map<string, { failed: number; banned: number }>();
  for (const { totals } of input.jails)
    for (const [day, failed, banned] of totals.days) {
      const sum = sums.get(day) ?? { failed: 0, banned: 0 };
      sums.set(day, { failed: sum.failed + failed, banned: sum.banned + banned });
    }
  const jails = input.jails.map((jail) => rowOf(jail, today, dayNames));
  const counted = count(input.bans, at, since, input.country);
  const fromDay = dayName(since);
  return {
    at: new Date(at).toISOString(),
    since: new Date(since).toISOString(),
    host: input.host,
    version: input.version,
    jails,
    total: totalOf(jails),
    period: {
      bans: counted.bans,
      targets: counted.addresses.size,
      failures: [...sums].reduce((sum, [day, { failed }]) => (day >= fromDay ? sum + failed : sum), 0),
    },
    days: dayNames.map((day) => [day, sums.get(day)?.failed ?? 0, sums.get(day)?.banned ?? 0] as const),
    hours: counted.hours,
    addresses: most(counted.addresses.values(), (one) => one.bans * 1e9 + one.failures, top).map((one) => {
      const country = one.address === undefined ? undefined : input.country?.(one.address);
      return {
        target: visibleLine(one.target, 128),
        bans: one.bans,
        failures: one.failures,
        jails: [...one.jails].sort(),
        last: new Date(one.last).toISOString(),
        ...(country === undefined ? {} : { country }),
      };
    }),
    networks: most(counted.networks, ([, one]) => one.bans, top)
      .filter(([, one]) => one.addresses.size > 1)
      .map(([network, one]) => ({ network, bans: one.bans, addresses: one.addresses.size })),
    users: most(counted.users, ([, bans]) => bans, top).map(([user, bans]) => ({ user, bans })),
    countries: most(counted.countries, ([, bans]) => bans, top).map(([country, bans]) => ({ country, bans })),
  };
}

function rowOf(jail: JailInput, today: string, dayNames: readonly string[]): JailRow {
  const { failed, banned, days } = jail.totals;
  const week = new Set(dayNames.slice(-7));
  const sum = (
    pick: (day: readonly [string, number, number]) => number,
    when: (day: string) => boolean,
  ): number => days.reduce((all, day) => (when(day[0]) ? all + pick(day) : all), 0);
  const bansByDay = new Map(days.map(([day, , bans]) => [day, bans]));
  return {
    name: jail.name,
    state: jail.state,
    ...(jail.reason === undefined ? {} : { reason: jail.reason }),
    failed: {
      now: jail.failedNow,
      total: failed,
      today: sum(
        (day) => day[1],
        (day) => day === today,
      ),
      week: sum(
        (day) => day[1],
        (day) => week.has(day),
      ),
    },
    banned: {
      now: jail.bannedNow,
      total: banned,
      today: sum(
        (day) => day[2],
        (day) => day === today,
      ),
      week: sum(
        (day) => day[2],
        (day) => week.has(day),
      ),
    },
    ...(jail.packets === undefined ? {} : { packets: jail.packets }),
    spark: dayNames.slice(-14).map((day) => bansByDay.get(day) ?? 0),
  };
}

function totalOf(jails: readonly JailRow[]): Stats["total"] {
  const add = (key: "failed" | "banned") =>
    jails.reduce(
      (sum, jail) => ({
        now: sum.now + jail[key].now,
        total: sum.total + jail[key].total,
        today: sum.today + jail[key].today,
        week: sum.week + jail[key].week,
      }),
      { now: 0, total: 0, today: 0, week: 0 },
    );
  const counting = jails.filter((jail) => jail.packets !== undefined);
  return {
    failed: add("failed"),
    banned: add("banned"),
    ...(counting.length === 0
      ? {}
      : { packets: counting.reduce((sum, jail) => sum + (jail.packets ?? 0), 0) }),
    spark: Array.from({ length: 14 }, (_, i) => jails.reduce((sum, jail) => sum + (jail.spark[i] ?? 0), 0)),
  };
}

interface TargetCount {
  readonly target: string;
  readonly address: Address | undefined;
  bans: number;
  failures: number;
  last: Time;
  readonly jails: Set<string>;
}

function count(bans: Iterable<BanFact>, at: Time, since: Time, country: StatsInput["country"]) {
  const addresses = new Map<string, TargetCount>();
  const networks = new Map<string, { bans: number; readonly addresses: Set<string> }>();
  const users = new Map<string, number>();
  const countries = new Map<string, number>();
  const hours = new Array<number>(24).fill(0);
  let all = 0;
  for (const ban of bans) {
    const ago = Math.floor((at - ban.since) / hourMs);
    if (ago >= 0 && ago < 24) hours[23 - ago]! += 1;
    if (ban.since < since) continue;
    all++;
    const { target } = ban;
    const address = target.kind === "address" ? target.text : undefined;
    const one = addresses.get(target.text) ?? {
      target: target.text,
      address,
      bans: 0,
      failures: 0,
      last: 0,
      jails: new Set<string>(),
    };
    one.bans++;
    one.failures += ban.failures;
    one.last = Math.max(one.last, ban.since);
    one.jails.add(ban.jail);
    addresses.set(target.text, one);
    if (address !== undefined) {
      const network = prefixOf(address, address.includes(":") ? 48 : 24);
      const inside = networks.get(network) ?? { bans: 0, addresses: new Set<string>() };
      inside.bans++;
      inside.addresses.add(address);
      networks.set(network, inside);
    }
    if (ban.user !== undefined && ban.user !== "") {
      const user = visibleLine(ban.user, 64);
      users.set(user, (users.get(user) ?? 0) + 1);
    }
  }
  // One lookup an address, not one a ban.
  if (country !== undefined)
    for (const one of addresses.values()) {
      const code = one.address === undefined ? undefined : country(one.address);
      if (code !== undefined) countries.set(code, (countries.get(code) ?? 0) + one.bans);
    }
  return { bans: all, addresses, networks, users, countries, hours };
}

/** The `limit` with the highest weight, highest first; equal ones in the order in which they came. */
function most<T>(items: Iterable<T>, weight: (item: T) => number, limit: number): T[] {
  return [...items].sort((a, b) => weight(b) - weight(a)).slice(0, limit);
}
