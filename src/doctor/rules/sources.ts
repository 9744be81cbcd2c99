// F2B3nn: where the lines come from.

import type { Rule } from "../catalogue.ts";

export const sourceRules = {
  F2B301: {
    severity: "warning",
    title: "a jail whose log is not there",
    why: "it waits for a file that may never come, and sees no failure meanwhile",
    fix: "name the file that the service writes; f2b init finds it",
  },
  F2B302: {
    severity: "error",
    title: "a log that may not be read",
    why: "the jail sees no failure",
    fix: "let the daemon's user read it, and name a plain file",
  },
  F2B303: {
    severity: "warning",
    title: "a log that does not grow while its service runs",
    why: "the service seems to log somewhere else: the jail looks healthy and sees nothing",
    fix: "look where the service logs now (its configuration, the journal), and name that",
  },
  F2B304: {
    severity: "warning",
    title: "lines without a time that is recognised",
    why: "what is read as backlog counts at the moment of reading, so that failures of days look like an attack, or are left out",
    fix: "name the format: datepattern, or format in the jail file; f2b regex shows what is recognised",
  },
  F2B305: {
    severity: "warning",
    title: "times in the log are hours off",
    why: "after a restart the backlog is judged by its own times: failures seem too old to count, or in the future",
    fix: 'write the zone in which the service logs: logtimezone = "UTC"',
  },
  F2B306: {
    severity: "warning",
    title: "a journalmatch that yields nothing",
    why: "no record of the journal has these fields: the jail looks healthy and sees nothing",
    fix: "journalctl -n 5 -o verbose -u UNIT shows the fields that the service's records have",
  },
  F2B307: {
    severity: "warning",
    title: "journald drops records of a service that writes too fast",
    why: "during an attack the very lines that count are the ones that are dropped",
    fix: "raise RateLimitBurst= in /etc/systemd/journald.conf, or LogRateLimitBurst= of the service",
  },
  F2B308: {
    severity: "warning",
    title: "the journal reaches back less than findtime",
    why: "after a restart failures that are still inside findtime cannot be read again, and do not count",
    fix: "raise SystemMaxUse= (or Storage=persistent) in /etc/systemd/journald.conf, or shorten findtime",
  },
  F2B309: {
    severity: "warning",
    title: "a log that is rotated away faster than findtime",
    why: "after a restart failures that are still inside findtime are in files that are gone, and do not count",
    fix: "rotate less often, keep more rotations, or shorten findtime",
  },
  F2B310: {
    severity: "error",
    title: "the log names a proxy instead of the clients",
    why: "every failure has the same internal address: a ban shuts out everybody, or nobody",
    fix: "let the service log the client's address (real_ip in nginx, remoteip in apache, trusted proxies of the application)",
  },
  F2B311: {
    severity: "warning",
    title: "rotated files are watched as logs",
    why: "what they hold was counted before; each rotation makes old failures look new",
    fix: 'let the glob end in the name of the live file: "access.log" or "*access.log", not "access.log*"',
  },
  F2B312: {
    severity: "warning",
    title: "a log in which the jail's service does not appear",
    why: "not one of the last lines is of the program that the filter looks for",
    fix: "name the log of that service, or the filter of this log",
  },
  F2B313: {
    severity: "note",
    title: "a log on a file system that tells of no changes",
    why: "it is looked at every second or so instead of at once, and its inode numbers may be reused",
    fix: 'let the service log to a local disk; or write backend = "polling" to say that it is meant so',
  },
  F2B314: {
    severity: "warning",
    title: "lines of several hosts in one log",
    why: "failures on other hosts lead to bans on this one, and whoever may send syslog to it may have anybody banned",
    fix: "let the syslog daemon write remote hosts to files of their own",
  },
  F2B315: {
    severity: "error",
    title: "a jail that the daemon could not start",
    why: "it bans nobody until it is mended; the others go on",
    fix: "f2b status JAIL says what is wrong; mend it, then f2b reload",
  },
  F2B316: {
    severity: "warning",
    title: "a log in which failures seem to be missed",
    why: "the last lines hold failures of this kind, but none is recognised: the service's version may write them otherwise",
    fix: "f2b regex LOG JAIL shows which lines are missed",
  },
  F2B317: {
    severity: "warning",
    title: "the journal cannot be asked",
    why: "journalctl is missing or refuses: jails that read the journal see nothing",
    fix: "install systemd's journalctl, or name log files",
  },
  F2B318: {
    severity: "error",
    title: "a log in UTF-16",
    why: "logs are read byte by byte: of text with two bytes a letter no line is recognised, and the jail sees no failure",
    fix: "let the service write UTF-8 (SQL Server for Linux does), or watch a converted copy: tail -c +1 -F LOG | iconv -f UTF-16 -t UTF-8 > COPY",
  },
} as const satisfies Readonly<Record<string, Rule>>;
