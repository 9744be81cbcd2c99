import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Prefix } from "../../src/core/domain.ts";
import { rebuild, takeSnapshot } from "../../src/core/snapshot.ts";
import {
  alreadyJudged,
  apply,
  bansOf,
  countLive,
  covering,
  createState,
  dueForUnban,
  historyOf,
  jailsHolding,
  lastCheckpoint,
  liveBan,
  maxLineChars,
  maxPast,
  nextDue,
  previousBans,
  settingsOf,
  standing,
} from "../../src/core/state.ts";
import {
  anyHistory,
  ban,
  banned,
  checkpoint,
  dump,
  fold,
  jail,
  start,
  target,
  unbanned,
} from "../support/records.ts";

const sshd = jail("sshd");
const nginx = jail("nginx");
const who = target("192.0.2.1");

describe("bans", () => {
  test("a ban stands until it is lifted", () => {
    const state = fold([banned("192.0.2.1")]);
    expect(liveBan(state, sshd, who)?.nth).toBe(1);
    apply(state, unbanned("192.0.2.1", start + 1000));
    expect(liveBan(state, sshd, who)).toBeUndefined();
    expect(countLive(state)).toBe(0);
  });

  test("an unban of one jail leaves the other's ban standing", () => {
    const state = fold([
      banned("192.0.2.1"),
      banned("192.0.2.1", { jail: nginx }),
      unbanned("192.0.2.1", start + 1),
    ]);
    expect(jailsHolding(state, who)).toEqual([nginx]);
    expect(bansOf(state, who)).toHaveLength(1);
  });

  test("an extended ban ends at its new time", () => {
    const state = fold([
      banned("192.0.2.1"),
      { t: "extend", jail: sshd, target: who, until: start + 900_000, at: start },
    ]);
    expect(nextDue(state)).toBe(start + 900_000);
    expect(dueForUnban(state, start + 700_000)).toEqual([]);
  });

  test("a ban of a network covers its addresses, in its jail only", () => {
    const state = fold([banned("2001:db8:0:1::/64")]);
    expect(covering(state, sshd, target("2001:db8:0:1::77"))?.target.text as string).toBe(
      "2001:db8:0:1::/64",
    );
    expect(covering(state, sshd, target("2001:db8:0:2::77"))).toBeUndefined();
    expect(covering(state, nginx, target("2001:db8:0:1::77"))).toBeUndefined();
  });

  test("an id that reads like an address is somebody else", () => {
    const state = fold([banned("id 192.0.2.1")]);
    expect(liveBan(state, sshd, who)).toBeUndefined();
    expect(liveBan(state, sshd, target("id 192.0.2.1"))).toBeDefined();
  });

  test("what stands inside a network is found without going through all, and kept up to date", () => {
    const state = fold([banned("192.0.2.1"), banned("192.0.2.9"), banned("198.51.100.7")]);
    const inside = () =>
      [...standing(state, sshd).inside("192.0.2.0/24" as Prefix)].map(({ text }) => text as string);
    expect(inside()).toEqual(["192.0.2.1", "192.0.2.9"]);
    apply(state, unbanned("192.0.2.1", start));
    apply(state, banned("192.0.2.200"));
    expect(inside()).toEqual(["192.0.2.9", "192.0.2.200"]);
  });
});

describe("the next ban that ends", () => {
  test("is the earliest, and those due are exactly those whose time has come", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 0, max: 110 }),
        fc.array(fc.nat(59)),
        (lengths, elapsed, lifted) => {
          const state = fold(
            lengths.map((length, i) => banned(`192.0.2.${i}`, { until: start + length * 1000 })),
          );
          for (const i of lifted) apply(state, unbanned(`192.0.2.${i}`, start));
          const left = lengths.map((length, i) => ({ length, i })).filter(({ i }) => !lifted.includes(i));
          const due = left.filter(({ length }) => length <= elapsed).map(({ i }) => `192.0.2.${i}`);
          expect(
            dueForUnban(state, start + elapsed * 1000)
              .map((one) => one.target.text as string)
              .sort(),
          ).toEqual(due.sort());
          const first = Math.min(...left.map(({ length }) => length));
          expect(nextDue(state)).toBe(Number.isFinite(first) ? start + first * 1000 : undefined);
        },
      ),
    );
  });

  test("is found among what stands: bans that were lifted do not pile up behind it", () => {
    const state = fold([banned("192.0.2.1", { until: start + 1 })]);
    for (let i = 0; i < 10_000; i++) {
      apply(state, banned("192.0.2.2", { since: start + i, until: start + 1_000_000 + i }));
      apply(state, unbanned("192.0.2.2", start + i));
    }
    expect(state.due.size).toBeLessThan(100);
    expect(nextDue(state)).toBe(start + 1);
  });

  test("a ban for ever is never due", () => {
    const state = fold([banned("192.0.2.1", { until: "forever" })]);
    expect(nextDue(state)).toBeUndefined();
    expect(dueForUnban(state, 8e15)).toEqual([]);
  });

  test("asking costs nothing with 100,000 bans of which none is due", () => {
    const state = createState();
    for (let i = 0; i < 100_000; i++)
      apply(state, banned(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, { until: start + 1_000_000 + i }));
    const before = performance.now();
    for (let i = 0; i < 10_000; i++) expect(dueForUnban(state, start)).toHaveLength(0);
    expect(performance.now() - before).toBeLessThan(1000);
  });
});

describe("history", () => {
  test("bans of a target are counted by jail and over all jails", () => {
    const state = fold([
      banned("192.0.2.1"),
      unbanned("192.0.2.1", start + 1),
      banned("192.0.2.1", { since: start + 2 }),
      banned("192.0.2.1", { jail: nginx, since: start + 3 }),
    ]);
    expect(previousBans(state, who, sshd)).toBe(2);
    expect(previousBans(state, who, nginx)).toBe(1);
    expect(previousBans(state, who, undefined)).toBe(3);
  });

  test("an imported ban brings its count with it", () => {
    const state = fold([banned("192.0.2.1", { cause: "import", nth: 7 }), unbanned("192.0.2.1", start + 1)]);
    expect(previousBans(state, who, sshd)).toBe(7);
  });

  test("is told oldest first, with how each ban ended", () => {
    const state = fold([
      banned("192.0.2.1"),
      unbanned("192.0.2.1", start + 5, "operator"),
      banned("192.0.2.1", { since: start + 9, nth: 2 }),
    ]);
    expect(historyOf(state, who).map(({ since, ended }) => [since, ended?.reason])).toEqual([
      [start, "operator"],
      [start + 9, undefined],
    ]);
  });

  test("is forgotten by dbpurgeage, but not that of a standing ban", () => {
    const state = fold([
      banned("192.0.2.1"),
      unbanned("192.0.2.1", start + 10),
      banned("192.0.2.2"),
      unbanned("192.0.2.2", start + 10),
      banned("192.0.2.2", { since: start + 20 }),
      { t: "purge", before: start + 11 },
    ]);
    expect(previousBans(state, who, sshd)).toBe(0);
    expect(previousBans(state, target("192.0.2.2"), sshd)).toBe(2);
  });

  test("is bounded; the worst offenders are forgotten last", () => {
    const state = createState();
    for (let i = 0; i < 3; i++) {
      apply(state, banned("192.0.2.1", { since: start + i * 10 }));
      apply(state, unbanned("192.0.2.1", start + i * 10 + 5));
    }
    for (let i = 0; i <= maxPast; i++) {
      const one = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
      apply(state, banned(one, { since: start + 1000 + i }));
      apply(state, unbanned(one, start + 2000 + i));
    }
    expect(state.past.size).toBeLessThanOrEqual(maxPast);
    expect(previousBans(state, who, sshd)).toBe(3);
    expect(previousBans(state, target("10.0.0.0"), sshd)).toBe(0);
  });

  test("matched lines are bounded over all bans; bans beyond are kept without them", () => {
    const state = createState();
    const line = "x".repeat(5_000);
    const count = Math.ceil(maxLineChars / 10_000) + 50;
    for (let i = 0; i < count; i++)
      apply(state, banned(`10.0.${i >> 8}.${i & 255}`, { lines: Array<string>(10).fill(line) }));
    expect(state.lineChars).toBeLessThanOrEqual(maxLineChars);
    expect(countLive(state)).toBe(count);
    for (let i = 0; i < count; i++) apply(state, unbanned(`10.0.${i >> 8}.${i & 255}`, start));
    expect(state.lineChars).toBe(0);
  });
});

describe("lines that are read again", () => {
  const seen = { source: "/var/log/auth.log", ino: 7, offset: 500 };
  const judged = (state: ReturnType<typeof fold>, offset: number, ino = 7, source = seen.source) =>
    alreadyJudged(state, sshd, who, start, { source, ino, offset });

  test("count only beyond what their ban had seen, whether it stands or not", () => {
    const state = fold([{ t: "ban", ban: ban("192.0.2.1"), seen }]);
    for (const lifted of [false, true]) {
      if (lifted) apply(state, unbanned("192.0.2.1", start - 1, "expired"));
      expect(judged(state, 500)).toBe(true);
      expect(judged(state, 501)).toBe(false);
      expect(judged(state, 400, 8)).toBe(false);
      expect(judged(state, 400, 7, "/var/log/other")).toBe(false);
      expect(alreadyJudged(state, nginx, who, start, seen)).toBe(false);
      expect(alreadyJudged(state, sshd, target("192.0.2.2"), start, seen)).toBe(false);
    }
  });

  test("of an address are known when its network was banned for them", () => {
    const state = fold([{ t: "ban", ban: ban("2001:db8::/64"), seen }]);
    expect(alreadyJudged(state, sshd, target("2001:db8::5"), start, seen)).toBe(true);
  });

  test("of a neighbour counted together with the banned are known, too", () => {
    const key = "2001:db8:0:1::/64";
    const state = fold([{ t: "ban", ban: ban("2001:db8:0:1::5"), seen: { ...seen, key } }]);
    const again = fold(takeSnapshot(state).records());
    for (const one of [state, again]) {
      expect(alreadyJudged(one, sshd, target("2001:db8:0:1::77"), start, seen)).toBe(true);
      expect(alreadyJudged(one, sshd, target("2001:db8:0:1::77"), start, { ...seen, offset: 501 })).toBe(
        false,
      );
      expect(alreadyJudged(one, sshd, target("2001:db8:0:2::77"), start, seen)).toBe(false);
    }
  });

  test("from journald are told apart by their time", () => {
    const state = fold([{ t: "ban", ban: ban("192.0.2.1"), seen: { source: "journald", at: start } }]);
    expect(alreadyJudged(state, sshd, who, start, { source: "journald", at: start })).toBe(true);
    expect(alreadyJudged(state, sshd, who, start, { source: "journald", at: start + 1 })).toBe(false);
  });

  test("a checkpoint beyond makes the mark needless, one before it does not", () => {
    const position = (offset: number) => ({
      [seen.source]: { kind: "file" as const, path: seen.source, dev: 1, ino: 7, offset, fingerprint: "" },
    });
    const state = fold([
      { t: "ban", ban: ban("192.0.2.1"), seen },
      { t: "checkpoint", checkpoint: checkpoint(start + 1, { positions: position(300) }) },
    ]);
    expect(judged(state, 500)).toBe(true);
    apply(state, { t: "checkpoint", checkpoint: checkpoint(start + 2, { positions: position(500) }) });
    expect(judged(state, 500)).toBe(false);
    expect(state.marks.size).toBe(0);
  });

  test("an operator's pardon holds for what was done before it", () => {
    const state = fold([banned("192.0.2.1"), unbanned("192.0.2.1", start + 100, "operator")]);
    expect(alreadyJudged(state, sshd, who, start + 100, undefined)).toBe(true);
    expect(alreadyJudged(state, sshd, who, start + 101, undefined)).toBe(false);
    expect(alreadyJudged(state, nginx, who, start, undefined)).toBe(false);
  });

  test("forgetting a target forgives it in every jail", () => {
    const state = fold([
      banned("192.0.2.1"),
      unbanned("192.0.2.1", start + 50),
      { t: "forget", target: who, at: start + 100 },
    ]);
    expect(alreadyJudged(state, nginx, who, start + 99, undefined)).toBe(true);
    expect(previousBans(state, who, undefined)).toBe(0);
    expect(historyOf(state, who)).toEqual([]);
  });

  test("an expiry forgives nothing", () => {
    const state = fold([banned("192.0.2.1"), unbanned("192.0.2.1", start + 100, "expired")]);
    expect(alreadyJudged(state, sshd, who, start, undefined)).toBe(false);
  });
});

describe("names of strangers", () => {
  test("mean nothing: __proto__ as jail, user, id, key", () => {
    const proto = jail("__proto__");
    const state = fold([
      banned("id __proto__", { jail: proto, user: "__proto__" }),
      { t: "set", jail: proto, key: "__proto__", value: { __proto__: null, polluted: true }, at: start },
    ]);
    expect(liveBan(state, proto, target("id __proto__"))?.user).toBe("__proto__");
    expect(settingsOf(state, proto).size).toBe(1);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
    expect(liveBan(state, jail("toString"), who)).toBeUndefined();
  });
});

describe("checkpoints, settings, clock", () => {
  test("totals hold the bans after the checkpoint, too", () => {
    const totals = { sshd: { failed: 10, banned: 2, days: [["2026-11-21", 10, 2] as const] } };
    const state = fold([
      { t: "checkpoint", checkpoint: checkpoint(start, { totals }) },
      banned("192.0.2.1"),
      banned("192.0.2.1"),
    ]);
    expect(lastCheckpoint(state)?.totals.sshd).toEqual({
      failed: 10,
      banned: 3,
      days: [["2026-11-21", 10, 3]],
    });
  });

  test("a setting is taken back by null", () => {
    const state = fold([{ t: "set", jail: sshd, key: "maxretry", value: 3, at: start }]);
    expect(settingsOf(state, sshd).get("maxretry")).toBe(3);
    apply(state, { t: "set", jail: sshd, key: "maxretry", value: null, at: start });
    expect(settingsOf(state, sshd).size).toBe(0);
  });

  test("when the clock is set, bans keep the length they were given", () => {
    const state = fold([banned("192.0.2.1"), { t: "shift", delta: -3_600_000, at: start - 3_600_000 }]);
    const moved = liveBan(state, sshd, who);
    expect(moved?.until).toBe(start - 3_600_000 + 600_000);
    expect(nextDue(state)).toBe(start - 3_000_000);
    expect(state.newest).toBe(start - 3_600_000);
  });
});

describe("the fold", () => {
  test("of a snapshot is the state it was taken of", () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const state = fold(history);
        const again = fold(takeSnapshot(state).records());
        expect(dump(again)).toBe(dump(state));
      }),
      { numRuns: 2000 },
    );
  });

  test("is the same in fresh memory, and goes on equally there", () => {
    fc.assert(
      fc.property(anyHistory, anyHistory, (before, after) => {
        const state = fold(before);
        const was = dump(state);
        let between: number | undefined;
        rebuild(state, () => {
          between = countLive(state);
        });
        expect(between).toBe(0);
        expect(dump(state)).toBe(was);
        for (const record of after) apply(state, record);
        expect(dump(state)).toBe(dump(fold([...before, ...after])));
      }),
      { numRuns: 1000 },
    );
  });

  test("goes on equally from a snapshot", () => {
    fc.assert(
      fc.property(anyHistory, anyHistory, (before, after) => {
        const again = fold([...takeSnapshot(fold(before)).records(), ...after]);
        expect(dump(again)).toBe(dump(fold([...before, ...after])));
      }),
      { numRuns: 2000 },
    );
  });

  test("takes no harm from a ban or unban that is applied twice", () => {
    const history = [
      banned("192.0.2.1"),
      unbanned("192.0.2.1", start + 9),
      banned("192.0.2.1", { since: start + 20 }),
      unbanned("192.0.2.1", start + 30, "operator"),
    ];
    for (let length = 1; length <= history.length; length++) {
      const part = history.slice(0, length);
      for (let from = 0; from < length; from++)
        expect(dump(fold([...part, ...part.slice(from)]))).toBe(dump(fold(part)));
    }
  });

  test("never puts a ban into force that no record names", () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const given = new Set(
          history.flatMap((one) => (one.t === "ban" ? [`${one.ban.jail} ${one.ban.target.text}`] : [])),
        );
        for (const { bans } of fold(history).jails.values())
          for (const one of bans.values()) expect(given.has(`${one.jail} ${one.target.text}`)).toBe(true);
      }),
    );
  });
});
