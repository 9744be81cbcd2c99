// What short texts stand for, found by their bytes as they stand in a chunk: four words are compared at once, where reading byte after byte
// costs as much as matching the line did. For what comes again and again: addresses, names. One displaces another, so it stays small.

/** The longest text kept; the last byte of the four words says how long it is. */
export const longestSpelled = 15;
/** Words for each slot. */
const width = 4;

/** What is left of each of the four words of a text, by its length. */
const masks = new Int32Array(width * (longestSpelled + 1));
for (let length = 0; length <= longestSpelled; length++)
  for (let byte = 0; byte < length; byte++) masks[width * length + (byte >> 2)]! |= 255 << (8 * (byte & 3));

export class Spelled<Value> {
  private words = new Int32Array(0);
  private values: (Value | undefined)[] = [];
  /** Of the text asked for last: the slot where it belongs, and its words. */
  private slot = -1;
  private w0 = 0;
  private w1 = 0;
  private w2 = 0;
  private w3 = 0;

  /** `slots`: a power of two. */
  constructor(private readonly slots: number) {}

  /** What bytes [from, to) stand for; sixteen bytes may be read behind `from`. */
  get(view: DataView, from: number, to: number): Value | undefined {
    const length = to - from;
    if (length > longestSpelled) {
      this.slot = -1;
      return undefined;
    }
    if (this.words.length === 0) this.clear(this.slots);
    const { words } = this;
    const at = width * length;
    const w0 = view.getInt32(from, true) & masks[at]!;
    const w1 = view.getInt32(from + 4, true) & masks[at + 1]!;
    const w2 = view.getInt32(from + 8, true) & masks[at + 2]!;
    const w3 = (view.getInt32(from + 12, true) & masks[at + 3]!) | (length << 24);
    let hash = Math.imul(w0, 0x9e3779b1) ^ Math.imul(w1, 0x85ebca6b) ^ Math.imul(w2, 0xc2b2ae35);
    hash ^= Math.imul(w3, 0x27d4eb2f);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    // Each has two slots, so that two common ones do not displace each other.
    const slot = (hash ^ (hash >>> 15)) & (this.slots - 2);
    for (let i = slot; i < slot + 2; i++) {
      const word = width * i;
      const same =
        (words[word]! ^ w0) | (words[word + 1]! ^ w1) | (words[word + 2]! ^ w2) | (words[word + 3]! ^ w3);
      if (same === 0) return this.values[i];
    }
    this.slot = slot;
    this.w0 = w0;
    this.w1 = w1;
    this.w2 = w2;
    this.w3 = w3;
    return undefined;
  }

  /** What the text stands for that was asked for last and not known. */
  set(value: Value): void {
    const { slot, words, values } = this;
    if (slot < 0) return;
    words.copyWithin(width * (slot + 1), width * slot, width * (slot + 1));
    values[slot + 1] = values[slot];
    words[width * slot] = this.w0;
    words[width * slot + 1] = this.w1;
    words[width * slot + 2] = this.w2;
    words[width * slot + 3] = this.w3;
    values[slot] = value;
    this.slot = -1;
  }

  /** Lets go of everything, the room too. */
  clear(slots = 0): void {
    this.words = new Int32Array(width * slots);
    this.values = new Array<Value | undefined>(slots).fill(undefined);
    this.slot = -1;
  }
}
