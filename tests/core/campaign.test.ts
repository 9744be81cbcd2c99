import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bytesToAddress } from "../../src/core/address.ts";
import { createCampaign } from "../../src/core/campaign.ts";
import type { Address, CampaignPolicy } from "../../src/core/domain.ts";

const host = (n: number): Address => bytesToAddress(Uint8Array.of(198, 51, n >>> 8, n));
const perUser: CampaignPolicy = { addresses: 20, failures: 20, window: 600, maxretry: 1, per: "user" };
const perJail: CampaignPolicy = { ...perUser, per: "jail" };
const second = 1000;

describe("a campaign", () => {
  test("is 500 addresses that try one user once each", () => {
    for (const policy of [perUser, perJail]) {
      const campaign = createCampaign(policy);
      const views = Array.from({ length: 500 }, (_, i) => campaign.observe(host(i), "root", i * second));
      expect(views.findIndex((view) => view.active)).toBe(19);
      expect(views.filter((view) => view.started)).toHaveLength(1);
      expect(views.slice(19).every((view) => view.active)).toBe(true);
      expect(views.at(-1)).toMatchObject({ active: true, distinct: 500, failures: 500 });
      expect(campaign.subject()).toBe(policy === perUser ? "user root" : "all users");
    }
  });

  test("is not a morning of 500 office users who mistype their own names and then get in", () => {
    for (const policy of [perUser, perJail]) {
      const campaign = createCampaign(policy);
      for (let i = 0; i < 500; i++) {
        const typos = 1 + (i % 3);
        for (let n = 0; n < typos; n++) {
          // One in ten mistypes the name itself, one in seven tries from the telephone as well.
          const user = n === 0 && i % 10 === 0 ? `usr${i}` : `user${i}`;
          const from = i % 7 === 0 && n > 0 ? host(1000 + i) : host(i);
          expect(campaign.observe(from, user, (i + n) * second).active).toBe(false);
        }
      }
      expect(campaign.subject()).toBeUndefined();
    }
  });

  test("is not one address that tries hard, nor one /64 with many addresses", () => {
    for (const policy of [perUser, perJail]) {
      const campaign = createCampaign(policy);
      for (let i = 0; i < 500; i++) {
        const inNet = bytesToAddress(
          Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, i >>> 8, i),
        );
        expect(campaign.observe(host(1), "root", i).active).toBe(false);
        expect(campaign.observe(inNet, "root", i).active).toBe(false);
      }
    }
  });

  test("per jail is also many addresses that go through one list of names", () => {
    const campaign = createCampaign(perJail);
    let active = false;
    for (let i = 0; i < 300; i++) active = campaign.observe(host(i), `name${i % 40}`, i * second).active;
    expect(active).toBe(true);
    // Somebody's own typo meanwhile is no part of it.
    expect(campaign.observe(host(5000), "alice", 300 * second).active).toBe(false);
    expect(campaign.observe(host(5001), "name3", 300 * second).active).toBe(true);
  });

  test("per jail counts failures of services that log no names", () => {
    const campaign = createCampaign(perJail);
    for (let i = 0; i < 19; i++) expect(campaign.observe(host(i), undefined, i).active).toBe(false);
    expect(campaign.observe(host(19), undefined, 19).started).toBe(true);
    expect(createCampaign(perUser).observe(host(1), undefined, 0)).toMatchObject({
      active: false,
      distinct: 0,
    });
  });

  test("needs both its addresses and its failures", () => {
    const campaign = createCampaign({ ...perUser, addresses: 2, failures: 5 });
    for (let i = 0; i < 4; i++) expect(campaign.observe(host(i % 2), "root", i).active).toBe(false);
    expect(campaign.observe(host(0), "ROOT", 4)).toMatchObject({
      active: true,
      started: true,
      distinct: 2,
      failures: 5,
      subject: "root",
    });
  });

  test("ends when its window empties, once, and can begin again", () => {
    const campaign = createCampaign(perUser);
    for (let i = 0; i < 20; i++) campaign.observe(host(i), "root", i * second);
    expect(campaign.tick(600 * second)).toEqual({ ended: undefined });
    expect(campaign.subject()).toBe("user root");
    expect(campaign.tick(615 * second)).toEqual({ ended: "user root" });
    expect(campaign.tick(616 * second)).toEqual({ ended: undefined });
    expect(campaign.subject()).toBeUndefined();
    for (let i = 0; i < 19; i++)
      expect(campaign.observe(host(100 + i), "root", 2000 * second).active).toBe(false);
    expect(campaign.observe(host(200), "root", 2000 * second).started).toBe(true);
  });

  test("says with the failure that comes next that an earlier one ended", () => {
    const campaign = createCampaign(perJail);
    for (let i = 0; i < 20; i++) campaign.observe(host(i), "root", i);
    expect(campaign.observe(host(1), "root", 700 * second)).toMatchObject({
      active: false,
      ended: "all users",
      distinct: 0,
    });
  });

  test("remembers no more than it may, and nothing after the window", () => {
    const campaign = createCampaign(perUser, 1000);
    for (let i = 0; i < 50_000; i++) campaign.observe(host(i), `user${i}`, i);
    expect(campaign.size).toBeLessThanOrEqual(1001);
    campaign.tick(10_000 * second);
    expect(campaign.size).toBe(0);
  });

  test("survives a clock that was ahead", () => {
    const campaign = createCampaign(perUser);
    for (let i = 0; i < 20; i++) campaign.observe(host(i), "root", 1e9);
    expect(campaign.tick(0)).toEqual({ ended: "user root" });
    for (let i = 0; i < 20; i++) campaign.observe(host(i), "root", i);
    expect(campaign.subject()).toBe("user root");
  });

  test("per jail counts as a count from scratch would", () => {
    const attempt = fc.record({
      address: fc.integer({ min: 0, max: 7 }),
      user: fc.option(fc.constantFrom("a", "b", "c", "d", "e"), { nil: undefined }),
      step: fc.integer({ min: 0, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 60 }), (attempts) => {
        const campaign = createCampaign({ ...perJail, addresses: 3, failures: 4, window: 0.02 });
        const all: { address: number; user: string | undefined; at: number }[] = [];
        let at = 0;
        for (const { address, user, step } of attempts) {
          at += step;
          all.push({ address, user, at });
          const view = campaign.observe(host(address), user, at);
          const live = all.filter((one) => one.at >= at - 20);
          const spread = (of: typeof live, by: (one: (typeof live)[number]) => unknown) =>
            new Set(of.map(by)).size;
          const counted = [...new Set(live.map((one) => one.address))].filter((origin) => {
            const own = live.filter((one) => one.address === origin);
            const names = own.filter((one) => one.user !== undefined);
            return (
              own.length > names.length ||
              spread(names, (one) => one.user) >= 3 ||
              names.some(
                (one) =>
                  spread(
                    live.filter((other) => other.user === one.user),
                    (other) => other.address,
                  ) >= 3,
              )
            );
          });
          expect(view.distinct).toBe(counted.length);
          expect(view.failures).toBe(live.filter((one) => counted.includes(one.address)).length);
          expect(campaign.size).toBe(live.length);
        }
      }),
    );
  });
});
