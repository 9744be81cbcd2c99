// Tells systemd how the daemon does (sd_notify): ready, alive, reloading, stopping. Nothing is sent where nobody asked, that is
// without $NOTIFY_SOCKET. Where libc cannot be called directly, the program systemd-notify carries the message.

import { openDatagram } from "./datagram.ts";
import type { System } from "./index.ts";

export interface ServiceNotifier {
  ready(): void;
  reloading(): void;
  stopping(): void;
  /** "I am alive"; to be called more often than every `watchdogMs` / 2. Sends only where a watchdog was asked for. */
  watchdog(): void;
  /** One line for `systemctl status`. */
  status(text: string): void;
  /** After how long without a sign of life systemd restarts the daemon; undefined: it does not watch. */
  readonly watchdogMs: number | undefined;
}

export function notifyReady(
  system: System,
  env: Readonly<Record<string, string | undefined>>,
): ServiceNotifier {
  const send = openSender(system, env.NOTIFY_SOCKET);
  const watchdogMs = watchdogOf(env);
  const main = `MAINPID=${process.pid}`;
  return {
    ready: () => send(`READY=1\n${main}`),
    // systemd ties the later READY=1 to this reload by the time stamp, on CLOCK_MONOTONIC as our clock is.
    reloading: () => send(`RELOADING=1\nMONOTONIC_USEC=${monotonicMicroseconds(system)}\n${main}`),
    stopping: () => send("STOPPING=1"),
    watchdog: () => {
      if (watchdogMs !== undefined) send("WATCHDOG=1");
    },
    status: (text) => send(`STATUS=${text.replaceAll(/[\n\r]+/g, " ")}`),
    watchdogMs,
  };
}

function watchdogOf(env: Readonly<Record<string, string | undefined>>): number | undefined {
  const microseconds = Number(env.WATCHDOG_USEC ?? "");
  const pid = env.WATCHDOG_PID;
  const meant = pid === undefined || pid === "" || Number(pid) === process.pid;
  return meant && Number.isFinite(microseconds) && microseconds > 0 ? microseconds / 1000 : undefined;
}

/** performance.now() counts from the start of the process; /proc tells when that was, to 10 ms, which is what systemd needs. */
function monotonicMicroseconds(system: System): number {
  try {
    const [uptime = "0"] = Buffer.from(system.files.readFile("/proc/uptime")).toString("latin1").split(" ");
    return Math.round(Number(uptime) * 1_000_000);
  } catch {
    return Math.round(system.clock.monotonic() * 1000);
  }
}

function openSender(system: System, socket: string | undefined): (message: string) => void {
  if (socket === undefined || !/^[/@]/.test(socket)) return () => undefined;
  const datagram = openDatagram(socket);
  if (datagram !== undefined) {
    let told = false;
    return (message) => {
      if (datagram.send(message) || told) return;
      told = true;
      system.log.say("warning", `systemd does not take messages at ${socket}`);
    };
  }
  return (message) => {
    const env = { NOTIFY_SOCKET: socket, PATH: "/usr/bin:/bin", LANG: "C.UTF-8" };
    const command = ["systemd-notify", `--pid=${process.pid}`, ...message.split("\n")];
    void system.programs.run(command, { env, timeoutMs: 5_000 }).then(({ code, stderr }) => {
      if (code !== 0) system.log.say("warning", `systemd-notify: ${stderr.trim()}`);
    });
  };
}
