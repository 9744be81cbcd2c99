// Pushover. Plain text: html and monospace stay off.

import { z } from "zod";
import { deliver, url as httpUrl, json } from "./http.ts";
import type { Notifier } from "./index.ts";
import { readSecret, secret, secretFile } from "./secret.ts";
import { cut, isProblem, plain } from "./text.ts";

const options = z
  .strictObject({
    token: secret("The application's API token.").optional(),
    token_file: secretFile("The application's API token").optional(),
    user: secret("Key of the user or group to be told."),
    device: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,25}$/, "must be a device name")
      .optional()
      .describe("Only this device."),
    priority: z
      .int()
      .min(-2)
      .max(1)
      .default(0)
      .describe("Priority of ordinary messages, -2 to 1; problems get 1."),
    server: httpUrl("API server.").default("https://api.pushover.net"),
  })
  .refine((o) => o.token !== undefined || o.token_file !== undefined, "token or token_file is needed");

export const pushover: Notifier<z.output<typeof options>> = {
  name: "pushover",
  summary: "a push message through Pushover",
  audience: "people",
  options,
  async send(message, options, system) {
    const token = readSecret(system, { value: options.token, file: options.token_file, what: "token" });
    const { title, body } = plain(message, 1000);
    await deliver({
      url: `${options.server.replace(/\/+$/, "")}/1/messages.json`,
      headers: json,
      body: JSON.stringify({
        token,
        user: options.user,
        title: cut(title, 240),
        message: body,
        priority: message.events.some(isProblem) ? 1 : options.priority,
        ...(options.device === undefined ? {} : { device: options.device }),
      }),
      secrets: [token, options.user],
    });
  },
};
