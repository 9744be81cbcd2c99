import { describe, expect, test } from "bun:test";
import type { JournalRecord } from "../../src/core/domain.ts";
import { alreadyJudged, apply, countLive, liveBan, nextDue, previousBans } from "../../src/core/state.ts";
import { checkJournal, describeJournal } from "../../src/journal/check.ts";
import { type JournalOptions, openJournal } from "../../src/journal/journal.ts";
import { encodeRecord } from "../../src/journal/record.ts";
import { type TestDisk, testDisk } from "../support/files.ts";
import { ban, banned, checkpoint, dump, fold, jail, start, target, unbanned } from "../support/records.ts";
import { type FakeSystem, fakeSystem } from "../support/system.ts";

const directory = "/var/lib/f2b";
const path = `${directory}/journal`;
const sshd = jail("sshd");

function machine(disk?: TestDisk, now = start) {
  const system = fakeSystem({ now });
  const used = disk ?? testDisk(() => system.clock.now());
  return { system: { ...system, files: used.files }, disk: used, said: system.said, clock: system.clock };
}

type Machine = ReturnType<typeof machine>;

function open({ system }: Pick<Machine, "system">, more: Partial<JournalOptions> = {}) {
  const opened = openJournal({ system, directory, dbpurgeage: "forever", uid: 0, ...more });
  if (!opened.ok) throw new Error(JSON.stringify(opened.faults));
  const { journal, state, damage } = opened.value;
  /** As the daemon does: applied, then written. */
  const keep = (...records: JournalRecord[]): Promise<boolean> => {
    for (const record of records) apply(state, record);
    return journal.append(records);
  };
  return { journal, state, damage, keep };
}

const refused = ({ system }: Pick<Machine, "system">, more: Partial<JournalOptions> = {}) => {
  const opened = openJournal({ system, directory, dbpurgeage: "forever", uid: 0, ...more });
  if (opened.ok) throw new Error("it was opened");
  return opened.faults[0];
};

/** Lets promises and timers of no length run. */
async function settle(clock: FakeSystem["clock"]): Promise<void> {
  for (let i = 0; i < 50; i++) {
    clock.turn(0);
    await Promise.resolve();
    await Promise.resolve();
  }
}

const flushes = (disk: TestDisk) => disk.log.filter((line) => line.startsWith("flush")).length;

describe("keeping", () => {
  test("what was appended is there after a restart", async () => {
    const one = machine();
    const { keep, journal, state } = open(one);
    expect(await keep(banned("192.0.2.1"), banned("2001:db8::1"))).toBe(true);
    expect(await keep(unbanned("192.0.2.1", start + 5))).toBe(true);
    journal.close();
    const again = open(machine(one.disk));
    expect(dump(again.state)).toBe(dump(state));
    expect(again.damage).toEqual([]);
  });

  test("what comes together is flushed together", async () => {
    const one = machine();
    const { keep } = open(one);
    const before = flushes(one.disk);
    const answers = Array.from({ length: 100 }, (_, i) => keep(banned(`192.0.2.${i}`)));
    expect(await Promise.all(answers)).toEqual(Array<boolean>(100).fill(true));
    expect(flushes(one.disk) - before).toBe(1);
  });

  test("what comes while a flush runs is acknowledged by the next one only", async () => {
    const one = machine();
    const opened = open(one);
    let finish: () => void = () => undefined;
    const flush = one.system.files.flush;
    let flushed = 0;
    one.system.files.flush = (fd) => {
      flushed++;
      return new Promise((resolve) => {
        finish = () => {
          flush(fd);
          resolve();
        };
      });
    };
    const first = opened.keep(banned("192.0.2.1"));
    await settle(one.clock);
    let second: boolean | undefined;
    void opened.keep(banned("192.0.2.2")).then((durable) => {
      second = durable;
    });
    finish();
    expect(await first).toBe(true);
    await settle(one.clock);
    expect(second).toBeUndefined();
    expect(flushed).toBe(2);
    finish();
    await settle(one.clock);
    expect(second).toBe(true);
  });

  test("a record is in the kernel's hands before append returns", () => {
    const one = machine();
    const { keep } = open(one);
    void keep(banned("192.0.2.1"));
    expect(one.disk.bytes(path)?.toString()).toContain("192.0.2.1");
  });

  test("the checkpoint comes back with what came after it", async () => {
    const one = machine();
    const { keep, journal } = open(one);
    const windows = { sshd: [{ key: "192.0.2.9", hits: [[start, 2] as const], lines: ["x"] }] };
    journal.checkpoint(checkpoint(start, { windows }));
    await keep({ t: "ban", ban: ban("192.0.2.1"), seen: { source: "/l", ino: 1, offset: 9 } });
    journal.close();
    const { state } = open(machine(one.disk));
    expect(state.checkpoint?.windows.sshd?.[0]?.hits).toEqual([[start, 2]]);
    expect(alreadyJudged(state, sshd, target("192.0.2.1"), start, { source: "/l", ino: 1, offset: 9 })).toBe(
      true,
    );
  });
});

test("closing puts on disk what nobody waited for", () => {
  const one = machine();
  const { journal } = open(one);
  journal.checkpoint(checkpoint(start + 7));
  journal.close();
  const { state } = open(machine(one.disk.after({ kind: "power", names: false, torn: 0 })));
  expect(state.checkpoint?.at).toBe(start + 7);
});

describe("compaction", () => {
  test("keeps the state and drops what is over", async () => {
    const one = machine();
    const { keep, journal, state } = open(one);
    for (let i = 0; i < 200; i++)
      await keep(banned("192.0.2.1", { since: start + 2 * i }), unbanned("192.0.2.1", start + 2 * i + 1));
    await keep(banned("192.0.2.2"));
    const before = journal.state().bytes;
    const done = journal.compact();
    await settle(one.clock);
    expect(await done).toBe(true);
    expect(journal.state().bytes).toBeLessThan(before / 10);
    expect(one.disk.names()).not.toContain(`${path}.new`);
    journal.close();
    expect(dump(open(machine(one.disk)).state)).toBe(dump(state));
  });

  test("comes by itself, and holds what was written while it ran", async () => {
    const one = machine();
    const { keep, journal, state } = open(one);
    let compactions = 0;
    for (let i = 0; i < 6_000; i++) {
      const who = `10.0.${i % 10}.${(i * 7) % 256}`;
      void keep(banned(who, { since: start + i }), unbanned(who, start + i));
      if (journal.state().compacting) {
        compactions++;
        await settle(one.clock);
      }
    }
    await settle(one.clock);
    expect(compactions).toBeGreaterThan(0);
    expect(one.disk.bytes(path)?.length).toBeLessThan(3_000_000);
    journal.close();
    expect(dump(open(machine(one.disk)).state)).toBe(dump(state));
  });

  test("forgets history older than dbpurgeage", async () => {
    const one = machine();
    const { keep, journal, state } = open(one, { dbpurgeage: 86_400 });
    await keep(banned("192.0.2.1"), unbanned("192.0.2.1", start + 5));
    one.clock.turn(2 * 86_400_000);
    journal.checkpoint(checkpoint(one.clock.now()));
    expect(previousBans(state, target("192.0.2.1"), sshd)).toBe(0);
    journal.close();
    expect(dump(open(machine(one.disk, one.clock.now())).state)).toBe(dump(state));
  });

  test("that fails leaves the old file in use, and no rubbish", async () => {
    for (const call of ["open", "write", "fsync", "rename"] as const) {
      const one = machine();
      const { keep, journal, state } = open(one);
      await keep(banned("192.0.2.1"));
      one.disk.fail(call, "EIO", 1);
      const done = journal.compact();
      await settle(one.clock);
      expect(await done).toBe(false);
      expect(journal.state().degraded).toBeUndefined();
      expect(one.disk.names()).not.toContain(`${path}.new`);
      expect(await keep(banned("192.0.2.2"))).toBe(true);
      journal.close();
      expect(dump(open(machine(one.disk)).state)).toBe(dump(state));
    }
  });
});

describe("a disk in trouble", () => {
  test("that is full: bans go on, half a record is taken back, and all is written when there is room", async () => {
    const one = machine();
    const told: (string | undefined)[] = [];
    const { keep, journal, state } = open(one, { changed: ({ degraded }) => void told.push(degraded) });
    await keep(banned("192.0.2.1"));
    const size = one.disk.bytes(path)?.length ?? 0;
    one.disk.capacity = one.disk.names().reduce((sum, name) => sum + (one.disk.bytes(name)?.length ?? 0), 50);
    expect(await keep(banned("192.0.2.2"))).toBe(false);
    expect(await keep(banned("192.0.2.3"))).toBe(false);
    expect(one.disk.bytes(path)?.length).toBe(size);
    expect(journal.state().degraded).toContain("full");
    expect(countLive(state)).toBe(3);
    one.clock.turn(5_000);
    expect(journal.state().degraded).toBeDefined();
    one.disk.capacity = Number.POSITIVE_INFINITY;
    one.clock.turn(60_000);
    await settle(one.clock);
    expect(journal.state().degraded).toBeUndefined();
    expect(told).toEqual([expect.stringContaining("full"), undefined]);
    expect(await keep(banned("192.0.2.4"))).toBe(true);
    journal.close();
    expect(dump(open(machine(one.disk)).state)).toBe(dump(state));
  });

  test("that stays full for more than is kept in memory: the file is written anew from the state", async () => {
    const one = machine();
    const { keep, journal, state } = open(one);
    await keep(banned("192.0.2.1"));
    const before = one.system.files.lstat(path)?.ino;
    one.disk.capacity = 0;
    for (let i = 0; i < 20_000; i++) void keep(banned(`10.1.${i >> 8}.${i & 255}`));
    one.disk.capacity = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 40; i++) {
      one.clock.turn(5_000);
      await settle(one.clock);
    }
    expect(journal.state().degraded).toBeUndefined();
    // Written anew, not by way of what could be kept in memory.
    expect(one.system.files.lstat(path)?.ino).not.toBe(before);
    journal.close();
    expect(dump(open(machine(one.disk)).state)).toBe(dump(state));
  });

  test("whose flush failed once is not trusted with that file again", async () => {
    const one = machine();
    const { keep, journal, state } = open(one);
    await keep(banned("192.0.2.1"));
    const before = one.system.files.lstat(path)?.ino;
    one.disk.fail("flush", "EIO");
    expect(await keep(banned("192.0.2.2"))).toBe(false);
    expect(journal.state().degraded).toContain("errors");
    expect(one.said.map(({ level }) => level)).toEqual(["critical"]);
    one.clock.turn(2_000);
    await settle(one.clock);
    expect(journal.state().degraded).toBeUndefined();
    expect(one.system.files.lstat(path)?.ino).not.toBe(before);
    // A power cut now loses nothing of it.
    const { state: after } = open(machine(one.disk.after({ kind: "power", names: false, torn: 0 })));
    expect(dump(after)).toBe(dump(state));
  });

  test("what comes while the file is written anew after trouble is in it", async () => {
    const one = machine();
    const { keep, journal, state } = open(one);
    for (let i = 0; i < 2_000; i++) void keep(banned(`10.2.${i >> 8}.${i & 255}`));
    await settle(one.clock);
    one.disk.fail("flush", "EIO");
    expect(await keep(banned("192.0.2.2"))).toBe(false);
    one.clock.turn(1_000);
    expect(journal.state().compacting).toBe(true);
    void keep(banned("192.0.2.3"));
    await settle(one.clock);
    expect(journal.state().degraded).toBeUndefined();
    journal.close();
    expect(dump(open(machine(one.disk)).state)).toBe(dump(state));
  });

  test("that is read-only at the start: the bans are there, and are kept when it can be written", async () => {
    const one = machine();
    const first = open(one);
    await first.keep(banned("192.0.2.1"));
    first.journal.close();
    const two = machine(one.disk);
    for (const call of ["open", "write", "unlink", "rename", "mkdir"] as const) {
      const real = two.system.files[call] as (...given: never[]) => unknown;
      const broken = (...given: never[]): unknown => {
        if (readonly && !(call === "open" && String(given[1]).startsWith("r")))
          throw Object.assign(new Error("read-only"), { code: "EROFS" });
        return real(...given);
      };
      Object.assign(two.system.files, { [call]: broken });
    }
    let readonly = true;
    const { keep, journal, state, damage } = open(two);
    expect(damage[0]?.what).toContain("could not be locked");
    expect(journal.state().degraded).toContain("read-only");
    expect(liveBan(state, sshd, target("192.0.2.1"))).toBeDefined();
    expect(await keep(banned("192.0.2.2"))).toBe(false);
    readonly = false;
    two.clock.turn(5_000);
    await settle(two.clock);
    expect(journal.state().degraded).toBeUndefined();
    journal.close();
    expect(dump(open(machine(one.disk)).state)).toBe(dump(state));
  });

  test("that cannot even be read at the start: bans go on, and the old ones join them when it can", async () => {
    const one = machine();
    const first = open(one);
    await first.keep(
      banned("192.0.2.1"),
      banned("192.0.2.5", { since: start - 50 }),
      unbanned("192.0.2.5", start),
    );
    first.journal.close();
    const two = machine(one.disk);
    one.disk.fail("read", "EIO", 3);
    let merged = 0;
    const { keep, journal, state } = open(two, {
      changed: (health) => {
        if (health.merged) merged++;
      },
    });
    expect(journal.state().degraded).toContain("read");
    expect(countLive(state)).toBe(0);
    expect(await keep(banned("192.0.2.2"), banned("192.0.2.5", { since: start + 5 }))).toBe(false);
    for (let i = 0; i < 10; i++) {
      two.clock.turn(10_000);
      await settle(two.clock);
    }
    expect(merged).toBe(1);
    expect(journal.state().degraded).toBeUndefined();
    expect(countLive(state)).toBe(3);
    expect(previousBans(state, target("192.0.2.5"), sshd)).toBe(2);
    expect(nextDue(state)).toBe(start + 600_000);
    journal.close();
    expect(dump(open(machine(one.disk)).state)).toBe(dump(state));
  });

  test("without inodes or descriptors at the first start: it begins in memory", async () => {
    for (const code of ["ENOSPC", "EMFILE", "EROFS"]) {
      const one = machine();
      one.disk.fail("open", code, 2);
      const { keep, journal } = open(one);
      expect(journal.state().degraded).toBeDefined();
      void keep(banned("192.0.2.1"));
      one.clock.turn(10_000);
      await settle(one.clock);
      expect(journal.state().degraded).toBeUndefined();
      journal.close();
      expect(countLive(open(machine(one.disk)).state)).toBe(1);
    }
  });

  test("that is well again only at the very end: closing writes what is owed", async () => {
    const one = machine();
    const { keep, journal, state } = open(one);
    one.disk.fail("flush", "EIO");
    expect(await keep(banned("192.0.2.1"))).toBe(false);
    journal.close();
    expect(dump(open(machine(one.disk)).state)).toBe(dump(state));
  });

  test("that takes a few bytes at a time only makes it slower", async () => {
    const one = machine();
    one.disk.shortest = 7;
    const { keep, journal, state } = open(one);
    expect(await keep(banned("192.0.2.1"), banned("192.0.2.2"))).toBe(true);
    journal.close();
    expect(dump(open(machine(one.disk)).state)).toBe(dump(state));
  });
});

describe("a journal that was hurt", () => {
  async function withHistory(): Promise<{ readonly disk: TestDisk; readonly history: JournalRecord[] }> {
    const one = machine();
    const { keep, journal } = open(one);
    const history = [banned("192.0.2.1"), banned("192.0.2.2"), banned("192.0.2.3")];
    await keep(...history);
    journal.close();
    return { disk: one.disk, history };
  }

  test("at its end: the torn record is cut off, kept aside and named", async () => {
    const { disk, history } = await withHistory();
    const whole = disk.bytes(path) ?? Buffer.alloc(0);
    disk.put(path, whole.subarray(0, whole.length - 20));
    const one = machine(disk);
    const { state, damage, journal, keep } = open(one);
    expect(dump(state)).toBe(dump(fold(history.slice(0, 2))));
    expect(damage.map(({ what }) => what)).toEqual([expect.stringContaining("half written")]);
    const kept = JSON.parse(disk.bytes(`${path}.damaged`)?.toString() ?? "") as { base64: string };
    expect(Buffer.from(kept.base64, "base64").toString()).toContain("192.0.2.3");
    expect(await keep(banned("192.0.2.9"))).toBe(true);
    journal.close();
    const again = open(machine(disk));
    expect(again.damage).toEqual([]);
    expect(dump(again.state)).toBe(dump(state));
  });

  test("in its middle: the record is skipped, kept aside and named, once", async () => {
    const { disk, history } = await withHistory();
    const whole = disk.bytes(path)?.toString() ?? "";
    disk.put(path, whole.replace("192.0.2.2", "192.0.2.7"));
    const one = machine(disk);
    const { state, damage, journal, keep } = open(one);
    expect(dump(state)).toBe(dump(fold([history[0], history[2]].filter((record) => record !== undefined))));
    expect(damage[0]?.what).toContain("damaged");
    expect(await keep(banned("192.0.2.9"))).toBe(true);
    await settle(one.clock);
    journal.close();
    const again = open(machine(disk));
    expect(again.damage).toEqual([]);
    expect(dump(again.state)).toBe(dump(state));
  });

  test("by a missing last line feed only: nothing is lost, and what comes next is not glued to it", () => {
    const one = machine();
    const first = open(one);
    void first.keep(banned("192.0.2.1"));
    const whole = one.disk.bytes(path) ?? Buffer.alloc(0);
    const disk = one.disk.after({ kind: "kill" });
    disk.put(path, whole.subarray(0, -1));
    void open(machine(disk)).keep(banned("192.0.2.2"));
    const { state, damage } = open(machine(disk.after({ kind: "kill" })));
    expect(countLive(state)).toBe(2);
    expect(damage).toEqual([]);
  });

  test("and that cannot be copied yet: the damage stays until it can", async () => {
    const { disk } = await withHistory();
    const whole = disk.bytes(path)?.toString() ?? "";
    disk.put(path, whole.replace("192.0.2.2", "192.0.2.7"));
    const one = machine(disk);
    disk.fail("fsync", "ENOSPC", 1);
    const { damage, journal } = open(one);
    expect(damage[0]?.why).toContain("stays in the journal");
    await settle(one.clock);
    expect(disk.bytes(path)?.toString()).not.toContain("192.0.2.7");
    expect(disk.bytes(`${path}.damaged`)?.toString()).toContain("checksum");
    journal.close();
  });

  test("copies of damage are bounded", async () => {
    const { disk } = await withHistory();
    for (let i = 0; i < 12; i++) {
      const whole = disk.bytes(path) ?? Buffer.alloc(0);
      disk.put(path, Buffer.concat([whole, Buffer.alloc(400_000, i + 65)]));
      const { journal } = open(machine(disk));
      journal.close();
    }
    const size =
      (disk.bytes(`${path}.damaged`)?.length ?? 0) + (disk.bytes(`${path}.damaged.old`)?.length ?? 0);
    expect(size).toBeLessThan(4_500_000);
    expect(disk.names().filter((name) => name.includes("damaged"))).toHaveLength(2);
  });

  test("a foreign file is set aside whole, and f2b begins anew", async () => {
    for (const foreign of ["SQLite format 3\u0000 and so on\n", "x", "\u0000".repeat(4096)]) {
      const disk = testDisk();
      disk.put(directory, "", { kind: "directory", mode: 0o700 });
      disk.put(path, foreign);
      const { damage, journal, keep } = open(machine(disk));
      expect(damage[0]?.what).toContain("no journal of f2b");
      expect(disk.bytes(`${path}.foreign-1`)?.toString()).toBe(foreign);
      expect(await keep(banned("192.0.2.1"))).toBe(true);
      journal.close();
      expect(countLive(open(machine(disk)).state)).toBe(1);
    }
  });

  test("foreign files that come again and again do not pile up", () => {
    const disk = testDisk();
    disk.put(directory, "", { kind: "directory", mode: 0o700 });
    for (let i = 0; i < 15; i++) {
      disk.put(path, `foreign ${i}`);
      open(machine(disk)).journal.close();
    }
    expect(disk.names().filter((name) => name.includes("foreign"))).toHaveLength(9);
  });

  test("one of a newer format is left as it is, and refused by name", async () => {
    const { disk } = await withHistory();
    const newer = `${disk.bytes(path)?.toString()}${encodeRecord(banned("192.0.2.8"), 99)}`;
    disk.put(path, newer);
    expect(refused(machine(disk))).toMatchObject({
      what: expect.stringContaining("format 99"),
      fix: expect.stringContaining("newer"),
    });
    expect(disk.bytes(path)?.toString()).toBe(newer);
    // The lock was given back.
    disk.put(path, "");
    open(machine(disk)).journal.close();
  });

  test("an empty one, and a leftover of a compaction, are no matter", () => {
    const disk = testDisk();
    disk.put(directory, "", { kind: "directory", mode: 0o700 });
    disk.put(path, "");
    disk.put(`${path}.new`, "half");
    const { damage, journal } = open(machine(disk));
    expect(damage).toEqual([]);
    journal.close();
    expect(disk.names()).not.toContain(`${path}.new`);
  });
});

describe("whose files they are", () => {
  const places = [
    ["a directory that others may write to", directory, { kind: "directory", mode: 0o777 }, "chmod go-w"],
    ["a directory of somebody else", directory, { kind: "directory", mode: 0o700, uid: 1000 }, "chown"],
    ["a file where the directory should be", directory, { kind: "file" }, "move it away"],
    ["a journal that is a link", path, { kind: "symlink" }, "move"],
    ["a journal that is a fifo", path, { kind: "fifo" }, "move"],
    ["a journal of somebody else", path, { kind: "file", uid: 1000 }, "chown"],
    ["a journal that others may write to", path, { kind: "file", mode: 0o666 }, "chmod go-w"],
    ["a lock that is a link", `${directory}/lock`, { kind: "symlink" }, "remove"],
  ] as const;
  test.each(places)("%s is refused, with the remedy", (_what, where, as, fix) => {
    const disk = testDisk();
    if (where !== directory) disk.put(directory, "", { kind: "directory", mode: 0o700 });
    disk.put(where, "", as);
    expect(refused(machine(disk))?.fix).toContain(fix);
  });

  test("what is missing is made for us alone", () => {
    const one = machine();
    open(one);
    expect(one.system.files.stat(directory)?.mode).toBe(0o700);
    expect(one.system.files.stat(path)?.mode).toBe(0o600);
  });

  test("a journal that others may read is written anew for us alone", async () => {
    const one = machine();
    const { keep, journal } = open(one);
    await keep(banned("192.0.2.1"));
    journal.close();
    one.disk.put(path, one.disk.bytes(path) ?? "", { mode: 0o644 });
    const two = machine(one.disk);
    open(two);
    await settle(two.clock);
    expect(two.system.files.stat(path)?.mode).toBe(0o600);
  });

  test("no permission is a fault that names the directory, not a degraded start", () => {
    const one = machine();
    one.disk.fail("mkdir", "EACCES");
    expect(refused(one)).toMatchObject({
      what: expect.stringContaining(directory),
      fix: expect.stringContaining("root"),
    });
  });
});

describe("the clock at the start", () => {
  async function written(at: number): Promise<TestDisk> {
    const one = machine(undefined, at);
    const { keep, journal } = open(one);
    await keep(banned("192.0.2.1", { since: at, until: at + 600_000 }));
    journal.close();
    return one.disk;
  }

  test("in 1970: no ban is eternal, each keeps the time it had left", async () => {
    const disk = await written(start);
    const wrong = machine(disk, 30_000);
    const { state, damage, journal, keep } = open(wrong);
    expect(nextDue(state)).toBe(630_000);
    expect(damage[0]?.what).toContain("1970");
    // When a time server has set it right, the daemon says so, and the bans come along.
    await keep({ t: "shift", delta: start + 60_000 - 30_000, at: start + 60_000 });
    expect(nextDue(state)).toBe(start + 660_000);
    journal.close();
    expect(dump(open(machine(disk, start + 60_000)).state)).toBe(dump(state));
  });

  test("right again after a run in 1970: no mass unban", async () => {
    const disk = await written(40_000);
    const { state } = open(machine(disk, start));
    expect(nextDue(state)).toBe(start + 600_000);
  });

  test("a little back is a time server at work", async () => {
    const disk = await written(start);
    const { state, damage } = open(machine(disk, start - 5_000));
    expect(nextDue(state)).toBe(start + 600_000);
    expect(damage).toEqual([]);
  });
});

describe("for people", () => {
  test("a check tells what is in it, without touching it", async () => {
    const one = machine();
    const { keep, journal } = open(one, { version: "1.2.3" });
    await keep(banned("192.0.2.1"), banned("192.0.2.2"), unbanned("192.0.2.2", start + 1));
    journal.close();
    const whole = one.disk.bytes(path)?.toString() ?? "";
    const hurt = `${whole.replace('"192.0.2.2","since"', '"192.0.2.7","since"')}{"v":1,`;
    one.disk.put(path, hurt);
    const report = checkJournal(one.system, directory);
    if (!report.ok) throw new Error("no report");
    expect(report.value).toMatchObject({ bans: [["sshd", 1]], begun: { by: "1.2.3" }, owner: undefined });
    expect(report.value.damaged.map(({ torn }) => torn)).toEqual([false, true]);
    expect(describeJournal(report.value).join("\n")).toContain("half written at its end");
    expect(one.disk.bytes(path)?.toString()).toBe(hurt);
    expect(checkJournal(one.system, "/nowhere")).toMatchObject({ ok: false });
  });
});
