// Every finding of the live system: facts that must give it, and the nearest ones that must give nothing. And the rule over all: no id
// in the catalogue without such a pair, here or among the fixtures.

import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Facts, GuardedFile, LogFacts, NotifyFacts } from "../../src/doctor/facts.ts";
import { catalogue, groups, type Rule } from "../../src/doctor/index.ts";
import { checkLive } from "../../src/doctor/live.ts";
import { explain } from "../../src/doctor/print.ts";
import { address, configOf, guarded, log, notify, now, plainText, sound, unit } from "./facts.ts";

interface Pair {
  readonly bad: Facts;
  readonly good: Facts;
}

const pair = (bad: Facts, good: Facts = sound): Pair => ({ bad, good });
const day = 86_400_000;

const logs = (...some: readonly Partial<LogFacts>[]): Facts => ({
  ...sound,
  logs: some.map((one) => ({ ...log, ...one })),
});
const config = (text: string, facts: Facts = sound): Facts => ({ ...facts, config: configOf(text) });
const firewall = (change: Partial<Facts["firewall"]>, facts: Facts = sound): Facts => ({
  ...facts,
  firewall: { ...facts.firewall, ...change },
});
const daemon = (change: Partial<Facts["daemon"]>): Facts => ({
  ...sound,
  daemon: { ...sound.daemon, ...change },
});
const status = (change: Partial<NonNullable<Facts["daemon"]["status"]>>): Facts =>
  daemon({ status: { ...sound.daemon.status!, ...change } });
const jail = (change: Partial<NonNullable<Facts["daemon"]["status"]>["jails"][number]>): Facts =>
  status({ jails: [{ ...sound.daemon.status!.jails[0]!, ...change }] });
const system = (change: Partial<Facts["system"]>): Facts => ({
  ...sound,
  system: { ...sound.system, ...change },
});
const file = (change: Partial<GuardedFile>): Facts => ({
  ...sound,
  files: [...sound.files, { ...guarded, ...change }],
});
const told = (change: Partial<NotifyFacts>): Facts => ({ ...sound, notify: [{ ...notify, ...change }] });
const listening = (...ports: readonly number[]): Facts => ({
  ...sound,
  services: [
    { jail: "sshd", running: true, listening: ports.map((port) => ({ protocol: "tcp" as const, port })) },
  ],
});
const disk = (change: object): Facts => system({ disks: [{ ...sound.system.disks[0]!, ...change }] });
const dear = (as: Facts["dear"][number]["as"], text: string): Facts => ({
  ...sound,
  dear: [...sound.dear, { address: address(text), as, from: "a test" }],
});

const byJournal = plainText.replace(
  'logpath = ["/var/log/auth.log"]',
  'backend = "systemd"\njournalmatch = ["_SYSTEMD_UNIT=ssh.service"]',
);
const journal = { refused: undefined, reach: 7 * 86_400, suppressed: 0, records: { sshd: 12 } };
const journald = (change: Partial<NonNullable<Facts["journald"]>>): Facts =>
  config(byJournal, { ...sound, logs: [], journald: { ...journal, ...change } });

const byIptables = plainText.replace('"auto"', '"iptables"');
const iptables = (change: Partial<Facts["firewall"]>): Facts => firewall(change, config(byIptables));
const docker = { port: 22, protocol: "tcp", to: "172.17.0.2:22" };
const proxied = (count: number, text: string, banned: boolean): Facts => ({
  ...sound,
  recent: [
    {
      jail: "sshd",
      failures: 100,
      by: [
        { address: address(text), count },
        { address: address("203.0.113.6"), count: 100 - count },
      ].filter((one) => one.count > 0),
      banned: banned ? [address(text)] : [],
    },
  ],
});

const pairs: Readonly<Record<string, Pair>> = {
  F2B301: pair(logs({ state: "absent" }), logs({})),
  F2B302: pair(logs({ state: "refused", why: "/var/log/auth.log is a fifo, not a file" }), logs({})),
  F2B303: pair(
    logs({ mtimeMs: now - 9 * day, lastTime: now - 9 * day }),
    logs({ mtimeMs: now - day, lastTime: now - day }),
  ),
  F2B304: pair(logs({ timed: 0, lastTime: undefined }), logs({ lines: 5, timed: 0, lastTime: undefined })),
  F2B305: pair(logs({ lastTime: now - 60_000 + 2 * 3_600_000 }), logs({ lastTime: now - 100_000 })),
  F2B306: pair(journald({ records: { sshd: 0 } }), journald({})),
  F2B307: pair(journald({ suppressed: 4000 }), journald({})),
  F2B308: pair(journald({ reach: 300 }), journald({ reach: 3600 })),
  F2B309: pair(logs({ reach: 120 }), logs({ reach: undefined })),
  F2B310: pair(proxied(100, "172.18.0.1", false), proxied(40, "172.18.0.1", false)),
  F2B311: pair(
    logs({}, { path: "/var/log/auth.log.1", rotated: true }),
    logs({}, { path: "/var/log/auth.log2" }),
  ),
  F2B312: pair(
    { ...logs({ named: 0, suspects: 0, failures: 0 }), services: [] },
    { ...logs({ named: 1, suspects: 0, failures: 0 }), services: [] },
  ),
  F2B313: pair(
    logs({ network: true }),
    config(plainText.replace("port =", 'backend = "polling"\nport ='), logs({ network: true })),
  ),
  F2B314: pair(logs({ hosts: ["web1", "db7"] }), logs({ hosts: ["web1"] })),
  F2B315: pair(jail({ state: "broken", reason: "its filter is broken" }), jail({ state: "waiting" })),
  F2B316: pair(logs({ suspects: 40, failures: 0 }), logs({ suspects: 40, failures: 1 })),
  F2B318: pair(logs({ wide: true, lines: 3, timed: 0 }), logs({})),
  F2B317: pair(journald({ refused: "journalctl is not installed" }), journald({})),
  F2B401: pair(iptables({ programs: new Set(["nft", "iptables", "ipset"]) }), iptables({})),
  F2B402: pair(
    firewall({
      probes: [
        { name: "nftables", works: false, version: "nftables v1.0.6", why: "Operation not permitted" },
      ],
    }),
  ),
  F2B403: pair(firewall({ fail2ban: true })),
  F2B404: pair(iptables({ owners: ["firewalld"] }), firewall({ owners: ["firewalld"] })),
  F2B405: pair(
    iptables({ earlier: [{ chain: "INPUT", rule: "-A INPUT -p tcp --dport 22 -j ACCEPT" }] }),
    firewall({ earlier: [{ chain: "INPUT", rule: "-A INPUT -p tcp --dport 22 -j ACCEPT" }] }),
  ),
  F2B406: pair(listening(2222), sound),
  F2B407: pair(
    config(`${plainText}\n[jails.recidive]\nenabled = true\n`, listening(22, 2222)),
    config(plainText.replace('["ssh"]', '["ssh", 2222]'), listening(22, 2222)),
  ),
  F2B408: pair(iptables({ published: [docker] }), firewall({ published: [docker] })),
  F2B409: pair(
    config(`[daemon]\nallowipv6 = "no"\n\n${plainText}`),
    config(`[daemon]\nallowipv6 = "no"\n\n${plainText}`, firewall({ ipv6: false })),
  ),
  F2B410: pair(
    firewall({ drift: [{ jail: "sshd", missing: 2, foreign: 1 }] }),
    firewall({ drift: undefined }),
  ),
  F2B411: pair(daemon({ status: undefined })),
  F2B412: pair(status({ dryrun: "no firewall works here" })),
  F2B413: pair(status({ problems: ["nft: No buffer space available"] })),
  F2B414: pair(
    jail({ ineffective: [{ target: "203.0.113.5", reason: "still failing 3 minutes after the ban" }] }),
  ),
  F2B415: pair(daemon({ journal: { damaged: 2, newest: now } })),
  F2B416: pair(daemon({ sameNetwork: false }), daemon({ sameNetwork: undefined })),
  F2B417: pair(status({ jails: [] })),
  F2B418: pair(status({ degraded: "ENOSPC" })),
  F2B419: pair(status({ version: "0.9.0" })),
  F2B421: pair(iptables({ programs: new Set(["iptables", "ip6tables"]) }), iptables({})),
  F2B501: pair(dear("session", "198.51.100.7"), dear("session", "192.0.2.10")),
  F2B502: pair(dear("gateway", "198.51.100.1"), dear("gateway", "192.0.2.1")),
  F2B503: pair(dear("resolver", "198.51.100.53"), dear("resolver", "192.0.2.53")),
  F2B504: pair(
    dear("relay", "198.51.100.25"),
    config(`[daemon]\nemergency = ["198.51.100.25"]\n\n${plainText}`, dear("relay", "198.51.100.25")),
  ),
  F2B505: pair(
    dear("neighbour", "10.1.2.3"),
    config(plainText.replace("192.0.2.53", '192.0.2.53", "10.1.2.0/24'), dear("neighbour", "10.1.2.3")),
  ),
  F2B506: pair({ ...dear("relay", "203.0.113.5") }, { ...dear("relay", "192.0.2.10") }),
  F2B507: pair(proxied(90, "172.18.0.1", true), proxied(40, "172.18.0.1", true)),
  F2B508: pair(proxied(30, "100.64.3.4", true), proxied(30, "100.128.3.4", true)),
  F2B509: pair(daemon({ banned: [address("192.0.2.10")] })),
  F2B510: pair(
    config(`[daemon]\nunguarded = ["192.0.2.1"]\n\n${plainText}`),
    config(`[daemon]\nunguarded = ["192.0.2.77"]\n\n${plainText}`),
  ),
  F2B601: pair(file({ mode: 0o666 }), file({ mode: 0o664 })),
  F2B602: pair(
    file({ role: "state", path: "/var/lib/f2b/journal", mode: 0o644 }),
    file({ role: "state", mode: 0o600 }),
  ),
  F2B603: pair(file({ role: "jails", path: "/etc/f2b/jails/app.toml", uid: 1000 }), file({ role: "jails" })),
  F2B604: pair(
    file({ role: "program", path: "/usr/local/bin/tell", mode: 0o777 }),
    file({ role: "program", mode: 0o755 }),
  ),
  F2B605: pair(
    file({ role: "secret", of: "the token of ntfy", mode: 0o644 }),
    file({ role: "secret", mode: 0o640 }),
  ),
  F2B606: pair(
    file({ role: "socket", kind: "socket", mode: 0o666 }),
    file({ role: "socket", kind: "socket", mode: 0o600 }),
  ),
  F2B608: pair(file({ role: "ignorelist", mode: 0o622 }), file({ role: "ignorelist" })),
  F2B609: pair(logs({ writable: true }), logs({})),
  F2B610: pair(
    file({ role: "f2b", path: "/usr/local/sbin/f2b", gid: 50, mode: 0o775 }),
    file({ role: "f2b", gid: 0, mode: 0o775 }),
  ),
  F2B701: pair(system({ synchronised: false }), system({ synchronised: undefined })),
  F2B702: pair(disk({ free: 1e6 }), disk({ free: 1e9 })),
  F2B703: pair(disk({ freeInodes: 3 }), disk({ freeInodes: 0, inodes: 0 })),
  F2B704: pair(system({ descriptors: 128 }), system({ descriptors: 1024 })),
  F2B705: pair(system({ inotify: { watches: 100, instances: 128, usedInstances: 1 } })),
  F2B706: pair(system({ unit: unit.replace("WatchdogSec=30", "") })),
  F2B707: pair(
    system({ unit: unit.replace("CAP_NET_ADMIN ", "") }),
    system({ unit: unit.replace(/^CapabilityBoundingSet=.*\n/m, "") }),
  ),
  F2B708: pair(system({ enabled: false }), system({ systemd: false, unit: undefined, enabled: false })),
  F2B709: pair(
    firewall({ probes: [{ ...sound.firewall.probes[0]!, version: "nftables v0.9.0 (Fearless Fosdick)" }] }),
    firewall({ probes: [{ ...sound.firewall.probes[0]!, version: "nftables v0.9.3 (Topsy)" }] }),
  ),
  F2B710: pair(
    system({ unit: unit.replace("Restart=always", "") }),
    system({ unit: unit.replace("always", "on-failure") }),
  ),
  F2B711: pair(
    daemon({ journal: { damaged: 0, newest: now + day } }),
    daemon({ journal: { damaged: 0, newest: now + 1000 } }),
  ),
  F2B712: pair(system({ memory: { available: 1e7, total: 4e9 } })),
  F2B713: pair(system({ unit: unit.replace("BUN_OPTIONS ", "") })),
  F2B801: pair(told({ state: "failing", lastError: "no answer" }), told({ state: "sending" })),
  F2B802: pair(told({ server: { host: "mail.corp.test", port: 25, answer: "closed" } })),
  F2B803: pair(told({ program: { path: "/usr/local/bin/tell", present: false } })),
  F2B806: pair(told({ dropped: 12 })),
  F2B808: pair(told({ secretFile: { path: "/etc/f2b/secrets/mail", state: "absent" } })),
  F2B809: pair(told({ server: { host: "mial.corp.test", port: 25, answer: "unknown name" } })),
};

describe("the live system", () => {
  test("a machine in good order gives nothing", () => {
    expect(checkLive(sound)).toEqual([]);
  });

  for (const [id, { bad, good }] of Object.entries(pairs)) {
    test(`${id}: ${catalogue[id as keyof typeof catalogue]?.title}`, () => {
      const all = checkLive(bad);
      const found = all.filter((one) => one.id === id);
      expect({ found: found.length > 0, all: all.map((one) => `${one.id} ${one.what}`) }).toMatchObject({
        found: true,
      });
      for (const one of found) for (const text of [one.what, one.why, one.fix]) expect(text).not.toBe("");
    });

    test(`${id}: its clean twin gives nothing`, () => {
      expect(checkLive(good).map((one) => `${one.id} ${one.what}`)).toEqual([]);
    });
  }
});

describe("the catalogue", () => {
  const fixtures = new Set(readdirSync(join(import.meta.dir, "fixtures")));
  const ids = Object.keys(catalogue);

  test("has at least 60 findings", () => expect(ids.length).toBeGreaterThan(120));

  test("every finding has a pair of a broken and a sound case", () => {
    // The saved settings are not read by the linter alone; that one has a test of its own.
    const own = ["F2B026"];
    expect(ids.filter((id) => !fixtures.has(id) && !Object.hasOwn(pairs, id) && !own.includes(id))).toEqual(
      [],
    );
    expect(Object.keys(pairs).filter((id) => !ids.includes(id))).toEqual([]);
  });

  test("every finding is explained in full, in its group", () => {
    for (const [id, rule] of Object.entries<Rule>(catalogue)) {
      expect(id).toMatch(/^F2B\d{3}$/);
      expect(groups[id[3] ?? ""]).toBeString();
      for (const text of [rule.title, rule.why, rule.fix]) expect(text.length).toBeGreaterThan(8);
      expect(explain(id)).toContain(rule.why);
    }
    expect(explain("F2B999")).toBeUndefined();
  });
});
