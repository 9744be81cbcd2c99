// f2b daemon: reads the configuration, chooses what can be enforced here, and runs until it is told to stop.

import { homedir, hostname } from "node:os";
import { join, resolve } from "node:path";
import { type Choice, chooseBanaction } from "../banaction/choose.ts";
import { banactions } from "../banaction/index.ts";
import { defaultStatedir } from "../config/daemon.ts";
import { faultText } from "../config/faults.ts";
import { type Config, defaultPath, loadConfig } from "../config/index.ts";
import { readText } from "../config/read.ts";
import type { Fault, Result } from "../core/domain.ts";
import { once } from "../core/lazily.ts";
import { visible } from "../core/text.ts";
import { surviveBugs } from "../daemon/bugs.ts";
import { claimFirewall } from "../daemon/claim.ts";
import { startDaemon } from "../daemon/daemon.ts";
import { createMessenger } from "../daemon/messenger.ts";
import { notificationsOf } from "../daemon/notifications.ts";
import { lockOwner } from "../journal/lock.ts";
import type { System } from "../system/index.ts";
import { createLog, type LogWriter, levels } from "../system/log.ts";
import { realSystem } from "../system/real.ts";
import { type Call, type Command, commands, exits, type Route } from "./index.ts";
import { selfCommand } from "./match.ts";
import { version } from "./version.ts";

export const daemon: Command = {
  name: "daemon",
  summary: "watch and ban, in the foreground; what the service runs",
  usage: ["f2b daemon [-c FILE] [-s SOCKET] [--dry-run] [--loglevel LEVEL]"],
  most: 0,
  options: [
    { name: "dry-run", summary: "decide and print, but touch no firewall" },
    { name: "loglevel", value: "LEVEL", summary: "critical, error, warning, notice, info, debug or trace" },
  ],
  help: `
Without a configuration file it protects sshd where its log is found, on the best firewall it finds.
Signals: HUP reads the configuration again, USR1 reopens the log file, TERM stops (bans stand until their time is up).`,
  run,
};

async function run(call: Call): Promise<number> {
  const level = levelOf(call.flags.loglevel);
  if (typeof level === "object") {
    call.err(`f2b: ${visible(level.what)}\n  fix: ${level.fix}\n`);
    return exits.usage;
  }
  // For files and for programs that it starts: what f2b knows is nobody else's.
  process.umask(0o077);
  const choice = call.flags["dry-run"] === true ? undefined : chooserOf(call);
  const read = (system: System) => readFor(call, system);
  const first = read(call.system);
  if (!first.ok) return complain(call, first.faults, exits.configuration);
  const config = first.value;
  const log = createLog({
    level: level ?? config.daemon.loglevel,
    target: config.daemon.logtarget,
    syslogsocket: config.daemon.syslogsocket,
  });
  const system = realSystem(log);
  for (const warning of config.warnings)
    log.say(
      "warning",
      `configuration: ${warning.what}`,
      warning.fix === undefined ? {} : { fix: warning.fix },
    );

  // Without any file nothing else can have moved it.
  if (config.files.length === 0 && config.daemon.statedir !== defaultStatedir)
    log.say(
      "notice",
      `not root and no ${defaultPath}: this daemon's own files are in ${config.daemon.statedir}`,
      {
        fix: `ask it with -s ${config.daemon.socket}`,
      },
    );

  let broken = false;
  let end: () => void = () => process.kill(process.pid, "SIGTERM");
  surviveBugs(system, process, () => {
    broken = true;
    end();
  });

  const { dryrun, prepare, lookLater } = await chooseEnforcement(config, choice);
  if (dryrun !== undefined) log.say("warning", `DRY RUN, nobody is banned: ${dryrun}`);
  const prepared = prepare(config);
  const group = groupOf(system, config);
  if (!group.ok) return complain(call, group.faults, exits.configuration);

  // One that has this very state is told of by its lock, with more to say.
  const locked = lockOwner(system, join(config.daemon.statedir, "lock")) !== undefined;
  const claim =
    dryrun === undefined && !locked && touchesFirewall(prepared) ? claimFirewall(system.files) : undefined;
  if (claim !== undefined && "what" in claim) return complain(call, [claim], exits.unavailable);
  if (claim?.doubt !== undefined)
    log.say("warning", `whether another f2b keeps this firewall is not known: ${claim.doubt}`);

  const started = await startDaemon({
    system,
    log,
    version,
    config: prepared,
    messenger: createMessenger({ system, host: hostname(), ...notificationsOf(prepared, system) }),
    reread: () => {
      const again = read(system);
      return again.ok ? { ok: true, value: prepare(again.value) } : again;
    },
    socketGroup: group.value,
    matchCommand: selfCommand("match"),
    routes,
    dryrun,
  });
  if (!("stopped" in started)) return complain(call, started, exits.unavailable);
  end = started.stopSoon;
  void lookLater();
  await started.stopped;
  claim?.release();
  log.close();
  return broken ? exits.broken : exits.fine;
}

/** Whether a jail's bans go through programs of this machine, rather than to a service elsewhere or to nobody. */
const touchesFirewall = ({ jails }: Config): boolean =>
  jails.some(
    (jail) => jail.enabled && jail.banaction.some((use) => (banactions[use.name]?.needs.length ?? 0) > 0),
  );

/** The configuration that -c names, with the socket that -s names. */
function readFor({ config: path, socket }: Call, system: System): Result<Config> {
  const loaded = loadConfig({ system, ...(path === undefined ? {} : { path }) });
  if (!loaded.ok) return loaded;
  const daemon = {
    ...loaded.value.daemon,
    ...placesOfUser(loaded.value, system),
    ...(socket === undefined ? {} : { socket: resolve(socket) }),
  };
  return { ok: true, value: { ...loaded.value, daemon } };
}

/**
 * Who is not root and has written no configuration tries f2b out: what it keeps is kept under the home directory (XDG's place for state), as
 * the machine's own place is root's to make.
 */
function placesOfUser(
  { files, daemon }: Config,
  system: System,
): { readonly statedir: string; readonly socket: string } | undefined {
  if (process.getuid?.() === 0 || files.length > 0 || system.files.stat(daemon.statedir) !== undefined)
    return undefined;
  const home = process.env.XDG_STATE_HOME;
  const statedir = join(home?.startsWith("/") === true ? home : join(homedir(), ".local/state"), "f2b");
  return { statedir, socket: join(statedir, "f2b.sock") };
}

/** Every fault with its place, as for f2b config check; the first one's own exit code where it has one. */
function complain(call: Call, faults: readonly Fault[], exit: number): number {
  for (const fault of faults) call.err(faultText(fault, lineReader(call.system)));
  return faults.find((fault) => fault.exit !== undefined)?.exit ?? exit;
}

function lineReader(system: System): (file: string, line: number) => string | undefined {
  const cache = new Map<string, readonly string[]>();
  return (file, line) => {
    try {
      const lines = cache.get(file) ?? Buffer.from(system.files.readFile(file)).toString("utf8").split("\n");
      cache.set(file, lines);
      return lines[line - 1];
    } catch {
      return undefined; // a bundled file, or gone since
    }
  };
}

function levelOf(asked: Call["flags"][string] | undefined): LogWriter["level"] | Fault | undefined {
  if (typeof asked !== "string") return undefined;
  const level = levels.find((one) => one === asked.toLowerCase());
  return level ?? { what: `"${asked}" is no loglevel`, fix: `one of ${levels.join(", ")}` };
}

interface Enforcement {
  /** Why the firewall is not touched. */
  readonly dryrun: string | undefined;
  /** Replaces "auto" by what is there, and everything by "print" in a dry run. */
  prepare(config: Config): Config;
  /** What a start need not wait for: a later configuration may ask for "auto". */
  lookLater(): Promise<void>;
}

/**
 * Trying the firewalls takes as long as reading the configuration: both at once, but not where the main file says itself what is
 * wanted, which mostly is all that is asked.
 */
function chooserOf(call: Call): () => Promise<Choice> {
  const chooser = once(() => chooseBanaction(call.system));
  // What is not there, or no plain file, or too large: whoever reads it for its own sake says so.
  const main = readText(call.system, call.config ?? defaultPath, undefined);
  if (!main.ok || !/^[ \t]*[\w."-]*banaction[ \t]*=/m.test(main.value)) void chooser();
  return chooser;
}

/** `choose` undefined: a dry run was asked for. A configuration that names its firewalls itself need not wait for it. */
async function chooseEnforcement(
  config: Config,
  choose: (() => Promise<Choice>) | undefined,
): Promise<Enforcement> {
  const asksForIt = config.jails.some(
    (jail) => jail.enabled && jail.banaction.some((use) => use.name === "auto"),
  );
  const needed = asksForIt || process.getuid?.() !== 0;
  let best = needed ? await choose?.() : undefined;
  const dryrun =
    choose === undefined ? "asked for with --dry-run" : best?.name === "print" ? best.reason : undefined;
  return {
    dryrun,
    async lookLater() {
      if (!needed) best = await choose?.();
    },
    prepare: (next) => ({
      ...next,
      jails: next.jails.map((jail) => ({
        ...jail,
        banaction: jail.banaction.map((use) => {
          if (dryrun !== undefined) return { name: "print", options: {} };
          return use.name === "auto" && best !== undefined ? { ...use, name: best.name } : use;
        }),
      })),
    }),
  };
}

function groupOf(system: System, { daemon: { socketgroup } }: Config): Result<number | undefined> {
  if (socketgroup === undefined) return { ok: true, value: undefined };
  const line = Buffer.from(system.files.readFile("/etc/group"))
    .toString("utf8")
    .split("\n")
    .find((one) => one.startsWith(`${socketgroup}:`));
  const gid = Number(line?.split(":")[2]);
  if (line !== undefined && Number.isInteger(gid)) return { ok: true, value: gid };
  return {
    ok: false,
    faults: [
      {
        what: `there is no group "${socketgroup}" ([daemon] socketgroup)`,
        fix: `groupadd --system ${socketgroup}`,
      },
    ],
  };
}

/** The in-daemon halves of all commands that have one. */
async function routes(): Promise<ReadonlyMap<string, Route>> {
  const loaded = await Promise.all(
    Object.values(commands)
      .filter((entry) => entry.answers === true)
      .map((entry) => entry.load()),
  );
  return new Map(loaded.flatMap((command) => Object.entries(command.routes ?? {})));
}
