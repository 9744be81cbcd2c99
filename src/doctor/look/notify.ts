// Looks whether notifications have somebody to talk to: a connection is opened and closed, nothing is sent.

import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import type { Config } from "../../config/index.ts";
import type { System } from "../../system/index.ts";
import type { NotifyFacts } from "../facts.ts";

/** What the daemon tells of each (GET /notify). */
export interface Told {
  readonly name: string;
  readonly state: string;
  readonly dropped: number;
  readonly lastError?: string;
}

export function lookAtNotify(system: System, config: Config, told: readonly Told[]): Promise<NotifyFacts[]> {
  const uses = Object.values(config.notify).filter((use) => use.rules.enabled);
  return Promise.all(
    uses.map(async (use): Promise<NotifyFacts> => {
      const options = use.options as Readonly<Record<string, unknown>>;
      const status = told.find((one) => one.name === use.name);
      const server = serverOf(options);
      const [program] = Array.isArray(options.command)
        ? (options.command as unknown[])
        : options.via === "sendmail"
          ? [options.program]
          : [];
      const file = Object.entries(options).find(
        ([key, value]) => /_file$/.test(key) && key !== "ca_file" && typeof value === "string",
      )?.[1];
      return {
        name: use.name,
        type: use.type,
        dropped: status?.dropped ?? 0,
        ...(status === undefined ? {} : { state: status.state }),
        ...(status?.lastError === undefined ? {} : { lastError: status.lastError }),
        ...(server === undefined ? {} : { server: { ...server, answer: await answer(server) } }),
        ...(typeof program === "string"
          ? { program: { path: program, present: kindOf(system, program) === "fine" } }
          : {}),
        ...(typeof file === "string" ? { secretFile: { path: file, state: secretState(system, file) } } : {}),
      };
    }),
  );
}

/** Where its messages go, as far as the options say: a URL, or host and port of a TCP service. */
export function serverOf(
  options: Readonly<Record<string, unknown>>,
): { readonly host: string; readonly port: number } | undefined {
  const url = [options.url, options.server, options.homeserver].find(
    (one) => typeof one === "string" && URL.canParse(one),
  );
  if (typeof url === "string") {
    const { hostname, port, protocol } = new URL(url);
    return {
      host: hostname.replace(/^\[|\]$/g, ""),
      port: port === "" ? (protocol === "http:" ? 80 : 443) : Number(port),
    };
  }
  if (typeof options.host !== "string" || options.via === "sendmail" || options.transport === "udp")
    return undefined;
  const mail = options.tls === "implicit" ? 465 : options.username === undefined ? 25 : 587;
  const port = typeof options.port === "number" ? options.port : "via" in options ? mail : undefined;
  return port === undefined ? undefined : { host: options.host, port };
}

async function answer({
  host,
  port,
}: {
  readonly host: string;
  readonly port: number;
}): Promise<"open" | "closed" | "unknown name"> {
  try {
    await lookup(host);
  } catch {
    return "unknown name";
  }
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 3000 });
    const end = (what: "open" | "closed") => (): void => {
      socket.destroy();
      resolve(what);
    };
    socket.once("connect", end("open")).once("error", end("closed")).once("timeout", end("closed"));
  });
}

function kindOf(system: System, path: string): "fine" | "absent" {
  try {
    return system.files.stat(path)?.kind === "file" ? "fine" : "absent";
  } catch {
    return "absent";
  }
}

function secretState(system: System, path: string): "fine" | "absent" | "open" {
  try {
    const stat = system.files.stat(path);
    return stat === undefined ? "absent" : (stat.mode & 0o007) !== 0 ? "open" : "fine";
  } catch {
    // Behind a directory that only root may enter: that is as it should be.
    return "fine";
  }
}
