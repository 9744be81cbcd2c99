// Looks at clock, disk, limits, memory and the service unit.

import { statfsSync } from "node:fs";
import type { Config } from "../../config/index.ts";
import type { Process } from "../../init/processes.ts";
import type { System } from "../../system/index.ts";
import type { SystemFacts } from "../facts.ts";

export async function lookAtSystem(
  system: System,
  config: Config,
  running: readonly Process[],
  pid: number | undefined,
): Promise<SystemFacts> {
  const systemd = there(system, "/run/systemd/system");
  const ask = async (...command: readonly string[]) =>
    system.programs.find(command[0] ?? "") === undefined
      ? undefined
      : await system.programs.run(command, { timeoutMs: 5000 });
  const unit = systemd ? await ask("systemctl", "cat", "f2b.service") : undefined;
  const enabled = systemd ? await ask("systemctl", "is-enabled", "f2b.service") : undefined;
  const read = (path: string): string => {
    try {
      return Buffer.from(system.files.readFile(path)).toString("latin1");
    } catch {
      return "";
    }
  };
  const number = (path: string): number => Number(read(path).trim());
  const memory = (key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(read("/proc/meminfo"))?.[1] ?? 0) * 1024;
  return {
    systemd,
    synchronised: await synchronised(system, running, ask),
    disks: [config.daemon.statedir].flatMap(disk),
    descriptors: Number(
      /^Max open files\s+(\d+)/m.exec(pid === undefined ? "" : read(`/proc/${pid}/limits`))?.[1] ?? 65_536,
    ),
    inotify: {
      watches: number("/proc/sys/fs/inotify/max_user_watches"),
      instances: number("/proc/sys/fs/inotify/max_user_instances"),
      usedInstances: instances(system),
    },
    unit: unit?.code === 0 ? unit.stdout : undefined,
    enabled: enabled?.code === 0,
    memory: { available: memory("MemAvailable"), total: memory("MemTotal") },
  };
}

function there(system: System, path: string): boolean {
  try {
    return system.files.stat(path) !== undefined;
  } catch {
    return false;
  }
}

type Ask = (
  ...command: readonly string[]
) => Promise<{ readonly code: number; readonly stdout: string } | undefined>;

/** Undefined where it cannot be told: a container has its host's clock, and its host's time service. */
async function synchronised(
  system: System,
  running: readonly Process[],
  ask: Ask,
): Promise<boolean | undefined> {
  if (there(system, "/run/systemd/timesync/synchronized")) return true;
  if (
    running.some((one) =>
      one.names.some((name) => /^(?:chronyd|ntpd|ntpsec|openntpd|systemd-timesyncd?)$/.test(name)),
    )
  )
    return true;
  const told = await ask("timedatectl", "show", "--property=NTPSynchronized", "--value");
  return told?.code !== 0 ? undefined : told.stdout.trim() === "yes";
}

/** The file system of the nearest directory that exists. */
function disk(path: string): SystemFacts["disks"] {
  for (let at = path; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
    try {
      const { bavail, blocks, bsize, ffree, files } = statfsSync(at);
      return [{ path, free: bavail * bsize, size: blocks * bsize, freeInodes: ffree, inodes: files }];
    } catch {
      // one further up
    }
  }
  return [];
}

/** inotify instances of root's processes: the limit is by user. */
function instances(system: System): number {
  let count = 0;
  try {
    for (const pid of system.files.readdir("/proc")) {
      if (!/^\d+$/.test(pid)) continue;
      try {
        if (system.files.stat(`/proc/${pid}`)?.uid !== 0) continue;
        for (const fd of system.files.readdir(`/proc/${pid}/fd`))
          if (system.files.readlink(`/proc/${pid}/fd/${fd}`).includes("inotify")) count++;
      } catch {
        // gone meanwhile, or not for our eyes
      }
    }
  } catch {
    // no /proc
  }
  return count;
}
