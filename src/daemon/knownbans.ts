// Who is known to be shut out, by the number under which matching knows an address for now (core/blame.ts): numbers in one array, since in a
// flood this is looked up for nearly every line, and every object on the way costs a look into memory.

import { numbersAtOnce } from "../core/blame.ts";
import type { Time } from "../core/domain.ts";

/** For each: the number, how often the state had changed, the time. */
const width = 3;

export class KnownBans {
  private facts = new Float64Array(0);

  /**
   * From when on a failure of the address is worth a word, as kept when the state had changed as often; Infinity: no more. NaN: it is not
   * known whether it is shut out.
   */
  due(number: number, applied: number): Time {
    const { facts } = this;
    const at = width * (number & (numbersAtOnce - 1));
    return number >= 0 && facts[at] === number && facts[at + 1] === applied ? facts[at + 2]! : Number.NaN;
  }

  keep(number: number, applied: number, due: Time): void {
    if (number < 0) return;
    const at = width * (number & (numbersAtOnce - 1));
    if (at >= this.facts.length) this.widen(at + width);
    this.facts[at] = number;
    this.facts[at + 1] = applied;
    this.facts[at + 2] = due;
  }

  private widen(least: number): void {
    const facts = new Float64Array(Math.max(2 * least, 64 * width)).fill(-1);
    facts.set(this.facts);
    this.facts = facts;
  }
}
