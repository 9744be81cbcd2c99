// A systemd-journald of our own, in a journal namespace: its sockets and files are apart from the machine's, and need no systemd.

import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { type Subprocess, spawnSync } from "bun";
import { eventually } from "./time.ts";

const daemon = ["/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald"].find((path) =>
  existsSync(path),
);

/** Why it cannot be started here; undefined: it can. */
export const noJournald: string | undefined =
  process.geteuid?.() !== 0
    ? "not root"
    : daemon === undefined
      ? "no systemd-journald"
      : spawnSync(["sh", "-c", "command -v journalctl"]).exitCode === 0
        ? undefined
        : "no journalctl";

export interface Journald {
  readonly namespace: string;
  /** Where programs send datagrams in the journal's own protocol, and in syslog's. */
  readonly socket: string;
  readonly syslog: string;
  stop(): Promise<void>;
}

export async function startJournald(): Promise<Journald> {
  const namespace = `f2b${process.pid}x${Math.floor(Math.random() * 1e6)}`;
  const run = `/run/systemd/journal.${namespace}`;
  mkdirSync(run, { recursive: true });
  mkdirSync("/run/log/journal", { recursive: true });
  const child: Subprocess = Bun.spawn([daemon ?? "", namespace], { stdout: "ignore", stderr: "ignore" });
  await eventually("journald's sockets", () => existsSync(`${run}/socket`) && existsSync(`${run}/dev-log`));
  // A journalctl that is started before there is a journal may miss its making.
  await eventually("its journal", () => journalsOf(namespace).some((directory) => holdsJournal(directory)));
  return {
    namespace,
    socket: `${run}/socket`,
    syslog: `${run}/dev-log`,
    async stop() {
      child.kill("SIGKILL");
      await child.exited;
      rmSync(run, { recursive: true, force: true });
      for (const directory of journalsOf(namespace)) rmSync(directory, { recursive: true, force: true });
    },
  };
}

const journalsOf = (namespace: string): readonly string[] =>
  ["/run/log/journal", "/var/log/journal"].filter(existsSync).flatMap((base) =>
    readdirSync(base)
      .filter((name) => name.endsWith(`.${namespace}`))
      .map((name) => `${base}/${name}`),
  );

const holdsJournal = (directory: string): boolean =>
  readdirSync(directory).some((name) => name.endsWith(".journal"));
