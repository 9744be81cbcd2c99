// Discord through a channel webhook. Mentions are switched off for the whole message, and the text stands in a code block, out of
// which a backtick could break: it becomes an apostrophe.

import { z } from "zod";
import { deliver, json, secretUrl } from "./http.ts";
import type { Notifier } from "./index.ts";
import { plain } from "./text.ts";

const options = z.strictObject({
  url: secretUrl("The channel webhook's URL, https://discord.com/api/webhooks/…; treated as a secret."),
  username: z
    .string()
    .min(1)
    .max(80)
    .optional()
    .describe("Name shown as the sender instead of the webhook's own."),
});

export const discord: Notifier<z.output<typeof options>> = {
  name: "discord",
  summary: "a message in a Discord channel, by webhook",
  audience: "people",
  options,
  async send(message, { url, username }) {
    const { title, body } = plain(message, 1700);
    const text = `${title}\n${body}`.replaceAll("`", "'").slice(0, 1900);
    await deliver({
      url,
      headers: json,
      body: JSON.stringify({
        content: `\`\`\`\n${text}\n\`\`\``,
        allowed_mentions: { parse: [] },
        // Suppresses embeds: nothing a stranger wrote is fetched for a preview.
        flags: 4,
        ...(username === undefined ? {} : { username }),
      }),
      secrets: [url],
    });
  },
};
