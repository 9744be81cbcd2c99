// f2b top: a live view in the terminal, with keys to ban, unban and explain what is selected.

import type { DaemonEvent } from "../daemon/events.ts";
import type { Explanation } from "../daemon/explain.ts";
import type { UnbanAnswer } from "../daemon/operate.ts";
import type { StatusReport } from "../daemon/report.ts";
import { ask, reach } from "./client.ts";
import { type Call, type Command, exits } from "./index.ts";
import { screen, type TopView } from "./topscreen.ts";

const refreshMs = 1000;
const keepEvents = 500;
const keepSeconds = 120;

export const top: Command = {
  name: "top",
  summary: "a live view: jails, failures and bans as they come",
  usage: ["f2b top"],
  most: 0,
  options: [{ name: "once", summary: "print one screen and end (also without a terminal)" }],
  help: `
Keys: arrows select an event; b bans, u unbans and e explains its address; p pauses the list; q quits.
With --json: what the screen is made of, once (as f2b status --json).`,
  async run(call) {
    const status = await ask(call, "GET", "/status");
    if (!status.ok) return status.exit;
    if (call.json) {
      // For programs: what the screen is made of. What comes as it comes is f2b events --json.
      call.out(`${JSON.stringify(status.value, null, 2)}\n`);
      return exits.fine;
    }
    const once = call.flags.once === true || call.stdout.isTTY !== true || call.stdin.isTTY !== true;
    const state: Mutable = {
      status: status.value as StatusReport,
      events: [],
      rates: [{ failures: 0, bans: 0 }],
      selected: 0,
      message: "",
      now: Date.now(),
      paused: false,
    };
    if (once) {
      call.out(
        `${screen(state, call.stdout.rows ?? 24, call.stdout.columns ?? 80, false)
          .map((line) => line.trimEnd())
          .join("\n")}\n`,
      );
      return exits.fine;
    }
    return live(call, state);
  },
};

type Mutable = { -readonly [Key in keyof Omit<TopView, "rates" | "events">]: TopView[Key] } & {
  events: DaemonEvent[];
  rates: { failures: number; bans: number }[];
  paused: boolean;
};

async function live(call: Call, state: Mutable): Promise<number> {
  const { stdin, stdout, out } = call;
  const colour = call.env.NO_COLOR === undefined && call.env.TERM !== "dumb";
  const ended = new AbortController();
  const draw = (): void => {
    state.now = Date.now();
    const lines = screen(state, stdout.rows ?? 24, stdout.columns ?? 80, colour);
    out(`\x1b[H${lines.join("\x1b[K\r\n")}\x1b[J`);
  };
  out("\x1b[?1049h\x1b[?25l");
  stdin.setRawMode(true);
  const { emitKeypressEvents } = await import("node:readline");
  emitKeypressEvents(stdin);
  stdin.resume();
  const timer = setInterval(() => {
    state.rates.push({ failures: 0, bans: 0 });
    if (state.rates.length > keepSeconds) state.rates.shift();
    void ask({ ...call, err: () => undefined }, "GET", "/status").then((asked) => {
      state.status = asked.ok ? (asked.value as StatusReport) : undefined;
      draw();
    });
  }, refreshMs);
  const onKey = (_: string | undefined, key: { name?: string; ctrl?: boolean } | undefined): void => {
    if (key?.name === "q" || (key?.ctrl === true && key.name === "c")) ended.abort();
    else void press(call, state, key?.name ?? "").then(draw);
  };
  stdin.on("keypress", onKey);
  stdout.on("resize", draw);
  draw();
  void follow(call, state, ended.signal, draw);
  await new Promise<void>((resolve) => ended.signal.addEventListener("abort", () => resolve()));
  clearInterval(timer);
  stdin.off("keypress", onKey);
  stdout.off("resize", draw);
  stdin.setRawMode(false);
  stdin.pause();
  out("\x1b[?25h\x1b[?1049l");
  return exits.fine;
}

/** Reads the event stream until the end; opens it again when the daemon was restarted. */
async function follow(call: Call, state: Mutable, signal: AbortSignal, draw: () => void): Promise<void> {
  const quiet = { ...call, json: false, err: () => undefined };
  while (!signal.aborted) {
    try {
      const reached = await reach(
        quiet,
        "GET",
        `/events?recent=${state.events.length === 0}`,
        undefined,
        signal,
      );
      let rest = "";
      const decoder = new TextDecoder();
      for await (const chunk of (reached.ok ? reached.response.body : null) ?? []) {
        const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) if (line !== "") enter(state, JSON.parse(line) as DaemonEvent);
        draw();
      }
    } catch {
      // the daemon went away: the status line says so, and it is tried again
    }
    if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, refreshMs));
  }
}

function enter(state: Mutable, event: DaemonEvent): void {
  // What happened before we came is shown, not counted.
  const rate = Date.now() - Date.parse(event.at) < 2 * refreshMs ? state.rates.at(-1) : undefined;
  if (rate !== undefined && event.kind === "failure") rate.failures++;
  if (rate !== undefined && event.kind === "ban") rate.bans++;
  if (state.paused) return;
  state.events.push(event);
  if (state.events.length > keepEvents) state.events.shift();
  if (state.selected > 0) state.selected = Math.min(state.selected + 1, state.events.length - 1); // stays on the same event
}

async function press(call: Call, state: Mutable, key: string): Promise<void> {
  const err = (text: string): void => {
    state.message = text.trim();
  };
  const quiet = { ...call, err };
  const event = state.events.at(-1 - state.selected);
  if (key === "up") state.selected = Math.max(0, state.selected - 1);
  else if (key === "down")
    state.selected = Math.min(Math.max(0, state.events.length - 1), state.selected + 1);
  else if (key === "p") {
    state.paused = !state.paused;
    state.message = state.paused ? "paused: p goes on" : "";
  } else if (["b", "u", "e"].includes(key)) {
    if (event?.target === undefined || event.jail === undefined) {
      state.message = "select a failure or a ban first";
      return;
    }
    const { target, jail } = event;
    if (key === "b") {
      const asked = await ask(quiet, "POST", "/ban", { jail, targets: [target] });
      const refused = asked.ok ? (asked.value as { refused: { reason: string }[] }).refused[0] : undefined;
      if (asked.ok)
        state.message =
          refused === undefined
            ? `banned ${target} in ${jail}`
            : `${target} was not banned: ${refused.reason}`;
    } else if (key === "u") {
      const asked = await ask(quiet, "POST", "/unban", { targets: [target] });
      if (asked.ok) {
        const [around] = (asked.value as UnbanAnswer).covered;
        state.message =
          around === undefined
            ? `unbanned ${target}`
            : `${target} stays out: ${around.jail} has banned ${around.by}`;
      }
    } else {
      const asked = await ask(quiet, "GET", `/explain?target=${encodeURIComponent(target)}`);
      if (asked.ok) state.message = shortly(asked.value as Explanation);
    }
  }
}

/** An explanation in a line: where something is known of it. */
export function shortly({ target, guarded, jails }: Explanation): string {
  const bans = jails.flatMap(({ jail, ban }) =>
    ban === undefined ? [] : [`${jail}: banned until ${ban.until.slice(0, 19).replace("T", " ")}`],
  );
  const known = jails.filter(({ ban, why }) => ban === undefined && /^\d|^it is /.test(why));
  const said = [...bans, ...known.map(({ jail, why }) => `${jail}: ${why}`)];
  if (guarded !== undefined) said.unshift(`never banned: ${guarded}`);
  return said.length === 0 ? `${target}: nothing counts against it now` : said.join("; ");
}
