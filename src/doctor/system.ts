// The machine underneath: clock, disk, limits, the service unit.

import type { Facts, SystemFacts } from "./facts.ts";
import { finding } from "./finding.ts";
import type { Finding } from "./index.ts";

const mebi = 1024 * 1024;

export function checkSystem(facts: Facts): Finding[] {
  const { system, now, daemon, logs } = facts;
  const found: Finding[] = [];
  if (system.synchronised === false) found.push(finding("F2B701", "no time service keeps the clock right"));
  for (const disk of system.disks) {
    if (disk.size > 0 && (disk.free < 50 * mebi || disk.free / disk.size < 0.03))
      found.push(
        finding("F2B702", `${Math.floor(disk.free / mebi)} MiB are free on the disk of ${disk.path}`),
      );
    // Some file systems have no fixed number of inodes and say 0.
    if (disk.inodes > 0 && disk.freeInodes < 1000)
      found.push(finding("F2B703", `${disk.freeInodes} inodes are free on the disk of ${disk.path}`));
  }
  const open = logs.filter((log) => log.state === "open").length;
  if (system.descriptors < 2 * open + 256)
    found.push(finding("F2B704", `${system.descriptors} file descriptors for ${open} logs`));
  const { watches, instances, usedInstances } = system.inotify;
  if (watches < 8192 || (instances > 0 && usedInstances >= instances * 0.9))
    found.push(
      finding(
        "F2B705",
        `inotify allows ${watches} watches; ${usedInstances} of ${instances} instances are in use`,
      ),
    );
  if (daemon.journal.newest !== undefined && daemon.journal.newest > now + 300_000)
    found.push(finding("F2B711", `the newest record is of ${new Date(daemon.journal.newest).toISOString()}`));
  if (system.memory.total > 0 && system.memory.available < 64 * mebi)
    found.push(
      finding("F2B712", `${Math.floor(system.memory.available / mebi)} MiB of memory are available`),
    );
  if (system.systemd) found.push(...checkUnit(system));
  return found;
}

function checkUnit({ unit, enabled }: SystemFacts): Finding[] {
  if (unit === undefined) return [finding("F2B708", "there is no service unit f2b.service")];
  const found: Finding[] = [];
  if (!enabled) found.push(finding("F2B708", "f2b.service is not enabled"));
  // The last one of a setting counts; an empty list resets.
  const last = (key: string): string | undefined =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].at(-1)?.[1]?.trim();
  const watchdog = last("WatchdogSec");
  if (watchdog === undefined || watchdog === "" || watchdog === "0")
    found.push(finding("F2B706", "f2b.service has no WatchdogSec="));
  const bounded = last("CapabilityBoundingSet");
  const missing =
    bounded === undefined || bounded === ""
      ? []
      : ["CAP_NET_ADMIN", "CAP_DAC_READ_SEARCH"].filter((one) =>
          bounded.startsWith("~") ? bounded.includes(one) : !bounded.includes(one),
        );
  if (missing.length > 0) found.push(finding("F2B707", `f2b.service takes ${missing.join(" and ")} away`));
  const restart = last("Restart");
  if (restart === undefined || restart === "no" || restart === "on-success")
    found.push(finding("F2B710", `f2b.service has Restart=${restart ?? "no"}`));
  if (!/^UnsetEnvironment=.*\bBUN_OPTIONS\b/m.test(unit))
    found.push(finding("F2B713", "f2b.service does not unset BUN_OPTIONS"));
  return found;
}
