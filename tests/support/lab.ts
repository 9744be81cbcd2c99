// A real machine under attack, in miniature: a "server" and "clients" in network namespaces of our own joined by a bridge, with a real
// OpenSSH server, real ssh clients, and the compiled executable as the daemon. Root only; skipped with its reason elsewhere.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const executable = process.env.F2B_EXECUTABLE ?? join(import.meta.dir, "../../dist/f2b");

/** Why the lab cannot be set up here; undefined: it can. In CI a reason is a failure, elsewhere a skip. */
export function labMissing(programs: readonly string[]): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  for (const program of ["ip", ...programs]) {
    if (!["/usr/sbin", "/usr/bin", "/sbin", "/bin"].some((place) => existsSync(join(place, program))))
      return `needs ${program}`;
  }
  if (!existsSync(executable)) return "needs dist/f2b (npm run build)";
  const probe = spawnSync("ip", ["netns", "add", `f2b-probe-${process.pid}`]);
  spawnSync("ip", ["netns", "del", `f2b-probe-${process.pid}`]);
  return probe.status === 0 ? undefined : "cannot make network namespaces";
}

/** The suite when it can run; says why not otherwise, and fails there in CI. */
export function ableTo(reason: string | undefined, what: string): boolean {
  if (reason === undefined) return true;
  if (process.env.CI !== undefined && process.env.CI !== "")
    throw new Error(`${what} must run in CI: ${reason}`);
  console.warn(`skipped: ${what}: ${reason}`);
  return false;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Host {
  readonly name: string;
  readonly v4: string;
  readonly v6: string;
  /** Runs to its end inside the host's namespace. */
  run(
    command: readonly string[],
    options?: { readonly input?: string; readonly env?: Record<string, string>; readonly timeout?: number },
  ): Ran;
  /** Starts a long-lived process inside. */
  start(
    command: readonly string[],
    options?: { readonly env?: Record<string, string>; readonly cwd?: string },
  ): ChildProcess;
}

export interface Lab {
  readonly directory: string;
  readonly server: Host;
  readonly clients: readonly Host[];
  close(): void;
}

const must = (command: readonly string[]): void => {
  const [program = "", ...rest] = command;
  const done = spawnSync(program, rest, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command.join(" ")}: ${done.stderr}`);
};

let count = 0;

/** Joins the server (198.51.100.1, 2001:db8:1::1) and clients (.11 on, ::11 on) by a bridge in a namespace of its own. */
export function openLab(clientCount = 2): Lab {
  const id = `${process.pid}-${count++}`;
  const directory = mkdtempSync(join(tmpdir(), "f2b-lab-"));
  const namespaces: string[] = [];
  const children: ChildProcess[] = [];
  const hub = `f2b-h-${id}`;

  function addNamespace(name: string): void {
    must(["ip", "netns", "add", name]);
    namespaces.push(name);
    must(["ip", "-n", name, "link", "set", "lo", "up"]);
  }

  function addHost(name: string, number: number): Host {
    const namespace = `f2b-${name}-${id}`;
    const v4 = `198.51.100.${number}`;
    const v6 = `2001:db8:1:${number}::${number}`;
    addNamespace(namespace);
    must([
      "ip",
      "-n",
      hub,
      "link",
      "add",
      `p${number}`,
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      namespace,
    ]);
    must(["ip", "-n", hub, "link", "set", `p${number}`, "master", "br0", "up"]);
    must(["ip", "-n", namespace, "addr", "add", `${v4}/24`, "dev", "eth0"]);
    must(["ip", "-n", namespace, "addr", "add", `${v6}/48`, "dev", "eth0", "nodad"]);
    must(["ip", "-n", namespace, "link", "set", "eth0", "up"]);
    const inside = (command: readonly string[]): string[] => ["netns", "exec", namespace, ...command];
    return {
      name: namespace,
      v4,
      v6,
      run(command, options = {}) {
        const done = spawnSync("ip", inside(command), {
          encoding: "utf8",
          timeout: options.timeout ?? 20_000,
          ...(options.input === undefined ? {} : { input: options.input }),
          env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...options.env },
          maxBuffer: 256 * 1024 * 1024,
        });
        return { code: done.status ?? -1, stdout: done.stdout, stderr: done.stderr };
      },
      start(command, options = {}) {
        const child = spawn("ip", inside(command), {
          stdio: ["ignore", "pipe", "pipe"],
          env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...options.env },
          ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        });
        child.stdout?.resume();
        child.stderr?.resume();
        children.push(child);
        return child;
      },
    };
  }

  addNamespace(hub);
  must(["ip", "-n", hub, "link", "add", "br0", "type", "bridge"]);
  must(["ip", "-n", hub, "link", "set", "br0", "up"]);
  const server = addHost("s", 1);
  const clients = Array.from({ length: clientCount }, (_, i) => addHost(`c${i}`, 11 + i));
  return {
    directory,
    server,
    clients,
    close() {
      for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
      // What they started in turn (rsyslogd, sshd's sessions) lives in our namespaces only.
      for (const namespace of namespaces) {
        const pids = spawnSync("ip", ["netns", "pids", namespace], { encoding: "utf8" })
          .stdout.split("\n")
          .filter((pid) => pid !== "");
        for (const pid of pids) process.kill(Number(pid), "SIGKILL");
      }
      for (const namespace of namespaces) spawnSync("ip", ["netns", "del", namespace]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A /dev of its own with a private /dev/log, so that the machine's syslog is not touched; then runs the rest of the words. */
const privateDev = `mount -t tmpfs tmpfs /dev && cd /dev && mknod -m 666 null c 1 3 && mknod -m 666 zero c 1 5 && mknod -m 666 random c 1 8 &&
mknod -m 666 urandom c 1 9 && mknod -m 666 tty c 5 0 && mkdir pts && mount -t devpts devpts pts -o newinstance,ptmxmode=0666 && ln -s pts/ptmx ptmx &&
ln -s /proc/self/fd fd && exec "$0" "$@"`;

/** A host key and a configuration for sshd; gives the configuration's path. */
function configureSshd(lab: Lab): string {
  const key = join(lab.directory, "hostkey");
  if (!existsSync(key)) must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
  const config = join(lab.directory, "sshd_config");
  writeFileSync(
    config,
    `HostKey ${key}\nPort 22\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\nUsePAM no\nPidFile none\nLogLevel INFO\nMaxStartups 100:30:200\nUseDNS no\n`,
  );
  return config;
}

/** What enters the mount namespace in which the journal is: put before a command of the server. */
export type Within = readonly string[];

/**
 * A real OpenSSH server that logs to a real systemd-journald, in a mount namespace of their own with a /run and /var/log of their own:
 * what runs in there sees this journal as the machine's.
 */
export async function startJournaldAndSshd(lab: Lab): Promise<Within> {
  const config = configureSshd(lab);
  const pidFile = join(lab.directory, "journald.pid");
  const journald = ["/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald"].find((path) =>
    existsSync(path),
  );
  lab.server.start([
    "unshare",
    "-m",
    "sh",
    "-c",
    privateDev,
    "sh",
    "-c",
    // journald asks the cgroups who is talking; "ip netns exec" has given us an empty /sys.
    `set -e
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log
mkdir -p /run/sshd /run/systemd/journal /run/log/journal
ln -s /run/systemd/journal/dev-log /dev/log
${journald} &
while ! [ -S /run/systemd/journal/dev-log ]; do sleep 0.05; done
echo $$ > ${pidFile}
exec /usr/sbin/sshd -D -f ${config}`,
  ]);
  await until("sshd listens", () => lab.server.run(["ss", "-ltn"]).stdout.includes(":22 "));
  return ["nsenter", `--mount=/proc/${readFileSync(pidFile, "utf8").trim()}/ns/mnt`];
}

/** A real OpenSSH server that logs through a real rsyslog to `log`, in a mount namespace of their own. */
export async function startSshd(lab: Lab, log: string): Promise<ChildProcess> {
  const config = configureSshd(lab);
  mkdirSync("/run/sshd", { recursive: true });
  const rsyslog = join(lab.directory, "rsyslog.conf");
  writeFileSync(
    rsyslog,
    `module(load="imuxsock")\nglobal(workDirectory="${lab.directory}")\n$ActionFileDefaultTemplate RSYSLOG_TraditionalFileFormat\n*.* action(type="omfile" file="${log}" fileCreateMode="0600")\n`,
  );
  writeFileSync(log, "");
  const child = lab.server.start([
    "unshare",
    "-m",
    "sh",
    "-c",
    privateDev,
    "sh",
    "-c",
    `rsyslogd -n -f ${rsyslog} -i ${join(lab.directory, "rsyslog.pid")} & while ! [ -S /dev/log ]; do sleep 0.05; done; exec /usr/sbin/sshd -D -f ${config}`,
  ]);
  await until("sshd listens", () => lab.server.run(["ss", "-ltn"]).stdout.includes(":22 "));
  return child;
}

/** One login attempt with a wrong password. Tells whether the server was reached at all. */
export function failLogin(
  client: Host,
  address: string,
  user = "root",
  seconds = 3,
): "refused login" | "no connection" {
  const ran = client.run(
    [
      "sshpass",
      "-p",
      "wrong",
      "ssh",
      "-o",
      "StrictHostKeyChecking=no",
      "-o",
      "UserKnownHostsFile=/dev/null",
      "-o",
      `ConnectTimeout=${seconds}`,
      "-o",
      "PreferredAuthentications=password",
      "-o",
      "PubkeyAuthentication=no",
      "-o",
      "NumberOfPasswordPrompts=1",
      `${user}@${address}`,
      "true",
    ],
    { timeout: (seconds + 5) * 1000 },
  );
  return /Permission denied/.test(ran.stderr) ? "refused login" : "no connection";
}

/** True when a TCP connection can be opened. */
export function connects(client: Host, address: string, port = 22, seconds = 1): boolean {
  const script = `import socket,sys
s=socket.create_connection((sys.argv[1],int(sys.argv[2])),float(sys.argv[3]))
s.close()`;
  return client.run(["python3", "-c", script, address, String(port), String(seconds)]).code === 0;
}

export interface RunningDaemon {
  readonly pid: () => number;
  readonly socket: string;
  readonly state: string;
  readonly log: () => string;
  /** A client command against this daemon. */
  f2b(...words: string[]): Ran;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export interface DaemonFiles {
  readonly config: string;
  readonly socket: string;
  readonly state: string;
  readonly log: string;
}

/** Paths for one daemon of the lab; writes the configuration with `[daemon]` put in front. */
export function configure(lab: Lab, toml: string, name = "f2b", loglevel = "debug"): DaemonFiles {
  const files = {
    config: join(lab.directory, `${name}.toml`),
    socket: join(lab.directory, `${name}.sock`),
    state: join(lab.directory, `${name}-state`),
    log: join(lab.directory, `${name}.log`),
  };
  mkdirSync(files.state, { recursive: true, mode: 0o700 });
  writeFileSync(
    files.config,
    `[daemon]\nsocket = "${files.socket}"\nstatedir = "${files.state}"\nlogtarget = "${files.log}"\nloglevel = "${loglevel}"\n${toml}`,
    { mode: 0o600 },
  );
  return files;
}

/** Starts the compiled daemon on the server and waits until it answers. `through` goes before it: a command that ends in exec. */
export async function startDaemon(
  lab: Lab,
  files: DaemonFiles,
  words: readonly string[] = [],
  through: readonly string[] = [],
): Promise<RunningDaemon> {
  const child = lab.server.start([...through, executable, "daemon", "-c", files.config, ...words]);
  let early = "";
  child.stderr?.on("data", (data: Buffer) => {
    early += data.toString();
  });
  let gone = false;
  child.once("exit", () => {
    gone = true;
  });
  const f2b = (...rest: string[]): Ran =>
    lab.server.run([executable, ...rest, "-s", files.socket, "-c", files.config]);
  const log = (): string => (existsSync(files.log) ? readFileSync(files.log, "utf8") : "");
  await until("the daemon is ready", () => {
    if (gone) throw new Error(`the daemon ended: ${early}${log()}`);
    return existsSync(files.socket) && log().includes("ready:") && f2b("ping").code === 0;
  });
  return {
    // `ip netns exec` replaces itself, so the child is the daemon.
    pid: () => child.pid ?? -1,
    socket: files.socket,
    state: files.state,
    log,
    f2b,
    async kill(signal) {
      if (gone) return;
      child.kill(signal);
      await until("the daemon is gone", () => gone, 20_000);
    },
  };
}

/** Polls until true; a deadline that passes is a failure that says what was waited for. */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  ms = 10_000,
  every = 20,
): Promise<void> {
  const end = performance.now() + ms;
  for (;;) {
    if (await check()) return;
    if (performance.now() > end) throw new Error(`waited ${ms} ms in vain: ${what}`);
    await Bun.sleep(every);
  }
}
