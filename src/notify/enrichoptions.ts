// The keys of [enrichment], apart from what does the work: a start without messages needs neither.

import { z } from "zod";
import { once } from "../core/lazily.ts";

export const enrichOptions = once(() =>
  z.strictObject({
    reversedns: z
      .boolean()
      .default(false)
      .describe(
        "Ask DNS for the name of a banned address. The owner of the address chooses that name and sees the question.",
      ),
    rdap: z
      .boolean()
      .default(false)
      .describe(
        "Ask the address registries (RDAP, HTTPS) for network, organisation, country and abuse contact.",
      ),
    whois: z
      .boolean()
      .default(false)
      .describe("Ask the address registries by whois (port 43) for their text."),
    databases: z
      .array(z.string().startsWith("/", "must be an absolute path"))
      .max(8)
      .default([])
      .describe(
        "Files in MaxMind's format (.mmdb) for country and network; nothing leaves this host for them.",
      ),
  }),
);
export type EnrichOptions = z.output<ReturnType<typeof enrichOptions>>;

/** What holds without the table. */
export const noEnrichment: EnrichOptions = { reversedns: false, rdap: false, whois: false, databases: [] };
