// F2B5nn: whom a ban must not hit.

import type { Rule } from "../catalogue.ts";

export const lockoutRules = {
  F2B501: {
    severity: "warning",
    title: "the address you are connected from is not on the ignore list",
    why: "a few typing mistakes from there shut you out once you are logged out; while you are in, only the last gate keeps you",
    fix: "add it to ignoreip of [defaults], or run f2b doctor --fix",
  },
  F2B502: {
    severity: "note",
    title: "the default gateway is not on the ignore list",
    why: "where it translates addresses, attackers outside appear under its address; the last gate refuses the ban but the failures count",
    fix: "add it to ignoreip of [defaults]",
  },
  F2B503: {
    severity: "note",
    title: "a resolver is not on the ignore list",
    why: "without its answers names do not resolve; the last gate refuses the ban but the failures count",
    fix: "add it to ignoreip of [defaults]",
  },
  F2B504: {
    severity: "warning",
    title: "the mail relay is not on the ignore list",
    why: "bounces and spam that it passes on look like abuse by the relay: banned, no mail comes in or goes out",
    fix: "add it to ignoreip of [defaults]",
  },
  F2B505: {
    severity: "warning",
    title: "a neighbour of the cluster is not on the ignore list",
    why: "a node with a wrong password or certificate retries for ever: banned, the cluster falls apart",
    fix: "add the cluster's network to ignoreip of [defaults]",
  },
  F2B506: {
    severity: "error",
    title: "a jail would have banned one of your own in the last days",
    why: "the log holds enough failures of an address that you depend on",
    fix: "add the address to ignoreip, and find out what fails there; f2b replay shows it",
  },
  F2B507: {
    severity: "error",
    title: "a reverse proxy would be banned",
    why: "behind it are all the visitors: they would be shut out together",
    fix: "let the service log the client's address, or list the proxy in trustedproxies",
  },
  F2B508: {
    severity: "warning",
    title: "an address that many customers share would be banned",
    why: "100.64.0.0/10 is where carriers put thousands of customers behind one address: a ban hits them all",
    fix: "add the carrier's range to ignoreip, or ban shorter",
  },
  F2B509: {
    severity: "error",
    title: "one of your own is banned right now",
    why: "its packets do not arrive",
    fix: "f2b unban ADDRESS, then add it to ignoreip",
  },
  F2B510: {
    severity: "error",
    title: "the last gate was opened for an address you depend on",
    why: "unguarded lets a gateway, resolver or administrator's session be banned",
    fix: "remove it from unguarded in [daemon]",
  },
} as const satisfies Readonly<Record<string, Rule>>;
