// Log files: everything that answers a set of paths and globs, one read for all who want it. Woken by inotify, and every file is
// looked at every few seconds whatever inotify said. One file's trouble is told and tried again; it never stops the others.

import { dirname } from "node:path";
import { readAhead } from "../core/direct.ts";
import type { Position } from "../core/domain.ts";
import type { Clock, System } from "../system/index.ts";
import { type Crowd, choose, crowdOf } from "./crowd.ts";
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
  /** How many files are open at once; by what this process may open by default. */
  readonly crowd?: Crowd;
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
/** A file for which rotations must be unpacked, which may take minutes, is waited for no longer than this; the others go on. */
const PATIENCE_MS = 20;

export function createFilesSource(options: FilesOptions): FilesSource {
  const { system } = options;
  const cap = options.lineCap ?? LINE_CAP;
  const opened = system.clock.now();
  const positions = new Map(options.positions.map((position) => [position.path, position]));
  const follows = new Map<string, Follow>();
  /** By where a path leads through links. */
  const reals = new Map<string, Follow>();
  const said = new Map<string, string>();
  const crowd = options.crowd ?? crowdOf(system);
  /** The directory that more files answer than are followed. */
  let crowded: string | undefined;
  /** Files whose step has not ended yet, and what the steps gave that have ended meanwhile. */
  const busy = new Set<Follow>();
  const late: { readonly follow: Follow; readonly chunks: readonly FileChunk[] }[] = [];
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
    lent: Buffer.allocUnsafeSlow(Math.max(READ_SIZE, 2 * cap) + MARK + readAhead),
    pages: [],
    notice,
    finished: new Map(),
    owned: (key, by) => [...follows.values()].some((other) => other !== by && other.owns(key)),
    followed: (path) => follows.has(path),
    room: () =>
      Math.max(
        0,
        [...follows.values()].reduce((left, { rotated }) => left - rotated, crowd.rotated),
      ),
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
      leave(follow);
    }
    const { chosen, left } = choose(found, (path) => follows.has(path), crowd.logs);
    if (left.length > 0) makeRoom(paths);
    for (const one of chosen) follow(one);
    tellCrowd(found, left);
    for (const pattern of patterns) {
      if (!found.some((one) => one.patterns.includes(pattern.written)))
        notice("waiting", pattern.written, `${pattern.written} is not there yet; waiting for it`);
    }
    fresh = false;
    watch();
  }

  function leave(follow: Follow): void {
    follows.delete(follow.path);
    // One that is at work holds files that it has not told of yet: it is closed when it has done.
    if (!busy.has(follow)) follow.close();
  }

  /** Files that are away hold no place that another could have. */
  function makeRoom(there: ReadonlySet<string>): void {
    for (const [path, follow] of follows) if (!there.has(path) && !follow.reading) leave(follow);
  }

  function tellCrowd(found: readonly FoundFile[], left: readonly FoundFile[]): void {
    const [first] = left;
    if (first === undefined) {
      if (crowded !== undefined) notice("opened", crowded, `all files of ${crowded} are read again`);
      crowded = undefined;
      return;
    }
    const counts = new Map<string, number>();
    for (const { path } of found) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
    const [fullest = dirname(first.path)] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [];
    if (crowded !== undefined && crowded !== fullest)
      notice("opened", crowded, `${crowded} is not the fullest any more`);
    crowded = fullest;
    notice(
      "refused",
      fullest,
      `more files than can be read answer the configured paths, most of them in ${fullest}; no more than ${crowd.logs} are read at once`,
    );
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
      return forAll(follow, chunks);
    } catch (error) {
      return failed(follow, error);
    }
  }

  /** What can be read without waiting; undefined: `step` must see to it. */
  function stepNow(follow: Follow): readonly FileChunk[] | undefined {
    try {
      const now = follow.stepNow();
      if (now === undefined) return undefined;
      // At the end nothing is left to look at: what comes from now on is told.
      follow.due = now.more;
      return now.chunks.length === 0 ? now.chunks : forAll(follow, now.chunks);
    } catch (error) {
      return failed(follow, error);
    }
  }

  function forAll(follow: Follow, chunks: readonly FileChunk[]): readonly FileChunk[] {
    const all = patternsOf(follow);
    return all.length === follow.patterns.length
      ? chunks
      : chunks.map((chunk) => ({ ...chunk, patterns: all }));
  }

  /** A disk's or a file's own trouble; what was open is opened anew at the next look. */
  function failed(follow: Follow, error: unknown): readonly FileChunk[] {
    follow.close();
    notice("refused", follow.path, `${follow.path}: ${(error as Error).message}`);
    return [];
  }

  /** What a step gives, or nothing where it takes long: then it is taken later, by `ended`, and the file is left alone meanwhile. */
  async function soon(follow: Follow): Promise<readonly FileChunk[]> {
    const work = step(follow);
    const first = await inTime(system.clock, work, PATIENCE_MS);
    if (first !== undefined) return first;
    busy.add(follow);
    void work.then((given) => {
      late.push({ follow, chunks: given });
      if (closed) follow.close();
      wake();
    });
    return [];
  }

  function* ended(): Generator<FileChunk> {
    for (let one = late.shift(); one !== undefined; one = late.shift()) {
      const { follow } = one;
      busy.delete(follow);
      if (follows.get(follow.path) !== follow) follow.close();
      else yield* one.chunks;
    }
  }

  /** Asked once more before going to sleep: each `yield` leaves a gap in which a late step may have ended and woken nobody. */
  const isDue = (): boolean =>
    late.length > 0 || [...follows.values()].some((follow) => follow.due && !busy.has(follow));

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
          yield* ended();
          if (!follow.due || busy.has(follow)) continue;
          idle = false;
          for (const chunk of stepNow(follow) ?? (await soon(follow))) yield chunk;
          if (system.clock.monotonic() - breath > BREATH_MS) {
            await new Promise((resolve) => setImmediate(resolve));
            breath = system.clock.monotonic();
          }
        }
        yield* ended();
        if (idle && !isDue() && !rescan && !closed) {
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
    for (const follow of follows.values()) if (!busy.has(follow)) follow.close();
    for (const { follow } of late) follow.close();
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

/** The value, or undefined when it takes longer. Most steps end without leaving this turn, and cost no timer. */
async function inTime<T>(clock: Clock, work: Promise<T>, ms: number): Promise<T | undefined> {
  let turn: ReturnType<typeof setImmediate> | undefined;
  const thisTurn = new Promise<undefined>((resolve) => {
    turn = setImmediate(resolve, undefined);
  });
  const value = await Promise.race([work, thisTurn]);
  if (turn !== undefined) clearImmediate(turn);
  if (value !== undefined) return value;
  let cancel: () => void = () => undefined;
  const late = new Promise<undefined>((resolve) => {
    cancel = clock.after(ms, () => resolve(undefined));
  });
  const inTheEnd = await Promise.race([work, late]);
  cancel();
  return inTheEnd;
}
