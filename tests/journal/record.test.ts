import { describe, expect, test } from "bun:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import type { JournalRecord } from "../../src/core/domain.ts";
import { boundCheckpoint, decodeLine, encodeRecord } from "../../src/journal/record.ts";
import { anyRecord, ban, banned, checkpoint, dump, fold, jail, start } from "../support/records.ts";

const decode = (text: string) => decodeLine(Buffer.from(text.replace(/\n$/, "")));
const seal = (body: string, v = 1) =>
  `{"v":${v},"c":"${crc32(body, v).toString(16).padStart(8, "0")}","r":${body}}`;
const wire = (record: JournalRecord): Record<string, unknown> =>
  (JSON.parse(encodeRecord(record)) as { r: Record<string, unknown> }).r;

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("a record", () => {
  test("is one line of JSON and comes back as it was", () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        const line = encodeRecord(record);
        expect(line.indexOf("\n")).toBe(line.length - 1);
        expect(JSON.parse(line)).toBeDefined();
        const back = decode(line);
        if (back.kind !== "record") throw new Error(JSON.stringify(back));
        expect(plain(back.record)).toEqual(plain(record));
      }),
      { numRuns: 3000 },
    );
  });

  test("of a ban is short: a million bans fit on a small disk", () => {
    expect(encodeRecord(banned("203.0.113.77")).length).toBeLessThan(200);
  });

  test("with any one bit flipped is damage, and not another record", () => {
    const line = Buffer.from(
      encodeRecord(banned("192.0.2.1", { user: "root", lines: ["a", "b"] })).trimEnd(),
    );
    for (let at = 0; at < line.length; at++)
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Buffer.from(line);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
        expect(decodeLine(flipped).kind).toBe("damaged");
      }
  });

  test("of a newer format is told from damage", () => {
    expect(decode(encodeRecord(banned("192.0.2.1"), 2))).toEqual({ kind: "newer", version: 2 });
    expect(decode(encodeRecord(banned("192.0.2.1")).replace('"v":1', '"v":2')).kind).toBe("damaged");
  });

  test.each([
    ["an address that is not canonical", { target: "192.000.2.1" }],
    ["no address at all", { target: "example.org" }],
    ["a network with host bits", { target: "192.0.2.1/24" }],
    ["a number for a target", { target: 7 }],
    ["an id that is no text", { target: { id: 7 } }],
    ["a jail with a blank", { jail: "ss hd" }],
    ["a time that is text", { since: "now" }],
    ["a time beyond all calendars", { until: 9e15 }],
    ["a count below zero", { nth: -1 }],
    ["a cause that nobody knows", { cause: "whim" }],
    ["lines that are no list", { lines: "x" }],
    ["a line that is no text", { lines: [1] }],
    ["a user that is no text", { user: {} }],
  ])("with %s is damage, even under a right checksum", (_what, wrong) => {
    const body = wire(banned("192.0.2.1"));
    const changed = JSON.stringify({ ...body, ban: { ...(body.ban as object), ...wrong } });
    expect(decode(seal(JSON.stringify(body))).kind).toBe("record");
    expect(decode(seal(changed)).kind).toBe("damaged");
  });

  test.each([
    "null",
    "[]",
    "7",
    '"ban"',
    "{}",
    '{"t":"ban"}',
    '{"t":"toString"}',
    '{"t":"checkpoint","checkpoint":null}',
    '{"t":"ban","ban":',
    '{"t":"__proto__"}',
  ])("of %s is damage", (body) => {
    expect(decode(seal(body)).kind).toBe("damaged");
  });

  test("of anything at all never throws", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(["damaged", "record", "head"]).toContain(decode(seal(JSON.stringify(value))).kind);
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodeLine(bytes).kind).toBe("damaged");
      }),
      { numRuns: 2000 },
    );
  });

  test("with any field replaced by any value is a record of that shape or damage", () => {
    fc.assert(
      fc.property(anyRecord, fc.nat(), fc.jsonValue(), (record, pick, value) => {
        const body = wire(record);
        const spots: [Record<string, unknown>, string][] = [];
        const walk = (node: unknown): void => {
          if (typeof node !== "object" || node === null) return;
          for (const key of Object.keys(node)) {
            spots.push([node as Record<string, unknown>, key]);
            walk((node as Record<string, unknown>)[key]);
          }
        };
        walk(body);
        const [node, key] = spots[pick % spots.length] ?? [body, "t"];
        Object.defineProperty(node, key, { value, enumerable: true });
        const back = decode(seal(JSON.stringify(body)));
        if (back.kind === "record") dump(fold([back.record]));
        else expect(back.kind).not.toBe("newer");
      }),
      { numRuns: 5000 },
    );
  });

  test("table keys named __proto__ stay keys", () => {
    const windows = Object.fromEntries([
      ["__proto__", [{ key: "192.0.2.1", hits: [[start, 1] as const], lines: [] }]],
    ]);
    const back = decode(encodeRecord({ t: "checkpoint", checkpoint: checkpoint(start, { windows }) }));
    if (back.kind !== "record" || back.record.t !== "checkpoint") throw new Error("no checkpoint");
    expect(Object.keys(back.record.checkpoint.windows)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(back.record.checkpoint.windows)).toBeNull();
  });
});

describe("a checkpoint", () => {
  test("that grew beyond its bound loses the least offenders, and text before anything", () => {
    const window = (i: number, attempts: number, text = 0) => ({
      key: `k${i}`,
      hits: [[start + i, attempts] as const],
      lines: text > 0 ? ["x".repeat(text)] : [],
    });
    const many = Array.from({ length: 250_000 }, (_, i) => window(i, i < 10 ? 5 : 1));
    const cut = boundCheckpoint(checkpoint(start, { windows: { sshd: many } })).windows.sshd ?? [];
    expect(cut.length).toBeLessThanOrEqual(200_000);
    expect(cut.length).toBeGreaterThan(199_000);
    expect(cut.filter(({ hits }) => hits[0]?.[1] === 5)).toHaveLength(10);
    const wordy = Array.from({ length: 10_000 }, (_, i) => window(i, 1, 1_000));
    const quiet = boundCheckpoint(checkpoint(start, { windows: { sshd: wordy } })).windows.sshd ?? [];
    expect(quiet).toHaveLength(10_000);
    expect(quiet.every(({ lines }) => lines.length === 0)).toBe(true);
  });
});

test("what a stranger chose is cut before it is kept", () => {
  const state = fold([
    {
      t: "ban",
      ban: ban("192.0.2.1", { user: "u".repeat(9000), lines: Array<string>(50).fill("l".repeat(9000)) }),
    },
  ]);
  const kept = state.jails.get(jail("sshd"))?.bans.get("192.0.2.1");
  expect(kept?.user?.length).toBe(1000);
  expect(kept?.lines.length).toBe(20);
  expect(kept?.lines[0]?.length).toBe(1000);
});
