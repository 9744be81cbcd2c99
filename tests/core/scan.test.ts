// Lines and entries against filters: heads of all kinds, wrappers, line ends, sessions, records of several lines, JSON, proxies, time;
// and that the ways through a chunk that are only there for speed find the same.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parsePrefix, prefixContains } from "../../src/core/address.ts";
import type { Filter, JournaldEntry, Target } from "../../src/core/domain.ts";
import { compileFilter } from "../../src/core/filter.ts";
import { renderedEntry } from "../../src/core/sample.ts";
import { createScanner, type Member, type ScannerOptions } from "../../src/core/scan.ts";

const now = Date.parse("2026-03-02T12:00:00Z");
const live = { now, live: true };
const backlog = { now, live: false };

function filterOf(changes: Partial<Filter>): Filter {
  return {
    name: "test",
    format: "syslog",
    program: undefined,
    prefregex: [],
    failregex: ["^bad login(?: of <F-USER>.*</F-USER>)? from <HOST>$"],
    ignoreregex: [],
    datepattern: [],
    maxlines: 1,
    session: undefined,
    json: undefined,
    logencoding: "utf-8",
    forgeable: undefined,
    spoofable: undefined,
    own: false,
    ...changes,
  };
}

function memberOf(changes: Partial<Filter>, more: Partial<Member> = {}): Member {
  const compiled = compileFilter(filterOf(changes));
  if (!compiled.ok) throw new Error(compiled.faults.map((fault) => fault.what).join("; "));
  return { jail: "test", filter: compiled.value, ...more };
}

const scannerOf = (changes: Partial<Filter>, more: Partial<Member> = {}, options: ScannerOptions = {}) =>
  createScanner([memberOf(changes, more)], options);

/** "address user" of each failure. */
const said = (found: ReturnType<ReturnType<typeof scannerOf>["file"]>): string[] =>
  found.map(({ failure }) =>
    [failure.name ?? failure.target.text, failure.user].filter((x) => x !== undefined).join(" "),
  );

const message = "bad login of ann from 203.0.113.5";

describe("the head of a line", () => {
  test.each([
    ["RFC 3164", "Mar  2 10:15:09 web1 app[7]: "],
    ["without a process id", "Mar  2 10:15:09 web1 app: "],
    ["without a host", "Mar  2 10:15:09 app[7]: "],
    ["a blank before the process id", "Mar  2 10:15:09 app [7]: "],
    ["in brackets", "Mar  2 10:15:09 [app]: "],
    ["with a year", "Mar  2 2026 10:15:09 web1 app[7]: "],
    ["a priority", "<38>Mar  2 10:15:09 web1 app[7]: "],
    ["ISO 8601", "2026-03-02T10:15:09.123456+01:00 web1 app[7]: "],
    ["ISO 8601 with a blank", "2026-03-02 10:15:09 web1 app[7]: "],
    ["RFC 5424", "<38>1 2026-03-02T10:15:09Z web1 app 7 - - "],
    ["RFC 5424 with data", '<38>1 2026-03-02T10:15:09Z web1 app 7 ID1 [a@1 b="]\\"" c="x"][d] '],
    ["BSD verbose", "Mar  2 10:15:09 <auth.info> web1 app[7]: "],
    ["the host twice", "Mar  2 10:15:09 web1 web1 app[7]: "],
    ["Solaris' message id", "Mar  2 10:15:09 web1 app[7]: [ID 800047 auth.info] "],
    ["the kernel's clock", "Mar  2 10:15:09 web1 app[7]: kernel: [  970.699396] "],
    ["a vserver", "Mar  2 10:15:09 web1 @guest app[7]: "],
  ])("%s", (_, head) => {
    const scanner = scannerOf({ program: "app" });
    expect(said(scanner.file(`${head}${message}\n`, live))).toEqual(["203.0.113.5 ann"]);
  });

  test("another program's line is not ours, however it is called", () => {
    const scanner = scannerOf({ program: "app" });
    for (const program of ["app2[7]", "xapp[7]", "APP[7]", "other[7]"]) {
      expect(scanner.file(`Mar  2 10:15:09 web1 ${program}: ${message}\n`, live)).toEqual([]);
    }
  });

  test("a service's own time with weekday and year is no syslog daemon's head", () => {
    const scanner = scannerOf({
      program: "app",
      format: "syslog|timestamp",
      failregex: ["^TLS Error: bad login from <ADDR>$"],
    });
    const line = "Mon Mar  2 10:15:09 2026 TLS Error: bad login from 203.0.113.5\n";
    expect(said(scanner.file(line, live))).toEqual(["203.0.113.5"]);
  });

  test("other formats take syslog's head off where the program matches", () => {
    for (const format of ["timestamp", "nginx-error", "bare", "clf"]) {
      const scanner = scannerOf({ program: "app", format });
      expect(said(scanner.file(`Mar  2 10:15:09 web1 app[7]: ${message}\n`, live))).toEqual([
        "203.0.113.5 ann",
      ]);
    }
  });

  test("a time in front is taken off with its brackets", () => {
    const scanner = scannerOf({ format: "timestamp" });
    for (const head of [
      "2026-03-02 10:15:09 ",
      "[2026-03-02 10:15:09,123] ",
      "[02/Mar/2026 10:15:09]: ",
      "1772446509.1: ",
    ]) {
      expect(said(scanner.file(`${head}${message}\n`, live))).toEqual(["203.0.113.5 ann"]);
    }
    expect(scanner.file(`${message}\n`, live)).toEqual([]);
  });

  test("any bytes at all are read without an error, and a failure among them is found", () => {
    const scanner = scannerOf({ program: "app" });
    fc.assert(
      fc.property(
        fc.array(
          fc.string({
            unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
            maxLength: 60,
          }),
        ),
        (lines) => {
          const noise = lines.map((line) => `${line.replaceAll("\n", " ")}\n`).join("");
          const found = scanner.file(`${noise}Mar  2 10:15:09 web1 app[7]: ${message}\n${noise}`, live);
          expect(said(found)).toEqual(["203.0.113.5 ann"]);
        },
      ),
    );
  });
});

describe("line ends and wrappers", () => {
  const line = `Mar  2 10:15:09 web1 app[7]: ${message}`;

  test("CR LF is a line end, and offsets are those of the chunk", () => {
    const found = scannerOf({}).file(`x\r\n${line}\r\ny\r\n`, live);
    expect(said(found)).toEqual(["203.0.113.5 ann"]);
    expect(found[0]?.end).toBe(3 + line.length + 2);
  });

  test("docker's json-file is opened; a record cut in two is joined", () => {
    const wrap = (text: string): string =>
      `${JSON.stringify({ log: text, stream: "stdout", time: "2026-03-02T09:00:00.5Z" })}\n`;
    const first = wrap(line.slice(0, 20));
    const scanner = scannerOf({});
    const found = scanner.file(first + wrap(`${line.slice(20)}\n`) + wrap("x\n"), backlog);
    expect(said(found)).toEqual(["203.0.113.5 ann"]);
    expect(found[0]?.end).toBe(first.length + wrap(`${line.slice(20)}\n`).length);
    expect(found[0]?.failure.at).toBe(Date.parse("2026-03-02T09:00:00.5Z"));
  });

  test("a line feed inside docker's record begins no new one", () => {
    const text = `${JSON.stringify({ log: `x\n${line}\n`, stream: "stdout", time: "2026-03-02T09:00:00Z" })}\n`;
    expect(scannerOf({}).file(text, live)).toEqual([]);
  });

  test("Kubernetes' CRI is opened", () => {
    const text = `2026-03-02T09:00:00.123456789Z stderr P ${line.slice(0, 9)}\n2026-03-02T09:00:00.2Z stderr F ${line.slice(9)}\n`;
    expect(said(scannerOf({}).file(text, live))).toEqual(["203.0.113.5 ann"]);
  });

  test("a line ends where its line feed stands, however far that is", () => {
    const scanner = createScanner([memberOf({ program: "sshd" })]);
    const head = "Mar  2 10:15:09 web1 sshd[812]: ";
    const failing = `${head}bad login from 192.0.2.7\n`;
    let text = failing;
    const ends = [text.length];
    for (let length = 0; length < 300; length++) {
      text += `${head}${"\x8a\x0b".repeat(150).slice(0, length)}\n${failing}`;
      ends.push(text.length);
    }
    // Twice: the second time all heads are known.
    for (let turn = 0; turn < 2; turn++) expect(scanner.file(text, live).map((one) => one.end)).toEqual(ends);
    expect(scanner.totals.lines).toBe(2 * 601);
  });

  test("a line beyond the cap is counted and not matched", () => {
    const scanner = scannerOf({}, {}, { linecap: 100 });
    expect(
      scanner.file(`Mar  2 10:15:09 web1 app[7]: bad login of ${"x".repeat(100)} from 203.0.113.5\n`, live),
    ).toEqual([]);
    expect(scanner.totals.overlong).toBe(1);
  });

  test("a user's name is UTF-8 where it is, and bytes where it is not", () => {
    const bytes = (text: string): string => Buffer.from(text).toString("latin1");
    expect(said(scannerOf({}).file(bytes(`${line.replace("ann", "zoë")}\n`), live))).toEqual([
      "203.0.113.5 zoë",
    ]);
    expect(said(scannerOf({}).file(`${line.replace("ann", "zo\xeb")}\n`, live))).toEqual([
      "203.0.113.5 zo\xeb",
    ]);
  });
});

describe("journald", () => {
  const entry = (text: string): JournaldEntry => ({
    ...renderedEntry("web1 app[7]: x", now - 1000),
    message: text,
  });

  test("an entry is one record, whatever it holds", () => {
    expect(said(scannerOf({ program: "app" }).journald([entry(message)], live))).toEqual(["203.0.113.5 ann"]);
    expect(scannerOf({ program: "app" }).journald([entry(`x\n${message}`)], live)).toEqual([]);
    expect(scannerOf({ program: "app" }).journald([entry(`${message}\nx`)], live)).toEqual([]);
  });

  test("its own time counts in the backlog", () => {
    expect(scannerOf({}).journald([entry(message)], backlog)[0]?.failure.at).toBe(now - 1000);
  });
});

describe("when a failure counts", () => {
  const line = (stamp: string): string => `${stamp} web1 app[7]: ${message}\n`;

  test("arrival while following, whatever the line says", () => {
    expect(scannerOf({}).file(line("Mar  2 03:00:00"), live)[0]?.failure.at).toBe(now);
  });

  test("the log's own time in the backlog, never later than now, and not at all beyond findtime", () => {
    const scanner = scannerOf({}, { findtime: 600 });
    const found = scanner.file(
      line("Mar  2 11:55:00") + line("Mar  2 11:49:00") + line("Mar  2 12:10:00"),
      backlog,
    );
    expect(found.map(({ failure }) => failure.at)).toEqual([Date.parse("2026-03-02T11:55:00Z"), now]);
    expect(scanner.counters[0]?.stale).toBe(1);
  });
});

describe("sessions", () => {
  const session = {
    program: "app",
    session: { key: "pid", expire: 600 },
    failregex: [
      "^refused <F-USER>\\w+</F-USER>$",
      "^<F-NOFAIL>slip</F-NOFAIL> of <F-USER>\\w+</F-USER> from <ADDR>$",
      "^<F-NOFAIL><F-MLFGAINED>welcome</F-MLFGAINED></F-NOFAIL> <F-USER>\\w+</F-USER> from <ADDR>$",
      "^<F-NOFAIL><F-MLFFORGET>closed by</F-MLFFORGET></F-NOFAIL> <ADDR>$",
      "^<F-NOFAIL><F-MLFBEGIN>hello</F-MLFBEGIN></F-NOFAIL> from <ADDR>$",
    ],
  };
  const told = (...lines: readonly [number, string][]) =>
    scannerOf(session)
      .file(lines.map(([pid, text]) => `Mar  2 10:15:09 web1 app[${pid}]: ${text}\n`).join(""), live)
      .map(({ failure }) => [failure.target.text, failure.user, failure.attempts]);

  test("a failure without an address waits for the line that has one", () => {
    expect(told([1, "refused ann"], [2, "closed by 203.0.113.9"], [1, "closed by 203.0.113.5"])).toEqual([
      ["203.0.113.5", "ann", 1],
    ]);
  });

  test("a helper alone is nothing; with a second user it is what it stands for", () => {
    expect(
      told(
        [1, "slip of ann from 203.0.113.5"],
        [1, "slip of ann from 203.0.113.5"],
        [1, "closed by 203.0.113.5"],
      ),
    ).toEqual([]);
    expect(told([1, "slip of ann from 203.0.113.5"], [1, "slip of bob from 203.0.113.5"])).toEqual([
      ["203.0.113.5", "bob", 2],
    ]);
  });

  test("a login clears what was pending", () => {
    expect(
      told([1, "refused ann"], [1, "welcome ann from 203.0.113.5"], [1, "closed by 203.0.113.5"]),
    ).toEqual([]);
  });

  test("the end of a connection ends it: a process id that comes again is another one", () => {
    expect(
      told(
        [1, "slip of ann from 203.0.113.5"],
        [1, "closed by 203.0.113.5"],
        [1, "slip of bob from 203.0.113.6"],
        [1, "closed by 203.0.113.6"],
      ),
    ).toEqual([]);
  });

  test("nor has a connection from elsewhere anything to do with one that never told its end", () => {
    expect(
      told([1, "slip of ann from 203.0.113.5"], [1, "welcome bob from 203.0.113.6"], [1, "refused eve"]),
    ).toEqual([["203.0.113.6", "eve", 1]]);
  });

  test("a line that begins a connection ends what was pending under its process id", () => {
    expect(told([1, "refused ann"], [1, "hello from 203.0.113.6"], [1, "closed by 203.0.113.6"])).toEqual([]);
  });

  test("an end after a failure that was told is no second one, however many users there were", () => {
    expect(
      told(
        [1, "slip of ann from 203.0.113.5"],
        [1, "slip of bob from 203.0.113.5"],
        [1, "closed by 203.0.113.5"],
      ),
    ).toEqual([["203.0.113.5", "bob", 2]]);
  });

  test("a failure of a host name waits for the address, where names are nobody to blame", () => {
    const lines =
      "Mar  2 10:15:09 web1 app[1]: failed eve from host.example.org\nMar  2 10:15:09 web1 app[1]: closed by 203.0.113.5\n";
    const named = {
      ...session,
      failregex: [...session.failregex, "^failed <F-USER>\\w+</F-USER> from <HOST>$"],
    };
    expect(said(scannerOf(named).file(lines, live))).toEqual(["203.0.113.5 eve"]);
    expect(said(scannerOf(named, { names: true }).file(lines, live))).toEqual(["host.example.org eve"]);
  });

  test("running every expression to its end finds the same as skipping ends that cannot matter", () => {
    const text = fc.constantFrom(
      "refused ann",
      "refused bob",
      "slip of ann from 203.0.113.5",
      "slip of bob from 203.0.113.6",
      "welcome ann from 203.0.113.5",
      "closed by 203.0.113.5",
      "hello from 203.0.113.6",
      "other",
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), text), { maxLength: 25 }), (lines) => {
        const log = lines.map(([pid, one]) => `Mar  2 10:15:09 web1 app[${pid}]: ${one}\n`).join("");
        expect(scannerOf(session).file(log, live)).toEqual(
          scannerOf(session, {}, { thorough: true }).file(log, live),
        );
      }),
    );
  });
});

test("records of several lines are matched as one, and their lines are used up", () => {
  const scanner = scannerOf({
    format: "bare",
    maxlines: 2,
    failregex: ["^START of <F-USER>\\w+</F-USER>\\nfailed from <ADDR>$"],
  });
  expect(
    said(
      scanner.file("START of ann\nfailed from 203.0.113.5\nfailed from 203.0.113.6\nSTART of bob\n", live),
    ),
  ).toEqual(["203.0.113.5 ann"]);
  expect(said(scanner.file("failed from 203.0.113.7\n", live))).toEqual(["203.0.113.7 bob"]);
});

describe("JSON", () => {
  const json = {
    format: "json",
    failregex: ["^login failed$"],
    json: [
      {
        address: ["req.ip"],
        user: ["user"],
        message: ["msg"],
        time: ["t"],
        require: { level: ["^warn$"] },
      },
    ],
  };
  const line = (value: object): string => `${JSON.stringify(value)}\n`;
  const record = {
    t: "2026-03-02T10:15:09Z",
    level: "warn",
    msg: "login failed",
    user: "ann",
    req: { ip: "203.0.113.5:4022" },
  };

  test("fields are taken by path", () => {
    const [one] = scannerOf(json).file(line(record), backlog);
    expect([one?.failure.target.text, one?.failure.user, one?.failure.at]).toEqual([
      "203.0.113.5",
      "ann",
      Date.parse(record.t),
    ]);
  });

  test("a time that no standard knows is read by the filter's own pattern", () => {
    const odd = { ...record, t: "March 2, 2026 10:15:09" };
    const [one] = scannerOf({ ...json, datepattern: ["%B %d, %Y %H:%M:%S"] }).file(line(odd), backlog);
    expect(one?.failure.at).toBe(Date.UTC(2026, 2, 2, 10, 15, 9));
  });

  test("what is required must hold, and text in another field is none of it", () => {
    expect(scannerOf(json).file(line({ ...record, level: "info" }), live)).toEqual([]);
    expect(scannerOf(json).file(line({ ...record, msg: "x", user: "login failed" }), live)).toEqual([]);
    expect(scannerOf(json).file('{"level":"warn","msg":"login failed"\n', live)).toEqual([]);
  });

  test("what JSON escapes is what a user is called", () => {
    const rule = { ...json, failregex: ["^login of <F-USER>.*</F-USER> failed$"] };
    const text = line({ ...record, msg: "login of X failed" }).replace(" X ", " \\u0416\\u00eb ");
    expect(said(scannerOf(rule).file(text, live))).toEqual(["203.0.113.5 Жë"]);
  });

  test("a key that stands twice is refused", () => {
    const twice = line(record).replace('"level":"warn"', '"level":"info","level":"warn"');
    expect(scannerOf(json).file(twice, live)).toEqual([]);
  });
});

describe("behind a reverse proxy", () => {
  const proxy = parsePrefix("10.0.0.0/8")!;
  const trusted = (target: Target): boolean =>
    target.kind === "address" && prefixContains(proxy, target.text);
  const forwarded = { format: "bare", failregex: ['^<ADDR> "<F-FORWARDED>[^"]*</F-FORWARDED>" 401$'] };
  const blamed = (line: string) => said(scannerOf(forwarded, { trusted }).file(`${line}\n`, live));

  test("the client is the first from the right that is no trusted proxy", () => {
    expect(blamed('10.0.0.1 "198.51.100.9, 203.0.113.5, 10.0.0.2" 401')).toEqual(["203.0.113.5"]);
  });

  test("a peer that is no trusted proxy is to blame itself, whatever it forwards", () => {
    expect(blamed('203.0.113.5 "198.51.100.9" 401')).toEqual(["203.0.113.5"]);
  });

  test("where the client cannot be known nobody is blamed", () => {
    for (const list of ["", "-", "10.0.0.2", "unknown", "198.51.100.9, x"])
      expect(blamed(`10.0.0.1 "${list}" 401`)).toEqual([]);
  });
});

test("a host's name is told only to those who ask, as a name", () => {
  const line = "Mar  2 10:15:09 web1 app[7]: bad login from host.example.org\n";
  const silent = scannerOf({});
  expect(silent.file(line, live)).toEqual([]);
  expect(silent.counters[0]?.unnamed).toBe(1);
  const [one] = scannerOf({}, { names: true }).file(line, live);
  expect([one?.failure.name, one?.failure.target.kind]).toEqual(["host.example.org", "id"]);
});

test("an engine that gives up is noticed, and the expression put out of use", () => {
  let clock = 0;
  const gone: string[] = [];
  const scanner = scannerOf(
    { own: true, failregex: ["^(a+)+ <ADDR>$"] },
    {},
    {
      // As if each run took 200 ms.
      clock: () => (clock += 200),
      gaveUp: (_, expression) => gone.push(expression.stats.disabled ?? "slow"),
    },
  );
  for (let n = 0; n < 5; n++) scanner.file("Mar  2 10:15:09 web1 app[7]: aaaa x\n", live);
  expect(gone).toEqual(["slow", "slow", expect.stringContaining("three times")]);
});

test("many members on one log find what each would find alone", () => {
  const kinds: Partial<Filter>[] = [
    { program: "app" },
    { program: "other(?:-x)?" },
    { program: "app", format: "timestamp" },
    { format: "timestamp" },
    { format: "bare", failregex: ["^.*bad login from <ADDR>$"] },
    { format: "clf", failregex: ["^<ADDR> - "] },
    { format: "auto" },
    {},
  ];
  const line = fc.tuple(
    fc.constantFrom(
      "Mar  2 10:15:09 web1 app[7]: ",
      "Mar  2 10:15:09 web1 other: ",
      "2026-03-02 10:15:09 ",
      "2026-03-02T10:15:09.1+01:00 web1 app: ",
      "",
      "203.0.113.7 - ",
      "Mar  2 10:15:09 other-x[1]: ",
    ),
    fc.constantFrom("bad login from 203.0.113.5", "bad login of ann from 203.0.113.6", "good", ""),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), (lines, pieces) => {
      const together = createScanner(kinds.map((kind, i) => memberOf(kind, { jail: `jail${i}` })));
      const alone = kinds.map((kind, i) => createScanner([memberOf(kind, { jail: `jail${i}` })]));
      const size = Math.ceil(lines.length / pieces);
      for (let from = 0; from < lines.length; from += size) {
        const text = lines
          .slice(from, from + size)
          .map(([head, rest]) => `${head}${rest}\n`)
          .join("");
        const apart = alone
          .flatMap((scanner, member) => scanner.file(text, backlog).map((one) => ({ ...one, member })))
          .sort((a, b) => a.end - b.end || a.member - b.member);
        expect(together.file(text, backlog)).toEqual(apart);
      }
    }),
  );
});
