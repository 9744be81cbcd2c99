// Reports banned addresses to blocklist.de through its HTTP interface (www.blocklist.de/en/httpreports.html), which wants the log
// lines as proof: configuring it is consenting to send them.

import { z } from "zod";
import { visibleLine } from "../core/text.ts";
import { Failure } from "./failure.ts";
import { deliver, url as httpUrl } from "./http.ts";
import type { Notifier } from "./index.ts";
import { readSecret, secret, secretFile } from "./secret.ts";

const options = z
  .strictObject({
    email: z.email().describe("Sender address the server is registered with at blocklist.de."),
    token: secret("The server's API key.").optional(),
    token_file: secretFile("The server's API key").optional(),
    service: z
      .string()
      .regex(/^[a-z0-9-]{1,32}$/, "must be a service name such as ssh")
      .optional()
      .describe(
        "Service that was attacked, as blocklist.de names it (ssh, imap, ftp, …); the jail's name by default.",
      ),
    server: httpUrl("Where reports go.").default("https://www.blocklist.de/en/httpreports.html"),
  })
  .refine((o) => o.token !== undefined || o.token_file !== undefined, "token or token_file is needed");

export const blocklistDe: Notifier<z.output<typeof options>> = {
  name: "blocklist-de",
  summary: "a report of each banned address, with its log lines, to blocklist.de",
  audience: "machines",
  accepts: ["ban"],
  options,
  wants: () => ["lines"],
  async send(message, o, system) {
    const key = readSecret(system, { value: o.token, file: o.token_file, what: "token" });
    for (const [index, event] of message.events.entries()) {
      if (event.kind !== "ban" || event.ban.target.kind !== "address" || event.ban.cause !== "failures")
        continue;
      const { ban } = event;
      // Nothing to prove it with: it would be refused.
      if (ban.lines.length === 0) continue;
      try {
        const answer = await deliver({
          url: o.server,
          headers: { "content-type": "application/x-www-form-urlencoded" },
          body: new URLSearchParams({
            server: o.email,
            apikey: key,
            service: o.service ?? ban.jail,
            ip: ban.target.text,
            logs: ban.lines.map((line) => visibleLine(line, 1000)).join("\n"),
            format: "json",
          }).toString(),
          secrets: [key],
        });
        const said = verdict(answer.body);
        if (said !== undefined)
          throw new Failure(
            `${new URL(o.server).host} refused the report: ${visibleLine(said.replaceAll(key, "•••"), 200)}`,
            {
              permanent: true,
            },
          );
      } catch (error) {
        throw error instanceof Failure ? error.after(index) : error;
      }
    }
  },
  async probe(o, system) {
    readSecret(system, { value: o.token, file: o.token_file, what: "token" });
  },
};

/** It answers 200 also to what it refuses; `status` is "error" then. What cannot be read counts as taken. */
function verdict(body: string): string | undefined {
  try {
    const answer = JSON.parse(body) as { status?: unknown; error?: unknown } | null;
    return answer?.status === "error" ? JSON.stringify(answer.error ?? "no reason given") : undefined;
  } catch {
    return undefined;
  }
}
