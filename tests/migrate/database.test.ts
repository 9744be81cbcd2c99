import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Seconds } from "../../src/core/domain.ts";
import { apply, createState } from "../../src/core/state.ts";
import { importDatabase } from "../../src/migrate/database.ts";

const directory = mkdtempSync(join(tmpdir(), "f2b-db-test-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const now = 1_800_000_000;
type Row = readonly [jail: string, ip: string, time: number, bantime: number, count: number, data: string];

function database(name: string, bans: readonly Row[], bips: readonly Row[] | undefined): string {
  const path = join(directory, name);
  const db = new Database(path, { create: true });
  db.run(
    "CREATE TABLE bans (jail TEXT, ip TEXT, timeofban INTEGER, bantime INTEGER, bancount INTEGER, data JSON)",
  );
  if (bips !== undefined)
    db.run(
      "CREATE TABLE bips (ip TEXT, jail TEXT, timeofban INTEGER, bantime INTEGER, bancount INTEGER, data JSON, PRIMARY KEY(ip, jail))",
    );
  const insert = (table: string, [jail, ip, time, bantime, count, data]: Row) =>
    db
      .query(`INSERT INTO ${table} (jail, ip, timeofban, bantime, bancount, data) VALUES (?, ?, ?, ?, ?, ?)`)
      .run(jail, ip, time, bantime, count, Buffer.from(data));
  for (const row of bans) insert("bans", row);
  for (const row of bips ?? []) insert("bips", row);
  db.close();
  return path;
}

const data =
  '{"matches": [["", "2026-11-21 03:50:45", " app: login failed"], "2026-11-21 03:50:46 app: login failed"], "failures": 3, "user": "root", "ip4": "192.0.2.10"}';
const jails = new Map([["sshd", "sshd"]]);
const read = (path: string) => importDatabase({ path, now: now * 1000, jails, keep: 30 * 86400 });

describe("bans of fail2ban.sqlite3", () => {
  test("standing ones keep the time they have left and what is known of them", () => {
    const row: Row = ["sshd", "192.0.2.10", now - 100, 600, 2, data];
    const { records, standing, past } = read(
      database("standing", [["sshd", "192.0.2.10", now - 9000, 600, 1, data], row], [row]),
    );
    expect([standing, past]).toEqual([1, 1]);
    const last = records.at(-1)!;
    if (last.t !== "ban") throw new Error(last.t);
    expect(last.ban).toMatchObject({
      since: (now - 100) * 1000,
      until: (now + 500) * 1000,
      nth: 2,
      failures: 3,
      user: "root",
      cause: "import",
    });
    expect(last.ban.lines).toEqual([
      "2026-11-21 03:50:45 app: login failed",
      "2026-11-21 03:50:46 app: login failed",
    ]);
  });

  test("one whose length an older database did not know lasts as long as its jail bans", () => {
    const rows: Row[] = [
      ["sshd", "192.0.2.10", now - 100, -2, 1, data],
      ["sshd", "192.0.2.11", now - 100, -1, 1, data],
    ];
    const path = database("unknown", rows, rows);
    const bantimes = new Map([["sshd", 3600 as Seconds]]);
    const { records } = importDatabase({ path, now: now * 1000, jails, keep: 30 * 86400, bantimes });
    expect(records.map((record) => record.t === "ban" && record.ban.until)).toEqual([
      (now + 3500) * 1000,
      "forever",
    ]);
  });

  test("folded into the state they stand, and the history is counted", () => {
    const row: Row = ["sshd", "2001:db8::7", now - 50, -1, 3, "{}"];
    const { records } = read(
      database(
        "folded",
        [
          ["sshd", "2001:db8::7", now - 9000, 600, 1, "{}"],
          ["sshd", "2001:db8::7", now - 5000, 600, 2, "{}"],
          row,
        ],
        [row],
      ),
    );
    const state = createState();
    for (const record of records) apply(state, record);
    const bans = [...state.jails.values()].flatMap((jail) => [...jail.bans.values()]);
    expect(bans.map((ban) => [ban.target.text as string, ban.until])).toEqual([["2001:db8::7", "forever"]]);
    expect([...state.past.values()].flatMap((past) => past.jails.map((one) => one.bans))).toEqual([3]);
  });

  test("what was unbanned by hand does not stand again; what is old, foreign or no address is left out and told", () => {
    const { records, standing, faults } = read(
      database(
        "mixed",
        [
          ["sshd", "192.0.2.20", now - 10, 600, 1, "{}"],
          ["sshd", "192.0.2.21", now - 40 * 86400, 600, 1, "{}"],
          ["gone", "192.0.2.22", now - 10, 600, 1, "{}"],
          ["sshd", "user:bob", now - 10, 600, 1, "broken json"],
        ],
        [],
      ),
    );
    expect(standing).toBe(0);
    expect(records.map((record) => record.t)).toEqual(["ban", "unban"]);
    expect(faults.map((fault) => fault.what)).toEqual([
      '1 bans of the jail "gone" are left out',
      '1 bans of the jail "sshd" are not of an address',
    ]);
  });

  test("a file that is none, or not there, is a fault and nothing more", () => {
    const path = join(directory, "junk");
    writeFileSync(path, "this is no database at all, and long enough to be looked at".repeat(20));
    expect(read(path)).toMatchObject({ records: [], faults: [{ at: { file: path } }] });
    expect(read(join(directory, "absent")).faults).toHaveLength(1);
  });
});
