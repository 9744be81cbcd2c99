// A machine as the wizard may find it, for turning single facts.

import { parseAddress } from "../../src/core/address.ts";
import type { Address } from "../../src/core/domain.ts";
import type { Facts, Service } from "../../src/init/index.ts";

export const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
};

export const service = (jail: string, changes: Partial<Service> = {}): Service => ({
  jail,
  summary: `${jail} of the test`,
  needs: undefined,
  running: [`${jail}.service`],
  container: undefined,
  logs: [{ path: `/var/log/${jail}.log`, mtimeMs: 1_700_000_000_000, size: 1000 }],
  elsewhere: [],
  logpath: [`/var/log/${jail}.log`],
  journald: undefined,
  otherPorts: [],
  port: ["ssh"],
  events: false,
  guestOf: undefined,
  unsafe: undefined,
  optional: undefined,
  ...changes,
});

export const facts = (changes: Partial<Facts> = {}): Facts => ({
  root: true,
  systemd: true,
  services: [service("sshd"), service("nginx-http-auth", { port: ["http", "https"] })],
  firewall: { choice: "nftables", reason: "nftables v1.0.6 works here", others: [], forwarding: [] },
  published: [],
  admin: { addresses: [address("203.0.113.77")], how: "SSH_CONNECTION" },
  guarded: false,
  fail2ban: undefined,
  mail: undefined,
  ...changes,
});
