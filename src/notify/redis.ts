// Publishes each event as JSON on a channel of Redis or Valkey. Only tells: what other hosts do with it is theirs to decide. AUTH,
// SELECT and PUBLISH are spoken here directly (RESP): Bun's client, asked not to reconnect, answers a wrong password with nothing
// but "Connection closed", and the queue must know whether trying again can help.

import { z } from "zod";
import { visibleLine } from "../core/text.ts";
import { addressesOf, reachable } from "../system/dns.ts";
import { facts } from "./facts.ts";
import { Failure } from "./failure.ts";
import { caFile, readCa, timeLimitMs } from "./http.ts";
import type { Notifier } from "./index.ts";
import { readSecret, redact, secret, secretFile } from "./secret.ts";

const options = z.strictObject({
  host: z
    .string()
    .regex(/^[A-Za-z0-9._:-]{1,253}$/, "must be a host name or address")
    .default("localhost")
    .describe("Host of the server."),
  port: z.int().min(1).max(65_535).default(6379).describe("Port of the server."),
  tls: z.boolean().default(false).describe("Speak TLS and check the server's certificate."),
  ca_file: caFile,
  username: z.string().min(1).optional().describe("ACL user name."),
  password: secret("Password.").optional(),
  password_file: secretFile("Password").optional(),
  database: z.int().min(0).max(255).default(0).describe("Number of the database."),
  channel: z
    .string()
    .min(1)
    .max(200)
    .default("f2b:events")
    .describe("Channel on which events are published."),
});

export const redis: Notifier<z.output<typeof options>> = {
  name: "redis",
  summary: "each event as JSON on a Redis (or Valkey) channel",
  audience: "machines",
  options,
  async send(message, o, system) {
    const secrets: string[] = [];
    const commands: string[][] = [];
    if (o.password !== undefined || o.password_file !== undefined) {
      const password = readSecret(system, { value: o.password, file: o.password_file, what: "password" });
      secrets.push(password);
      commands.push(["AUTH", ...(o.username === undefined ? [] : [o.username]), password]);
    }
    if (o.database !== 0) commands.push(["SELECT", String(o.database)]);
    const before = commands.length;
    for (const event of message.events)
      commands.push(["PUBLISH", o.channel, JSON.stringify(facts(message, event))]);
    const { answered, error } = await converse(commands, o, readCa(system, o.ca_file));
    if (error === undefined) return;
    throw new Failure(`redis at ${o.host}:${o.port}: ${visibleLine(redact(error, secrets), 200)}`, {
      delivered: Math.max(0, answered - before),
      permanent: /^(?:WRONGPASS|NOAUTH|NOPERM|ERR (?:invalid|AUTH|DB))/i.test(error),
    });
  },
};

/** Sends all commands at once and counts good replies up to the first bad one. Never rejects. */
async function converse(
  commands: readonly (readonly string[])[],
  o: z.output<typeof options>,
  ca: string | undefined,
): Promise<{ readonly answered: number; readonly error: string | undefined }> {
  const { connect } = await import("node:net");
  const { connect: connectTls } = await import("node:tls");
  let host: string;
  try {
    host = await reachable(await addressesOf(o.host));
  } catch {
    return { answered: 0, error: "its name does not resolve" };
  }
  return new Promise((fulfil) => {
    let answered = 0;
    let buffer = "";
    const socket = o.tls
      ? connectTls({ host, port: o.port, servername: o.host, ...(ca === undefined ? {} : { ca }) })
      : connect({ host, port: o.port });
    const end = (error: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      fulfil({ answered, error });
    };
    const timer = setTimeout(() => end("no answer within the time limit"), timeLimitMs);
    socket.on("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    socket.on("close", () => end("the connection was closed"));
    socket.on(o.tls ? "secureConnect" : "connect", () => {
      socket.write(
        commands
          .map(
            (words) =>
              `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`,
          )
          .join(""),
      );
    });
    // All replies to these commands are one line: +OK, :3 or -ERR ….
    socket.on("data", (chunk: Buffer) => {
      buffer += chunk.toString("latin1");
      if (buffer.length > 65_536) return end("this is not Redis");
      for (let at = buffer.indexOf("\r\n"); at >= 0; at = buffer.indexOf("\r\n")) {
        const line = buffer.slice(0, at);
        buffer = buffer.slice(at + 2);
        if (line.startsWith("-")) return end(line.slice(1));
        if (!/^[+:]/.test(line)) return end("this is not Redis");
        if (++answered === commands.length) return end(undefined);
      }
    });
  });
}
