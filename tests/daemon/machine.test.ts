import { describe, expect, test } from "bun:test";
import {
  gateways4,
  gateways6,
  lookAtMachine,
  mighty,
  resolvers,
  utmpSessions,
} from "../../src/daemon/machine.ts";
import { fakeSystem } from "../support/system.ts";

const text = (list: readonly string[]): string[] => list.map(String);

describe("the machine's own addresses", () => {
  test("gateways of /proc/net/route are those with the gateway flag, bytes turned round", () => {
    const route =
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\neth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";
    expect(text(gateways4(route))).toEqual(["192.168.2.1"]);
  });

  test("gateways of /proc/net/ipv6_route are next hops with the gateway flag", () => {
    const line = (hop: string, flags: string): string =>
      `00000000000000000000000000000000 00 00000000000000000000000000000000 00 ${hop} 00000400 00000001 00000000 ${flags}     eth0`;
    expect(
      text(
        gateways6(
          `${line("fe800000000000000000000000000001", "00000003")}\n${line("0".repeat(32), "00000001")}\n`,
        ),
      ),
    ).toEqual(["fe80::1"]);
  });

  test("resolvers are nameserver lines; comments and zones are left out", () => {
    expect(
      text(
        resolvers(
          "# nameserver 192.0.2.9\nnameserver 192.0.2.1\n nameserver fe80::1%eth0\nsearch example.org\n",
        ),
      ),
    ).toEqual(["192.0.2.1", "fe80::1"]);
  });

  test("behind a resolver of the machine's own stand the ones that it asks", () => {
    const system = fakeSystem({
      files: {
        "/etc/resolv.conf": "nameserver 127.0.0.53\n",
        "/run/systemd/resolve/resolv.conf": "nameserver 192.0.2.53\nnameserver 2001:db8::53\n",
        "/run/NetworkManager/no-stub-resolv.conf": "nameserver 192.0.2.53\nnameserver 192.0.2.54\n",
      },
    });
    expect(text(lookAtMachine(system).resolvers)).toEqual([
      "127.0.0.53",
      "192.0.2.53",
      "2001:db8::53",
      "192.0.2.54",
    ]);
  });

  test("who may become root are root and the members of sudo, wheel and admin", () => {
    expect([...mighty("root:x:0:\nsudo:x:27:anna,bert\nwheel:x:10:\nusers:x:100:carl\n")].sort()).toEqual([
      "anna",
      "bert",
      "root",
    ]);
  });

  test("utmp gives the addresses of live sessions of those users only", () => {
    const record = (type: number, user: string, address: readonly number[]): Buffer => {
      const bytes = Buffer.alloc(384);
      bytes.writeInt16LE(type, 0);
      bytes.write(user, 44, "latin1");
      Buffer.from(address).copy(bytes, 348);
      return bytes;
    };
    const v6 = [0x20, 0x01, 0x0d, 0xb8, ...Array.from({ length: 11 }, () => 0), 7];
    const utmp = Buffer.concat([
      record(7, "anna", [192, 0, 2, 7]),
      record(8, "anna", [192, 0, 2, 8]), // DEAD_PROCESS
      record(7, "carl", [192, 0, 2, 9]),
      record(7, "root", v6),
      record(7, "root", []), // on the console
      Buffer.alloc(100), // cut off
    ]);
    expect(text(utmpSessions(utmp, new Set(["root", "anna"])))).toEqual(["192.0.2.7", "2001:db8::7"]);
  });
});
