import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import { daemonSettings } from "../../src/config/daemon.ts";
import { elsewhere } from "../../src/config/parity.ts";
import { defaultFile, jsonSchema, reference, referenceText, tables } from "../../src/config/reference.ts";
import { campaignOf, ignorecacheOf } from "../../src/config/resolve.ts";
import { commonKeys, daemonKeys, jailKeys } from "../../src/config/schema.ts";
import { describeJail } from "../../src/config/show.ts";
import { parseDuration } from "../../src/core/duration.ts";
import { good, load } from "./support.ts";

const all = reference();
const of = (table: string) => all.filter((one) => one.table === table);

test("every key says what it means and which type it takes", () => {
  expect(all.length).toBeGreaterThan(80);
  for (const one of all) {
    expect([one.table, one.key, one.meaning.length > 5]).toEqual([one.table, one.key, true]);
    // A webhook's template may be any value; of nothing else is that true.
    if (one.key !== "json") expect([one.table, one.key, one.type]).not.toContain("anything");
  }
});

test("every key of the daemon, of jails, reports and metrics has an example, and the example is accepted", () => {
  const headers = ["[daemon]", "[defaults]", "[jails.NAME]", "[report]", "[metrics]"];
  for (const header of headers) {
    for (const one of of(header)) {
      expect([one.key, one.example === undefined]).toEqual([one.key, false]);
      const notify = one.key === "notify" ? '[notify.admin]\ntype = "syslog"\n' : "";
      const schedule = header === "[report]" && one.key !== "schedule" ? 'schedule = "daily 07:00"\n' : "";
      const name = header.replace("[jails.NAME]", "[jails.demo]");
      // The filters and parameters of examples are others' than the test's service.
      if (["filter", "parameters", "mode"].includes(one.key)) continue;
      const loaded = load(`${notify}${name}\n${schedule}${one.example}\n`);
      expect([one.example, loaded.ok ? [] : loaded.faults.map((fault) => fault.what)]).toEqual([
        one.example,
        [],
      ]);
    }
  }
});

describe("the defaults that are documented are those that hold", () => {
  test("of the daemon", () => {
    const plain = daemonSettings({});
    for (const [key, schema] of Object.entries(daemonKeys)) {
      const written = schema.meta()?.default;
      if (written === undefined) expect([key, plain[key as keyof typeof plain]]).toEqual([key, undefined]);
      else expect([key, plain]).toEqual([key, daemonSettings({ [key]: written })]);
    }
  });

  test("of jails", () => {
    const bare = (line: string) => {
      const config = good(`[jails.x]\nfailregex = '^x <HOST>$'\nlogpath = '/x'\n${line}`);
      return describeJail(config, config.jails[0]!).settings;
    };
    const plain = bare("");
    const seen: string[] = [];
    for (const one of [...of("[defaults]"), ...of("[jails.NAME]")]) {
      const written = jailKeys[one.key as keyof typeof jailKeys].meta()?.default;
      if (written === undefined) continue;
      seen.push(one.key);
      const line = `${one.key} = ${one.default}`;
      expect([one.key, bare(line)]).toEqual([one.key, plain]);
    }
    expect(seen).toContain("maxretry");
    expect(seen.length).toBeGreaterThan(15);
  });

  test("of the tables inside jails", () => {
    const seconds = (text: string): unknown => {
      const parsed = parseDuration(text.replaceAll('"', ""));
      return parsed.ok ? parsed.value : text;
    };
    const value = (table: string, key: string) =>
      of(`[jails.NAME.${table}]`).find((one) => one.key === key)?.default;
    const campaign = campaignOf(true)!;
    expect(value("campaign", "addresses")).toBe(String(campaign.addresses));
    expect(value("campaign", "failures")).toBe(String(campaign.failures));
    expect(value("campaign", "maxretry")).toBe(String(campaign.maxretry));
    expect(seconds(value("campaign", "window")!)).toBe(campaign.window);
    expect(value("campaign", "per")).toBe(JSON.stringify(campaign.per));
    const cache = ignorecacheOf(true)!;
    expect(value("ignorecache", "max-count")).toBe(String(cache.maxCount));
    expect(seconds(value("ignorecache", "max-time")!)).toBe(cache.maxTime);
  });
});

test("the reference can be narrowed down to a key or a word", () => {
  expect(referenceText("usedns")).toContain('"yes" | "warn" | "no" | "raw"');
  expect(referenceText("usedns")).not.toContain("maxretry");
  expect(referenceText("prometheus")).toContain("listen");
  expect(referenceText("nothing-like-this")).toBe("");
  // A key that is a table is explained with the keys in it.
  expect(referenceText("prefix")).toContain("members    whole number");
  expect(referenceText("campaign")).toContain("addresses    whole number");
  expect(referenceText("bantime.factor")).toContain("factor    number");
  expect(referenceText("bantime.factor")).not.toContain("maxtime");
});

test("the default file is TOML, is accepted, and names every key of the daemon and of [defaults]", () => {
  const text = defaultFile();
  const loaded = load(text.replaceAll("sshd", "demo"));
  expect(loaded.ok ? [] : loaded.faults).toEqual([]);
  for (const key of [...Object.keys(daemonKeys), ...Object.keys(commonKeys)])
    expect(text).toContain(`\n# ${key} = `);
  expect(text).not.toContain("undefined");
});

test("every commented line of the default file is accepted once it is uncommented", () => {
  const lines = defaultFile().split("\n");
  const end = lines.findIndex((line) => line.startsWith("# A jail is switched on"));
  const tomlLine = /^# ([a-z0-9_]+ = .*)$/;
  const uncommented = lines
    .slice(0, end)
    .map((line) => tomlLine.exec(line)?.[1] ?? line)
    .join("\n");
  const loaded = load(`${uncommented}\n[notify.admin]\ntype = "syslog"\n[jails.demo]\nenabled = true`);
  expect(loaded.ok ? [] : loaded.faults).toEqual([]);
  expect(uncommented).toContain("\nmaxretry = 5\n");
});

test("the JSON Schema knows every table, refuses unknown keys and can be written down", () => {
  const schema = jsonSchema() as {
    properties: Record<string, { properties?: object; additionalProperties?: unknown }>;
  };
  expect(Object.keys(schema.properties).sort()).toEqual([
    "daemon",
    "defaults",
    "enrichment",
    "jails",
    "metrics",
    "notify",
    "report",
  ]);
  expect(schema.properties.daemon?.additionalProperties).toBe(false);
  expect(Object.keys(schema.properties.daemon?.properties ?? {}).sort()).toEqual(
    Object.keys(daemonKeys).sort(),
  );
  expect(JSON.stringify(schema)).not.toContain('"otherwise"');
});

test("no table has two headers of the same name", () => {
  const headers = tables().map((table) => table.header);
  expect(new Set(headers).size).toBe(headers.length);
});

describe("every option of fail2ban", () => {
  // jail.conf(5) and fail2ban.conf: what a user may have written.
  const jail =
    "enabled filter mode logpath skip_if_nologs systemd_if_nologs backend journalmatch logencoding logtimezone datepattern prefregex failregex ignoreregex maxlines usedns maxretry findtime maxmatches bantime ignoreself ignoreip ignorecommand ignorecache action banaction banaction_allports port protocol chain destemail sender mta fail2ban_agent action_ action_mw action_mwl action_xarf action_cf_mwl action_blocklist_de action_abuseipdb";
  const daemon =
    "loglevel logtarget syslogsocket socket pidfile allowipv6 dbfile dbpurgeage dbmaxmatches stacksize";
  const increments = "increment factor formula multipliers maxtime rndtime overalljails";
  const readme = readFileSync(join(import.meta.dir, "../../src/config/README.md"), "utf8");

  test("of jails has a key of its name or an answer to whoever types it", () => {
    for (const name of jail.split(" "))
      expect([name, Object.hasOwn(jailKeys, name) || Object.hasOwn(elsewhere, name)]).toEqual([name, true]);
  });
  test("of the daemon has one too", () => {
    for (const name of daemon.split(" "))
      expect([name, Object.hasOwn(daemonKeys, name) || Object.hasOwn(elsewhere, name)]).toEqual([name, true]);
  });
  test("of the bantime family is a key of the bantime table", () => {
    const keys = of("[jails.NAME.bantime]").map((one) => one.key);
    expect(keys).toEqual(expect.arrayContaining(increments.split(" ")));
  });
  test("stands in the table of src/config/README.md", () => {
    for (const name of [
      ...jail.split(" "),
      ...daemon.split(" "),
      ...increments.split(" ").map((one) => `bantime.${one}`),
    ])
      expect([name, readme.includes(`\`${name}\``)]).toEqual([name, true]);
  });
});

test("the keys that the answers speak of exist", () => {
  const known = new Set(all.map((one) => one.key));
  for (const [option, answer] of Object.entries(elsewhere))
    for (const [, key] of answer.matchAll(/\b([a-z]+) = /g))
      expect([option, key, known.has(key!)]).toEqual([option, key, true]);
});

test("the example file parses as TOML as it stands", () =>
  expect(Object.keys(parse(defaultFile()))).toEqual(["daemon", "defaults", "jails"]));
