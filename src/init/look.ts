// Looks at the machine: services, logs, firewall, administrator, fail2ban, mail. Reads only; what it cannot read is as if it were not there.

import type { Resolver } from "../config/index.ts";
import type { Address } from "../core/domain.ts";
import type { System } from "../system/index.ts";
import { findAdmin } from "./admin.ts";
import type { Facts, Fail2ban } from "./facts.ts";
import { lookAtFirewall } from "./firewall.ts";
import { type Process, processes } from "./processes.ts";
import { findServices } from "./services.ts";
import { listeners, onePublished, publishedByProxies } from "./sockets.ts";

export interface Given {
  readonly resolver: Resolver;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Peers of the administrators' sessions, as the login records know them. */
  readonly sessions: readonly Address[];
  readonly root: boolean;
}

export async function look(system: System, given: Given): Promise<Facts> {
  const there = (path: string): boolean => {
    try {
      return system.files.stat(path) !== undefined;
    } catch {
      return false;
    }
  };
  const running = processes(system);
  const open = listeners(system);
  const systemd = there("/run/systemd/system");
  const units = systemd ? await activeUnits(system) : new Set<string>();
  const services = await findServices(system, given.resolver, {
    processes: running,
    listeners: open,
    units,
    socketPorts: (unit) => socketPorts(system, unit),
  });
  const { firewall, published } = await lookAtFirewall(system, running, units);
  return {
    root: given.root,
    systemd,
    services,
    firewall,
    published: onePublished([...publishedByProxies(running), ...published]),
    admin: findAdmin(system, given.env, given.sessions),
    guarded:
      units.has("f2b.service") ||
      running.some(({ names, words }) => names.includes("f2b") && words.includes("daemon")),
    fail2ban: fail2ban(there, running, units),
    mail: open.some((one) => one.protocol === "tcp" && one.port === 25)
      ? "server"
      : system.programs.find("sendmail") === undefined
        ? undefined
        : "sendmail",
  };
}

async function activeUnits(system: System): Promise<Set<string>> {
  const program = system.programs.find("systemctl");
  if (program === undefined) return new Set();
  const { stdout } = await system.programs.run(
    [
      program,
      "list-units",
      "--type=service,socket",
      "--state=active",
      "--no-legend",
      "--plain",
      "--no-pager",
    ],
    { timeoutMs: 10_000, maxOutput: 4 * 1024 * 1024 },
  );
  return new Set([...stdout.matchAll(/^\s*(\S+\.(?:service|socket))\s/gm)].map((match) => match[1] ?? ""));
}

/** systemd may listen in a service's stead (ssh.socket): its unit knows the ports. */
async function socketPorts(system: System, unit: string): Promise<number[]> {
  const program = system.programs.find("systemctl");
  if (program === undefined) return [];
  const asked = await system.programs.run([program, "show", unit, "--property=Listen"], { timeoutMs: 5000 });
  return parseListen(asked.stdout);
}

/** "Listen=0.0.0.0:22 (Stream)": TCP sockets other than on loopback. */
export const parseListen = (text: string): number[] =>
  [...text.matchAll(/^Listen=(\S+):(\d{1,5}) \(Stream\)$/gm)]
    .filter((match) => !/^(?:127\.|\[::1\])/.test(match[1] ?? ""))
    .map((match) => Number(match[2]));

function fail2ban(
  there: (path: string) => boolean,
  running: readonly Process[],
  units: ReadonlySet<string>,
): Fail2ban | undefined {
  const directory = "/etc/fail2ban";
  const runs =
    units.has("fail2ban.service") ||
    running.some((one) => one.container === undefined && one.names.includes("fail2ban-server"));
  if (!runs && !there(`${directory}/jail.conf`) && !there(`${directory}/jail.local`)) return undefined;
  return { directory, running: runs };
}
