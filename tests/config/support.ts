// A configuration on a disk in memory.

import { type Config, faultText, type LoadOptions, loadConfig } from "../../src/config/index.ts";
import type { Fault } from "../../src/core/domain.ts";
import { fakeSystem } from "../support/system.ts";

/** A service file of our own, so that tests do not depend on the catalogue. */
export const demo = `summary = "a service for tests"
port = ["http", "8081-8090"]
logpath = ["/var/log/demo.log"]
maxretry = 7

[filter]
format = "timestamp"
failregex = ['^login of <F-USER>\\S+</F-USER> from <HOST> failed$']

[[sample]]
about = "a failed login"
line = "2026-03-02 10:15:09 login of root from 203.0.113.5 failed"
fail = { host = "203.0.113.5", user = "root" }

[[sample]]
about = "a login is no failure"
line = "2026-03-02 10:15:09 login of root from 203.0.113.5"
fail = false
`;

export const mainFile = "/etc/f2b/f2b.toml";

export function load(
  toml: string,
  more: Readonly<Record<string, string>> = {},
  options: Partial<LoadOptions> = {},
) {
  const system = fakeSystem({ files: { [mainFile]: toml, "/etc/f2b/jails/demo.toml": demo, ...more } });
  return loadConfig({ path: mainFile, reader: undefined, ...options, system });
}

export function good(toml: string, more: Readonly<Record<string, string>> = {}): Config {
  const loaded = load(toml, more);
  if (!loaded.ok) throw new Error(said(loaded.faults));
  return loaded.value;
}

export function faults(toml: string, more: Readonly<Record<string, string>> = {}): readonly Fault[] {
  const loaded = load(toml, more);
  return loaded.ok ? [] : loaded.faults;
}

export const said = (list: readonly Fault[]): string =>
  list.map((fault) => faultText(fault, () => undefined)).join("");

/** "3:7 what" for each fault. */
export const brief = (list: readonly Fault[]): string[] =>
  list.map((fault) => `${fault.at === undefined ? "" : `${fault.at.line}:${fault.at.column} `}${fault.what}`);
