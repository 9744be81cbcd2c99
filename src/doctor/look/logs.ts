// Looks at the logs of every jail: whether they are there, whose they are, and what their last lines tell of times, hosts and failures.

import type { Config } from "../../config/index.ts";
import {
  accessStamp,
  createZone,
  resolveStamp,
  stampAt,
  utc,
  valueTime,
  type Zone,
} from "../../core/datetime.ts";
import type { Jail, Time } from "../../core/domain.ts";
import { type CompiledFilter, compileFilter } from "../../core/filter.ts";
import { newHead, parseSyslog, unwrap } from "../../core/logformat.ts";
import { createScanner } from "../../core/scan.ts";
import { findFiles } from "../../source/glob.ts";
import { openLog } from "../../source/open.ts";
import { isRotatedName, siblings } from "../../source/rotated.ts";
import { isNetwork } from "../../source/watch.ts";
import type { System } from "../../system/index.ts";
import type { LogFacts } from "../facts.ts";

/** The end of a log that is looked at. */
const tailBytes = 256 * 1024;
/** Files of one jail that are looked at; a glob may find hundreds of virtual hosts. */
const mostFiles = 20;

export function lookAtLogs(system: System, config: Config): LogFacts[] {
  return config.jails
    .filter((jail) => jail.enabled && jail.backend !== "events" && jail.backend !== "systemd")
    .flatMap((jail) => {
      const compiled = compileFilter(jail.filter);
      return findFiles(system, jail.logpath)
        .slice(0, mostFiles)
        .flatMap(({ path }) => lookAt(system, jail, compiled.ok ? compiled.value : undefined, path));
    });
}

const nothing = {
  size: 0,
  mtimeMs: 0,
  writable: false,
  wide: false,
  network: false,
  rotated: false,
  lines: 0,
  timed: 0,
  named: undefined,
  suspects: 0,
  failures: 0,
  lastTime: undefined,
  hosts: [],
  reach: undefined,
} as const;

function lookAt(system: System, jail: Jail, filter: CompiledFilter | undefined, path: string): LogFacts[] {
  const opened = openLog(system, path);
  if (opened.kind !== "open")
    return [
      {
        ...nothing,
        jail: jail.name,
        path,
        state: opened.kind,
        ...(opened.kind === "refused" ? { why: opened.why } : {}),
      },
    ];
  const { fd, stat } = opened;
  try {
    const text = tailOf(system, fd, stat.size);
    const name = path.slice(path.lastIndexOf("/") + 1);
    const plain = name.replace(/[.\-_~]\d[\dT:._-]*$|\.(?:old|bak|prev|orig)$/, "");
    return [
      {
        ...nothing,
        jail: jail.name,
        path,
        state: "open",
        size: stat.size,
        mtimeMs: stat.mtimeMs,
        writable: (stat.mode & 0o002) !== 0,
        wide: isWide(text),
        network: quietly(() => isNetwork(system, path)) ?? false,
        rotated:
          plain !== name &&
          isRotatedName(plain, name) &&
          quietly(() => system.files.stat(path.slice(0, -name.length) + plain)) !== undefined,
        reach: reachOf(system, path),
        ...(filter === undefined ? {} : readLines(jail, filter, text, system.clock.now(), stat.mtimeMs)),
      },
    ];
  } finally {
    system.files.close(fd);
  }
}

/** ASCII in UTF-16, of either order of bytes: every other byte is nothing. */
const isWide = (text: string): boolean => /(?:[ -~]\0){16}|(?:\0[ -~]){16}/.test(text.slice(-4096));

function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** The last whole lines, as a latin-1 view. */
function tailOf(system: System, fd: number, size: number): string {
  const from = Math.max(0, size - tailBytes);
  const buffer = new Uint8Array(Math.min(size, tailBytes));
  let filled = 0;
  while (filled < buffer.length) {
    const read = system.files.read(fd, buffer, filled, buffer.length - filled, from + filled);
    if (read === 0) break;
    filled += read;
  }
  const text = Buffer.from(buffer.subarray(0, filled)).toString("latin1");
  return text.slice(from === 0 ? 0 : text.indexOf("\n") + 1, text.lastIndexOf("\n") + 1);
}

/** Since the oldest rotation was begun nothing is known; since it ended, all is there. */
function reachOf(system: System, path: string): number | undefined {
  const oldest = quietly(() => siblings(system, path))?.[0];
  return oldest === undefined ? undefined : Math.max(0, (system.clock.now() - oldest.stat.mtimeMs) / 1000);
}

const failing =
  /authentication fail|failed password|invalid (?:user|password|credentials)|login fail|failed login|incorrect password|wrong password/i;
const addressed = /(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{1,4}:[0-9a-f:]*:[0-9a-f]{1,4}/i;

function readLines(
  jail: Jail,
  filter: CompiledFilter,
  text: string,
  now: Time,
  mtimeMs: Time,
): Partial<LogFacts> {
  const zone = createZone(jail.logtimezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone) ?? utc;
  const lines = text.split("\n").slice(0, -1);
  const head = newHead();
  const hosts = new Map<string, number>();
  let headed = 0;
  let timed = 0;
  let named = 0;
  let suspects = 0;
  let lastTime: Time | undefined;
  for (const line of lines) {
    const syslog = parseSyslog(line, 0, line.length, head) && head.program >= 0;
    const at = timeOf(line, syslog ? head.stamp : -1, filter, Math.min(now, mtimeMs + 86_400_000), zone);
    if (at !== undefined) {
      timed++;
      lastTime = at;
    }
    const mine = syslog && filter.program?.test(line.slice(head.program, head.programEnd)) === true;
    if (syslog) headed++;
    if (mine) named++;
    if (syslog && head.host >= 0) {
      const host = line.slice(head.host, head.hostEnd).split(".")[0] ?? "";
      hosts.set(host, (hosts.get(host) ?? 0) + 1);
    }
    if (
      (mine || (filter.program === undefined && filter.filter.own)) &&
      failing.test(line) &&
      addressed.test(line)
    )
      suspects++;
  }
  const scanner = createScanner([{ jail: jail.name, filter, names: true }], { zone });
  const failures = scanner.file(text, { now, live: false, clamp: false }).length;
  return {
    lines: lines.length,
    timed,
    // Lines without heads name no programs.
    named:
      filter.program === undefined || !filter.formats.includes("syslog") || headed < lines.length * 0.5
        ? undefined
        : named,
    suspects,
    failures,
    lastTime,
    // A machine that was renamed leaves a few lines under its old name.
    hosts: [...hosts]
      .filter(([name, count]) => count >= 5 && !/^(?:localhost|\d+)$/.test(name))
      .map(([name]) => name),
  };
}

/** When a line says it was written: behind a syslog head, at its start, in brackets, by datepattern, or as a field of JSON. */
function timeOf(
  line: string,
  stamp: number,
  filter: CompiledFilter,
  now: Time,
  zone: Zone,
): Time | undefined {
  const wrapped = unwrap(line);
  if (wrapped !== undefined && wrapped.time !== "") return valueTime(wrapped.time, now, utc);
  if (line.startsWith("{")) {
    const value = /"@?(?:time|timestamp|ts|date|datetime)"\s*:\s*("[^"]*"|[\d.]+)/i.exec(line)?.[1];
    return value === undefined
      ? undefined
      : valueTime(value.startsWith('"') ? value.slice(1, -1) : Number(value), now, zone);
  }
  const bracket = line.indexOf("[");
  const found =
    (stamp >= 0 ? stampAt(line, stamp) : undefined) ??
    filter.dates
      .map((date) => date.find(line, 0, Math.min(line.length, 512)))
      .find((one) => one !== undefined) ??
    stampAt(line, 0) ??
    accessStamp(line, 0, line.length) ??
    (bracket >= 0 ? stampAt(line, bracket + 1) : undefined);
  return found === undefined ? undefined : resolveStamp(found, now, zone);
}
