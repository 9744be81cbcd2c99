// Owners and modes of everything root obeys or keeps secret.

import { basename, dirname, join } from "node:path";
import { type Config, defaultPath } from "../../config/index.ts";
import { compileIgnore } from "../../core/ignore.ts";
import type { System } from "../../system/index.ts";
import type { FileRole, GuardedFile } from "../facts.ts";
import { writtenSecrets } from "../secrets.ts";

export function lookAtFiles(system: System, config: Config, self: string): GuardedFile[] {
  const found = new Map<string, GuardedFile>();
  const add = (path: string, role: FileRole, of: string): void => {
    try {
      const real = system.files.realpath(path);
      const stat = system.files.stat(real);
      if (stat === undefined || found.has(`${role} ${real}`)) return;
      const kind =
        stat.kind === "file" || stat.kind === "directory" || stat.kind === "socket" ? stat.kind : "other";
      found.set(`${role} ${real}`, {
        path: real,
        role,
        kind,
        uid: stat.uid,
        gid: stat.gid,
        mode: stat.mode,
        of,
      });
    } catch {
      // not there, or not for our eyes
    }
  };
  /** As sshd's StrictModes: whoever can write a directory on the way can put another file there. */
  const addWay = (path: string, role: FileRole, of: string): void => {
    add(path, role, of);
    for (let at = dirname(path); ; at = dirname(at)) {
      add(at, role, `on the way to ${path}`);
      if (dirname(at) === at) return;
    }
  };

  const main = config.files[0] ?? defaultPath;
  // What f2b set saved lies with the state.
  for (const file of config.files)
    if (basename(file) !== "settings.toml") addWay(file, "configuration", "the configuration");
  add(join(dirname(main), "conf.d"), "configuration", "the configuration");
  const jails = join(dirname(main), "jails");
  add(jails, "jails", "the jail files");
  for (const name of names(system, jails))
    if (name.endsWith(".toml")) add(join(jails, name), "jails", "a jail file");

  const { statedir, socket } = config.daemon;
  add(statedir, "state", "the state");
  for (const name of names(system, statedir)) add(join(statedir, name), "state", "the state");
  add(socket, "socket", "the control socket");
  if (basename(self).startsWith("f2b")) addWay(self, "f2b", "f2b itself");

  for (const jail of config.jails) {
    if (!jail.enabled) continue;
    const command = jail.ignore.ignorecommand?.[0];
    if (command?.startsWith("/") === true) addWay(command, "program", `ignorecommand of ${jail.name}`);
    for (const use of jail.banaction)
      for (const [key, value] of Object.entries(use.options)) {
        const [program] = Array.isArray(value) ? (value as unknown[]) : [];
        if (typeof program === "string" && program.startsWith("/"))
          addWay(program, "program", `${key} of ${jail.name}`);
      }
    for (const path of compileIgnore(jail.ignore.ignoreip).files)
      addWay(path, "ignorelist", `ignoreip of ${jail.name}`);
  }
  for (const use of Object.values(config.notify)) {
    const options = use.options as Readonly<Record<string, unknown>>;
    const [program] = Array.isArray(options.command) ? (options.command as unknown[]) : [options.program];
    if (typeof program === "string" && program.startsWith("/"))
      addWay(program, "program", `notify.${use.name}`);
    const [secret] = writtenSecrets(use);
    const file = config.provenance()[`notify.${use.name}.${secret}`]?.at.file;
    if (secret !== undefined && file !== undefined)
      add(file, "secret", `the ${secret} of notify.${use.name}`);
  }
  return [...found.values()];
}

function names(system: System, directory: string): readonly string[] {
  try {
    return system.files.readdir(directory);
  } catch {
    return [];
  }
}
