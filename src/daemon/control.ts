// The control socket: HTTP with JSON bodies over a unix socket, mode 0600 (0660 for a configured group). It parses, bounds and routes;
// what a route does stands in the command's own file. Nothing here can name a file to read or write.

import { chmodSync, chownSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Answer, Route } from "../commands/index.ts";
import type { Fault } from "../core/domain.ts";
import type { System } from "../system/index.ts";
import type { Daemon } from "./daemon.ts";

const maxBody = 1024 * 1024;

/** Thrown by a route for what the asker did wrong; becomes the answer's status and fault. */
export class Refusal extends Error {
  constructor(
    readonly status: 400 | 404 | 409 | 422 | 503,
    readonly fault: Fault,
  ) {
    super(fault.what);
  }
}

export interface Control {
  close(): void;
}

/** True when somebody answers on the socket. */
export async function alive(path: string): Promise<boolean> {
  const { connect } = await import("node:net");
  return new Promise((resolve) => {
    const probe = connect(path);
    const done = (answer: boolean): void => {
      probe.destroy();
      resolve(answer);
    };
    probe.once("connect", () => done(true));
    probe.once("error", () => done(false));
    setTimeout(() => done(false), 1000).unref();
  });
}

/**
 * Makes the place for the socket: a directory of our own, in which a stale socket file of ours is removed. A living one, or something
 * else in its place, is a fault; asked before anything is done that another daemon would notice.
 */
export async function makeWay(system: System, path: string): Promise<Fault | undefined> {
  const directory = dirname(path);
  const inherited = process.umask(0o022);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  } catch (error) {
    return cannot(path, error);
  } finally {
    process.umask(inherited);
  }
  const strangers = whoElseMayReplace(system, directory);
  if (strangers !== undefined) return strangers;
  const there = system.files.lstat(path);
  if (there === undefined) return undefined;
  if (there.kind !== "socket") {
    return {
      what: `${path} is a ${there.kind}, not a socket`,
      fix: "move it away, or set another [daemon] socket",
    };
  }
  if (await alive(path))
    return {
      what: `${path} is in use by a running daemon`,
      fix: "f2b stop, or set another [daemon] socket",
    };
  try {
    rmSync(path);
  } catch (error) {
    return cannot(path, error);
  }
  return undefined;
}

/** Binds the socket, for which `makeWay` has made the place. */
export function openControl(
  system: System,
  path: string,
  gid: number | undefined,
  routes: ReadonlyMap<string, Route>,
  daemon: Daemon,
): Control | Fault {
  const umask = process.umask(0o177);
  let server: Bun.Server<undefined>;
  try {
    server = Bun.serve({
      unix: path,
      maxRequestBodySize: maxBody,
      fetch: (request) => answer(request, routes, daemon, system),
      error: () =>
        Response.json({ fault: { what: "the daemon failed on this request; see its log" } }, { status: 500 }),
    });
  } catch (error) {
    return cannot(path, error);
  } finally {
    process.umask(umask);
  }
  if (gid !== undefined) {
    try {
      // Not root: only to a group that the service's user is in (SupplementaryGroups= of the unit).
      chownSync(path, process.geteuid?.() ?? 0, gid);
      chmodSync(path, 0o660);
    } catch (error) {
      void server.stop(true);
      return cannot(path, error);
    }
  }
  return {
    close() {
      void server.stop(true);
      rmSync(path, { force: true });
    },
  };
}

/** Whoever may put another socket in the place of ours is asked instead of us. In a directory with the sticky bit nobody may. */
function whoElseMayReplace({ files }: System, directory: string): Fault | undefined {
  const stat = files.stat(directory);
  if (stat === undefined) return undefined;
  const self = process.geteuid?.() ?? 0;
  const foreign = stat.uid !== 0 && stat.uid !== self;
  const others = (stat.mode & 0o002) !== 0 || ((stat.mode & 0o020) !== 0 && stat.gid !== 0);
  if (!foreign && (!others || (stat.mode & 0o1000) !== 0)) return undefined;
  return {
    what: foreign
      ? `${directory}, where the control socket is to be, belongs to user ${stat.uid}`
      : `${directory}, where the control socket is to be, can be written by others`,
    why: "they could put a socket of their own there, and answer in f2b's place",
    fix: foreign ? `chown root ${directory}` : `chmod go-w ${directory}`,
  };
}

function cannot(path: string, error: unknown): Fault {
  return {
    what: `cannot open the control socket ${path}`,
    why: (error as Error).message,
    fix: "run as root, or set [daemon] socket to a place you may write to",
  };
}

async function answer(
  request: Request,
  routes: ReadonlyMap<string, Route>,
  daemon: Daemon,
  system: System,
): Promise<Response> {
  const url = new URL(request.url);
  const route = routes.get(`${request.method} ${url.pathname}`);
  if (route === undefined) {
    return Response.json(
      { fault: { what: `there is no ${request.method} ${url.pathname}` } },
      { status: 404 },
    );
  }
  try {
    const text = request.method === "GET" ? "" : await request.text();
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    return toResponse(
      await route({ query: Object.fromEntries(url.searchParams), body, signal: request.signal }, daemon),
      request.signal,
    );
  } catch (error) {
    if (error instanceof Refusal) return Response.json({ fault: error.fault }, { status: error.status });
    if (error instanceof SyntaxError)
      return Response.json({ fault: { what: "the request's body is not JSON" } }, { status: 400 });
    system.log.say(
      "error",
      `request ${request.method} ${url.pathname} failed: ${(error as Error).stack ?? String(error)}`,
    );
    return Response.json(
      { fault: { what: "the daemon failed on this request; see its log" } },
      { status: 500 },
    );
  }
}

function toResponse(result: Answer, signal: AbortSignal): Response {
  if ("json" in result) return Response.json(result.json, { status: result.status ?? 200 });
  if ("text" in result) {
    return new Response(result.text, {
      status: result.status ?? 200,
      headers: { "content-type": result.type },
    });
  }
  const iterator = result.stream[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await iterator.next();
      if (next.done === true || signal.aborted) controller.close();
      else controller.enqueue(encoder.encode(next.value));
    },
    async cancel() {
      await iterator.return?.();
    },
  });
  return new Response(body, { headers: { "content-type": result.type ?? "application/x-ndjson" } });
}
