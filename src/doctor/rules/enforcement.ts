// F2B4nn: from the decision to the packet that does not arrive.

import type { Rule } from "../catalogue.ts";

export const enforcementRules = {
  F2B401: {
    severity: "error",
    title: "a program that a banaction needs is missing",
    why: "bans are counted and written down, and nobody is shut out",
    fix: "install it, or choose another banaction",
  },
  F2B402: {
    severity: "error",
    title: "the firewall cannot be used",
    why: "the program is there but the kernel, the container or the rights do not allow what a ban needs",
    fix: "run f2b as root (CAP_NET_ADMIN) on the host itself; in a container use its network namespace's owner",
  },
  F2B403: {
    severity: "warning",
    title: "fail2ban runs beside f2b",
    why: "both read the same logs and ban by their own books: an unban here leaves the ban there",
    fix: "f2b import takes over its configuration and bans; then systemctl disable --now fail2ban",
  },
  F2B404: {
    severity: "warning",
    title: "another tool owns the firewall",
    why: "when it reloads it may throw away foreign rules; f2b puts its own back within seconds, but they stand open that long",
    fix: "use the banaction of that tool, or nftables, whose table nobody else touches",
  },
  F2B405: {
    severity: "error",
    title: "rules that come before ours and accept",
    why: "packets that an earlier rule accepts never reach the ban",
    fix: "move the rule behind the jump to f2b's chain, or use nftables, which comes before all of them",
  },
  F2B406: {
    severity: "note",
    title: "a jail shuts ports on which nothing listens",
    why: "the service may listen on another port, which stays open to banned addresses",
    fix: "write the port on which the service listens",
  },
  F2B407: {
    severity: "warning",
    title: "a service listens on a port that its jail does not shut",
    why: "a banned attacker simply goes on there",
    fix: 'add the port, or write port = "all"',
  },
  F2B408: {
    severity: "error",
    title: "containers are not covered",
    why: "packets to published ports are forwarded and never pass the INPUT chain: banned addresses reach the containers",
    fix: 'use nftables with its default hook (prerouting), or add chain = ["INPUT", "DOCKER-USER"]',
  },
  F2B409: {
    severity: "warning",
    title: "IPv6 is open while only IPv4 is banned",
    why: "the machine is reachable by IPv6, but bans of IPv6 addresses are not carried out",
    fix: 'write allowipv6 = "auto" and a banaction that knows IPv6',
  },
  F2B410: {
    severity: "error",
    title: "the firewall does not hold what the journal says",
    why: "somebody else changed the rules, or bans failed: who should be shut out is not",
    fix: "f2b reload compares and mends; f2b status shows what failed",
  },
  F2B411: {
    severity: "warning",
    title: "the daemon does not run",
    why: "nothing is watched",
    fix: "systemctl start f2b, or f2b service install",
  },
  F2B412: {
    severity: "warning",
    title: "the daemon runs dry",
    why: "it says what it would do, and bans nobody",
    fix: "mend what it names, then restart it",
  },
  F2B413: {
    severity: "error",
    title: "the daemon has a problem",
    why: "it says so itself; what it is about may be without effect",
    fix: "f2b status tells more; journalctl -u f2b has the whole story",
  },
  F2B414: {
    severity: "error",
    title: "bans without effect",
    why: "addresses that are banned still fail to log in: their packets arrive by another way",
    fix: "look which port, proxy or address family they come by; f2b explain ADDRESS tells what is known",
  },
  F2B415: {
    severity: "warning",
    title: "f2b's journal is damaged",
    why: "records that cannot be read are left out and kept aside: bans or history may be missing",
    fix: "look for a full or failing disk; the damaged pieces are beside the journal",
  },
  F2B416: {
    severity: "error",
    title: "the daemon lives in another network namespace",
    why: "its rules stand where no packet of this machine comes by",
    fix: "start it on the host: without PrivateNetwork= and outside of containers",
  },
  F2B417: {
    severity: "warning",
    title: "the configuration was changed since the daemon read it",
    why: "what stands in the files is not in force",
    fix: "f2b reload",
  },
  F2B418: {
    severity: "error",
    title: "the journal cannot be written",
    why: "bans hold, but a restart forgets them",
    fix: "make room, or the state directory writable; f2b recovers by itself",
  },
  F2B419: {
    severity: "note",
    title: "the daemon is of another version than this program",
    why: "what was mended by the update is not in force yet",
    fix: "systemctl restart f2b; standing bans stay",
  },
  F2B420: {
    severity: "error",
    title: "a banaction that cannot shut out what its jail blames",
    why: 'firewalls know addresses; what <F-ID> captures, or a name with usedns = "raw", is refused by them and never banned',
    fix: 'capture the address with <HOST>, or write a banaction = { name = "command", … } that understands it',
    bad: "failregex = ['^locked out: <F-ID>\\S+</F-ID>$']",
    good: "failregex = ['^locked out: \\S+ from <HOST>$']",
  },
  F2B421: {
    severity: "note",
    title: "iptables without ipset",
    why: "each banned address is a rule of its own, and each packet pays for every rule",
    fix: "install ipset, or nft",
  },
} as const satisfies Readonly<Record<string, Rule>>;
