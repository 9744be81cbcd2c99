// What is read from the machine, from texts as kernels and programs write them, and from a whole machine in memory.

import { describe, expect, test } from "bun:test";
import { bundledJails } from "../../src/config/bundled.ts";
import { loadConfig } from "../../src/config/index.ts";
import { parseJailFile } from "../../src/config/jailfile.ts";
import { findAdmin, peerOf } from "../../src/init/admin.ts";
import { parseChains } from "../../src/init/firewall.ts";
import { type Facts, look } from "../../src/init/index.ts";
import { parseListen } from "../../src/init/look.ts";
import { containerOf, namesOf } from "../../src/init/processes.ts";
import { elsewhere, signsOf, uncovered } from "../../src/init/services.ts";
import { parseSockets, publishedByProxies, publishedByRules } from "../../src/init/sockets.ts";
import type { System } from "../../src/system/index.ts";
import { type FakeSetup, fakeSystem } from "../support/system.ts";
import { address } from "./facts.ts";

describe("sockets", () => {
  const head =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
  const row = (local: string, state: string, inode: number): string =>
    `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 100 0 0 10 0\n`;

  test("those that listen, with their ports and whether the world can reach them", () => {
    const text =
      head +
      row("00000000:0016", "0A", 11) +
      row("0100007F:1538", "0A", 12) +
      row("0100000A:0016", "01", 13) +
      row("00000000000000000000000000000000:0050", "0A", 14) +
      row("00000000000000000000000001000000:0277", "0A", 15) +
      row("0000000000000000FFFF00000100007F:1F90", "0A", 16);
    expect(parseSockets(text, "tcp").map((one) => [one.port, one.inode, one.loopback])).toEqual([
      [22, "11", false],
      [5432, "12", true],
      [80, "14", false],
      [631, "15", true],
      [8080, "16", true],
    ]);
  });

  test("systemd's own, from the socket unit", () => {
    expect(
      parseListen(
        "Listen=0.0.0.0:2222 (Stream)\nListen=[::]:22 (Stream)\nListen=127.0.0.1:99 (Stream)\nListen=/run/x (Stream)\n",
      ),
    ).toEqual([2222, 22]);
  });
});

describe("ports that containers publish", () => {
  test("by docker's proxies, other than those on loopback", () => {
    const proxy = (ip: string, port: string) => ({
      pid: 1,
      names: ["docker-proxy"],
      exe: undefined,
      words: [
        "/usr/bin/docker-proxy",
        "-proto",
        "tcp",
        "-host-ip",
        ip,
        "-host-port",
        port,
        "-container-ip",
        "172.17.0.2",
        "-container-port",
        "80",
      ],
      container: undefined,
      sockets: [],
      writes: [],
    });
    expect(publishedByProxies([proxy("0.0.0.0", "8096"), proxy("127.0.0.1", "9000")])).toEqual([
      { port: 8096, protocol: "tcp", to: "172.17.0.2:80" },
    ]);
  });

  test("by rules, as nft and iptables print them", () => {
    const rules = `table ip nat {
	chain DOCKER {
		iifname "docker0" counter packets 0 bytes 0 return
		iifname != "docker0" meta l4proto tcp tcp dport 8096 counter packets 0 bytes 0 dnat to 172.17.0.2:8096
		iifname != "docker0" ip daddr 127.0.0.1 tcp dport 9000 counter packets 0 bytes 0 dnat to 172.17.0.3:9000
	}
}
-A DOCKER ! -i docker0 -p udp -m udp --dport 51820 -j DNAT --to-destination 172.17.0.4:51820
-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 9001 -j DNAT --to-destination 172.17.0.4:1
`;
    expect(publishedByRules(rules).map((one) => `${one.port}/${one.protocol} ${one.to}`)).toEqual([
      "8096/tcp 172.17.0.2:8096",
      "51820/udp 172.17.0.4:51820",
    ]);
    expect(parseChains(rules)).toEqual([{ family: "ip", table: "nat", chain: "DOCKER" }]);
  });
});

describe("processes", () => {
  test("go by every name people know them by", () => {
    expect(namesOf("nginx", "/usr/sbin/nginx", ["nginx: worker process"])).toEqual(["nginx"]);
    expect(namesOf("hass", "/usr/bin/python3.13", ["python3", "/srv/ha/bin/hass", "-c", "/x"])).toEqual([
      "hass",
      "python3.13",
      "python3",
    ]);
    expect(namesOf("python3", "/usr/bin/python3.13", ["python3", "-u", "-m", "homeassistant"])).toContain(
      "homeassistant",
    );
    expect(namesOf("dotnet", "/usr/bin/dotnet", ["dotnet", "/opt/Jellyfin.dll"])).toContain("Jellyfin");
    expect(
      namesOf("sshd", "/usr/sbin/sshd", ["sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"]),
    ).toEqual(["sshd"]);
  });

  test("of containers are known by their control group", () => {
    const id = "0f".repeat(32);
    expect(containerOf(`0::/system.slice/docker-${id}.scope\n`)).toEqual({ id });
    expect(containerOf(`12:cpu:/docker/${id}\n0::/\n`)).toEqual({ id });
    expect(
      containerOf(
        `0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${id}.scope/container\n`,
      ),
    ).toEqual({ id });
    expect(containerOf("0::/lxc.payload.web1/system.slice\n")).toEqual({ id: "web1" });
    expect(containerOf("0::/system.slice/nginx.service\n")).toBeUndefined();
    expect(containerOf("0::/system.slice/docker.service\n")).toBeUndefined();
  });
});

describe("logs elsewhere", () => {
  const running = (...writes: string[]) => [{ writes }];
  test("are those that the service holds open under a name like the usual ones", () => {
    const usual = ["/var/log/nginx/*access.log", "/var/log/nginx/*access_log"];
    expect(
      elsewhere(
        usual,
        [{ path: "/var/log/nginx/access.log" }],
        running("/var/log/nginx/access.log", "/srv/shop/access.log", "/srv/shop/error.log"),
      ),
    ).toEqual(["/srv/shop/access.log"]);
  });
  test("a pattern that takes any log says nothing", () => {
    expect(elsewhere(["/var/log/caddy/*.log"], [], running("/srv/other.log"))).toEqual([]);
  });
  test("nor does a log that everybody writes to", () => {
    expect(elsewhere(["/var/log/mail.log"], [], running("/srv/jail/mail.log"))).toEqual([]);
  });
});

describe("how a jail file's service is known", () => {
  const signs = (name: string) => {
    const text = bundledJails().get(name);
    const file = text === undefined ? undefined : parseJailFile(name, text, name);
    if (file?.ok !== true) throw new Error(`there is no ${name}`);
    return signsOf(file.value);
  };
  const process = (exe: string, ...names: string[]) => ({
    pid: 1,
    names,
    exe,
    words: [exe],
    container: undefined,
    sockets: [],
    writes: [],
  });

  test("no jail of the catalogue takes an interpreter or a container runtime for its service", () => {
    const engines = [
      "python3",
      "node",
      "java",
      "dotnet",
      "php-fpm8.2",
      "gunicorn",
      "dockerd",
      "bash",
      "systemd",
    ];
    const wrong = [...bundledJails().keys()].flatMap((name) =>
      engines
        .filter((engine) => signs(name).is(process(`/usr/bin/${engine}`, engine)))
        .map((engine) => `${name}: ${engine}`),
    );
    expect(wrong).toEqual([]);
  });

  test("nor whatever lies in somebody's home directory, in /opt or in /usr/local", () => {
    const wrong = [...bundledJails().keys()].filter((name) =>
      ["/home/web/app/server", "/opt/app/bin/server", "/usr/local/games/bin/start", "/srv/mail/run"].some(
        (exe) => signs(name).is(process(exe, "zz")),
      ),
    );
    expect(wrong).toEqual([]);
  });

  test("Postfix' programs by their directory, sshd by its names, nginx by its unit too", () => {
    expect(signs("postfix").is(process("/usr/lib/postfix/sbin/master", "master"))).toBe(true);
    expect(signs("sshd").is(process("/usr/sbin/sshd", "sshd"))).toBe(true);
    expect(signs("sshd").units).toEqual(
      expect.arrayContaining(["ssh.service", "ssh.socket", "sshd.service"]),
    );
    expect(signs("nginx-http-auth").units).toContain("nginx.service");
    // A guest's records come by its host's unit, which says nothing of the guest.
    expect(signs("nextcloud").units).toEqual([]);
  });
});

test("ports beside the jail's own", () => {
  expect(uncovered(["ssh", "8000-8100"], [22, 8080, 2222, 2222])).toEqual([2222]);
  expect(uncovered("all", [22])).toEqual([]);
  expect(uncovered(undefined, [22])).toEqual([]);
});

describe("the administrator", () => {
  test("by the environment, an IPv6 zone left out; loopback is nobody", () => {
    expect(peerOf({ SSH_CONNECTION: "203.0.113.77 50000 192.0.2.1 22" })).toBe(address("203.0.113.77"));
    expect(peerOf({ SSH_CLIENT: "fe80::1%eth0 50000 22" })).toBe(address("fe80::1"));
    expect(peerOf({ SSH_CONNECTION: "127.0.0.1 1 127.0.0.1 22" })).toBeUndefined();
    expect(peerOf({ SSH_CONNECTION: "no address" })).toBeUndefined();
  });

  test("through sudo, which empties the environment: by the processes above", () => {
    const system = fakeSystem({
      files: {
        "/proc/self/status": "Name:\tf2b\nPPid:\t900\n",
        "/proc/900/status": "Name:\tsudo\nPPid:\t800\n",
        "/proc/900/environ": "HOME=/root\0",
        "/proc/800/status": "Name:\tbash\nPPid:\t1\n",
        "/proc/800/environ": "HOME=/home/eve\0SSH_CONNECTION=2001:db8::7 50000 2001:db8::1 22\0",
      },
    });
    expect(findAdmin(system, {}, [])).toEqual({
      addresses: [address("2001:db8::7")],
      how: "the ssh session above sudo",
    });
  });

  test("else by the login records; at the machine itself there is none", () => {
    const own = [address("192.0.2.9"), address("192.0.2.9")];
    expect(findAdmin(fakeSystem(), {}, own)?.addresses).toEqual([address("192.0.2.9")]);
    expect(findAdmin(fakeSystem(), {}, [])).toBeUndefined();
  });
});

describe("a whole machine", () => {
  const now = Date.UTC(2026, 10, 21);
  const nothing = { code: 0, stdout: "", stderr: "" };

  async function seen(setup: FakeSetup, links: Readonly<Record<string, string>> = {}): Promise<Facts> {
    const fake = fakeSystem({ now, ...setup });
    const { readlink } = fake.files;
    const system: System = {
      ...fake,
      files: { ...fake.files, readlink: (path) => links[path] ?? readlink(path) },
    };
    const config = loadConfig({ system, path: "/x.toml", texts: new Map([["/x.toml", ""]]), saved: false });
    if (!config.ok) throw new Error("the empty configuration is sound");
    return look(system, { resolver: config.value.resolver, env: {}, sessions: [], root: true });
  }

  const process = (pid: number, comm: string, words: readonly string[], cgroup = "0::/\n") => ({
    [`/proc/${pid}/comm`]: `${comm}\n`,
    [`/proc/${pid}/cmdline`]: `${words.join("\0")}\0`,
    [`/proc/${pid}/cgroup`]: cgroup,
  });
  const jails = (found: Facts): string[] =>
    found.services.filter((one) => !one.events).map((one) => one.jail);

  test("with nothing on it", async () => {
    const found = await seen({});
    expect(jails(found)).toEqual([]);
    expect(found).toMatchObject({
      admin: undefined,
      fail2ban: undefined,
      mail: undefined,
      systemd: false,
      published: [],
    });
    expect(found.firewall).toMatchObject({ choice: "print", others: [] });
  });

  test("with systemd, sshd by its unit, its records in the journal only", async () => {
    const found = await seen({
      files: { "/run/systemd/system/x": "" },
      programs: {
        systemctl: () => ({
          ...nothing,
          stdout:
            "  ssh.service loaded active running OpenBSD Secure Shell server\n  cron.service loaded active running x\n",
        }),
        journalctl: () => ({ ...nothing, stdout: `${now / 1000 - 60}.123456 web1 sshd[1]: x\n` }),
        sendmail: () => nothing,
      },
    });
    expect(jails(found)).toContain("sshd");
    expect(found.services.find((one) => one.jail === "sshd")).toMatchObject({
      running: ["ssh.service"],
      logs: [],
      journald: now - 60_000,
    });
    expect(found.mail).toBe("sendmail");
  });

  test("sshd that waits in a socket unit on another port", async () => {
    const found = await seen({
      files: { "/run/systemd/system/x": "", "/var/log/auth.log": "" },
      programs: {
        systemctl: (command) =>
          command.includes("show")
            ? { ...nothing, stdout: "Listen=[::]:2222 (Stream)\n" }
            : {
                ...nothing,
                stdout: "ssh.socket loaded active listening OpenBSD Secure Shell server socket\n",
              },
      },
    });
    expect(found.services.find((one) => one.jail === "sshd")).toMatchObject({ otherPorts: [2222] });
  });

  test("nginx by its process: what it writes, where it listens; applications behind it are guests", async () => {
    const found = await seen(
      {
        files: {
          ...process(812, "nginx", ["nginx: master process /usr/sbin/nginx"]),
          "/proc/812/fd/5": "",
          "/proc/812/fd/6": "",
          "/proc/812/fdinfo/6": "pos:\t0\nflags:\t0102001\n",
          "/proc/self/net/tcp": "head\n   0: 00000000:1F90 00000000:0000 0A 0:0 0:0 0 0 0 4711 1\n",
          "/var/log/nginx/access.log": "",
          "/srv/shop/logs/shop-access.log": "",
        },
      },
      { "/proc/812/fd/5": "socket:[4711]", "/proc/812/fd/6": "/srv/shop/logs/shop-access.log" },
    );
    const of = (jail: string) => found.services.find((one) => one.jail === jail);
    expect(of("nginx-http-auth")).toMatchObject({
      running: ["nginx"],
      otherPorts: [8080],
      elsewhere: ["/srv/shop/logs/shop-access.log"],
      guestOf: undefined,
      unsafe: undefined,
    });
    expect(of("web-scan")).toMatchObject({ guestOf: undefined });
    expect(of("wordpress")).toMatchObject({ guestOf: "nginx", otherPorts: [8080] });
    expect(of("nginx-mail")?.unsafe).toContain("forge");
    expect(of("apache-auth")).toBeUndefined();
    expect(of("sshd")).toBeUndefined();
  });

  test("a log that everybody writes to is no sign of a service", async () => {
    const found = await seen({
      files: {
        "/var/log/auth.log": "",
        "/var/log/mail.log": "",
        "/var/log/messages": "",
        "/var/log/syslog": "",
      },
    });
    expect(jails(found)).toEqual([]);
  });

  test("a log of its own is", async () => {
    expect(jails(await seen({ files: { "/var/www/nextcloud/data/nextcloud.log": "" } }))).toEqual([
      "nextcloud",
    ]);
  });

  test("a process in a container, with docker's log of it", async () => {
    const id = "ab".repeat(32);
    const found = await seen({
      files: {
        ...process(55, "vaultwarden", ["/vaultwarden"], `0::/system.slice/docker-${id}.scope\n`),
        [`/var/lib/docker/containers/${id}/${id}-json.log`]: "",
      },
    });
    expect(found.services.find((one) => one.jail === "vaultwarden")?.container).toEqual({
      program: "vaultwarden",
      log: `/var/lib/docker/containers/${id}/${id}-json.log`,
    });
  });

  test("processes of other networks that no container runtime keeps are none of ours", async () => {
    const found = await seen(
      { files: process(77, "nginx", ["nginx"]) },
      { "/proc/self/ns/net": "net:[1]", "/proc/77/ns/net": "net:[2]" },
    );
    expect(jails(found)).toEqual([]);
  });

  test("ufw, firewalld, docker and nftables beside each other", async () => {
    const found = await seen({
      files: {
        "/etc/ufw/ufw.conf": "ENABLED=yes\n",
        ...process(9, "firewalld", ["/usr/bin/python3", "/usr/sbin/firewalld"]),
      },
      programs: {
        nft: (command) =>
          command.includes("chains")
            ? {
                ...nothing,
                stdout:
                  "table ip nat {\n\tchain DOCKER {\n\t}\n}\ntable ip filter {\n\tchain DOCKER-USER {\n\t}\n}\n",
              }
            : command.includes("chain")
              ? { ...nothing, stdout: "tcp dport 8096 counter packets 0 bytes 0 dnat to 172.17.0.2:8096\n" }
              : { ...nothing, stdout: command.includes("--version") ? "nftables v1.0.9\n" : "" },
      },
    });
    expect(found.firewall).toEqual({
      choice: "nftables",
      reason: "nftables v1.0.9 works here",
      others: ["ufw is active", "firewalld is running", "docker has chains of its own"],
      forwarding: ["DOCKER-USER"],
    });
    expect(found.published.map((one) => one.port)).toEqual([8096]);
  });

  test("the old iptables, asked only for tables that are in use: others would be loaded by the question", async () => {
    const asked: string[] = [];
    const found = await seen({
      files: { "/proc/net/ip_tables_names": "filter\n" },
      programs: {
        iptables: (command) => {
          asked.push(command.slice(1).join(" "));
          return {
            ...nothing,
            stdout: command.includes("-S")
              ? "-P INPUT ACCEPT\n-N DOCKER-USER\n"
              : "iptables v1.8.9 (legacy)\n",
          };
        },
        ip6tables: () => nothing,
      },
    });
    expect(found.firewall).toMatchObject({ choice: "iptables", forwarding: ["DOCKER-USER"] });
    expect(asked).toContain("-w 2 -t filter -S");
    expect(asked.filter((one) => one.includes("nat"))).toEqual([]);
  });

  test("fail2ban, installed or running", async () => {
    const files = { "/etc/fail2ban/jail.conf": "" };
    expect((await seen({ files })).fail2ban).toEqual({ directory: "/etc/fail2ban", running: false });
    const running = {
      ...files,
      ...process(5, "fail2ban-server", ["/usr/bin/python3", "/usr/bin/fail2ban-server", "-xf", "start"]),
    };
    expect((await seen({ files: running })).fail2ban?.running).toBe(true);
  });
});
