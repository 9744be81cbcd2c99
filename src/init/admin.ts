// From where the administrator is connected at this moment. sshd puts it into the environment; sudo takes it out again, so the
// processes above us are asked as well; last come the sessions that the login records know.

import { parseAddress } from "../core/address.ts";
import type { Address } from "../core/domain.ts";
import type { System } from "../system/index.ts";
import type { Admin } from "./facts.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** `sessions` are the peers of root's and sudoers' sessions (utmp, logind). */
export function findAdmin(system: System, env: Environment, sessions: readonly Address[]): Admin | undefined {
  const own = peerOf(env);
  if (own !== undefined) return { addresses: [own], how: "SSH_CONNECTION" };
  const above = peerAbove(system);
  if (above !== undefined) return { addresses: [above], how: "the ssh session above sudo" };
  const remote = sessions.filter((one) => !/^127\.|^::1$/.test(one));
  return remote.length === 0
    ? undefined
    : { addresses: [...new Set(remote)], how: "the login records (who)" };
}

/** SSH_CONNECTION is "client port server port"; SSH_CLIENT, older, begins alike (ssh(1)). A zone is not part of the address. */
export function peerOf(env: Environment): Address | undefined {
  const text = (env.SSH_CONNECTION ?? env.SSH_CLIENT ?? "").split(" ")[0] ?? "";
  const peer = parseAddress(text.split("%")[0] ?? "");
  return peer === undefined || /^127\.|^::1$/.test(peer) ? undefined : peer;
}

/** The environments of our ancestors, nearest first; root may read them all. */
function peerAbove(system: System): Address | undefined {
  const read = (path: string): string => {
    try {
      return Buffer.from(system.files.readFile(path)).toString("latin1");
    } catch {
      return ""; // not for our eyes, or gone
    }
  };
  let pid = "self";
  for (let depth = 0; depth < 32; depth++) {
    pid = /^PPid:\s+(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? "0";
    if (pid === "0" || pid === "1") return undefined;
    const lines = read(`/proc/${pid}/environ`).split("\0");
    const env = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    const peer = peerOf(env);
    if (peer !== undefined) return peer;
  }
  return undefined;
}
