import { describe, expect, test } from "bun:test";
import { idTarget, parseAddress, parsePrefix, parseTarget } from "../../src/core/address.ts";
import type { Address, Prefix, Target } from "../../src/core/domain.ts";
import { guardReason, type Machine } from "../../src/core/guard.ts";
import { createPrefixSet } from "../../src/core/prefixset.ts";

const set = (...texts: string[]) =>
  createPrefixSet(texts.map((text): Address | Prefix => parseAddress(text) ?? parsePrefix(text)!));
const target = (text: string): Target => parseTarget(text) ?? expect.unreachable(`${text} is a target`);
const machine: Machine = {
  own: set("203.0.113.1", "2001:db8:1::1"),
  gateways: set("192.168.1.1", "2001:db8:1::ffff"),
  resolvers: set("9.9.9.9"),
  sessions: set("198.51.100.77"),
  emergency: set("192.0.2.128/25"),
  trustedProxies: set("172.18.0.0/16"),
};

describe("the last gate", () => {
  test.each([
    ["127.0.0.1", "loopback"],
    ["127.9.9.9", "loopback"],
    ["0.0.0.0", "unspecified"],
    ["0.1.2.3", "unspecified"],
    ["224.0.0.251", "multicast"],
    ["239.255.255.250", "multicast"],
    ["255.255.255.255", "broadcast"],
    ["::", "unspecified"],
    ["::1", "loopback"],
    ["::ffff:127.0.0.1", "loopback"],
    ["ff02::1", "multicast"],
    ["fe80::1", "link-local"],
    ["64:ff9b::c000:201", "NAT64"],
    ["64:ff9b:1::1", "NAT64"],
    ["2002:c000:201::1", "6to4"],
    ["2001::1", "Teredo"],
    ["203.0.113.1", "this machine"],
    ["2001:db8:1::1", "this machine"],
    ["192.168.1.1", "gateway"],
    ["9.9.9.9", "resolver"],
    ["198.51.100.77", "session"],
    ["192.0.2.200", "emergency"],
    ["172.18.4.4", "proxy"],
  ])("never lets %s through: %s", (text, why) => {
    expect(guardReason(target(text), machine)).toContain(why);
  });

  test.each([
    ["0.0.0.0/0", "wider"],
    ["126.0.0.0/7", "wider"],
    ["127.0.0.0/24", "loopback"],
    ["203.0.113.0/24", "203.0.113.1"],
    ["9.0.0.0/8", "9.9.9.9"],
    ["192.0.2.0/24", "emergency"],
    ["192.0.2.192/26", "emergency"],
    ["172.16.0.0/12", "proxy"],
    ["2001:db8:1::/64", "this machine"],
    ["2001:db8:1::/48", "this machine"],
    ["2001::/24", "wider"],
    ["2001:0:1::/48", "Teredo"],
    ["::/96", "unspecified"],
    ["::ffff:0:0/90", "v4-mapped"],
  ])("never lets the network %s through: %s", (text, why) => {
    expect(guardReason(target(text), machine)).toContain(why);
  });

  test.each([
    "10.0.0.1",
    "192.168.1.2",
    "192.0.2.1",
    "198.51.100.0/26",
    "2001:db8:2::/64",
    "fd00::1",
    "169.254.1.1",
    "8.8.8.8",
    "2001:db8:1:1::/64",
  ])("lets %s through: private and documentation ranges are no exception", (text) => {
    expect(guardReason(target(text), machine)).toBeUndefined();
  });

  test("judges an id that reads like an address as the address, and lets others through", () => {
    expect(guardReason(idTarget("127.0.0.1"), machine)).toContain("loopback");
    expect(guardReason(idTarget("root"), machine)).toBeUndefined();
  });

  test("takes how wide a network may be from its caller", () => {
    const widest = { v4: 24, v6: 56 };
    expect(guardReason(target("198.51.0.0/23"), machine, widest)).toContain("/24");
    expect(guardReason(target("2001:db8:2::/55"), machine, widest)).toContain("/56");
    expect(guardReason(target("2001:db8:2::/56"), machine, widest)).toBeUndefined();
  });

  test("opens only for what lies wholly in the explicit override", () => {
    const unguarded = set("172.18.0.5", "127.0.0.0/8", "203.0.113.0/28");
    const loose = { ...machine, unguarded };
    expect(guardReason(target("172.18.0.5"), loose)).toBeUndefined();
    expect(guardReason(target("127.0.0.1"), loose)).toBeUndefined();
    expect(guardReason(target("203.0.113.0/29"), loose)).toBeUndefined();
    expect(guardReason(target("172.18.0.0/24"), loose)).toContain("proxy");
    expect(guardReason(target("203.0.113.0/24"), loose)).toContain("this machine");
    expect(guardReason(target("172.18.0.6"), loose)).toContain("proxy");
  });
});
