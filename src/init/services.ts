// Which services of the catalogue are here. A jail file says by itself how its service is known: units and programs in `journalmatch`,
// the program name of its syslog lines, its own name; a new jail file needs nothing here.

import type { Resolver } from "../config/index.ts";
import type { JailFile } from "../config/jailfile.ts";
import { parsePort } from "../config/values.ts";
import type { PortRange } from "../core/domain.ts";
import { findFiles } from "../source/glob.ts";
import { matchArguments, parseMatches } from "../source/journalmatch.ts";
import type { System } from "../system/index.ts";
import type { Log, Service } from "./facts.ts";
import type { Process } from "./processes.ts";
import { type Listener, portsOf } from "./sockets.ts";

export interface Surroundings {
  readonly processes: readonly Process[];
  readonly listeners: readonly Listener[];
  /** Units of systemd that are active: services and sockets. */
  readonly units: ReadonlySet<string>;
  /** Ports that systemd listens on in a service's stead, for a socket unit. */
  socketPorts(unit: string): Promise<readonly number[]>;
}

/** Logs that many services write to: that they are there says nothing of one of them. */
const shared =
  /^(?:auth\.log|secure|messages|syslog|daemon\.log|user\.log|kern\.log|mail|mail\.(?:log|err|warn|info)|maillog|everything\.log)$/;
const month = 30 * 86_400_000;
const day = 86_400_000;

export async function findServices(
  system: System,
  resolver: Resolver,
  around: Surroundings,
): Promise<readonly Service[]> {
  const found: Service[] = [];
  for (const name of resolver.services()) {
    const parsed = resolver.service(name);
    if (parsed?.ok !== true) continue;
    const service = await lookFor(system, parsed.value, around);
    if (service !== undefined) found.push(service);
  }
  return found;
}

async function lookFor(system: System, file: JailFile, around: Surroundings): Promise<Service | undefined> {
  const events = file.settings.backend === "events";
  const known = signsOf(file);
  const units = known.units.filter((unit) => around.units.has(unit));
  const matching = around.processes.filter((one) => known.is(one));
  const here = matching.filter((one) => one.container === undefined);
  const boxed = matching.find((one) => one.container !== undefined);
  const logs = logsOf(system, file.logpath);
  const now = system.clock.now();
  const ownLog = logs.some((log) => !shared.test(base(log.path)) && now - log.mtimeMs < day);
  const runs = units.length > 0 || here.length > 0;
  // An application inside another's process (PHP and the like) is known by its log alone.
  if (!runs && boxed === undefined && !ownLog && !events) return undefined;
  const silent = logs.every((log) => now - log.mtimeMs > 2 * day);
  const [first] = here;
  const running = [
    ...units,
    ...(units.length === 0 && first !== undefined ? [`${nameOf(first, known)} (pid ${first.pid})`] : []),
  ];
  const ports = here.flatMap((one) => portsOf(one, around.listeners));
  for (const unit of units) if (unit.endsWith(".socket")) ports.push(...(await around.socketPorts(unit)));
  return {
    jail: file.name,
    summary: file.summary,
    needs: file.needs,
    running,
    container:
      runs || boxed?.container === undefined
        ? undefined
        : { program: nameOf(boxed, known), log: containerLog(system, boxed.container.id) },
    logs,
    elsewhere: elsewhere(file.logpath, logs, here),
    logpath: file.logpath,
    journald:
      runs && silent && file.journalmatch.length > 0 ? await lastRecord(system, file, now) : undefined,
    otherPorts: uncovered(file.settings.port, ports),
    port: portsWritten(file.settings.port),
    events,
    unsafe:
      typeof file.filter.forgeable === "string"
        ? `strangers can forge its log: ${file.filter.forgeable}`
        : file.filter.spoofable === undefined
          ? undefined
          : `its clients' addresses can be spoofed: ${file.filter.spoofable}`,
    optional: file.optional,
  };
}

const base = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

interface Signs {
  readonly units: readonly string[];
  is(process: Process): boolean;
  readonly names: (name: string) => boolean;
}

/** Words that begin the names of jails and say nothing of a program. */
const common = new Set(["web", "php", "mail", "http", "proxy", "auth", "login", "server", "app", "node"]);

export function signsOf(file: Pick<JailFile, "name" | "journalmatch" | "filter">): Signs {
  const units = new Set<string>();
  const comms = new Set<string>();
  const exes = new Set<string>();
  // An identifier beside the unit means a guest: the unit is its host's.
  for (const group of parseMatches(file.journalmatch)) {
    if (group.some(({ field }) => !field.startsWith("_"))) continue;
    for (const { field, value } of group) {
      if (field === "_COMM") comms.add(value);
      if (field === "_EXE") exes.add(value);
      if (field !== "_SYSTEMD_UNIT") continue;
      units.add(value);
      units.add(value.replace(/\.service$/, ".socket"));
    }
  }
  const program = programOf(file.filter.program);
  const stem = file.name.split("-")[0] ?? file.name;
  const stems = new Set([file.name, stem].filter((one) => !common.has(one)));
  const names = (name: string): boolean =>
    comms.has(name) || stems.has(name.toLowerCase()) || program?.test(name) === true;
  return {
    units: [...units],
    names,
    is: ({ names: own, exe }) =>
      own.some(names) ||
      (exe !== undefined &&
        (exes.has(exe) ||
          exe
            .split("/")
            .slice(1, -1)
            .some((part) => stems.has(part)))),
  };
}

/** The jail file's expression for program names, if it is one that tells programs apart. */
function programOf(source: string | undefined): RegExp | undefined {
  if (source === undefined || source.includes("{{")) return undefined;
  try {
    const whole = new RegExp(`^(?:${source})$`);
    return ["zz-nobody", "sh", "a"].some((name) => whole.test(name)) ? undefined : whole;
  } catch {
    return undefined; // the jail file's own tests say what is wrong with it
  }
}

const nameOf = (process: Process, signs: Signs): string =>
  process.names.find(signs.names) ?? process.names[0] ?? "?";

function logsOf(system: System, logpath: readonly string[]): Log[] {
  return findFiles(system, logpath).flatMap(({ path }): Log[] => {
    try {
      const stat = system.files.stat(path);
      return stat?.kind === "file" ? [{ path, mtimeMs: stat.mtimeMs, size: stat.size }] : [];
    } catch {
      return [];
    }
  });
}

/** Logs that the service writes and no path answers, if their names are like those of the jail's own. */
export function elsewhere(
  logpath: readonly string[],
  logs: readonly Pick<Log, "path">[],
  running: readonly Pick<Process, "writes">[],
): string[] {
  const known = new Set(logs.map((log) => log.path));
  const names = [...new Set(logpath.map(base))]
    .filter((name) => !shared.test(name))
    .map(
      (name) =>
        new RegExp(
          `^${name
            .replace(/[.+^${}()|\\]/g, "\\$&")
            .replaceAll("*", ".*")
            .replaceAll("?", ".")}$`,
        ),
    );
  const held = new Set(running.flatMap((one) => one.writes));
  return [...held].filter((path) => !known.has(path) && names.some((name) => name.test(base(path)))).sort();
}

/** Where docker's json-file driver writes (docs.docker.com, "JSON File logging driver"). */
function containerLog(system: System, id: string): string | undefined {
  const path = `/var/lib/docker/containers/${id}/${id}-json.log`;
  try {
    return system.files.stat(path) === undefined ? undefined : path;
  } catch {
    return undefined;
  }
}

async function lastRecord(system: System, file: JailFile, now: number): Promise<number | undefined> {
  const program = system.programs.find("journalctl");
  if (program === undefined) return undefined;
  const result = await system.programs.run(
    [
      program,
      "--quiet",
      "--no-pager",
      "-n",
      "1",
      "-o",
      "short-unix",
      "--since",
      `@${Math.floor((now - month) / 1000)}`,
      ...matchArguments(file.journalmatch),
    ],
    { timeoutMs: 15_000 },
  );
  const at = /^(\d+)(?:\.\d+)? /m.exec(result.stdout)?.[1];
  return at === undefined ? undefined : Number(at) * 1000;
}

function portsWritten(port: unknown): (string | number)[] {
  return (Array.isArray(port) ? port : [port]).filter(
    (one): one is string | number => typeof one === "string" || typeof one === "number",
  );
}

/** The ports that the jail file's own do not hold; nothing for a jail of all ports. */
export function uncovered(port: unknown, listening: readonly number[]): number[] {
  const written = portsWritten(port);
  if (written.length === 0 || written.includes("all")) return [];
  const ranges = written
    .map((one) => parsePort(String(one)))
    .filter((one): one is PortRange => typeof one !== "string");
  return [...new Set(listening)]
    .filter((one) => !ranges.some(({ from, to }) => one >= from && one <= to))
    .sort((a, b) => a - b);
}
