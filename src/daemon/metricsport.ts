// GET /metrics on a port, where [metrics] listen asks for one. The same text as on the control socket, and nothing else: whoever can
// reach the port can read names of jails and numbers, no addresses, and can change nothing.

import type { Config } from "../config/index.ts";
import type { Daemon } from "./daemon.ts";
import { gatherMetrics } from "./statistics.ts";

export interface MetricsPort {
  /** Opens, moves or closes the port as the configuration wants it now. */
  align(): void;
  close(): void;
}

export function createMetricsPort(daemon: Daemon): MetricsPort {
  let open: { readonly key: string; readonly server: ReturnType<typeof serve> } | undefined;

  function serve(listen: NonNullable<Config["metrics"]["listen"]>) {
    return Bun.serve({
      hostname: listen.host,
      port: listen.port,
      async fetch(request) {
        const url = new URL(request.url);
        // A web page that had its own name point here (DNS rebinding) must not read.
        if (!/^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname))
          return new Response("", { status: 403 });
        if (url.pathname !== "/metrics") return new Response("GET /metrics\n", { status: 404 });
        if (request.method !== "GET" && request.method !== "HEAD") return new Response("", { status: 405 });
        return new Response(await gatherMetrics(daemon), {
          headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
        });
      },
      error(error) {
        daemon.system.log.say("error", `metrics: ${error.message}`);
        return new Response("", { status: 500 });
      },
    });
  }

  function close(): void {
    void open?.server.stop(true);
    open = undefined;
  }

  return {
    close,
    align() {
      const { listen } = daemon.core.config.metrics;
      const key = listen === undefined ? "" : `${listen.host} ${listen.port}`;
      if (key === (open?.key ?? "")) return;
      close();
      if (listen === undefined) return;
      try {
        open = { key, server: serve(listen) };
      } catch (error) {
        // Bans matter more than numbers about them.
        daemon.system.log.say(
          "warning",
          `metrics: cannot listen on ${listen.host} port ${listen.port}: ${(error as Error).message}`,
        );
      }
    },
  };
}
