// What f2b says about itself, one line an event, readable by people and by journald: on standard error or output, in a file that
// can be reopened, to syslog or to journald. A log that cannot be written never stops the daemon: what is lost is counted and told.

import fs from "node:fs";
import { visible } from "../core/text.ts";
import { type Datagram, openDatagram } from "./datagram.ts";
import type { Level, Log } from "./index.ts";
import { createLogLimit } from "./loglimit.ts";

export type LogTarget =
  | { readonly kind: "stderr" | "stdout" | "syslog" | "journald" }
  | { readonly kind: "file"; readonly path: string };

export interface LogOptions {
  readonly level: Level;
  readonly target: LogTarget;
  /** "auto" (the usual places) or the path of the syslog socket. */
  readonly syslogsocket?: string;
  /** Wall clock, milliseconds; for the stamps. */
  readonly now?: () => number;
}

export interface LogWriter extends Log {
  level: Level;
  /** Opens a file anew after it was rotated (`f2b flushlogs`, SIGUSR1). */
  reopen(): void;
  close(): void;
}

/** From least to most talkative. */
export const levels: readonly Level[] = ["critical", "error", "warning", "notice", "info", "debug", "trace"];

/** Severity numbers of syslog(3); trace has none of its own. */
const severity: Readonly<Record<Level, number>> = {
  critical: 2,
  error: 3,
  warning: 4,
  notice: 5,
  info: 6,
  debug: 7,
  trace: 7,
};

/** Facility "daemon" of syslog(3), shifted. */
const FACILITY = 3 << 3;
const JOURNALD_SOCKET = "/run/systemd/journal/socket";
const SYSLOG_SOCKETS = ["/dev/log", "/var/run/log", "/var/run/syslog"];
/** One line of ours at most, so that no stranger's text makes it endless. */
const LONGEST_LINE = 8_192;

interface Sink {
  /** False when the line was lost. */
  write(at: number, level: Level, text: string): boolean;
  reopen?(): void;
  close?(): void;
}

export function createLog(options: LogOptions): LogWriter {
  const now = options.now ?? Date.now;
  const limit = createLogLimit(() => performance.now());
  const { sink, complaint } = openSink(options);
  let level = options.level;
  let lost = 0;
  const write = (one: Level, text: string) => {
    if (lost > 0 && sink.write(now(), "warning", `${lost} log lines could not be written`)) lost = 0;
    if (!sink.write(now(), one, text)) lost++;
  };
  if (complaint !== undefined) write("warning", complaint);
  return {
    get level() {
      return level;
    },
    set level(wanted) {
      level = wanted;
    },
    say(one, text, fields) {
      if (levels.indexOf(one) > levels.indexOf(level)) return;
      const line = visible(`${text}${fieldsText(fields)}`).slice(0, LONGEST_LINE);
      for (const entry of limit.pass(one, line)) write(entry.level, entry.text);
    },
    reopen() {
      sink.reopen?.();
    },
    close() {
      for (const entry of limit.rest()) write(entry.level, entry.text);
      sink.close?.();
    },
  };
}

function fieldsText(fields: Readonly<Record<string, string | number>> | undefined): string {
  if (fields === undefined) return "";
  return Object.entries(fields)
    .map(([key, value]) => {
      const text = String(value);
      return ` ${key}=${/^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)}`;
    })
    .join("");
}

/** `2026-11-21T06:30:00.123Z notice [sshd] Ban 192.0.2.1`, or with journald reading our stream `<5>[sshd] Ban 192.0.2.1`. */
function openSink(options: LogOptions): { sink: Sink; complaint?: string } {
  const { target } = options;
  switch (target.kind) {
    case "stderr":
      return { sink: streamSink(2) };
    case "stdout":
      return { sink: streamSink(1) };
    case "file":
      return orStderr(fileSink(target.path));
    case "syslog": {
      const places =
        (options.syslogsocket ?? "auto") === "auto" ? SYSLOG_SOCKETS : [options.syslogsocket ?? ""];
      const place = places.find((path) => fs.existsSync(path)) ?? places[0] ?? "";
      return orStderr(
        datagramSink(place, (level, text) => `<${FACILITY | severity[level]}>f2b[${process.pid}]: ${text}`),
      );
    }
    case "journald":
      return orStderr(
        datagramSink(
          JOURNALD_SOCKET,
          (level, text) => `PRIORITY=${severity[level]}\nSYSLOG_IDENTIFIER=f2b\nMESSAGE=${text}\n`,
        ),
      );
  }
}

function orStderr(opened: Sink | string): { sink: Sink; complaint?: string } {
  return typeof opened === "string"
    ? { sink: streamSink(2), complaint: `${opened}; logging to standard error instead` }
    : { sink: opened };
}

function stamped(at: number, level: Level, text: string): string {
  return `${new Date(at).toISOString()} ${level} ${text}\n`;
}

function streamSink(fd: 1 | 2): Sink {
  const journald = isJournaldStream(fd, process.env.JOURNAL_STREAM);
  return {
    write: (at, level, text) =>
      writeWhole(fd, journald ? `<${severity[level]}>${text}\n` : stamped(at, level, text)),
  };
}

/** journald names the stream it reads by device and inode (systemd.exec(5)); the daemon's children may have another one. */
function isJournaldStream(fd: number, stream: string | undefined): boolean {
  if (stream === undefined) return false;
  try {
    const stat = fs.fstatSync(fd, { bigint: true });
    return stream === `${stat.dev}:${stat.ino}`;
  } catch {
    return false;
  }
}

function fileSink(path: string): Sink | string {
  const open = () => fs.openSync(path, "a", 0o600);
  let fd: number;
  try {
    fd = open();
  } catch (error) {
    return (error as Error).message;
  }
  return {
    write: (at, level, text) => writeWhole(fd, stamped(at, level, text)),
    reopen() {
      try {
        const fresh = open();
        fs.closeSync(fd);
        fd = fresh;
      } catch (error) {
        writeWhole(
          fd,
          stamped(Date.now(), "error", `${(error as Error).message}; the old file is written on`),
        );
      }
    },
    close: () => fs.closeSync(fd),
  };
}

function datagramSink(path: string, form: (level: Level, text: string) => string): Sink | string {
  const socket: Datagram | undefined = openDatagram(path);
  if (socket === undefined || !fs.existsSync(path)) return `${path}: no such socket`;
  return {
    write: (_at, level, text) => socket.send(form(level, text)),
    close: () => socket.close(),
  };
}

/** A reader that is slow (EAGAIN) is waited for briefly; one that is gone, a full disk: the line is lost. */
function writeWhole(fd: number, text: string): boolean {
  let rest = Buffer.from(text);
  for (let attempt = 0; attempt < 20 && rest.length > 0; attempt++) {
    try {
      rest = rest.subarray(fs.writeSync(fd, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return false;
      Bun.sleepSync(1);
    }
  }
  return rest.length === 0;
}
