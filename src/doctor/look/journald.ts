// Asks systemd's journal: whether it answers, how far back it reaches, what it dropped, and whether it has records for each jail.

import type { Config } from "../../config/index.ts";
import { decodeEntry, SUPPRESSED_ID } from "../../source/journalentry.ts";
import { matchArguments } from "../../source/journalmatch.ts";
import type { System } from "../../system/index.ts";
import type { JournaldFacts, LogFacts } from "../facts.ts";

/** Undefined when no enabled jail reads the journal. */
export async function lookAtJournald(
  system: System,
  config: Config,
  logs: readonly LogFacts[],
): Promise<JournaldFacts | undefined> {
  const open = new Set(logs.filter((log) => log.state === "open").map((log) => log.jail));
  const program = system.programs.find("journalctl");
  const jails = config.jails.filter(
    (jail) =>
      jail.enabled &&
      jail.journalmatch.length > 0 &&
      (jail.backend === "systemd" ||
        (jail.backend === "auto" && program !== undefined && !open.has(jail.name))),
  );
  if (jails.length === 0) return undefined;
  if (program === undefined)
    return { refused: "journalctl is not installed", reach: undefined, suppressed: 0, records: {} };
  const ask = (...words: readonly string[]) =>
    system.programs.run([program, "--quiet", "--no-pager", ...words], {
      timeoutMs: 20_000,
      maxOutput: 4 * 1024 * 1024,
    });
  const header = await ask("--header");
  if (header.code !== 0)
    return {
      refused: header.stderr.trim().split("\n")[0] || `journalctl ended with ${header.code}`,
      reach: undefined,
      suppressed: 0,
      records: {},
    };
  const heads = [...header.stdout.matchAll(/^Head realtime timestamp: (?:\w{3} )?(\S+ \S+) (\S+)/gm)]
    .map((match) => Date.parse(`${match[1]?.replace(" ", "T")}${match[2] === "UTC" ? "Z" : ""}`))
    .filter((at) => Number.isFinite(at));
  const dropped = await ask("-o", "json", "--since=-3d", `MESSAGE_ID=${SUPPRESSED_ID}`);
  const records: Record<string, number> = {};
  for (const jail of jails) {
    const found = await ask("-n", "20", "-o", "cat", "--since=-30d", ...matchArguments(jail.journalmatch));
    records[jail.name] = found.stdout.split("\n").filter((line) => line !== "").length;
  }
  return {
    refused: undefined,
    reach: heads.length === 0 ? undefined : Math.max(0, (system.clock.now() - Math.min(...heads)) / 1000),
    suppressed: dropped.stdout
      .split("\n")
      .reduce((sum, line) => sum + (decodeEntry(line)?.suppressed ?? 0), 0),
    records,
  };
}
