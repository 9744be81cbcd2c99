// A process that writes numbered lines and never pauses, while its log is rotated in the way asked for:
//   bun writer.ts LOG KIND FIRST LINES ROTATIONS LINES_PER_SECOND
// What logrotate itself loses (lines written between its copy and its truncate) does not happen here, because the writer rotates; the
// reader sees the same changes of the same files.

import fs from "node:fs";
import { dirname } from "node:path";

const [log = "", kind = "", first = "0", lines = "0", rotations = "0", rate = "10000"] =
  process.argv.slice(2);
const from = Number(first);
const to = from + Number(lines);
const every = Math.max(1, Math.floor(Number(lines) / (Number(rotations) + 1)));
const append = fs.constants.O_WRONLY | fs.constants.O_APPEND | fs.constants.O_CREAT;
let generation = 0;
let fd = open();
/** Lines that still go to the old file after it was renamed, as until a daemon has had its signal. */
let late = 0;
let fresh: number | undefined;

function open(): number {
  if (kind !== "symlink") return fs.openSync(log, append, 0o640);
  const target = `${dirname(log)}/dated-${String(generation).padStart(4, "0")}`;
  const made = fs.openSync(target, append, 0o640);
  fs.rmSync(`${log}.tmp`, { force: true });
  fs.symlinkSync(target, `${log}.tmp`);
  fs.renameSync(`${log}.tmp`, log);
  return made;
}

/** log.3 → log.4, log.2 → log.3 … */
function shift(): void {
  for (let i = generation; i >= 1; i--) {
    for (const ending of ["", ".gz"]) {
      if (fs.existsSync(`${log}.${i}${ending}`))
        fs.renameSync(`${log}.${i}${ending}`, `${log}.${i + 1}${ending}`);
    }
  }
}

function rotate(): void {
  generation++;
  switch (kind) {
    case "rename":
      shift();
      fs.renameSync(log, `${log}.1`);
      fresh = open();
      late = 20;
      return;
    case "copytruncate":
      shift();
      fs.copyFileSync(log, `${log}.1`);
      fs.truncateSync(log, 0);
      return;
    case "delete":
      fs.unlinkSync(log);
      fs.closeSync(fd);
      fd = open();
      return;
    case "symlink":
      fs.closeSync(fd);
      fd = open();
      return;
    case "gzip": {
      shift();
      fs.renameSync(log, `${log}.1`);
      fs.closeSync(fd);
      fd = open();
      const packed = Bun.gzipSync(fs.readFileSync(`${log}.1`));
      fs.writeFileSync(`${log}.1.gz`, packed);
      fs.unlinkSync(`${log}.1`);
      return;
    }
  }
}

const start = performance.now();
for (let n = from; n < to; n++) {
  if (n > from && (n - from) % every === 0) rotate();
  if (fresh !== undefined && late-- === 0) {
    fs.closeSync(fd);
    fd = fresh;
    fresh = undefined;
  }
  // A steady stream: no line waits for the reader, none comes in a burst.
  while (performance.now() - start < ((n - from) * 1000) / Number(rate)) if (n % 8 === 0) Bun.sleepSync(0.2);
  fs.writeSync(fd, `line ${n} ${"x".repeat(n % 90)}\n`);
}
