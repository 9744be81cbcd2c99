// F2B8nn: who is told.

import type { Rule } from "../catalogue.ts";

export const notificationRules = {
  F2B801: {
    severity: "error",
    title: "a notification fails",
    why: "nobody is told of bans, nor of what is broken",
    fix: "f2b notify test NAME tries it and says what the other side answers",
  },
  F2B802: {
    severity: "warning",
    title: "the server of a notification cannot be reached",
    why: "messages wait and are given up in the end",
    fix: "check host, port and firewall; then f2b notify test NAME",
  },
  F2B803: {
    severity: "error",
    title: "the program of a notification is missing",
    why: "nothing can be sent",
    fix: "install it, or choose another way",
  },
  F2B804: {
    severity: "warning",
    title: "a placeholder in a notification",
    why: "messages go to nobody, or to a stranger",
    fix: "write your own address, token or host",
    bad: 'to = ["admin@example.org"]',
  },
  F2B805: {
    severity: "warning",
    title: "a report that goes nowhere",
    why: "[report] has a schedule, but there is no [notify.NAME] that could send it",
    fix: "write a [notify.NAME], or remove [report]",
    bad: '[report]\nschedule = "daily 07:00"',
  },
  F2B806: {
    severity: "warning",
    title: "messages were given up",
    why: "the queue was full, or the other side refused for too long",
    fix: "f2b notify shows which; group them (rate, digest) or mend the other side",
  },
  F2B807: {
    severity: "note",
    title: "a notification that nobody uses",
    why: "it is switched off, or no enabled jail names it",
    fix: "name it in notify of a jail, or remove it",
  },
  F2B808: {
    severity: "error",
    title: "a secret's file is missing or open to everybody",
    why: "the notification refuses to use it and nothing is sent",
    fix: "make the file with the secret in its first line and chmod 600 it; or run f2b doctor --fix",
  },
  F2B809: {
    severity: "warning",
    title: "the name of a notification's server does not resolve",
    why: "nothing can be sent until it does",
    fix: "check the name, and /etc/resolv.conf",
  },
} as const satisfies Readonly<Record<string, Rule>>;
