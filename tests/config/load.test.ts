import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { loadConfig } from "../../src/config/index.ts";
import type { FileStat } from "../../src/system/index.ts";
import { fakeSystem } from "../support/system.ts";
import { brief, demo, faults, good, load, mainFile, said } from "./support.ts";

describe("a mistake is told with its place and the way out", () => {
  const cases: [string, string, string, string?][] = [
    [
      "a misspelt key",
      "[defaults]\nmaxretri = 3",
      '2:1 there is no key "maxretri" in [defaults]',
      "did you mean maxretry?",
    ],
    [
      "a key with a hyphen",
      '[defaults]\nignore-ip = "10.0.0.1"',
      '2:1 there is no key "ignore-ip" in [defaults]',
      "did you mean ignoreip?",
    ],
    [
      "enable for enabled",
      "[jails.demo]\nenable = true",
      '2:1 there is no key "enable" in [jails.demo]',
      "did you mean enabled?",
    ],
    ["a misspelt table", "[deamon]\n", '1:2 there is no table "deamon"', "did you mean daemon?"],
    [
      "a key in the wrong table",
      "[daemon]\nmaxretry = 3",
      '2:1 there is no key "maxretry" in [daemon]',
      "maxretry belongs in [defaults] or [jails.NAME]",
    ],
    [
      "a jail's own key in [defaults]",
      '[defaults]\nlogpath = "/x"',
      '2:1 there is no key "logpath" in [defaults]',
      "logpath belongs in [jails.NAME]",
    ],
    [
      "the daemon's key in [defaults]",
      '[defaults]\nloglevel = "info"',
      '2:1 there is no key "loglevel" in [defaults]',
      "loglevel belongs in [daemon]",
    ],
    [
      "an option of fail2ban that has another name here",
      '[defaults]\ndestemail = "x"',
      '2:1 there is no key "destemail" in [defaults]',
      'write [notify.NAME] with type = "mail" and to = "…"',
    ],
    [
      "a text for a switch",
      '[jails.demo]\nenabled = "yes"',
      '2:11 enabled must be true or false, not "yes"',
      "write enabled = true",
    ],
    [
      "a text for a number",
      '[defaults]\nmaxretry = "5"',
      '2:12 maxretry must be a number, not "5"',
      "write maxretry = 5, without quotes",
    ],
    ["a fraction", "[defaults]\nmaxretry = 2.5", "2:12 maxretry must be a whole number, not 2.5"],
    ["zero retries", "[defaults]\nmaxretry = 0", "2:12 maxretry must be at least 1"],
    ["a negative number", "[defaults]\nmaxretry = -1", "2:12 maxretry must be at least 1"],
    [
      "a duration without sense",
      '[defaults]\nfindtime = "10x"',
      '2:12 findtime: "10x" is not a duration: "x" is no unit: s, m, h, d, w, mo (month) and y are',
    ],
    [
      "an endless findtime",
      '[defaults]\nfindtime = "forever"',
      "2:12 findtime: this cannot be forever",
      'write a duration such as "10m" or "1d"',
    ],
    [
      "a negative findtime",
      "[defaults]\nfindtime = -5",
      "2:12 findtime: -5 is not a duration: it is negative; only -1 means forever",
    ],
    [
      "a switch for a duration",
      "[defaults]\nbantime = true",
      "2:11 bantime must be a text, a number or a table, not true",
    ],
    [
      "a word that is not in the list",
      '[defaults]\nbackend = "pyinotify"',
      '2:11 backend cannot be "pyinotify"',
      'did you mean "inotify"?',
    ],
    [
      "a misspelt key of an inline table",
      "[defaults]\nbantime = { incremnt = true }",
      '2:13 there is no key "incremnt" in [defaults.bantime]',
      "did you mean increment?",
    ],
    [
      "an address that is none",
      '[defaults]\nignoreip = ["10.0.0.1", "10.0.0.256"]',
      '2:25 ignoreip (entry 2): "10.0.0.256" is not an address',
    ],
    [
      "a netmask that is none",
      '[defaults]\nignoreip = ["10.0.0.0/33"]',
      '2:13 ignoreip (entry 1): "10.0.0.0/33" is not a prefix: "33" is no number of bits',
    ],
    [
      "a port that is none",
      '[jails.demo]\nport = ["ssh", "sshh"]',
      '2:16 port (entry 2): no port is called "sshh" here',
    ],
    [
      "a port beyond the last",
      "[jails.demo]\nport = 70000",
      "2:8 port: 70000 is not a port: they are 1 to 65535",
    ],
    [
      "a range that runs backwards",
      '[jails.demo]\nport = "90-80"',
      "2:8 port: the range 90-80 runs backwards",
    ],
    [
      "a protocol that is none",
      '[jails.demo]\nprotocol = ["tpc"]',
      '2:13 protocol (entry 1): "tpc" is no protocol',
    ],
    [
      "a zone that is none",
      '[jails.demo]\nlogtimezone = "Europe/Brelin"',
      '2:15 logtimezone: "Europe/Brelin" is no time zone',
    ],
    [
      "a command with a pipe",
      '[jails.demo]\nignorecommand = "/bin/a | /bin/b"',
      "2:17 ignorecommand: this holds characters that only a shell would understand, and no shell runs it",
    ],
    [
      "a command without its path",
      '[jails.demo]\nignorecommand = "check"',
      '2:17 ignorecommand: "check" is not an absolute path',
    ],
    [
      "a socket without its path",
      '[daemon]\nsocket = "f2b.sock"',
      "2:10 socket: write the whole path, from / on",
    ],
    [
      "metrics for the whole world",
      '[metrics]\nlisten = "0.0.0.0:9191"',
      "2:10 listen: 0.0.0.0 is not a loopback address",
    ],
    [
      "a schedule that is none",
      '[report]\nschedule = "sometimes"',
      '2:12 schedule: "sometimes" is not a schedule: it does not end in a time such as 07:00',
    ],
    ["a jail's name with a slash", '[jails."a/b"]\nenabled = true', '1:8 "a/b" cannot be a name'],
    [
      "a service that is unknown",
      "[jails.dmeo]\nenabled = true",
      '1:8 there is no service "dmeo"',
      "did you mean demo?",
    ],
    [
      "a filter that is unknown",
      '[jails.x]\nfilter = "dem"',
      '2:10 there is no filter "dem"',
      "did you mean demo?",
    ],
    [
      "a filter with fail2ban's brackets",
      '[jails.x]\nfilter = "demo[mode=x]"',
      '2:10 filter: a name such as "sshd"',
    ],
    [
      "a banaction that is unknown",
      '[jails.demo]\nbanaction = "atuo"',
      '2:13 there is no banaction "atuo"',
      'did you mean "auto"?',
    ],
    ["a notification that is unknown", '[jails.demo]\nnotify = ["admin"]', "2:11 there is no [notify.admin]"],
    ["a notification without a type", "[notify.admin]\n", "1:9 notify.admin has no type"],
    [
      "a notification's misspelt key",
      '[notify.admin]\ntype = "syslog"\nfacilty = "auth"',
      '3:1 notify.admin (syslog) has no key "facilty"',
    ],
    [
      "a blocktype that is none",
      "[jails.demo]\nblocktype = 'rejct'",
      '2:13 blocktype cannot be "rejct"',
      'did you mean "reject"?',
    ],
    [
      "a chain with more than a name",
      "[jails.demo]\nchain = 'INPUT;x'",
      '2:9 chain: "INPUT;x" is not a chain\'s name',
    ],
    [
      "a log path that is relative",
      '[jails.demo]\nlogpath = ["/a", "b.log"]',
      '2:18 logpath "b.log" is not absolute',
    ],
    [
      "a log path with tail",
      '[jails.demo]\nlogpath = "/a.log tail"',
      '2:11 logpath "/a.log tail" ends in a word',
      'write "/a.log"',
    ],
    [
      "a journal match without a field",
      '[jails.demo]\njournalmatch = "ssh.service"',
      '2:16 journalmatch has "ssh.service"',
    ],
  ];
  for (const [what, toml, expected, fix] of cases) {
    test(what, () => {
      const found = faults(toml);
      expect(brief(found)).toContain(expected);
      expect(found).toHaveLength(1);
      expect(found[0]?.at?.file).toBe(mainFile);
      if (fix !== undefined) expect(found[0]?.fix).toBe(fix);
    });
  }
});

describe("what is not TOML", () => {
  const cases: [string, string, number, string?][] = [
    ["a text without quotes", "[defaults]\nbantime = 10m", 2, 'texts stand in quotes: bantime = "10m"'],
    ["an ini file's yes", "[jails.demo]\nenabled = yes", 2, "write enabled = true"],
    ["a comment as in ini files", "[defaults]\n; old\nmaxretry = 3", 2, "comments begin with #"],
    [
      "a backslash in double quotes",
      '[jails.x]\nfailregex = ["^\\S+ <HOST>$"]',
      2,
      "expressions stand in single quotes, where a backslash is a backslash",
    ],
    [
      "fail2ban's bantime.increment beside bantime",
      '[defaults]\nbantime = "1h"\nbantime.increment = true',
      3,
      'bantime is a table then: bantime = { base = "10m", increment = true }',
    ],
    ["a key written twice", "[defaults]\nmaxretry = 3\nmaxretry = 4", 3],
    ["a table that is not closed", "[defaults\nmaxretry = 3", 1],
  ];
  for (const [what, toml, line, fix] of cases) {
    test(what, () => {
      const [found, ...more] = faults(toml);
      expect(found?.what).toStartWith("TOML syntax: ");
      expect(found?.at).toMatchObject({ file: mainFile, line });
      if (fix !== undefined) expect(found?.fix).toBe(fix);
      expect(more).toEqual([]);
    });
  }

  test("bytes that are not UTF-8 are told with their line", () => {
    const system = fakeSystem({ files: { [mainFile]: "[defaults]\nmaxretry = 3 # x" } });
    const files = { ...system.files, readFile: () => new Uint8Array([35, 10, 35, 0xe4, 10]) };
    const loaded = loadConfig({ path: mainFile, reader: undefined, system: { ...system, files } });
    expect(loaded.ok ? [] : brief(loaded.faults)).toEqual(["2:2 this is not UTF-8"]);
  });
});

test("mistakes of several files and kinds are told together, in order", () => {
  const found = faults(
    '[defaults]\nmaxretri = 3\nfindtime = "x"\n[notify.a]\ntype = "mial"\n[jails.dmeo]\nenabled = true',
    {
      "/etc/f2b/conf.d/10.toml": "[jails.demo]\nenabled = 1\nfoo = 2",
      "/etc/f2b/conf.d/20.toml": "nonsense",
    },
  );
  expect(found.map((fault) => `${fault.at?.file}:${fault.at?.line}`)).toEqual([
    "/etc/f2b/conf.d/10.toml:2",
    "/etc/f2b/conf.d/10.toml:3",
    "/etc/f2b/conf.d/20.toml:1",
    "/etc/f2b/f2b.toml:2",
    "/etc/f2b/f2b.toml:3",
    "/etc/f2b/f2b.toml:5",
    "/etc/f2b/f2b.toml:6",
  ]);
});

test("a fault is shown with its line, a caret under the place, and the way out", async () => {
  const { faultText } = await import("../../src/config/index.ts");
  const [fault] = faults('[defaults]\n\tfindtime = "10x"');
  const text = faultText(fault!, (_, line) => ["[defaults]", '\tfindtime = "10x"'][line - 1]);
  expect(text.split("\n").slice(1, 3)).toEqual(['    2 |  findtime = "10x"', "      |             ^"]);
  expect(text).toContain("  fix: Write a number of seconds");
});

test("a stranger's text in a fault cannot steer the terminal", () => {
  const text = said(faults('[defaults]\n"\\u001b[31m" = 1'));
  expect(text).not.toContain("\u001b");
  expect(text).toContain("u001b");
});

describe("several files", () => {
  test("drop-ins are read in the order of their names, later wins key by key", () => {
    const config = good('[defaults]\nmaxretry = 2\nfindtime = "1h"\n[jails.demo]\nenabled = true', {
      "/etc/f2b/conf.d/20.toml": "[defaults]\nmaxretry = 4",
      "/etc/f2b/conf.d/10.toml": '[defaults]\nmaxretry = 3\nusedns = "warn"\n[jails.demo]\nmaxretry = 9',
      "/etc/f2b/conf.d/.hidden.toml": "broken",
      "/etc/f2b/conf.d/30.toml.bak": "broken",
    });
    expect(config.files).toEqual([mainFile, "/etc/f2b/conf.d/10.toml", "/etc/f2b/conf.d/20.toml"]);
    expect(config.jails[0]).toMatchObject({ maxretry: 9, findtime: 3600, usedns: "warn" });
  });

  test("saved settings come last and are named as such", () => {
    const config = good('[daemon]\nstatedir = "/state"\n[jails.demo]\nenabled = true\nmaxretry = 2', {
      "/state/settings.toml": "[jails.demo]\nmaxretry = 8",
    });
    expect(config.jails[0]?.maxretry).toBe(8);
    expect(config.provenance()["jails.demo.maxretry"]).toEqual({
      from: "saved",
      at: { file: "/state/settings.toml", line: 2, column: 1 },
    });
  });

  test("saved settings that are damaged are left out with a warning and stop nothing", () => {
    const config = good('[daemon]\nstatedir = "/state"\n[jails.demo]\nenabled = true', {
      "/state/settings.toml": "[jails.demo]\nmaxretri = 8",
    });
    expect(config.jails[0]?.maxretry).toBe(7);
    expect(config.warnings.map((one) => one.what)).toEqual([
      'saved settings are left out: there is no key "maxretri" in [jails.demo]',
    ]);
  });

  test("what was saved for a jail that is gone does not bring it back", () => {
    const config = good('[daemon]\nstatedir = "/state"', {
      "/state/settings.toml": "[jails.demo]\nenabled = true",
    });
    expect(config.jails).toEqual([]);
  });

  test("values come from [defaults], the service's file and the jail, in this order, and each says where from", () => {
    const config = good(
      '[defaults]\nmaxretry = 2\nfindtime = "1h"\nignoreip = "10.0.0.1 10.0.0.2"\n[jails.demo]\nenabled = true\nignoreip = ["10.0.0.3"]',
    );
    expect(config.jails[0]).toMatchObject({
      maxretry: 7,
      findtime: 3600,
      maxmatches: 10,
      ignore: { ignoreip: ["10.0.0.3"] },
    });
    const from = (key: string) => config.provenance()[`jails.demo.${key}`];
    expect(from("maxretry")).toEqual({
      from: "service",
      at: { file: "/etc/f2b/jails/demo.toml", line: 4, column: 1 },
    });
    expect(from("findtime")).toEqual({ from: "defaults", at: { file: mainFile, line: 3, column: 1 } });
    expect(from("ignoreip")).toEqual({ from: "jail", at: { file: mainFile, line: 7, column: 1 } });
    expect(from("maxmatches")).toBeUndefined();
  });

  test("a bare bantime sets the base and leaves the increments of a lower layer", () => {
    const config = good(
      '[defaults]\nbantime = { base = "10m", increment = true, multipliers = "1 5 30" }\n[jails.demo]\nenabled = true\nbantime = 3600',
    );
    expect(config.jails[0]?.bantime).toMatchObject({ base: 3600, increment: true, multipliers: [1, 5, 30] });
    expect(config.provenance()["jails.demo.bantime.base"]?.at.line).toBe(5);
    expect(config.provenance()["jails.demo.bantime.increment"]?.at.line).toBe(2);
  });

  test("campaign = true switches on what [defaults] describes", () => {
    const [first, second] = good(
      "[defaults.campaign]\naddresses = 77\n[jails.demo]\nenabled = true\ncampaign = true\n[jails.two]\nfilter = 'demo'\nenabled = true\ncampaign = false",
    ).jails;
    expect(first?.campaign?.addresses).toBe(77);
    expect(second?.campaign).toBeUndefined();
  });
});

describe("who may write it", () => {
  const as = (change: (path: string, stat: FileStat) => Partial<FileStat>, reader: number | undefined) => {
    const system = fakeSystem({
      files: { [mainFile]: "[jails.demo]\nenabled = true", "/etc/f2b/jails/demo.toml": demo },
    });
    const stat = (path: string) => {
      const found = system.files.stat(path);
      return found === undefined
        ? undefined
        : { ...found, uid: 0, gid: 0, mode: 0o644, ...change(path, found) };
    };
    return loadConfig({ path: mainFile, reader, system: { ...system, files: { ...system.files, stat } } });
  };
  const first = (loaded: ReturnType<typeof as>) => (loaded.ok ? undefined : loaded.faults[0]);

  test("root takes a file of root that nobody else can write", () => expect(as(() => ({}), 0).ok).toBe(true));
  test("root refuses a file that everybody can write", () => {
    const fault = first(as((path) => (path === mainFile ? { mode: 0o666 } : {}), 0));
    expect(fault?.what).toBe(`${mainFile} can be written by everybody`);
    expect(fault?.fix).toBe(`chmod go-w ${mainFile}`);
  });
  test("root refuses a file of somebody else", () =>
    expect(first(as((path) => (path === mainFile ? { uid: 1000 } : {}), 0))?.fix).toBe(
      `chown root ${mainFile}`,
    ));
  test("root refuses a file in a directory that a group can write", () =>
    expect(first(as((path) => (path === "/etc/f2b" ? { mode: 0o775, gid: 4 } : {}), 0))?.what).toBe(
      `/etc/f2b, on the way to ${mainFile}, can be written by group 4`,
    ));
  test("a directory with the sticky bit may be everybody's", () =>
    expect(as((path) => (path === "/etc" ? { mode: 0o1777, kind: "directory" } : {}), 0).ok).toBe(true));
  test("an ordinary user may look at any file", () =>
    expect(as(() => ({ mode: 0o666, uid: 7 }), 1000).ok).toBe(true));
});

describe("size and shape", () => {
  test("a huge file is refused without being parsed", () => {
    const found = faults(`# ${"x".repeat(2_000_000)}`);
    expect(found[0]?.what).toContain("is 2,000,002 bytes long".replaceAll(",", ""));
  });
  test("brackets without end are refused with their place", () =>
    expect(brief(faults(`a = ${"[".repeat(50_000)}`))).toEqual(["1:21 this is nested too deeply"]));
  test("dots without end are refused", () => expect(faults(`${"a.".repeat(20_000)}b = 1`).length).toBe(1));
  test("a key called __proto__ is a mistake like any other", () => {
    expect(brief(faults("[defaults]\n__proto__ = 1"))).toEqual([
      '2:1 there is no key "__proto__" in [defaults]',
    ]);
    expect(({} as Record<string, unknown>).maxretry).toBeUndefined();
  });
  test("a jail called __proto__ or daemon is refused", () => {
    expect(brief(faults("[jails.__proto__]\nenabled = true"))).toEqual(['1:8 "__proto__" cannot be a name']);
    expect(brief(faults("[jails.daemon]\nenabled = true"))).toEqual(['1:8 "daemon" cannot be a name']);
    expect(brief(faults("[notify.__proto__]\ntype = 'syslog'"))).toEqual([
      '1:9 "__proto__" cannot be a name',
    ]);
  });
  test("a file that is a directory is named", () => {
    const system = fakeSystem({ files: { "/etc/f2b/f2b.toml/x": "" } });
    const loaded = loadConfig({ path: mainFile, reader: undefined, system });
    expect(loaded.ok ? [] : brief(loaded.faults)).toEqual([`${mainFile} is a directory, not a file`]);
  });
  test("a file that was asked for and is not there is a mistake", () => {
    const loaded = loadConfig({ path: "/nowhere.toml", reader: undefined, system: fakeSystem() });
    expect(loaded.ok ? [] : brief(loaded.faults)).toEqual(["/nowhere.toml does not exist"]);
  });
});

describe("no text crashes the loader", () => {
  const word = fc.constantFrom(
    "[defaults]",
    "[jails.demo]",
    "[daemon]",
    "[notify.a]",
    "[[jails]]",
    "jails = 3",
    "bantime",
    "=",
    "1h",
    '"1h"',
    "{",
    "}",
    "[",
    "]",
    ",",
    "\n",
    "enabled = true",
    "port = ",
    '"ssh"',
    "banaction = ",
    '{ name = "auto" }',
    "prefix = ",
    "__proto__",
    "constructor",
    "'",
    '"',
    ".",
    "#",
    "1e999",
    "nan",
    "1979-05-27",
    "type = 'mail'",
    "campaign = {}",
    "ladder = [{}]",
    "-1",
    "9223372036854775807",
    "\u0000",
    "ignoreip = ['file:/x']",
  );
  test("made of the configuration's own words", () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), (words) => void load(words.join(" "))),
      { numRuns: 1500 },
    );
  });
  test("made of anything", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => void load(text)),
      { numRuns: 500 },
    );
  });
  test("with any value under any key", () => {
    const key = fc.constantFrom(
      "bantime",
      "findtime",
      "port",
      "protocol",
      "ignoreip",
      "ignorecommand",
      "banaction",
      "prefix",
      "campaign",
      "ignorecache",
      "logpath",
      "failregex",
      "notify",
      "trustedproxies",
      "filter",
      "parameters",
      "mode",
    );
    const value = fc.oneof(
      fc.string().map((text) => JSON.stringify(text)),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.constantFrom(
        "true",
        "[]",
        "{}",
        "[[]]",
        '[""]',
        '[{name = ""}]',
        "[1, 'a', true]",
        "nan",
        "inf",
        "2026-01-01",
        "''' '''",
      ),
    );
    fc.assert(
      fc.property(key, value, (name, text) => {
        const loaded = load(`[jails.demo]\nenabled = true\n${name} = ${text}`);
        if (!loaded.ok) for (const fault of loaded.faults) expect(fault.what).not.toBe("");
      }),
      { numRuns: 1500 },
    );
  });
});
