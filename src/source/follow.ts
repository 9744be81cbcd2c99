// One path through all its rotations. Read in this order: what rotated while nobody looked, files that were renamed away and may still
// be written to, then what stands under the path now. The position in each chunk is enough to go on exactly there after a crash.

import type { FileSpot, Position } from "../core/domain.ts";
import type { Page } from "../core/page.ts";
import type { FileStat, System } from "../system/index.ts";
import type { FileChunk, SourceNotice } from "./index.ts";
import { openLog } from "./open.ts";
import { bounded, type Packing, unpack } from "./packed.ts";
import { locate, type Rotated, siblings } from "./rotated.ts";
import { startOffset, type TimeOf } from "./start.ts";
import { createTail, type Tail } from "./tail.ts";
import { linesOf } from "./unpacked.ts";

type FilePosition = Extract<Position, { kind: "file" }>;

/** A renamed file is read on until nobody has written to it for so long. */
const DRAIN_MS = 60_000;
const MOST_DRAINS = 8;
/** What is read of a compressed rotation behind the position. */
const MOST_BYTES = 64 * 2 ** 30;
/** A flood of over-long lines is told once in so long. */
const OVERLONG_MS = 60_000;
/** How long a path may hold nothing before it is told: a rotation takes less. */
const GONE_MS = 5_000;

/** What all follows of a source share. */
export interface FollowContext {
  readonly system: System;
  readonly cap: number;
  readonly buffer: Buffer;
  /** Of it chunks are lent, one step's at a time: nothing but `stepNow` writes into it. */
  readonly lent: Buffer;
  /** Chunks that lie in it. */
  readonly pages: Page[];
  readonly notice: (kind: SourceNotice["kind"], path: string, text: string) => void;
  /** Where reading of an inode had come to when it was let go: it may turn up again under another name. */
  readonly finished: Map<string, FileSpot>;
  /** Is this inode being read under another path? */
  readonly owned: (key: string, by: Follow) => boolean;
  /** Does this path answer a pattern by itself? */
  readonly followed: (path: string) => boolean;
  /** How many more rotated files may be opened, by all follows together. */
  readonly room: () => number;
}

export interface FollowStart {
  readonly position: FilePosition | undefined;
  /** Begin with lines of this time; undefined: with everything. */
  readonly since: number | undefined;
  readonly timeOf: TimeOf | undefined;
}

/** Something that is read to its end before the path itself. */
interface Rest {
  readonly key: string;
  next(): Promise<FileChunk[] | undefined>;
  close(): void;
}

export const inodeKey = (file: { readonly dev: number; readonly ino: number }): string =>
  `${file.dev}:${file.ino}`;

export class Follow {
  patterns: readonly string[] = [];
  /** Worth a look: an event told so, or the last look did not reach the end. */
  due = true;
  live = false;
  /** Where the path leads through links. */
  real: string | undefined;
  #current: Tail | undefined;
  #drains: { readonly tail: Tail; quietSince: number }[] = [];
  #rests: Rest[] = [];
  #known = new Set<string>();
  #missingSince: number | undefined;
  #start: FollowStart | undefined;
  /** Opened without a known position: that is told also when there is nothing to read, or a rotation while nobody reads would be missed. */
  #unknown: Tail | undefined;
  #overlong = 0;
  #overlongFrom = 0;

  constructor(
    readonly path: string,
    readonly context: FollowContext,
    start: FollowStart,
  ) {
    this.#start = start;
  }

  get draining(): boolean {
    return this.#drains.length > 0;
  }

  /** Files that are open beside the current one. */
  get rotated(): number {
    return this.#drains.length + this.#rests.length;
  }

  get reading(): boolean {
    return this.#current !== undefined;
  }

  /** Inodes that are read here. */
  owns(key: string): boolean {
    if (this.#current !== undefined && inodeKey(this.#current) === key) return true;
    return (
      this.#drains.some(({ tail }) => inodeKey(tail) === key) || this.#rests.some((rest) => rest.key === key)
    );
  }

  ownsCurrently(key: string): boolean {
    return this.#current !== undefined && inodeKey(this.#current) === key;
  }

  /** Reads one piece; undefined when there is nothing to read now. */
  async step(): Promise<FileChunk[] | undefined> {
    await this.#look();
    const read = (await this.#readRests()) ?? (await this.#readDrains()) ?? (await this.#readCurrent());
    const unknown = this.#unknown;
    this.#unknown = undefined;
    return read ?? (unknown === undefined ? undefined : [this.#chunk("", unknown.offset, unknown.spot, [])]);
  }

  /**
   * The step of nearly all times, taken at once: the path still holds what is being read, and there is nothing else to read. Undefined:
   * `step` must see to it.
   */
  stepNow(): { readonly chunks: readonly FileChunk[]; readonly more: boolean } | undefined {
    const tail = this.#current;
    if (tail === undefined || this.#rests.length > 0 || this.#drains.length > 0) return undefined;
    if (!isAt(this.context.system, this.path, tail)) return undefined;
    this.#missingSince = undefined;
    const { lent, pages } = this.context;
    for (const page of pages.splice(0)) page.expire();
    const { pieces, overlong, state } = tail.lend(lent);
    this.#count(overlong);
    if (state === "changed") return undefined;
    const chunks = pieces.map(({ page, offset, after }) => {
      pages.push(page);
      return lentChunk(page, this.#chunk("", offset, after, []));
    });
    if (state === "end") this.live = true;
    return { chunks, more: state === "more" };
  }

  close(): void {
    for (const rest of this.#rests) rest.close();
    for (const { tail } of this.#drains) this.#letGo(tail);
    if (this.#current !== undefined) this.#letGo(this.#current);
    this.#rests = [];
    this.#drains = [];
    this.#current = undefined;
    this.#unknown = undefined;
  }

  #letGo(tail: Tail): void {
    const { finished } = this.context;
    try {
      finished.set(inodeKey(tail), tail.spot);
    } catch {
      // Its disk may be gone: then there is nothing to come back to.
    }
    for (const key of finished.keys()) {
      if (finished.size <= 256) break;
      finished.delete(key);
    }
    tail.close();
  }

  /** Does the path still hold what is being read? */
  async #look(): Promise<void> {
    const { system, notice } = this.context;
    const current = this.#current;
    let stat: FileStat | undefined;
    try {
      stat = system.files.stat(this.path);
    } catch (error) {
      notice("refused", this.path, (error as Error).message);
      return;
    }
    if (stat === undefined) {
      this.#missing();
      return;
    }
    if (current !== undefined && current.ino === stat.ino && current.dev === stat.dev) {
      this.#missingSince = undefined;
      return;
    }
    if (this.context.owned(inodeKey(stat), this)) return;
    const opened = openLog(system, this.path);
    if (opened.kind === "absent") return;
    if (opened.kind === "refused") {
      notice("refused", this.path, opened.why);
      return;
    }
    this.#missingSince = undefined;
    this.real = opened.real;
    const tail = this.#takeUp(opened.fd, opened.stat);
    if (current !== undefined) {
      // Truncated just before it was renamed: then a copy of it is among the rotations, and half of that has been read.
      if (!current.holds(current.spot)) await this.#truncated(current);
      this.#drain(current);
      this.#current = undefined;
      this.#catchMissed(tail);
      notice("rotated", this.path, `${this.path} was rotated; reading on in the new file`);
    }
    this.#current = tail;
    const start = this.#start;
    if (current === undefined) await this.#begin(tail);
    if (start?.position !== undefined && inodeOf(system, this.path) !== tail.ino) {
      // Rotated while what was missed was looked for: what is queued may hold this very file, compressed. Begin again.
      this.close();
      this.#start = start;
      this.due = true;
      return;
    }
    this.#known = new Set(siblings(system, this.path).map(nameKey));
  }

  /** A file that was let go, or is draining (a link swapped to and fro), is read on where it was left. */
  #takeUp(fd: number, stat: FileStat): Tail {
    const { finished, system, cap } = this.context;
    const key = inodeKey(stat);
    const drain = this.#drains.find(({ tail }) => inodeKey(tail) === key);
    if (drain !== undefined) {
      system.files.close(fd);
      this.#drains = this.#drains.filter((other) => other !== drain);
      return drain.tail;
    }
    const tail = createTail(system, fd, stat, cap);
    const spot = finished.get(key);
    if (spot !== undefined && stat.size >= spot.offset && tail.holds(spot)) tail.seek(spot.offset);
    finished.delete(key);
    return tail;
  }

  #missing(): void {
    const { system, notice } = this.context;
    const now = system.clock.monotonic();
    if (this.#current === undefined) {
      // Nothing was ever there: told by whoever looks for files.
      this.#start = { position: this.#start?.position, since: undefined, timeOf: undefined };
      return;
    }
    this.#missingSince ??= now;
    if (now - this.#missingSince < GONE_MS) return;
    this.#drain(this.#current);
    this.#current = undefined;
    notice("gone", this.path, `${this.path} is gone; waiting for it to come back`);
  }

  /** The first file of this path: where to begin in it, and what was missed before it. */
  async #begin(tail: Tail): Promise<void> {
    const { notice } = this.context;
    const start = this.#start;
    this.#start = undefined;
    notice("opened", this.path, `reading ${this.path}`);
    if (start === undefined || tail.offset > 0) return;
    const { position } = start;
    if (position === undefined) {
      this.#unknown = tail;
      if (start.since !== undefined)
        tail.seek(startOffset(this.context.system, this.path, start.since, start.timeOf));
      return;
    }
    for (const spot of position.rest ?? []) await this.#queueRest(spot, false);
    if (tail.ino === position.ino && tail.stat().size >= position.offset && tail.holds(position)) {
      tail.seek(position.offset);
      return;
    }
    if (await this.#queueRest(position, true))
      notice(
        "rotated",
        this.path,
        `${this.path} was rotated while nobody read it; its old file is read to the end first`,
      );
    else if (position.offset > 0)
      notice("rotated", this.path, `${this.path} is not the file that was read before, and that one is gone`);
  }

  /** From now on read to its end before the current file, and then on as long as somebody writes to it. */
  #drain(tail: Tail): void {
    this.#drains.push({ tail, quietSince: this.context.system.clock.monotonic() });
    // A crowd of rotated files is read to their ends and let go, rather than waited for.
    const crowded = this.#drains.length > MOST_DRAINS || this.context.room() === 0;
    const oldest = crowded ? this.#drains.shift() : undefined;
    if (oldest !== undefined) this.#rests.push(this.#restOf(oldest.tail, oldest.tail.spot));
  }

  /** Queues what follows `spot` in the file that holds it now and, where asked, the whole of later rotations. */
  async #queueRest(spot: FileSpot, later: boolean): Promise<boolean> {
    const { system } = this.context;
    // Between the look and the open a rotation may go on: then look again.
    for (let attempt = 0; attempt < 8; attempt++) {
      const before = namesOf(system, this.path);
      const found = await locate(system, this.path, spot);
      if (found === undefined) {
        if (namesOf(system, this.path) === before) return false;
        continue;
      }
      const all = siblings(system, this.path);
      const at = all.findIndex((one) => one.path === found.path);
      const newer = this.#fitting(
        all.filter(
          (one, i) =>
            later &&
            (at < 0 ? one.stat.mtimeMs > found.stat.mtimeMs : i > at) &&
            !this.#known.has(nameKey(one)) &&
            this.#isOurs(one),
        ),
      );
      const opened = [openRotated(system, found), ...newer.map((one) => openRotated(system, one))];
      if (opened.every((one) => one !== undefined)) {
        for (const [i, one] of opened.entries()) this.#queue(one, i === 0 ? spot : undefined);
        return true;
      }
      for (const one of opened) if (one !== undefined) system.files.close(one.fd);
    }
    return false;
  }

  /** Two rotations between two looks: the file in between was never seen under the path. */
  #catchMissed(next: Tail): void {
    const { system, finished } = this.context;
    const missed = siblings(system, this.path).filter((one) => {
      const known = this.#known.has(nameKey(one));
      return one.packing === undefined && !known && one.stat.ino !== next.ino && this.#isOurs(one);
    });
    for (const one of this.#fitting(missed)) {
      const opened = openRotated(system, one);
      if (opened !== undefined) this.#queue(opened, finished.get(inodeKey(one.stat)));
    }
  }

  /** The newest of them that may be opened; that there are more is told. */
  #fitting(rotations: readonly Rotated[]): readonly Rotated[] {
    const room = this.context.room();
    if (rotations.length <= room) return rotations;
    const { path } = this;
    this.context.notice(
      "gone",
      path,
      `${path}: ${rotations.length - room} of ${rotations.length} rotated files are not read, too many are open`,
    );
    return rotations.slice(rotations.length - room);
  }

  /** A rotation of this path that nobody reads yet, under whatever name. */
  #isOurs(rotated: Rotated): boolean {
    const key = inodeKey(rotated.stat);
    return !this.owns(key) && !this.context.owned(key, this) && !this.context.followed(rotated.path);
  }

  /** A renamed file may still be written to and is kept open for a while; copies and compressed ones are complete. */
  #queue(opened: OpenRotated, spot: FileSpot | undefined): void {
    const { system, cap } = this.context;
    const { rotated, fd } = opened;
    if (rotated.packing !== undefined) {
      this.#rests.push(this.#packedRest(opened, rotated.packing, spot));
      return;
    }
    const tail = createTail(system, fd, rotated.stat, cap);
    if (spot !== undefined && tail.holds(spot)) tail.seek(spot.offset);
    if (spot === undefined || spot.ino === rotated.stat.ino) this.#drain(tail);
    else this.#rests.push(this.#restOf(tail, spot));
  }

  /** Positions keep the identity they began with: a copy goes on where the original was left. */
  #restOf(tail: Tail, { dev, ino }: FileSpot): Rest {
    const close = () => this.#letGo(tail);
    return {
      key: inodeKey(tail),
      next: async () => {
        for (;;) {
          const read = tail.read(this.context.buffer);
          this.#count(read.overlong);
          if (read.pieces.length > 0)
            return read.pieces.map(({ text, offset, after }) =>
              this.#chunk(text, offset, { ...after, dev, ino }, this.#begunDrains()),
            );
          if (read.state !== "more") {
            close();
            return undefined;
          }
        }
      },
      close,
    };
  }

  #packedRest({ rotated, fd }: OpenRotated, packing: Packing, spot: FileSpot | undefined): Rest {
    const { system, cap, notice } = this.context;
    const { dev, ino, offset } = spot ?? { ...rotated.stat, offset: 0 };
    const unpacked = bounded(unpack(system, rotated.path, packing, fd), offset + MOST_BYTES);
    const stream = linesOf(unpacked, { cap, from: offset });
    return {
      key: inodeKey(rotated.stat),
      next: async () => {
        try {
          const { done, value } = await stream.next();
          if (done === true) return undefined;
          this.#count(value.overlong);
          const after = { dev, ino, offset: value.end, fingerprint: value.fingerprint };
          return [this.#chunk(value.text, value.offset, after, this.#begunDrains())];
        } catch (error) {
          notice("gone", this.path, `${rotated.path}: ${(error as Error).message}`);
          return undefined;
        }
      },
      close: () => void stream.return(undefined),
    };
  }

  #begunDrains(): FileSpot[] {
    return this.#drains.flatMap(({ tail }) => (tail.begun ? [tail.spot] : []));
  }

  async #readRests(): Promise<FileChunk[] | undefined> {
    for (let rest = this.#rests[0]; rest !== undefined; rest = this.#rests[0]) {
      const chunks = await rest.next();
      if (chunks !== undefined) return chunks;
      this.#rests.shift();
    }
    return undefined;
  }

  async #readDrains(): Promise<FileChunk[] | undefined> {
    const now = this.context.system.clock.monotonic();
    for (const drain of [...this.#drains]) {
      const { tail } = drain;
      const chunks = await this.#readTail(tail, this.#newest(tail));
      if (chunks !== undefined) {
        drain.quietSince = now;
        return chunks;
      }
      if (now - drain.quietSince > DRAIN_MS) {
        this.#drains = this.#drains.filter((other) => other !== drain);
        this.#letGo(tail);
      }
    }
    return undefined;
  }

  /** A late line of an old file must not set the position back: the newest file begun is the position, older ones its rest. */
  #newest(reading: Tail): { readonly main: Tail; readonly older: readonly Tail[] } {
    const all = [
      ...this.#drains.map(({ tail }) => tail),
      ...(this.#current === undefined ? [] : [this.#current]),
    ];
    const main = all.findLast((tail) => tail === reading || tail.begun) ?? reading;
    return { main, older: all.slice(0, all.indexOf(main)).filter((tail) => tail.offset > 0) };
  }

  async #readCurrent(): Promise<FileChunk[] | undefined> {
    const tail = this.#current;
    if (tail === undefined) return undefined;
    const chunks = await this.#readTail(tail, this.#newest(tail));
    if (chunks === undefined) this.live = true;
    return chunks;
  }

  async #readTail(
    tail: Tail,
    { main, older }: { readonly main: Tail; readonly older: readonly Tail[] },
  ): Promise<FileChunk[] | undefined> {
    for (;;) {
      const read = tail.read(this.context.buffer);
      this.#count(read.overlong);
      if (read.state === "changed") {
        await this.#truncated(tail);
        if (this.#rests.length > 0) return this.#readRests();
        continue;
      }
      if (read.pieces.length > 0) {
        const rest = older.filter((other) => other !== tail).map((other) => other.spot);
        const chunks = read.pieces.map(({ text, offset, after }) =>
          main === tail
            ? this.#chunk(text, offset, after, rest)
            : this.#chunk(text, offset, main.spot, [...rest, after], tail.ino),
        );
        if (read.state === "end" && tail === this.#current) this.live = true;
        return chunks;
      }
      if (read.state === "end") return undefined;
    }
  }

  /** copytruncate: what had not been read yet stands in the copy, if there is one. */
  async #truncated(tail: Tail): Promise<void> {
    const { notice } = this.context;
    const spot = tail.spot;
    tail.seek(0);
    await this.#queueRest(spot, true);
    this.#known = new Set(siblings(this.context.system, this.path).map(nameKey));
    notice("rotated", this.path, `${this.path} was truncated; reading it from the start`);
  }

  #chunk(
    text: string,
    offset: number,
    after: FileSpot,
    rest: readonly FileSpot[],
    ino = after.ino,
  ): FileChunk {
    const { path, patterns } = this;
    return {
      kind: "file",
      path,
      patterns,
      text,
      offset,
      ino,
      live: this.live,
      after: { kind: "file", path, ...after, ...(rest.length === 0 ? {} : { rest }) },
    };
  }

  #count(overlong: number): void {
    const { cap, notice, system } = this.context;
    const now = system.clock.monotonic();
    this.#overlong += overlong;
    if (overlong === 0 || now < this.#overlongFrom) return;
    this.#overlongFrom = now + OVERLONG_MS;
    const lines = this.#overlong === 1 ? "1 line is" : `${this.#overlong} lines are`;
    notice("overlong", this.path, `${this.path}: ${lines} longer than ${cap} bytes and not looked at`);
  }
}

/** The chunk with the page's text, which is made only where somebody asks for it. */
const lentChunk = (page: Page, chunk: FileChunk): FileChunk => ({
  ...chunk,
  page,
  get text() {
    return page.text;
  },
});

/** Whether the path leads to this file; false where that cannot be looked at. */
function isAt(system: System, path: string, { dev, ino }: Tail): boolean {
  try {
    const stat = system.files.stat(path);
    return stat?.ino === ino && stat.dev === dev;
  } catch {
    return false;
  }
}

function inodeOf(system: System, path: string): number | undefined {
  try {
    return system.files.stat(path)?.ino;
  } catch {
    return undefined;
  }
}

/** Changes when a rotation goes on. */
function namesOf(system: System, path: string): string {
  return siblings(system, path)
    .map((one) => `${one.path} ${nameKey(one)}`)
    .join("\n");
}

interface OpenRotated {
  readonly rotated: Rotated;
  readonly fd: number;
}

/** Undefined when the name leads to another file by now. */
function openRotated(system: System, rotated: Rotated): OpenRotated | undefined {
  const opened = openLog(system, rotated.path);
  if (opened.kind !== "open") return undefined;
  if (opened.stat.ino === rotated.stat.ino) return { rotated, fd: opened.fd };
  system.files.close(opened.fd);
  return undefined;
}

function nameKey(rotated: Rotated): string {
  return `${inodeKey(rotated.stat)}:${rotated.stat.size}`;
}
