// What f2b explain says of an address that is not banned: whose failures were counted, and how many are enough.

import { expect, test } from "bun:test";
import { parseTarget } from "../../src/core/address.ts";
import type { Jail, JailName, Seconds, Target } from "../../src/core/domain.ts";
import type { Core } from "../../src/daemon/core.ts";
import { counted } from "../../src/daemon/explaining.ts";
import { problemsOf } from "../../src/daemon/reporting.ts";

const jail: Pick<Jail, "maxretry" | "findtime" | "prefix" | "campaign"> = {
  maxretry: 5,
  findtime: 600 as Seconds,
  prefix: { count4: 32, count6: 64, ladder: [] },
  campaign: undefined,
};
const target = (text: string): Target => parseTarget(text)!;

test("one address is counted by itself", () => {
  expect(counted(target("192.0.2.1"), jail, 2, undefined)).toBe("2 of 5 failures within 10m");
  expect(counted(target("192.0.2.1"), jail, 0, undefined)).toBe("no failure of it within 10m");
});

test("where a network's failures add up, it is named: the address itself may have made none of them", () => {
  expect(counted(target("2001:db8:1::7"), jail, 2, undefined)).toBe(
    "2 of 5 failures within 10m, all of 2001:db8:1::/64 counted together",
  );
  expect(counted(target("2001:db8:1::7"), jail, 0, undefined)).toBe(
    "no failure of 2001:db8:1::/64 within 10m",
  );
});

test("a campaign lowers what is enough", () => {
  const policy = { addresses: 30, failures: 40, window: 600 as Seconds, maxretry: 2, per: "user" as const };
  expect(counted(target("192.0.2.1"), { ...jail, campaign: policy }, 1, "user root")).toBe(
    "1 of 5 failures within 10m; while the campaign against user root lasts, 2 failures are enough",
  );
  expect(counted(target("192.0.2.1"), { ...jail, campaign: policy }, 1, undefined)).toBe(
    "1 of 5 failures within 10m",
  );
});

test("of a firewall that refuses, what its program said is passed on", () => {
  const fault = {
    what: "iptables -w 10 -I DOCKER-USER failed with exit code 1",
    why: "No chain by that name",
  };
  const core = { enforcer: { problems: () => [{ banaction: "iptables", fault }] } } as unknown as Core;
  expect(problemsOf(core, "web" as JailName)).toEqual([
    "iptables: iptables -w 10 -I DOCKER-USER failed with exit code 1: No chain by that name",
  ]);
});
