// Telegram through a bot. Sent without a parse mode, so that nothing in the text is markup, and without link previews. The
// token is part of the URL's path, which errors never show.

import { z } from "zod";
import { deliver, url as httpUrl, json } from "./http.ts";
import type { Notifier } from "./index.ts";
import { readSecret, secret, secretFile } from "./secret.ts";
import { plain } from "./text.ts";

const options = z
  .strictObject({
    token: secret("The bot's token, 123456:ABC….").optional(),
    token_file: secretFile("The bot's token").optional(),
    chat: z
      .union([
        z.int(),
        z.string().regex(/^(?:-?\d{1,20}|@[A-Za-z0-9_]{4,64})$/, "must be a chat id or @channelname"),
      ])
      .describe("Chat id (negative for groups) or @channelname."),
    topic: z.int().positive().optional().describe("Thread of a forum group in which to write."),
    silent: z.boolean().default(false).describe("Deliver without a sound."),
    server: httpUrl("Bot API server, for those who run their own.").default("https://api.telegram.org"),
  })
  .refine((o) => o.token !== undefined || o.token_file !== undefined, "token or token_file is needed");

export const telegram: Notifier<z.output<typeof options>> = {
  name: "telegram",
  summary: "a message to a Telegram chat, by bot",
  audience: "people",
  options,
  async send(message, options, system) {
    const token = readSecret(system, { value: options.token, file: options.token_file, what: "token" });
    const { title, body } = plain(message, 3700);
    await deliver({
      url: `${options.server.replace(/\/+$/, "")}/bot${encodeURIComponent(token).replace("%3A", ":")}/sendMessage`,
      headers: json,
      body: JSON.stringify({
        chat_id: options.chat,
        text: `${title}\n${body}`,
        disable_notification: options.silent,
        link_preview_options: { is_disabled: true },
        ...(options.topic === undefined ? {} : { message_thread_id: options.topic }),
      }),
      secrets: [token],
    });
  },
};
