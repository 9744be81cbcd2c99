// Log files: everything that answers a set of paths and globs, one read for all who want it. Woken by inotify, and every file is
// looked at every few seconds whatever inotify said. One file's trouble is told and tried again; it never stops the others.

import { dirname } from "node:path";
import type { Position } from "../core/domain.ts";
import type { System } from "../system/index.ts";
import { Follow, type FollowContext, inodeKey } from "./follow.ts";
import {
  directoriesOf,
  type FoundFile,
  findParsed,
  mayMatter,
  type PathPattern,
  parsePattern,
} from "./glob.ts";
import type { FileChunk, LogSource, SourceNotice } from "./index.ts";
import { packingOf } from "./packed.ts";
import { isRotatedName } from "./rotated.ts";
import type { TimeOf } from "./start.ts";
import { MARK } from "./tail.ts";
import { createWatches } from "./watch.ts";

type FilePosition = Extract<Position, { kind: "file" }>;

export interface FilesOptions {
  readonly system: System;
  /** Paths and globs, as written in `logpath`. */
  readonly patterns: readonly string[];
  /** Where reading had come to, by a run before. */
  readonly positions: readonly FilePosition[];
  /** A log without a position that is there at the start is read from so long ago on; undefined: from its beginning. */
  readonly backlogMs?: number;
  /** The time a line states, for `backlogMs`. Without it, logs written to within that time are read from their start (16 MiB at most). */
  readonly timeOf?: TimeOf;
  /** The longest line looked at, in bytes; 8 KiB by default. */
  readonly lineCap?: number;
  /** Do not rely on inotify at all. */
  readonly polling?: boolean;
  readonly notice: (notice: SourceNotice) => void;
}

export interface FilesSource extends LogSource {
  chunks(): AsyncIterable<FileChunk>;
  /** From now on these; what answers both the old and the new ones is not disturbed. */
  setPatterns(patterns: readonly string[]): void;
  /** Paths being read now. */
  readonly paths: readonly string[];
}

const LINE_CAP = 8 * 1024;
/** What one read takes; also the most that is handed on at once. */
const READ_SIZE = 256 * 1024;
const SWEEP_MS = 2_000;
const POLL_MS = 200;
/** After so long without a pause others get their turn: timers, sockets, other sources. */
const BREATH_MS = 4;

export function createFilesSource(options: FilesOptions): FilesSource {
  const { system } = options;
  const cap = options.lineCap ?? LINE_CAP;
  const opened = system.clock.now();
  const positions = new Map(options.positions.map((position) => [position.path, position]));
  const follows = new Map<string, Follow>();
  /** By where a path leads through links. */
  const reals = new Map<string, Follow>();
  const said = new Map<string, string>();
  let patterns: readonly PathPattern[] = options.patterns.map(parsePattern);
  /** Files that answer a pattern never seen before were there before us: their history counts as such. */
  let fresh = true;
  let closed = false;
  let rescan = true;
  /** The next look at everything is a short pause away, not a long one. */
  let armed = false;
  let wake: () => void = () => undefined;
  let cancelSweep: () => void = () => undefined;

  const notice = (kind: SourceNotice["kind"], source: string, text: string) => {
    // A state is told when it begins, not at every look; happenings are told each time.
    const state = kind === "refused" || kind === "waiting" || kind === "polling" || kind === "gone";
    if (state && said.get(`${kind} ${source}`) === text) return;
    if (state) said.set(`${kind} ${source}`, text);
    if (kind === "opened" || kind === "rotated")
      for (const other of ["refused", "waiting", "gone"]) said.delete(`${other} ${source}`);
    options.notice({ source, kind, text });
  };
  const context: FollowContext = {
    system,
    cap,
    buffer: Buffer.allocUnsafeSlow(Math.max(READ_SIZE, 2 * cap) + MARK),
    notice,
    finished: new Map(),
    owned: (key, by) => [...follows.values()].some((other) => other !== by && other.owns(key)),
    followed: (path) => follows.has(path),
  };
  const watches = createWatches(system, onEvent, notice);

  function onEvent(directory: string, name: string | undefined): void {
    const path = name === undefined ? undefined : `${directory === "/" ? "" : directory}/${name}`;
    let known = false;
    if (path === undefined) for (const follow of follows.values()) follow.due = true;
    else {
      for (const follow of [follows.get(path), reals.get(path)]) {
        if (follow === undefined) continue;
        known = true;
        follow.due = true;
      }
    }
    // A renamed file's late lines come under a name that nobody asked for.
    if (!known) {
      for (const follow of follows.values()) {
        if (follow.draining && dirname(follow.real ?? follow.path) === directory) follow.due = true;
      }
    }
    if (path === undefined || (!known && mayMatter(patterns, path))) rescan = true;
    wake();
  }

  function sweep(): void {
    if (closed) return;
    rescan = true;
    for (const follow of follows.values()) follow.due = true;
    wake();
    arm();
  }

  const often = () =>
    options.polling === true || watches.polling || [...follows.values()].some((follow) => follow.draining);

  function arm(): void {
    cancelSweep();
    armed = often();
    cancelSweep = system.clock.after(armed ? POLL_MS : SWEEP_MS, sweep);
  }

  /** Polling, or a file that was renamed away, has just begun: not only after the long pause. */
  function hurry(): void {
    if (!closed && !armed && often()) arm();
  }

  function scan(): void {
    rescan = false;
    const found = findParsed(system, patterns);
    const paths = new Set(found.map(({ path }) => path));
    for (const [path, follow] of follows) {
      // A file that is away for a moment is still followed; one that no pattern asks for is not.
      if (paths.has(path) || mayMatter(patterns, path)) continue;
      follow.close();
      follows.delete(path);
    }
    for (const one of found) follow(one);
    for (const pattern of patterns) {
      if (!found.some((one) => one.patterns.includes(pattern.written)))
        notice("waiting", pattern.written, `${pattern.written} is not there yet; waiting for it`);
    }
    fresh = false;
    watch();
  }

  function follow({ path, patterns: answered }: FoundFile): void {
    const known = follows.get(path);
    if (known !== undefined) {
      known.patterns = answered;
      return;
    }
    if (packingOf(path) !== undefined) {
      notice("refused", path, `${path} is compressed: nobody writes to it any more`);
      return;
    }
    const position = positions.get(path);
    // Another path's rotation that a glob takes in: its lines were read before it was renamed.
    const read = [...positions.keys()].some(
      (other) =>
        dirname(other) === dirname(path) &&
        isRotatedName(other.slice(dirname(other).length + 1), path.slice(dirname(path).length + 1)),
    );
    const backlog = options.backlogMs === undefined ? undefined : opened - options.backlogMs;
    const since = !fresh ? undefined : read ? Number.POSITIVE_INFINITY : backlog;
    const made = new Follow(path, context, { position, since, timeOf: options.timeOf });
    made.patterns = answered;
    follows.set(path, made);
    positions.delete(path);
  }

  /** Two names of one file: it is read once, under the first, for the patterns of both. */
  function patternsOf(reading: Follow): readonly string[] {
    if (follows.size === 1) return reading.patterns;
    const all = new Set(reading.patterns);
    for (const other of follows.values()) {
      if (other === reading || other.reading) continue;
      const stat = quietly(() => system.files.stat(other.path));
      if (stat !== undefined && reading.ownsCurrently(inodeKey(stat)))
        for (const pattern of other.patterns) all.add(pattern);
    }
    return [...all];
  }

  function watch(): void {
    if (options.polling === true) return;
    const directories = new Set(directoriesOf(system, patterns));
    reals.clear();
    for (const follow of follows.values()) {
      const { real, path } = follow;
      if (real === undefined || real === path) continue;
      reals.set(real, follow);
      directories.add(dirname(real));
    }
    watches.set(directories);
    hurry();
  }

  async function step(follow: Follow): Promise<readonly FileChunk[]> {
    const real = follow.real;
    follow.due = false;
    try {
      const chunks = await follow.step();
      if (follow.real !== real) watch();
      if (follow.draining) hurry();
      if (chunks === undefined) return [];
      follow.due = true;
      const all = patternsOf(follow);
      return all.length === follow.patterns.length
        ? chunks
        : chunks.map((chunk) => ({ ...chunk, patterns: all }));
    } catch (error) {
      // A disk's or a file's own trouble; what was open is opened anew at the next look.
      follow.close();
      notice("refused", follow.path, `${follow.path}: ${(error as Error).message}`);
      return [];
    }
  }

  async function* chunks(): AsyncGenerator<FileChunk> {
    let breath = system.clock.monotonic();
    arm();
    try {
      while (!closed) {
        if (rescan) scan();
        let idle = true;
        // In turn: a flood in one log does not keep the others waiting for longer than one read.
        for (const follow of [...follows.values()]) {
          if (closed) return;
          if (!follow.due) continue;
          idle = false;
          for (const chunk of await step(follow)) yield chunk;
          if (system.clock.monotonic() - breath > BREATH_MS) {
            await new Promise((resolve) => setImmediate(resolve));
            breath = system.clock.monotonic();
          }
        }
        if (idle && !rescan && !closed) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          breath = system.clock.monotonic();
        }
      }
    } finally {
      close();
    }
  }

  function close(): void {
    if (closed) return;
    closed = true;
    cancelSweep();
    watches.close();
    for (const follow of follows.values()) follow.close();
    wake();
  }

  return {
    name: "files",
    chunks,
    close,
    setPatterns(wanted) {
      const before = new Set(patterns.map(({ written }) => written));
      patterns = wanted.map(parsePattern);
      if (wanted.some((pattern) => !before.has(pattern))) fresh = true;
      rescan = true;
      for (const follow of follows.values()) follow.due = true;
      wake();
    },
    get paths() {
      return [...follows.values()].filter((follow) => follow.reading).map(({ path }) => path);
    },
  };
}

function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
