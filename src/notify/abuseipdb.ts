// Reports banned addresses to AbuseIPDB (API v2). Only bans for failures are reported, never an operator's or an import; log lines,
// which may hold user names and passwords, are never sent.

import { z } from "zod";
import { plural } from "../core/text.ts";
import { Failure } from "./failure.ts";
import { deliver, http, url as httpUrl, refusal } from "./http.ts";
import type { Event, Notifier } from "./index.ts";
import { readSecret, secret, secretFile } from "./secret.ts";

const categories = z.array(z.int().min(1).max(100)).min(1).max(20);

const options = z
  .strictObject({
    token: secret("API key.").optional(),
    token_file: secretFile("API key").optional(),
    categories: categories
      .default([18])
      .describe("Categories of a report; 18 is brute force, 22 SSH, 21 web application."),
    jail_categories: z
      .record(z.string(), categories)
      .default({})
      .describe("Categories by jail where they differ: { sshd = [18, 22] }."),
    comment: z
      .string()
      .max(500)
      .default("")
      .describe(
        "Sentence added to the public comment. Jail, number of failures and f2b are always named; your host never.",
      ),
    server: httpUrl("API server.").default("https://api.abuseipdb.com"),
  })
  .refine((o) => o.token !== undefined || o.token_file !== undefined, "token or token_file is needed");

const reported = (event: Event): event is Extract<Event, { kind: "ban" }> =>
  event.kind === "ban" &&
  event.ban.target.kind === "address" &&
  (event.ban.cause === "failures" || event.ban.cause === "recidive" || event.ban.cause === "campaign");

export const abuseipdb: Notifier<z.output<typeof options>> = {
  name: "abuseipdb",
  summary: "a public report of each banned address to AbuseIPDB",
  audience: "machines",
  accepts: ["ban"],
  options,
  async send(message, o, system) {
    const key = readSecret(system, { value: o.token, file: o.token_file, what: "token" });
    for (const [index, event] of message.events.entries()) {
      if (!reported(event)) continue;
      const { ban } = event;
      const comment = `f2b ${ban.jail}: ${plural(ban.failures, "failed attempt")}${o.comment === "" ? "" : `. ${o.comment}`}`;
      const call = {
        url: `${o.server.replace(/\/+$/, "")}/api/v2/report`,
        headers: { key, accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({
          ip: ban.target.text,
          categories: (Object.hasOwn(o.jail_categories, ban.jail)
            ? o.jail_categories[ban.jail]!
            : o.categories
          ).join(","),
          comment,
          timestamp: new Date(ban.since).toISOString(),
        }).toString(),
        secrets: [key],
      };
      try {
        const answer = await http(call);
        // 422 is its word for an address it has had from us less than 15 minutes ago, or one it takes no reports about.
        if (answer.status !== 422 && (answer.status < 200 || answer.status > 299))
          throw refusal(call, answer);
      } catch (error) {
        throw error instanceof Failure ? error.after(index) : error;
      }
    }
  },
  async probe(o, system) {
    const key = readSecret(system, { value: o.token, file: o.token_file, what: "token" });
    await deliver({
      url: `${o.server.replace(/\/+$/, "")}/api/v2/check?ipAddress=127.0.0.1`,
      headers: { key, accept: "application/json" },
      secrets: [key],
    });
  },
};
