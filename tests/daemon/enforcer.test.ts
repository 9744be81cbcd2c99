// The enforcer against a firewall of our own making (a fake program with a memory), by a clock that is turned by hand.

import { describe, expect, test } from "bun:test";
import { z } from "zod";
import type { BanAction, Listing, Standing } from "../../src/banaction/index.ts";
import { parseTarget, targetKey } from "../../src/core/address.ts";
import type { JailName, Target } from "../../src/core/domain.ts";
import {
  createEnforcer,
  type EnforcedJail,
  type Enforcer,
  type Problem,
  type Repair,
} from "../../src/daemon/enforcer.ts";
import type { PlaceBook } from "../../src/daemon/places.ts";
import { type FakeSystem, fakeSystem } from "../support/system.ts";

const target = (text: string): Target => {
  const parsed = parseTarget(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};

/** One command a step: fw start|ban|unban|stop|list PLACE TARGET… */
const member = (more: Partial<BanAction> = {}): BanAction => {
  const place = (jail: { readonly jail: string }) => (more.shared === true ? "all" : jail.jail);
  const run = (...command: string[]) => ({ kind: "run" as const, command: ["fw", ...command] });
  return {
    name: "fw",
    summary: "a firewall for tests",
    needs: ["fw"],
    can: { v4: true, v6: true, prefix: true, id: false },
    shared: false,
    expires: false,
    options: z.strictObject({}),
    start: (jail) => [run("start", place(jail))],
    ban: (jail, bans) => [run("ban", place(jail), ...bans.map((ban) => ban.target.text))],
    unban: (jail, targets) => [run("unban", place(jail), ...targets.map((one) => one.text))],
    stop: (jail) => [run("stop", place(jail))],
    list: (jail): Listing => ({
      step: run("list", place(jail)),
      read: (answer, code) =>
        code === 0
          ? answer
              .split(" ")
              .filter(Boolean)
              .map((text) => ({ target: target(text), until: undefined }))
          : undefined,
    }),
    ...more,
  };
};

interface World {
  readonly system: FakeSystem;
  readonly enforcer: Enforcer;
  /** What stands in the firewall, by place. */
  readonly places: Map<string, Set<string>>;
  readonly problems: [Problem, boolean][];
  readonly repairs: Repair[];
  want(jail: string, text: string, until?: Standing["until"]): Standing;
  drop(jail: string, text: string): Target;
  /** Fails commands for which it returns a reason. */
  broken: ((verb: string, targets: readonly string[]) => string | undefined) | undefined;
  commands(verb: string): readonly string[][];
}

function world(
  banactions: Readonly<Record<string, BanAction>> = { fw: member() },
  guard?: (one: Target) => string | undefined,
  book?: PlaceBook,
): World {
  const places = new Map<string, Set<string>>();
  const state = new Map<string, Map<string, Standing>>();
  const problems: [Problem, boolean][] = [];
  const repairs: Repair[] = [];
  const system = fakeSystem({
    programs: {
      fw([, verb = "", place = "", ...targets]) {
        const why = made.broken?.(verb, targets);
        if (why !== undefined) return { code: 1, stderr: why };
        const set = places.get(place);
        if (verb === "start") places.set(place, set ?? new Set());
        else if (verb === "stop") places.delete(place);
        else if (set === undefined) return { code: 2, stderr: "no such place" };
        else if (verb === "ban") for (const one of targets) set.add(one);
        else if (verb === "unban") for (const one of targets) set.delete(one);
        else if (verb === "list") return { stdout: [...set].join(" ") };
        return {};
      },
    },
  });
  const enforcer = createEnforcer({
    system,
    banactions,
    wanted: {
      standing: (jail) => state.get(jail)?.values() ?? [],
      find: (jail, one) => state.get(jail)?.get(targetKey(one)),
    },
    onProblem: (problem, recovered) => problems.push([problem, recovered]),
    onRepaired: (repair) => repairs.push(repair),
    ...(guard === undefined ? {} : { guard }),
    ...(book === undefined ? {} : { places: book }),
  });
  const made: World = {
    system,
    enforcer,
    places,
    problems,
    repairs,
    broken: undefined,
    want(jail, text, until = "forever") {
      const standing = { target: target(text), until };
      const bans = state.get(jail) ?? new Map<string, Standing>();
      state.set(jail, bans.set(targetKey(standing.target), standing));
      return standing;
    },
    drop(jail, text) {
      const gone = target(text);
      state.get(jail)?.delete(targetKey(gone));
      return gone;
    },
    commands: (verb) =>
      system.commands.filter(({ command }) => command[1] === verb).map(({ command }) => command.slice(3)),
  };
  return made;
}

const jail = (name = "sshd", ...uses: string[]): EnforcedJail => ({
  name: name as JailName,
  port: [{ from: 22, to: 22 }],
  protocol: ["tcp"],
  chain: [],
  blocktype: "drop",
  banaction: (uses.length === 0 ? ["fw"] : uses).map((one) => ({ name: one, options: {} })),
});
const sshd = "sshd" as JailName;
const smtp = "smtp" as JailName;
/** Lets everything that is ready run: promises, not time. */
const settled = async () => {
  for (let i = 0; i < 200; i++) await Promise.resolve();
};

describe("start", () => {
  test("puts in what is missing and takes out what should not stand", async () => {
    const w = world();
    w.places.set("sshd", new Set(["192.0.2.1", "192.0.2.2"]));
    w.want("sshd", "192.0.2.2");
    w.want("sshd", "192.0.2.3");
    expect(await w.enforcer.start(jail())).toEqual({ faults: [], refused: [] });
    expect([...(w.places.get("sshd") ?? [])].sort()).toEqual(["192.0.2.2", "192.0.2.3"]);
    expect(w.commands("ban").flat()).not.toContain("192.0.2.2");
  });

  test("leaves out bans that have ended", async () => {
    const w = world();
    w.want("sshd", "192.0.2.1", w.system.clock.now() - 1);
    await w.enforcer.start(jail());
    expect(w.places.get("sshd")?.size).toBe(0);
  });

  test("that fails is retried, and then everything that should stand stands", async () => {
    const w = world();
    w.broken = () => "not now";
    w.want("sshd", "192.0.2.1");
    expect((await w.enforcer.start(jail())).faults).toHaveLength(1);
    const banned = await w.enforcer.ban(sshd, [w.want("sshd", "192.0.2.2")]);
    expect(banned.faults[0]?.why).toBe("not now");
    expect(w.enforcer.problems(sshd)).toHaveLength(1);
    w.broken = undefined;
    w.system.clock.turn(70_000);
    await settled();
    expect([...(w.places.get("sshd") ?? [])].sort()).toEqual(["192.0.2.1", "192.0.2.2"]);
    expect(w.enforcer.problems()).toEqual([]);
    expect(w.problems.map(([, recovered]) => recovered)).toEqual([false, true]);
  });

  test("a storm of bans while it fails is not a storm of attempts", async () => {
    const w = world();
    w.broken = () => "not now";
    await w.enforcer.start(jail());
    const before = w.system.commands.length;
    for (let i = 0; i < 50; i++) await w.enforcer.ban(sshd, [w.want("sshd", `192.0.2.${i}`)]);
    expect(w.system.commands.length).toBe(before);
  });
});

describe("ban and unban", () => {
  test("what is asked while a batch is under way goes out together", async () => {
    const w = world();
    await w.enforcer.start(jail());
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => w.enforcer.ban(sshd, [w.want("sshd", `192.0.2.${i}`)])),
    );
    expect(w.places.get("sshd")?.size).toBe(100);
    expect(w.commands("ban").length).toBeLessThanOrEqual(2);
  });

  test("the state decides, not the order of calls", async () => {
    const w = world();
    await w.enforcer.start(jail());
    const standing = w.want("sshd", "192.0.2.1");
    const ban = w.enforcer.ban(sshd, [standing]);
    const unban = w.enforcer.unban(sshd, [w.drop("sshd", "192.0.2.1")]);
    await Promise.all([ban, unban]);
    expect(w.places.get("sshd")?.size).toBe(0);
  });

  test("one bad element does not keep the others out, and is retried by itself", async () => {
    const w = world();
    await w.enforcer.start(jail());
    w.broken = (verb, targets) =>
      verb === "ban" && targets.includes("192.0.2.77") ? "bad element" : undefined;
    const result = await w.enforcer.ban(
      sshd,
      Array.from({ length: 100 }, (_, i) => w.want("sshd", `192.0.2.${i}`)),
    );
    expect(result.faults.map((fault) => fault.why)).toEqual(["bad element"]);
    expect(w.places.get("sshd")?.size).toBe(99);
    w.broken = undefined;
    w.system.clock.turn(250);
    await settled();
    expect(w.places.get("sshd")?.size).toBe(100);
    expect(w.commands("ban").at(-1)).toEqual(["192.0.2.77"]);
  });

  test("an unban that fails is retried until the address is free", async () => {
    const w = world();
    await w.enforcer.start(jail());
    await w.enforcer.ban(sshd, [w.want("sshd", "192.0.2.1")]);
    w.broken = (verb) => (verb === "unban" ? "busy" : undefined);
    await w.enforcer.unban(sshd, [w.drop("sshd", "192.0.2.1")]);
    expect(w.places.get("sshd")?.size).toBe(1);
    w.broken = undefined;
    w.system.clock.turn(250);
    await settled();
    expect(w.places.get("sshd")?.size).toBe(0);
  });

  test("a place that somebody took away is made again with all that stood in it", async () => {
    const w = world();
    await w.enforcer.start(jail());
    await w.enforcer.ban(sshd, [w.want("sshd", "192.0.2.1")]);
    w.places.clear();
    expect((await w.enforcer.ban(sshd, [w.want("sshd", "192.0.2.2")])).faults).toEqual([]);
    expect([...(w.places.get("sshd") ?? [])].sort()).toEqual(["192.0.2.1", "192.0.2.2"]);
    expect(w.repairs).toHaveLength(1);
  });

  test("one banaction failing does not stop the other", async () => {
    const w = world({
      fw: member(),
      bad: {
        ...member(),
        name: "bad",
        ban: () => [{ kind: "run", command: ["nowhere"] }],
        list: () => undefined,
      },
    });
    await w.enforcer.start(jail("sshd", "fw", "bad"));
    const result = await w.enforcer.ban(sshd, [w.want("sshd", "192.0.2.1")]);
    expect(w.places.get("sshd")).toEqual(new Set(["192.0.2.1"]));
    expect(result.faults.map((fault) => fault.what)).toEqual(["nowhere is not installed"]);
    expect(w.enforcer.problems(sshd).map((problem) => problem.banaction)).toEqual(["bad"]);
  });

  test("what the last gate refuses never reaches the firewall, and what stood of it is taken out", async () => {
    let forbidden = "192.0.2.9";
    const w = world({ fw: member() }, (one) => (one.text === forbidden ? "own address" : undefined));
    await w.enforcer.start(jail());
    const result = await w.enforcer.ban(sshd, [w.want("sshd", "192.0.2.9"), w.want("sshd", "192.0.2.1")]);
    expect(result.refused.map(({ reason }) => reason)).toEqual(["own address"]);
    expect(w.commands("ban").flat()).toEqual(["192.0.2.1"]);
    forbidden = "192.0.2.1";
    await w.enforcer.verify();
    expect([...(w.places.get("sshd") ?? [])]).toEqual(["192.0.2.9"]);
  });

  test("what a banaction cannot shut out is told, not hidden", async () => {
    const w = world({ fw: member({ can: { v4: true, v6: false, prefix: true, id: false } }) });
    await w.enforcer.start(jail());
    const result = await w.enforcer.ban(sshd, [w.want("sshd", "2001:db8::1")]);
    expect(result.faults.map((fault) => fault.what)).toEqual(["fw cannot shut out 2001:db8::1"]);
    expect(w.commands("ban")).toEqual([]);
  });
});

describe("shared entries", () => {
  const shared = () => world({ fw: member({ shared: true }) });

  test("an address that two jails ban stays shut until the last of them lets go", async () => {
    const w = shared();
    await w.enforcer.start(jail("sshd"));
    await w.enforcer.start(jail("smtp"));
    await w.enforcer.ban(sshd, [w.want("sshd", "192.0.2.1")]);
    await w.enforcer.ban(smtp, [w.want("smtp", "192.0.2.1")]);
    await w.enforcer.unban(sshd, [w.drop("sshd", "192.0.2.1")]);
    expect(w.places.get("all")).toEqual(new Set(["192.0.2.1"]));
    await w.enforcer.unban(smtp, [w.drop("smtp", "192.0.2.1")]);
    expect(w.places.get("all")).toEqual(new Set());
  });

  test("a jail that goes takes only what no other holds; the last one takes the place", async () => {
    const w = shared();
    await w.enforcer.start(jail("sshd"));
    await w.enforcer.start(jail("smtp"));
    for (const text of ["192.0.2.1", "192.0.2.2"]) await w.enforcer.ban(sshd, [w.want("sshd", text)]);
    await w.enforcer.ban(smtp, [w.want("smtp", "192.0.2.1")]);
    await w.enforcer.stop(sshd, "remove");
    expect(w.places.get("all")).toEqual(new Set(["192.0.2.1"]));
    await w.enforcer.stop(smtp, "remove");
    expect(w.places.has("all")).toBe(false);
  });

  test("one jail starting does not take out what another holds", async () => {
    const w = shared();
    await w.enforcer.start(jail("sshd"));
    await w.enforcer.ban(sshd, [w.want("sshd", "192.0.2.1")]);
    await w.enforcer.start(jail("smtp"));
    expect(w.places.get("all")).toEqual(new Set(["192.0.2.1"]));
  });
});

describe("keeping it so", () => {
  test("what others changed is put right at the next look, and told", async () => {
    const w = world();
    await w.enforcer.start(jail());
    await w.enforcer.ban(sshd, [w.want("sshd", "192.0.2.1"), w.want("sshd", "192.0.2.2")]);
    w.places.set("sshd", new Set(["192.0.2.2", "203.0.113.1"]));
    w.system.clock.turn(6000);
    await settled();
    expect([...(w.places.get("sshd") ?? [])].sort()).toEqual(["192.0.2.1", "192.0.2.2"]);
    expect(w.repairs.map(({ added, removed }) => [added, removed])).toEqual([[1, 1]]);
  });

  test("the structure is looked at twice a second where that is cheap; one question serves all jails", async () => {
    let asked = 0;
    const intact: NonNullable<BanAction["intact"]> = (one) => [
      {
        step: { kind: "run", command: ["fw", "places"] },
        read: () => {
          asked++;
          return w.places.has(one.jail);
        },
      },
    ];
    const w = world({ fw: member({ intact }) });
    w.places.set("places", new Set());
    await w.enforcer.start(jail("sshd"));
    await w.enforcer.start(jail("smtp"));
    w.want("sshd", "192.0.2.1");
    w.places.delete("sshd");
    w.system.clock.turn(600);
    await settled();
    expect(asked).toBe(2);
    expect(w.system.commands.filter(({ command }) => command[1] === "places")).toHaveLength(1);
    expect(w.places.get("sshd")).toEqual(new Set(["192.0.2.1"]));
    expect(w.repairs.map(({ jail: name }) => name as string)).toEqual(["sshd"]);
  });

  test("a jail that is stopped and kept keeps its bans to their end, and goes with the last of them", async () => {
    const w = world();
    await w.enforcer.start(jail());
    await w.enforcer.ban(sshd, [w.want("sshd", "192.0.2.1"), w.want("sshd", "192.0.2.2")]);
    await w.enforcer.stop(sshd, "keep");
    expect(w.places.get("sshd")?.size).toBe(2);
    await w.enforcer.unban(sshd, [w.drop("sshd", "192.0.2.1")]);
    expect(w.places.get("sshd")).toEqual(new Set(["192.0.2.2"]));
    await w.enforcer.unban(sshd, [w.drop("sshd", "192.0.2.2")]);
    expect(w.places.has("sshd")).toBe(false);
  });

  test("a jail that is removed goes at once", async () => {
    const w = world();
    await w.enforcer.start(jail());
    await w.enforcer.ban(sshd, [w.want("sshd", "192.0.2.1")]);
    await w.enforcer.stop(sshd, "remove");
    expect(w.places.has("sshd")).toBe(false);
  });

  test("a jail that changes its banaction keeps its bans through the change", async () => {
    const w = world({ fw: member(), other: { ...member({ shared: true }), name: "other" } });
    await w.enforcer.start(jail("sshd", "fw"));
    await w.enforcer.ban(sshd, [w.want("sshd", "192.0.2.1")]);
    await w.enforcer.start(jail("sshd", "other"));
    expect(w.places.get("all")).toEqual(new Set(["192.0.2.1"]));
    expect(w.places.has("sshd")).toBe(false);
    const verbs = w.system.commands.map(({ command }) => `${command[1]} ${command[2]}`);
    expect(verbs.indexOf("ban all")).toBeLessThan(verbs.indexOf("stop sshd"));
  });

  test("close waits for what is under way and leaves the firewall as it is", async () => {
    const w = world();
    await w.enforcer.start(jail());
    const ban = w.enforcer.ban(sshd, [w.want("sshd", "192.0.2.1")]);
    await w.enforcer.close(1000);
    await ban;
    expect(w.places.get("sshd")).toEqual(new Set(["192.0.2.1"]));
    w.system.clock.turn(600_000);
    await settled();
    expect(w.system.clock.waiting).toBe(0);
  });
});

describe("what the daemon before this one left behind", () => {
  /** A book in memory that begins with what that daemon had made. */
  const bookOf = (...before: EnforcedJail[]) => {
    const book = {
      jails: before as readonly EnforcedJail[],
      read: () => book.jails,
      write: (jails: readonly EnforcedJail[]) => {
        book.jails = jails;
      },
    };
    return book;
  };
  const names = ({ jails }: { readonly jails: readonly EnforcedJail[] }) => jails.map((one) => one.name);

  test("a place is written down before anything is made there, and struck out when it is gone", async () => {
    const book = bookOf();
    const w = world(undefined, undefined, book);
    const started = w.enforcer.start(jail());
    const both = Promise.all([started, w.enforcer.start(jail("smtp"))]);
    w.broken = () => (names(book).length === 2 ? undefined : "not written down yet");
    await both;
    expect(w.enforcer.problems()).toEqual([]);
    expect(names(book)).toEqual([sshd, smtp]);
    await w.enforcer.stop(smtp, "remove");
    await settled();
    expect(names(book)).toEqual([sshd]);
  });

  test("of a jail that is gone goes with its last ban", async () => {
    const book = bookOf(jail("smtp"));
    const w = world(undefined, undefined, book);
    w.places.set("smtp", new Set(["192.0.2.1", "192.0.2.2"]));
    w.want("smtp", "192.0.2.1");
    await w.enforcer.start(jail());
    w.system.clock.turn(5000);
    await settled();
    expect(w.places.get("smtp")).toEqual(new Set(["192.0.2.1"]));
    expect(names(book)).toEqual([sshd, smtp]);
    w.drop("smtp", "192.0.2.1");
    w.system.clock.turn(60_000);
    await settled();
    expect(w.places.has("smtp")).toBe(false);
    expect(names(book)).toEqual([sshd]);
  });

  test("of a jail that is gone and has no ban goes at once", async () => {
    const book = bookOf(jail("smtp"));
    const w = world(undefined, undefined, book);
    w.places.set("smtp", new Set(["192.0.2.2"]));
    await w.enforcer.start(jail());
    w.system.clock.turn(5000);
    await settled();
    expect([...w.places.keys()]).toEqual(["sshd"]);
    expect(names(book)).toEqual([sshd]);
  });

  test("in a banaction that its jail no longer uses goes at once, its bans standing in the new one", async () => {
    const book = bookOf(jail("sshd", "fw"));
    const banactions = { fw: member(), other: { ...member({ shared: true }), name: "other" } };
    const w = world(banactions, undefined, book);
    w.places.set("sshd", new Set(["192.0.2.1"]));
    w.want("sshd", "192.0.2.1");
    await w.enforcer.start(jail("sshd", "other"));
    expect(w.places.get("all")).toEqual(new Set(["192.0.2.1"]));
    w.system.clock.turn(5000);
    await settled();
    expect([...w.places.keys()]).toEqual(["all"]);
  });

  test("is not taken away where bans of another jail that is gone stand in the same place", async () => {
    const book = bookOf(jail("smtp"), jail("imap"));
    const w = world({ fw: member({ shared: true }), other: { ...member(), name: "other" } }, undefined, book);
    w.places.set("all", new Set(["192.0.2.1", "192.0.2.2"]));
    w.want("imap", "192.0.2.1");
    await w.enforcer.start(jail("sshd", "other"));
    w.system.clock.turn(5000);
    await settled();
    expect(w.commands("stop")).toEqual([]);
    expect(w.places.get("all")).toEqual(new Set(["192.0.2.1"]));
  });

  test("stays written down until it has been taken care of", async () => {
    const book = bookOf(jail("smtp"), jail("imap"));
    const w = world(undefined, undefined, book);
    w.places.set("imap", new Set());
    w.want("smtp", "192.0.2.1");
    const during: string[][] = [];
    w.broken = (verb, targets) => {
      if (verb === "ban" && targets.includes("192.0.2.1")) during.push([...new Set(names(book))]);
      return undefined;
    };
    await w.enforcer.start(jail());
    w.system.clock.turn(5000);
    await settled();
    expect(during.map((one) => one.sort())).toEqual([["imap", "smtp", "sshd"]]);
    expect(names(book).sort()).toEqual(["smtp", "sshd"] as JailName[]);
  });

  test("stays written down where its program is missing, also of a jail whose bans last", async () => {
    const book = bookOf(jail("smtp", "fw", "other"));
    const banactions = { fw: member(), other: { ...member(), name: "other", needs: ["missing"] } };
    const w = world(banactions, undefined, book);
    w.want("smtp", "192.0.2.1");
    await w.enforcer.start(jail());
    w.system.clock.turn(5000);
    await settled();
    expect(book.jails.map((one) => [one.name, ...one.banaction.map((use) => use.name)].join(" "))).toEqual([
      "sshd fw",
      "smtp fw",
      "smtp other",
    ]);
  });

  test("stays written down also by the daemon that could not take away what its jail no longer uses", async () => {
    const book = bookOf();
    const banactions = { fw: member(), other: { ...member({ shared: true }), name: "other" } };
    const w = world(banactions, undefined, book);
    await w.enforcer.start(jail("smtp"));
    await w.enforcer.start(jail());
    w.broken = (verb) => (verb === "stop" ? "not now" : undefined);
    await w.enforcer.start(jail("smtp", "other"));
    await w.enforcer.stop(sshd, "remove");
    await settled();
    expect(book.jails.map((one) => `${one.name} ${one.banaction[0]?.name}`).sort()).toEqual([
      "smtp fw",
      "smtp other",
      "sshd fw",
    ]);
  });

  test("stays written down while it cannot be taken away", async () => {
    const book = bookOf(jail("smtp"));
    const w = world(undefined, undefined, book);
    w.places.set("smtp", new Set());
    w.broken = (verb) => (verb === "stop" ? "not now" : undefined);
    await w.enforcer.start(jail());
    w.system.clock.turn(5000);
    await settled();
    expect(names(book)).toEqual([sshd, smtp]);
  });
});
