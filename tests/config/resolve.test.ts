import { describe, expect, test } from "bun:test";
import { banactions } from "../../src/banaction/index.ts";
import { loadConfig } from "../../src/config/index.ts";
import { fakeSystem } from "../support/system.ts";
import { brief, demo, faults, good, mainFile } from "./support.ts";

describe("a jail", () => {
  test("that is only switched on has the service's values and safe defaults", () => {
    const [jail] = good("[jails.demo]\nenabled = true").jails;
    expect(jail).toMatchObject({
      name: "demo",
      enabled: true,
      summary: "a service for tests",
      mode: "normal",
      backend: "auto",
      logpath: ["/var/log/demo.log"],
      maxretry: 7,
      findtime: 600,
      bantime: { base: 600, increment: false, factor: 1, formula: "double", rndtime: 0, overalljails: false },
      usedns: "no",
      ignore: { ignoreself: true, ignoreip: [] },
      prefix: { count4: 32, count6: 64, ladder: [{ family: 6, bits: 64, members: 2 }] },
      port: [
        { from: 80, to: 80 },
        { from: 8081, to: 8090 },
      ],
      protocol: ["tcp"],
      banaction: [{ name: "auto", options: {} }],
      onremove: "keep",
    });
    // Its file is the user's: what is not shipped has not been proven.
    expect(jail?.filter.own).toBe(true);
  });

  test("may be made of a failregex and a path alone", () => {
    const [jail] = good(
      "[jails.app]\nenabled = true\nlogpath = '/var/log/app.log'\nfailregex = '^no <HOST>$'\nport = 8080",
    ).jails;
    expect(jail).toMatchObject({
      name: "app",
      filter: { failregex: ["^no <HOST>$"], own: true },
      logpath: ["/var/log/app.log"],
    });
  });

  test("may use another service's file under its own name", () => {
    const [jail] = good(
      "[jails.second]\nenabled = true\nfilter = 'demo'\nlogpath = '/var/log/second.log'",
    ).jails;
    expect(jail).toMatchObject({
      name: "second",
      maxretry: 7,
      filter: { name: "demo" },
      logpath: ["/var/log/second.log"],
    });
  });

  test("replaces the filter's expressions, or adds to them after a plus", () => {
    const [replaced, added] = good(
      "[jails.demo]\nenabled = true\nfailregex = '^x <HOST>$'\n[jails.two]\nenabled = true\nfilter = 'demo'\nfailregex = ['+', '^x <HOST>$']",
    ).jails;
    expect(replaced?.filter.failregex).toEqual(["^x <HOST>$"]);
    expect(added?.filter.failregex).toHaveLength(2);
    expect(added?.filter.failregex[1]).toBe("^x <HOST>$");
  });

  test("is told apart from a bundled one of the same name by the file in jails/", () => {
    const config = good("[jails.demo]\nenabled = true");
    expect(config.resolver.source("demo")?.file).toBe("/etc/f2b/jails/demo.toml");
    expect(config.resolver.services()).toContain("demo");
  });

  test("takes several banactions, with options", () => {
    const [jail] = good("[jails.demo]\nenabled = true\nbanaction = ['auto', { name = 'auto' }]").jails;
    expect(jail?.banaction.map((use) => use.name)).toEqual(["auto", "auto"]);
    expect(brief(faults("[jails.demo]\nbanaction = { name = 'auto', x = 1 }"))).toEqual([
      '2:13 banaction "auto" has no options',
    ]);
    expect(brief(faults("[jails.demo]\nbanaction = []"))).toEqual([
      "2:13 no banaction is named: the jail would count and never ban",
    ]);
  });

  test("judges a banaction's options by its own schema", () => {
    const name = Object.keys(banactions).find((one) => one === "nftables")!;
    const [jail] = good(
      `[jails.demo]\nenabled = true\nbanaction = { name = "${name}", hook = "input" }`,
    ).jails;
    expect(jail?.banaction[0]).toMatchObject({ name, options: { hook: "input" } });
    const wrong = faults(
      `[jails.demo]\nbanaction = [{ name = "${name}", hok = "input" }, { name = "${name}", hook = "inputt" }]`,
    );
    expect(wrong.map((one) => one.fix)).toEqual(["did you mean hook?", 'did you mean "input"?']);
    expect(wrong.map((one) => one.at?.column)).toEqual([35, 80]);
  });

  test("reads journal matches with fail2ban's plus as alternatives", () => {
    const [jail] = good("[jails.demo]\nenabled = true\njournalmatch = '_UID=0 _COMM=x + _COMM=y'").jails;
    expect(jail?.journalmatch).toEqual(["_UID=0 _COMM=x", "_COMM=y"]);
  });

  test("splits an ignorecommand without a shell", () => {
    const [jail] = good(`[jails.demo]\nenabled = true\nignorecommand = "/bin/check 'a b' --x"`).jails;
    expect(jail?.ignore.ignorecommand).toEqual(["/bin/check", "a b", "--x"]);
  });
});

describe("ignorecache", () => {
  const key = (text: string) =>
    good(`[jails.demo]\nenabled = true\nignorecache = ${text}`).jails[0]?.ignore.ignorecache?.key;
  test("remembers by address", () => expect(key("true")).toBe("{ip}"));
  test("takes fail2ban's tags", () => expect(key('{ key = "<F-USER>@<ip-host>" }')).toBe("{user}@{ip}"));
  test("refuses a key that all addresses would share", () =>
    expect(brief(faults('[jails.demo]\nignorecache = { key = "x" }'))).toEqual([
      "2:23 ignorecache.key: every address would share one answer",
    ]));
  test("refuses a name that is not filled in", () =>
    expect(brief(faults('[jails.demo]\nignorecache = { key = "{ip}{uesr}" }'))).toEqual([
      "2:23 ignorecache.key: {uesr} is not known here",
    ]));
  test("fail2ban's <ip> is taken for the address, its other tags are mistakes and not handed on as they are", () => {
    for (const written of ['"/bin/check <ip>"', '["/bin/check", "<ip>"]'])
      expect(
        good(`[jails.demo]\nenabled = true\nignorecommand = ${written}`).jails[0]?.ignore.ignorecommand,
      ).toEqual(["/bin/check", "{ip}"]);
    for (const written of ['"/bin/check <F-USER>"', '["/bin/check", "<F-USER>"]'])
      expect(JSON.stringify(faults(`[jails.demo]\nenabled = true\nignorecommand = ${written}`))).toContain(
        "<F-USER> is not known here",
      );
  });

  test("an argument of ignorecommand may be the address", () =>
    expect(
      good('[jails.demo]\nenabled = true\nignorecommand = "/bin/check {ip}"').jails[0]?.ignore.ignorecommand,
    ).toEqual(["/bin/check", "{ip}"]));
});

describe("a mode", () => {
  const moded = `${demo.replace("[[sample]]", () => "[filter.modes.strict]\nfailregex = ['^strict <HOST>$']\n\n[[sample]]")}
[[sample]]
mode = "strict"
line = "2026-03-02 10:15:09 strict 203.0.113.5"
fail = { host = "203.0.113.5" }
`;
  const files = { "/etc/f2b/jails/moded.toml": moded };
  test("adds its expressions", () =>
    expect(
      good("[jails.moded]\nenabled = true\nmode = 'strict'", files).jails[0]?.filter.failregex,
    ).toHaveLength(2));
  test("in [defaults] holds for the filters that have it", () => {
    const [one, two] = good(
      "[defaults]\nmode = 'strict'\n[jails.moded]\nenabled = true\n[jails.demo]\nenabled = true",
      files,
    ).jails;
    expect([one?.mode, two?.mode]).toEqual(["strict", "normal"]);
  });
  test("that the filter does not have is a mistake at its place", () =>
    expect(brief(faults("[jails.moded]\nmode = 'strikt'", files))).toEqual([
      '2:8 the filter moded has no mode "strikt"',
    ]));
  test("so is a parameter", () =>
    expect(brief(faults("[jails.moded]\nparameters = { domian = 'x' }", files))).toEqual([
      '2:16 the filter moded has no parameter "domian"',
    ]));
});

describe("a faulty jail stops no other", () => {
  test("a broken jail file", () => {
    const config = good("[jails.bad]\nenabled = true\n[jails.demo]\nenabled = true", {
      "/etc/f2b/jails/bad.toml": "[filter\n",
    });
    expect(config.jails.map((jail) => jail.name as string)).toEqual(["demo"]);
    expect(config.broken.map((one) => one.name)).toEqual(["bad"]);
    expect(config.broken[0]?.faults[0]?.at).toMatchObject({ file: "/etc/f2b/jails/bad.toml", line: 1 });
  });
  test("a jail file with a wrong setting", () => {
    const config = good("[jails.bad]\nenabled = true", {
      "/etc/f2b/jails/bad.toml": demo.replace("maxretry = 7", "maxretry = 0"),
    });
    expect(brief(config.broken[0]!.faults)).toEqual(["4:12 maxretry must be at least 1"]);
    expect(config.broken[0]!.faults[0]?.at?.file).toBe("/etc/f2b/jails/bad.toml");
  });
  test("one that is switched off is only a warning", () => {
    const config = good("[jails.bad]\nenabled = false\n[jails.demo]\nenabled = true", {
      "/etc/f2b/jails/bad.toml": "[filter\n",
    });
    expect(config.broken).toEqual([]);
    expect(config.warnings).toHaveLength(1);
  });
});

describe("silence is told of", () => {
  test("a jail that does not say whether it is on", () => {
    const config = good("[jails.demo]\nmaxretry = 3");
    expect(config.jails[0]?.enabled).toBe(false);
    expect(brief(config.warnings)).toContain("1:8 [jails.demo] does not say enabled = true, so it is off");
  });
  test("a configuration without any jail", () =>
    expect(brief(good("").warnings)).toEqual(["no jail is enabled: nothing is watched"]));
  test("a jail without a log", () =>
    expect(brief(faults("[jails.x]\nenabled = true\nfailregex = '^x <HOST>$'"))).toEqual([
      "1:8 nothing says where the log is",
    ]));
  test("a journal that is read without a match", () =>
    expect(brief(faults("[jails.demo]\nbackend = 'systemd'"))).toEqual([
      "2:11 nothing says which records of the journal are meant",
    ]));
});

test("a jail that nobody names can be looked at, also with changes", () => {
  const { resolver } = good("[defaults]\nfindtime = '1h'\n[jails.none]\nenabled = false\nfilter = 'demo'");
  const plain = resolver.jail("demo");
  const changed = resolver.jail("demo", { maxretry: 3, bantime: "1d" });
  expect(plain.ok && [plain.value.enabled, plain.value.findtime, plain.value.maxretry]).toEqual([
    false,
    3600,
    7,
  ]);
  expect(changed.ok && [changed.value.maxretry, changed.value.bantime.base]).toEqual([3, 86_400]);
  expect(resolver.jail("demo", { maxretry: 0 }).ok).toBe(false);
});

test("a zone of the jail's own goes before what the service's file says of its times, one for all does not", () => {
  const files = {
    "/etc/f2b/jails/zoned.toml": `${demo.replace("[filter]", "[filter]\ndatepattern = ['^%Y-%m-%d %H:%M:%S{UTC}']")}`,
  };
  const zoned = "[jails.zoned]\nenabled = true\n";
  const patterns = (toml: string): readonly string[] | undefined => {
    const jail = good(toml, files).resolver.jail("zoned");
    return jail.ok ? jail.value.filter.datepattern : undefined;
  };
  expect(patterns(zoned)).toEqual(["^%Y-%m-%d %H:%M:%S{UTC}"]);
  expect(patterns(`[defaults]\nlogtimezone = "Europe/Berlin"\n${zoned}`)).toEqual([
    "^%Y-%m-%d %H:%M:%S{UTC}",
  ]);
  expect(patterns(`${zoned}logtimezone = "Europe/Berlin"`)).toEqual(["^%Y-%m-%d %H:%M:%S"]);
  expect(patterns(`${zoned}logtimezone = "Europe/Berlin"\ndatepattern = ["%H:%M:%S{UTC}"]`)).toEqual([
    "%H:%M:%S{UTC}",
  ]);
});

test("notifications are known by name; a jail tells all of them unless it names some", () => {
  const config = good(
    "[notify.a]\ntype = 'syslog'\n[notify.b]\ntype = 'syslog'\n[jails.demo]\nenabled = true\n[jails.two]\nenabled = true\nfilter = 'demo'\nnotify = 'b'\n[report]\nschedule = 'daily 07:00'\nnotify = ['a']",
  );
  expect(Object.keys(config.notify)).toEqual(["a", "b"]);
  expect(config.jails.map((jail) => jail.notify)).toEqual([["a", "b"], ["b"]]);
  expect(config.report).toEqual({ schedule: { every: "day", minute: 420 }, notify: ["a"], since: 86_400 });
  expect(brief(faults("[report]\nschedule = 'daily 07:00'\nnotify = ['zz']"))).toEqual([
    "3:11 there is no [notify.zz]",
  ]);
});

test("without any configuration sshd is watched", () => {
  const loaded = loadConfig({ system: fakeSystem(), reader: 0 });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.faults));
  expect(loaded.value.files).toEqual([]);
  expect(
    loaded.value.jails.map((jail) => [jail.name as string, jail.enabled, jail.banaction[0]?.name]),
  ).toEqual([["sshd", true, "auto"]]);
  expect(loaded.value.daemon).toMatchObject({ socket: "/run/f2b/f2b.sock", statedir: "/var/lib/f2b" });
});

test("names of /etc/services count beside those that are built in", () => {
  const config = good("[jails.demo]\nenabled = true\nport = ['gopherish', 'ssh']", {
    "/etc/services": "gopherish 7070/tcp # x\nssh 2/tcp\n",
  });
  expect(config.jails[0]?.port).toEqual([
    { from: 7070, to: 7070 },
    { from: 22, to: 22 },
  ]);
  expect(config.files).toEqual([mainFile]);
});
