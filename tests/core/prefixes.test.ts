import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { idTarget, parseTarget, prefixContains } from "../../src/core/address.ts";
import type { PrefixPolicy, Target } from "../../src/core/domain.ts";
import { countKey, createMembers, escalate } from "../../src/core/prefixes.ts";

const t = (text: string): Target => parseTarget(text) ?? expect.unreachable(`${text} is a target`);
const policy: PrefixPolicy = {
  count4: 32,
  count6: 64,
  ladder: [
    { family: 6, bits: 64, members: 2 },
    { family: 6, bits: 56, members: 3 },
    { family: 6, bits: 48, members: 2 },
    { family: 4, bits: 24, members: 3 },
  ],
};

describe("failures", () => {
  test("add up under the /64 of an IPv6 address and the IPv4 address itself", () => {
    expect(countKey(t("2001:db8::1"), policy)).toBe("2001:db8::/64");
    expect(countKey(t("2001:db8::ffff:1"), policy)).toBe("2001:db8::/64");
    expect(countKey(t("192.0.2.1"), policy)).toBe("192.0.2.1");
    expect(countKey(t("192.0.2.1"), { ...policy, count4: 24 })).toBe("192.0.2.0/24");
    expect(countKey(t("2001:db8::1"), { ...policy, count6: 128 })).toBe("2001:db8::1");
    expect(countKey(t("2001:db8::/48"), policy)).toBe("2001:db8::/48");
    expect(countKey(idTarget("root"), policy)).toBe("root");
  });
});

describe("escalation", () => {
  test("bans the address first and the /64 with its second address, folding the first ban", () => {
    expect(escalate(policy, [], t("2001:db8::1"))).toBeUndefined();
    const wide = escalate(policy, [t("2001:db8::1"), t("2001:db8:1:1::1"), t("192.0.2.1")], t("2001:db8::2"));
    expect(wide?.prefix).toEqual(t("2001:db8::/64"));
    expect(wide?.folds).toEqual([t("2001:db8::1")]);
    expect(wide?.reason).toContain("2001:db8::/64");
  });

  test("takes a failure of a second address as enough inside one customer's network, not beyond", () => {
    expect(escalate(policy, [t("2001:db8::1")], t("2001:db8::2"), "failure")?.prefix).toEqual(
      t("2001:db8::/64"),
    );
    expect(escalate(policy, [], t("2001:db8::2"), "failure")).toBeUndefined();
    expect(escalate(policy, [t("192.0.2.1"), t("192.0.2.2")], t("192.0.2.3"), "failure")).toBeUndefined();
    expect(
      escalate({ ...policy, ladder: [{ family: 6, bits: 64, members: 1 }] }, [], t("2001:db8::2"), "failure"),
    ).toBeUndefined();
  });

  test("climbs the ladder: a folded network is one member of the next", () => {
    const standing = [t("2001:db8:0:1::/64"), t("2001:db8:0:2::9"), t("2001:db8:0:3::1")];
    const wide = escalate(policy, standing, t("2001:db8:0:3::2"));
    expect(wide?.prefix).toEqual(t("2001:db8::/56"));
    expect(wide?.folds).toEqual(standing);
    expect(escalate(policy, [...standing, t("2001:db8:0:ff00::1")], t("2001:db8:0:3::2"))?.prefix).toEqual(
      t("2001:db8::/48"),
    );
  });

  test("counts members once, though an address and its network both stand", () => {
    const standing = [t("192.0.2.0/28"), t("192.0.2.1"), t("192.0.2.2")];
    expect(escalate(policy, standing, t("192.0.2.99"))).toBeUndefined();
    expect(escalate(policy, [...standing, t("192.0.2.100")], t("192.0.2.99"))?.prefix).toEqual(
      t("192.0.2.0/24"),
    );
    expect(escalate(policy, [t("192.0.2.1"), t("192.0.2.2")], t("192.0.2.2"))).toBeUndefined();
  });

  test("bans the whole network at once where the ladder says one is enough", () => {
    const strict = { ...policy, ladder: [{ family: 6 as const, bits: 64, members: 1 }] };
    expect(escalate(strict, [], t("2001:db8::1"))).toMatchObject({ prefix: t("2001:db8::/64"), folds: [] });
    expect(escalate(strict, [], t("2001:db8::/48"))).toBeUndefined();
    expect(escalate(policy, [], idTarget("root"))).toBeUndefined();
  });

  test("gives the same answer from the index as from all that stands, and folds only what lies inside", () => {
    const some = fc
      .tuple(fc.constantFrom("0:1", "0:2", "0:3", "0:100", "1:1"), fc.constantFrom("::1", "::2", "::/64"))
      .map(([net, rest]) => t(`2001:db8:${net}${rest}`));
    const v4 = fc.integer({ min: 1, max: 6 }).map((n) => t(`192.0.2.${n}`));
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.oneof(some, v4), { selector: (one) => one.text }),
        fc.nat(9),
        fc.oneof(some, v4),
        (standing, drop, target) => {
          const index = createMembers(policy.ladder);
          for (const one of standing) index.add(one);
          const left = standing.slice(drop);
          for (const one of standing.slice(0, drop)) index.remove(one);
          const wide = escalate(policy, left, target);
          expect(escalate(policy, index, target)).toEqual(wide);
          if (wide?.prefix.kind !== "prefix") return;
          for (const fold of wide.folds)
            if (fold.kind !== "id") expect(prefixContains(wide.prefix.text, fold.text)).toBe(true);
          for (const one of left)
            if (
              one.kind !== "id" &&
              one.text !== wide.prefix.text &&
              prefixContains(wide.prefix.text, one.text)
            )
              expect(wide.folds).toContainEqual(one);
        },
      ),
    );
  });
});
