// What the doctor sees: real logs, real permissions, real sockets and, in a network namespace, a real firewall.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { banactions } from "../../src/banaction/index.ts";
import { parseTarget } from "../../src/core/address.ts";
import type { JailName } from "../../src/core/domain.ts";
import { neighbours, nodes } from "../../src/doctor/look/dear.ts";
import { lookAtFiles } from "../../src/doctor/look/files.ts";
import { before, lookAtEnforcement } from "../../src/doctor/look/firewall.ts";
import { lookAtJournald } from "../../src/doctor/look/journald.ts";
import { lookAtLogs } from "../../src/doctor/look/logs.ts";
import { lookAtSystem } from "../../src/doctor/look/machine.ts";
import { lookAtNotify, serverOf } from "../../src/doctor/look/notify.ts";
import type { System } from "../../src/system/index.ts";
import { realSystem } from "../../src/system/real.ts";
import { noJournald, startJournald } from "../support/journald.ts";
import { namespace, until, whyNoNetns } from "../support/netns.ts";
import { address, configOf } from "./facts.ts";

const system = realSystem({ say: () => undefined });
const directory = mkdtempSync(join(tmpdir(), "f2b-look-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let count = 0;
const place = (name: string): string => {
  const inside = join(directory, String(count++));
  mkdirSync(inside);
  return join(inside, name);
};

const stamp = (at: number): string => new Date(at).toISOString().replace(/\.\d+Z$/, "+00:00");
const sshd = (
  at: number,
  host = "web1",
  message = "Failed password for root from 203.0.113.5 port 4022 ssh2",
): string => `${stamp(at)} ${host} sshd[812]: ${message}\n`;
const watching = (path: string) =>
  configOf(`[jails.sshd]\nenabled = true\nbackend = "auto"\nlogpath = ["${path}"]\n`);
const only = (path: string, pattern = path) => {
  const found = lookAtLogs(system, watching(pattern)).find((one) => one.path === path);
  if (found === undefined) throw new Error(`${path} was not looked at`);
  return found;
};

describe("logs", () => {
  test("of a healthy log it knows lines, times, program, failures and host", () => {
    const path = place("auth.log");
    const at = Date.now() - 60_000;
    writeFileSync(path, Array.from({ length: 30 }, (_, n) => sshd(at + n * 1000)).join(""), { mode: 0o640 });
    expect(only(path)).toMatchObject({
      state: "open",
      writable: false,
      network: false,
      rotated: false,
      lines: 30,
      timed: 30,
      named: 30,
      suspects: 30,
      failures: 30,
      hosts: ["web1"],
      reach: undefined,
    });
    expect(Math.abs((only(path).lastTime ?? 0) - at - 29_000)).toBeLessThan(1000);
  });

  test("lines without a time, of other programs, of several hosts are counted as such", () => {
    const path = place("messages");
    const at = Date.now();
    writeFileSync(
      path,
      `${"no time at all\n".repeat(7)}${sshd(at, "db7").repeat(5)}${sshd(at, "web1").repeat(5)}`,
    );
    expect(only(path)).toMatchObject({ lines: 17, timed: 10, named: 10, hosts: ["db7", "web1"] });
  });

  test("what everybody may write is told, and what is no file is refused", () => {
    const path = place("auth.log");
    writeFileSync(path, "");
    chmodSync(path, 0o666);
    expect(only(path).writable).toBeTrue();
    const fifo = place("fifo.log");
    expect(spawnSync("mkfifo", [fifo]).status).toBe(0);
    expect(only(fifo)).toMatchObject({ state: "refused" });
    expect(only(fifo).why).toContain("fifo");
  });

  test("a rotated file that a glob finds is known by its live sibling", () => {
    const path = place("access.log");
    writeFileSync(path, sshd(Date.now()));
    writeFileSync(`${path}.1`, sshd(Date.now() - 7_200_000));
    utimesSync(`${path}.1`, Date.now() / 1000 - 3600, Date.now() / 1000 - 3600);
    expect(only(path, `${path}*`).rotated).toBeFalse();
    expect(only(`${path}.1`, `${path}*`).rotated).toBeTrue();
    expect(Math.round((only(path).reach ?? 0) / 60)).toBe(60);
  });

  test("a log of two bytes a letter is known, in either order; a hole that a rotation left is none", () => {
    const path = place("ERRORLOG");
    const text = `\ufeff${sshd(Date.now()).repeat(5)}`;
    writeFileSync(path, Buffer.from(text, "utf16le"));
    expect(only(path).wide).toBeTrue();
    writeFileSync(path, Buffer.from(text, "utf16le").swap16());
    expect(only(path).wide).toBeTrue();
    writeFileSync(path, `${"\0".repeat(500)}${sshd(Date.now()).repeat(5)}`);
    expect(only(path).wide).toBeFalse();
  });

  test("a path that finds nothing gives nothing", () => {
    expect(lookAtLogs(system, watching(place("absent.log")))).toEqual([]);
  });
});

describe("files", () => {
  test("the configuration, the way to it, the state, ignore lists and programs are looked at, behind links", () => {
    const allow = place("allow.txt");
    writeFileSync(allow, "192.0.2.1\n");
    const link = place("allow.link");
    symlinkSync(allow, link);
    const config = configOf(
      `[defaults]\nignoreip = ["file:${link}"]\nignorecommand = ["/bin/true"]\n\n[jails.sshd]\nenabled = true\n`,
    );
    const found = lookAtFiles(system, config, process.execPath);
    const of = (role: string): readonly string[] =>
      found.filter((one) => one.role === role).map((one) => one.path);
    expect(of("ignorelist")).toContain(allow);
    expect(of("ignorelist")).not.toContain(link);
    expect(of("program").some((path) => path.endsWith("/true") || path.endsWith("coreutils"))).toBeTrue();
    expect(of("f2b")).toEqual([]);
  });

  test("a configuration that has a secret written out is one", () => {
    const path = place("f2b.toml");
    const text =
      '[jails.sshd]\nenabled = true\n\n[notify.phone]\ntype = "gotify"\nserver = "https://push.corp.test"\ntoken = "A0123456789"\n';
    writeFileSync(path, text, { mode: 0o644 });
    const config = configOf(text);
    const origin = config.provenance()["notify.phone.token"];
    expect(origin?.at.line).toBe(7);
    // The text stands under a name of its own; its file is what counts.
    expect(config.notify.phone?.type).toBe("gotify");
  });
});

describe("neighbours, nodes and rules", () => {
  test("nodes of corosync and peers on cluster ports are neighbours; clients of a web server are not", () => {
    expect(nodes("nodelist {\n  node {\n    ring0_addr: 10.1.2.3\n    ring0_addr: db2\n  }\n}\n")).toEqual([
      address("10.1.2.3"),
    ]);
    const row = (local: string, remote: string, state: string): string =>
      `   0: ${local} ${remote} ${state} 0 0 0 0 0 0 1`;
    const table = [
      "  sl  local_address rem_address   st",
      row("0402010A:C350", "0302010A:094B", "01"), // 10.1.2.3:2379
      row("0402010A:0050", "097100CB:C350", "01"), // a client of port 80
      row("0402010A:C351", "0802010A:094B", "06"), // gone already
      row("0402010A:C352", "097100CB:094B", "01"), // not internal
    ].join("\n");
    expect(neighbours(table)).toEqual([address("10.1.2.3")]);
  });

  test("only rules that let new packets pass before f2b's jump count", () => {
    const rules = [
      "-P INPUT ACCEPT",
      "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
      "-A INPUT -i lo -j ACCEPT",
      "-A INPUT -s 192.0.2.0/24 -j ACCEPT",
      "-A INPUT -p icmp -j ACCEPT",
      "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
      "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd",
      "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT",
    ];
    expect(before(rules.join("\n"))).toEqual(["-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"]);
    expect(before(rules.filter((one) => !one.includes("f2b")).join("\n"))).toEqual([]);
  });
});

describe("notifications", () => {
  let server: Server;
  let port = 0;
  beforeAll(async () => {
    server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    port = (server.address() as { port: number }).port;
  });
  afterAll(() => void server.close());

  test("where messages go is read from the options", () => {
    expect(serverOf({ url: "https://push.corp.test/x" })).toEqual({ host: "push.corp.test", port: 443 });
    expect(serverOf({ server: "http://[::1]:8080" })).toEqual({ host: "::1", port: 8080 });
    expect(serverOf({ via: "smtp", host: "mail.corp.test", tls: "auto" })).toEqual({
      host: "mail.corp.test",
      port: 25,
    });
    expect(serverOf({ via: "smtp", host: "mail.corp.test", tls: "auto", username: "x" })).toEqual({
      host: "mail.corp.test",
      port: 587,
    });
    expect(serverOf({ via: "sendmail", host: "localhost" })).toBeUndefined();
    expect(serverOf({ command: ["/bin/true"] })).toBeUndefined();
  });

  test("an open port, a closed one, a missing program and a secret open to everybody are told apart", async () => {
    const secret = place("secret");
    writeFileSync(secret, "token\n");
    chmodSync(secret, 0o644);
    const config = configOf(`[jails.sshd]
enabled = true

[notify.open]
type = "redis"
host = "127.0.0.1"
port = ${port}
password_file = "${secret}"

[notify.closed]
type = "redis"
host = "127.0.0.1"
port = 1
password_file = "${secret}.absent"

[notify.program]
type = "command"
command = ["/usr/local/bin/f2b-no-such-program"]
`);
    const told = [{ name: "closed", state: "failing", dropped: 3, lastError: "no answer" }];
    expect(await lookAtNotify(system, config, told)).toMatchObject([
      { name: "open", dropped: 0, server: { answer: "open" }, secretFile: { state: "open" } },
      {
        name: "closed",
        dropped: 3,
        state: "failing",
        server: { answer: "closed" },
        secretFile: { state: "absent" },
      },
      { name: "program", program: { present: false } },
    ]);
  });
});

test("the machine underneath answers with numbers that can be", async () => {
  const found = await lookAtSystem(system, configOf("[jails.sshd]\nenabled = true\n"), [], process.pid);
  expect(found.disks[0]?.size).toBeGreaterThan(0);
  expect(found.descriptors).toBeGreaterThan(16);
  expect(found.memory.total).toBeGreaterThan(found.memory.available);
  expect(found.inotify.instances).toBeGreaterThan(0);
});

if (noJournald !== undefined && process.env.CI !== undefined)
  throw new Error(`CI must have journald: ${noJournald}`);

describe.skipIf(noJournald !== undefined)("systemd's journal", () => {
  test("records are counted for each jail, and how far back they reach is known", async () => {
    const journald = await startJournald();
    try {
      const asked: System = {
        ...system,
        programs: {
          ...system.programs,
          run: ([program = "", ...words], options) =>
            system.programs.run([program, `--namespace=${journald.namespace}`, ...words], options),
        },
      };
      const config = configOf(
        ["sshd", "dovecot"]
          .map((name) => `[jails.${name}]\nenabled = true\nbackend = "systemd"\n`)
          .join("\n")
          .replace('backend = "systemd"', 'backend = "systemd"\njournalmatch = ["_TRANSPORT=syslog _UID=0"]'),
      );
      const say = spawnSync("logger", [
        "-u",
        journald.syslog,
        "-t",
        "sshd",
        "Failed password for root from 203.0.113.5 port 4 ssh2",
      ]);
      expect(say.status).toBe(0);
      await until(
        async () => ((await lookAtJournald(asked, config, []))?.records.sshd ?? 0) > 0,
        10_000,
        100,
      );
      const found = await lookAtJournald(asked, config, []);
      expect(found).toMatchObject({ refused: undefined, suppressed: 0, records: { sshd: 1, dovecot: 0 } });
      expect(found?.reach).toBeLessThan(3600);
    } finally {
      await journald.stop();
    }
  }, 30_000);

  test("no jail that reads it: not asked; no journalctl: told", async () => {
    expect(
      await lookAtJournald(
        system,
        configOf('[jails.nginx-http-auth]\nenabled = true\nbackend = "polling"\n'),
        [],
      ),
    ).toBeUndefined();
    const config = configOf('[jails.sshd]\nenabled = true\nbackend = "systemd"\n');
    const found = await lookAtJournald(
      { ...system, programs: { ...system.programs, find: () => undefined } },
      config,
      [],
    );
    expect(found?.refused).toContain("not installed");
  });
});

const skipped = whyNoNetns(["nft", "iptables", "ip6tables"]) !== undefined;

describe.skipIf(skipped)("the firewall", () => {
  const bans = ["203.0.113.5", "2001:db8::5"].map((text) => ({ jail: "sshd", target: text }));
  const config = configOf('[jails.sshd]\nenabled = true\nport = ["ssh"]\nbanaction = "nftables"\n');

  test("what stands is compared with what should, ban by ban", async () => {
    const server = namespace("doctor");
    try {
      const inside = server.system();
      const jail = config.jails[0]!;
      const options = jail.banaction[0]!.options;
      const setup = {
        jail: "sshd" as JailName,
        port: jail.port,
        protocol: jail.protocol,
        chain: jail.chain,
        blocktype: jail.blocktype,
        options,
      };
      const standing = bans.map((ban) => ({
        target: parseTarget(ban.target)!,
        until: "forever" as const,
        fresh: true,
      }));
      const steps = [
        ...banactions.nftables!.start(setup),
        ...banactions.nftables!.ban(setup, standing, Date.now()),
      ];
      for (const step of steps)
        if (step.kind === "script")
          expect((await inside.programs.run(["nft", "-f", "-"], { stdin: step.text })).code).toBe(0);
      const look = (banned: typeof bans) => lookAtEnforcement(inside, config, [], banned);
      expect((await look(bans)).drift).toEqual([{ jail: "sshd", missing: 0, foreign: 0 }]);
      expect((await look([...bans, { jail: "sshd", target: "203.0.113.9" }])).drift).toEqual([
        { jail: "sshd", missing: 1, foreign: 0 },
      ]);
      server.must("nft", "delete", "table", "inet", "f2b");
      expect((await look(bans)).drift).toEqual([{ jail: "sshd", missing: 2, foreign: 0 }]);
    } finally {
      server.remove();
    }
  });

  test("rules of iptables that come before f2b's are found on the real thing", async () => {
    const server = namespace("doctor-old");
    try {
      server.must("iptables", "-N", "f2b-sshd");
      server.must("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT");
      server.must("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "f2b-sshd");
      const found = await lookAtEnforcement(server.system(), config, [], undefined);
      expect(found.earlier.map((one) => one.chain)).toEqual(["INPUT of iptables"]);
      expect(found.drift).toBeUndefined();
      expect(found.probes.find((probe) => probe.name === "nftables")?.works).toBeTrue();
      expect(found.programs.has("nft")).toBeTrue();
    } finally {
      server.remove();
    }
  });
});
