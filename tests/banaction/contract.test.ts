// What every banaction promises, tried on every member: in its steps alone, and, where its program cannot run here, on a fake of it.
// The kernel's own are tried with packets in kernel.test.ts.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { blocktypes } from "../../src/banaction/blocktype.ts";
import {
  type BanAction,
  banactions,
  type JailSetup,
  type Standing,
  type Step,
} from "../../src/banaction/index.ts";
import { parseTarget } from "../../src/core/address.ts";
import type { JailName, Target } from "../../src/core/domain.ts";
import { createSteps, type Steps } from "../../src/daemon/steps.ts";
import type { System } from "../../src/system/index.ts";
import { realSystem } from "../../src/system/real.ts";
import { namespace, whyNoNetns } from "../support/netns.ts";
import { fakeSystem } from "../support/system.ts";
import { firewallCmd, ipfw, npfctl, pfctl, shorewall, ufw } from "./programs.ts";

const target = (text: string): Target => {
  const parsed = parseTarget(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};
const until = Date.now() + 600_000;
const standing = (text: string): Standing => ({ target: target(text), until, fresh: true });
const texts = ["192.0.2.1", "2001:db8::1", "198.51.100.0/24", "2001:db8:5::/48"];

const work = fs.mkdtempSync(path.join(os.tmpdir(), "f2b-banaction-"));
afterAll(() => fs.rmSync(work, { recursive: true }));

const tokenfile = path.join(work, "token");
fs.writeFileSync(tokenfile, "a-token-of-some-length\n", { mode: 0o600 });
const hex = "0123456789abcdef0123456789abcdef";

/** A firewall of shell and files, as a user might write one. */
const script = path.join(work, "firewall");
const banned = path.join(work, "banned");
fs.writeFileSync(
  script,
  `#!/bin/sh
set -eu
f=${banned}
case "$1" in
  start) touch "$f" ;;
  stop) rm -f "$f" ;;
  list) cat "$f" ;;
  ban) grep -qxF "$2" "$f" || echo "$2" >> "$f"; cat > "${work}/stdin"; env | grep ^F2B_ | sort > "${work}/env" ;;
  unban) grep -vxF "$2" "$f" > "$f.new" || true; mv "$f.new" "$f" ;;
esac
`,
  { mode: 0o755 },
);

const needed: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  cloudflare: { account: hex, list: hex, tokenfile },
  command: {
    start: [script, "start"],
    ban: [script, "ban", "{ip}"],
    unban: [script, "unban", "{ip}"],
    stop: [script, "stop"],
    list: [script, "list"],
  },
  "hosts.deny": { file: path.join(work, "hosts.deny") },
};

const setup = (name: string, more: Partial<JailSetup> = {}): JailSetup => ({
  jail: "sshd" as JailName,
  port: [
    { from: 22, to: 22 },
    { from: 8000, to: 8010 },
  ],
  protocol: ["tcp"],
  chain: [],
  blocktype: "drop",
  options: needed[name] ?? {},
  ...more,
});

/** All steps a member can say at once, those of continuations left out. */
const allSteps = (action: BanAction, jail: JailSetup): Step[] => [
  ...action.start(jail),
  ...action.ban(jail, texts.map(standing), Date.now()),
  ...action.unban(jail, texts.map(target)),
  ...action.stop(jail),
];

describe("every banaction", () => {
  for (const [name, action] of Object.entries(banactions))
    describe(name, () => {
      test("is called what one writes", () => {
        expect(action.name).toBe(name);
        expect(action.summary.length).toBeGreaterThan(10);
      });

      test("refuses an option it does not know and takes its own output again", () => {
        expect(action.options.safeParse({ ...needed[name], no_such_option: 1 }).success).toBe(false);
        const parsed = action.options.parse(needed[name] ?? {});
        expect(action.options.parse(parsed)).toEqual(parsed);
      });

      test("runs no shell and hands over nothing but single lines", () => {
        for (const step of allSteps(action, setup(name))) {
          if (step.kind !== "run") continue;
          expect(step.command[0]).not.toMatch(/^(?:.*\/)?(?:ba|da|z)?sh$/);
          for (const word of step.command) expect(word).not.toMatch(/[\n\0]/);
        }
      });

      test("can do every blocktype, every protocol, many ports and all ports", () => {
        for (const blocktype of blocktypes)
          for (const port of [
            "all",
            Array.from({ length: 20 }, (_, i) => ({ from: 100 * i + 1, to: 100 * i + 5 })),
          ] as const)
            for (const protocol of [
              ["tcp"],
              ["udp", "tcp"],
              ["icmp"],
              ["all"],
              ["tcp", "icmp"],
              ["sctp", "dccp"],
            ] as const)
              expect(() => allSteps(action, setup(name, { blocktype, port, protocol }))).not.toThrow();
      });

      test("is pure: the same question has the same answer, and nothing asked is nothing done", () => {
        const jail = setup(name);
        const show = () =>
          JSON.stringify([
            ...action.start(jail),
            ...action.ban(jail, texts.map(standing), until - 1000),
            ...action.stop(jail),
          ]);
        expect(show()).toBe(show());
        const nothing = [...action.ban(jail, [], until), ...action.unban(jail, [])].filter(
          (step) =>
            step.kind !== "edit" &&
            !(step.kind === "run" && step.stdin === "") &&
            !(step.kind === "http" && step.method === "GET"),
        );
        expect(nothing).toEqual([]);
      });

      test("needs what it runs", () => {
        const jail = setup(name);
        const programs = allSteps(action, jail).flatMap((step) =>
          step.kind === "run" && step.extra !== true ? [step.command[0] ?? ""] : [],
        );
        const optional = new Set(["shorewall6", "ipset"]);
        for (const program of programs)
          if (!program.startsWith("/") && !optional.has(program)) expect(action.needs).toContain(program);
      });
    });
});

/** Members whose firewall is a fake program, a file, a script or a server of our own. */
interface Place {
  readonly name: string;
  readonly make: () => {
    readonly system: System;
    readonly close?: () => void;
    readonly options?: Readonly<Record<string, unknown>>;
  };
}

const silent = { say: () => undefined };
const noNamespace = whyNoNetns(["ip"]);

const places: readonly Place[] = [
  { name: "pf", make: () => ({ system: fakeSystem({ programs: { pfctl: pfctl() } }) }) },
  { name: "ipfw", make: () => ({ system: fakeSystem({ programs: { ipfw: ipfw() } }) }) },
  { name: "npf", make: () => ({ system: fakeSystem({ programs: { npfctl: npfctl() } }) }) },
  { name: "ufw", make: () => ({ system: fakeSystem({ programs: { ufw: ufw() } }) }) },
  {
    name: "firewalld",
    make: () => ({ system: fakeSystem({ programs: { "firewall-cmd": firewallCmd() } }) }),
  },
  { name: "hosts.deny", make: () => ({ system: realSystem(silent) }) },
  { name: "command", make: () => ({ system: realSystem(silent) }) },
  ...(noNamespace === undefined
    ? [
        {
          name: "route",
          make: () => {
            const space = namespace("route");
            space.must("ip", "route", "add", "blackhole", "203.0.113.200/32");
            return { system: space.system(), close: space.remove };
          },
        },
      ]
    : []),
  {
    name: "cloudflare",
    make: () => {
      const server = cloudflareApi();
      return {
        system: realSystem(silent),
        close: server.close,
        options: { ...needed.cloudflare, api: server.url },
      };
    },
  },
];

describe("what was banned is read back, twice is once, and nothing is left over", () => {
  for (const { name, make } of places)
    test(name, async () => {
      const action = banactions[name];
      if (action === undefined) throw new Error(name);
      const { system, close, options } = make();
      const steps = createSteps(system);
      try {
        const jail = setup(name, options === undefined ? {} : { options });
        const done = async (what: readonly Step[]) => expect(await steps.run(what)).toBeUndefined();
        const list = () => listed(steps, action, jail);
        await done(action.start(jail));
        expect(await list()).toEqual([]);
        await done(action.ban(jail, texts.map(standing), Date.now()));
        expect(await list()).toEqual([...texts].sort());
        await done(action.start(jail));
        await done(action.ban(jail, texts.map(standing), Date.now()));
        expect(await list()).toEqual([...texts].sort());
        await done(
          action.unban(jail, [target("192.0.2.1"), target("192.0.2.99"), target("2001:db8:5::/48")]),
        );
        await done(action.unban(jail, [target("192.0.2.1")]));
        expect(await list()).toEqual(["198.51.100.0/24", "2001:db8::1"]);
        await done(action.stop(jail));
        expect((await list()) ?? []).toEqual([]);
      } finally {
        steps.close();
        close?.();
      }
    });
});

async function listed(steps: Steps, action: BanAction, jail: JailSetup): Promise<string[] | undefined> {
  const all: string[] = [];
  const first = action.list(jail);
  const open = first === undefined ? [] : [first];
  for (let listing = open.shift(); listing !== undefined; listing = open.shift()) {
    const heard = await steps.look(listing.step);
    if ("what" in heard) throw new Error(heard.what);
    const found = listing.read(heard.text, heard.code, Date.now());
    if (found === undefined) return undefined;
    all.push(...found.map((one) => one.target.text));
    for (const further of [listing.more?.(heard.text), listing.also])
      if (further !== undefined) open.push(further);
  }
  return all.sort();
}

/** The lists API as far as we use it: items in pages of two, comments, a token. */
function cloudflareApi() {
  const items = new Map<string, { id: string; ip: string; comment: string }>();
  items.set("z", { id: "z", ip: "203.0.113.77", comment: "the administrator's" });
  let last = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const url = new URL(request.url);
      if (url.pathname === `/accounts/${hex}/rules/lists/bulk_operations/1`)
        return Response.json({ success: true, errors: [], result: { id: "1", status: "completed" } });
      const answer = (result: unknown, result_info?: unknown) =>
        Response.json({ success: true, errors: [], result, result_info });
      if (request.headers.get("authorization") !== "Bearer a-token-of-some-length")
        return Response.json(
          { success: false, errors: [{ code: 10000, message: "Authentication error" }] },
          { status: 403 },
        );
      if (url.pathname !== `/accounts/${hex}/rules/lists/${hex}/items`)
        return new Response("no", { status: 404 });
      if (request.method === "GET") {
        const all = [...items.values()];
        const from = Number(url.searchParams.get("cursor") ?? 0);
        const after = from + 2 < all.length ? { cursors: { after: `${from + 2}` } } : {};
        return answer(all.slice(from, from + 2), after);
      }
      const body: unknown = await request.json();
      if (request.method === "POST")
        for (const { ip, comment } of body as { ip: string; comment: string }[]) {
          const known = [...items.values()].find((one) => one.ip === ip);
          const id = known?.id ?? `i${++last}`;
          items.set(id, { id, ip, comment });
        }
      if (request.method === "DELETE")
        for (const { id } of (body as { items: { id: string }[] }).items) items.delete(id);
      return answer({ operation_id: "1" });
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, items, close: () => void server.stop(true) };
}

describe("cloudflare", () => {
  const action = banactions.cloudflare as BanAction;

  test("never touches entries of others, and says what a wrong token is", async () => {
    const api = cloudflareApi();
    const steps = createSteps(realSystem(silent));
    const jail = setup("cloudflare", { options: { ...needed.cloudflare, api: api.url } });
    await steps.run(action.ban(jail, texts.map(standing), Date.now()));
    await steps.run(action.unban(jail, [target("203.0.113.77")]));
    await steps.run(action.stop(jail));
    expect([...api.items.values()].map((one) => one.ip)).toEqual(["203.0.113.77"]);
    const wrong = path.join(work, "wrong-token");
    fs.writeFileSync(wrong, "another-token\n", { mode: 0o600 });
    const refused = await steps.run(
      action.start(
        setup("cloudflare", { options: { ...needed.cloudflare, api: api.url, tokenfile: wrong } }),
      ),
    );
    expect(refused?.what).toContain("refused with status 403");
    expect(JSON.stringify(refused)).not.toContain("another-token");
    fs.chmodSync(wrong, 0o644);
    const open = await steps.run(
      action.start(
        setup("cloudflare", { options: { ...needed.cloudflare, api: api.url, tokenfile: wrong } }),
      ),
    );
    expect(open?.what).toContain("can be read by others");
    api.close();
    expect((await steps.run(action.start(jail)))?.what).toContain("did not answer");
    steps.close();
  });

  test("waits while another change is under way, and until its own is done", async () => {
    const system = fakeSystem();
    system.files.mkdir("/etc");
    system.files.replaceFile("/etc/token", "a-token-of-some-length\n", 0o600);
    const jail = setup("cloudflare", { options: { ...needed.cloudflare, tokenfile: "/etc/token" } });
    const items = `/accounts/${hex}/rules/lists/${hex}/items`;
    const done = (status: string) => ({ success: true, errors: [], result: { id: "op-7", status } });
    const script: [number, unknown][] = [
      [429, { success: false, errors: [{ message: "pending bulk operation" }] }],
      [200, { success: true, errors: [], result: { operation_id: "op-7" } }],
      [200, done("pending")],
      [200, done("running")],
      [200, done("completed")],
    ];
    const asked: string[] = [];
    const steps = createSteps(system, async ({ method, url }) => {
      asked.push(`${method} ${new URL(url).pathname.replace("/client/v4", "")}`);
      const [status, body] = script.shift() ?? [500, {}];
      return { status, body: JSON.stringify(body) };
    });
    const ban = () => steps.run(action.ban(jail, [standing("192.0.2.1")], 0));
    const turning = async <T>(work: Promise<T>): Promise<T> => {
      let over = false;
      void work.finally(() => {
        over = true;
      });
      for (let i = 0; i < 10_000 && !over; i++) {
        await Promise.resolve();
        if (i % 20 === 19) system.clock.turn(500);
      }
      return work;
    };
    const operation = `GET /accounts/${hex}/rules/lists/bulk_operations/op-7`;
    expect(await turning(ban())).toBeUndefined();
    expect(asked).toEqual([`POST ${items}`, `POST ${items}`, operation, operation, operation]);
    script.push([200, { success: true, result: { operation_id: "op-7" } }], [200, done("failed")]);
    expect((await turning(ban()))?.why).toContain("failed");
    while (script.length < 100) script.push([429, {}]);
    expect((await turning(ban()))?.what).toContain("status 429");
  });
});

describe("hosts.deny", () => {
  const action = banactions["hosts.deny"] as BanAction;
  const steps = createSteps(realSystem(silent));
  const file = path.join(work, "hosts.deny.mixed");
  const jail = setup("hosts.deny", { options: { file } });
  afterAll(() => steps.close());

  test("every other byte of the file stays as it is", async () => {
    const before = "# mine\r\nALL: 203.0.113.9\xff\n\nsshd: evil.example.org\n# no line end";
    fs.writeFileSync(file, before, "latin1");
    await steps.run([...action.start(jail), ...action.ban(jail, texts.map(standing), Date.now())]);
    const during = fs.readFileSync(file, "latin1");
    expect(during.startsWith(`${before}\n`)).toBe(true);
    expect(
      during
        .slice(before.length + 1)
        .split("\n")
        .slice(1, -2),
    ).toEqual([
      "ALL: 192.0.2.1",
      "ALL: [2001:db8::1]",
      "ALL: 198.51.100.0/255.255.255.0",
      "ALL: [2001:db8:5::]/48",
    ]);
    fs.appendFileSync(file, "# after\n");
    await steps.run(action.stop(jail));
    expect(fs.readFileSync(file, "latin1")).toBe(`${before}\n# after\n`);
  });

  test("a link stays a link, and the file behind it as private as it was", async () => {
    const real = path.join(work, "hosts.deny.real");
    const link = path.join(work, "hosts.deny.link");
    fs.writeFileSync(real, "sshd: 203.0.113.9\n", { mode: 0o640 });
    fs.symlinkSync(real, link);
    const linked = setup("hosts.deny", { options: { file: link } });
    expect(
      await steps.run([...action.start(linked), ...action.ban(linked, [standing("192.0.2.1")], 0)]),
    ).toBeUndefined();
    expect(fs.lstatSync(link).isSymbolicLink()).toBe(true);
    expect(fs.readFileSync(real, "utf8")).toContain("ALL: 192.0.2.1\n");
    expect(fs.statSync(real).mode & 0o777).toBe(0o640);
  });

  test("an end mark that somebody deleted takes nothing of theirs", async () => {
    fs.writeFileSync(file, "");
    await steps.run([...action.start(jail), ...action.ban(jail, [standing("192.0.2.1")], Date.now())]);
    fs.writeFileSync(
      file,
      `${fs.readFileSync(file, "utf8").replace("# f2b end\n", "")}# theirs\nALL: 203.0.113.1\n`,
    );
    await steps.run(action.stop(jail));
    expect(fs.readFileSync(file, "utf8")).toBe("# theirs\nALL: 203.0.113.1\n");
  });

  test("two daemon lists in one file are two places", async () => {
    fs.writeFileSync(file, "");
    const mail = setup("hosts.deny", { options: { file, daemons: "postfix dovecot" } });
    await steps.run([
      ...action.start(jail),
      ...action.start(mail),
      ...action.ban(jail, [standing("192.0.2.1")], 0),
      ...action.ban(mail, [standing("192.0.2.2")], 0),
    ]);
    expect(await listed(steps, action, jail)).toEqual(["192.0.2.1"]);
    expect(await listed(steps, action, mail)).toEqual(["192.0.2.2"]);
    await steps.run(action.stop(jail));
    expect(await listed(steps, action, mail)).toEqual(["192.0.2.2"]);
  });
});

describe("command", () => {
  const action = banactions.command as BanAction;
  const steps = createSteps(realSystem(silent));
  afterAll(() => steps.close());

  test("the program has everything as environment and as JSON, and its own arguments only from parsed values", async () => {
    const now = until - 600_000;
    await steps.run([
      ...action.start(setup("command")),
      ...action.ban(setup("command"), [standing("2001:db8::1")], now),
    ]);
    expect(fs.readFileSync(path.join(work, "env"), "utf8").trim().split("\n")).toEqual([
      "F2B_ACTION=ban",
      "F2B_BANTIME=600",
      "F2B_FAMILY=inet6",
      "F2B_IP=2001:db8::1",
      "F2B_JAIL=sshd",
      "F2B_PORT=22,8000-8010",
      "F2B_PROTOCOL=tcp",
      `F2B_UNTIL=${Math.ceil(until / 1000)}`,
    ]);
    expect(JSON.parse(fs.readFileSync(path.join(work, "stdin"), "utf8"))).toMatchObject({
      action: "ban",
      ip: "2001:db8::1",
      jail: "sshd",
      bantime: "600",
    });
  });

  test("what a stranger chose is never read by a shell", async () => {
    const marker = path.join(work, "pwned");
    const evil = {
      target: { kind: "id", text: `$(touch ${marker})\`touch ${marker}\`;touch ${marker} #` },
      until: "forever",
    } as unknown as Standing;
    const shell = setup("command", {
      options: { ban: `printf %s "$F2B_IP" > ${work}/said`, unban: "true", unsafe_shell: true },
    });
    expect(await steps.run(action.ban(shell, [evil], 0))).toBeUndefined();
    expect(await steps.run(action.ban(setup("command"), [evil], 0))).toBeUndefined();
    expect(fs.existsSync(marker)).toBe(false);
    expect(fs.readFileSync(path.join(work, "said"), "utf8")).toBe(evil.target.text);
  });

  test("what a program would take for an option is left out, and told", () => {
    const evil = { target: { kind: "id", text: "--help" }, until: "forever" } as unknown as Standing;
    const kinds = (ban: readonly string[]) => {
      const jail = setup("command", { options: { ban, unban: ban } });
      return [...action.ban(jail, [evil], 0), ...action.unban(jail, [evil.target])].map((step) =>
        step.kind === "run" ? step.command.join(" ") : step.kind,
      );
    };
    expect(kinds(["/bin/lock", "{ip}"])).toEqual(["say", "say"]);
    expect(kinds(["/bin/lock", "--", "{ip}"])).toEqual(["/bin/lock -- --help", "/bin/lock -- --help"]);
    expect(kinds(["/bin/lock", "--user={ip}"])).toEqual([
      "/bin/lock --user=--help",
      "/bin/lock --user=--help",
    ]);
  });

  test("a text needs unsafe_shell, a word in braces must be known, the program is not put together", () => {
    const good = { ban: ["/bin/true", "{ip}"], unban: ["/bin/true"] };
    const parse = (more: Readonly<Record<string, unknown>>) =>
      action.options.safeParse({ ...good, ...more }).success;
    expect(parse({})).toBe(true);
    expect(parse({ ban: "touch /tmp/x" })).toBe(false);
    expect(parse({ ban: "touch /tmp/x", unsafe_shell: true })).toBe(true);
    expect(parse({ ban: ["/bin/true", "{matches}"] })).toBe(false);
    expect(parse({ ban: ["/bin/{ip}"] })).toBe(false);
    expect(parse({ ban: ["bin/true"] })).toBe(false);
  });

  test("a program that hangs is ended, and that is told", async () => {
    const slow = setup("command", {
      options: { ban: ["/bin/sleep", "60"], unban: ["/bin/true"], timeout: 1 },
    });
    const fault = await steps.run(action.ban(slow, [standing("192.0.2.1")], 0));
    expect(fault?.what).toBe("/bin/sleep 60 took too long");
  }, 10_000);
});

describe("shorewall", () => {
  test("speaks to the program of the address's family and unbans with allow", async () => {
    const action = banactions.shorewall as BanAction;
    const v4 = shorewall();
    const v6 = shorewall();
    const steps = createSteps(fakeSystem({ programs: { shorewall: v4, shorewall6: v6 } }));
    const jail = setup("shorewall");
    expect(await steps.run(action.ban(jail, texts.map(standing), 0))).toBeUndefined();
    expect([[...v4.list], [...v6.list]]).toEqual([
      ["192.0.2.1", "198.51.100.0/24"],
      ["2001:db8::1", "2001:db8:5::/48"],
    ]);
    expect(await steps.run(action.unban(jail, texts.map(target)))).toBeUndefined();
    expect(v4.list.size + v6.list.size).toBe(0);
  });
});

describe("what is said to programs that cannot run here", () => {
  const commands = (name: string, what: "start" | "ban", more: Partial<JailSetup> = {}): string[] => {
    const action = banactions[name] as BanAction;
    const jail = setup(name, more);
    return (
      what === "start" ? action.start(jail) : action.ban(jail, [standing("192.0.2.1")], until - 1000)
    ).flatMap((step) =>
      step.kind === "run" && step.extra !== true
        ? [[step.command.join(" "), step.stdin?.trim()].filter(Boolean).join(" <<< ")]
        : [],
    );
  };

  test("pf", () => {
    expect(commands("pf", "start").slice(0, 1)).toEqual([
      "pfctl -q -a f2b/sshd -f - <<< table <f2b-sshd> persist\nblock drop in quick proto tcp from <f2b-sshd> to any port { 22 8000:8010 }",
    ]);
    expect(commands("pf", "ban")).toEqual(["pfctl -q -a f2b/sshd -t f2b-sshd -T add -f - <<< 192.0.2.1"]);
    expect(commands("pf", "start", { port: "all", protocol: ["all"], blocktype: "reject" })[0]).toContain(
      "block return in quick from <f2b-sshd> to any",
    );
  });

  test("ufw", () => {
    expect(commands("ufw", "ban")[0]).toMatch(
      /^ufw prepend deny from 192\.0\.2\.1 to any port 22,8000:8010 proto tcp comment f2b-[0-9a-f]{8}$/,
    );
    expect(commands("ufw", "ban", { port: "all", protocol: ["all"], blocktype: "reject" })[0]).toMatch(
      /^ufw prepend reject from 192\.0\.2\.1 comment f2b-[0-9a-f]{8}$/,
    );
  });

  test("ufw takes fifteen ports a rule, a range counting two", async () => {
    const steps = createSteps(fakeSystem({ programs: { ufw: ufw() } }));
    const action = banactions.ufw as BanAction;
    const port = Array.from({ length: 20 }, (_, i) => ({ from: 100 * (i + 1), to: 100 * (i + 1) + (i % 2) }));
    const jail = setup("ufw", { port });
    expect(await steps.run(action.ban(jail, [standing("192.0.2.1")], 0))).toBeUndefined();
    expect(await listed(steps, action, jail)).toEqual(["192.0.2.1"]);
    expect(await steps.run(action.unban(jail, [target("192.0.2.1")]))).toBeUndefined();
    expect(await listed(steps, action, jail)).toEqual([]);
  });

  test("firewalld", () => {
    expect(commands("firewalld", "ban")).toEqual(["firewall-cmd --ipset=f2b4-sshd --add-entry=192.0.2.1"]);
  });

  test("ipfw and npf", () => {
    expect(commands("ipfw", "ban")).toEqual(["ipfw -q table f2b-sshd add 192.0.2.1"]);
    expect(commands("npf", "ban")).toEqual(["npfctl table f2b add 192.0.2.1"]);
  });
});

describe("a firewall that takes rules without effect", () => {
  const started = async (name: string, programs: Parameters<typeof fakeSystem>[0]) =>
    (await createSteps(fakeSystem(programs)).run(banactions[name]?.start(setup(name)) ?? []))?.what;

  test("ufw that is not active is told", async () => {
    expect(await started("ufw", { programs: { ufw: ufw() } })).toBeUndefined();
    expect(await started("ufw", { programs: { ufw: ufw("inactive") } })).toContain("ufw is not active");
  });

  test("pf that is disabled, or whose rules do not refer to our anchor, is told", async () => {
    const enabled = "Status: Enabled for 1 days 02:03:04";
    for (const [info, rules, what] of [
      [enabled, 'block drop all\nanchor "f2b/*" all', undefined],
      [enabled, 'anchor "*" all', undefined],
      [enabled, 'anchor "relayd/*" all', "refers to the anchor"],
      ["Status: Disabled", 'anchor "f2b/*" all', "not enabled"],
    ] as const) {
      const told = await started("pf", { programs: { pfctl: pfctl({ info, rules }) } });
      if (what === undefined) expect(told).toBeUndefined();
      else expect(told).toContain(what);
    }
  });
});

describe("firewalld", () => {
  const action = banactions.firewalld as BanAction;
  const open = () => {
    const system = fakeSystem({ programs: { "firewall-cmd": firewallCmd() } });
    const ask = async (question: string) =>
      (await system.programs.run(["firewall-cmd", question])).stdout.split("\n");
    return { ask, steps: createSteps(system) };
  };
  const now = until - 600_000;

  test("the reload that a new jail needs takes nothing from the others", async () => {
    const { ask, steps } = open();
    const first = setup("firewalld");
    expect(await steps.run([...action.start(first), ...action.ban(first, texts.map(standing), now)])).toBe(
      undefined,
    );
    const rules = await ask("--list-rich-rules");
    expect(rules).toContain(
      'rule priority="-100" family="ipv4" source ipset="f2b4-sshd" port port="22" protocol="tcp" drop',
    );
    const second = { ...first, jail: "postfix" as JailName };
    expect(await steps.run(action.start(second))).toBeUndefined();
    expect((await ask("--list-rich-rules")).filter((rule) => rule.includes("-sshd"))).toEqual(rules);
    expect(await listed(steps, action, first)).toEqual([...texts].sort());
    expect(await steps.run(action.stop(second))).toBeUndefined();
    expect(await ask("--list-rich-rules")).toEqual(rules);
    expect(await listed(steps, action, first)).toEqual([...texts].sort());
  });

  test("a network is shut out though hosts and smaller networks of it are, and though a larger one is", async () => {
    const { steps } = open();
    const jail = setup("firewalld");
    await steps.run(action.start(jail));
    for (const text of ["203.0.113.9", "203.0.113.0/24", "203.0.0.0/16", "203.0.5.0/24", "203.0.113.10"])
      expect(await steps.run(action.ban(jail, [standing(text)], now))).toBeUndefined();
    expect(await listed(steps, action, jail)).toEqual(["203.0.0.0/16", "203.0.113.10", "203.0.113.9"]);
  });

  test("other ports and another answer take the place of the old rules; a reset goes to TCP only", async () => {
    const { ask, steps } = open();
    const jail = setup("firewalld");
    await steps.run(action.start(jail));
    const changed = setup("firewalld", {
      port: "all",
      protocol: ["all"],
      blocktype: "tcp-reset",
    });
    expect(await steps.run(action.start(changed))).toBeUndefined();
    expect((await ask("--list-rich-rules")).filter((rule) => rule.includes('"f2b6-sshd"'))).toEqual([
      'rule priority="-100" family="ipv6" source ipset="f2b6-sshd" protocol value="tcp" reject type="tcp-reset"',
      'rule priority="-100" family="ipv6" source ipset="f2b6-sshd" reject type="icmp6-port-unreachable"',
    ]);
    expect(await ask("--list-rich-rules")).toHaveLength(8);
  });
});

describe("print", () => {
  test("says what would happen and runs nothing at all", async () => {
    const action = banactions.print as BanAction;
    const system = fakeSystem();
    const steps = createSteps(system);
    expect(await steps.run(allSteps(action, setup("print")))).toBeUndefined();
    expect(system.commands).toEqual([]);
    expect(system.said.map(({ text }) => text)[1]).toMatch(
      /^dry run: \[sshd\] would ban 192\.0\.2\.1 for 5\d\d s \(tcp, 22, 8000-8010, drop\)$/,
    );
  });
});

describe("route", () => {
  let space: ReturnType<typeof namespace> | undefined;
  beforeAll(() => {
    space = noNamespace === undefined ? namespace("routes") : undefined;
  });
  afterAll(() => space?.remove());

  test.skipIf(noNamespace !== undefined)(
    "others' blackhole routes are neither listed nor taken away",
    async () => {
      if (space === undefined) return;
      const action = banactions.route as BanAction;
      space.must("ip", "route", "add", "blackhole", "203.0.113.200/32");
      const steps = createSteps(space.system());
      const jail = setup("route");
      await steps.run(action.ban(jail, [standing("192.0.2.1")], 0));
      expect(await listed(steps, action, jail)).toEqual(["192.0.2.1"]);
      await steps.run([...action.unban(jail, [target("203.0.113.200")]), ...action.stop(jail)]);
      expect(space.must("ip", "route", "show", "type", "blackhole").trim()).toBe("blackhole 203.0.113.200");
    },
  );
});
