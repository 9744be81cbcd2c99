// One line of `journalctl -o json` → an entry. PURE. A field is text, a list of byte values (not valid UTF-8), a list of several such
// values, or null (too long): everything is checked before it counts, and what is not what it should be is as if it were not there.

import type { JournaldEntry } from "../core/domain.ts";

export interface DecodedEntry {
  readonly entry: JournaldEntry;
  readonly cursor: string;
  /** How many messages journald itself says it dropped of a service that wrote too fast. */
  readonly suppressed: number | undefined;
}

/** MESSAGE_ID of "Suppressed N messages from UNIT", see systemd's sd-messages.h (SD_MESSAGE_JOURNAL_DROPPED). */
export const SUPPRESSED_ID = "a596d6fe7bfa4994828e72309e95d61e";

/** Fields of a client's that have a place of their own in an entry. */
const ownPlace: ReadonlySet<string> = new Set([
  "MESSAGE",
  "MESSAGE_ID",
  "SYSLOG_IDENTIFIER",
  "SYSLOG_PID",
  "N_DROPPED",
]);

/** Undefined for what is no entry. */
export function decodeEntry(line: string): DecodedEntry | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return undefined;
  const table = new Map(Object.entries(fields));
  const cursor = textOf(table.get("__CURSOR"));
  const at = Math.floor(Number(textOf(table.get("__REALTIME_TIMESTAMP"))) / 1000);
  if (cursor === undefined || !Number.isSafeInteger(at)) return undefined;
  const trusted: Record<string, string> = {};
  const claimed: Record<string, string> = {};
  for (const [name, value] of table) {
    // Two values of a field: no telling which is meant, so it vouches for nothing.
    if (typeof value !== "string" || name.startsWith("__")) continue;
    if (name.startsWith("_")) trusted[name] = value;
    else if (!ownPlace.has(name)) claimed[name] = value;
  }
  const driver = trusted._TRANSPORT === "driver";
  const dropped = driver && textOf(table.get("MESSAGE_ID")) === SUPPRESSED_ID;
  return {
    cursor,
    suppressed: dropped ? Number(textOf(table.get("N_DROPPED")) ?? 0) : undefined,
    entry: {
      message: textOf(table.get("MESSAGE")) ?? "",
      identifier: textOf(table.get("SYSLOG_IDENTIFIER")) ?? trusted._COMM ?? "",
      pid: trusted._PID ?? textOf(table.get("SYSLOG_PID")),
      host: trusted._HOSTNAME ?? "",
      at,
      trusted,
      claimed,
    },
  };
}

function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value) || value.length === 0) return undefined;
  if (value.every(isByte)) return new TextDecoder().decode(Uint8Array.from(value));
  // A repeated field: its first value, as journalctl's other forms show it.
  const [first] = value;
  return Array.isArray(first) || typeof first === "string" ? textOf(first) : undefined;
}

function isByte(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255;
}
