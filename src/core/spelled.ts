// What short texts stand for, found by their bytes as they stand in a chunk: four words are compared at once, where reading byte after byte
// costs as much as matching the line did. For what comes again and again: addresses, names. What is known lies close together, so that
// it stays in the processor's cache beside the chunk.

/** The longest text kept; the last byte of the four words says how long it is. */
export const longestSpelled = 15;
/** Words of each text. */
const width = 4;
/** Texts for which there is room at first. */
const roomAtFirst = 128;

/** What is left of each of the four words of a text, by its length. */
const masks = new Int32Array(width * (longestSpelled + 1));
for (let length = 0; length <= longestSpelled; length++)
  for (let byte = 0; byte < length; byte++) masks[width * length + (byte >> 2)]! |= 255 << (8 * (byte & 3));

export class Spelled<Value> {
  /** By place, in the order in which they came. */
  private words = new Int32Array(0);
  private values: Value[] = [];
  /** By hash, the next free slot where one is taken: place + 1. At most half of them are taken. */
  private slots = new Uint16Array(1);
  /** Of the text asked for last and not known: its words, if it is one to keep. */
  private wanting = false;
  private w0 = 0;
  private w1 = 0;
  private w2 = 0;
  private w3 = 0;

  /** `most`: texts known at once, up to 16,384; with one more all are let go, and it begins anew. */
  constructor(private readonly most: number) {}

  /** The place of the text in bytes [from, to), good until one more is known than there may be; -1: not known. Sixteen bytes behind `from` are read. */
  find(view: DataView, from: number, to: number): number {
    const length = to - from;
    if (length > longestSpelled) {
      this.wanting = false;
      return -1;
    }
    const { words, slots } = this;
    const at = width * length;
    const w0 = view.getInt32(from, true) & masks[at]!;
    const w1 = view.getInt32(from + 4, true) & masks[at + 1]!;
    const w2 = view.getInt32(from + 8, true) & masks[at + 2]!;
    const w3 = (view.getInt32(from + 12, true) & masks[at + 3]!) | (length << 24);
    let slot = hashOf(w0, w1, w2, w3) & (slots.length - 1);
    for (let place = slots[slot]! - 1; place >= 0; place = slots[slot]! - 1) {
      const word = width * place;
      const differs =
        (words[word]! ^ w0) | (words[word + 1]! ^ w1) | (words[word + 2]! ^ w2) | (words[word + 3]! ^ w3);
      if (differs === 0) return place;
      slot = (slot + 1) & (slots.length - 1);
    }
    this.wanting = true;
    this.w0 = w0;
    this.w1 = w1;
    this.w2 = w2;
    this.w3 = w3;
    return -1;
  }

  /** The next one not known lets go of all. */
  get isFull(): boolean {
    return this.values.length === this.most;
  }

  /** What the text at a place stands for. */
  at(place: number): Value {
    return this.values[place]!;
  }

  /** What the text stands for that was asked for last and not known. Its place; -1: it is too long to be kept. */
  set(value: Value): number {
    if (!this.wanting) return -1;
    this.wanting = false;
    if (this.isFull) this.clear();
    if (width * this.values.length === this.words.length) this.widen();
    const place = this.values.length;
    this.values.push(value);
    this.words.set([this.w0, this.w1, this.w2, this.w3], width * place);
    this.enter(place);
    return place;
  }

  /** Lets go of everything, the room too. */
  clear(): void {
    this.words = new Int32Array(0);
    this.values = [];
    this.slots = new Uint16Array(1);
  }

  private widen(): void {
    const room = Math.min(this.most, Math.max(roomAtFirst, 2 * this.values.length));
    const words = new Int32Array(width * room);
    words.set(this.words);
    this.words = words;
    let slots = 2;
    while (slots < 2 * room + 2) slots *= 2;
    this.slots = new Uint16Array(slots);
    for (let place = 0; place < this.values.length; place++) this.enter(place);
  }

  private enter(place: number): void {
    const { words, slots } = this;
    const word = width * place;
    let slot =
      hashOf(words[word]!, words[word + 1]!, words[word + 2]!, words[word + 3]!) & (slots.length - 1);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = place + 1;
  }
}

function hashOf(w0: number, w1: number, w2: number, w3: number): number {
  let hash = Math.imul(w0, 0x9e3779b1) ^ Math.imul(w1, 0x85ebca6b) ^ Math.imul(w2, 0xc2b2ae35);
  hash ^= Math.imul(w3, 0x27d4eb2f);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return hash ^ (hash >>> 15);
}
