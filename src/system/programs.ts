// Other programs: argument lists, never a shell; found in fixed system directories, never by $PATH; a clean environment; each in
// a process group of its own so that a time limit ends its children too. Output is pulled by a reader: Bun buffers an unread
// pipe without bound, an attached reader that does not read holds the child back.

import fs from "node:fs";
import type { Child, Programs, RunOptions, RunResult, StartOptions } from "./index.ts";

const SYSTEM_DIRECTORIES = [
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
  "/usr/local/sbin",
  "/usr/local/bin",
] as const;

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_OUTPUT = 1 << 20;
/** Between SIGTERM and SIGKILL, and how long a pipe that a grandchild keeps open is waited for. */
const GRACE_MS = 500;

export interface ProgramPlaces {
  /** Instead of the system's directories; programs there may also belong to whoever runs f2b. For tests and odd layouts. */
  readonly directories?: readonly string[];
}

export function realPrograms(places: ProgramPlaces = {}): Programs {
  const directories = places.directories ?? SYSTEM_DIRECTORIES;
  const own = places.directories !== undefined;
  const environment = { PATH: directories.join(":"), LANG: "C.UTF-8", LC_ALL: "C.UTF-8", HOME: "/" };

  const find = (name: string): string | undefined => {
    if (name.includes("/") || name === "") return undefined;
    return directories.map((directory) => `${directory}/${name}`).find((path) => isTrusted(path, own));
  };

  /** An absolute path comes from the configuration, and is judged each time: it may have been replaced since. A bare name is looked up. */
  const locate = (command: readonly string[]): string[] => {
    const [name, ...rest] = command;
    if (name === undefined) throw new Error("an empty command");
    if (name.startsWith("/")) {
      const whose = name === process.execPath ? undefined : whoElseWrites(name);
      if (whose !== undefined) throw new Error(`${name} ${whose}`);
      return [name, ...rest];
    }
    const path = find(name);
    if (path === undefined) throw new Error(`${name}: no such program in ${directories.join(", ")}`);
    return [path, ...rest];
  };

  return {
    find,
    run: (command, options = {}) => run(() => locate(command), environment, options),
    start: (command, options = {}) => start(locate(command), environment, options),
  };
}

/** An executable file of root (or ours, in directories named by the caller) that nobody else can change. */
function isTrusted(path: string, own: boolean): boolean {
  try {
    const stat = fs.statSync(path);
    const ours = stat.uid === 0 || (own && stat.uid === process.getuid?.());
    const writable = (stat.mode & 0o002) !== 0 || ((stat.mode & 0o020) !== 0 && stat.gid !== 0 && !own);
    return stat.isFile() && (stat.mode & 0o111) !== 0 && ours && !writable;
  } catch {
    return false;
  }
}

/** Why a program must not be run: somebody else than root or ourselves could have put it there. What is not there fails by itself. */
function whoElseWrites(path: string): string | undefined {
  let stat: fs.Stats;
  try {
    stat = fs.statSync(path);
  } catch {
    return undefined;
  }
  if (stat.uid !== 0 && stat.uid !== process.geteuid?.())
    return `belongs to user ${stat.uid}, not to root: it is not run (chown root it)`;
  const others = (stat.mode & 0o002) !== 0 || ((stat.mode & 0o020) !== 0 && stat.gid !== 0);
  return others ? "can be written by others: it is not run (chmod go-w it)" : undefined;
}

async function run(
  locate: () => string[],
  environment: Readonly<Record<string, string>>,
  options: RunOptions,
): Promise<RunResult> {
  const cap = options.maxOutput ?? DEFAULT_MAX_OUTPUT;
  let child: Bun.Subprocess<"pipe" | "ignore", "pipe", "pipe">;
  try {
    child = Bun.spawn(locate(), {
      env: { ...(options.env ?? environment) },
      cwd: "/",
      // Not the text itself: Bun would put it into a memory file that stays open until the next garbage collection.
      stdin: options.stdin === undefined ? "ignore" : "pipe",
      stdout: "pipe",
      stderr: "pipe",
      detached: true,
    });
  } catch (error) {
    return { code: -1, stdout: "", stderr: text(error), timedOut: false };
  }
  if (options.stdin !== undefined) feed(child.stdin, options.stdin);
  const out = collect(child.stdout, cap);
  const err = collect(child.stderr, cap);
  let timedOut = false;
  let kill: ReturnType<typeof setTimeout> | undefined;
  const limit = setTimeout(() => {
    timedOut = true;
    signalGroup(child.pid, "SIGTERM");
    kill = setTimeout(() => signalGroup(child.pid, "SIGKILL"), GRACE_MS);
  }, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  try {
    const code = await child.exited;
    clearTimeout(limit);
    // A grandchild may hold the pipes open for ever; the program itself is done.
    if (!(await within(GRACE_MS, Promise.all([out.done, err.done])))) {
      if (timedOut) signalGroup(child.pid, "SIGKILL");
      out.cancel();
      err.cancel();
    }
    return {
      code: timedOut || child.signalCode !== null ? -1 : code,
      stdout: out.text(),
      stderr: err.text(),
      timedOut,
    };
  } finally {
    clearTimeout(limit);
    if (kill !== undefined) clearTimeout(kill);
  }
}

function start(
  command: string[],
  environment: Readonly<Record<string, string>>,
  options: StartOptions,
): Child {
  const child = Bun.spawn(command, {
    env: { ...(options.env ?? environment) },
    cwd: "/",
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  let open = true;
  const shut = () => {
    if (!open) return;
    open = false;
    quiet(() => child.stdin.end());
  };
  const watched = (value: unknown) => {
    if (value instanceof Promise) value.catch(shut);
  };
  const exited = child.exited.then((code) => {
    shut();
    return code;
  });
  return {
    pid: child.pid,
    exited,
    write(line) {
      // After the child's exit Bun's sink still accepts text and reports success, hence the look at exitCode.
      if (!open || child.exitCode !== null || child.signalCode !== null) return false;
      try {
        watched(child.stdin.write(line));
        watched(child.stdin.flush());
      } catch {
        shut();
      }
      return open;
    },
    stdout: pulled(child.stdout),
    stderr: pulled(child.stderr),
    kill(signal = "SIGTERM") {
      if (child.exitCode === null && child.signalCode === null) signalGroup(child.pid, signal);
    },
  };
}

/** Writes and closes. A program that does not read to the end is no error: its exit code tells. */
function feed(stdin: Bun.FileSink | undefined, text: string): void {
  if (stdin === undefined) return;
  quiet(() => stdin.write(text));
  quiet(() => stdin.end());
}

/** Reads on while there is text, keeps at most `cap` bytes of it. */
function collect(stream: ReadableStream<Uint8Array>, cap: number) {
  const reader = stream.getReader();
  const pieces: Uint8Array[] = [];
  let kept = 0;
  const drain = async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const piece = value.subarray(0, cap - kept);
      if (piece.length > 0) pieces.push(piece);
      kept += piece.length;
    }
  };
  return {
    done: drain().catch(() => undefined),
    cancel: () => void reader.cancel().catch(() => undefined),
    text: () => Buffer.concat(pieces).toString("utf8"),
  };
}

/** The reader is attached at once; a piece is read from the pipe only when it is asked for. */
function pulled(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader = stream.getReader();
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const { done, value } = await reader.read();
        return done ? { done: true, value: undefined } : { done: false, value };
      },
      async return() {
        await reader.cancel().catch(() => undefined);
        return { done: true, value: undefined };
      },
    }),
  };
}

/** True when `work` ended in time. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const inTime = await Promise.race([work.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  // The group's leader may be gone and reaped already: then there is nobody to tell.
  quiet(() => process.kill(-pid, signal));
}

function quiet(work: () => unknown): void {
  try {
    const result = work();
    if (result instanceof Promise) result.catch(() => undefined);
  } catch {}
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
