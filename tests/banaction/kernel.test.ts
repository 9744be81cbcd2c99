// Every banaction of the kernel, tried on the kernel: a client, a server, and a container behind the server's published port, each a
// network namespace. What is claimed is tried with packets: a banned connect gets nothing, everybody else is served.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { banactions, type JailSetup, type Standing, type Step } from "../../src/banaction/index.ts";
import { parseTarget } from "../../src/core/address.ts";
import type { JailName, Target } from "../../src/core/domain.ts";
import { createSteps, type Steps } from "../../src/daemon/steps.ts";
import {
  connect,
  hold,
  type Listener,
  listen,
  type Namespace,
  namespace,
  tryTcp,
  until,
  whyNoNetns,
} from "../support/netns.ts";

const skipped = whyNoNetns(["nft", "iptables", "ip6tables", "ipset", "conntrack", "python3"]) !== undefined;

interface Variant {
  readonly label: string;
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly timeouts: boolean;
  /** Everything of ours in the kernel, as text: the same after the same has been asked twice, empty after stop. */
  structure(server: Namespace): string;
}

const nftText = (server: Namespace): string =>
  server
    .must("nft", "list", "ruleset")
    .replace(/expires \S+/g, "")
    .replace(/packets \d+ bytes \d+/g, "")
    .replace(/set ack \{[^}]*\}\s*\}/, "");
const iptablesText = (server: Namespace): string =>
  [server.must("iptables-save"), server.must("ip6tables-save"), server.must("ipset", "save")]
    .join("")
    .split("\n")
    .filter((line) => line.includes("f2b"))
    .map((line) =>
      line
        .replace(/timeout \d+$/, "")
        .replace(/initval \S+/, "")
        .replace(/\[\d+:\d+\]/, ""),
    )
    .join("\n");

const variants: readonly Variant[] = [
  { label: "nftables", name: "nftables", options: {}, timeouts: true, structure: nftText },
  {
    label: "iptables with ipset",
    name: "iptables",
    options: { ipset: true },
    timeouts: true,
    structure: iptablesText,
  },
  {
    label: "plain iptables",
    name: "iptables",
    options: { ipset: false },
    timeouts: false,
    structure: iptablesText,
  },
];

const must = (text: string): Target => {
  const target = parseTarget(text);
  if (target === undefined) throw new Error(text);
  return target;
};
const seconds = (text: string, s: number, fresh = true): Standing => ({
  target: must(text),
  until: Date.now() + s * 1000,
  ...(fresh ? { fresh } : {}),
});

const setup = (more: Partial<JailSetup> & { readonly jail?: never } = {}): JailSetup => ({
  jail: "sshd" as JailName,
  port: [
    { from: 22, to: 22 },
    { from: 8080, to: 8081 },
  ],
  protocol: ["tcp"],
  chain: [],
  blocktype: "drop",
  options: {},
  ...more,
});

describe.skipIf(skipped)("on the real kernel", () => {
  let client: Namespace;
  let server: Namespace;
  let container: Namespace;
  let steps: Steps;
  let at: { readonly a4: string; readonly b4: string; readonly a6: string; readonly b6: string };
  const innocent4 = "10.77.1.9";
  const innocent6 = "fd77:1::9";
  const listeners: Listener[] = [];

  beforeAll(async () => {
    client = namespace("client");
    server = namespace("server");
    container = namespace("inner");
    at = connect(server, client, 1);
    const inner = connect(server, container, 2);
    client.must("ip", "addr", "add", `${innocent4}/24`, "dev", "v1b");
    client.must("ip", "-6", "addr", "add", `${innocent6}/64`, "dev", "v1b", "nodad");
    container.must("ip", "route", "add", "default", "via", inner.a4);
    container.must("ip", "-6", "route", "add", "default", "via", inner.a6);
    server.must("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
    // As container engines publish a port: the host's 8080 is the container's 80.
    server.must(
      "iptables",
      "-t",
      "nat",
      "-A",
      "PREROUTING",
      "-p",
      "tcp",
      "--dport",
      "8080",
      "-j",
      "DNAT",
      "--to-destination",
      `${inner.b4}:80`,
    );
    server.must(
      "ip6tables",
      "-t",
      "nat",
      "-A",
      "PREROUTING",
      "-p",
      "tcp",
      "--dport",
      "8080",
      "-j",
      "DNAT",
      "--to-destination",
      `[${inner.b6}]:80`,
    );
    // And as firewalls do it: established traffic is let through first.
    server.must(
      "iptables",
      "-A",
      "INPUT",
      "-m",
      "conntrack",
      "--ctstate",
      "ESTABLISHED,RELATED",
      "-j",
      "ACCEPT",
    );
    listeners.push(await listen(server, [22, 2222]), await listen(container, [80]));
    steps = createSteps(server.system());
  });

  afterAll(() => {
    steps?.close();
    for (const listener of listeners) listener.stop();
    for (const one of [client, server, container]) one?.remove();
  });

  async function done(what: readonly Step[]): Promise<void> {
    expect(await steps.run(what)).toBeUndefined();
  }

  for (const variant of variants)
    describe(variant.label, () => {
      const action = banactions[variant.name];
      if (action === undefined) throw new Error(variant.name);
      const jail = (more: Partial<Omit<JailSetup, "jail">> = {}) =>
        setup({ options: variant.options, ...more });
      let current: JailSetup | undefined;

      async function start(more: Partial<Omit<JailSetup, "jail">> = {}): Promise<JailSetup> {
        current = jail(more);
        await done(action?.start(current) ?? []);
        return current;
      }
      const ban = (mine: JailSetup, bans: readonly Standing[]) => done(action.ban(mine, bans, Date.now()));
      const unban = (mine: JailSetup, ...texts: string[]) => done(action.unban(mine, texts.map(must)));

      async function stands(
        mine: JailSetup,
      ): Promise<Map<string, number | "forever" | undefined> | undefined> {
        const all = new Map<string, number | "forever" | undefined>();
        for (let listing = action?.list(mine); listing !== undefined; listing = listing.also) {
          const heard = await steps.look(listing.step);
          if ("what" in heard) throw new Error(heard.what);
          const found = listing.read(heard.text, heard.code, Date.now());
          if (found === undefined) return undefined;
          for (const one of found) all.set(one.target.text, one.until);
        }
        return all;
      }

      afterEach(async () => {
        if (current !== undefined) await done(action.stop(current));
        current = undefined;
        expect(variant.structure(server).match(/f2b-sshd|addr6?-set|net[46]\.\d/)).toBeNull();
      });

      test("a banned address gets nothing on the jail's ports, everything else goes on, and the unban opens again", async () => {
        const mine = await start();
        for (const [server4or6, bad, good] of [
          [at.a4, at.b4, innocent4],
          [at.a6, at.b6, innocent6],
        ] as const) {
          expect(tryTcp(client, server4or6, 22, { source: bad })).toBe("open");
          await ban(mine, [seconds(bad, 600)]);
          expect(tryTcp(client, server4or6, 22, { source: bad })).toBe("timeout");
          expect(tryTcp(client, server4or6, 2222, { source: bad })).toBe("open");
          expect(tryTcp(client, server4or6, 22, { source: good })).toBe("open");
          await unban(mine, bad);
          expect(tryTcp(client, server4or6, 22, { source: bad })).toBe("open");
        }
      });

      test("all ports are all ports", async () => {
        const mine = await start({ port: "all", protocol: ["all"] });
        await ban(mine, [seconds(at.b4, 600), seconds(at.b6, 600)]);
        expect(tryTcp(client, at.a4, 2222, { source: at.b4 })).toBe("timeout");
        expect(tryTcp(client, at.a6, 2222, { source: at.b6 })).toBe("timeout");
        expect(tryTcp(client, at.a4, 2222, { source: innocent4 })).toBe("open");
      });

      test("the port asked for counts, also where it is published into a container", async () => {
        const mine = await start();
        for (const [where, bad, good] of [
          [at.a4, at.b4, innocent4],
          [at.a6, at.b6, innocent6],
        ] as const) {
          expect(tryTcp(client, where, 8080, { source: bad })).toBe("open");
          await ban(mine, [seconds(bad, 600)]);
          expect(tryTcp(client, where, 8080, { source: bad })).toBe("timeout");
          expect(tryTcp(client, where, 8080, { source: good })).toBe("open");
        }
      });

      test("a connection that stands already is cut", async () => {
        const mine = await start();
        const held = await hold(client, at.a4, 22);
        try {
          expect(await held.ask()).toBe("open");
          await ban(mine, [seconds(at.b4, 600)]);
          expect(await held.ask()).not.toBe("open");
        } finally {
          held.stop();
        }
      });

      test("banning twice and unbanning what is not banned are successes that change nothing", async () => {
        const mine = await start();
        await ban(mine, [
          seconds("192.0.2.1", 600),
          seconds("2001:db8::1", 600),
          seconds("198.51.100.0/24", 600),
        ]);
        const once = variant.structure(server);
        await ban(mine, [
          seconds("192.0.2.1", 600, false),
          seconds("2001:db8::1", 600),
          seconds("198.51.100.0/24", 600, false),
        ]);
        await unban(mine, "192.0.2.77", "2001:db8::77", "203.0.113.0/24");
        const text = variant.structure(server);
        // The unbanned network may have left an empty set behind, never a rule that meets anything.
        expect(await stands(mine)).toHaveProperty("size", 3);
        expect(text.replace(/\s*set net4\.24[^}]*\}/g, "")).toBe(once.replace(/\s*set net4\.24[^}]*\}/g, ""));
      });

      test("starting twice doubles no rule and keeps the bans", async () => {
        const mine = await start();
        await ban(mine, [seconds("192.0.2.1", 600)]);
        const once = variant.structure(server);
        await start();
        expect(variant.structure(server)).toBe(once);
        expect([...((await stands(mine)) ?? [])].map(([text]) => text)).toEqual(["192.0.2.1"]);
      });

      test("starting with other ports replaces the old rules", async () => {
        const mine = await start();
        await ban(mine, [seconds(at.b4, 600)]);
        await start({ port: [{ from: 2222, to: 2222 }] });
        expect(tryTcp(client, at.a4, 22, { source: at.b4 })).toBe("open");
        expect(tryTcp(client, at.a4, 2222, { source: at.b4 })).toBe("timeout");
      });

      if (variant.name === "iptables") {
        test("other chains take the place of the ones before", async () => {
          await start({ chain: ["INPUT"] });
          await start({ chain: ["FORWARD"] });
          const jumps = variant.structure(server).match(/-A \S+ .*-j f2b-sshd$/gm) ?? [];
          expect(jumps.length).toBeGreaterThan(0);
          expect(jumps.filter((jump) => !jump.startsWith("-A FORWARD "))).toEqual([]);
        });

        test("what an ipset that is no longer used holds shuts out nobody", async () => {
          await ban(await start({ options: { ipset: true } }), [seconds(at.b4, 600)]);
          const plain = await start({ options: { ipset: false } });
          await ban(plain, [seconds(at.b4, 600)]);
          expect(tryTcp(client, at.a4, 22, { source: at.b4 })).toBe("timeout");
          await unban(plain, at.b4);
          expect(tryTcp(client, at.a4, 22, { source: at.b4 })).toBe("open");
        });
      }

      test("another answer takes the place of the one before", async () => {
        await ban(await start(), [seconds(at.b4, 600)]);
        const mine = await start({ blocktype: "tcp-reset" });
        // As the enforcer does: what is not read back is banned.
        if (!(await stands(mine))?.has(at.b4)) await ban(mine, [seconds(at.b4, 600)]);
        expect(tryTcp(client, at.a4, 22, { source: at.b4 })).toBe("refused");
      });

      test("what was put there is read back, with the time left", async () => {
        const mine = await start();
        const asked = [
          seconds("192.0.2.1", 100),
          seconds("2001:db8::1", 5000),
          seconds("198.51.100.0/24", 300),
          seconds("2001:db8:5::/48", 300),
          { target: must("192.0.2.9"), until: "forever" as const },
        ];
        await ban(mine, asked);
        const found = await stands(mine);
        expect([...(found?.keys() ?? [])].sort()).toEqual(
          asked.map(({ target }) => target.text as string).sort(),
        );
        if (variant.timeouts)
          for (const { target, until: end } of asked) {
            const there = found?.get(target.text);
            if (end === "forever") expect(there).toBe("forever");
            else expect(Math.abs(Number(there) - end)).toBeLessThan(2500);
          }
      });

      test("a place that is not there is told from one that is empty", async () => {
        const mine = jail();
        expect(await stands(mine)).toBeUndefined();
        await start();
        expect(await stands(mine)).toEqual(new Map());
      });

      test("networks inside each other stand and end apart", async () => {
        const mine = await start();
        await ban(mine, [
          seconds("10.77.0.0/16", 600),
          seconds("10.77.1.0/24", 600),
          seconds(at.b4, 600),
          seconds("fd77::/16", 600),
          seconds("fd77:1::/64", 600),
        ]);
        await unban(mine, "10.77.0.0/16", "fd77::/16");
        expect(tryTcp(client, at.a4, 22, { source: innocent4 })).toBe("timeout");
        expect(tryTcp(client, at.a6, 22, { source: innocent6 })).toBe("timeout");
        await unban(mine, "10.77.1.0/24", "fd77:1::/64");
        expect(tryTcp(client, at.a4, 22, { source: innocent4 })).toBe("open");
        expect(tryTcp(client, at.a6, 22, { source: innocent6 })).toBe("open");
        expect(tryTcp(client, at.a4, 22, { source: at.b4 })).toBe("timeout");
      });

      test("each blocktype says what it says", async () => {
        for (const [blocktype, answer] of [
          ["reject", "refused"],
          ["tcp-reset", "refused"],
          ["icmp-admin-prohibited", "refused"],
          ["icmp-host-unreachable", "refused"],
          ["drop", "timeout"],
        ] as const) {
          const mine = await start({ blocktype });
          await ban(mine, [seconds(at.b4, 600), seconds(at.b6, 600)]);
          expect([blocktype, tryTcp(client, at.a4, 22, { source: at.b4 })]).toEqual([blocktype, answer]);
          if (blocktype.startsWith("icmp-")) {
            await done(action.stop(mine));
            continue;
          }
          // An ICMPv6 answer that comes while connect() itself still runs is only believed at the second SYN, a second later.
          expect([
            blocktype,
            tryTcp(client, at.a6, 22, { source: at.b6, limit: blocktype === "reject" ? 2.5 : 0.35 }),
          ]).toEqual([blocktype, answer]);
          await done(action.stop(mine));
        }
      });

      test("refused packets are logged where that is asked for, and refused all the same", async () => {
        for (const [blocktype, answer] of [
          ["drop", "timeout"],
          ["reject", "refused"],
        ] as const) {
          const mine = await start({ blocktype, options: { ...variant.options, log: 20 } });
          await ban(mine, [seconds(at.b4, 600)]);
          expect(tryTcp(client, at.a4, 22, { source: at.b4 })).toBe(answer);
          const rules = nftText(server) + server.must("iptables-save");
          expect(rules).toMatch(/limit (?:rate )?20\/min.* (?:log prefix|LOG --log-prefix) "f2b-sshd "/);
          expect([...((await stands(mine)) ?? [])].map(([text]) => text)).toEqual([at.b4]);
          await done(action.stop(mine));
        }
      });

      test("a tarpit lets a few packets through", async () => {
        const mine = await start({ blocktype: "tarpit" });
        await ban(mine, [seconds(at.b4, 600)]);
        const tries = Array.from({ length: 8 }, () =>
          tryTcp(client, at.a4, 22, { source: at.b4, limit: 0.1 }),
        );
        expect(tries.at(0)).toBe("open");
        expect(tries.at(-1)).toBe("timeout");
      });

      test("the intact check sees a flush and is content otherwise", async () => {
        const mine = await start();
        const whole = async () => {
          const answers = await Promise.all(
            (action.intact?.(mine) ?? []).map(async (asking) => {
              const heard = await steps.look(asking.step);
              return "what" in heard || asking.read(heard.text, heard.code);
            }),
          );
          return answers.length > 0 && answers.every((one) => one);
        };
        expect(await whole()).toBe(true);
        if (variant.name === "nftables") server.must("nft", "delete", "chain", "inet", "f2b", "f2b-sshd");
        else server.must("ip6tables", "-D", "INPUT", "1");
        expect(await whole()).toBe(false);
        await done(action.start(mine));
        expect(await whole()).toBe(true);
      });

      test("drops are counted", async () => {
        const mine = await start();
        await ban(mine, [seconds(at.b4, 600)]);
        tryTcp(client, at.a4, 22, { source: at.b4, limit: 0.1 });
        let packets = 0;
        for (const asking of action.drops?.(mine) ?? []) {
          const heard = await steps.look(asking.step);
          if (!("what" in heard)) packets += asking.read(heard.text, heard.code)?.packets ?? 0;
        }
        expect(packets).toBeGreaterThan(0);
      });

      if (variant.timeouts) {
        test("a longer ban replaces a shorter one and a shorter one a longer", async () => {
          const mine = await start();
          for (const [first, second] of [
            [20, 4000],
            [4000, 20],
          ] as const) {
            await ban(mine, [seconds("192.0.2.1", first), seconds("198.51.100.0/24", first)]);
            await ban(mine, [seconds("192.0.2.1", second, false), seconds("198.51.100.0/24", second, false)]);
            for (const text of ["192.0.2.1", "198.51.100.0/24"]) {
              const left = (Number((await stands(mine))?.get(text)) - Date.now()) / 1000;
              expect(Math.abs(left - second)).toBeLessThan(3);
            }
            await unban(mine, "192.0.2.1", "198.51.100.0/24");
          }
        });

        test("the kernel ends a ban by itself", async () => {
          const mine = await start();
          await ban(mine, [seconds(at.b4, 1)]);
          expect(tryTcp(client, at.a4, 22, { source: at.b4, limit: 0.2 })).toBe("timeout");
          await until(() => tryTcp(client, at.a4, 22, { source: at.b4, limit: 0.2 }) === "open", 4000);
        });
      }
    });

  test("nftables at the other hooks: input and forward by themselves, ingress before everything", async () => {
    const action = banactions.nftables;
    if (action === undefined) throw new Error("nftables");
    for (const [options, host, published] of [
      [{ hook: "input" }, "timeout", "open"],
      [{ hook: "forward" }, "open", "open"],
      [{ hook: "ingress", devices: ["v1a"] }, "timeout", "timeout"],
      [{ hook: "prerouting" }, "timeout", "timeout"],
    ] as const) {
      const mine = setup({ options });
      await done(action.start(mine));
      await done(action.ban(mine, [seconds(at.b4, 600), seconds(at.b6, 600)], Date.now()));
      expect([options.hook, tryTcp(client, at.a4, 22, { source: at.b4 })]).toEqual([options.hook, host]);
      expect([options.hook, tryTcp(client, at.a4, 8080, { source: at.b4 })]).toEqual([
        options.hook,
        published,
      ]);
    }
    await done(action.stop(setup()));
  });
});
