// How fast lines come out of a FilesSource: appended → delivered while idle, and a large file from its start. Run by hand and by the
// benchmarks:  bun tests/source/measure.ts

import fs from "node:fs";
import { eventually } from "../support/time.ts";
import { inDirectory, read } from "./reading.ts";

await inDirectory(async (directory) => {
  const log = `${directory}/auth.log`;
  fs.writeFileSync(log, "");
  let delivered: (at: number) => void = () => undefined;
  const reading = read([log], {}, new Map(), () => delivered(performance.now()));
  await Bun.sleep(50);
  const fd = fs.openSync(log, "a");
  const took: number[] = [];
  for (let i = 0; i < 1_000; i++) {
    await Bun.sleep(1);
    const arrived = new Promise<number>((resolve) => {
      delivered = resolve;
    });
    const written = performance.now();
    fs.writeSync(
      fd,
      `Nov 21 06:30:00 web1 sshd[812]: Failed password for root from 192.0.2.${i % 256} port 22 ssh2\n`,
    );
    took.push((await arrived) - written);
  }
  await reading.stop();
  took.sort((a, b) => a - b);
  console.log(`appended → delivered: median ${took[500]?.toFixed(3)} ms, 99 % ${took[990]?.toFixed(3)} ms`);
});

await inDirectory(async (directory) => {
  const log = `${directory}/big.log`;
  const line = "Nov 21 06:30:00 web1 sshd[812]: Failed password for root from 192.0.2.7 port 22 ssh2\n";
  const piece = line.repeat(10_000);
  const fd = fs.openSync(log, "w");
  for (let i = 0; i < 120; i++) fs.writeSync(fd, piece);
  fs.closeSync(fd);
  const size = fs.statSync(log).size;
  let bytes = 0;
  const started = performance.now();
  const { createFilesSource } = await import("../../src/source/files.ts");
  const { system } = await import("./reading.ts");
  const source = createFilesSource({ system, patterns: [log], positions: [], notice: () => undefined });
  const ended = (async () => {
    for await (const chunk of source.chunks()) bytes += chunk.text.length;
  })();
  await eventually("the whole file", () => bytes >= size, 30_000);
  const seconds = (performance.now() - started) / 1000;
  source.close();
  await ended;
  const rss = Math.round(process.memoryUsage.rss() / 1e6);
  console.log(
    `from the start: ${(size / 1e6 / seconds).toFixed(0)} MB/s, ${(size / line.length / seconds / 1e6).toFixed(1)} million lines/s; memory ${rss} MB`,
  );
});
