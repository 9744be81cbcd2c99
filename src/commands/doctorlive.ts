// The half of f2b doctor that looks at the live system: what only the daemon and its parts can tell is asked here and handed to the
// doctor, which knows neither.

import { type Config, loadConfig } from "../config/index.ts";
import { builtIn } from "../config/load.ts";
import { parseAddress } from "../core/address.ts";
import type { Address } from "../core/domain.ts";
import { createPrefixSet } from "../core/prefixset.ts";
import { simulate } from "../core/simulate.ts";
import { createIgnored } from "../daemon/ignored.ts";
import { lookAtMachine, type MachineAddresses } from "../daemon/machine.ts";
import { gatherFailures } from "../daemon/replaying.ts";
import type { StatusReport } from "../daemon/report.ts";
import type { RecentFacts } from "../doctor/facts.ts";
import { lint } from "../doctor/files.ts";
import { sortFindings } from "../doctor/finding.ts";
import { gather } from "../doctor/gather.ts";
import { checkLive } from "../doctor/live.ts";
import type { Banned } from "../doctor/look/firewall.ts";
import type { Told } from "../doctor/look/notify.ts";
import { defaultSocket } from "./client.ts";
import { type Examined, select } from "./doctor.ts";
import type { Call } from "./index.ts";
import { version } from "./version.ts";

/** How far back the logs are read for who would have been banned. */
const days = 3;

export async function examine(call: Call): Promise<Examined> {
  const { findings, files, config } = lint(call.system, call.config, { saved: true });
  // Without a configuration that can be loaded the built-in one still says what to look at.
  const looked = config ?? fallback(call, files);
  const live = looked === undefined ? [] : checkLive(await facts(call, looked));
  return {
    findings: select(call, sortFindings([...findings, ...live])),
    files,
    extra: { live: looked !== undefined },
  };
}

function fallback(call: Call, files: readonly string[]): Config | undefined {
  // A path beside which there is nothing.
  const path = "/dev/null/f2b.toml";
  const texts = new Map([[path, builtIn.text]]);
  const loaded = loadConfig({ system: call.system, reader: undefined, saved: false, path, texts });
  return loaded.ok ? { ...loaded.value, files } : undefined;
}

async function facts(call: Call, config: Config) {
  const socket = call.socket ?? (config.files.length === 0 ? defaultSocket : config.daemon.socket);
  const addresses = lookAtMachine(call.system);
  const [status, banned, told] = await Promise.all([
    quietly<StatusReport>(socket, "/status"),
    quietly<{ readonly bans: readonly Banned[] }>(socket, "/banned", "POST"),
    quietly<readonly Told[]>(socket, "/notify"),
  ]);
  return gather(call.system, {
    config,
    env: call.env,
    version,
    self: process.execPath,
    addresses,
    recent: await recently(call, config, addresses),
    status,
    banned: banned?.bans,
    told: told ?? [],
  });
}

/** An answer of the daemon; undefined when it cannot be had. */
async function quietly<T>(socket: string, path: string, method = "GET"): Promise<T | undefined> {
  try {
    const response = await fetch(`http://f2b${path}`, {
      unix: socket,
      method,
      signal: AbortSignal.timeout(5000),
      ...(method === "POST" ? { body: "{}", headers: { "content-type": "application/json" } } : {}),
    });
    return response.ok ? ((await response.json()) as T) : undefined;
  } catch {
    return undefined;
  }
}

/** Large logs take a while: says so on a terminal, and wipes it away. */
function progressOf(call: Call): (part: number, what: string) => void {
  if (call.stdout.isTTY !== true || call.json) return () => undefined;
  let last = 0;
  return (part) => {
    const percent = Math.floor(part * 100);
    if (percent <= last || percent % 5 !== 0) return;
    last = percent;
    call.err(`\rreading the logs of the last ${days} days: ${percent}%`);
  };
}

/** The failures of the last days, and who would have been banned for them were it not for the last gate. */
async function recently(call: Call, config: Config, addresses: MachineAddresses): Promise<RecentFacts[]> {
  const jails = config.jails.filter((jail) => jail.enabled && jail.backend !== "events");
  const now = call.system.clock.now();
  const { failures } = await gatherFailures(call.system, jails, {
    files: [],
    since: now - days * 86_400_000,
    now,
    linecap: config.daemon.linecap,
    progress: progressOf(call),
  });
  if (call.stdout.isTTY === true && !call.json) call.err(`\r${" ".repeat(50)}\r`);
  const own = createPrefixSet(addresses.own);
  const { bans } = simulate(
    jails.map((jail) => ({ jail, ignored: createIgnored(call.system, jail.ignore, () => own).reason })),
    failures,
    { guarded: () => undefined, random: () => 0 },
  );
  return jails.map((jail) => {
    const counts = new Map<Address, number>();
    for (const one of failures) {
      const address = one.jail === jail.name ? parseAddress(one.failure.target.text) : undefined;
      if (address !== undefined) counts.set(address, (counts.get(address) ?? 0) + one.failure.attempts);
    }
    const by = [...counts].map(([address, count]) => ({ address, count })).sort((a, b) => b.count - a.count);
    const banned = bans.flatMap((ban) =>
      ban.jail === jail.name ? (parseAddress(ban.target.text) ?? []) : [],
    );
    return {
      jail: jail.name,
      failures: by.reduce((sum, one) => sum + one.count, 0),
      by: by.slice(0, 20),
      banned: [...new Set(banned)],
    };
  });
}
