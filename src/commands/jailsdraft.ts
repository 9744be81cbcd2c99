// f2b jails new: from lines one picks to the beginning of a jail file: format guessed, address and user marked, numbers generalised.

import { closeSync, openSync, writeSync } from "node:fs";
import { draftFile, guessFormat, shapeOf } from "../core/draft.ts";
import { visibleLine } from "../core/text.ts";
import { bytesOf, linesOf } from "../source/unpacked.ts";
import { type Call, exits } from "./index.ts";

const offered = 40;

/** Lines to choose from: one of each shape, those with an address first, the commonest first. */
export async function candidates(
  lines: AsyncIterable<string>,
): Promise<{ readonly number: number; readonly line: string; readonly count: number }[]> {
  const shapes = new Map<string, { number: number; line: string; count: number; address: boolean }>();
  let number = 0;
  for await (const line of lines) {
    number++;
    const { shape, address } = shapeOf(line);
    const known = shapes.get(shape);
    if (known !== undefined) known.count++;
    else if (shapes.size < 10_000) shapes.set(shape, { number, line, count: 1, address });
  }
  return [...shapes.values()].sort((a, b) => Number(b.address) - Number(a.address) || b.count - a.count);
}

export async function draftJail(call: Call, name: string): Promise<number> {
  const { from, line, output } = call.flags;
  if (typeof from !== "string") {
    call.err(`f2b: from which log?\n  f2b jails new ${name} --from LOG\n`);
    return exits.usage;
  }
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(name)) {
    call.err(
      `f2b: "${name}" cannot be a jail's name\n  fix: letters, digits, "_", "." and "-", at most 64\n`,
    );
    return exits.usage;
  }
  if (call.system.files.stat(from)?.kind !== "file") {
    call.err(`f2b: ${from} is no file that can be read\n`);
    return exits.usage;
  }
  const wanted = Array.isArray(line) ? line.map(Number) : [];
  const picked = wanted.length > 0 ? await byNumber(call, from, wanted) : await ask(call, from);
  if (picked === undefined) return exits.no;
  if (picked.length === 0) {
    call.err("f2b: no line was picked\n  fix: f2b jails new NAME --from LOG --line 17 --line 21\n");
    return exits.usage;
  }
  const text = draftFile({ name, log: from, lines: picked, format: guessFormat(picked) });
  const file = typeof output === "string" ? output : `${name}.toml`;
  if (file === "-") {
    call.out(text);
    return exits.fine;
  }
  try {
    const fd = openSync(file, "wx", 0o644); // never over a file that is there
    writeSync(fd, text);
    closeSync(fd);
  } catch (error) {
    const there = (error as NodeJS.ErrnoException).code === "EEXIST";
    call.err(
      `f2b: ${there ? `${file} is there already` : `cannot write ${file}: ${(error as Error).message}`}\n  fix: --output FILE, or --output - to print\n`,
    );
    return exits.no;
  }
  call.out(`wrote ${file}\nNext: read it, complete what is marked, then\n  f2b regex ${from} ${file}\n`);
  return exits.fine;
}

async function byNumber(call: Call, file: string, numbers: readonly number[]): Promise<string[] | undefined> {
  const found: string[] = [];
  let at = 0;
  for await (const line of readLines(call, file)) {
    at++;
    if (numbers.includes(at)) found.push(line);
  }
  const beyond = numbers.find((number) => !Number.isInteger(number) || number < 1 || number > at);
  if (beyond === undefined) return found;
  call.err(`f2b: ${file} has no line ${beyond}; it has ${at}\n`);
  return undefined;
}

async function ask(call: Call, file: string): Promise<string[] | undefined> {
  const list = await candidates(readLines(call, file));
  if (call.stdin.isTTY !== true || call.stdout.isTTY !== true) {
    call.err("f2b: without a terminal, name the lines: --line N; the commonest with an address are\n");
    for (const one of list.slice(0, 10)) call.err(`  ${one.number}: ${visibleLine(one.line, 160)}\n`);
    return undefined;
  }
  const { isCancel, multiselect } = await import("@clack/prompts");
  const answer = await multiselect({
    message: "Which of these lines are failed attempts? (one of each shape; space picks)",
    options: list.slice(0, offered).map((one) => ({
      value: one.line,
      label: visibleLine(one.line, (call.stdout.columns ?? 80) - 12),
      hint: `${one.count}×`,
    })),
    required: true,
  });
  return isCancel(answer) ? undefined : answer;
}

async function* readLines(call: Call, file: string): AsyncGenerator<string> {
  for await (const piece of linesOf(bytesOf(call.system, file), { cap: 64 * 1024, unfinished: true })) {
    // Pieces are whole lines, bytes as chars; a draft is read by people.
    yield* Buffer.from(piece.text, "latin1").toString("utf8").split("\n").slice(0, -1);
  }
}
