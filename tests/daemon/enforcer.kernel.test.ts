// The enforcer on the real kernel, in a network namespace: children that are killed, tables that are trampled, restarts under fire.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chooseBanaction, probeFirewalls } from "../../src/banaction/choose.ts";
import type { Standing } from "../../src/banaction/index.ts";
import { parseTarget, targetKey } from "../../src/core/address.ts";
import type { JailName, Target } from "../../src/core/domain.ts";
import { clearFirewalls } from "../../src/daemon/clear.ts";
import {
  createEnforcer,
  type EnforcedJail,
  type Enforcer,
  type Problem,
  type Repair,
} from "../../src/daemon/enforcer.ts";
import { createNftChild } from "../../src/daemon/nftchild.ts";
import type { Child, System } from "../../src/system/index.ts";
import {
  connect,
  listen,
  type Namespace,
  namespace,
  sh,
  tryTcp,
  until,
  whyNoNetns,
} from "../support/netns.ts";

const skipped = whyNoNetns(["nft", "iptables", "ip6tables", "ipset", "python3"]) !== undefined;
const sshd = "sshd" as JailName;

const target = (text: string): Target => {
  const parsed = parseTarget(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};

const jail = (
  name: string,
  banaction = "nftables",
  options: Readonly<Record<string, unknown>> = { cut: [] },
): EnforcedJail => ({
  name: name as JailName,
  port: [{ from: 22, to: 22 }],
  protocol: ["tcp"],
  chain: [],
  blocktype: "drop",
  banaction: [{ name: banaction, options }],
});

describe.skipIf(skipped)("the enforcer on the real kernel", () => {
  let server: Namespace;
  let enforcer: Enforcer;
  let bans: Map<string, Standing>;
  let problems: [Problem, boolean][];
  let repairs: Repair[];
  /** Living nft children, newest last. */
  let children: Child[];

  function machine(): System {
    const system = server.system();
    return {
      ...system,
      programs: {
        ...system.programs,
        start(command, options) {
          const child = system.programs.start(command, options);
          children.push(child);
          return child;
        },
      },
    };
  }

  const create = () =>
    createEnforcer({
      system: machine(),
      wanted: { standing: () => bans.values(), find: (_jail, one) => bans.get(targetKey(one)) },
      onProblem: (problem, recovered) => problems.push([problem, recovered]),
      onRepaired: (repair) => repairs.push(repair),
    });

  beforeEach(() => {
    server = namespace("enf");
    bans = new Map();
    problems = [];
    repairs = [];
    children = [];
    enforcer = create();
  });
  afterEach(async () => {
    await enforcer.close(2000);
    server.remove();
  });

  function want(text: string, seconds: number | "forever" = 600): Standing {
    const standing: Standing = {
      target: target(text),
      until: seconds === "forever" ? seconds : Date.now() + seconds * 1000,
      fresh: true,
    };
    bans.set(targetKey(standing.target), standing);
    return standing;
  }
  function drop(text: string): Target {
    bans.delete(targetKey(target(text)));
    return target(text);
  }
  const elements = (set = "addr-set-sshd"): string[] => {
    const { code, out } = server.run("nft", "-j", "list", "set", "inet", "f2b", set);
    if (code !== 0) return [];
    const parsed: { nftables: { set?: { elem?: (string | { elem: { val: string } })[] } }[] } =
      JSON.parse(out);
    return (parsed.nftables.find((entry) => entry.set !== undefined)?.set?.elem ?? [])
      .map((one) => (typeof one === "string" ? one : one.elem.val))
      .sort();
  };
  const wanted = () => [...bans.values()].map((one) => one.target.text as string).sort();

  for (const banaction of ["nftables", "iptables"])
    test(`what a daemon leaves in ${banaction} is taken away when f2b is removed, and nothing of others`, async () => {
      server.must("nft", "add table inet theirs; add chain inet theirs c; add rule inet theirs c accept");
      await enforcer.start(jail("sshd", banaction));
      await enforcer.ban(sshd, [
        want("198.51.100.7", "forever"),
        want("2001:db8::7"),
        want("198.51.100.0/25"),
      ]);
      await enforcer.close(2000);
      expect(server.must("nft", "list", "ruleset")).toMatch(/f2b-sshd/);
      expect(await clearFirewalls(server.system(), [jail("sshd", banaction)])).toEqual([]);
      const left = server.must("nft", "list", "ruleset");
      expect(left).not.toMatch(/sshd|198\.51\.100/);
      expect(left).toContain("table inet theirs");
    });

  test("nft killed at any moment loses no ban and doubles none", async () => {
    await enforcer.start(jail("sshd"));
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return seed % below;
    };
    let kills = 0;
    const asked: Promise<unknown>[] = [];
    for (let i = 0; i < 1500; i++) {
      const text = `198.51.${i >> 8}.${i & 255}`;
      if (i % 3 === 2) asked.push(enforcer.unban(sshd, [drop(`198.51.${(i - 1) >> 8}.${(i - 1) & 255}`)]));
      else asked.push(enforcer.ban(sshd, [want(text)]));
      if (random(12) === 0) {
        // The process group: ip netns exec has become nft itself.
        const newest = children.at(-1);
        if (newest !== undefined && sh(["kill", "-9", `${newest.pid}`]).code === 0) kills++;
      }
      if (random(4) === 0) await Bun.sleep(random(3));
    }
    await Promise.all(asked);
    await until(() => enforcer.problems().length === 0, 5000);
    expect(kills).toBeGreaterThan(30);
    expect(elements()).toEqual(wanted());
  }, 60_000);

  test("a foreign flush of the ruleset is repaired within a second, without any new ban", async () => {
    await enforcer.start(jail("sshd"));
    await enforcer.ban(
      sshd,
      Array.from({ length: 500 }, (_, i) => want(`198.51.${i >> 8}.${i & 255}`)),
    );
    for (let round = 0; round < 3; round++) {
      server.must("nft", "flush", "ruleset");
      const ms = await until(() => elements().length === 500, 3000, 20);
      expect(ms).toBeLessThan(1000);
    }
    expect(server.must("nft", "-t", "list", "table", "inet", "f2b").match(/jump look-sshd/g)).toHaveLength(1);
    await until(() => repairs.length >= 3);
  }, 20_000);

  test("a deleted chain, table or set is repaired; other tables are never touched", async () => {
    server.must(
      "nft",
      "add table inet others; add chain inet others c { type filter hook input priority 0; }; add rule inet others c tcp dport 1 drop",
    );
    const others = server.must("nft", "list", "table", "inet", "others");
    await enforcer.start(jail("sshd"));
    await enforcer.ban(sshd, [want("192.0.2.1")]);
    for (const damage of ["delete chain inet f2b f2b-sshd", "delete table inet f2b"]) {
      server.must("nft", damage);
      await until(
        () =>
          elements().length === 1 &&
          server.run("nft", "list", "chain", "inet", "f2b", "f2b-sshd").out.includes("jump look-sshd"),
        3000,
      );
    }
    server.must("nft", "flush", "chain", "inet", "f2b", "f2b-sshd");
    await enforcer.verify();
    expect(server.must("nft", "list", "chain", "inet", "f2b", "f2b-sshd")).toContain("jump look-sshd");
    server.must("nft", "flush", "set", "inet", "f2b", "addr-set-sshd");
    await enforcer.verify();
    expect(elements()).toEqual(["192.0.2.1"]);
    await enforcer.stop(sshd, "remove");
    expect(server.must("nft", "list", "table", "inet", "others")).toBe(others);
  }, 20_000);

  for (const ipset of [true, false])
    test(`iptables ${ipset ? "with ipset" : "plain"}: a flush by another tool is repaired within one and a half seconds`, async () => {
      await enforcer.start(jail("sshd", "iptables", { ipset, cut: [] }));
      await enforcer.ban(sshd, [want("192.0.2.1"), want("2001:db8::1")]);
      const rules = () =>
        [server.must("iptables-save"), server.must("ip6tables-save")]
          .join("")
          .split("\n")
          .filter((line) => line.startsWith("-A"))
          .sort();
      const before = rules();
      for (const program of ["iptables", "ip6tables"]) {
        server.must(program, "-F");
        const ms = await until(() => rules().join("\n") === before.join("\n"), 4000, 20);
        expect(ms).toBeLessThan(1500);
      }
    }, 20_000);

  test("a restart leaves no moment in which a banned address gets through", async () => {
    const client = namespace("cli");
    const { a4, b4 } = connect(server, client, 3);
    const listener = await listen(server, [22]);
    try {
      await enforcer.start(jail("sshd"));
      await enforcer.ban(sshd, [want(b4)]);
      expect(tryTcp(client, a4, 22, { limit: 0.1 })).toBe("timeout");
      // A client that tries without pause while the daemon restarts 20 times.
      const probe = Bun.spawn(
        [
          "ip",
          "netns",
          "exec",
          client.name,
          "python3",
          "-c",
          `
import socket, time, sys
end = time.time() + 4; got = 0; tried = 0
while time.time() < end:
    s = socket.socket(); s.settimeout(0.004); tried += 1
    try: s.connect((sys.argv[1], 22)); got += 1
    except OSError: pass
    s.close()
print(tried, got)`,
          a4,
        ],
        { stdout: "pipe" },
      );
      let restarts = 0;
      while (probe.exitCode === null && restarts < 40) {
        await enforcer.close(1000);
        enforcer = create();
        await enforcer.start(jail("sshd"));
        restarts++;
        await Bun.sleep(20);
      }
      const [tried = 0, got = -1] = (await new Response(probe.stdout).text()).trim().split(" ").map(Number);
      expect(restarts).toBeGreaterThan(15);
      expect(tried).toBeGreaterThan(200);
      expect(got).toBe(0);
    } finally {
      listener.stop();
      client.remove();
    }
  }, 30_000);

  test("after a crash the firewall is brought to the state: nothing banned twice, nothing left over", async () => {
    await enforcer.start(jail("sshd"));
    await enforcer.ban(
      sshd,
      Array.from({ length: 300 }, (_, i) => want(`198.51.${i >> 8}.${i & 255}`)),
    );
    await enforcer.close(1000);
    for (let i = 0; i < 100; i++) drop(`198.51.0.${i}`);
    for (let i = 0; i < 50; i++) want(`203.0.113.${i}`);
    server.must("nft", "add element inet f2b addr-set-sshd { 192.0.2.99 }");
    enforcer = create();
    await enforcer.start(jail("sshd"));
    expect(elements()).toEqual(wanted());
  });

  test("jail names of every kind get places of their own", async () => {
    const names = ["22", "drop", "-x", "a.b_c-d", "x".repeat(64), `${"x".repeat(63)}y`, "look-sshd", "sshd"];
    for (const name of names) {
      const standing = want(`192.0.2.${names.indexOf(name)}`);
      expect((await enforcer.start(jail(name))).faults).toEqual([]);
      expect((await enforcer.ban(name as JailName, [standing])).faults).toEqual([]);
    }
    const sets = server.must("nft", "-t", "list", "table", "inet", "f2b").match(/set addr-set-\S+/g);
    expect(new Set(sets).size).toBe(names.length);
    for (const name of names) expect((await enforcer.stop(name as JailName, "remove")).faults).toEqual([]);
    expect(server.must("nft", "list", "table", "inet", "f2b")).not.toContain("chain");
  });

  test("ten thousand bans at once stand in well under a second and a half", async () => {
    await enforcer.start(jail("sshd"));
    const standings = Array.from({ length: 10_000 }, (_, i) =>
      want(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`),
    );
    const began = performance.now();
    await Promise.all(standings.map((one) => enforcer.ban(sshd, [one])));
    expect(performance.now() - began).toBeLessThan(1500);
    expect(elements()).toHaveLength(10_000);
  });

  test("an element that nft refuses is told with its reason and the child goes on", async () => {
    const nft = createNftChild(server.system());
    expect(
      await nft.run("add table inet f2b\nadd set inet f2b small { type ipv4_addr; size 2; }"),
    ).toBeUndefined();
    expect(await nft.run("add element inet f2b small { 192.0.2.1, 192.0.2.2 }")).toBeUndefined();
    expect((await nft.run("add element inet f2b small { 192.0.2.3 }"))?.what).toBe("an nftables set is full");
    expect((await nft.run("add element inet f2b nosuch { 192.0.2.3 }"))?.why).toContain("No such file");
    expect((await nft.run("add nonsense"))?.what).toBe("nft refused a transaction");
    const [first, second, third] = await Promise.all([
      nft.run("delete element inet f2b small { 192.0.2.9 }"),
      nft.run("add set inet f2b more { type ipv4_addr; }"),
      nft.run("add element inet f2b more { 192.0.2.9 }"),
    ]);
    expect([first?.what, second, third]).toEqual([expect.any(String), undefined, undefined]);
    expect(await nft.ask("list chains inet")).toContain("table inet f2b");
    nft.close();
  });

  test("an nft without an interactive mode is used one transaction at a time", async () => {
    const system = server.system();
    // As an nft built without it answers.
    const without: System = {
      ...system,
      programs: { ...system.programs, start: () => system.programs.start(["false"]) },
    };
    const nft = createNftChild(without);
    expect(await nft.run("add table inet f2b\nadd set inet f2b s { type ipv4_addr; }")).toBeUndefined();
    expect((await nft.run("add element inet f2b nosuch { 192.0.2.3 }"))?.why).toContain("No such file");
    expect(server.must("nft", "list", "table", "inet", "f2b")).toContain("set s");
    nft.close();
  });

  test("what works here is found by trying, and leaves nothing behind", async () => {
    const probes = await probeFirewalls(server.system());
    expect(probes.map(({ name, works }) => [name, works])).toEqual([
      ["nftables", true],
      ["iptables", true],
    ]);
    expect((await chooseBanaction(server.system())).name).toBe("nftables");
    expect(server.must("nft", "list", "ruleset")).not.toContain("f2b");
    const { programs } = server.system();
    const without = (...names: string[]) => ({
      programs: {
        ...programs,
        find: (name: string) => (names.includes(name) ? undefined : programs.find(name)),
      },
    });
    expect((await chooseBanaction(without("nft"))).name).toBe("iptables");
    expect(await chooseBanaction(without("nft", "ip6tables"))).toEqual({
      name: "print",
      reason: "no firewall works here (nftables: nft is not installed; iptables: ip6tables is not installed)",
    });
  });
});
