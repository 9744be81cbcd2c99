import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parse } from "smol-toml";
import {
  applySetting,
  formatSetting,
  parseSetting,
  saveSetting,
  settableKeys,
  tomlText,
} from "../../src/config/settings.ts";
import type { Jail } from "../../src/core/domain.ts";
import { fakeSystem } from "../support/system.ts";
import { good, load } from "./support.ts";

const jail: Jail = good(`[jails.demo]
enabled = true
ignoreip = ["10.0.0.1", "10.0.0.2"]
failregex = ['^a <HOST>$', '^b <HOST>$']`).jails[0]!;

/** What `f2b set demo KEY WORDS…` makes of the jail, and how `f2b get` shows it then. */
function set(key: string, ...words: string[]): { jail: Jail; text: string } | string {
  const parsed = parseSetting(jail, key, words);
  if (!parsed.ok) return parsed.faults[0]!.what;
  const applied = applySetting(jail, key, parsed.value);
  if (!applied.ok) return applied.faults[0]!.what;
  const shown = formatSetting(applied.value, key);
  return shown.ok ? { jail: applied.value, text: shown.value.text } : "not shown";
}

describe("f2b set", () => {
  const cases: [string, string[], string][] = [
    ["maxretry", ["3"], "3"],
    ["findtime", ["1h"], '"1h"'],
    ["findtime", ["1h", "30m"], '"1h 30m"'],
    ["bantime", ["-1"], '"forever"'],
    ["bantime", ["600"], '"10m"'],
    ["bantime.increment", ["on"], "true"],
    ["bantime.multipliers", ["1", "5", "30"], "[1, 5, 30]"],
    ["bantime.maxtime", ["5w"], '"5w"'],
    ["ignoreip", ["10.0.0.3,10.0.0.4"], '["10.0.0.3", "10.0.0.4"]'],
    ["ignoreip", ["+=", "10.0.0.0/8"], '["10.0.0.1", "10.0.0.2", "10.0.0.0/8"]'],
    ["ignoreip", ["-=", "10.0.0.1"], '["10.0.0.2"]'],
    ["addignoreip", ["192.0.2.1", "192.0.2.2"], '["10.0.0.1", "10.0.0.2", "192.0.2.1", "192.0.2.2"]'],
    ["delignoreip", ["10.0.0.2"], '["10.0.0.1"]'],
    ["failregex", ["-=", "0"], '["^b <HOST>$"]'],
    ["addfailregex", ["^c \\S+ <HOST>$"], `["^a <HOST>$", "^b <HOST>$", '^c \\S+ <HOST>$']`],
    ["logpath", ["/var/log/a b.log", "/var/log/c.log"], '["/var/log/a b.log", "/var/log/c.log"]'],
    ["ignoreself", ["no"], "false"],
    ["port", ["ssh", "2222-2230"], '["22", "2222-2230"]'],
    ["port", ["all"], '["all"]'],
    ["usedns", ["warn"], '"warn"'],
    ["logtimezone", ["UTC+0200"], '"+02:00"'],
    ["prefix.count6", ["56"], "56"],
    ["campaign", ["yes"], "true"],
    ["ignorecache", ["true"], "true"],
    ["accept_forgeable", ["1"], "true"],
    ["ignorecommand", ["/bin/check", "--fast"], '["/bin/check", "--fast"]'],
    ["banaction", ["auto"], '["auto"]'],
    ["onremove", ["unban"], '"unban"'],
  ];
  for (const [key, words, text] of cases)
    test(`${key} ${words.join(" ")} is then ${text}`, () => {
      const done = set(key, ...words);
      expect(typeof done === "string" ? done : done.text).toBe(text);
    });

  const refused: [string, string[], string][] = [
    ["maxretri", ["3"], 'a running jail has no setting "maxretri"'],
    ["mode", ["aggressive"], 'a running jail has no setting "mode"'],
    ["maxretry", ["many"], '"many" is no number'],
    ["maxretry", ["0"], "maxretry must be at least 1"],
    ["maxretry", ["+=", "1"], "maxretry is not a list"],
    ["findtime", ["soon"], 'findtime: "soon" is not a duration: "soon" is not a number with a unit'],
    ["ignoreself", ["maybe"], '"maybe" is neither true nor false'],
    ["ignoreip", ["10.0.0.300"], 'ignoreip (entry 1): "10.0.0.300" is not an address'],
    ["ignoreip", ["-=", "10.9.9.9"], "10.9.9.9 is not in the list"],
    ["ignoreip", ["+="], "ignoreip wants a value"],
    ["banaction", ["nftable$"], 'there is no banaction "nftable$"'],
    ["ignorecommand", ["check"], 'ignorecommand: "check" is not an absolute path'],
  ];
  for (const [key, words, what] of refused)
    test(`refuses ${key} ${words.join(" ")}`, () => expect(set(key, ...words)).toBe(what));

  test("an expression of one's own makes the filter one's own, so that it is watched", () => {
    const shipped = good("[jails.sshd]\nenabled = true").jails[0]!;
    expect(shipped.filter.own).toBe(false);
    const applied = applySetting(shipped, "failregex", ["^x <HOST>$"]);
    expect(applied.ok && applied.value.filter.own).toBe(true);
  });

  test("every setting can be shown, and what is shown is TOML that gives the same again", () => {
    expect(settableKeys.length).toBeGreaterThan(30);
    for (const key of settableKeys) {
      const shown = formatSetting(jail, key);
      if (!shown.ok) throw new Error(key);
      if (shown.value.text === "none") continue;
      const value = (parse(`v = ${shown.value.text}`) as { v: unknown }).v;
      const applied = applySetting(jail, key, value);
      const again = applied.ok ? formatSetting(applied.value, key) : applied;
      expect([key, again.ok && again.value.text]).toEqual([key, shown.value.text]);
    }
  });
});

test("no words crash f2b set", () => {
  const word = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.constantFrom(
      "+=",
      "-=",
      "-1",
      "[]",
      "1",
      "on",
      "forever",
      "/bin/x",
      "10.0.0.1",
      "'",
      "all",
      "NaN",
      "1e400",
    ),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...settableKeys, "addignoreip", "delfailregex", "__proto__"),
      fc.array(word, { maxLength: 4 }),
      (key, words) => {
        const parsed = parseSetting(jail, key, words);
        if (!parsed.ok) return void expect(parsed.faults[0]?.what).not.toBe("");
        expect(applySetting(jail, key, parsed.value).ok).toBe(true);
      },
    ),
    { numRuns: 3000 },
  );
});

test("a banaction that wants options is not set without them; one that the jail has keeps its own", () => {
  for (const name of ["command", "cloudflare"]) {
    const parsed = parseSetting(jail, "banaction", [name]);
    expect(parsed.ok ? "" : parsed.faults[0]?.what).toContain("wants options");
    expect(applySetting(jail, "banaction", [name]).ok).toBe(false);
  }
  const has = { ...jail, banaction: [{ name: "command", options: { ban: ["/bin/true"] } }] };
  const applied = applySetting(has, "banaction", ["command", "nftables"]);
  expect(applied.ok && applied.value.banaction[0]).toEqual(has.banaction[0]!);
});

test("what is shown of a setting has its own name, also when it was asked for as fail2ban does", () => {
  expect(formatSetting(jail, "addignoreip")).toMatchObject({ ok: true, value: { key: "ignoreip" } });
});

describe("f2b set --save", () => {
  test("writes what the next start reads, key after key", () => {
    const system = fakeSystem();
    const where = { system, statedir: "/state" };
    expect(saveSetting(where, "demo", "maxretry", 2)).toEqual({ ok: true, value: "/state/settings.toml" });
    expect(saveSetting(where, "demo", "bantime", "1h").ok).toBe(true);
    expect(saveSetting(where, "demo", "bantime.increment", true).ok).toBe(true);
    expect(saveSetting(where, "demo", "prefix.count6", 56).ok).toBe(true);
    expect(saveSetting(where, "demo", "addignoreip", ["192.0.2.1"]).ok).toBe(true);
    expect(saveSetting(where, "a.b", "maxretry", 9).ok).toBe(true);
    const saved = system.disk.text("/state/settings.toml")!;
    const loaded = load(
      '[daemon]\nstatedir = "/state"\n[jails.demo]\nenabled = true\n[jails."a.b"]\nenabled = true\nfilter = "demo"',
      { "/state/settings.toml": saved },
    );
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.faults));
    const [one, two] = loaded.value.jails;
    expect(one).toMatchObject({
      maxretry: 2,
      bantime: { base: 3600, increment: true },
      prefix: { count6: 56 },
      ignore: { ignoreip: ["192.0.2.1"] },
    });
    expect(two?.maxretry).toBe(9);
    expect(loaded.value.warnings).toEqual([]);
  });

  test("does not touch a saved file that is damaged", () => {
    const system = fakeSystem({ files: { "/state/settings.toml": "broken" } });
    const saved = saveSetting({ system, statedir: "/state" }, "demo", "maxretry", 2);
    expect(saved.ok ? "" : saved.faults[0]?.fix).toContain("mend or remove /state/settings.toml");
    expect(system.disk.text("/state/settings.toml")).toBe("broken");
  });

  test("says so when the disk does not take it", () => {
    const system = fakeSystem();
    system.disk.fail("replaceFile", "EROFS");
    const saved = saveSetting({ system, statedir: "/state" }, "demo", "maxretry", 2);
    expect(saved.ok ? "" : saved.faults[0]?.what).toBe("/state/settings.toml cannot be written: EROFS");
  });
});

test("texts with backslashes and quotes survive in TOML", () => {
  for (const value of ["a\\d", "it's \\d", 'say "x"', "line\nfeed", "tab\t", "", "ü\u0000"]) {
    expect((parse(`v = ${tomlText(value)}`) as { v: unknown }).v).toBe(value);
  }
  expect(parse(`v = ${tomlText({ a: [1, { "b c": true }], d: undefined })}`) as unknown).toEqual({
    v: { a: [1, { "b c": true }] },
  });
});
