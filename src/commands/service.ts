// f2b service install|uninstall: a hardened systemd unit. f2b needs to read logs, to change the firewall, and nothing else.

import { basename } from "node:path";
import { type Call, type Command, exits } from "./index.ts";

const unitPath = "/etc/systemd/system/f2b.service";
const programPath = "/usr/local/sbin/f2b";

export const service: Command = {
  name: "service",
  summary: "install or remove the systemd service",
  usage: ["f2b service install [--print] [--no-start]", "f2b service uninstall", "f2b service print"],
  options: [
    { name: "print", summary: "only print the unit" },
    { name: "no-start", summary: "install and enable, but do not start" },
  ],
  completes: [["install", "uninstall", "print"]],
  help: `
install copies this program to ${programPath} (where it is not there already), writes ${unitPath}, enables and starts it.
uninstall stops and disables it and removes the unit; configuration and state stay.`,
  async run(call) {
    const [what] = call.words;
    if (what === "print" || (what === "install" && call.flags.print === true)) {
      call.out(unit(programPath, call.config));
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
  files.replaceFile(unitPath, unit(program, call.config), 0o644);
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
  await systemctl(call, "disable", "--now", "f2b.service");
  call.system.files.unlink(unitPath);
  await systemctl(call, "daemon-reload");
  call.out("removed; configuration and state are still in /etc/f2b and /var/lib/f2b\n");
  return exits.fine;
}

/** JavaScriptCore makes its machine code in memory that is written and then run, so MemoryDenyWriteExecute cannot be had. */
export function unit(program: string, config: string | undefined): string {
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
UnsetEnvironment=BUN_OPTIONS BUN_BE_BUN BUN_INSPECT BUN_INSPECT_PRELOAD BUN_CONFIG_PRELOAD NODE_OPTIONS LD_PRELOAD
RuntimeDirectory=f2b
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
StateDirectory=f2b
StateDirectoryMode=0700
ConfigurationDirectory=f2b
ConfigurationDirectoryMode=0755
UMask=0077
OOMScoreAdjust=-500
LimitNOFILE=65536
LimitCORE=0
TasksMax=256

# What it may do: change the firewall, read every log. Nothing else.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_DAC_READ_SEARCH
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=-/etc/hosts.deny
ProtectHome=read-only
PrivateTmp=yes
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
