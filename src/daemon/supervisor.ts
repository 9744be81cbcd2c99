// Keeps the sources running: decides where each jail's lines come from (file or journald), opens what is needed, restarts what broke
// with growing pauses, and looks again for what is not there yet. A source that breaks stops nobody else.

import { accessStamp, resolveStamp, stampAt } from "../core/datetime.ts";
import type { Position, Time } from "../core/domain.ts";
import { createFilesSource, type FilesSource } from "../source/files.ts";
import { findFiles, mayMatter, parsePattern } from "../source/glob.ts";
import type { Chunk, LogSource, SourceNotice } from "../source/index.ts";
import { createJournaldSource } from "../source/journald.ts";
import { bugText } from "./bugs.ts";
import type { Core } from "./core.ts";
import type { RunningJail } from "./jail.ts";
import { zoneOf } from "./matching.ts";
import type { Pipeline } from "./pipeline.ts";

const firstPauseMs = 200;
const longestPauseMs = 30_000;
/** How often a jail without a log looks again. */
const probeMs = 5000;

export interface Supervisor {
  /** Brings the sources into line with the jails as they are now. */
  align(): void;
  close(): Promise<void>;
  /** What is wrong with sources now, by their name. */
  readonly problems: ReadonlyMap<string, string>;
}

/** The time a line states where logs of most kinds have it, to find where the last findtime begins in a long log. */
function statedTime(line: string, now: Time): Time | undefined {
  const stamp =
    stampAt(line, 0) ?? accessStamp(line, 0, line.length) ?? stampAt(line, line.startsWith("[") ? 1 : 0);
  return stamp === undefined ? undefined : resolveStamp(stamp, now, zoneOf(undefined));
}

export function createSupervisor(core: Core, pipeline: Pipeline): Supervisor {
  const { system } = core;
  const problems = new Map<string, string>();
  /** What of them is said of files that are there and cannot be read. */
  const refused = new Map<string, string>();
  /** Logs that have been read, and those of which people have been told that they are not. */
  const seen = new Set<string>();
  const told = new Set<string>();
  const running = new Map<string, { source: LogSource; ended: Promise<void> }>();
  let files: FilesSource | undefined;
  let journaldKey = "";
  let closed = false;
  let cancelProbe: (() => void) | undefined;
  let cancelSettle: (() => void) | undefined;

  function notice(note: SourceNotice): void {
    const bad = note.kind === "refused" || note.kind === "gone";
    system.log.say(
      bad
        ? "warning"
        : note.kind === "polling" || note.kind === "overlong" || note.kind === "suppressed"
          ? "notice"
          : "info",
      note.text,
    );
    core.events.tell({
      at: new Date(core.now()).toISOString(),
      kind: "source",
      source: note.source,
      text: note.text,
    });
    if (bad) {
      problems.set(note.source, note.text);
      if (note.kind === "refused") refused.set(note.source, note.text);
      settleSoon();
      if (told.has(note.source) || !isMissed(note.source)) return;
      told.add(note.source);
      core.told({ kind: "source", at: core.now(), text: note.text, recovered: false });
    } else if (note.kind === "opened" || note.kind === "rotated") {
      problems.delete(note.source);
      if (refused.delete(note.source)) settleSoon();
      seen.add(note.source);
      if (!told.delete(note.source)) return;
      core.told({ kind: "source", at: core.now(), text: `${note.source} is read again`, recovered: true });
    }
  }

  /** Of what a pattern happens to match (a packed old log, say) only what was read is missed by anybody. */
  const isMissed = (path: string): boolean =>
    seen.has(path) || [...core.jails.values()].some(({ jail }) => jail.logpath.includes(path));

  /** Runs a source until it is closed; when it throws it is opened again after a pause. */
  function supervise(name: string, open: () => LogSource): void {
    let source = open();
    const entry = { source, ended: Promise.resolve() };
    running.set(name, entry);
    entry.ended = (async () => {
      let pause = firstPauseMs;
      while (!closed && running.get(name) === entry) {
        try {
          for await (const chunk of source.chunks()) {
            pause = firstPauseMs;
            if (problems.delete(name)) {
              core.told({ kind: "source", at: core.now(), text: `${name} is read again`, recovered: true });
            }
            take(chunk);
          }
          return; // closed by us
        } catch (error) {
          const text = `${name}: ${(error as Error).message}`;
          system.log.say("error", `${text}; trying again in ${pause / 1000} s`);
          if (!problems.has(name)) core.told({ kind: "source", at: core.now(), text, recovered: false });
          problems.set(name, text);
          await new Promise<void>((resolve) => system.clock.after(pause, resolve));
          pause = Math.min(pause * 2, longestPauseMs);
          if (closed || running.get(name) !== entry) return;
          source = open();
          entry.source = source;
        }
      }
    })();
  }

  /** A bug on the way of one chunk costs that chunk: read again it would only throw again, and keep everybody's logs from being read. */
  function take(chunk: Chunk): void {
    const source = chunk.kind === "file" ? chunk.path : "journald";
    const begun = !pipeline.positions.has(source);
    try {
      pipeline.take(chunk);
      if (begun) core.checkpointSoon();
    } catch (error) {
      const where = chunk.kind === "file" ? `${chunk.path} at byte ${chunk.offset}` : "the journal";
      system.log.say(
        "critical",
        `a bug in f2b, please report it; a piece of ${where} was not looked at: ${bugText(error)}`,
      );
    }
  }

  function end(name: string): void {
    const one = running.get(name);
    running.delete(name);
    one?.source.close();
  }

  /** Where a jail's lines come from now. */
  function originOf({ jail }: RunningJail): RunningJail["origin"] {
    if (jail.backend === "events") return "events";
    const journald =
      jail.journalmatch.length > 0 && system.programs.find("journalctl") !== undefined && journaldThere();
    switch (jail.backend) {
      case "systemd":
        return journald ? "journald" : "none";
      case "inotify":
      case "polling":
        return "file";
      case "auto":
        if (logsOf(jail).length > 0) return "file";
        return journald ? "journald" : "file";
    }
  }

  function journaldThere(): boolean {
    return ["/run/log/journal", "/var/log/journal"].some(
      (directory) => system.files.stat(directory)?.kind === "directory",
    );
  }

  function align(): void {
    if (closed) return;
    const active = watching();
    let changed = false;
    for (const one of active) {
      const origin = originOf(one);
      if (origin !== one.origin) {
        if (one.origin === "file" && origin === "journald")
          system.log.say("notice", `[${one.jail.name}] none of its logs is there: read from the journal now`);
        one.origin = origin;
        one.files.clear();
        changed = true;
      }
      settle(one);
    }
    const patterns = new Set(
      active.filter((one) => one.origin === "file").flatMap((one) => one.jail.logpath),
    );
    const matches = active.filter((one) => one.origin === "journald").map((one) => one.jail.journalmatch);
    if (changed) pipeline.forgetScanners();
    alignFiles(
      [...patterns],
      active.some((one) => one.jail.backend === "polling"),
    );
    alignJournald(matches);
    cancelProbe?.();
    cancelProbe = system.clock.after(probeMs, align);
  }

  /** Broken for its logs alone, a jail is looked after like the others: they may be readable at any moment. */
  const isWatching = (one: RunningJail): boolean =>
    one.state === "running" || one.state === "waiting" || (one.state === "broken" && one.unreadable);

  const watching = (): RunningJail[] => [...core.jails.values()].filter(isWatching);

  /** The jail's logs that are there; a link that leads to nothing is none. */
  function logsOf({ logpath }: RunningJail["jail"]): string[] {
    const found = findFiles(system, logpath).map(({ path }) => path);
    return found.some(leadsSomewhere) ? found : [];
  }

  function leadsSomewhere(path: string): boolean {
    try {
      return system.files.stat(path) !== undefined;
    } catch {
      return true; // there, and to be refused
    }
  }

  function settle(one: RunningJail): void {
    const logs = one.origin === "file" ? logsOf(one.jail) : [];
    const unread = logs.flatMap((path) => refused.get(path) ?? []);
    one.unreadable = unread.length > 0 && unread.length === logs.length;
    if (one.origin === "none" || (one.origin === "file" && logs.length === 0)) {
      one.state = "waiting";
      one.reason = missingReason(one.jail);
    } else {
      one.state = one.unreadable ? "broken" : "running";
      one.reason = one.unreadable ? [...new Set(unread)].join("; ") : undefined;
    }
  }

  /** A moment later, once for all that was noticed meanwhile. */
  function settleSoon(): void {
    cancelSettle ??= system.clock.after(0, () => {
      cancelSettle = undefined;
      if (!closed) for (const one of watching()) settle(one);
    });
  }

  /** What is said of a file that nobody asks for any more, or that could not be read and is away now, is over. */
  function standing(): ReadonlyMap<string, string> {
    const patterns = watching().flatMap((one) => one.jail.logpath.map(parsePattern));
    const isOver = (source: string): boolean =>
      source.startsWith("/") && (!mayMatter(patterns, source) || (refused.has(source) && !isThere(source)));
    return new Map([...problems].filter(([source]) => !isOver(source)));
  }

  function isThere(path: string): boolean {
    try {
      return system.files.lstat(path) !== undefined;
    } catch {
      return true;
    }
  }

  /** Why nothing is read: only what the jail's backend would read is named. */
  function missingReason({ backend, logpath, journalmatch }: RunningJail["jail"]): string {
    const paths = backend === "systemd" ? [] : logpath;
    const journal = (backend === "auto" || backend === "systemd") && journalmatch.length > 0;
    if (paths.length === 0) {
      if (journal) return "there is no systemd journal yet, or no journalctl to read it";
      return backend === "systemd" ? "no journalmatch is set" : "no logpath and no journalmatch are set";
    }
    return `none of its logs is there yet: ${paths.join(", ")}${journal ? ", nor a systemd journal" : ""}`;
  }

  function alignFiles(patterns: readonly string[], polling: boolean): void {
    if (patterns.length === 0) {
      if (files !== undefined) end("files");
      files = undefined;
      return;
    }
    if (files !== undefined && running.has("files")) {
      files.setPatterns(patterns);
      return;
    }
    const findtimes = [...core.jails.values()].map((one) => one.jail.findtime);
    supervise("files", () => {
      files = createFilesSource({
        system,
        patterns: [
          ...new Set(
            [...core.jails.values()]
              .filter((one) => one.origin === "file" && isWatching(one))
              .flatMap((one) => one.jail.logpath),
          ),
        ],
        positions: [...pipeline.positions.values()].filter(
          (position): position is Extract<Position, { kind: "file" }> => position.kind === "file",
        ),
        backlogMs: Math.max(0, ...findtimes) * 1000,
        timeOf: (line) => statedTime(line, core.now()),
        lineCap: core.config.daemon.linecap,
        polling,
        notice,
      });
      return files;
    });
  }

  function alignJournald(matches: readonly (readonly string[])[]): void {
    const key = JSON.stringify([...new Set(matches.flat())].sort());
    if (key === journaldKey) return;
    journaldKey = key;
    end("journald");
    if (matches.length === 0) return;
    const findtimes = [...core.jails.values()].map((one) => one.jail.findtime);
    supervise("journald", () => {
      const known = pipeline.positions.get("journald");
      return createJournaldSource({
        system,
        matches: [...new Set(matches.flat())],
        ...(known?.kind === "journald" ? { position: known } : {}),
        backlogMs: Math.max(0, ...findtimes) * 1000,
        notice,
      });
    });
  }

  return {
    align,
    get problems() {
      return standing();
    },
    async close() {
      closed = true;
      cancelProbe?.();
      cancelSettle?.();
      const ended = [...running.values()].map((one) => one.ended);
      for (const name of [...running.keys()]) end(name);
      await Promise.all(ended);
    },
  };
}
