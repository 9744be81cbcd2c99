// The book of what was made in firewalls: what is written is read again, and what cannot be true is left out.

import { describe, expect, test } from "bun:test";
import type { JailName } from "../../src/core/domain.ts";
import type { EnforcedJail } from "../../src/daemon/enforcer.ts";
import { placeBook } from "../../src/daemon/places.ts";
import { fakeSystem } from "../support/system.ts";

const jail: EnforcedJail = {
  name: "sshd" as JailName,
  port: [{ from: 22, to: 22 }],
  protocol: ["tcp"],
  chain: ["INPUT"],
  blocktype: "drop",
  banaction: [{ name: "nftables", options: { hook: "input" } }],
};
const path = "/state/places.json";

describe("the book of places", () => {
  test("is empty at first, and tells what was written", () => {
    const system = fakeSystem();
    system.files.mkdir("/state");
    const book = placeBook(system, "/state");
    expect(book.read()).toEqual([]);
    book.write([{ ...jail, ...{ summary: "more than is needed" } }]);
    expect(placeBook(system, "/state").read()).toEqual([jail]);
    expect(placeBook(system, "/state").read([jail])).toEqual([]);
    expect(placeBook(system, "/state").read([{ ...jail, port: "all" }])).toEqual([jail]);
  });

  test("writes nothing that stands there already", () => {
    const system = fakeSystem();
    system.files.mkdir("/state");
    placeBook(system, "/state").write([jail]);
    const book = placeBook(system, "/state");
    book.read();
    system.files.replaceFile = () => {
      throw new Error("written again");
    };
    book.write([jail]);
    expect(system.said).toEqual([]);
  });

  test("leaves out what is damaged, unknown or no option of a banaction", () => {
    const system = fakeSystem();
    system.files.mkdir("/state");
    const book = placeBook(system, "/state");
    const text = JSON.stringify({
      v: 1,
      jails: [
        { ...jail, name: "x\ny" },
        { ...jail, chain: ["INPUT; reboot"] },
        {
          ...jail,
          banaction: [
            { name: "nosuch", options: {} },
            { name: "nftables", options: { hook: "nowhere" } },
          ],
        },
      ],
    });
    system.files.replaceFile(path, text);
    expect(book.read()).toEqual([{ ...jail, banaction: [] }]);
    for (const damaged of ["", "{", "[]", '{"v":2,"jails":[]}']) {
      system.files.replaceFile(path, damaged);
      expect(book.read()).toEqual([]);
    }
  });

  test("a disk that takes nothing is told once", () => {
    const system = fakeSystem();
    const book = placeBook(system, "/state");
    system.files.replaceFile = () => {
      throw new Error("ENOSPC");
    };
    book.write([jail]);
    book.write([]);
    expect(system.said.map(({ level }) => level)).toEqual(["warning"]);
  });
});
