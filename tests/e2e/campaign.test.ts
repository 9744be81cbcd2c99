// Many addresses with one try each, networks that share their offences, and two jails that shut the same door: logs whose truth is known,
// written live to a file that the running daemon follows, and the kernel (or the file) asked for what stands.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ableTo,
  configure,
  executable,
  type Lab,
  labMissing,
  openLab,
  type RunningDaemon,
  startDaemon,
  until,
} from "../support/lab.ts";

const able = ableTo(labMissing(["nft"]), "campaigns, networks and shared targets against the real kernel");

const failure = (address: string, user: string): string => {
  const at = new Date();
  const stamp = `${at.toLocaleString("en", { month: "short" })} ${String(at.getDate()).padStart(2)} ${at.toTimeString().slice(0, 8)}`;
  return `${stamp} web1 sshd[812]: Failed password for ${user} from ${address} port 4022 ssh2\n`;
};

interface JailStatus {
  readonly failed: { readonly now: number; readonly total: number };
  readonly banned: { readonly now: number; readonly total: number };
  readonly campaign?: string;
  readonly bans: readonly {
    readonly target: string;
    readonly cause: string;
    readonly failures: number;
    readonly nth: number;
  }[];
}

/** What the sets of table f2b hold; the length of prefixes stands in the name of their set. */
function kernel(lab: Lab): string[] {
  const { nftables } = JSON.parse(lab.server.run(["nft", "-j", "list", "ruleset"]).stdout) as {
    nftables: { set?: { table: string; name: string; elem?: unknown[] } }[];
  };
  const text = (value: unknown): string =>
    typeof value === "string" ? value : String((value as { elem?: { val: unknown } }).elem?.val);
  return nftables
    .flatMap(({ set }) => {
      if (set?.table !== "f2b" || set.name === "ack") return [];
      const bits = /^net[46]?\.(\d+)-/.exec(set.name)?.[1];
      return (set.elem ?? []).map((one) => `${text(one)}${bits === undefined ? "" : `/${bits}`}`);
    })
    .sort();
}

describe.skipIf(!able)("against many", () => {
  let lab: Lab;
  let log: string;
  let daemon: RunningDaemon | undefined;
  beforeAll(() => {
    lab = openLab(1);
    log = join(lab.directory, "auth.log");
  });
  afterEach(async () => {
    await daemon?.kill("SIGTERM");
    daemon = undefined;
    lab.server.run(["nft", "flush", "ruleset"]);
  });
  afterAll(() => lab?.close());

  async function start(name: string, settings: string, before = ""): Promise<RunningDaemon> {
    writeFileSync(log, "");
    const files = configure(
      lab,
      `[defaults]\nbanaction = "nftables"\nfindtime = "1h"\nbantime = "1h"\n${before}\n[jails.sshd]\nenabled = true\nbackend = "inotify"\nlogpath = ["${log}"]\n${settings}\n`,
      name,
    );
    daemon = await startDaemon(lab, files);
    return daemon;
  }
  const status = (jail = "sshd"): JailStatus => {
    if (daemon === undefined) throw new Error("no daemon runs");
    return JSON.parse(daemon.f2b("status", jail, "--json").stdout) as JailStatus;
  };
  const judged = (lines: number): Promise<void> =>
    until(`${lines} lines are judged`, () => status().failed.total === lines);
  /** Distinct /24s and /16s, so that nothing but the campaign can tell them. */
  const stranger = (n: number): string => `${30 + (n % 60)}.${(n * 7) % 250}.${(n * 13) % 250}.9`;

  describe("a campaign", () => {
    test("of 500 addresses with one try each against one user is noticed, told, and newcomers are banned at their first try", async () => {
      const f2b = await start("campaign", "maxretry = 5\ncampaign = { maxretry = 1 }");
      const told = join(lab.directory, "campaign.events");
      lab.server.start([
        "sh",
        "-c",
        `exec ${executable} events --json --kind campaign -s ${f2b.socket} > ${told}`,
      ]);
      await Bun.sleep(200); // the listener has to be there before; there is no way to ask
      const addresses = Array.from({ length: 500 }, (_, n) => stranger(n));
      expect(new Set(addresses).size).toBe(500);
      for (const address of addresses) appendFileSync(log, failure(address, "oracle"));
      await judged(500);

      const after = status();
      // Noticed at the 40th failure (30 addresses, 40 failures): it and all later ones are banned, the 39 before have tried once.
      await until("the kernel has them", () => kernel(lab).length === 461);
      expect(after.bans.map((ban) => ban.target).sort()).toEqual(addresses.slice(39).sort());
      expect(new Set(after.bans.map((ban) => `${ban.cause} ${ban.failures}`))).toEqual(
        new Set(["campaign 1"]),
      );
      expect(after.campaign).toBe("user oracle");
      expect(f2b.f2b("status", "sshd").stdout).toContain("a campaign is going on: user oracle");
      expect(f2b.f2b("status").stdout).toContain("a campaign is going on: user oracle");
      const events = readFileSync(told, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(events).toHaveLength(1);
      expect(events[0]).toMatchObject({ kind: "campaign", jail: "sshd", ended: false });
      expect(events[0]?.text).toContain("a campaign against user oracle: 40 addresses failed 40 times");
      expect(f2b.log()).toContain("[sshd] a campaign against user oracle: 40 addresses failed 40 times");

      // Those who came before it was noticed go at their next try; who tries another name as an owner does is left alone.
      appendFileSync(log, failure(addresses[0] ?? "", "oracle") + failure("203.0.113.80", "alice").repeat(4));
      await judged(505);
      expect(f2b.f2b("banned", addresses[0] ?? "").code).toBe(0);
      expect(f2b.f2b("banned", "203.0.113.80").code).toBe(1);
    }, 60_000);

    test("as it comes by default bans at the second try", async () => {
      const f2b = await start("campaign2", "maxretry = 5\ncampaign = true");
      for (let n = 0; n < 200; n++) appendFileSync(log, failure(stranger(n), "admin"));
      await judged(200);
      expect(status()).toMatchObject({ campaign: "user admin", banned: { now: 0 } });
      for (let n = 0; n < 200; n++) appendFileSync(log, failure(stranger(n), "admin"));
      await judged(400);
      expect(status().banned.now).toBe(200);
      expect(f2b.f2b("explain", stranger(7)).stdout).toContain("banned in sshd");
    }, 60_000);

    for (const per of ["user", "jail"] as const) {
      test(`is not what 500 people are who mistype their own names on one morning (per = "${per}")`, async () => {
        const f2b = await start(`office-${per}`, `maxretry = 5\ncampaign = { per = "${per}", maxretry = 1 }`);
        let lines = 0;
        for (let n = 0; n < 500; n++) {
          // Most once, some twice, a few three times; a name each, an address each.
          const tries = n % 17 === 0 ? 3 : n % 5 === 0 ? 2 : 1;
          appendFileSync(log, failure(stranger(n), `employee${n}`).repeat(tries));
          lines += tries;
        }
        await judged(lines);
        expect(status()).toMatchObject({ banned: { now: 0, total: 0 } });
        expect(status().campaign).toBeUndefined();
        expect(f2b.log()).not.toContain("a campaign against");
        expect(kernel(lab)).toEqual([]);
      }, 60_000);
    }

    test("with a new name each time is seen per service, when each name is tried from several places", async () => {
      await start("spray", 'maxretry = 5\ncampaign = { per = "jail" }');
      const names = ["root", "admin", "test", "oracle", "git", "pi", "ubuntu", "postgres", "www", "ftp"];
      let lines = 0;
      for (let n = 0; n < 200; n++) {
        appendFileSync(log, failure(stranger(n), names[n % names.length] ?? ""));
        lines++;
      }
      await judged(lines);
      expect(status().campaign).toBe("all users");
    }, 60_000);
  });

  describe("a network", () => {
    test("IPv6: the first address is banned alone, its /64 at the second one's first failure, and the ban of the first folds into it", async () => {
      const f2b = await start("six", "maxretry = 3");
      appendFileSync(log, failure("2001:db8:77:1::1", "root").repeat(3));
      await until("the address stands", () => kernel(lab).includes("2001:db8:77:1::1"));
      expect(status().bans.map((ban) => ban.target)).toEqual(["2001:db8:77:1::1"]);
      appendFileSync(log, failure("2001:db8:77:1::2", "root"));
      await until("the network stands", () => kernel(lab).includes("2001:db8:77:1::/64"));
      expect(status().bans).toMatchObject([{ target: "2001:db8:77:1::/64", cause: "prefix" }]);
      await until("and only it", () => kernel(lab).length === 1);
      expect(f2b.f2b("banned", "2001:db8:77:1:aaaa::1").code).toBe(0);
      expect(f2b.f2b("banned", "2001:db8:77:2::1").code).toBe(1);
      expect(f2b.f2b("explain", "2001:db8:77:1::1").stdout).toContain("2001:db8:77:1::/64");

      // Failures spread over a /64 add up: two here, one there, and the third bans.
      appendFileSync(log, failure("2001:db8:78::a", "root").repeat(2) + failure("2001:db8:78::b", "root"));
      await until("the third counts", () => kernel(lab).includes("2001:db8:78::b"));

      expect(f2b.f2b("unban", "2001:db8:77:1::/64").code).toBe(0);
      await until("the network is let in", () => !kernel(lab).includes("2001:db8:77:1::/64"));
      expect(f2b.f2b("banned", "2001:db8:77:1::1").code).toBe(1);
      // After the pardon counting begins anew.
      appendFileSync(log, failure("2001:db8:77:1::1", "root").repeat(2));
      await judged(9);
      expect(f2b.f2b("banned", "2001:db8:77:1::1").code).toBe(1);
    }, 60_000);

    test("IPv4: a configured ladder bans the /24 at its third offender, folds the others, and survives kill -9", async () => {
      const ladder = "prefix = { ladder = [{ family = 4, bits = 24, members = 3 }] }";
      let f2b = await start("four", `maxretry = 2\n${ladder}`);
      for (const last of [5, 6]) appendFileSync(log, failure(`203.0.113.${last}`, "root").repeat(2));
      appendFileSync(log, failure("192.0.2.5", "root").repeat(2));
      await until("three stand", () => kernel(lab).length === 3);
      appendFileSync(log, failure("203.0.113.7", "root"));
      await judged(7);
      expect(kernel(lab)).toEqual(["192.0.2.5", "203.0.113.5", "203.0.113.6"]);
      appendFileSync(log, failure("203.0.113.7", "root"));
      const expected = ["192.0.2.5", "203.0.113.0/24"];
      await until("the network stands alone", () => kernel(lab).join() === expected.join());
      expect(
        status()
          .bans.map((ban) => ban.target)
          .sort(),
      ).toEqual(expected);
      expect(f2b.f2b("banned", "203.0.113.200").code).toBe(0);

      await f2b.kill("SIGKILL");
      lab.server.run(["nft", "flush", "ruleset"]);
      f2b = await startDaemon(lab, {
        config: join(lab.directory, "four.toml"),
        socket: f2b.socket,
        state: f2b.state,
        log: join(lab.directory, "four.log"),
      });
      daemon = f2b;
      await until("it stands again", () => kernel(lab).join() === expected.join());
      expect(f2b.f2b("unban", "203.0.113.0/24").code).toBe(0);
      await until("one is left", () => kernel(lab).join() === "192.0.2.5");
      for (const last of [5, 6, 7]) expect(f2b.f2b("banned", `203.0.113.${last}`).code).toBe(1);
    }, 60_000);
  });

  describe("a target that two jails share", () => {
    const both = (banaction: string, other: string): string =>
      `maxretry = 2\nbanaction = ${banaction}\n[jails.other]\nenabled = true\nfilter = "sshd"\nbackend = "inotify"\nport = "all"\nlogpath = ["${other}"]\nmaxretry = 2\nbanaction = ${banaction}`;

    for (const [name, banaction, stands] of [
      [
        "hosts.deny",
        (place: string): string => `{ name = "hosts.deny", file = "${place}" }`,
        (place: string, address: string): boolean =>
          readFileSync(place, "utf8").includes(`ALL: ${address}\n`),
      ],
      [
        "route",
        (): string => '"route"',
        (_: string, address: string): boolean =>
          lab.server
            .run(["ip", "route", "show", "type", "blackhole", "table", "all"])
            .stdout.includes(address),
      ],
    ] as const) {
      test(`stays shut in ${name} until the last ban of it ends, also across a restart`, async () => {
        const place = join(lab.directory, "hosts.deny");
        const other = join(lab.directory, "other.log");
        writeFileSync(place, "sshd: 192.0.2.77\n");
        writeFileSync(other, "");
        let f2b = await start(`shared-${name}`, both(banaction(place), other));
        appendFileSync(log, failure("203.0.113.9", "root").repeat(2));
        appendFileSync(other, failure("203.0.113.9", "root").repeat(2));
        await until("both jails hold it", () =>
          [status("sshd"), status("other")].every((one) => one.banned.now === 1),
        );
        await until("it stands", () => stands(place, "203.0.113.9"));
        expect(f2b.f2b("unban", "203.0.113.9", "--jail", "sshd").code).toBe(0);
        expect(status("sshd").banned.now).toBe(0);
        expect(stands(place, "203.0.113.9")).toBe(true);
        await f2b.kill("SIGKILL");
        f2b = await startDaemon(lab, {
          config: join(lab.directory, `shared-${name}.toml`),
          socket: f2b.socket,
          state: f2b.state,
          log: join(lab.directory, `shared-${name}.log`),
        });
        daemon = f2b;
        expect(stands(place, "203.0.113.9")).toBe(true);
        expect(f2b.f2b("unban", "203.0.113.9", "--jail", "other").code).toBe(0);
        await until("nobody holds it", () => !stands(place, "203.0.113.9"));
        expect(readFileSync(place, "utf8")).toContain("sshd: 192.0.2.77\n");
      }, 60_000);
    }
  });
});
