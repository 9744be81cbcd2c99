// Slack through an incoming webhook. All text goes into plain_text blocks, which Slack shows as they are: no mentions, no links
// with false labels. Only the fallback line of the push notification is markup, and is escaped.

import { z } from "zod";
import { deliver, json, secretUrl } from "./http.ts";
import type { Notifier } from "./index.ts";
import { cut, plain } from "./text.ts";

const options = z.strictObject({
  url: secretUrl("The incoming webhook's URL, https://hooks.slack.com/services/…; treated as a secret."),
});

export const slack: Notifier<z.output<typeof options>> = {
  name: "slack",
  summary: "a message in a Slack channel, by incoming webhook",
  audience: "people",
  options,
  async send(message, { url }) {
    const { title, body } = plain(message, 2900);
    const escaped = title.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c] ?? c);
    await deliver({
      url,
      headers: json,
      body: JSON.stringify({
        text: escaped,
        blocks: [
          { type: "header", text: { type: "plain_text", text: cut(title, 150), emoji: false } },
          { type: "section", text: { type: "plain_text", text: body, emoji: false } },
        ],
        unfurl_links: false,
        unfurl_media: false,
      }),
      secrets: [url],
    });
  },
};
