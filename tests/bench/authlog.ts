// A made-up auth.log as a host under attack writes it: about half failures of sshd, the rest what else is logged there.

import { once } from "node:events";
import { createWriteStream } from "node:fs";

/** Deterministic (mulberry32), so that all peers read the same bytes. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const users = ["root", "admin", "test", "oracle", "ubuntu", "postgres", "git", "deploy", "www", "guest"];
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export interface Made {
  readonly lines: number;
  readonly bytes: number;
  readonly failures: number;
}

/** Writes `lines` lines that end at `end` (ms), some 300 a second, from `offenders` addresses. */
export async function makeAuthLog(
  path: string,
  lines: number,
  end: number,
  offenders: number,
): Promise<Made> {
  const next = random(4711);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const out = createWriteStream(path);
  let bytes = 0;
  let failures = 0;
  let block = "";
  for (let i = 0; i < lines; i++) {
    const at = new Date(end - Math.floor((lines - i) / 300) * 1000);
    const two = (n: number): string => String(n).padStart(2, "0");
    const head = `${months[at.getMonth()]} ${String(at.getDate()).padStart(2, " ")} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} web1 `;
    const offender = Math.floor(next() * offenders);
    const host = `${10 + (offender >>> 16)}.${(offender >>> 8) & 255}.${offender & 255}.${1 + Math.floor(offender % 250)}`;
    const pid = 1000 + Math.floor(next() * 30000);
    const port = 1024 + Math.floor(next() * 60000);
    const dice = next();
    let text: string;
    if (dice < 0.28) {
      failures++;
      text = `sshd[${pid}]: Failed password for ${pick(users)} from ${host} port ${port} ssh2`;
    } else if (dice < 0.42) {
      failures++;
      text = `sshd[${pid}]: Failed password for invalid user ${pick(users)}${Math.floor(next() * 100)} from ${host} port ${port} ssh2`;
    } else if (dice < 0.52) {
      failures++;
      text = `sshd[${pid}]: Invalid user ${pick(users)}${Math.floor(next() * 100)} from ${host} port ${port}`;
    } else if (dice < 0.6)
      text = `sshd[${pid}]: Connection closed by authenticating user ${pick(users)} ${host} port ${port} [preauth]`;
    else if (dice < 0.68)
      text = `sshd[${pid}]: Received disconnect from ${host} port ${port}:11: Bye Bye [preauth]`;
    else if (dice < 0.76)
      text = `sshd[${pid}]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=${host}  user=${pick(users)}`;
    else if (dice < 0.82)
      text = `CRON[${pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)`;
    else if (dice < 0.88) text = `CRON[${pid}]: pam_unix(cron:session): session closed for user root`;
    else if (dice < 0.92)
      text = `sudo: deploy : TTY=pts/0 ; PWD=/srv ; USER=root ; COMMAND=/usr/bin/systemctl restart app`;
    else if (dice < 0.96) text = `systemd-logind[512]: New session ${pid} of user deploy.`;
    else
      text = `sshd[${pid}]: Accepted publickey for deploy from 192.0.2.${1 + Math.floor(next() * 200)} port ${port} ssh2: ED25519 SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG`;
    block += `${head}${text}\n`;
    if (block.length > 1_000_000 || i === lines - 1) {
      bytes += block.length;
      if (!out.write(block)) await once(out, "drain");
      block = "";
    }
  }
  out.end();
  await once(out, "finish");
  return { lines, bytes, failures };
}
