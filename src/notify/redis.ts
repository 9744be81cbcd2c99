// Publishes each event as JSON on a channel of Redis or Valkey (PUBLISH), with the client that is built into Bun. Only tells: what
// other hosts do with it is theirs to decide; nothing is ever received here.

import { RedisClient } from "bun";
import { z } from "zod";
import { visibleLine } from "../core/text.ts";
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
    const url = new URL(
      `${o.tls ? "rediss" : "redis"}://${o.host.includes(":") ? `[${o.host}]` : o.host}:${o.port}/${o.database}`,
    );
    if (o.username !== undefined) url.username = o.username;
    if (o.password !== undefined || o.password_file !== undefined) {
      const password = readSecret(system, { value: o.password, file: o.password_file, what: "password" });
      secrets.push(password);
      url.password = password;
    }
    const ca = readCa(system, o.ca_file);
    const client = new RedisClient(url.href, {
      connectionTimeout: timeLimitMs,
      autoReconnect: false,
      maxRetries: 0,
      enableOfflineQueue: false,
      ...(o.tls ? { tls: ca === undefined ? true : { ca } } : {}),
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    let delivered = 0;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("no answer within the time limit")), timeLimitMs);
    });
    try {
      await Promise.race([client.connect(), limit]);
      for (const event of message.events) {
        await Promise.race([client.publish(o.channel, JSON.stringify(facts(message, event))), limit]);
        delivered++;
      }
    } catch (error) {
      const why = visibleLine(redact((error as Error).message, [...secrets, url.href]), 200);
      throw new Failure(`redis at ${o.host}:${o.port}: ${why}`, {
        delivered,
        permanent: /WRONGPASS|NOAUTH|NOPERM/.test(why),
      });
    } finally {
      clearTimeout(timer);
      limit.catch(() => undefined);
      client.close();
    }
  },
};
