// Gotify: a push server of one's own. The text is declared to be plain, so that its clients render no markup.

import { z } from "zod";
import { caFile, deliver, url as httpUrl, json, readCa } from "./http.ts";
import type { Notifier } from "./index.ts";
import { readSecret, secret, secretFile } from "./secret.ts";
import { isProblem, plain } from "./text.ts";

const options = z
  .strictObject({
    server: httpUrl("The Gotify server, https://push.example.org."),
    token: secret("Token of a Gotify application.").optional(),
    token_file: secretFile("Token of a Gotify application").optional(),
    priority: z
      .int()
      .min(0)
      .max(10)
      .default(5)
      .describe("Priority of ordinary messages, 0 to 10; problems get at least 8."),
    ca_file: caFile,
  })
  .refine((o) => o.token !== undefined || o.token_file !== undefined, "token or token_file is needed");

export const gotify: Notifier<z.output<typeof options>> = {
  name: "gotify",
  summary: "a push message through Gotify",
  audience: "people",
  options,
  async send(message, options, system) {
    const token = readSecret(system, { value: options.token, file: options.token_file, what: "token" });
    const { title, body } = plain(message, 6000);
    await deliver({
      url: `${options.server.replace(/\/+$/, "")}/message`,
      headers: { ...json, "x-gotify-key": token },
      body: JSON.stringify({
        title,
        message: body,
        priority: message.events.some(isProblem) ? Math.max(8, options.priority) : options.priority,
        extras: { "client::display": { contentType: "text/plain" } },
      }),
      secrets: [token],
      ca: readCa(system, options.ca_file),
    });
  },
};
