// How much: a million lines of auth.log through the whole daemon path (read, match, time, count, decide), per CPU second, next to peers.

import { spawnSync } from "node:child_process";
import { openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configure, type Lab, startDaemon, until } from "../support/lab.ts";
import { makeAuthLog } from "./authlog.ts";
import { cpuSeconds, type Result } from "./measure.ts";
import { hasFail2ban, sshguardParser, startFail2ban } from "./peers.ts";

const total = 1_000_000;
const warmUp = total;
/** fail2ban needs a minute for a million; a tenth tells the same. */
const forFail2ban = 100_000;

const others = [
  "dropbear",
  "postfix",
  "dovecot",
  "vsftpd",
  "proftpd",
  "pure-ftpd",
  "exim",
  "sendmail-auth",
  "cyrus-imap",
  "courier-auth",
  "asterisk",
  "named-refused",
  "webmin-auth",
  "xrdp",
  "slapd",
  "openvpn",
  "stunnel",
  "screensharingd",
  "perdition",
  "sieve",
  "solid-pop3d",
  "uwimap-auth",
  "wuftpd",
  "gssftpd",
  "xinetd-fail",
  "proxmox",
  "dante",
  "pam-generic",
  "froxlor-auth",
];

async function run(
  lab: Lab,
  log: string,
  copy: string,
  jails: readonly string[],
  name: string,
): Promise<number> {
  const tables = jails
    .map(
      (jail) =>
        `[jails.${jail}]\nenabled = true\nbackend = "polling"\nlogpath = ["${copy}"]\nmaxretry = 5\naccept_spoofable = true\naccept_forgeable = true\n`,
    )
    .join("");
  const files = configure(lab, `[defaults]\nfindtime = "1d"\nbanaction = "print"\n${tables}`, name);
  writeFileSync(
    files.config,
    `${(await Bun.file(files.config).text()).replace('loglevel = "debug"', 'loglevel = "notice"')}`,
  );
  writeFileSync(copy, "");
  const daemon = await startDaemon(lab, files, ["--dry-run"]);
  // As for the peer below: what is appended counts, once the engine has compiled what runs often.
  append(log, copy, warmUp);
  await stillness(daemon.pid(), 0.05);
  const before = cpuSeconds(daemon.pid());
  append(log, copy, total);
  await stillness(daemon.pid(), before + 0.2);
  const used = cpuSeconds(daemon.pid()) - before;
  await daemon.kill("SIGKILL");
  return used;
}

const append = (from: string, to: string, lines: number): void =>
  void spawnSync("sh", ["-c", 'head -n "$0" "$1" >> "$2"', String(lines), from, to]);

/** Resolves when a process has used more than `least` CPU seconds in all and then uses none any more. */
async function stillness(pid: number, least: number): Promise<void> {
  let last = -1;
  await until(
    "it has read all",
    async () => {
      const now = cpuSeconds(pid);
      const still = now > least && now - last < 0.03;
      last = now;
      await Bun.sleep(500);
      return still;
    },
    300_000,
    1,
  );
}

export async function* throughput(lab: Lab): AsyncGenerator<Result> {
  const log = join(lab.directory, "made.log");
  const made = await makeAuthLog(log, total, Date.now(), 2_000);
  const one = await run(lab, log, join(lab.directory, "one.log"), ["sshd"], "one");
  const rate = made.lines / one;
  yield {
    what: "f2b: auth.log lines per CPU second, sshd",
    value: rate,
    unit: "lines/s",
    how: `${total} lines appended, after ${warmUp} to warm up`,
  };
  const many = await run(lab, log, join(lab.directory, "many.log"), ["sshd", ...others], "many");
  yield {
    what: "f2b: the same with 30 jails on the log",
    value: made.lines / many,
    unit: "lines/s",
    how: "as above",
    aim: "≥ 1/3 of one jail",
    met: made.lines / many >= rate / 3,
  };
  const parser = sshguardParser();
  if (parser !== undefined) {
    const input = openSync(log, "r");
    const done = spawnSync("bash", ["-c", 'time -p "$0" < "$1" > /dev/null', parser, log], {
      stdio: [input, "ignore", "pipe"],
      encoding: "utf8",
    });
    const seconds = [...done.stderr.matchAll(/^(?:user|sys) ([\d.]+)/gm)].reduce(
      (sum, match) => sum + Number(match[1]),
      0,
    );
    yield {
      what: "sshg-parser: lines per CPU second",
      value: made.lines / seconds,
      unit: "lines/s",
      how: "parser alone, same file",
    };
    yield {
      what: "ratio f2b / sshg-parser",
      value: rate / (made.lines / seconds),
      unit: "×",
      how: "per CPU second",
      aim: "≥ 4",
      met: rate / (made.lines / seconds) >= 4,
    };
  }
  if (hasFail2ban()) {
    const short = join(lab.directory, "short.log");
    spawnSync("sh", ["-c", 'tail -n "$0" "$1" > "$2"', String(forFail2ban), log, `${short}.tmp`]);
    writeFileSync(short, "");
    const peer = await startFail2ban(lab, short, { maxretry: 5, action: "", findtime: "1d" });
    const begin = cpuSeconds(peer.process.pid ?? -1);
    spawnSync("sh", ["-c", 'cat "$0" >> "$1"', `${short}.tmp`, short]);
    await stillness(peer.process.pid ?? -1, begin + 1);
    const seconds = cpuSeconds(peer.process.pid ?? -1) - begin;
    await peer.stop();
    yield {
      what: "fail2ban-server: lines per CPU second",
      value: forFail2ban / seconds,
      unit: "lines/s",
      how: `${forFail2ban} lines appended`,
    };
    yield {
      what: "ratio f2b / fail2ban",
      value: rate / (forFail2ban / seconds),
      unit: "×",
      how: "per CPU second",
      aim: "≥ 100",
      met: rate / (forFail2ban / seconds) >= 100,
    };
  }
}
