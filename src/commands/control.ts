// Commands that steer the running daemon: ping, version, stop, reload, start/stop/restart of a jail, flushlogs, healthz.

import { plural, visible } from "../core/text.ts";
import { Refusal } from "../daemon/control.ts";
import type { StatusReport } from "../daemon/report.ts";
import { ask, show } from "./client.ts";
import { type Call, type Command, exits } from "./index.ts";
import { furtherProblems } from "./status.ts";
import { version as own } from "./version.ts";

export const ping: Command = {
  name: "ping",
  summary: "does the daemon answer?",
  usage: ["f2b ping"],
  most: 0,
  options: [],
  run: (call) => show(call, "GET", "/ping", undefined, () => call.out("pong\n")),
  routes: { "GET /ping": () => ({ json: { pong: true } }) },
};

export const version: Command = {
  name: "version",
  summary: "the version of this program and of the running daemon",
  usage: ["f2b version"],
  most: 0,
  options: [],
  async run(call) {
    // The program's own version is an answer also where no daemon runs.
    const quiet = { ...call, json: false, err: () => undefined };
    const asked = await ask(quiet, "GET", "/version");
    const daemon = asked.ok ? (asked.value as { version: string }).version : undefined;
    if (call.json)
      call.out(`${JSON.stringify({ version: own, ...(daemon === undefined ? {} : { daemon }) })}\n`);
    else
      call.out(
        `f2b ${own}${daemon === undefined ? ", no daemon running" : daemon === own ? "" : `, daemon ${daemon}: restart it to use the new one`}\n`,
      );
    return exits.fine;
  },
  routes: { "GET /version": (_, daemon) => ({ json: { version: daemon.version } }) },
};

const jailWord = (call: Call): string => call.words[0] ?? "";

/** Whether the daemon that answers is systemd's: that one would be started again at once if it only ended. */
async function keptBySystemd(call: Call): Promise<boolean> {
  const { files, programs } = call.system;
  const systemctl = programs.find("systemctl");
  if (systemctl === undefined || files.stat("/run/systemd/system") === undefined) return false;
  const asked = await ask(
    { ...call, json: false, out: () => undefined, err: () => undefined },
    "GET",
    "/status",
  );
  if (!asked.ok) return false;
  const shown = await programs.run([systemctl, "show", "--property=MainPID", "--value", "f2b.service"], {
    timeoutMs: 10_000,
  });
  return shown.code === 0 && shown.stdout.trim() === String((asked.value as StatusReport).pid);
}

async function stopService(call: Call): Promise<number> {
  if (call.flags.unban === true) {
    const lifted = await ask(call, "POST", "/unban", { all: true });
    if (!lifted.ok) return lifted.exit;
  }
  const systemctl = call.system.programs.find("systemctl") ?? "systemctl";
  const done = await call.system.programs.run([systemctl, "stop", "f2b.service"], { timeoutMs: 60_000 });
  if (done.code !== 0) {
    call.err(`f2b: systemctl stop f2b.service: ${visible(done.stderr.trim())}\n`);
    return exits.no;
  }
  call.out(
    call.json
      ? '{"stopping":true}\n'
      : "the service is stopped (systemctl start f2b; at the next boot it starts by itself)\n",
  );
  return exits.fine;
}

export const stop: Command = {
  name: "stop",
  summary: "stop a jail; without a name, the daemon",
  usage: ["f2b stop", "f2b stop JAIL [--unban]"],
  most: 1,
  options: [{ name: "unban", summary: "also lift the bans (of the jail, or of all)" }],
  completes: ["jail"],
  help: `
Bans stand until their time is up, in the kernel, also while the daemon is stopped; --unban lifts them. Where the daemon is
systemd's service, systemd is asked to stop it, since it would start it again otherwise.
A stopped jail stays stopped until f2b start JAIL, a reload of its settings, or a restart of the daemon.`,
  async run(call) {
    const body = {
      unban: call.flags.unban === true,
      ...(jailWord(call) === "" ? {} : { jail: jailWord(call) }),
    };
    if (jailWord(call) === "" && (await keptBySystemd(call))) return stopService(call);
    return show(call, "POST", "/stop", body, () =>
      call.out(jailWord(call) === "" ? "the daemon is stopping\n" : `${jailWord(call)} is stopped\n`),
    );
  },
  routes: {
    "POST /stop": async ({ body }, daemon) => {
      const { jail, unban } = (body ?? {}) as { jail?: unknown; unban?: unknown };
      if (typeof jail !== "string") {
        if (unban === true) await daemon.unban("all", undefined);
        daemon.stopSoon();
        return { json: { stopping: true } };
      }
      if (!daemon.hasJail(jail)) throw new Refusal(404, daemon.noSuchJail(jail));
      await daemon.stopJail(jail, unban === true);
      return { json: { jail, state: "stopped" } };
    },
  },
};

export const start: Command = {
  name: "start",
  summary: "start a stopped jail",
  usage: ["f2b start JAIL"],
  most: 1,
  options: [],
  completes: ["jail"],
  run(call) {
    if (jailWord(call) === "") {
      call.err("f2b: which jail?\n  To start the daemon: systemctl start f2b, or f2b daemon\n");
      return Promise.resolve(exits.usage);
    }
    return show<{ state: string; reason?: string }>(
      call,
      "POST",
      "/start",
      { jail: jailWord(call) },
      (value) =>
        call.out(
          `${jailWord(call)} is ${value.state}${value.reason === undefined ? "" : `: ${visible(value.reason)}`}\n`,
        ),
      (value) => (value.state === "broken" ? exits.no : exits.fine),
    );
  },
  routes: {
    "POST /start": async ({ body }, daemon) => {
      const jail = String((body as { jail?: unknown } | undefined)?.jail ?? "");
      if (!daemon.hasJail(jail)) throw new Refusal(404, daemon.noSuchJail(jail));
      return { json: await daemon.startJail(jail) };
    },
  },
};

export const restart: Command = {
  name: "restart",
  summary: "stop and start a jail: counters begin anew, bans stay",
  usage: ["f2b restart JAIL [--unban]"],
  most: 1,
  options: [{ name: "unban", summary: "also lift its bans" }],
  completes: ["jail"],
  async run(call) {
    if (jailWord(call) === "") {
      call.err("f2b: which jail?\n  To restart the daemon: systemctl restart f2b\n");
      return exits.usage;
    }
    const stopped = await ask(call, "POST", "/stop", {
      jail: jailWord(call),
      unban: call.flags.unban === true,
    });
    return stopped.ok ? start.run(call) : stopped.exit;
  },
};

interface Reloaded {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: number;
  readonly broken: readonly { name: string; reason: string }[];
  readonly restart: readonly string[];
}

export const reload: Command = {
  name: "reload",
  summary: "read the configuration again and apply what changed",
  usage: ["f2b reload", "f2b reload JAIL"],
  most: 1,
  options: [],
  completes: ["jail"],
  help: `
Jails that did not change lose neither counters nor bans. A broken configuration changes nothing: the running one stays in force, the
mistakes are printed, and the exit code is 78.`,
  run(call) {
    return show<Reloaded>(
      call,
      "POST",
      "/reload",
      jailWord(call) === "" ? {} : { jail: jailWord(call) },
      (value) => {
        for (const name of value.added) call.out(`${name}: started\n`);
        for (const name of value.changed) call.out(`${name}: changed\n`);
        for (const name of value.removed) call.out(`${name}: removed\n`);
        for (const one of value.broken) call.out(`${one.name}: broken: ${visible(one.reason)}\n`);
        for (const key of value.restart) call.out(`${key} takes effect when the daemon is restarted\n`);
        call.out(`${plural(value.unchanged, "jail")} unchanged\n`);
      },
      (value) => (value.broken.length > 0 ? exits.no : exits.fine),
    );
  },
  routes: {
    "POST /reload": async ({ body }, daemon) => {
      const jail = (body as { jail?: unknown } | undefined)?.jail;
      if (typeof jail === "string" && !daemon.hasJail(jail)) throw new Refusal(404, daemon.noSuchJail(jail));
      return { json: await daemon.reload(typeof jail === "string" ? jail : undefined) };
    },
  },
};

export const flushlogs: Command = {
  name: "flushlogs",
  summary: "reopen the daemon's own log file (for logrotate)",
  usage: ["f2b flushlogs"],
  most: 0,
  options: [],
  run: (call) => show(call, "POST", "/flushlogs", {}, () => call.out("reopened\n")),
  routes: {
    "POST /flushlogs": (_, daemon) => {
      daemon.reopenLog();
      return { json: { reopened: true } };
    },
  },
};

export const healthz: Command = {
  name: "healthz",
  summary:
    "for monitoring: exit code 0 when everything works, 1 when something does not, 69 when the daemon is down",
  usage: ["f2b healthz"],
  most: 0,
  options: [],
  run(call) {
    return show<{ healthy: boolean; problems: readonly string[] }>(
      call,
      "GET",
      "/healthz",
      undefined,
      (value) =>
        call.out(value.healthy ? "healthy\n" : `${value.problems.map((one) => visible(one)).join("\n")}\n`),
      (value) => (value.healthy ? exits.fine : exits.no),
    );
  },
  routes: {
    "GET /healthz": async (_, daemon) => {
      const report = await daemon.status();
      const problems = [
        ...(report.degraded === undefined ? [] : [report.degraded]),
        ...furtherProblems(report),
        ...report.jails.flatMap((jail) =>
          jail.state === "broken" ? [`${jail.name} is broken: ${jail.reason ?? ""}`] : [],
        ),
      ];
      return { json: { healthy: problems.length === 0, problems } };
    },
  },
};
