// f2b init on a machine of our own: sshd and nginx run in a network namespace, with logs where distributions put them. What --yes writes
// makes a daemon that bans the attackers of both; in a real terminal the same is asked with keys.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse } from "smol-toml";
import {
  ableTo,
  connects,
  executable,
  failLogin,
  type Host,
  type Lab,
  labMissing,
  openLab,
  type Ran,
  startSshd,
  until,
} from "../support/lab.ts";

const programs = [
  "sshd",
  "ssh",
  "sshpass",
  "python3",
  "rsyslogd",
  "unshare",
  "nsenter",
  "nginx",
  "nft",
  "openssl",
  "mount",
  "pgrep",
];
const able = ableTo(labMissing([...programs, "tmux", "script"]), "f2b init on a machine with sshd and nginx");

describe.skipIf(!able)("a machine with sshd and nginx", () => {
  let lab: Lab;
  let inside: readonly string[];
  /** The server's /etc is a copy. */
  const etc = (...names: readonly string[]): string => join(lab.directory, "etc", ...names);
  const written = (): string => readFileSync(etc("f2b", "f2b.toml"), "utf8");
  const admin = (): Host => host(2);
  const host = (n: number): Host => {
    const found = lab.clients[n];
    if (found === undefined) throw new Error("the lab has three clients");
    return found;
  };
  /** On the server, where /var/log, /run and /var/lib are the lab's. */
  const run = (command: readonly string[], env: Record<string, string> = {}): Ran =>
    lab.server.run([...inside, ...command], { env, timeout: 60_000 });
  const f2b = (...words: string[]): Ran => run([executable, ...words]);

  beforeAll(async () => {
    lab = openLab(3);
    const log = join(lab.directory, "log");
    mkdirSync(join(log, "nginx"), { recursive: true });
    await startSshd(lab, join(log, "auth.log"));
    const holder = lab.server.start([
      "unshare",
      "-m",
      "sh",
      "-c",
      `cp -a /etc ${etc()} && rm -rf ${etc("fail2ban")} ${etc("f2b")} && mount --bind ${etc()} /etc && mount --bind ${log} /var/log &&
mount -t tmpfs run /run && mount -t tmpfs lib /var/lib && mount -t tmpfs sbin /usr/local/sbin && mkdir -p /run/sshd /var/lib/nginx &&
touch /run/made && exec sleep 100000`,
    ]);
    inside = ["nsenter", `--mount=/proc/${holder.pid}/ns/mnt`];
    await until("the machine is made", () => run(["test", "-e", "/run/made"]).code === 0);
    const hash = spawnSync("openssl", ["passwd", "-apr1", "right"], { encoding: "utf8" }).stdout.trim();
    writeFileSync(join(lab.directory, "users"), `bob:${hash}\n`);
    const nginx = join(lab.directory, "nginx.conf");
    writeFileSync(
      nginx,
      `daemon off; pid /run/nginx.pid; user root; error_log /var/log/nginx/error.log; events {}
http { access_log /var/log/nginx/access.log; server { listen 80; listen [::]:80; listen 8080; location / {
auth_basic "x"; auth_basic_user_file ${join(lab.directory, "users")}; return 200 "fine"; } location /in { auth_basic "x";
auth_basic_user_file ${join(lab.directory, "users")}; } location = /wp-login.php { return 200 "wrong"; } } }\n`,
    );
    lab.server.start([...inside, "nginx", "-c", nginx]);
    await until("nginx listens", () => connects(admin(), lab.server.v4, 80));
  }, 60_000);
  afterAll(() => lab?.close());

  /** A request with a wrong password; the status, or "" without an answer. */
  const knock = (from: Host): string => {
    const script = `import sys,urllib.request,base64
q=urllib.request.Request("http://%s/in"%sys.argv[1],headers={"Authorization":"Basic "+base64.b64encode(b"bob:wrong").decode()})
try: print(urllib.request.urlopen(q,timeout=2).status)
except urllib.error.HTTPError as e: print(e.code)
except Exception: print("")`;
    return from.run(["python3", "-c", script, lab.server.v4]).stdout.trim();
  };
  const connection = (): Record<string, string> => ({
    SSH_CONNECTION: `${admin().v4} 40000 ${lab.server.v4} 22`,
  });

  test("--print shows what would be written and writes nothing", () => {
    const printed = run([executable, "init", "--print"], connection());
    expect(printed.stderr).toBe("");
    const { jails, defaults } = parse(printed.stdout) as {
      jails: Record<string, unknown>;
      defaults: unknown;
    };
    expect(defaults).toMatchObject({ banaction: "nftables", ignoreip: [admin().v4] });
    expect(Object.keys(jails)).toEqual(
      expect.arrayContaining(["sshd", "nginx-http-auth", "web-scan", "recidive"]),
    );
    expect(jails["nginx-http-auth"]).toMatchObject({ enabled: true, port: ["http", "https", 8080] });
    expect(jails).not.toHaveProperty("nginx-limit-req");
    expect(jails).not.toHaveProperty("wordpress");
    expect(existsSync(etc("f2b"))).toBe(false);
  });

  let terminals = 0;
  /** A real terminal; each has a socket of its own: a server that is just being killed would take the next one along. */
  function openTerminal(command: readonly string[], env: Record<string, string>) {
    const socket = join(lab.directory, `tmux${terminals++}`);
    const tmux = (...words: string[]): string =>
      spawnSync("tmux", ["-S", socket, "-f", "/dev/null", ...words], { encoding: "utf8" }).stdout;
    const screen = (): string => tmux("capture-pane", "-p", "-S", "-500");
    const set = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const words = ["ip", "netns", "exec", lab.server.name, ...inside, "env", ...set, ...command];
    const quoted = words.map((word) => `'${word}'`).join(" ");
    tmux(
      "new-session",
      "-d",
      "-x",
      "100",
      "-y",
      "40",
      `trap : INT; ${quoted}; echo "EXIT=$?"; exec sleep 1000`,
    );
    return {
      screen,
      /** Waits until the terminal shows it, then presses keys, as tmux names them. */
      async press(shows: string, ...keys: string[]): Promise<void> {
        await until(`the terminal shows ${shows}`, () => screen().includes(shows), 15_000, 50).catch(
          (error: Error) => {
            throw new Error(`${error.message}\n${screen()}`);
          },
        );
        if (keys.length > 0) tmux("send-keys", ...keys);
      },
      /** Takes what a question offers when it comes; done when `next` comes without it. */
      async skip(question: string, next: string): Promise<void> {
        await until(
          `${question} or ${next}`,
          () => screen().includes(question) || screen().includes(next),
          15_000,
          50,
        );
        if (screen().includes(question)) tmux("send-keys", "Enter");
      },
      close: () => tmux("kill-server"),
    };
  }

  test("in a pseudo-terminal, with keys; leaving at a question writes nothing", async () => {
    const left = join(lab.directory, "left", "f2b.toml");
    const first = openTerminal([executable, "init", "-c", left], connection());
    try {
      await first.press("Which services", "Enter");
      await first.press("Never ban this address?", "C-c");
      await first.press("EXIT=1");
      expect(first.screen()).toContain("Nothing was changed.");
      expect(existsSync(join(lab.directory, "left"))).toBe(false);
    } finally {
      first.close();
    }

    const path = join(lab.directory, "typed", "f2b.toml");
    const second = openTerminal([executable, "init", "-c", path], connection());
    try {
      await second.press("Which services", "Enter");
      await second.press("Never ban this address?", "n");
      await second.skip("Mail a daily report", "What now?"); // asked only where mail can be sent
      await second.press("What now?", "Enter");
      await second.press("EXIT=0");
      expect(second.screen()).toContain("What to type next");
      const typed = parse(readFileSync(path, "utf8"));
      expect(typed.defaults).not.toHaveProperty("ignoreip");
      expect(Object.keys(typed.jails as object)).toContain("sshd");
      expect(run([executable, "config", "check", path]).code).toBe(0);
    } finally {
      second.close();
    }
  }, 90_000);

  test("on a dumb terminal, line by line", () => {
    const path = join(lab.directory, "dumb", "f2b.toml");
    const ran = lab.server.run([...inside, "script", "-qefc", `${executable} init -c ${path}`, "/dev/null"], {
      input: "\n\n\n\n\n",
      env: { TERM: "dumb", ...connection() },
      timeout: 60_000,
    });
    expect(ran.stdout).toContain("Numbers to switch on or off");
    expect(ran.stdout).not.toContain("\x1b");
    expect(ran.code).toBe(0);
    expect(parse(readFileSync(path, "utf8"))).toMatchObject({ defaults: { ignoreip: [admin().v4] } });
  }, 60_000);

  test("--yes gives a configuration whose daemon bans the attackers of both, and not the administrator", async () => {
    const done = run([executable, "init", "--yes"], connection());
    expect(done.stderr).toBe("");
    expect(done.code).toBe(0);
    expect(done.stdout).toContain("there is no systemd here");
    let said = "";
    const daemon = lab.server.start([...inside, executable, "daemon"]);
    daemon.stderr?.on("data", (data: Buffer) => {
      said += data.toString();
    });
    await until("the daemon answers", () => f2b("ping").code === 0).catch((error: Error) => {
      throw new Error(`${error.message}\n${said}`);
    });
    // Sources are opened at start; what is logged from here on is live.
    await until("sshd and nginx are watched", () => /nginx-http-auth/.test(f2b("status").stdout));
    for (let i = 0; i < 5; i++) {
      expect(failLogin(host(0), lab.server.v4)).toBe("refused login");
      expect(knock(host(1))).toBe("401");
      expect(failLogin(admin(), lab.server.v4)).toBe("refused login");
    }
    await until("the one at sshd is banned", () => f2b("banned", host(0).v4).code === 0, 5000);
    await until("the one at nginx is banned", () => f2b("banned", host(1).v4).code === 0, 5000);
    expect(connects(host(0), lab.server.v4, 22)).toBe(false);
    expect(connects(host(1), lab.server.v4, 80)).toBe(false);
    // Beside the usual ports: the one that was found.
    expect(connects(host(1), lab.server.v4, 8080)).toBe(false);
    expect(f2b("banned", admin().v4).code).toBe(1);
    expect(connects(admin(), lab.server.v4, 22)).toBe(true);
  }, 90_000);

  test("a second --yes changes nothing", () => {
    const before = written();
    const again = run([executable, "init", "--yes"], connection());
    expect(again.stdout).toContain("only additions are proposed");
    expect(written()).toBe(before);
  }, 60_000);

  test("the preview names those that were at it", () => {
    const path = join(lab.directory, "later", "f2b.toml");
    const ran = run([executable, "init", "--yes", "--no-start", "-c", path], connection());
    expect(ran.stdout).toContain("The last days under this configuration");
    expect(ran.stdout).toMatch(new RegExp(`${host(0).v4.replaceAll(".", "\\.")} +sshd`));
    expect(ran.stdout).toMatch(new RegExp(`${admin().v4.replaceAll(".", "\\.")} +ignoreip`));
  }, 60_000);

  test("an application is chosen once the log shows it", () => {
    const jailsNow = (): string[] => {
      const printed = run([executable, "init", "--print", "-c", join(lab.directory, "none", "f2b.toml")]);
      return Object.keys(parse(printed.stdout).jails as object);
    };
    expect(jailsNow()).not.toContain("wordpress");
    const post = `import sys,urllib.request
urllib.request.urlopen("http://%s/wp-login.php"%sys.argv[1],data=b"log=admin&pwd=x",timeout=2)`;
    expect(admin().run(["python3", "-c", post, lab.server.v4]).code).toBe(0);
    expect(jailsNow()).toContain("wordpress");
  }, 60_000);

  test("a running fail2ban is taken over; what it had stays as it was, what it lacked is added", async () => {
    // A jail of somebody's own, with filter and action: all of it written here.
    const old = etc("fail2ban");
    const files = {
      "jail.conf":
        "[DEFAULT]\nbackend = auto\n[mine]\nenabled = true\nport = 99\nfilter = mine\naction = mine\nlogpath = /var/log/mine.log\nmaxretry = 7\nbantime = 2h\n",
      "filter.d/mine.conf": "[Definition]\nfailregex = ^\\s*refused <HOST>$\n",
      "action.d/mine.conf": "[Definition]\nactionban = /bin/true <ip>\nactionunban = /bin/true <ip>\n",
    };
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(old, name)), { recursive: true });
      writeFileSync(join(old, name), text);
    }
    writeFileSync(join(lab.directory, "log", "mine.log"), "");
    const program = "/run/fail2ban-server";
    lab.server.start([...inside, "sh", "-c", `cp /bin/sleep ${program} && exec ${program} 1000`]);
    await until("it looks like fail2ban", () => run(["pgrep", "-x", "fail2ban-server"]).code === 0);
    const temporary = join(lab.directory, "tmp");
    mkdirSync(temporary);
    const left = join(lab.directory, "interrupted", "f2b.toml");
    const interrupted = openTerminal([executable, "init", "-c", left], {
      TERM: "dumb",
      TMPDIR: temporary,
      ...connection(),
    });
    try {
      await interrupted.press("Take over fail2ban", "Enter");
      await interrupted.press("Numbers to switch on or off");
      expect(readdirSync(temporary)).toHaveLength(1);
      await interrupted.press("Numbers to switch on or off", "C-c");
      await interrupted.press("EXIT=130");
    } finally {
      interrupted.close();
    }
    expect(readdirSync(temporary)).toEqual([]);
    expect(existsSync(dirname(left))).toBe(false);

    const path = join(lab.directory, "taken", "f2b.toml");
    const ran = run([executable, "init", "--yes", "-c", path], connection());
    expect(ran.stdout).toMatch(/Take over fail2ban.*yes/);
    const { jails, defaults } = parse(readFileSync(path, "utf8")) as {
      jails: Record<string, object>;
      defaults: object | undefined;
    };
    expect({ ...defaults, ...jails.mine }).toMatchObject({ enabled: true, maxretry: 7, bantime: "2h" });
    expect(existsSync(join(lab.directory, "taken", "jails", "mine.toml"))).toBe(true);
    expect(jails).toHaveProperty("sshd");
    expect(jails).toHaveProperty("nginx-http-auth");
    expect(run([executable, "config", "check", path]).code).toBe(0);
  }, 60_000);

  test("where systemd is in charge, the service is installed and started, and then fail2ban is stopped", () => {
    const fake = join(lab.directory, "systemctl");
    const units = "ssh.service loaded active running x\nfail2ban.service loaded active running x\n";
    writeFileSync(
      fake,
      `#!/bin/sh\necho "$@" >> /run/asked\ncase "$1" in list-units) printf '${units.replaceAll("\n", "\\n")}';; esac\n`,
      { mode: 0o755 },
    );
    const place = ["/usr/bin/systemctl", "/bin/systemctl"].find((path) => existsSync(path));
    const there =
      place === undefined ? `cp ${fake} /usr/local/sbin/systemctl` : `mount --bind ${fake} ${place}`;
    expect(run(["sh", "-c", `${there} && mkdir -p /run/systemd/system`]).code).toBe(0);
    rmSync(etc("f2b"), { recursive: true });
    // The lab's daemon runs outside of the faked systemd; without it this is a machine that never had f2b.
    lab.server.run([
      "sh",
      "-c",
      `kill $(ip netns pids ${lab.server.name} | while read p; do grep -lxq f2b /proc/$p/comm && echo $p; done)`,
    ]);
    const ran = run([executable, "init", "--yes"], connection());
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain("f2b is at work");
    expect(ran.stdout).toContain("systemctl enable --now fail2ban");
    expect(parse(written())).toHaveProperty("jails.sshd");
    expect(existsSync(etc("systemd", "system", "f2b.service"))).toBe(true);
    const asked = run(["cat", "/run/asked"])
      .stdout.split("\n")
      .filter((line) => !/^(?:list-units|show)/.test(line));
    expect(asked.filter((line) => line !== "")).toEqual([
      "daemon-reload",
      "enable f2b.service",
      "restart f2b.service",
      "disable --now fail2ban.service",
    ]);
  }, 60_000);
});
