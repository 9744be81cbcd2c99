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

interface Traces {
  readonly file: JailFile;
  readonly signs: Signs;
  /** Active units, without the suffix, and names of programs, by which it was found. */
  readonly by: readonly string[];
  readonly units: readonly string[];
  readonly here: readonly Process[];
  readonly boxed: Process | undefined;
  readonly logs: readonly Log[];
}

export async function findServices(
  system: System,
  resolver: Resolver,
  around: Surroundings,
): Promise<readonly Service[]> {
  const traces = resolver.services().flatMap((name): Traces[] => {
    const parsed = resolver.service(name);
    return parsed?.ok === true ? [tracesOf(system, parsed.value, around)] : [];
  });
  const claims = claimsOf(traces);
  const found: Service[] = [];
  for (const one of traces) {
    const service = await judge(system, one, claims, around);
    if (service !== undefined) found.push(service);
  }
  return found;
}

function tracesOf(system: System, file: JailFile, around: Surroundings): Traces {
  const signs = signsOf(file);
  const units = signs.units.filter((unit) => around.units.has(unit));
  const matching = around.processes.filter((one) => signs.is(one));
  const here = matching.filter((one) => one.container === undefined);
  return {
    file,
    signs,
    units,
    here,
    boxed: matching.find((one) => one.container !== undefined),
    by: [
      ...new Set([
        ...units.map((unit) => unit.replace(/\.\w+$/, "")),
        ...here.map((one) => nameOf(one, signs)),
      ]),
    ],
    logs: logsOf(system, file.logpath),
  };
}

const stemOf = (jail: string): string => jail.split("-")[0] ?? jail;

/** How many kinds of jails (by the first word of their names) claim a program or a log: what many claim is a host to guests. */
function claimsOf(traces: readonly Traces[]): (sign: string) => number {
  const claims = new Map<string, Set<string>>();
  for (const { file, by, logs } of traces)
    for (const sign of [...by, ...logs.map((log) => log.path)])
      claims.set(sign, (claims.get(sign) ?? new Set()).add(stemOf(file.name)));
  return (sign) => claims.get(sign)?.size ?? 0;
}

/** Names of programs that are not like their jails'. */
const kin: Readonly<Record<string, readonly string[]>> = { apache: ["httpd"] };

/** Jails that are about the host itself, whichever program it is. */
const general = new Set(["web"]);

function isOwn(jail: string, program: string): boolean {
  const stem = stemOf(jail);
  const name = program.toLowerCase();
  return (
    general.has(stem) || name.startsWith(stem) || stem.startsWith(name) || (kin[stem] ?? []).includes(name)
  );
}

async function judge(
  system: System,
  { file, signs, by, units, here, boxed, logs }: Traces,
  claims: (sign: string) => number,
  around: Surroundings,
): Promise<Service | undefined> {
  const events = file.settings.backend === "events";
  const now = system.clock.now();
  // An application inside another's process (PHP and the like) is known by its own log alone.
  const ownLog = logs.some(
    (log) => !shared.test(base(log.path)) && claims(log.path) < 2 && now - log.mtimeMs < 7 * day,
  );
  const runs = by.length > 0;
  if (!runs && boxed === undefined && !ownLog && !events) return undefined;
  const guest = runs && !ownLog && by.every((sign) => claims(sign) > 2 && !isOwn(file.name, sign));
  const silent = logs.every((log) => now - log.mtimeMs > 2 * day);
  const [first] = here;
  const running = [...units, ...(units.length === 0 && first !== undefined ? [nameOf(first, signs)] : [])];
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
        : { program: nameOf(boxed, signs), log: containerLog(system, boxed.container.id) },
    logs,
    elsewhere: elsewhere(file.logpath, logs, here),
    logpath: file.logpath,
    journald:
      runs && silent && file.journalmatch.length > 0 ? await lastRecord(system, file, now) : undefined,
    // Of a guest its host's: the application may answer on any of them.
    otherPorts: uncovered(file.settings.port, ports),
    port: portsWritten(file.settings.port),
    events,
    guestOf: guest ? by[0] : undefined,
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

/** Words that begin the names of jails and say nothing of a program or its directory. */
const common = new Set(
  "web php mail http proxy auth login server app node home open pure solid wire free screen apps".split(" "),
);
/** Programs that run other people's programs. */
const engines =
  /^(?:python[\d.]*|node|java|dotnet|mono|ruby[\d.]*|perl[\d.]*|php[\d.]*|php-fpm[\d.]*|bun|deno|g?unicorn|uvicorn|dockerd|containerd\S*|conmon|podman|systemd\S*|auth|sh|bash)$/;

export function signsOf(file: Pick<JailFile, "name" | "journalmatch" | "filter">): Signs {
  const units = new Set<string>();
  const comms = new Set<string>();
  const exes = new Set<string>();
  // An identifier beside the unit means a guest: the unit is its host's.
  for (const group of parseMatches(file.journalmatch)) {
    if (group.some(({ field }) => !field.startsWith("_"))) continue;
    const ofUnit = group.some(({ field }) => field === "_SYSTEMD_UNIT");
    for (const { field, value } of group) {
      // Beside a unit, the program's name only narrows.
      if (field === "_COMM" && !ofUnit) comms.add(value);
      if (field === "_EXE" && !ofUnit) exes.add(value);
      if (field !== "_SYSTEMD_UNIT") continue;
      units.add(value);
      units.add(value.replace(/\.service$/, ".socket"));
    }
  }
  const program = programOf(file.filter.program);
  const stems = new Set([file.name, stemOf(file.name)].filter((one) => !common.has(one)));
  const directories = new Set([...stems].filter((one) => one.length > 4));
  const names = (name: string): boolean =>
    !engines.test(name) && (comms.has(name) || stems.has(name.toLowerCase()) || program?.test(name) === true);
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
            .some((part) => directories.has(part)))),
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

/** "*.log" would take every log for the service's: a name must say something beside. */
const telling = (name: string): boolean => name.replace(/[*?.]|log/g, "").length > 2;

/** Logs that the service writes and no path answers, if their names are like those of the jail's own. */
export function elsewhere(
  logpath: readonly string[],
  logs: readonly Pick<Log, "path">[],
  running: readonly Pick<Process, "writes">[],
): string[] {
  const known = new Set(logs.map((log) => log.path));
  const names = [...new Set(logpath.map(base))]
    .filter((name) => !shared.test(name) && telling(name))
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
