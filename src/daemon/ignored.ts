// ignoreip and its kin, at the edge: names are resolved in the background (a decision never waits for DNS), files are re-read
// when they change, and ignorecommand runs with a time limit and a cache. What is decided from them is pure (core/ignore.ts).

import { parseAddress } from "../core/address.ts";
import { readsAsOption } from "../core/arguments.ts";
import type { Failure, IgnorePolicy, Jail, Target } from "../core/domain.ts";
import { compileIgnore, ignoreReason } from "../core/ignore.ts";
import { createPrefixSet, type PrefixSet } from "../core/prefixset.ts";
import { visibleLine } from "../core/text.ts";
import { addressesOf } from "../system/dns.ts";
import type { System } from "../system/index.ts";

const resolveEveryMs = 5 * 60_000;
const commandLimitMs = 10_000;
/** Processes of one jail's ignorecommand: a storm of failures must not become a storm of processes. */
const commandsAtOnce = 16;
const sayEveryMs = 60_000;

export interface Ignored {
  /** Reason not to count this target; from memory only. */
  reason(target: Target): string | undefined;
  /** Re-resolves names and re-reads files where their time has come. Never rejects. */
  refresh(now: number): Promise<void>;
}

export function createIgnored(system: System, policy: IgnorePolicy, ownAddresses: () => PrefixSet): Ignored {
  const { prefixes, names, files } = compileIgnore(policy.ignoreip);
  const read = new Map<string, { readonly mtimeMs: number; readonly prefixes: PrefixSet }>();
  const own = policy.ignoreself ? ownAddresses : undefined;
  const byName = new Map<string, PrefixSet>();
  let lastLookup = Number.NEGATIVE_INFINITY;
  let named: { readonly label: string; readonly prefixes: PrefixSet }[] = [];
  const rename = (): void => {
    named = [
      ...[...byName].map(([label, set]) => ({ label, prefixes: set })),
      ...[...read].map(([path, file]) => ({ label: `file:${path}`, prefixes: file.prefixes })),
    ];
  };

  function readFiles(): void {
    for (const path of files) {
      const stat = system.files.stat(path);
      if (stat === undefined || stat.kind !== "file") {
        if (read.delete(path))
          system.log.say("warning", `ignoreip file ${path} is gone; its addresses count again`);
        continue;
      }
      if (read.get(path)?.mtimeMs === stat.mtimeMs) continue;
      const entries = Buffer.from(system.files.readFile(path))
        .toString("utf8")
        .split("\n")
        .flatMap((line) => line.replace(/[#;].*$/, "").split(/[\s,]+/))
        .filter((word) => word !== "");
      const compiled = compileIgnore(entries);
      for (const fault of compiled.faults) system.log.say("warning", `ignoreip file ${path}: ${fault.what}`);
      read.set(path, { mtimeMs: stat.mtimeMs, prefixes: compiled.prefixes });
    }
    rename();
  }
  readFiles();

  return {
    reason(target) {
      if (target.kind === "id") return undefined;
      return ignoreReason(target.text, {
        prefixes,
        ...(own === undefined ? {} : { own: own() }),
        named,
      });
    },
    async refresh(now) {
      readFiles();
      if (names.length === 0 || now - lastLookup < resolveEveryMs) return;
      lastLookup = now;
      await Promise.all(
        names.map(async (name) => {
          try {
            const found = await addressesOf(name);
            byName.set(name, createPrefixSet(found.map(parseAddress).filter((one) => one !== undefined)));
          } catch (error) {
            // The addresses known before stay: forgetting them because DNS is down would lock somebody out.
            system.log.say(
              "warning",
              `ignoreip ${name}: cannot be resolved now (${(error as NodeJS.ErrnoException).code ?? "failed"})`,
            );
          }
        }),
      );
      rename();
    },
  };
}

/**
 * Runs a jail's ignorecommand; true means ignore. A command that fails to run or takes too long does not protect anybody, nor does one
 * whose turn has not come within the same time.
 */
export function createIgnoreCommand(
  system: System,
  jail: Jail,
): ((failure: Failure, now: number) => Promise<boolean>) | undefined {
  const { ignorecommand, ignorecache } = jail.ignore;
  if (ignorecommand === undefined || ignorecommand.length === 0) return undefined;
  const cache = new Map<string, { readonly at: number; readonly ignore: boolean }>();
  let saidAt = Number.NEGATIVE_INFINITY;
  const turns = createTurns(system, commandsAtOnce, commandLimitMs);
  const complain = (what: string): void => {
    const at = system.clock.monotonic();
    if (at - saidAt < sayEveryMs) return;
    saidAt = at;
    system.log.say("warning", `[${jail.name}] ${what}`);
  };
  return async (failure, now) => {
    const values = commandValues(jail, failure);
    const key =
      ignorecache === undefined
        ? undefined
        : ignorecache.key.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
    if (key !== undefined && ignorecache !== undefined) {
      const known = cache.get(key);
      if (known !== undefined && now - known.at < ignorecache.maxTime * 1000) return known.ignore;
    }
    // An address is all that may become an argument; everything else reaches the command as environment and JSON.
    const ip = values.ip ?? "";
    if (readsAsOption(ignorecommand, ip)) {
      complain(`ignorecommand is not asked about "${visibleLine(ip, 80)}": it would take it for an option`);
      return false;
    }
    const argv = ignorecommand.map((word) => word.replaceAll("{ip}", () => ip));
    if (!(await turns.take())) {
      complain("ignorecommand cannot keep up: bans go on without asking it");
      return false;
    }
    const result = await system.programs
      .run(argv, {
        timeoutMs: commandLimitMs,
        stdin: JSON.stringify(values),
        env: Object.fromEntries(
          Object.entries(values).map(([name, value]) => [
            `F2B_${name.toUpperCase()}`,
            value.replaceAll("\0", ""),
          ]),
        ),
      })
      .finally(turns.give);
    if (result.timedOut)
      system.log.say(
        "warning",
        `[${jail.name}] ignorecommand took longer than ${commandLimitMs / 1000} s and was ended`,
      );
    else if (result.code > 1 || result.code < 0) {
      system.log.say(
        "warning",
        `[${jail.name}] ignorecommand ended with ${result.code}: ${result.stderr.trim().slice(0, 200)}`,
      );
    }
    const ignore = result.code === 0;
    if (key !== undefined && ignorecache !== undefined) {
      if (cache.size >= ignorecache.maxCount) cache.delete(cache.keys().next().value ?? "");
      cache.set(key, { at: now, ignore });
    }
    return ignore;
  };
}

function commandValues(jail: Jail, failure: Failure): Record<string, string> {
  return {
    jail: jail.name,
    ip: failure.target.text,
    user: failure.user ?? "",
    line: failure.line,
    time: new Date(failure.at).toISOString(),
    ...failure.captures,
  };
}

interface Turns {
  /** Resolves when it is one's turn; false when that took longer than the limit. */
  take(): Promise<boolean>;
  give(): void;
}

function createTurns(system: System, atOnce: number, limitMs: number): Turns {
  let running = 0;
  const waiting = new Set<() => void>();
  return {
    take() {
      if (running < atOnce) {
        running++;
        return Promise.resolve(true);
      }
      return new Promise((resolve) => {
        const turn = (): void => {
          cancel();
          resolve(true);
        };
        const cancel = system.clock.after(limitMs, () => {
          waiting.delete(turn);
          resolve(false);
        });
        waiting.add(turn);
      });
    },
    give() {
      const [next] = waiting;
      if (next === undefined) running--;
      else {
        waiting.delete(next);
        next();
      }
    },
  };
}
