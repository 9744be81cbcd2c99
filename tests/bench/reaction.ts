// How soon: a line in the log → an address in the kernel; a burst of offenders; start; a client command; and what it weighs.

import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  configure,
  type DaemonFiles,
  executable,
  type Lab,
  labMissing,
  startDaemon,
  until,
} from "../support/lab.ts";
import { median, percentile, type Result, residentMb } from "./measure.ts";
import { hasFail2ban, hasSshguard, startFail2ban, startSshguard } from "./peers.ts";

const line = (address: string): string => {
  const at = new Date();
  const stamp = `${at.toLocaleString("en", { month: "short" })} ${String(at.getDate()).padStart(2)} ${at.toTimeString().slice(0, 8)}`;
  return `${stamp} web1 sshd[812]: Failed password for root from ${address} port 4022 ssh2\n`;
};
const addressOf = (n: number, base: number): string =>
  `${base}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${1 + (n & 127)}`.replace(/\.\d+$/, (last) => last);

function jail(lab: Lab, log: string): DaemonFiles {
  const toml = `[defaults]\nbanaction = "nftables"\n[jails.sshd]\nenabled = true\nlogpath = ["${log}"]\nmaxretry = 1\nbantime = "1h"\n`;
  return configure(lab, toml, "f2b", "notice");
}

/**
 * Milliseconds from writing the line of each offender to the kernel's own word that the address stands in a set
 * (NFT_MSG_NEWSETELEM, sent when a transaction is carried out). Line and word are taken by one process inside the namespace: what
 * `nft monitor` and a pipe behind it take to tell the same would be counted too otherwise (0.6–0.9 ms).
 */
function reactions(lab: Lab, log: string, base: number, count: number): number[] {
  const script = `import json,socket,sys,time
log,timeout=open(sys.argv[1],"a",buffering=1),20
told=socket.socket(socket.AF_NETLINK,socket.SOCK_RAW,12)
told.bind((0,0)); told.setsockopt(270,1,7); told.settimeout(timeout)
times=[]
for address,line in json.load(sys.stdin):
  time.sleep(0.04)
  value=b"\\x08\\x00\\x01\\x00"+socket.inet_aton(address)
  start=time.perf_counter()
  log.write(line)
  while value not in told.recv(1<<16):
    if time.perf_counter()>start+timeout: sys.exit(address+" did not come into the kernel")
  times.append((time.perf_counter()-start)*1000)
print(json.dumps(times))`;
  const offenders = Array.from({ length: count }, (_, i) => {
    const address = addressOf(i * 256 + 5, base);
    return [address, line(address)];
  });
  const ran = lab.server.run(["python3", "-c", script, log], {
    input: JSON.stringify(offenders),
    timeout: 120_000,
  });
  if (ran.code !== 0) throw new Error(ran.stderr);
  return JSON.parse(ran.stdout) as number[];
}

export async function* latency(lab: Lab): AsyncGenerator<Result> {
  const log = join(lab.directory, "auth.log");
  writeFileSync(log, "");
  const daemon = await startDaemon(lab, jail(lab, log));
  reactions(lab, log, 20, 5);
  const own = reactions(lab, log, 21, 50);
  await daemon.kill("SIGTERM");
  yield {
    what: "f2b: line → kernel, median",
    value: median(own),
    unit: "ms",
    how: "50 bans, idle daemon",
    aim: "< 1.5",
    met: median(own) < 1.5,
  };
  yield {
    what: "f2b: line → kernel, 99th percentile",
    value: percentile(own, 99),
    unit: "ms",
    how: "50 bans",
    aim: "< 6",
    met: percentile(own, 99) < 6,
  };
  if (hasFail2ban()) {
    const peer = await startFail2ban(lab, log, {
      maxretry: 1,
      action: 'nftables[type=multiport, port="ssh", protocol="tcp", name=sshd]',
    });
    const theirs = reactions(lab, log, 22, 15);
    await peer.stop();
    yield {
      what: "fail2ban: line → kernel, median",
      value: median(theirs),
      unit: "ms",
      how: "15 bans, pyinotify",
    };
    yield { what: "ratio fail2ban / f2b", value: median(theirs) / median(own), unit: "×", how: "medians" };
  }
  if (hasSshguard()) {
    const peer = await startSshguard(lab, log, 10);
    await Bun.sleep(1500); // its reader follows the log from then on
    try {
      const theirs = reactions(lab, log, 23, 20);
      yield { what: "sshguard: line → kernel, median", value: median(theirs), unit: "ms", how: "20 bans" };
    } catch (error) {
      console.error(`  sshguard takes no part: ${(error as Error).message}`);
    } finally {
      await peer.stop();
    }
  }
}

const countElements = (lab: Lab): number =>
  (lab.server.run(["nft", "list", "ruleset"]).stdout.match(/\b(?:30|31)\.\d+\.\d+\.\d+/g) ?? []).length;

export async function* burst(lab: Lab): AsyncGenerator<Result> {
  const log = join(lab.directory, "auth.log");
  writeFileSync(log, "");
  const offenders = 10_000;
  const text = offendersText(offenders);
  const daemon = await startDaemon(lab, jail(lab, log));
  const start = performance.now();
  appendFileSync(log, text);
  await until("all are in the kernel", () => countElements(lab) >= offenders, 30_000, 30);
  const took = performance.now() - start;
  yield {
    what: "f2b: 10,000 offenders at once, all in the kernel",
    value: took / 1000,
    unit: "s",
    how: "1 run, listing included",
    aim: "< 1.5",
    met: took < 1500,
  };
  await Bun.sleep(13_000); // what a storm needed is given back when it is quiet again
  yield {
    what: "f2b: memory with 10,000 bans",
    value: residentMb(daemon.pid()),
    unit: "MB",
    how: "VmRSS 13 s after the burst",
    aim: "< 58",
    met: residentMb(daemon.pid()) < 58,
  };
  await daemon.kill("SIGTERM");
  yield* peerBurst(lab, log);
}

/** fail2ban needs more than a minute for ten thousand; a tenth tells the same. */
const forPeer = 1000;

/** The same with fail2ban's own actions, one after the other. */
async function* peerBurst(lab: Lab, log: string): AsyncGenerator<Result> {
  if (!hasFail2ban()) return;
  for (const [name, action] of [
    ["nftables", 'nftables[type=multiport, port="ssh", protocol="tcp", name=sshd]'],
    ["iptables", 'iptables[type=multiport, port="ssh", protocol="tcp", name=sshd]'],
  ] as const) {
    if (name === "iptables" && labMissing(["iptables"]) !== undefined) continue;
    lab.server.run(["nft", "flush", "ruleset"]);
    writeFileSync(log, "");
    const peer = await startFail2ban(lab, log, { maxretry: 1, action });
    const start = performance.now();
    appendFileSync(log, offendersText(forPeer));
    await until("all are in the kernel", () => countElements(lab) >= forPeer, 180_000, 100);
    const took = (performance.now() - start) / 1000;
    const memory = residentMb(peer.process.pid ?? -1);
    peer.process.kill("SIGKILL");
    lab.server.run(["nft", "flush", "ruleset"]);
    yield {
      what: `fail2ban with its ${name} action: ${forPeer.toLocaleString("en")} offenders at once`,
      value: took,
      unit: "s",
      how: "1 run, a tenth of f2b's",
    };
    yield {
      what: `fail2ban with its ${name} action: memory with ${forPeer.toLocaleString("en")} bans`,
      value: memory,
      unit: "MB",
      how: "VmRSS",
    };
  }
}

const offendersText = (count: number): string =>
  Array.from({ length: count }, (_, i) =>
    line(`30.${(i >>> 14) & 255}.${(i >>> 7) & 127}.${1 + (i & 127)}`),
  ).join("");

export async function* startup(lab: Lab): AsyncGenerator<Result> {
  const log = join(lab.directory, "auth.log");
  writeFileSync(log, "");
  const files = jail(lab, log);
  const empty: number[] = [];
  for (let i = 0; i < 10; i++) {
    const took = await timeToReady(lab, files);
    empty.push(took);
  }
  yield {
    what: "f2b: start to ready, no bans",
    value: median(empty),
    unit: "ms",
    how: "median of 10, process start to READY=1",
    aim: "< 50",
    met: median(empty) < 50,
  };
  const many = 100_000;
  const daemon = await startDaemon(lab, files);
  const list = Array.from(
    { length: many },
    (_, i) => `31.${(i >>> 14) & 255}.${(i >>> 7) & 127}.${1 + (i & 127)}`,
  );
  for (let i = 0; i < many; i += 20_000) {
    const answer = await fetch("http://f2b/ban", {
      unix: files.socket,
      method: "POST",
      body: JSON.stringify({ jail: "sshd", targets: list.slice(i, i + 20_000), for: "1d" }),
    });
    if (!answer.ok) throw new Error(await answer.text());
  }
  await daemon.kill("SIGTERM");
  lab.server.run(["nft", "flush", "ruleset"]);
  const cold = await timeToReady(lab, files);
  yield {
    what: "f2b: start with 100,000 standing bans, empty kernel",
    value: cold / 1000,
    unit: "s",
    how: "1 run",
    aim: "< 2",
    met: cold < 2000,
  };
  const warm = await timeToReady(lab, files);
  yield {
    what: "f2b: start with 100,000 standing bans, kernel holds them",
    value: warm / 1000,
    unit: "s",
    how: "1 run",
    aim: "< 2",
    met: warm < 2000,
  };
}

/** From starting the process to its READY=1, told through a socket as systemd would make one; started inside the namespace already. */
async function timeToReady(lab: Lab, files: DaemonFiles): Promise<number> {
  const script = `import socket,sys,subprocess,time
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);s.bind(sys.argv[1])
t=time.perf_counter()
c=subprocess.Popen([sys.argv[2],"daemon","-c",sys.argv[3]],env={"NOTIFY_SOCKET":sys.argv[1],"PATH":"/usr/sbin:/usr/bin"})
while b"READY=1" not in s.recv(4096): pass
print((time.perf_counter()-t)*1000)
c.terminate();c.wait()`;
  const notify = join(lab.directory, `notify-${crypto.randomUUID()}`);
  const ran = lab.server.run(["python3", "-c", script, notify, executable, files.config], {
    timeout: 60_000,
  });
  const took = Number(ran.stdout);
  if (ran.code !== 0 || !Number.isFinite(took)) throw new Error(ran.stderr);
  return took;
}

export async function* client(lab: Lab): AsyncGenerator<Result> {
  const log = join(lab.directory, "auth.log");
  writeFileSync(log, "");
  const files = jail(lab, log);
  const daemon = await startDaemon(lab, files);
  const times: number[] = [];
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    const done = Bun.spawnSync([executable, "status", "-s", files.socket]);
    times.push(performance.now() - start);
    if (done.exitCode !== 0) throw new Error(done.stderr.toString());
  }
  yield {
    what: "f2b: a client command (status)",
    value: median(times),
    unit: "ms",
    how: "median of 20",
    aim: "< 25",
    met: median(times) < 25,
  };
  await daemon.kill("SIGTERM");
}

export async function* memory(lab: Lab): AsyncGenerator<Result> {
  const log = join(lab.directory, "auth.log");
  writeFileSync(log, "");
  const daemon = await startDaemon(lab, jail(lab, log));
  await Bun.sleep(3000);
  const idle = residentMb(daemon.pid());
  await Bun.sleep(20_000);
  const later = residentMb(daemon.pid());
  yield {
    what: "f2b: memory, idle for a while",
    value: later,
    unit: "MB",
    how: "VmRSS after 23 s",
  };
  yield {
    what: "f2b: memory, idle",
    value: idle,
    unit: "MB",
    how: "VmRSS after 3 s",
    aim: "< 45",
    met: idle < 45,
  };
  await daemon.kill("SIGTERM");
  if (hasFail2ban()) {
    const peer = await startFail2ban(lab, log, { maxretry: 1, action: "" });
    await Bun.sleep(2000);
    yield {
      what: "fail2ban: memory, idle",
      value: residentMb(peer.process.pid ?? -1),
      unit: "MB",
      how: "VmRSS after 2 s",
    };
    await peer.stop();
  }
}
