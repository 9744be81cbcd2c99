// A terminal under our fingers: keys are pressed when the screen shows what they answer, so nothing waits for a time.

import { PassThrough, Writable } from "node:stream";

export const enter = "\r";
export const blank = " ";
export const down = "\x1b[B";
export const ctrlC = "\x03";

/** What the screen must show, and the keys that are pressed then. */
export type Step = readonly [shows: string, ...keys: string[]];

export interface FakeTerminal {
  readonly input: PassThrough;
  readonly output: Writable;
  /** All that was ever written, without colours and cursor movements. */
  screen(): string;
  raw(): string;
  /** Steps that did not come to pass. */
  left(): readonly Step[];
}

const controls = /\x1b\[[\d;?]*[A-Za-z]/g;

export function fakeTerminal(steps: readonly Step[]): FakeTerminal {
  const rest = [...steps];
  const input = new PassThrough();
  let raw = "";
  let from = 0;
  const press = (keys: readonly string[]): void => {
    const [first, ...more] = keys;
    if (first === undefined) return;
    input.write(first);
    setImmediate(() => press(more));
  };
  const output = new Writable({
    write(chunk, _encoding, done) {
      raw += String(chunk);
      const [next] = rest;
      const seen = raw.slice(from).replace(controls, "");
      if (next !== undefined && seen.includes(next[0])) {
        rest.shift();
        from = raw.length;
        setImmediate(() => press(next.slice(1)));
      }
      done();
    },
  });
  Object.assign(output, { columns: 80, rows: 40, isTTY: true });
  return { input, output, raw: () => raw, screen: () => raw.replace(controls, ""), left: () => rest };
}
