// Microsoft Teams through a workflow's webhook, as an adaptive card. The text goes into RichTextBlock runs, which, unlike TextBlock,
// know no markdown: no links with false labels.

import { z } from "zod";
import { deliver, json, secretUrl } from "./http.ts";
import type { Notifier } from "./index.ts";
import { plain } from "./text.ts";

const options = z.strictObject({
  url: secretUrl(
    'URL of the workflow "post to a channel when a webhook request is received"; treated as a secret.',
  ),
});

const run = (text: string, style: Readonly<Record<string, unknown>> = {}) => ({
  type: "RichTextBlock",
  inlines: [{ type: "TextRun", text, ...style }],
});

/** A message may have 28 KB, as sent; less is where others saw it end. */
const mostBytes = 20_000;

function rows(body: string): unknown[] {
  const found: unknown[] = [];
  let left = mostBytes;
  for (const line of body.split("\n")) {
    const row = run(line, { fontType: "Monospace", size: "Small" });
    left -= Buffer.byteLength(JSON.stringify(row)) + 1;
    if (left < 0) return [...found, run("…")];
    found.push(row);
  }
  return found;
}

export const teams: Notifier<z.output<typeof options>> = {
  name: "teams",
  summary: "a card in a Microsoft Teams channel, by workflow webhook",
  audience: "people",
  options,
  async send(message, { url }) {
    const { title, body } = plain(message, 10_000);
    await deliver({
      url,
      headers: json,
      body: JSON.stringify({
        type: "message",
        attachments: [
          {
            contentType: "application/vnd.microsoft.card.adaptive",
            content: {
              type: "AdaptiveCard",
              $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
              version: "1.4",
              body: [run(title, { weight: "Bolder" }), ...rows(body)],
            },
          },
        ],
      }),
      secrets: [url],
    });
  },
};
