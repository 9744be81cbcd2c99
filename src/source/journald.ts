// systemd's journal, through one long-lived `journalctl -f` for all matches, resumed by cursor. Output is pulled: while f2b is busy
// journalctl waits, and nothing piles up here. Throws when the child dies; the supervisor starts again from the last position.

import type { JournaldEntry, Position } from "../core/domain.ts";
import type { Child, System } from "../system/index.ts";
import type { JournaldChunk, LogSource, SourceNotice } from "./index.ts";
import { type DecodedEntry, decodeEntry, SUPPRESSED_ID } from "./journalentry.ts";
import { matchArguments, parseMatches } from "./journalmatch.ts";

type JournaldPosition = Extract<Position, { kind: "journald" }>;

export interface JournaldOptions {
  readonly system: System;
  /** As written in `journalmatch`; the strings of several jails together. None: the whole journal. */
  readonly matches: readonly string[];
  readonly position?: JournaldPosition;
  /** Without a position: begin so long ago; undefined: now. */
  readonly backlogMs?: number;
  /** The longest message looked at, in UTF-16 units. */
  readonly lineCap?: number;
  /** Journal files or a directory other than the system's, or a namespace of its own. */
  readonly place?: { readonly directory?: string; readonly file?: string; readonly namespace?: string };
  readonly notice: (notice: SourceNotice) => void;
}

const LINE_CAP = 8 * 1024;
/** An entry as JSON, with all its fields. */
const ENTRY_CAP = 1 << 20;
/** When nothing came for so long, everything there was has been read, whatever the entries' times say. */
const SILENCE_MS = 2_000;
const FIELDS = [
  "MESSAGE",
  "MESSAGE_ID",
  "N_DROPPED",
  "SYSLOG_IDENTIFIER",
  "SYSLOG_PID",
  "_COMM",
  "_EXE",
  "_GID",
  "_HOSTNAME",
  "_PID",
  "_SYSTEMD_UNIT",
  "_SYSTEMD_USER_UNIT",
  "_TRANSPORT",
  "_UID",
];

export function createJournaldSource(
  options: JournaldOptions,
): LogSource & { chunks(): AsyncIterable<JournaldChunk> } {
  const { system, matches } = options;
  const name = ["journald", ...matches].join(" ");
  const cap = options.lineCap ?? LINE_CAP;
  const opened = system.clock.now();
  let position = options.position;
  let live = false;
  let closed = false;
  let child: Child | undefined;
  let overlong = 0;
  const notice = (kind: SourceNotice["kind"], text: string) => options.notice({ source: name, kind, text });

  /** Entries in order, without those the position says were read. */
  function accept(decoded: DecodedEntry, bySince: boolean): JournaldEntry | undefined {
    const { entry, cursor, suppressed } = decoded;
    if (cursor === options.position?.cursor) return undefined;
    if (bySince && options.position !== undefined && entry.at <= options.position.at) return undefined;
    position = { kind: "journald", cursor, at: entry.at };
    if (suppressed !== undefined) {
      notice(
        "suppressed",
        `journald dropped ${suppressed} messages: ${entry.message} (RateLimitBurst= in journald.conf)`,
      );
      return undefined;
    }
    if (entry.message.length <= cap) return entry;
    overlong++;
    notice("overlong", `${name}: ${overlong} messages longer than ${cap} not looked at`);
    return undefined;
  }

  /** One chunk for each piece of output; ends when the child does. `told` collects what it complains about. */
  async function* read(from: Child, bySince: boolean): AsyncGenerator<JournaldChunk> {
    let asked = system.clock.monotonic();
    let first = true;
    for await (const lines of linesOf(from.stdout, () =>
      notice("overlong", `${name}: an entry larger than ${ENTRY_CAP} bytes not looked at`),
    )) {
      if (!first && system.clock.monotonic() - asked > SILENCE_MS) live = true;
      first = false;
      const decoded = lines.flatMap((line) => decodeEntry(line) ?? []);
      const entries = decoded.flatMap((one) => accept(one, bySince) ?? []);
      const [head] = entries;
      if (head !== undefined && head.at >= opened) live = true;
      if (position !== undefined && decoded.length > 0)
        yield { kind: "journald", entries, live, after: position };
      asked = system.clock.monotonic();
    }
  }

  async function* chunks(): AsyncGenerator<JournaldChunk> {
    try {
      const byCursor = options.position !== undefined;
      const first = open(byCursor ? ["--no-tail", `--cursor=${options.position?.cursor}`] : sinceArguments());
      let any = false;
      for await (const chunk of read(first.child, false)) {
        any = true;
        yield chunk;
      }
      if (closed) return;
      const code = await first.child.exited;
      if (any || !byCursor || code === 0) throw new Error(await ended(code, first.complaint));
      // The place the cursor names may have been vacuumed away, or the journal replaced: go by time.
      notice(
        "restarted",
        `${name}: the last position is gone (${(await first.complaint).trim()}); reading on by time`,
      );
      const second = open(sinceArguments());
      yield* read(second.child, true);
      if (!closed) throw new Error(await ended(await second.child.exited, second.complaint));
    } finally {
      close();
    }
  }

  function sinceArguments(): readonly string[] {
    const since =
      options.position?.at ?? (options.backlogMs === undefined ? undefined : opened - options.backlogMs);
    return since === undefined ? ["--lines=0"] : ["--no-tail", `--since=@${Math.floor(since / 1000)}`];
  }

  function open(where: readonly string[]): { readonly child: Child; readonly complaint: Promise<string> } {
    const { directory, file, namespace } = options.place ?? {};
    const fields = new Set([
      ...FIELDS,
      ...parseMatches(matches).flatMap((group) => group.map(({ field }) => field)),
    ]);
    const selected = matchArguments(matches);
    const started = system.programs.start([
      "journalctl",
      "--follow",
      "--output=json",
      "--all",
      "--quiet",
      "--no-pager",
      `--output-fields=${[...fields].join(",")}`,
      ...(directory === undefined ? [] : [`--directory=${directory}`]),
      ...(file === undefined ? [] : [`--file=${file}`]),
      ...(namespace === undefined ? [] : [`--namespace=${namespace}`]),
      ...where,
      ...selected,
      ...(selected.length === 0 ? [] : ["+", `MESSAGE_ID=${SUPPRESSED_ID}`, "_TRANSPORT=driver"]),
    ]);
    child = started;
    return { child: started, complaint: complaintOf(started) };
  }

  function close(): void {
    closed = true;
    child?.kill("SIGTERM");
    child = undefined;
  }

  async function ended(code: number, complaint: Promise<string>): Promise<string> {
    const text = (await complaint).trim();
    return `journalctl ended with ${code}${text === "" ? "" : `: ${text}`}`;
  }

  return { name, chunks, close };
}

/** Whole lines of each piece of output. A line beyond the cap is passed over and told. */
async function* linesOf(
  pieces: AsyncIterable<Uint8Array>,
  tooLong: () => void,
): AsyncGenerator<readonly string[]> {
  let pending: Buffer = Buffer.alloc(0);
  let skipping = false;
  for await (const piece of pieces) {
    const bytes = pending.length === 0 ? Buffer.from(piece) : Buffer.concat([pending, piece]);
    const end = bytes.lastIndexOf(10);
    if (end < 0) {
      if (bytes.length > ENTRY_CAP && !skipping) tooLong();
      skipping ||= bytes.length > ENTRY_CAP;
      pending = skipping ? Buffer.alloc(0) : bytes;
      continue;
    }
    // The pieces are read on into the same memory: what is kept is copied.
    pending = Buffer.from(bytes.subarray(end + 1));
    const lines = bytes.toString("utf8", 0, end).split("\n");
    if (skipping) lines.shift();
    skipping = false;
    if (lines.length > 0) yield lines;
  }
}

async function complaintOf(child: Child): Promise<string> {
  let text = "";
  for await (const piece of child.stderr) {
    if (text.length < 1_000) text += Buffer.from(piece).toString("utf8");
  }
  return text;
}
