// Matrix, by the client-server API. An m.notice, which other bots must not answer (no loops between bots), plain text only, and
// mentions declared to be nobody. The message id is the transaction id: a retry is recognised by the server.

import { z } from "zod";
import { caFile, deliver, url as httpUrl, json, readCa } from "./http.ts";
import type { Notifier } from "./index.ts";
import { readSecret, secret, secretFile } from "./secret.ts";
import { plain } from "./text.ts";

const options = z
  .strictObject({
    server: httpUrl("The homeserver's client API, https://matrix.example.org."),
    room: z
      .string()
      .regex(/^![^\s/?#]{1,254}$/, "must be a room id such as !abc:example.org (not an #alias)")
      .describe("Room id; the account must have joined the room, which must not be encrypted."),
    token: secret("Access token of the account that writes.").optional(),
    token_file: secretFile("Access token of the account that writes").optional(),
    ca_file: caFile,
  })
  .refine((o) => o.token !== undefined || o.token_file !== undefined, "token or token_file is needed");

export const matrix: Notifier<z.output<typeof options>> = {
  name: "matrix",
  summary: "a notice in a Matrix room",
  audience: "people",
  options,
  async send(message, options, system) {
    const token = readSecret(system, { value: options.token, file: options.token_file, what: "token" });
    const { title, body } = plain(message, 12_000);
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(options.room)}/send/m.room.message/${encodeURIComponent(message.id)}`;
    await deliver({
      url: options.server.replace(/\/+$/, "") + path,
      method: "PUT",
      headers: { ...json, authorization: `Bearer ${token}` },
      body: JSON.stringify({ msgtype: "m.notice", body: `${title}\n${body}`, "m.mentions": {} }),
      secrets: [token],
      ca: readCa(system, options.ca_file),
    });
  },
};
