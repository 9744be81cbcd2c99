// A real HTTP server that does to notifiers what the world does: answers, refuses, hangs, redirects, talks without end, recovers.

import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type Behave = (request: Seen, response: ServerResponse, nth: number) => void;

export interface HttpServer {
  readonly url: string;
  readonly seen: Seen[];
  behave: Behave;
  close(): Promise<void>;
}

export const ok: Behave = (_, response) => response.end('{"ok":true}');
export const status =
  (code: number, body = "", headers: Record<string, string> = {}): Behave =>
  (_, response) => {
    response.writeHead(code, headers);
    response.end(body);
  };
/** Takes the request and never says a word. */
export const hang: Behave = () => undefined;
/** Says 200 and then talks until it is hung up on. */
export const endless: Behave = (_, response) => {
  response.writeHead(200);
  const line = "x".repeat(16_384);
  const more = (): void => {
    if (response.destroyed) return;
    if (response.write(line)) setTimeout(more, 1);
    else response.once("drain", more);
  };
  more();
};
/** One byte now and then. */
export const drip: Behave = (_, response) => {
  response.writeHead(200);
  const timer = setInterval(() => response.write("."), 50);
  response.on("close", () => clearInterval(timer));
};

export async function startHttp(behave: Behave = ok): Promise<HttpServer> {
  const seen: Seen[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const one = {
        method: request.method ?? "",
        path: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks).toString("utf8"),
      };
      seen.push(one);
      self.behave(one, response, seen.length);
    });
  });
  await new Promise<void>((go) => server.listen(0, "127.0.0.1", go));
  const self: HttpServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    behave,
    async close() {
      server.closeAllConnections();
      await new Promise<void>((go) => server.close(() => go()));
    },
  };
  return self;
}
