// Runs translated filters over the last lines of the real logs: proof that they still find what they should, and samples for the
// new jail files. Reads only; a log that is not there or not readable is said, not failed.

import type { Failure, Filter } from "../core/domain.ts";
import { compileFilter } from "../core/filter.ts";
import { createScanner } from "../core/scan.ts";
import type { System } from "../system/index.ts";
import type { FilterFile } from "./filters.ts";

export interface JailSample {
  readonly about: string;
  readonly line: string;
  readonly fail: Readonly<Record<string, unknown>> | undefined;
}

export interface LogCheck {
  readonly path: string;
  /** Undefined: not there, or not readable. */
  readonly lines: number | undefined;
  readonly matched: number;
  readonly hosts: number;
}

export interface FilterCheck {
  readonly logs: readonly LogCheck[];
  readonly samples: readonly JailSample[];
  /** Why the engine refuses the filter; undefined: it takes it. */
  readonly refused: string | undefined;
}

const tailBytes = 4 * 1024 * 1024;
const keptSamples = 3;

export function engineFilter(name: string, file: FilterFile): Filter {
  return {
    name,
    format: file.format,
    program: file.program,
    prefregex: file.prefregex.map((one) => one.text),
    failregex: file.failregex.map((one) => one.text),
    ignoreregex: file.ignoreregex.map((one) => one.text),
    datepattern: file.datepattern,
    maxlines: file.maxlines,
    session: file.session === undefined ? undefined : { key: file.session, expire: 300 },
    json: undefined,
    logencoding: "utf-8",
    forgeable: undefined,
    spoofable: undefined,
    own: true,
  };
}

/** `paths`: files, globs already opened. */
export function checkFilter(
  name: string,
  file: FilterFile,
  paths: readonly string[],
  system: System,
): FilterCheck {
  const compiled = compileFilter(engineFilter(name, file));
  if (!compiled.ok)
    return { logs: [], samples: [], refused: compiled.faults.map((fault) => fault.what).join("; ") };
  const samples: JailSample[] = [];
  const logs = paths.map((path): LogCheck => {
    const text = tail(path, system);
    if (text === undefined) return { path, lines: undefined, matched: 0, hosts: 0 };
    const scanner = createScanner([{ jail: name, filter: compiled.value, names: true }], {
      clock: () => system.clock.monotonic(),
    });
    const found = scanner.file(text, { now: system.clock.now(), live: false, clamp: false });
    const matched = new Set(found.map((one) => one.failure.line));
    for (const { failure } of found.slice(-keptSamples)) {
      if (samples.length < keptSamples && file.maxlines === 1) samples.push(sampleOf(failure, path));
    }
    const innocent = text.split("\n").findLast((line) => line !== "" && isText(line) && !matched.has(line));
    if (
      innocent !== undefined &&
      samples.length > 0 &&
      samples.every((sample) => sample.fail !== undefined)
    ) {
      samples.push({ about: `another line of ${path}`, line: innocent, fail: undefined });
    }
    const hosts = new Set(found.map((one) => one.failure.target.text)).size;
    return { path, lines: text.split("\n").length - 1, matched: found.length, hosts };
  });
  return { logs, samples, refused: undefined };
}

const isText = (line: string): boolean => !/[^\x20-\x7e]/.test(line);

function sampleOf(failure: Failure, path: string): JailSample {
  const who = failure.target.kind === "id" ? { id: failure.target.text } : { host: failure.target.text };
  return {
    about: `from ${path}`,
    line: failure.line,
    fail: { ...who, ...(failure.user === undefined || failure.user === "" ? {} : { user: failure.user }) },
  };
}

/** The last whole lines as a latin-1 view. */
function tail(path: string, system: System): string | undefined {
  let fd: number | undefined;
  try {
    const stat = system.files.stat(path);
    if (stat === undefined || stat.kind !== "file") return undefined;
    fd = system.files.open(path, "r");
    const from = Math.max(0, stat.size - tailBytes);
    const buffer = new Uint8Array(stat.size - from);
    let read = 0;
    while (read < buffer.length) {
      const count = system.files.read(fd, buffer, read, buffer.length - read, from + read);
      if (count <= 0) break;
      read += count;
    }
    const text = Buffer.from(buffer.subarray(0, read)).toString("latin1");
    const begin = from === 0 ? 0 : text.indexOf("\n") + 1;
    return text.slice(begin, text.lastIndexOf("\n") + 1);
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) system.files.close(fd);
  }
}
