// f2b service install|uninstall: a hardened systemd unit. f2b needs to read logs, to change the firewall, and nothing else.

import { basename } from "node:path";
import { chooseBanaction } from "../banaction/choose.ts";
import { banactions } from "../banaction/index.ts";
import { loadConfig } from "../config/index.ts";
import { visible } from "../core/text.ts";
import { claimFirewall, serviceUser } from "../daemon/claim.ts";
import { clearFirewalls } from "../daemon/clear.ts";
import { placeBook } from "../daemon/places.ts";
import { type Call, type Command, exits } from "./index.ts";

const unitPath = "/etc/systemd/system/f2b.service";
const programPath = "/usr/local/sbin/f2b";

export const service: Command = {
  name: "service",
  summary: "install or remove the systemd service",
  usage: [
    "f2b service install [--print] [--no-start] [--root]",
    "f2b service uninstall [--keep-bans]",
    "f2b service print [--root]",
  ],
  most: 1,
  options: [
    { name: "print", summary: "only print the unit" },
    { name: "no-start", summary: "install and enable, but do not start" },
    {
      name: "keep-bans",
      summary: "uninstall: leave the firewall as it is; bans end by themselves, those without an end never",
    },
    {
      name: "root",
      summary: "run as root (with the same few capabilities) also where a user of its own would do",
    },
  ],
  completes: [["install", "uninstall", "print"]],
  help: `
install copies this program to ${programPath} (where it is not there already), writes ${unitPath}, enables and starts it.
The service runs as the user f2b (made if need be) with the three capabilities it needs. Where the configured firewall asks for root
itself (ufw, firewalld, iptables, your own commands, …) it runs as root, with the same three capabilities and nothing more.
uninstall stops and disables it, takes its bans out of the firewall and removes the unit; configuration, state and the user stay, so that
the bans stand again when it is installed again.`,
  async run(call) {
    const [what] = call.words;
    if (what === "print" || (what === "install" && call.flags.print === true)) {
      call.out(unit(programPath, call.config, await userFor(call)));
      return exits.fine;
    }
    if (what === "install") return install(call);
    if (what === "uninstall") return uninstall(call);
    call.err("f2b: install, uninstall or print?\n  f2b service install\n");
    return exits.usage;
  },
};

async function systemctl(call: Call, ...words: string[]): Promise<boolean> {
  const program = call.system.programs.find("systemctl");
  if (program === undefined) {
    call.err(
      "f2b: there is no systemctl: this machine does not run systemd\n  fix: start `f2b daemon` from your init system\n",
    );
    return false;
  }
  const result = await call.system.programs.run([program, ...words], { timeoutMs: 60_000 });
  if (result.code !== 0) call.err(`f2b: systemctl ${words.join(" ")}: ${result.stderr.trim()}\n`);
  return result.code === 0;
}

export async function install(call: Call): Promise<number> {
  if (process.getuid?.() !== 0) {
    call.err("f2b: installing the service needs root\n  fix: sudo f2b service install\n");
    return exits.permission;
  }
  const { files } = call.system;
  // Where systemd is only installed (a container, another init system) a unit would lie there and nobody would start it.
  if (files.stat("/run/systemd/system") === undefined) {
    call.err(
      "f2b: systemd does not run here, so no service can be installed\n  fix: let your init system start `f2b daemon` (f2b service print shows how systemd would)\n",
    );
    return exits.unavailable;
  }
  let program: string = programPath;
  if (basename(process.execPath).startsWith("f2b")) {
    const self = process.execPath;
    if (
      ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/opt"].some((place) =>
        self.startsWith(`${place}/`),
      )
    )
      program = self;
    else files.replaceFile(programPath, files.readFile(self), 0o755);
  }
  const user = await userFor(call);
  if (user !== undefined && !(await makeUser(call, user))) return exits.no;
  files.replaceFile(unitPath, unit(program, call.config, user), 0o644);
  call.out(`wrote ${unitPath}\n`);
  if (!(await systemctl(call, "daemon-reload")) || !(await systemctl(call, "enable", "f2b.service")))
    return exits.no;
  if (call.flags["no-start"] !== true && !(await systemctl(call, "restart", "f2b.service"))) return exits.no;
  call.out("the service is enabled; see f2b status\n");
  return exits.fine;
}

async function uninstall(call: Call): Promise<number> {
  if (process.getuid?.() !== 0) {
    call.err("f2b: removing the service needs root\n  fix: sudo f2b service uninstall\n");
    return exits.permission;
  }
  if (call.system.files.stat(unitPath) === undefined) {
    call.out("the service is not installed\n");
    return exits.fine;
  }
  const runs = call.system.files.stat("/run/systemd/system") !== undefined;
  if (runs) await systemctl(call, "disable", "--now", "f2b.service");
  if (call.flags["keep-bans"] !== true) await clear(call);
  call.system.files.unlink(unitPath);
  if (runs) await systemctl(call, "daemon-reload");
  call.out("removed; configuration and state are still in /etc/f2b and /var/lib/f2b\n");
  return exits.fine;
}

/** Takes our part out of the configured firewalls; what cannot be taken out is told and stops nothing. */
async function clear(call: Call): Promise<void> {
  const { system } = call;
  const left = (why: string): void => call.err(`f2b: the firewall is left as it is: ${why}\n`);
  const claim = claimFirewall(system.files);
  if ("what" in claim) return left(claim.what);
  claim.release();
  const config = loadConfig({ system, ...(call.config === undefined ? {} : { path: call.config }) });
  if (!config.ok) return left("the configuration cannot be read: f2b config check");
  const enabled = config.value.jails.filter((jail) => jail.enabled);
  const best = (await chooseBanaction(system)).name;
  const jails = enabled.map((jail) => ({
    ...jail,
    banaction: jail.banaction.map((use) => (use.name === "auto" ? { ...use, name: best } : use)),
  }));
  // Also what an earlier configuration had made and no daemon has taken away since.
  const earlier = placeBook(system, config.value.daemon.statedir).read();
  for (const { what, why } of await clearFirewalls(system, [...jails, ...earlier]))
    call.err(`f2b: ${visible(what)}${why === undefined ? "" : `: ${visible(why)}`}\n`);
}

/** Whom the service runs as; undefined: root, because it was asked for or because a configured firewall cannot do without. */
async function userFor(call: Call): Promise<string | undefined> {
  if (call.flags.root === true) return undefined;
  const { system } = call;
  const config = loadConfig({ system, ...(call.config === undefined ? {} : { path: call.config }) });
  // What cannot be read is told when the daemon starts; the unit is right for the defaults.
  const written = config.ok
    ? config.value.jails.flatMap((jail) => jail.banaction.map((use) => use.name))
    : [];
  const used = new Set(written);
  if (used.size === 0 || used.has("auto")) used.add((await chooseBanaction(system)).name);
  return [...used].some((name) => banactions[name]?.asRoot === true) ? undefined : serviceUser;
}

async function makeUser(call: Call, user: string): Promise<boolean> {
  const { files, programs } = call.system;
  const known = new TextDecoder().decode(files.readFile("/etc/passwd"));
  if (known.split("\n").some((line) => line.startsWith(`${user}:`))) return true;
  const program = programs.find("useradd");
  const made =
    program === undefined
      ? undefined
      : await programs.run(
          [
            program,
            "--system",
            "--user-group",
            "--no-create-home",
            "--home-dir",
            "/nonexistent",
            "--shell",
            "/usr/sbin/nologin",
            user,
          ],
          { timeoutMs: 30_000 },
        );
  if (made?.code === 0) return true;
  call.err(
    `f2b: the user ${user} cannot be made: ${made?.stderr.trim() ?? "there is no useradd"}\n  fix: make it by hand, or f2b service install --root\n`,
  );
  return false;
}

/**
 * The unit. `user` undefined: root, without what makes root mighty. Systemd gives the state directory to the user; what root left in
 * it (an import while the service was down) is given to him before each start.
 * JavaScriptCore makes its machine code in memory that is written and then run, so MemoryDenyWriteExecute cannot be had.
 */
export function unit(program: string, config: string | undefined, user: string | undefined): string {
  const capabilities = "CAP_NET_ADMIN CAP_NET_RAW CAP_DAC_READ_SEARCH";
  const who =
    user === undefined
      ? "AmbientCapabilities="
      : `User=${user}\nGroup=${user}\nExecStartPre=+/bin/chown -Rh ${user}:${user} /var/lib/f2b\nAmbientCapabilities=${capabilities}`;
  return `# f2b: bans who keeps failing.  Written by "f2b service install"; change it with "systemctl edit f2b".
[Unit]
Description=f2b, shuts brute force out of the firewall
Documentation=man:systemd.exec(5)
After=network-pre.target nftables.service iptables.service firewalld.service ufw.service
Wants=network-pre.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=${program} daemon${config === undefined ? "" : ` -c ${config}`}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
WatchdogSec=30
TimeoutStopSec=20
UnsetEnvironment=BUN_OPTIONS BUN_BE_BUN BUN_CONFIG_PRELOAD BUN_INSPECT BUN_INSPECT_PRELOAD BUN_INSPECT_CONNECT_TO BUN_INSPECT_NOTIFY NODE_OPTIONS LD_PRELOAD
RuntimeDirectory=f2b
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
StateDirectory=f2b
StateDirectoryMode=0700
LogsDirectory=f2b
ConfigurationDirectory=f2b
ConfigurationDirectoryMode=0755
UMask=0077
OOMScoreAdjust=-500
LimitNOFILE=65536
LimitCORE=0
TasksMax=256

# What it may do: change the firewall, read every log. Nothing else.
CapabilityBoundingSet=${capabilities}
${who}
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=-/etc/hosts.deny -/run/xtables.lock
ProtectHome=read-only
PrivateTmp=yes
PrivateMounts=yes
PrivateDevices=yes
ProtectProc=invisible
ProcSubset=all
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources @mount @swap @reboot @raw-io @obsolete @debug @cpu-emulation @clock @module
SystemCallErrorNumber=EPERM
DevicePolicy=closed
IPAddressAllow=any

[Install]
WantedBy=multi-user.target
`;
}
