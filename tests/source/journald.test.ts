// Against a real journald: what is logged comes out once, whatever happens to journalctl.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { JournaldEntry, Position } from "../../src/core/domain.ts";
import type { SourceNotice } from "../../src/source/index.ts";
import { createJournaldSource } from "../../src/source/journald.ts";
import { decodeEntry } from "../../src/source/journalentry.ts";
import { badMatches, matchArguments, matchesJournal } from "../../src/source/journalmatch.ts";
import { type Datagram, openDatagram } from "../../src/system/datagram.ts";
import type { Child } from "../../src/system/index.ts";
import { type Journald, noJournald, startJournald } from "../support/journald.ts";
import { eventually } from "../support/time.ts";
import { faults, numbers, system } from "./reading.ts";

type JournaldPosition = Extract<Position, { kind: "journald" }>;

if (noJournald !== undefined) console.log(`skipped, ${noJournald}: tests with a real journald`);
const real = describe.skipIf(noJournald !== undefined && !process.env.CI);

interface Reading {
  readonly entries: JournaldEntry[];
  readonly live: boolean[];
  readonly notices: SourceNotice[];
  position: JournaldPosition | undefined;
  error: string | undefined;
  child: Child | undefined;
  stop(): Promise<void>;
}

function read(
  namespace: string,
  matches: readonly string[],
  position?: JournaldPosition,
  backlogMs?: number,
): Reading {
  const reading: Reading = {
    entries: [],
    live: [],
    notices: [],
    position,
    error: undefined,
    child: undefined,
    stop: async () => {
      source.close();
      await ended;
    },
  };
  const start: typeof system.programs.start = (command, options) => {
    reading.child = system.programs.start(command, options);
    return reading.child;
  };
  const source = createJournaldSource({
    system: { ...system, programs: { ...system.programs, start } },
    matches,
    ...(position === undefined ? {} : { position }),
    ...(backlogMs === undefined ? {} : { backlogMs }),
    place: { namespace },
    notice: (notice) => reading.notices.push(notice),
  });
  const ended = (async () => {
    try {
      for await (const chunk of source.chunks()) {
        if (chunk.kind !== "journald") continue;
        reading.entries.push(...chunk.entries);
        for (const _ of chunk.entries) reading.live.push(chunk.live);
        if (chunk.after.kind === "journald") reading.position = chunk.after;
      }
    } catch (error) {
      reading.error = (error as Error).message;
    }
  })();
  return reading;
}

real("a real journald", () => {
  let journald: Journald;
  let socket: Datagram;
  /** False while journald's queue is full. */
  const offer = (message: string, identifier = "f2btest") =>
    socket.send(`SYSLOG_IDENTIFIER=${identifier}\nMESSAGE=${message}\n`);
  const send = (message: string, identifier?: string) => expect(offer(message, identifier)).toBe(true);
  const mine = ["SYSLOG_IDENTIFIER=f2btest _UID=0"];

  beforeAll(async () => {
    journald = await startJournald();
    const opened = openDatagram(journald.socket);
    if (opened === undefined) throw new Error("libc cannot be called");
    socket = opened;
  });
  afterAll(async () => {
    socket?.close();
    await journald?.stop();
  });

  test("gives backlog, then what is logged while following, decoded and with the fields to trust", async () => {
    send("line 0");
    await Bun.sleep(1_100);
    const reading = read(journald.namespace, mine, undefined, 60_000);
    await eventually("the backlog", () => reading.entries.length === 1);
    send("line 1");
    send("of nobody's interest", "other");
    // A message with a line feed and a byte that is no UTF-8, in the protocol's form for such.
    const bytes = Buffer.from("line 2 \xff\nsecond", "latin1");
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    const parts = ["SYSLOG_IDENTIFIER=f2btest\nMESSAGE\n", length, bytes, "\n"];
    expect(socket.send(Buffer.concat(parts.map((part) => Buffer.from(part))))).toBe(true);
    send(`line 3 ${"x".repeat(5_000)}`);
    send(`line 4 ${"x".repeat(9_000)}`);
    await eventually("all of mine", () => reading.entries.length === 4);
    await eventually("the notice", () => reading.notices.some(({ kind }) => kind === "overlong"));
    await reading.stop();
    expect(reading.entries.map(({ message }) => message.slice(0, 6))).toEqual([
      "line 0",
      "line 1",
      "line 2",
      "line 3",
    ]);
    expect(reading.entries[2]?.message).toBe("line 2 \ufffd\nsecond");
    expect(reading.entries[3]?.message.length).toBe(5_007);
    expect(reading.entries[1]).toMatchObject({ identifier: "f2btest", pid: String(process.pid) });
    expect(reading.entries[1]?.trusted._UID).toBe("0");
    expect(reading.entries[1]?.trusted.SYSLOG_IDENTIFIER).toBeUndefined();
    expect(Math.abs((reading.entries[1]?.at ?? 0) - Date.now())).toBeLessThan(10_000);
    expect(reading.live).toEqual([false, true, true, true]);
  }, 15_000);

  test("gives every entry once although journalctl is killed again and again under load", async () => {
    let position: JournaldPosition | undefined;
    const first = read(journald.namespace, mine);
    await eventually("the start", async () => {
      send("start 0");
      await Bun.sleep(50);
      return first.entries.length > 0;
    });
    await Bun.sleep(200);
    position = first.position;
    await first.stop();

    const total = 1_000;
    const all: number[] = [];
    let sent = 0;
    const sender = setInterval(() => {
      for (let i = 0; i < 10 && sent < total && offer(`line ${sent}`); i++) sent++;
    }, 10);
    while (all.length < total) {
      const reading = read(journald.namespace, mine, position);
      const before = all.length;
      await eventually("an entry", () => reading.entries.length > 0 || reading.error !== undefined, 10_000);
      if (sent < total) await Bun.sleep(Math.random() * 100);
      else
        await eventually("the rest", () => before + reading.entries.length >= total, 5_000).catch(
          () => undefined,
        );
      reading.child?.kill("SIGKILL");
      await eventually("its end", () => reading.error !== undefined);
      const lines = reading.entries.map(({ message }) => message).filter((text) => text.startsWith("line"));
      all.push(...numbers(lines));
      position = reading.position;
      if (sent >= total && reading.entries.length === 0) break;
    }
    clearInterval(sender);
    expect(faults(all, total)).toEqual({ missing: [], twice: [] });
  }, 60_000);

  test("goes on by time when the journal the cursor means is gone", async () => {
    const at = Date.now();
    await Bun.sleep(20);
    send("line after");
    await Bun.sleep(100);
    const reading = read(journald.namespace, mine, { kind: "journald", cursor: "s=nonsense", at });
    await eventually("the entry", () => reading.entries.length > 0);
    await reading.stop();
    expect(reading.entries.map(({ message }) => message)).toEqual(["line after"]);
    expect(reading.notices.map(({ kind }) => kind)).toEqual(["restarted"]);
  });

  test("throws when journalctl dies", async () => {
    const reading = read(journald.namespace, mine);
    await Bun.sleep(200);
    reading.child?.kill("SIGKILL");
    await eventually("the error", () => reading.error !== undefined);
    expect(reading.error).toContain("journalctl ended with");
  });

  // journald itself tells its readers of new entries only every quarter of a second; most of the time measured here is that.
  test("delivers within a second of the logging", async () => {
    const reading = read(journald.namespace, mine);
    await eventually("a first entry", async () => {
      send("warm up");
      await Bun.sleep(50);
      return reading.entries.length > 0;
    });
    await Bun.sleep(1_000);
    reading.entries.length = 0;
    const took: number[] = [];
    for (let i = 0; i < 9; i++) {
      const at = performance.now();
      send(`line ${i}`);
      await eventually("the entry", () => reading.entries.length > i);
      took.push(performance.now() - at);
      await Bun.sleep(10);
    }
    await reading.stop();
    took.sort((a, b) => a - b);
    console.log(
      `logged → delivered by journald: median ${took[4]?.toFixed(0)} ms, worst ${took[8]?.toFixed(0)} ms`,
    );
    expect(took[4]).toBeLessThan(1_000);
  }, 20_000);
});

describe("an entry", () => {
  const base = { __CURSOR: "s=1", __REALTIME_TIMESTAMP: "1795247255837097", MESSAGE: "hello", _UID: "0" };
  const decode = (fields: Record<string, unknown>) => decodeEntry(JSON.stringify({ ...base, ...fields }));

  test("may hold bytes, several values, or nothing where text is expected", () => {
    expect(decode({})?.entry).toMatchObject({ message: "hello", at: 1795247255837, trusted: { _UID: "0" } });
    expect(decode({ MESSAGE: [104, 105, 255] })?.entry.message).toBe("hi\ufffd");
    expect(decode({ MESSAGE: ["one", "two"] })?.entry.message).toBe("one");
    expect(decode({ MESSAGE: [[104, 105], "two"] })?.entry.message).toBe("hi");
    expect(decode({ MESSAGE: null })?.entry.message).toBe("");
    expect(decode({ MESSAGE: { toString: 1 } })?.entry.message).toBe("");
  });
  test("that says a trusted field twice vouches for neither", () => {
    expect(decode({ _SYSTEMD_UNIT: ["ssh.service", "evil.service"] })?.entry.trusted).toEqual({ _UID: "0" });
  });
  test("without cursor or time, or that is no object, is none", () => {
    for (const line of ["", "{", "[]", "null", "1", '{"MESSAGE":"x"}'])
      expect(decodeEntry(line)).toBeUndefined();
    expect(decode({ __REALTIME_TIMESTAMP: "soon" })).toBeUndefined();
  });
  test("named like a property of every object is text like any other", () => {
    expect(decode({ __proto__: "x", _constructor: "y" })?.entry.trusted).toEqual({
      _UID: "0",
      _constructor: "y",
    });
  });
  test("by which journald says what it dropped is known by its id and its sender", () => {
    const told = { MESSAGE_ID: "a596d6fe7bfa4994828e72309e95d61e", N_DROPPED: "7" };
    expect(decode({ ...told, _TRANSPORT: "driver" })?.suppressed).toBe(7);
    expect(decode({ ...told, _TRANSPORT: "journal" })?.suppressed).toBeUndefined();
  });
});

describe("journalmatch", () => {
  const entry = (trusted: Record<string, string>, identifier = "") => ({ trusted, identifier });
  test("ANDs words, ORs strings, plus signs and values of one field", () => {
    const ssh = entry({ _SYSTEMD_UNIT: "ssh.service", _UID: "0" });
    expect(matchesJournal(ssh, ["_SYSTEMD_UNIT=ssh.service _UID=0"])).toBe(true);
    expect(matchesJournal(ssh, ["_SYSTEMD_UNIT=ssh.service _UID=1"])).toBe(false);
    expect(matchesJournal(ssh, ["_SYSTEMD_UNIT=sshd.service", "_SYSTEMD_UNIT=ssh.service"])).toBe(true);
    expect(matchesJournal(ssh, ["_UID=7 + _UID=0"])).toBe(true);
    expect(matchesJournal(ssh, ["_UID=7 _UID=0 _SYSTEMD_UNIT=ssh.service"])).toBe(true);
    expect(matchesJournal(ssh, [])).toBe(true);
  });
  test("believes no field a client may set but its identifier", () => {
    expect(matchesJournal(entry({}, "sshd"), ["SYSLOG_IDENTIFIER=sshd"])).toBe(true);
    expect(matchesJournal(entry({ PRIORITY: "5" }), ["PRIORITY=5"])).toBe(false);
  });
  test("is quoted as in a shell", () => {
    expect(matchesJournal(entry({ _COMM: "a b" }), ["'_COMM=a b'"])).toBe(true);
    expect(matchesJournal(entry({ _COMM: "a b" }), ['_COMM="a b"'])).toBe(true);
  });
  test("becomes arguments without saying anything twice", () => {
    expect(matchArguments(["A=1 B=2", "C=3", "A=1 B=2"])).toEqual(["A=1", "B=2", "+", "C=3"]);
    expect(badMatches(["_UID=0 ssh.service", "--vacuum-time=1"])).toEqual(["ssh.service", "--vacuum-time=1"]);
  });
});
