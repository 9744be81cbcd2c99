// All bans at once are many: the answer comes in pieces, as the asker reads, and others have their turn in between.

import { expect, test } from "bun:test";
import { banned } from "../../src/commands/ban.ts";
import { addressTarget, parseAddress } from "../../src/core/address.ts";
import type { JailName } from "../../src/core/domain.ts";
import { apply, createState } from "../../src/core/state.ts";
import type { Daemon } from "../../src/daemon/daemon.ts";

function daemonWith(count: number): Daemon {
  const state = createState();
  const jail = "sshd" as JailName;
  for (let n = 0; n < count; n++) {
    const target = addressTarget(parseAddress(`192.0.${n >> 8}.${n & 255}`)!);
    const ban = {
      jail,
      target,
      since: 0,
      until: "forever",
      nth: 1,
      cause: "operator",
      failures: 0,
      lines: [],
    } as const;
    apply(state, { t: "ban", ban });
  }
  const core = {
    state,
    jails: new Map([[jail, { ineffective: new Map() }]]),
    enforcer: { lingering: () => [] },
    now: () => 0,
  };
  return { core } as unknown as Daemon;
}

async function pieces(count: number): Promise<readonly string[]> {
  const route = banned.routes?.["POST /banned"];
  const request = { query: {}, body: {}, signal: new AbortController().signal };
  const answer = await route?.(request, daemonWith(count));
  if (answer === undefined || !("stream" in answer)) throw new Error("no stream");
  expect(answer.type).toBe("application/json");
  return Array.fromAsync(answer.stream);
}

test("f2b banned is answered in pieces of a thousand bans that make one JSON document", async () => {
  const list = await pieces(4500);
  expect(list.length).toBe(7);
  const { bans, absent } = JSON.parse(list.join("")) as { bans: { target: string }[]; absent: string[] };
  expect(absent).toEqual([]);
  expect(new Set(bans.map((one) => one.target)).size).toBe(4500);
});

test("nobody banned is a document, too", async () => {
  expect(JSON.parse((await pieces(0)).join(""))).toEqual({ bans: [], absent: [] });
});
