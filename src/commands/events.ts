// f2b events --follow: what happens as it happens, one JSON object a line.

import { suggest, visible } from "../core/text.ts";
import type { DaemonEvent } from "../daemon/events.ts";
import { reach } from "./client.ts";
import { type Command, exits } from "./index.ts";

const kinds: readonly DaemonEvent["kind"][] = [
  "failure",
  "ban",
  "unban",
  "source",
  "enforcement",
  "jail",
  "health",
  "campaign",
];

export const events: Command = {
  name: "events",
  summary: "failures, bans and unbans as they happen",
  usage: ["f2b events [--follow] [--json]"],
  most: 0,
  options: [
    { name: "follow", short: "f", summary: "until interrupted (the default; kept for those who type it)" },
    {
      name: "kind",
      value: "KIND",
      many: true,
      summary: `only ${kinds.join(", ")}`,
    },
  ],
  async run(call) {
    const asked = Array.isArray(call.flags.kind) ? (call.flags.kind as readonly string[]) : [];
    const names = asked.flatMap((one) => one.split(","));
    const strange = names.find((one) => !kinds.some((kind) => kind === one));
    if (strange !== undefined) {
      const meant = suggest(strange, kinds);
      call.err(
        `f2b: there is no kind of event "${visible(strange)}"\n  fix: ${meant === undefined ? `one of ${kinds.join(", ")}` : `did you mean ${meant}?`}\n`,
      );
      return exits.usage;
    }
    const reached = await reach(call, "GET", "/events");
    if (!reached.ok) return reached.exit;
    const wanted = names.length > 0 ? new Set<string>(names) : undefined;
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of reached.response.body ?? []) {
      const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") continue;
        const event = JSON.parse(line) as DaemonEvent;
        if (wanted !== undefined && !wanted.has(event.kind)) continue;
        call.out(call.json ? `${line}\n` : `${event.at}  ${event.kind.padEnd(11)} ${visible(event.text)}\n`);
      }
    }
    return exits.fine;
  },
  routes: {
    "GET /events": ({ query, signal }, daemon) => ({
      stream: daemon.events.listen(signal, query.recent === "true"),
    }),
  },
};
