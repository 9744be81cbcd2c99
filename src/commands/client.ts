// How a client command speaks with the daemon: HTTP with JSON over the unix socket.

import type { Fault } from "../core/domain.ts";
import { visible } from "../core/text.ts";
import { type Call, exits } from "./index.ts";

export const defaultSocket = "/run/f2b/f2b.sock";

export type Asked =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly exit: number };

type Reached =
  | { readonly ok: true; readonly response: Response }
  | { readonly ok: false; readonly exit: number };

/**
 * The socket to use: -s, else the configuration's when -c is given, else the default. Undefined, and told, where that configuration
 * does not say: the answer of another daemon than the one that was meant would mislead.
 */
async function socketOf(call: Call): Promise<string | undefined> {
  if (call.socket !== undefined) return call.socket;
  if (call.config === undefined) return defaultSocket;
  const { faultText, loadConfig } = await import("../config/index.ts");
  const loaded = loadConfig({ path: call.config, system: call.system });
  if (loaded.ok) return loaded.value.daemon.socket;
  const faults = loaded.faults.map((fault) => faultText(fault, () => undefined));
  for (const text of faults) call.err(text);
  tell(call, {
    what: "so it is not known which daemon is meant",
    ...(call.json ? { why: faults.join("") } : {}),
    fix: `name its socket: -s ${defaultSocket}`,
  });
  return undefined;
}

/** On stderr, and with --json on stdout as well, as the daemon's own refusals. */
function tell(call: Call, fault: Fault): void {
  if (call.json) call.out(`${JSON.stringify({ fault })}\n`);
  call.err(`f2b: ${visible(fault.what)}\n${fault.fix === undefined ? "" : `  fix: ${visible(fault.fix)}\n`}`);
}

/** Opens a request; the reason is told when the daemon cannot be reached. */
export async function reach(
  call: Call,
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Reached> {
  const socket = await socketOf(call);
  if (socket === undefined) return { ok: false, exit: exits.configuration };
  const unreached: Reached = { ok: false, exit: exits.unavailable };
  try {
    const response = await fetch(`http://f2b${path}`, {
      unix: socket,
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      ...(signal === undefined ? {} : { signal }),
    });
    return { ok: true, response };
  } catch (error) {
    if (signal?.aborted === true) return unreached;
    const code = (error as NodeJS.ErrnoException).code ?? "";
    const stat = call.system.files.stat(socket);
    const why =
      stat === undefined
        ? `there is no socket ${socket}`
        : code === "EACCES" || (process.getuid?.() !== 0 && stat.kind === "socket")
          ? `you may not use ${socket} (mode ${(stat.mode & 0o777).toString(8)}, uid ${stat.uid}): try with sudo`
          : `nobody listens on ${socket}`;
    tell(call, {
      what: `cannot reach the daemon: ${why}`,
      ...(stat === undefined
        ? { fix: "is it running?  systemctl status f2b  |  f2b daemon  |  f2b init" }
        : {}),
    });
    return unreached;
  }
}

/** One question, one JSON answer. An answer of 4xx or 5xx prints its faults and becomes the exit code. */
export async function ask(call: Call, method: "GET" | "POST", path: string, body?: unknown): Promise<Asked> {
  const reached = await reach(call, method, path, body);
  if (!reached.ok) return reached;
  const { response } = reached;
  const text = await response.text();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    call.err(`f2b: the daemon's answer is not JSON: ${visible(text.slice(0, 200))}\n`);
    return { ok: false, exit: exits.broken };
  }
  if (response.ok) return { ok: true, value };
  if (call.json) call.out(`${JSON.stringify(value)}\n`);
  const fault = (value as { fault?: { what?: string; why?: string; fix?: string } }).fault ?? {};
  call.err(`f2b: ${visible(fault.what ?? `the daemon answered ${response.status}`)}\n`);
  if (fault.why !== undefined) call.err(`  why: ${fault.why.split("\n").map(visible).join("\n")}\n`);
  if (fault.fix !== undefined) call.err(`  fix: ${visible(fault.fix)}\n`);
  return { ok: false, exit: exitOf(response.status) };
}

function exitOf(status: number): number {
  if (status === 404 || status === 409) return exits.no;
  if (status === 422) return exits.configuration;
  return status >= 500 ? exits.broken : exits.usage;
}

/** Asks, and prints the answer: as JSON, else through `print`; `judge` gives the exit code in both cases. */
export async function show<T>(
  call: Call,
  method: "GET" | "POST",
  path: string,
  body: unknown,
  print: (value: T) => void,
  judge: (value: T) => number = () => exits.fine,
): Promise<number> {
  const asked = await ask(call, method, path, body);
  if (!asked.ok) return asked.exit;
  if (call.json) call.out(`${JSON.stringify(asked.value, null, 2)}\n`);
  else print(asked.value as T);
  return judge(asked.value as T);
}
