import { describe, expect, test } from "bun:test";
import { isIPv6 } from "node:net";
import fc from "fast-check";
import {
  addressBytes,
  addressFamily,
  addressTarget,
  bytesToAddress,
  idTarget,
  parseAddress,
  parsePrefix,
  parseTarget,
  prefixContains,
  prefixOf,
  targetKey,
} from "../../src/core/address.ts";
import type { Address, Prefix } from "../../src/core/domain.ts";

const address = (text: string): Address => parseAddress(text) ?? expect.unreachable(`${text} is an address`);
const prefix = (text: string): Prefix => parsePrefix(text) ?? expect.unreachable(`${text} is a prefix`);
const bytes4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
// Mostly zero bytes and groups, so that compression has work to do.
const bytes16 = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 255])));

describe("an address", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["2001:DB8::A", "2001:db8::a"],
    ["2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"],
    // RFC 5952: the longest run is compressed, the first of equals, and a single group never.
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["::192.0.2.1", "::c000:201"],
    ["1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201"],
  ])("%s is written %s", (text, canonical) => {
    expect(parseAddress(text)).toBe(canonical as Address);
  });

  test.each(["::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:192.0.2.1", "0000::ffff:c000:0201"])(
    "%s is the IPv4 address it carries",
    (text) => {
      expect(parseAddress(text)).toBe("192.0.2.1" as Address);
    },
  );

  test.each([
    "",
    "1",
    "1.2.3",
    "1.2.3.",
    "1.2.3.4.",
    "1.2.3.4.5",
    ".1.2.3.4",
    "1..2.3",
    "256.1.1.1",
    "01.2.3.4",
    "1.2.3.04",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "2130706433",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1.2.3.4:22",
    "1.2.3.-4",
    "١.2.3.4",
    ":",
    ":::",
    "::1::",
    "1::2::3",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4::5:6:7:8",
    "12345::",
    "::g",
    "[::1]",
    "fe80::1%eth0",
    "::1/128",
    "1:2:3:4:5:6:7:192.0.2.1",
    "::192.0.2",
    "::192.0.2.256",
    "::192.0.2.1:1",
    "::ffff:0192.0.2.1",
    "a.b.c.d",
    "1.2.3.4\0",
    "0000:0000:0000:0000:0000:ffff:255.255.255.2555",
  ])("%j is none", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  test("keeps its bytes through text and back, in either family", () => {
    fc.assert(
      fc.property(fc.oneof(bytes4, bytes16), (bytes) => {
        const text = bytesToAddress(bytes);
        expect(parseAddress(text)).toBe(text);
        const mapped =
          bytes.length === 16 &&
          bytes.slice(0, 10).every((b) => b === 0) &&
          bytes[10] === 255 &&
          bytes[11] === 255;
        expect(addressBytes(text)).toEqual(mapped ? bytes.slice(12) : bytes);
        expect(addressFamily(text)).toBe(addressBytes(text).length === 4 ? 4 : 6);
      }),
    );
  });

  test("agrees with the platform's URL parser on what IPv6 text is canonical", () => {
    fc.assert(
      fc.property(bytes16, (bytes) => {
        const groups = Array.from({ length: 8 }, (_, i) =>
          ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16).padStart(4, "0"),
        );
        const long = groups.join(":");
        const text = address(long.toUpperCase());
        if (addressFamily(text) === 6) expect(`[${text}]`).toBe(new URL(`http://[${long}]/`).hostname);
      }),
    );
  });

  test("is never made from text that the platform does not know as one", () => {
    const soup = fc.string({ unit: fc.constantFrom(..."0123456789abcdefF:.%/[] x"), maxLength: 24 });
    fc.assert(
      fc.property(soup, (text) => {
        const parsed = parseAddress(text);
        const quads = text.split(".");
        const dotted =
          quads.length === 4 && quads.every((q) => /^(0|[1-9]\d{0,2})$/.test(q) && Number(q) < 256);
        if (!text.includes(":")) expect(parsed !== undefined).toBe(dotted);
        else expect(parsed !== undefined).toBe(isIPv6(text) && !text.includes("%"));
      }),
      { numRuns: 3000 },
    );
  });
});

describe("a prefix", () => {
  test.each([
    ["192.0.2.99/24", "192.0.2.0/24"],
    ["192.0.2.1/255.255.255.0", "192.0.2.0/24"],
    ["192.0.2.1/0.0.0.0", "0.0.0.0/0"],
    ["192.0.2.1/255.255.255.255", "192.0.2.1/32"],
    ["192.0.2.1", "192.0.2.1/32"],
    ["203.0.113.7/0", "0.0.0.0/0"],
    ["2001:db8::1", "2001:db8::1/128"],
    ["2001:DB8:ffff:1::1/33", "2001:db8:8000::/33"],
    ["::/0", "::/0"],
    ["::ffff:10.1.2.3/104", "10.0.0.0/8"],
    ["::ffff:10.1.2.3/96", "0.0.0.0/0"],
    ["::ffff:10.1.2.3/90", "::ffc0:0:0/90"],
  ])("%s is %s", (text, canonical) => {
    expect(parsePrefix(text)).toBe(canonical as Prefix);
  });

  test.each([
    "192.0.2.0/33",
    "192.0.2.0/",
    "192.0.2.0/-1",
    "192.0.2.0/08",
    "192.0.2.0/255.0.255.0",
    "192.0.2.0/0.0.0.255",
    "192.0.2/24",
    "::/129",
    "::/ffff::",
    "/24",
    "fe80::1%eth0/64",
    "192.0.2.0/24/24",
    "x/24",
  ])("%j is none", (text) => {
    expect(parsePrefix(text)).toBeUndefined();
  });

  test("of an address holds it, and only addresses that share its bits", () => {
    fc.assert(
      fc.property(bytes16, bytes16, fc.integer({ min: 0, max: 128 }), (a, b, bits) => {
        const one = bytesToAddress(a);
        const other = bytesToAddress(b);
        fc.pre(addressFamily(one) === 6 && addressFamily(other) === 6);
        const network = prefixOf(one, bits);
        expect(parsePrefix(network)).toBe(network);
        expect(prefixContains(network, one)).toBe(true);
        expect(prefixContains(network, network)).toBe(true);
        const binary = (bytes: Uint8Array) => [...bytes].map((x) => x.toString(2).padStart(8, "0")).join("");
        expect(prefixContains(network, other)).toBe(binary(a).slice(0, bits) === binary(b).slice(0, bits));
      }),
    );
  });

  test("holds narrower prefixes, never wider ones, never the other family", () => {
    expect(prefixContains(prefix("10.0.0.0/8"), prefix("10.9.0.0/16"))).toBe(true);
    expect(prefixContains(prefix("10.9.0.0/16"), prefix("10.0.0.0/8"))).toBe(false);
    expect(prefixContains(prefix("::/0"), address("192.0.2.1"))).toBe(false);
    expect(prefixContains(prefix("0.0.0.0/0"), address("2001:db8::1"))).toBe(false);
    expect(prefixContains(prefix("128.0.0.0/1"), address("192.0.2.1"))).toBe(true);
  });
});

describe("a target", () => {
  test("of a full-length prefix is the address", () => {
    expect(parseTarget("192.0.2.7/32")).toEqual(addressTarget(address("192.0.2.7")));
    expect(parseTarget("2001:db8::7/128")).toEqual(addressTarget(address("2001:db8::7")));
    expect(parseTarget("192.0.2.7/24")).toEqual({ kind: "prefix", text: prefix("192.0.2.0/24"), family: 4 });
    expect(parseTarget("root")).toBeUndefined();
  });

  test("has a key of its own even when an id reads like an address", () => {
    const keys = [
      addressTarget(address("192.0.2.7")),
      idTarget("192.0.2.7"),
      idTarget("id:192.0.2.7"),
      idTarget("root"),
    ].map(targetKey);
    expect(new Set(keys).size).toBe(4);
    expect(keys[0]).toBe("192.0.2.7");
    expect(keys[3]).toBe("root");
  });
});
