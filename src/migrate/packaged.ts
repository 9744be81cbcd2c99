// Which files of the installation a package manager with a program of its own (rpm, pacman) says are as they were installed. dpkg's
// database is a text file and is read directly (stock.ts).

import type { System } from "../system/index.ts";

/** Empty where neither is there, or neither knows the directory. */
export async function verifiedFiles(
  system: Pick<System, "programs">,
  directory: string,
): Promise<ReadonlySet<string>> {
  const { programs } = system;
  const ask = async (program: string, args: readonly string[]): Promise<string | undefined> => {
    const path = programs.find(program);
    if (path === undefined) return undefined;
    const result = await programs.run([path, ...args], { timeoutMs: 10_000 });
    return result.timedOut || result.code < 0 ? undefined : result.stdout;
  };
  const some = `${directory}/jail.conf`;
  const owned = await ask("rpm", ["-qlf", some]);
  if (owned?.includes(some)) {
    const changed = changedByRpm((await ask("rpm", ["-Vf", some])) ?? owned);
    return new Set(filesIn(owned, directory).filter((path) => !changed.has(path)));
  }
  const listed = await ask("pacman", ["-Qlq", "fail2ban"]);
  if (listed?.includes(some)) {
    const changed = changedByPacman((await ask("pacman", ["-Qii", "fail2ban"])) ?? "");
    return new Set(filesIn(listed, directory).filter((path) => !changed.has(path)));
  }
  return new Set();
}

const filesIn = (text: string, directory: string): string[] =>
  text.split("\n").filter((line) => line.startsWith(`${directory}/`));

/** "S.5....T.  c /etc/fail2ban/jail.conf": the third sign is the digest's. */
export function changedByRpm(text: string): Set<string> {
  const out = new Set<string>();
  for (const [, flags, path] of text.matchAll(/^(\S{8,9}|missing)\s+(?:[cdglr]\s+)?(\/.*)$/gm)) {
    if (flags === "missing" || flags?.[2] !== ".") out.add(path!);
  }
  return out;
}

/** "MODIFIED  /etc/fail2ban/jail.conf" or "/etc/fail2ban/jail.conf [modified]" among the backup files. */
export function changedByPacman(text: string): Set<string> {
  const out = new Set<string>();
  for (const [, path] of text.matchAll(/^(?:Backup Files\s*:\s*)?MODIFIED\s+(\/\S+)/gm)) out.add(path!);
  for (const [, path] of text.matchAll(/(\/\S+)\s+\[modified\]/g)) out.add(path!);
  return out;
}
