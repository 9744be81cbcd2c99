// f2b notify: how the notifications are doing; f2b notify test NAME: does it reach anybody?

import { plural, table, visible } from "../core/text.ts";
import { Refusal } from "../daemon/control.ts";
import type { NotifierStatus } from "../daemon/messenger.ts";
import { show } from "./client.ts";
import { type Command, exits } from "./index.ts";

export const notify: Command = {
  name: "notify",
  summary: "who is told: how deliveries are going; test one",
  usage: ["f2b notify", "f2b notify test NAME"],
  most: 2,
  options: [],
  completes: [["test"]],
  help: `
A test goes past queue and rules. For those that report to third parties it only tries access: nobody is accused.
Exit code 1: one of them cannot deliver, resp. the test failed.`,
  run(call) {
    const [what, name] = call.words;
    if (what === "test" && name !== undefined && call.words.length === 2)
      return show<{ readonly ok: string }>(call, "POST", "/notify/test", { name }, ({ ok }) =>
        call.out(`${visible(name)}: ${ok}\n`),
      );
    if (what !== undefined) {
      call.err(`Usage: ${notify.usage.join("\n       ")}\n`);
      return Promise.resolve(exits.usage);
    }
    return show<readonly NotifierStatus[]>(
      call,
      "GET",
      "/notify",
      undefined,
      (all) => {
        if (all.length === 0) {
          call.out("Nobody is told: there is no [notify.NAME] in the configuration.\n");
          return;
        }
        const rows = all.map((one) => [
          one.name,
          one.type,
          one.state,
          String(one.messages),
          String(one.queued),
          String(one.dropped),
        ]);
        call.out(
          `${table([["Name", "Type", "State", "Sent", "Waiting", "Dropped"], ...rows], { right: [3, 4, 5] })}\n`,
        );
        for (const one of all)
          if (one.lastError !== undefined)
            call.out(
              `! ${one.name}: ${visible(one.lastError)} (${plural(one.failures, "failed attempt")})\n`,
            );
      },
      (all) => (all.some((one) => one.state === "failing") ? exits.no : exits.fine),
    );
  },
  routes: {
    "GET /notify": (_, daemon) => ({ json: daemon.messenger.status() }),
    "POST /notify/test": async ({ body }, daemon) => {
      const { name } = (typeof body === "object" && body !== null ? body : {}) as { name?: unknown };
      const result = await daemon.messenger.test(typeof name === "string" ? name : "");
      if (!result.ok) throw new Refusal(409, result.faults[0]!);
      return { json: { ok: result.value } };
    },
  },
};
