// The system's log, or a log server's: one line an event. /dev/log is a datagram socket that Bun cannot open, so the local log is
// reached through logger(1); servers are spoken to directly, RFC 5424 over UDP, TCP or TLS (RFC 6587 octet counting).

import { z } from "zod";
import { visibleLine } from "../core/text.ts";
import { Failure } from "./failure.ts";
import { caFile, readCa, timeLimitMs } from "./http.ts";
import type { Event, Message, Notifier } from "./index.ts";
import { isProblem, jailOf, sentence, targetOf } from "./text.ts";

const facilities = {
  kern: 0,
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  syslog: 5,
  authpriv: 10,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const;

const options = z.strictObject({
  transport: z
    .enum(["local", "udp", "tcp", "tls"])
    .default("local")
    .describe("local: this host's log through logger(1); udp, tcp, tls: a server's."),
  server: z
    .string()
    .regex(/^[A-Za-z0-9._:-]{1,253}$/, "must be a host name or address")
    .default("localhost")
    .describe("Log server, for udp, tcp and tls."),
  port: z.int().min(1).max(65_535).optional().describe("Its port; 514 by default, 6514 for tls."),
  ca_file: caFile,
  facility: z
    .enum(Object.keys(facilities) as [keyof typeof facilities, ...(keyof typeof facilities)[]])
    .default("daemon")
    .describe("Facility of the entries. Choose one whose file no jail of yours reads."),
  tag: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,32}$/, "must be 1 to 32 letters, digits, _, . or -")
    .default("f2b-notify")
    .describe("Program name of the entries."),
});
type Options = z.output<typeof options>;

// warning, notice
const severity = (event: Event): number => (isProblem(event) ? 4 : 5);

/** key=value pairs first, for machines, then the sentence. */
function line(event: Event): string {
  const pairs = [`event=${event.kind}`];
  const jail = jailOf(event);
  const target = targetOf(event);
  if (jail !== undefined) pairs.push(`jail=${jail}`);
  if (target !== undefined) pairs.push(`address=${visibleLine(target.text, 128).replaceAll(" ", "_")}`);
  return `${pairs.join(" ")} ${sentence(event)}`;
}

function rfc5424(message: Message, event: Event, o: Options): string {
  const host = message.host.replace(/[^\x21-\x7e]/g, "").slice(0, 255) || "-";
  return `<${facilities[o.facility] * 8 + severity(event)}>1 ${new Date(event.at).toISOString()} ${host} ${o.tag} - ${event.kind} - ${line(event)}`;
}

export const syslog: Notifier<Options> = {
  name: "syslog",
  summary: "one line an event in this host's or a server's syslog",
  audience: "machines",
  options,
  async send(message, o, system) {
    if (o.transport === "local") {
      const logger = system.programs.find("logger");
      if (logger === undefined)
        throw new Failure("the program logger is not there (bsdutils)", { permanent: true });
      // One run for each severity; logger makes an entry of each line it reads.
      for (const level of [4, 5]) {
        const text = message.events.filter((event) => severity(event) === level).map(line);
        if (text.length === 0) continue;
        const result = await system.programs.run(
          [logger, "-t", o.tag, "-p", `${o.facility}.${level === 4 ? "warning" : "notice"}`],
          { stdin: `${text.join("\n")}\n`, timeoutMs: timeLimitMs },
        );
        if (result.code !== 0) throw new Failure(`logger failed: ${visibleLine(result.stderr.trim(), 160)}`);
      }
      return;
    }
    const entries = message.events.map((event) => rfc5424(message, event, o));
    const port = o.port ?? (o.transport === "tls" ? 6514 : 514);
    if (o.transport === "udp") await overUdp(entries, o.server, port);
    else await overStream(entries, o, port, readCa(system, o.ca_file));
  },
};

async function overUdp(entries: readonly string[], server: string, port: number): Promise<void> {
  const { createSocket } = await import("node:dgram");
  const socket = createSocket(server.includes(":") ? "udp6" : "udp4");
  try {
    await new Promise<void>((fulfil, reject) => {
      socket.on("error", reject);
      let left = entries.length;
      // What every receiver must take is 480 bytes, and what it should is 2048 (RFC 5426).
      for (const entry of entries)
        socket.send(Buffer.from(entry).subarray(0, 2048), port, server, (error) => {
          if (error) reject(error);
          else if (--left === 0) fulfil();
        });
    });
  } catch (error) {
    throw new Failure(
      `syslog server ${server}:${port}: ${(error as NodeJS.ErrnoException).code ?? "cannot send"}`,
    );
  } finally {
    socket.close();
  }
}

async function overStream(
  entries: readonly string[],
  o: Options,
  port: number,
  ca: string | undefined,
): Promise<void> {
  const { connect } = await import("node:net");
  const { connect: connectTls } = await import("node:tls");
  return new Promise((fulfil, reject) => {
    const socket =
      o.transport === "tls"
        ? connectTls({ host: o.server, port, servername: o.server, ...(ca === undefined ? {} : { ca }) })
        : connect({ host: o.server, port });
    const fail = (why: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new Failure(`syslog server ${o.server}:${port}: ${visibleLine(why, 160)}`));
    };
    const timer = setTimeout(() => fail("no connection within the time limit"), timeLimitMs);
    socket.on("error", (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    socket.on("close", () => {
      clearTimeout(timer);
      fulfil();
    });
    socket.on(o.transport === "tls" ? "secureConnect" : "connect", () => {
      const frames = entries.map((entry) => `${Buffer.byteLength(entry)} ${entry}`);
      socket.end(frames.join(""));
    });
  });
}
