// PS-01 (cut at every byte), PS-02 (every byte flipped), rubbish of all kinds: loading always succeeds, loses no more than what was hit,
// and never makes up a ban.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { JournalRecord } from "../../src/core/domain.ts";
import { loadJournal } from "../../src/journal/load.ts";
import { encodeRecord } from "../../src/journal/record.ts";
import { testDisk } from "../support/files.ts";
import { anyHistory, banned, dump, fold, start, unbanned } from "../support/records.ts";

const head = encodeRecord({ t: "f2b", at: start, boot: "b", by: "test" });

function load(data: Buffer | string) {
  const disk = testDisk();
  disk.put("/journal", data);
  return loadJournal(disk.files, "/journal");
}

const history: JournalRecord[] = [
  ...Array.from({ length: 6 }, (_, i) =>
    banned(`192.0.2.${i}`, { since: start + i, user: "root", lines: [`line ${i}`] }),
  ),
  unbanned("192.0.2.0", start + 50, "operator"),
  banned("2001:db8::/64", { since: start + 60 }),
];
const lines = history.map((record) => encodeRecord(record));
const whole = Buffer.from(head + lines.join(""));

test("an intact journal gives the state of its records", () => {
  const loaded = load(whole);
  expect(dump(loaded.state)).toBe(dump(fold(history)));
  expect(loaded).toMatchObject({
    records: history.length,
    damaged: [],
    torn: undefined,
    unterminated: false,
    newer: undefined,
    bytes: whole.length,
    end: whole.length,
  });
  expect(loaded.head?.by).toBe("test");
});

test("cut off at any byte of the last three records, it loses the one that was cut and no other", () => {
  const ends = [Buffer.byteLength(head)];
  for (const line of lines) ends.push((ends.at(-1) ?? 0) + Buffer.byteLength(line));
  const from = ends[ends.length - 4] ?? 0;
  for (let cut = from; cut <= whole.length; cut++) {
    const loaded = load(whole.subarray(0, cut));
    // A record that lacks nothing but its line feed is whole.
    const complete = ends.filter((end) => end - 1 <= cut).length - 1;
    expect(dump(loaded.state)).toBe(dump(fold(history.slice(0, complete))));
    expect(loaded.damaged).toEqual([]);
    const onEdge = ends.includes(cut);
    expect(loaded.torn === undefined).toBe(onEdge || ends.includes(cut + 1));
    expect(loaded.unterminated).toBe(!onEdge && ends.includes(cut + 1));
    if (loaded.torn !== undefined) expect(loaded.end + loaded.torn.bytes.length).toBe(cut);
  }
});

test("with any byte changed in any way, it loses the record that was hit and no other, and the damage is told", () => {
  for (let at = 0; at < whole.length; at++) {
    for (const change of [1, 0x20, 0x80, 0xff]) {
      const data = Buffer.from(whole);
      data[at] = (data[at] ?? 0) ^ change;
      const loaded = load(data);
      let hit = -1;
      for (let line = 0, end = Buffer.byteLength(head); line < lines.length && at >= end; line++) {
        hit = line;
        end += Buffer.byteLength(lines[line] ?? "");
      }
      const without = (gone: number) => dump(fold(history.filter((_, index) => index !== gone)));
      // A changed line feed harms neither of its neighbours.
      const isFeed = whole[at] === 0x0a;
      expect(dump(loaded.state)).toBe(isFeed || hit < 0 ? dump(fold(history)) : without(hit));
      expect(loaded.damaged.length + (loaded.torn === undefined ? 0 : 1)).toBe(1);
    }
  }
});

describe("rubbish", () => {
  test("between records hides none of them", () => {
    const rubbish = [
      Buffer.alloc(5000),
      Buffer.from("\n\n\n"),
      Buffer.from("PK\u0003\u0004"),
      Buffer.from('{"v":1,"c":"'),
      Buffer.from("}{[".repeat(3000)),
    ];
    for (const one of rubbish) {
      for (const feed of ["", "\n"]) {
        const data = Buffer.concat([
          Buffer.from(head),
          ...lines.flatMap((line) => [Buffer.from(line), one, Buffer.from(feed)]),
        ]);
        const { state } = load(data);
        expect(dump(state)).toBe(dump(fold(history)));
      }
    }
  });

  test("alone is no journal, and no crash", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
        const loaded = load(Buffer.from(bytes));
        expect(loaded.records).toBe(0);
        expect(loaded.state.jails.size).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });

  test("a sparse megabyte of zeroes without a line feed is one damaged place", () => {
    const loaded = load(Buffer.concat([Buffer.from(head + lines[0]), Buffer.alloc(1024 * 1024)]));
    expect(loaded.records).toBe(1);
    expect(loaded.torn?.bytes.length).toBe(1024 * 1024);
  });

  test("cut, copied, swapped and flipped pieces of a journal never make up a ban", () => {
    const piece = fc.record({
      from: fc.nat(whole.length),
      length: fc.nat(400),
      flip: fc.option(fc.nat(399)),
    });
    const known = new Set(
      history.flatMap((one) =>
        one.t === "ban" ? [JSON.stringify([one.ban.target.text, one.ban.since, one.ban.until])] : [],
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const data = Buffer.concat(
          pieces.map(({ from, length, flip }) => {
            const part = Buffer.from(whole.subarray(from, from + length));
            if (flip !== null && flip < part.length) part[flip] = (part[flip] ?? 0) ^ 4;
            return part;
          }),
        );
        const { state } = load(data);
        for (const { bans } of state.jails.values())
          for (const ban of bans.values())
            expect(known.has(JSON.stringify([ban.target.text, ban.since, ban.until]))).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  test("lines across the edges of the pieces in which it is read are whole", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300_000), { minLength: 1, maxLength: 4 }), anyHistory, (sizes, records) => {
        const padded = sizes.map(
          (size): JournalRecord => ({
            t: "set",
            jail: "daemon",
            key: "k",
            value: "x".repeat(size),
            at: start,
          }),
        );
        const all = [...padded, ...records];
        expect(dump(load(all.map((record) => encodeRecord(record)).join("")).state)).toBe(dump(fold(all)));
      }),
      { numRuns: 50 },
    );
  });
});

test("an intact record of a newer format stops the reading", () => {
  expect(load(head + lines[0] + encodeRecord(banned("192.0.2.9"), 99)).newer).toBe(99);
});
