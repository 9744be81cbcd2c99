// Gathers what the checks of the live system judge. The one place of this folder that looks; it changes nothing (firewalls are tried with
// an object that is made and taken away again).

import type { Config } from "../config/index.ts";
import { parseAddress } from "../core/address.ts";
import { processes } from "../init/processes.ts";
import { signsOf } from "../init/services.ts";
import { listeners } from "../init/sockets.ts";
import { checkJournal } from "../journal/check.ts";
import type { System } from "../system/index.ts";
import type { DaemonStatus, Facts, RecentFacts, ServiceFacts } from "./facts.ts";
import { type Addresses, lookForDear } from "./look/dear.ts";
import { lookAtFiles } from "./look/files.ts";
import { type Banned, lookAtEnforcement } from "./look/firewall.ts";
import { lookAtJournald } from "./look/journald.ts";
import { lookAtLogs } from "./look/logs.ts";
import { lookAtSystem } from "./look/machine.ts";
import { lookAtNotify, type Told } from "./look/notify.ts";

/** What others have to tell: the daemon, the replay of the last days, the machine's addresses. */
export interface Given {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** This executable. */
  readonly self: string;
  readonly addresses: Addresses;
  readonly recent: readonly RecentFacts[];
  readonly status: DaemonStatus | undefined;
  readonly banned: readonly Banned[] | undefined;
  readonly told: readonly Told[];
}

export async function gather(system: System, given: Given): Promise<Facts> {
  const { config, status } = given;
  const running = processes(system);
  const logs = lookAtLogs(system, config);
  const journal = checkJournal(system, config.daemon.statedir);
  const sockets = listeners(system);
  const services = config.jails.flatMap((jail): ServiceFacts[] => {
    const file = config.resolver.service(jail.filter.name);
    if (!jail.enabled || jail.backend === "events" || file?.ok !== true) return [];
    const signs = signsOf(file.value);
    const mine = running.filter((one) => one.container === undefined && signs.is(one));
    const own = new Set(mine.flatMap((one) => one.sockets));
    const listening = sockets.filter((one) => !one.loopback && own.has(one.inode));
    return [
      {
        jail: jail.name,
        running: mine.length > 0,
        listening: [
          ...new Map(
            listening.map((one) => [
              `${one.port}/${one.protocol}`,
              { protocol: one.protocol, port: one.port },
            ]),
          ).values(),
        ],
      },
    ];
  });
  return {
    now: system.clock.now(),
    config,
    logs,
    journald: await lookAtJournald(system, config, logs),
    services,
    recent: given.recent,
    firewall: await lookAtEnforcement(system, config, running, given.banned),
    daemon: {
      status,
      sameNetwork: status === undefined ? undefined : sameNetwork(system, status.pid),
      version: given.version,
      banned: (given.banned ?? []).flatMap((one) => parseAddress(one.target) ?? []),
      journal: journal.ok
        ? {
            // While the daemon runs, a torn end may just be a record being written.
            damaged: journal.value.damaged.filter((piece) => !piece.torn || journal.value.owner === undefined)
              .length,
            newest: journal.value.newest,
          }
        : { damaged: 0, newest: undefined },
    },
    dear: await lookForDear(system, given.addresses, given.env, mailHosts(config)),
    files: lookAtFiles(system, config, given.self),
    system: await lookAtSystem(system, config, running, status?.pid),
    notify: await lookAtNotify(system, config, given.told),
  };
}

const mailHosts = (config: Config): string[] =>
  Object.values(config.notify).flatMap(({ options }) => {
    const { via, host } = options as { readonly via?: unknown; readonly host?: unknown };
    return via === "smtp" && typeof host === "string" ? [host] : [];
  });

function sameNetwork(system: System, pid: number): boolean | undefined {
  try {
    return system.files.readlink("/proc/1/ns/net") === system.files.readlink(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}
