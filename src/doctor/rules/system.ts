// F2B7nn: the machine underneath.

import type { Rule } from "../catalogue.ts";

export const systemRules = {
  F2B701: {
    severity: "warning",
    title: "the clock is not synchronised",
    why: "bans end by the clock, and the times of logs from elsewhere are compared with it",
    fix: "timedatectl set-ntp true, or install chrony",
  },
  F2B702: {
    severity: "warning",
    title: "the disk of the state is nearly full",
    why: "bans that cannot be written down are forgotten by a restart, and full disks stop the logs that f2b reads",
    fix: "make room",
  },
  F2B703: {
    severity: "warning",
    title: "the disk of the state has hardly any inodes left",
    why: "no new file can be made, whatever room is left: not even the journal's successor",
    fix: "remove small files that nobody needs",
  },
  F2B704: {
    severity: "warning",
    title: "too few file descriptors",
    why: "each log takes one, besides sockets and children: some logs could not be opened",
    fix: "raise LimitNOFILE= of the unit (f2b service install sets 65536)",
  },
  F2B705: {
    severity: "warning",
    title: "inotify limits are used up",
    why: "logs that cannot be watched are looked at every second or so instead of at once",
    fix: "sysctl fs.inotify.max_user_watches=1048576 fs.inotify.max_user_instances=1024",
  },
  F2B706: {
    severity: "warning",
    title: "the service unit has no watchdog",
    why: "a daemon that hangs is not noticed: nobody is banned and nobody knows",
    fix: "f2b service install writes a unit with WatchdogSec=",
  },
  F2B707: {
    severity: "error",
    title: "the service unit takes a capability away that f2b needs",
    why: "without CAP_NET_ADMIN no ban can be carried out; without CAP_DAC_READ_SEARCH some logs cannot be read",
    fix: "f2b service install writes a unit with what is needed and no more",
  },
  F2B708: {
    severity: "warning",
    title: "f2b does not start by itself",
    why: "after a reboot nothing is watched",
    fix: "f2b service install, resp. systemctl enable f2b",
  },
  F2B709: {
    severity: "error",
    title: "nft is too old for what is configured",
    why: "sets with timeouts in one table for both families need 0.9.3; older ones refuse part of the rules",
    fix: 'update nftables, or write banaction = "iptables"',
  },
  F2B710: {
    severity: "warning",
    title: "the service unit does not restart a daemon that dies",
    why: "after a crash nothing is watched until somebody notices",
    fix: "f2b service install writes a unit with Restart=always",
  },
  F2B711: {
    severity: "warning",
    title: "the journal comes from the future",
    why: "the clock was set back, or was wrong when bans were written: their ends are off by as much",
    fix: "check the clock, then restart f2b; it moves standing bans along with a clock that is set",
  },
  F2B712: {
    severity: "note",
    title: "little memory is left",
    why: "when memory runs out the kernel ends programs; counters need some 200 bytes an address",
    fix: "lower maxkeys in [daemon], or add memory",
  },
  F2B713: {
    severity: "warning",
    title: "the unit lets Bun's variables through",
    why: "BUN_OPTIONS and the like turn a Bun executable into an interpreter of whoever sets them",
    fix: "f2b service install writes a unit with UnsetEnvironment=",
  },
} as const satisfies Readonly<Record<string, Rule>>;
