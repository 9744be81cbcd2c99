// What others do to it: kill -9 under a steady writer, a foreign flush of the ruleset, a user's catastrophic expression, a broken reload.
// The compiled executable and the real kernel.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ableTo,
  configure,
  connects,
  type DaemonFiles,
  type Lab,
  labMissing,
  openLab,
  startDaemon,
  until,
} from "../support/lab.ts";

const able = ableTo(labMissing(["nft", "python3"]), "resilience against the real kernel");

const stamp = (): string => {
  const at = new Date();
  return `${at.toLocaleString("en", { month: "short" })} ${String(at.getDate()).padStart(2)} ${at.toTimeString().slice(0, 8)}`;
};
const failure = (address: string, user = "root"): string =>
  `${stamp()} web1 sshd[812]: Failed password for ${user} from ${address} port 4022 ssh2\n`;

interface Status {
  readonly banned: { readonly now: number; readonly total: number };
  readonly failed: { readonly now: number; readonly total: number };
  readonly problems: readonly string[];
  readonly bans?: readonly { readonly target: string }[];
}

/** Addresses that stand in our sets of the kernel. */
function kernel(lab: Lab): string[] {
  const out = lab.server.run(["nft", "-j", "list", "ruleset"]).stdout;
  const found: string[] = [];
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const one of value) walk(one);
    else if (typeof value === "object" && value !== null) {
      const set = (value as { set?: { table?: string; elem?: unknown[] } }).set;
      if (set?.table === "f2b") {
        for (const one of set.elem ?? []) {
          const element = one as string | { elem?: { val?: unknown } };
          found.push(typeof element === "string" ? element : String(element.elem?.val));
        }
      } else for (const one of Object.values(value)) walk(one);
    }
  };
  walk(JSON.parse(out === "" ? "[]" : out));
  return found.filter((one) => /^[0-9a-f:.]+$/.test(one)).sort();
}

const jailStatus = (f2b: (...words: string[]) => { stdout: string }, jail = "sshd"): Status =>
  JSON.parse(f2b("status", jail, "--json").stdout) as Status;

describe.skipIf(!able)("resilience", () => {
  let lab: Lab;
  let log: string;
  let files: DaemonFiles;
  const toml = (): string =>
    `[defaults]\nbanaction = "nftables"\n[jails.sshd]\nenabled = true\nbackend = "inotify"\nlogpath = ["${log}"]\nmaxretry = 3\nfindtime = "1h"\nbantime = "1h"\n`;
  beforeAll(() => {
    lab = openLab(1);
    log = join(lab.directory, "auth.log");
  });
  afterAll(() => lab?.close());

  test("killed at random moments under a writer that never pauses: nothing lost, nothing twice, kernel equals journal", async () => {
    writeFileSync(log, "");
    files = configure(lab, toml(), "crash");
    const rounds = process.env.F2B_TORTURE === undefined ? 8 : 200;
    let written = 0;
    let stop = false;
    const offenders = new Map<string, number>();
    const writer = (async () => {
      while (!stop) {
        // Every third offender fails twice only and must never be banned.
        const n = Math.floor(written / 3);
        const times = n % 3 === 2 ? 2 : 3;
        const address = `30.${(n >>> 14) & 127}.${(n >>> 7) & 127}.${1 + (n & 127)}`;
        let block = "";
        for (let i = 0; i < times; i++) block += failure(address);
        offenders.set(address, times);
        appendFileSync(log, block);
        written += 3;
        await Bun.sleep(1);
      }
    })();
    for (let round = 0; round < rounds; round++) {
      const daemon = await startDaemon(lab, files);
      await Bun.sleep(Math.random() * 250);
      await daemon.kill("SIGKILL");
    }
    stop = true;
    await writer;
    const daemon = await startDaemon(lab, files);
    const expected = [...offenders]
      .filter(([, times]) => times === 3)
      .map(([address]) => address)
      .sort();
    await until(
      "all lines are judged",
      () => jailStatus(daemon.f2b).banned.now >= expected.length,
      20_000,
      50,
    );
    const status = jailStatus(daemon.f2b);
    expect((status.bans ?? []).map((ban) => ban.target).sort()).toEqual(expected);
    expect(kernel(lab)).toEqual(expected);
    expect(status.banned.total).toBe(expected.length);
    expect(status.failed.total).toBe([...offenders.values()].reduce((sum, times) => sum + times, 0));
    await daemon.kill("SIGTERM");
  }, 300_000);

  test("a foreign flush of the ruleset is repaired within a second, without a new log line", async () => {
    writeFileSync(log, "");
    files = configure(lab, toml(), "flush");
    lab.server.run(["nft", "flush", "ruleset"]);
    const daemon = await startDaemon(lab, files);
    daemon.f2b("ban", "sshd", "203.0.113.5", "2001:db8::5", "203.0.113.64/26");
    await until("the bans stand", () => kernel(lab).length >= 3);
    const before = lab.server
      .run(["nft", "list", "ruleset"])
      .stdout.replace(/expires \S+|counter packets \d+ bytes \d+/g, "");
    for (let i = 0; i < 3; i++) {
      lab.server.run(["nft", "flush", "ruleset"]);
      await until("they stand again", () => kernel(lab).length >= 3, 1000);
    }
    await Bun.sleep(300);
    const after = lab.server
      .run(["nft", "list", "ruleset"])
      .stdout.replace(/expires \S+|counter packets \d+ bytes \d+/g, "");
    expect(after.split("\n").length).toBe(before.split("\n").length); // no rule doubled
    lab.server.run(["nft", "delete", "table", "inet", "f2b"]);
    await until("a deleted table is back", () => kernel(lab).length >= 3, 1000);
    await daemon.kill("SIGTERM");
  }, 60_000);

  test("a ban survives stop and start, an operator's unban holds against old lines, counters survive", async () => {
    writeFileSync(log, "");
    lab.server.run(["nft", "flush", "ruleset"]);
    files = configure(lab, toml(), "restart");
    let daemon = await startDaemon(lab, files);
    const [client] = lab.clients;
    if (client === undefined) throw new Error("the lab has a client");
    appendFileSync(log, failure("203.0.113.7").repeat(2) + failure(client.v4).repeat(3));
    await until("the client is banned", () => daemon.f2b("banned", client.v4).code === 0);
    await daemon.kill("SIGTERM");
    expect(kernel(lab)).toEqual([client.v4]); // stands while the daemon is down
    daemon = await startDaemon(lab, files);
    expect(daemon.f2b("banned", client.v4).code).toBe(0);
    appendFileSync(log, failure("203.0.113.7"));
    await until(
      "two failures before the restart and one after make three",
      () => daemon.f2b("banned", "203.0.113.7").code === 0,
    );
    expect(daemon.f2b("unban", client.v4).code).toBe(0);
    await daemon.kill("SIGKILL");
    daemon = await startDaemon(lab, files);
    await Bun.sleep(500);
    expect(daemon.f2b("banned", client.v4).code).toBe(1);
    const explained = daemon.f2b("explain", "203.0.113.7").stdout;
    expect(explained).toContain("banned in sshd");
    expect(explained).toContain("Failed password for root from 203.0.113.7");
    expect(daemon.f2b("explain", client.v4).stdout).toContain("operator");
    await daemon.kill("SIGTERM");
  }, 60_000);

  test("a reload applies only the difference; a broken one changes nothing", async () => {
    writeFileSync(log, "");
    files = configure(lab, toml(), "reload");
    lab.server.run(["nft", "flush", "ruleset"]);
    const daemon = await startDaemon(lab, files);
    appendFileSync(log, failure("203.0.113.8").repeat(2));
    await until("two failures are counted", () => jailStatus(daemon.f2b).failed.now === 1);
    const good = readFileSync(files.config, "utf8");
    writeFileSync(files.config, `${good}\nmaxretri = 1\n`);
    const broken = daemon.f2b("reload");
    expect(broken.code).toBe(78);
    expect(broken.stderr).toContain("maxretry");
    writeFileSync(
      files.config,
      `${good.replace("maxretry = 3", "maxretry = 4")}\n[jails.recidive]\nenabled = true\n`,
    );
    const changed = daemon.f2b("reload");
    expect(changed.code).toBe(0);
    expect(changed.stdout).toContain("sshd: changed");
    expect(changed.stdout).toContain("recidive: started");
    appendFileSync(log, failure("203.0.113.8"));
    await Bun.sleep(300);
    expect(daemon.f2b("banned", "203.0.113.8").code).toBe(1); // three of four
    appendFileSync(log, failure("203.0.113.8"));
    await until("the fourth bans", () => daemon.f2b("banned", "203.0.113.8").code === 0);
    expect(daemon.f2b("set", "sshd", "maxretry", "1", "--save").code).toBe(0);
    appendFileSync(log, failure("203.0.113.9"));
    await until("the first failure bans", () => daemon.f2b("banned", "203.0.113.9").code === 0);
    await daemon.kill("SIGTERM");
    const again = await startDaemon(lab, files);
    expect(again.f2b("get", "sshd", "maxretry").stdout.trim()).toBe("1");
    await again.kill("SIGTERM");
  }, 60_000);

  test("repeat offenders are banned on all ports by recidive, from f2b's own events", async () => {
    writeFileSync(log, "");
    files = configure(
      lab,
      `${toml().replace('bantime = "1h"', 'bantime = "1s"').replace("maxretry = 3", "maxretry = 1")}[jails.recidive]\nenabled = true\nmaxretry = 3\n`,
      "recidive",
    );
    lab.server.run(["nft", "flush", "ruleset"]);
    const daemon = await startDaemon(lab, files);
    for (let i = 0; i < 3; i++) {
      appendFileSync(log, failure("203.0.113.20"));
      await until("banned", () => daemon.f2b("banned", "203.0.113.20").code === 0, 5000);
      if (i < 2) await until("let in again", () => daemon.f2b("banned", "203.0.113.20").code === 1, 5000);
    }
    await until(
      "recidive has it",
      () => (jailStatus(daemon.f2b, "recidive").bans ?? []).some((ban) => ban.target === "203.0.113.20"),
      3000,
    );
    await daemon.kill("SIGTERM");
  }, 60_000);

  test("a catastrophic expression of a user's costs its own jail only, and is named", async () => {
    writeFileSync(log, "");
    const evilLog = join(lab.directory, "evil.log");
    writeFileSync(evilLog, "");
    files = configure(
      lab,
      `${toml()}[jails.evil]\nenabled = true\nbackend = "inotify"\nlogpath = ["${evilLog}"]\nport = "all"\nmaxretry = 1\n`,
      "evil",
    );
    mkdirSync(join(lab.directory, "jails"), { recursive: true });
    writeFileSync(
      join(lab.directory, "jails/evil.toml"),
      `summary = "a filter of a user's"\n[filter]\nformat = "bare"\nfailregex = ['^(a+)+$ <HOST>', '^evil .*a.*b.*c.*d.* from <HOST>$', '^good from <HOST>$']\n`,
    );
    lab.server.run(["nft", "flush", "ruleset"]);
    const daemon = await startDaemon(lab, files);
    appendFileSync(evilLog, `${"a".repeat(4000)}!\nevil ${"abc".repeat(2000)}x\n`);
    await Bun.sleep(50);
    appendFileSync(log, failure("203.0.113.30").repeat(3));
    await until(
      "sshd goes on banning within a second",
      () => daemon.f2b("banned", "203.0.113.30").code === 0,
      1000,
    );
    appendFileSync(evilLog, "good from 203.0.113.31\n");
    await until(
      "the jail's sound expressions work",
      () => daemon.f2b("banned", "203.0.113.31").code === 0,
      15_000,
      100,
    );
    await until(
      "status names the expression",
      () => daemon.f2b("status", "evil").stdout.includes("too slow"),
      5000,
      100,
    );
    await daemon.kill("SIGTERM");
  }, 60_000);

  test("the last gate: own addresses, gateways and loopback are refused, whatever is asked", async () => {
    files = configure(lab, toml(), "gate");
    writeFileSync(log, "");
    const daemon = await startDaemon(lab, files);
    for (const target of ["127.0.0.1", lab.server.v4, lab.server.v6, "0.0.0.0/0", "::1", "224.0.0.1"]) {
      const ran = daemon.f2b("ban", "sshd", target);
      expect(`${target} ${ran.code}`).toBe(`${target} 1`);
    }
    appendFileSync(log, failure(lab.server.v4).repeat(5));
    await Bun.sleep(300);
    expect(daemon.f2b("banned", lab.server.v4).code).toBe(1);
    const [client] = lab.clients;
    expect(client !== undefined && connects(client, lab.server.v4, 22)).toBe(false); // nobody listens; but it is not blocked either
    await daemon.kill("SIGTERM");
  }, 60_000);
});
