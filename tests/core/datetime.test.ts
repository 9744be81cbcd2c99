// Times as logs write them: the known formats, what is missing in them, zones and their changes, patterns of one's own.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encodeText } from "../../src/core/bytes.ts";
import {
  compileTimePattern,
  createZone,
  resolveStamp,
  stampAt,
  utc,
  valueTime,
  withoutZone,
  type Zone,
} from "../../src/core/datetime.ts";
import { LineTime } from "../../src/core/linetime.ts";
import { newHead, parseSyslog } from "../../src/core/logformat.ts";
import { Page } from "../../src/core/page.ts";

const zurich = createZone("Europe/Zurich")!;
const now = Date.parse("2026-03-02T12:00:00Z");

function read(text: string, at = now, zone: Zone = utc): string | undefined {
  const stamp = stampAt(text, 0);
  const time = stamp === undefined ? undefined : resolveStamp(stamp, at, zone);
  return time === undefined ? undefined : new Date(time).toISOString();
}

describe("known formats", () => {
  test.each([
    ["Mar  2 10:15:09 web1", "2026-03-02T10:15:09.000Z"],
    ["Mar 2 10:15:09 web1", "2026-03-02T10:15:09.000Z"],
    ["Mon Mar  2 10:15:09 2026", "2026-03-02T10:15:09.000Z"],
    ["Mar  2 2026 10:15:09 web1", "2026-03-02T10:15:09.000Z"],
    ["2026-03-02T10:15:09.123456+01:00 web1", "2026-03-02T09:15:09.123Z"],
    ["2026-03-02 10:15:09,5 INFO", "2026-03-02T10:15:09.500Z"],
    ["2026/03/02 10:15:09 [error]", "2026-03-02T10:15:09.000Z"],
    ["02/Mar/2026:10:15:09 -0500]", "2026-03-02T15:15:09.000Z"],
    ["02-Mar-2026 10:15:09.250 x", "2026-03-02T10:15:09.250Z"],
    ["260302 10:15:09 x", "2026-03-02T10:15:09.000Z"],
    ["20260302-10:15:09] x", "2026-03-02T10:15:09.000Z"],
    ["1772446509 x", "2026-03-02T10:15:09.000Z"],
    ["1772446509.250 x", "2026-03-02T10:15:09.250Z"],
    ["1772446509250 x", "2026-03-02T10:15:09.250Z"],
    ["2026-03-02 10:15:09 CET x", "2026-03-02T09:15:09.000Z"],
    ["10:15:09 x", "2026-03-02T10:15:09.000Z"],
    ["23:15:09 x", "2026-03-01T23:15:09.000Z"],
  ])("%s", (text, iso) => {
    expect(read(text)).toBe(iso);
  });

  test.each([
    ["juil. 28 16:42:17 web1", "2025-07-28T16:42:17.000Z"],
    ["juin 28 16:42:17 web1", "2025-06-28T16:42:17.000Z"],
    ["févr. 02, 2026 10:15:09 AM x", "2026-02-02T10:15:09.000Z"],
    ["août 28 16:42:17 web1", "2025-08-28T16:42:17.000Z"],
    ["Mär 02 10:15:09 web1", "2026-03-02T10:15:09.000Z"],
    ["Okt 28 16:42:17 web1", "2025-10-28T16:42:17.000Z"],
    ["ápr 06 16:56:30 web1", "2025-04-06T16:56:30.000Z"],
    ["paź 06 16:56:30 web1", "2025-10-06T16:56:30.000Z"],
    ["мая 06 16:56:30 web1", "2025-05-06T16:56:30.000Z"],
    ["mié ene 14 10:15:09 2026", "2026-01-14T10:15:09.000Z"],
    ["02/Mai/2025:10:15:09 +0200]", "2025-05-02T08:15:09.000Z"],
  ])("in the machine's language: %s", (text, iso) => {
    expect(read(encodeText(text))).toBe(iso);
  });

  test("in the machine's language and Latin-1", () =>
    expect(read("d\xe9c. 28 16:42:17 web1")).toBe("2025-12-28T16:42:17.000Z"));

  test.each(["not a time", "2026-13-02 10:15:09", "Foo  2 10:15:09", "99999", ""])("%p is none", (text) => {
    expect(read(text)).toBeUndefined();
  });
});

describe("what a time leaves out", () => {
  test("a date without year is the last one, around New Year too", () => {
    expect(read("Dec 31 23:59:59 x", Date.parse("2026-01-01T00:00:05Z"))).toBe("2025-12-31T23:59:59.000Z");
    expect(read("Jan  1 00:00:01 x", Date.parse("2025-12-31T23:59:58Z"))).toBe("2026-01-01T00:00:01.000Z");
  });

  test("29 February belongs to the last leap year", () => {
    expect(read("Feb 29 10:00:00 x", Date.parse("2026-03-02T00:00:00Z"))).toBe("2024-02-29T10:00:00.000Z");
  });

  test("a clock some hours ahead is not taken for last year's", () => {
    expect(read("Mar  2 20:00:00 x")).toBe("2026-03-02T20:00:00.000Z");
    expect(read("Mar  5 20:00:00 x")).toBe("2025-03-05T20:00:00.000Z");
  });

  test("local time follows the zone through both changes of the clocks", () => {
    expect(read("2026-03-29 01:59:59", now, zurich)).toBe("2026-03-29T00:59:59.000Z");
    expect(read("2026-03-29 03:00:00", now, zurich)).toBe("2026-03-29T01:00:00.000Z");
    expect(read("2026-10-25 04:00:00", now, zurich)).toBe("2026-10-25T03:00:00.000Z");
  });

  test("a zone gives back what it was given", () => {
    for (const name of [
      "Europe/Zurich",
      "America/St_Johns",
      "Asia/Kathmandu",
      "Pacific/Chatham",
      "+05:30",
      "UTC",
    ]) {
      const zone = createZone(name)!;
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 4e12 }), (at) => {
          // Twice in a year an hour stands for two instants; either is right.
          const again = zone.toUtc(at + zone.offset(at));
          expect(Math.abs(again - at) % 3_600_000 === 0 || Math.abs(again - at) === 1_800_000).toBe(true);
          expect(again + zone.offset(again)).toBe(at + zone.offset(at));
        }),
      );
    }
    expect(createZone("Mars/Olympus")).toBeUndefined();
  });
});

describe("a datepattern", () => {
  const pattern = (source: string) => {
    const compiled = compileTimePattern(source);
    if (!compiled.ok) throw new Error(compiled.faults[0]?.why);
    return compiled.value;
  };

  test("finds its time where it stands", () => {
    const stamp = pattern("%Y:%m:%d-%H:%M:%S").find("x 2026:03:02-10:15:09: y", 0, 24)!;
    expect([stamp.start, stamp.end]).toEqual([2, 21]);
    expect(resolveStamp(stamp, now, utc)).toBe(Date.parse("2026-03-02T10:15:09Z"));
  });

  test("knows keywords, fail2ban's forms and groups", () => {
    expect(pattern("^{EPOCH}").find("x 1772446509", 0, 12)).toBeUndefined();
    expect(resolveStamp(pattern("audit\\(EPOCH").find("msg=audit(1772446509.250:1)", 0, 27)!, now, utc)).toBe(
      1772446509250,
    );
    expect(
      resolveStamp(
        pattern("%ExY(?P<s>[-/])%m(?P=s)%d %I:%M:%S %p").find("2026-03-02 02:15:09 PM", 0, 30)!,
        now,
        utc,
      ),
    ).toBe(Date.parse("2026-03-02T14:15:09Z"));
  });

  test("says what it does not understand", () => {
    expect(compileTimePattern("%Q").ok).toBe(false);
    expect(compileTimePattern("(%Y").ok).toBe(false);
  });
});

test("a JSON value is a time in seconds, milliseconds, microseconds or as text", () => {
  for (const value of [1772446509, 1772446509000, 1772446509000000, "2026-03-02T10:15:09Z", "1772446509"]) {
    expect(valueTime(value, now, utc)).toBe(1772446509000);
  }
  expect(valueTime({}, now, utc)).toBeUndefined();
});

test("the shortcuts for lines of the same second and hour change nothing", () => {
  const times = new LineTime(zurich, [], false);
  const head = newHead();
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -40 * 86_400, max: 0 }), { maxLength: 30 }),
      fc.boolean(),
      (offsets, near) => {
        times.begin({ page: Page.of(""), ends: undefined, times: undefined }, now);
        for (const offset of offsets) {
          const at = new Date(now + (near ? offset % 7000 : offset) * 1000);
          const stamp = `${at.toUTCString().slice(8, 11)} ${String(at.getUTCDate()).padStart(2)} ${at.toISOString().slice(11, 19)}`;
          const line = `${stamp} web1 sshd[1]: x`;
          expect(parseSyslog(line, 0, line.length, head)).toBe(true);
          const slow = resolveStamp(stampAt(line, 0)!, now, zurich);
          expect(times.of(line, 0, line.length, head, undefined)).toBe(slow);
        }
      },
    ),
  );
});

describe("a zone that a pattern states", () => {
  const told = (source: string, text: string, zone = zurich): string | undefined => {
    const pattern = compileTimePattern(source);
    if (!pattern.ok) return pattern.faults[0]?.why;
    const stamp = pattern.value.find(text, 0, text.length);
    const time = stamp === undefined ? undefined : resolveStamp(stamp, now, zone);
    return time === undefined ? undefined : new Date(time).toISOString();
  };

  test("is that of its times, whatever the machine's is", () => {
    expect(told("^%Y-%m-%d %H:%M:%S{UTC}", "2026-03-02 10:15:09 x")).toBe("2026-03-02T10:15:09.000Z");
    expect(told("^%Y-%m-%d %H:%M:%S", "2026-03-02 10:15:09 x")).toBe("2026-03-02T09:15:09.000Z");
    expect(told("%d.%m %H:%M:%S{America/New_York}", "x 02.03 05:15:09")).toBe("2026-03-02T10:15:09.000Z");
    expect(told("%H:%M:%S{+05:30}", "15:45:09", utc)).toBe("2026-03-02T10:15:09.000Z");
  });

  test("stands back where the time names one itself", () => {
    expect(told("%Y-%m-%d %H:%M:%S(?: %z)?{UTC}", "2026-03-02 10:15:09 +0300")).toBe(
      "2026-03-02T07:15:09.000Z",
    );
    expect(told("EPOCH{+02:00}", "1772446509 x")).toBe("2026-03-02T10:15:09.000Z");
  });

  test("is refused when there is no such zone; a count and a word of the language are none", () => {
    expect(told("%H:%M:%S{Europe/Atlantis}", "10:15:09")).toBe('there is no time zone "Europe/Atlantis"');
    expect(told("%H:%M:%S[.]\\d{3}", "10:15:09.250")).toBe("2026-03-02T09:15:09.000Z");
    expect(told("{EPOCH}", "1772446509")).toBe("2026-03-02T10:15:09.000Z");
    expect(told("{HEXEPOCH}", "69a5632d x")).toBe("2026-03-02T10:15:09.000Z");
  });

  test("can be taken out", () =>
    expect(["%H:%M{UTC}", "\\d{3}", "{EPOCH}", "{NONE}"].map(withoutZone)).toEqual([
      "%H:%M",
      "\\d{3}",
      "{EPOCH}",
      "{NONE}",
    ]));
});

test.each([
  ["69a5632d conn=1", "2026-03-02T10:15:09.000Z"],
  ["69a5632d.0d6f8a9c 0x7f1c2b7fe640 conn=1", "2026-03-02T10:15:09.225Z"],
  ["69a5632d.37051 0x7f1c2b7fe640 conn=1", "2026-03-02T10:15:09.225Z"],
  ["69a5632da conn=1", undefined],
  ["69a5632d.0d6f8a9c1 conn=1", undefined],
])("slapd's hexadecimal seconds: %s", (text, iso) => {
  const pattern = compileTimePattern("^HEXEPOCH");
  const stamp = pattern.ok ? pattern.value.find(text, 0, text.length) : undefined;
  expect(stamp?.epoch === undefined ? undefined : new Date(stamp.epoch).toISOString()).toBe(iso);
});
