// Mends what can be mended safely: modes and owners of f2b's own files, and single places of the configuration. A text is judged before
// it is written and written through a temporary file; what would make more mistakes than it mends is not written.

import { chmodSync, chownSync } from "node:fs";
import { addIgnored } from "../init/text.ts";
import type { System } from "../system/index.ts";
import { lint } from "./files.ts";
import type { Finding, Mend } from "./index.ts";

/** What it would do, as a sentence's beginning. */
export function describeMend(mend: Mend): string {
  switch (mend.kind) {
    case "mode":
      return `chmod ${(mend.mode & 0o7777).toString(8)} ${mend.path}`;
    case "owner":
      return `chown root ${mend.path}`;
    case "replace":
      return `write ${mend.to} instead of ${mend.from} in ${mend.at.file}:${mend.at.line}`;
    case "insert":
      return `write "${mend.text}" below ${mend.at.file}:${mend.at.line}`;
    case "ignore":
      return `add ${mend.address} to ignoreip of [defaults]`;
  }
}

/** Texts of the configuration are changed only when somebody has said yes. */
export const asks = (mend: Mend): boolean => mend.kind !== "mode" && mend.kind !== "owner";

/** Undefined when it is done; else why not. `main` is the configuration's first file. */
export function apply(system: System, mend: Mend, main: string | undefined): string | undefined {
  try {
    switch (mend.kind) {
      case "mode":
        chmodSync(mend.path, mend.mode & 0o7777);
        return undefined;
      case "owner":
        chownSync(mend.path, 0, -1);
        return undefined;
      case "ignore":
        return main === undefined
          ? "there is no configuration file"
          : rewrite(system, main, main, (text) => addIgnored(text, [mend.address]));
      default:
        return rewrite(system, mend.at.file, main ?? mend.at.file, (text) => edited(text, mend));
    }
  } catch (error) {
    return (error as Error).message;
  }
}

/** The text with one mend of a place; as it was where the place does not hold what it should. PURE. */
export function edited(text: string, mend: Extract<Mend, { kind: "replace" | "insert" }>): string {
  const lines = text.split("\n");
  const line = lines[mend.at.line - 1];
  if (line === undefined) return text;
  if (mend.kind === "insert") {
    const end = line.endsWith("\r") ? "\r" : "";
    lines.splice(mend.at.line, 0, `${mend.text}${end}`);
  } else {
    const from = mend.at.column - 1;
    if (!line.startsWith(mend.from, from)) return text;
    lines[mend.at.line - 1] = line.slice(0, from) + mend.to + line.slice(from + mend.from.length);
  }
  return lines.join("\n");
}

function rewrite(
  system: System,
  file: string,
  main: string,
  edit: (text: string) => string,
): string | undefined {
  const before = new TextDecoder().decode(system.files.readFile(file));
  const after = edit(before);
  if (after === before) return "the place could not be found again";
  const errors = (findings: readonly Finding[]): number =>
    findings.filter((one) => one.severity === "error").length;
  const was = errors(lint(system, main).findings);
  const now = errors(lint(system, main, { texts: new Map([[file, after]]) }).findings);
  if (now > was) return "that would make another mistake";
  const stat = system.files.stat(file);
  system.files.replaceFile(file, after, (stat?.mode ?? 0o600) & 0o777);
  if (stat !== undefined && process.geteuid?.() === 0) chownSync(file, stat.uid, stat.gid);
  return undefined;
}
