// What the wizard saw on this machine, as plain data: everything it proposes follows from this and from the answers.

import type { Address } from "../core/domain.ts";

export interface Facts {
  readonly root: boolean;
  /** systemd is the init system here (sd_booted(3)). */
  readonly systemd: boolean;
  /** Every service of the catalogue that there is a trace of. */
  readonly services: readonly Service[];
  readonly firewall: Firewall;
  readonly published: readonly Published[];
  readonly admin: Admin | undefined;
  /** f2b's daemon runs already. */
  readonly guarded: boolean;
  readonly fail2ban: Fail2ban | undefined;
  /** How mail can leave this machine: a server listens on port 25, or a sendmail program is installed; undefined: neither. */
  readonly mail: "server" | "sendmail" | undefined;
}

/** A jail file, and what of its service is seen here. */
export interface Service {
  readonly jail: string;
  readonly summary: string;
  /** What the service must be configured to log, if anything. */
  readonly needs: string | undefined;
  /** How it is known to run, shortest first: "nginx.service", "nginx". Empty: it is not seen running. */
  readonly running: readonly string[];
  /** It runs in a container: the program's name and the container's json-file log, if docker writes one. */
  readonly container: { readonly program: string; readonly log: string | undefined } | undefined;
  /** Logs of the jail file's own paths that are there. */
  readonly logs: readonly Log[];
  /** Logs that the running service holds open and that no path of the jail file answers. */
  readonly elsewhere: readonly string[];
  /** The jail file's own paths, for adding to. */
  readonly logpath: readonly string[];
  /** When systemd's journal last had a record of it; undefined: never within a month, or not asked. */
  readonly journald: number | undefined;
  /** Ports below the jail file's own on which it listens as well, other than on loopback. */
  readonly otherPorts: readonly number[];
  /** The jail file's own ports, for adding to. */
  readonly port: readonly (string | number)[];
  /** It listens to f2b's own bans and needs no log. */
  readonly events: boolean;
  /** The program whose log it reads, where that is another service's and nothing of the application itself was seen. */
  readonly guestOf: string | undefined;
  /** Why strangers could have others banned by it: such a jail is never proposed. */
  readonly unsafe: string | undefined;
  /** Why the jail file leaves it to the user. */
  readonly optional: string | undefined;
}

export interface Log {
  readonly path: string;
  readonly mtimeMs: number;
  readonly size: number;
}

export interface Firewall {
  /** What works here, best first in the eyes of banaction/choose.ts; "print": nothing does. */
  readonly choice: string;
  readonly reason: string;
  /** Who else writes rules here: "ufw is active", "docker has chains of its own". */
  readonly others: readonly string[];
  /** Containers' chains through which forwarded packets go, as iptables knows them. */
  readonly forwarding: readonly string[];
}

/** A container's port that the world can reach. */
export interface Published {
  readonly port: number;
  readonly protocol: string;
  readonly to: string;
}

export interface Admin {
  readonly addresses: readonly Address[];
  readonly how: string;
}

export interface Fail2ban {
  readonly directory: string;
  readonly running: boolean;
}
