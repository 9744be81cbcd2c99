// Names of ports, so that `port = "ssh"` means the same on a machine without /etc/services (containers, minimal systems). The
// numbers are IANA's (service-names-port-numbers registry); what /etc/services adds is learned when it is asked for.

import type { System } from "../system/index.ts";

const common: Readonly<Record<string, number>> = Object.fromEntries(
  `
    ftp-data:20 ftp:21 ssh:22 sftp:115 telnet:23 smtp:25 domain:53 dns:53 tftp:69 http:80 kerberos:88
    pop3:110 ident:113 auth:113 nntp:119 ntp:123 imap2:143 imap:143 imap4:143 snmp:161 snmp-trap:162
    irc:194 ldap:389 https:443 microsoft-ds:445 smtps:465 submissions:465 urd:465 ssmtp:465 isakmp:500
    syslog:514 submission:587 ldaps:636 ftps-data:989 ftps:990 telnets:992 imaps:993 ircs:994 pop3s:995
    socks:1080 openvpn:1194 ms-sql-s:1433 ms-sql-m:1434 l2tp:1701 pptp:1723 radius:1812 radius-acct:1813
    mqtt:1883 nfs:2049 sieve:4190 mysql:3306 ms-wbt-server:3389 rdp:3389 svn:3690 epmd:4369 ipsec-
    nat-t:4500 rfb:5900 vnc:5900 sip:5060 sip-tls:5061 xmpp-client:5222 xmpp-server:5269 postgresql:5432
    amqps:5671 amqp:5672 redis:6379 ircd:6667 http-alt:8080 webcache:8080 https-alt:8443 secure-
    mqtt:8883 git:9418 webmin:10000 mongodb:27017 murmur:64738 squid:3128 rsync:873 netbios_ns:137
    netbios-ns:137 netbios-dgm:138 netbios-ssn:139 gopher:70 finger:79 kerberos-adm:749 kpasswd:464
    nrpe:5666 managesieve:4190
  `
    .trim()
    .split(/\s+/)
    .map((one) => [one.slice(0, one.indexOf(":")), Number(one.slice(one.indexOf(":") + 1))]),
);

const learned = new Map<string, number>();
/** Of the file that was read last. */
let version = "";
/** Where to look once a name is asked for that is not built in. */
let source: System | undefined;

/** From now on takes the names of /etc/services (services(5)) in addition, again when it has changed; what is built in stays as it is. */
export function learnServices(system: System): void {
  source = system;
}

function look(): void {
  const system = source;
  source = undefined;
  if (system === undefined) return;
  try {
    const stat = system.files.stat("/etc/services");
    const now = `${stat?.ino} ${stat?.mtimeMs} ${stat?.size}`;
    if (now === version) return;
    version = now;
    learned.clear();
    if (stat?.kind === "file" && stat.size < 4 * 1024 * 1024)
      learn(new TextDecoder().decode(system.files.readFile("/etc/services")));
  } catch {
    // The names that are built in must do.
  }
}

export function learn(text: string): void {
  for (const found of text.matchAll(/^([A-Za-z0-9][^\s#]*)[ \t]+(\d{1,5})\/\w+([^#\n]*)/gm)) {
    const port = Number(found[2]);
    if (port < 1 || port > 65535) continue;
    for (const name of [found[1]!, ...found[3]!.trim().split(/\s+/)]) {
      if (name !== "" && !Object.hasOwn(common, name) && !learned.has(name)) learned.set(name, port);
    }
  }
}

/** 1 … 65535 by name or decimal text; undefined when it is neither. */
export function portNumber(text: string): number | undefined {
  if (/^\d{1,5}$/.test(text)) {
    const port = Number(text);
    return port >= 1 && port <= 65535 ? port : undefined;
  }
  const name = text.toLowerCase();
  if (Object.hasOwn(common, name)) return common[name];
  look();
  return learned.get(text) ?? learned.get(name);
}

export function serviceNames(): string[] {
  look();
  return [...Object.keys(common), ...learned.keys()];
}
