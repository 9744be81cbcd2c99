// What a service makes of a stranger's text before it stands in a line: it refuses some, escapes some, and much of a line is the
// service's own. Each rule has its reason; "¤" in `at` is where the text stands.

import type { Place } from "./places.ts";

interface Rule {
  readonly at: RegExp;
  /** What comes of the text; undefined: it cannot stand there. */
  readonly write: (text: string, was: string, line: string) => string | undefined;
  readonly why: string;
}

type Writer = Rule["write"];

/** The service's own words, or what its administrator configured. */
const own: Writer = () => undefined;
const only =
  (allowed: RegExp): Writer =>
  (text) =>
    allowed.test(text) ? text : undefined;
/** glibc gives no host name with other characters. */
const hostName = only(/^[\w.-]{1,255}$/);
const noBlank = only(/^\S*$/);
/** Inside double quotes, these and backslashes are escaped. */
const quoted: Writer = (text) => text.replace(/["\\]/g, "\\$&");
/** A value of logfmt: quoted where it holds more than a word. */
const logfmt: Writer = (text) => (/^[\w.:/@^+-]*$/.test(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`);
/** nginx' access log. */
const hex: Writer = (text) =>
  text.replace(
    /[\x00-\x1f"\\\x7f-\xff]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
/** The audit daemon writes a name that holds a blank, a quote or a control character in hexadecimal digits. */
const audit: Writer = (text) =>
  /^[!#-~]*$/.test(text)
    ? text
    : [...text].map((c) => c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")).join("");
const csv: Writer = (text) => text.replaceAll('"', '""');

const rule = (at: RegExp, write: Writer, why: string): Rule => ({ at, write, why });
const address = /(?:\d{1,3}\.){3}\d|[\da-f]{0,4}:[\da-f]{0,4}:[\da-f:]/i.source;
const ptr = rule(new RegExp(`¤ ?\\[(?:IPv6:)?(?:${address})`), hostName, "a host name of the resolver's");

/** The host that was asked for, in the log of Nginx Proxy Manager. */
const proxyHost = rule(
  / https? ¤ "/,
  only(/^[^\s"\\]*$/),
  "nginx refuses a host with a blank, and escapes quotes",
);

export const everywhere: readonly Rule[] = [
  rule(
    /"[\w-]*forwarded[\w-]*": ?\[?"¤"/i,
    (text, was) => `${text}, ${was}`,
    "a trusted proxy appends the client",
  ),
  rule(/ruser=[^\n]* {2}user=¤$/, own, "the name that stands behind ruser= already"),
  rule(/(?:logname|tty)=¤ |pam_\S*¤\S* /, own, "who started the service"),
];

export const rules: Readonly<Record<string, readonly Rule[]>> = {
  adguardhome: [rule(/user "¤"/, quoted, "Go's %q")],
  "apereo-cas": [rule(/\|¤$/, own, "the server's address"), rule(/^[^|]*¤/, own, "the logger")],
  asterisk: [
    rule(/Call from '¤' \(/, own, "the name of a peer of the configuration"),
    rule(/\.c: ? ?¤: Call \(/, own, "the name of an endpoint of the configuration"),
    rule(/(?:ACLName|SessionTV)="¤"/, own, "an ACL of the configuration, or a time"),
  ],
  assp: [rule(/\[¤\] /, own, "the worker, or a tag of ASSP's")],
  authelia: [
    rule(/path=¤ /, logfmt, "logrus"),
    rule(/path=\S*¤/, noBlank, "the path of a route"),
    rule(/(?:msg|error)="[^"]*¤[^"]*"/, quoted, "logrus"),
  ],
  "cyrus-imap": [ptr],
  dovecot: [
    rule(/-login: [^<>]*¤[^<>]*\)(?: \(\w+\))?: /, own, "the end of the session, in Dovecot's words"),
    rule(/method=¤,/, (text) => text.toUpperCase().slice(0, 64), "the mechanism, in capitals"),
    rule(/ rip=[^\s,]+,[^\n]*¤|\)<(?:\d+><)?¤>|,¤\)/, own, "the server's address, TLS, a session's id"),
  ],
  "drupal-auth": [rule(/https?:\/\/¤\|\d{9}/, only(/^[\w.:[\]-]+$/), "Drupal refuses other hosts")],
  "ejabberd-auth": [
    rule(/^[^()]*\(¤\)|<[\d.]+>@¤ /, own, "a socket, or a module"),
    rule(/<<"¤">>/, quoted, "Erlang's term writer"),
    rule(/from [\w:.]+: ¤$/, own, "the reason"),
  ],
  exchange: [rule(/^[^,]*,¤,/, own, "the connector")],
  exim: [ptr, rule(/synchronization error \(¤\)/, own, "which error")],
  "exim-spam": [ptr, rule(/ for ¤$/, only(/^[^\s()]*$/), "a recipient: other characters only in quotes")],
  fireflyiii: [rule(/POST:¤\)/, noBlank, "a URL")],
  "fortinet-vpn": [
    rule(
      /(?:\w*time|\w*date|logid|type|subtype|level|logdesc|action|vd|dev\w+|tunnel\w+)="?¤/,
      own,
      "the firewall's own words",
    ),
  ],
  "froxlor-auth": [rule(/"user":"[^"]*"¤\}/, own, "the rest of the context")],
  grafana: [
    rule(/(?:path|referer)="¤"/, quoted, "go-kit's logfmt"),
    rule(/ (?:uname|path|referer)=¤/, logfmt, "go-kit's logfmt"),
  ],
  guacamole: [rule(/\[¤\] WARN|WARN[^"]*¤[^"]* Authentication attempt/, own, "a thread, or a class")],
  horde: [rule(/ of "?¤"?\]|to \{¤\}/, own, "a file of Horde's, or the configured server")],
  "mailu-admin": [rule(/badauth: ¤$/, own, "a hash of the password")],
  miniflux: [rule(/msg="¤"|^¤ +\|/, own, "Miniflux's own words, or a container's name")],
  nsd: [rule(/ratelimit block ¤|(?:axfr|ixfr|notify|query)(?: for)?(?: zone)? ¤/, noBlank, "a DNS name")],
  ntfy: [rule(/visitor_ip=[\d.]+¤/, own, "what follows the address")],
  "joplin-server": [rule(/"¤"/, quoted, "JSON")],
  navidrome: [rule(/ \w+=¤/, logfmt, "logrus"), rule(/="[^"]*¤/, quoted, "logrus")],
  "nginx-http-auth": [rule(/^[^[]* - ¤ \[\d\d\//, hex, "nginx' access log")],
  "nginx-limit-req": [rule(/by zone "¤"/, own, "a zone of the configuration")],
  oracleims: [
    rule(/\] ¤\S* (?:imapd|popd|m?s?httpd)\[/, own, "the server's name"),
    rule(/ (?:ts|pi|sc|dr|ac|ap|mi)="¤"/, own, "the server's own words"),
  ],
  "pfsense-gui": [rule(/\(¤\)/, own, "an authentication server of the configuration")],
  postfix: [ptr, rule(/hostname ¤ does not/, hostName, "a host name of the resolver's")],
  postgresql: [
    rule(/(?:^|,)"¤"/, csv, "CSV"),
    rule(
      /^[^"]*¤[^"]*FATAL: [^\n]*user "/,
      (text, was, line) => {
        const [user, database] = was.split("@");
        if (!line.includes(`user "${user}"`)) return text;
        return database === undefined ? undefined : `${user}@${text} `;
      },
      "the name stands in the message, too: the database alone",
    ),
  ],
  proftpd: [ptr, rule(/\] ¤ \(|\]: ¤ \(|^¤ \(|¤\S* \(\S+\[/, own, "the server's name")],
  "roundcube-auth": [rule(/from [\w.:]+\. ¤|against ¤ from/, own, "the IMAP server, and what it answered")],
  sabnzbd: [rule(/\] [^[]*¤: /, own, "SABnzbd's own words")],
  screensharingd: [rule(/Type: ¤$/, own, "the kind of authentication")],
  "sendmail-reject": [
    ptr,
    rule(/arg[12]=<?¤/, (text) => text.slice(0, 203), "sendmail shortens them to 203"),
  ],
  "selinux-ssh": [
    rule(/acct="¤"/, audit, "the audit daemon"),
    rule(/UID="¤"|¤/, own, "the daemon's own words"),
  ],
  sieve: [ptr],
  sshd: [
    rule(/^[^\n]*Failed ¤ for /, own, "the method"),
    rule(/host=¤, ip=/, hostName, "a host name of the resolver's"),
    rule(/tried for ¤ with (?:correct|valid)|\/¤\S*:\d+: Auth/, own, "a user who has a key here"),
    rule(
      /(?:\bfor|user) (?:invalid user )?¤/i,
      (text) => text.split(":")[0]?.slice(0, 100),
      "cut at a colon and at 100",
    ),
    rule(/identification '¤'/, (text) => text.slice(0, 200), "%.200s"),
  ],
  sshesame: [rule(/user "¤"/, quoted, "Go's %q")],
  suhosin: [rule(/file '¤'/, own, "the script's file")],
  "synology-dsm": [rule(/(?:via|to) \[¤\]/, own, "DSM's own words")],
  "web-exploit": [proxyHost],
  "web-scan": [
    proxyHost,
    rule(new RegExp(`${address}\\S* ¤ \\S+ \\[`), noBlank, "RFC 1413 identity: one word"),
  ],
  vsftpd: [
    rule(/^\[?[^"]*\[¤\]|ruser=¤/, (text) => text.slice(0, 128), "vsftpd refuses longer names"),
    rule(/FAIL LOGIN: Client "[^"]*", "¤"/, own, "the reason"),
  ],
  wuftpd: [ptr, rule(/\(¤\) FROM/, own, "the reason")],
  zimbra: [
    rule(/^[^[]*\[¤\] \[/, noBlank, "a thread, with the URL as it was sent"),
    rule(/\[(?:[^\]]*;)?a?name=¤;/, only(/^[\w.@+-]*$/), "an account that exists"),
  ],
};

/** As the jail's service writes a text of a stranger into a place of its line. */
export function writer(jail: string): (text: string, place: Place, record: string) => string | undefined {
  const known = [...(rules[jail] ?? []), ...everywhere];
  return (text, { from, to }, record) => {
    const begin = record.lastIndexOf("\n", from - 1) + 1;
    const feed = record.indexOf("\n", to);
    const line = `${record.slice(begin, from)}¤${record.slice(to, feed < 0 ? undefined : feed)}`;
    const found = known.find(({ at }) => at.test(line));
    return found === undefined ? text : found.write(text, record.slice(from, to), line);
  };
}

const syslogHead =
  /^(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8}|\d{4}-\d\d-\d\dT\S{8,30}) [\w.:-]{1,64} [\w./-]{1,64}(?:\[\d+\])?: /;

/** Where the logger of such a line cuts it: RFC 3164's limit where a service logs through syslog, nginx' own. */
export function loggersLimit(formats: readonly string[], record: string): number | undefined {
  if (formats.includes("nginx-error") && /^\d{4}\/\d\d\/\d\d [\d:]{8} \[[a-z]+\] \d+#/.test(record))
    return 2047;
  return formats.includes("syslog") && syslogHead.test(record) ? 1023 : undefined;
}
