// The dictionary: what fail2ban's own actions are called here. It is the one place that must name members of the registries;
// tests check every name against them.

export interface FirewallWord {
  /** A key of banaction/index.ts. */
  readonly banaction: string;
  readonly options?: Readonly<Record<string, unknown>>;
  /** Shuts every port, whatever the jail says. */
  readonly allPorts?: true;
  /** Told in the report: what is not quite the same. */
  readonly differs?: string;
}

const allPorts = true;

export const firewallWords: Readonly<Record<string, FirewallWord>> = {
  iptables: { banaction: "iptables" },
  "iptables-new": {
    banaction: "iptables",
    differs: "new connections only there; here every packet of the address",
  },
  "iptables-multiport": { banaction: "iptables" },
  "iptables-multiport-log": {
    banaction: "iptables",
    options: { log: 60 },
    differs: "at most sixty packets a minute are logged",
  },
  "iptables-allports": { banaction: "iptables", allPorts },
  "iptables-ipset": { banaction: "iptables" },
  "iptables-ipset-proto4": { banaction: "iptables" },
  "iptables-ipset-proto6": { banaction: "iptables" },
  "iptables-ipset-proto6-allports": { banaction: "iptables", allPorts },
  "iptables-xt_recent-echo": {
    banaction: "iptables",
    differs: "an ordinary rule instead of the recent module",
  },
  nftables: { banaction: "nftables" },
  "nftables-multiport": { banaction: "nftables" },
  "nftables-allports": { banaction: "nftables", allPorts },
  ufw: { banaction: "ufw" },
  "firewallcmd-new": { banaction: "firewalld" },
  "firewallcmd-multiport": { banaction: "firewalld" },
  "firewallcmd-ipset": { banaction: "firewalld" },
  "firewallcmd-allports": { banaction: "firewalld", allPorts },
  "firewallcmd-rich-rules": { banaction: "firewalld" },
  "firewallcmd-rich-logging": { banaction: "firewalld", differs: "packets are not logged" },
  shorewall: { banaction: "shorewall", allPorts },
  "shorewall-ipset-proto6": { banaction: "shorewall", allPorts },
  route: { banaction: "route", allPorts },
  hostsdeny: { banaction: "hosts.deny", allPorts },
  pf: { banaction: "pf" },
  ipfw: { banaction: "ipfw" },
  "bsd-ipfw": { banaction: "ipfw" },
  npf: { banaction: "npf", allPorts },
};

const lists =
  'f2b\'s own banaction = "cloudflare" keeps all addresses in one list of the account and needs its id; until then the old commands are used';

/** Actions that stay commands, though there is something better. */
export const betterWords: Readonly<Record<string, string>> = { cloudflare: lists, "cloudflare-token": lists };

export interface MailWord {
  readonly form: "plain" | "whois" | "whois-lines";
  readonly differs?: string;
}

const grouped = "bans that come together are grouped into one mail anyway";

export const mailWords: Readonly<Record<string, MailWord>> = {
  mail: { form: "plain" },
  "mail-buffered": { form: "plain", differs: grouped },
  "mail-whois": { form: "whois" },
  "mail-whois-lines": { form: "whois-lines" },
  sendmail: { form: "plain" },
  "sendmail-buffered": { form: "plain", differs: grouped },
  "sendmail-whois": { form: "whois" },
  "sendmail-whois-lines": { form: "whois-lines" },
  "sendmail-whois-matches": { form: "whois-lines" },
  "sendmail-whois-ipmatches": { form: "whois-lines", differs: "lines of this jail only" },
  "sendmail-whois-ipjailmatches": { form: "whois-lines" },
  "sendmail-geoip-lines": { form: "whois-lines", differs: "country and network come from [enrichment]" },
};

export const reportWords = {
  mail: "mail",
  abuseipdb: "abuseipdb",
  blocklistDe: "blocklist-de",
  xarf: "xarf",
  telegram: "telegram",
  slack: "slack",
  discord: "discord",
  command: "command",
} as const;

/** The banaction that runs one's own programs. */
export const ownBanAction = "command";

/** Actions that have no place here, and why. */
export const goneWords: Readonly<Record<string, string>> = {
  badips: "the service badips.com has closed",
  "badips.py": "the service badips.com has closed",
  dshield: "reports to DShield by mail have no counterpart",
  mynetwatchman: "the service myNetWatchman has closed",
  ipthreat: "reports to IPThreat have no counterpart",
  dummy: "it only writes to a file, for trying things out",
};

/** abuseipdb's default categories when the jail names none. */
export const defaultAbuseCategories = [18];
