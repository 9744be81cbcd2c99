// ntfy (ntfy.sh or one's own), published as JSON rather than with headers, so that no text of a stranger becomes a header.

import { z } from "zod";
import { caFile, deliver, url as httpUrl, json, readCa } from "./http.ts";
import type { Notifier } from "./index.ts";
import { readSecret, secret, secretFile } from "./secret.ts";
import { cutBytes, isProblem, plain } from "./text.ts";

const options = z
  .strictObject({
    server: httpUrl("The ntfy server.").default("https://ntfy.sh"),
    topic: z
      .string()
      .regex(/^[-_A-Za-z0-9]{1,64}$/, "must be 1 to 64 letters, digits, - or _")
      .meta({ description: "Topic; on a public server as good as a password.", secret: true }),
    priority: z
      .int()
      .min(1)
      .max(5)
      .default(3)
      .describe("Priority of ordinary messages, 1 to 5; problems get 5."),
    token: secret("Access token, tk_….").optional(),
    token_file: secretFile("Access token").optional(),
    username: z.string().min(1).optional().describe("User name, where there are no access tokens."),
    password: secret("Password of that user.").optional(),
    password_file: secretFile("Password of that user").optional(),
    ca_file: caFile,
  })
  .refine(
    (o) => (o.username !== undefined) === (o.password !== undefined || o.password_file !== undefined),
    "username goes with password or password_file",
  );

export const ntfy: Notifier<z.output<typeof options>> = {
  name: "ntfy",
  summary: "a push message through ntfy",
  audience: "people",
  options,
  async send(message, options, system) {
    const { title, body } = plain(message, 3500);
    const secrets = [options.topic];
    let authorization: string | undefined;
    if (options.token !== undefined || options.token_file !== undefined) {
      const token = readSecret(system, { value: options.token, file: options.token_file, what: "token" });
      secrets.push(token);
      authorization = `Bearer ${token}`;
    } else if (options.username !== undefined) {
      const password = readSecret(system, {
        value: options.password,
        file: options.password_file,
        what: "password",
      });
      secrets.push(password);
      authorization = `Basic ${Buffer.from(`${options.username}:${password}`).toString("base64")}`;
    }
    await deliver({
      url: options.server,
      headers: { ...json, ...(authorization === undefined ? {} : { authorization }) },
      body: JSON.stringify({
        topic: options.topic,
        title,
        // 4096 bytes; what is longer arrives as an attachment, or not at all.
        message: cutBytes(body, 4000),
        priority: message.events.some(isProblem) ? 5 : options.priority,
      }),
      secrets,
      ca: readCa(system, options.ca_file),
    });
  },
};
