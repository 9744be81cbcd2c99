import { describe, expect, test } from "bun:test";
import { parseAddress, parsePrefix } from "../../src/core/address.ts";
import type { Address, Prefix } from "../../src/core/domain.ts";
import { compileIgnore, ignoreReason } from "../../src/core/ignore.ts";
import { createPrefixSet } from "../../src/core/prefixset.ts";

const a = (text: string): Address => parseAddress(text)!;
const p = (text: string): Prefix => parsePrefix(text)!;

describe("ignoreip", () => {
  test("is sorted into networks, names and files", () => {
    const { prefixes, names, files, faults } = compileIgnore([
      "127.0.0.1/8",
      " 192.0.2.1 ",
      "198.51.100.0/255.255.255.0",
      "::1",
      "Home.Example.org",
      "localhost",
      "file:/etc/f2b/friends",
    ]);
    expect([...prefixes.entries()].sort()).toEqual(
      [a("192.0.2.1"), p("127.0.0.0/8"), p("198.51.100.0/24"), a("::1")].sort(),
    );
    expect(names).toEqual(["home.example.org", "localhost"]);
    expect(files).toEqual(["/etc/f2b/friends"]);
    expect(faults).toEqual([]);
  });

  test.each([
    "",
    "10.0.0.256",
    "010.0.0.1",
    "10.0.0.0/33",
    "fe80::1%eth0",
    "2001:db8::g",
    "file:relative",
    "a b",
    "-x.example",
    "host.123",
    "x\x1b[2J",
    "10.0.0.1,10.0.0.2",
  ])("%j is a fault that says so and names it safely", (entry) => {
    const { faults, names, prefixes } = compileIgnore([entry, "192.0.2.1"]);
    expect(faults).toHaveLength(1);
    expect(faults[0]!.why).toBeDefined();
    expect(faults[0]!.fix).toBeDefined();
    expect(faults[0]!.what).not.toContain("\x1b");
    expect(names).toEqual([]);
    expect(prefixes.size).toBe(1);
  });

  test("gives the entry as the reason", () => {
    const parts = {
      ...compileIgnore(["10.0.0.0/8"]),
      own: createPrefixSet([a("192.0.2.1")]),
      named: [{ label: "vpn.example.org", prefixes: createPrefixSet([a("203.0.113.9")]) }],
    };
    expect(ignoreReason(a("10.1.2.3"), parts)).toBe("ignoreip 10.0.0.0/8");
    expect(ignoreReason(a("192.0.2.1"), parts)).toBe("ignoreself");
    expect(ignoreReason(a("203.0.113.9"), parts)).toBe("ignoreip vpn.example.org (203.0.113.9)");
    expect(ignoreReason(a("203.0.113.8"), parts)).toBeUndefined();
  });

  test("covers a network as soon as it would hit an ignored address", () => {
    const parts = compileIgnore(["203.0.113.9", "10.0.0.0/8"]);
    expect(ignoreReason(p("203.0.113.0/24"), parts)).toBe("ignoreip 203.0.113.9");
    expect(ignoreReason(p("10.1.0.0/16"), parts)).toBe("ignoreip 10.0.0.0/8");
    expect(ignoreReason(p("198.51.100.0/24"), parts)).toBeUndefined();
  });
});
