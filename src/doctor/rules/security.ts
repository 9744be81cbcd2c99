// F2B6nn: who may change what root obeys, and who may read what is secret.

import type { Rule } from "../catalogue.ts";

export const securityRules = {
  F2B601: {
    severity: "error",
    title: "others may write the configuration",
    why: "it names programs that root runs: whoever can write it is root",
    fix: "chown root and chmod go-w, or run f2b doctor --fix",
  },
  F2B602: {
    severity: "error",
    title: "others may write the state",
    why: "whoever can write the journal bans and unbans as he likes",
    fix: "chown root and chmod 700, or run f2b doctor --fix",
  },
  F2B603: {
    severity: "error",
    title: "others may write jail files",
    why: "whoever can write a filter has anybody banned, or nobody",
    fix: "chown root and chmod go-w, or run f2b doctor --fix",
  },
  F2B604: {
    severity: "error",
    title: "others may write a program that root runs",
    why: "whoever can change it is root with the next ban",
    fix: "chown root and chmod go-w, or run f2b doctor --fix",
  },
  F2B605: {
    severity: "warning",
    title: "a secret that others may read",
    why: "tokens and passwords of notifications give access to other systems",
    fix: "chmod 600, or put the secret into a file of its own (…_file); or run f2b doctor --fix",
  },
  F2B606: {
    severity: "error",
    title: "others may use the control socket",
    why: "whoever can talk to it bans and unbans as he likes",
    fix: "restart f2b: it makes the socket 0600 (0660 with socketgroup); or run f2b doctor --fix",
  },
  F2B607: {
    severity: "warning",
    title: "the control socket belongs to a group of ordinary users",
    why: "every member may ban and unban",
    fix: 'make a group for it: socketgroup = "f2b"',
    bad: '[daemon]\nsocketgroup = "users"',
    good: '[daemon]\nsocketgroup = "f2b"',
  },
  F2B608: {
    severity: "error",
    title: "others may write a list of ignored addresses",
    why: "whoever can write it is never banned",
    fix: "chown root and chmod go-w, or run f2b doctor --fix",
  },
  F2B609: {
    severity: "warning",
    title: "everybody on this machine may write a log",
    why: "any local user can have anybody banned by writing a line",
    fix: "chmod o-w; or read the journal, whose fields cannot be forged",
  },
  F2B610: {
    severity: "error",
    title: "others may write f2b itself",
    why: "root runs it",
    fix: "chown root and chmod 755",
  },
  F2B611: {
    severity: "note",
    title: "a secret stands in the configuration itself",
    why: "it ends up in backups, in version control and in what is pasted into bug reports",
    fix: "put it into a file of mode 600 and name that: token_file, password_file, …",
    bad: 'token = "…"',
    good: 'token_file = "/etc/f2b/secrets/ntfy"',
  },
  F2B612: {
    severity: "warning",
    title: "a secret goes over the network in the clear",
    why: "everybody on the way can read it and use it",
    fix: "use https, resp. tls = true",
    bad: 'url = "http://ntfy.example.net/alerts"',
    good: 'url = "https://ntfy.example.net/alerts"',
  },
  F2B613: {
    severity: "warning",
    title: "texts are run by a shell",
    why: "a mistake in quoting lets a stranger's text become a command of root",
    fix: "write the program and its arguments as a list; values come as environment variables",
    bad: "unsafe_shell = true",
  },
} as const satisfies Readonly<Record<string, Rule>>;
