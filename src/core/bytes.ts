// Lines are matched as bytes: a text whose chars 0 to 255 are the bytes of the log (a latin-1 view). What a person will read is
// decoded here, after the match and only where it is not ASCII anyway.

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** A copy that does not keep the chunk alive from which the text was cut. */
export function copyText(text: string): string {
  if (text.length < 3) return text;
  // Joining two pieces makes a new string; reading a char makes the engine build it.
  const copy = text.slice(0, 1) + text.slice(1);
  copy.charCodeAt(1);
  return copy;
}

const interned = new Map<string, string>();
const internedMost = 20_000;
const internedLength = 64;

/** A copy like `copyText`'s, one for all texts that are alike: the same few names come again and again. */
export function internText(text: string): string {
  if (text.length > internedLength) return copyText(text);
  const known = interned.get(text);
  if (known !== undefined) return known;
  const copy = copyText(text);
  if (interned.size >= internedMost) interned.clear();
  interned.set(copy, copy);
  return copy;
}

/** Whether an ASCII text stands there. For a few chars this is faster than `startsWith`. */
export function standsAt(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[at + i]) return false;
  return true;
}

/** Bytes (as chars 0 to 255) as UTF-8 text; where they are not UTF-8 each byte stays the char it is. */
export function decodeText(bytes: string, ascii = false, encoding?: TextDecoder): string {
  if (ascii) return internText(bytes);
  const copy = copyText(bytes);
  // A loop is three times as fast as an expression here, and this runs for every failure's line.
  let codes = 0;
  for (let at = 0; at < copy.length; at++) codes |= copy.charCodeAt(at);
  if (codes < 128 || codes > 255) return copy;
  if (encoding !== undefined) return encoding.decode(Uint8Array.from(copy, (c) => c.charCodeAt(0)));
  try {
    return utf8.decode(Uint8Array.from(copy, (c) => c.charCodeAt(0)));
  } catch {
    return copy;
  }
}

/** `logencoding`: undefined for UTF-8 and "auto", which `decodeText` does by itself; a RangeError for what is no encoding (WHATWG's labels). */
export function encodingOf(label: string): TextDecoder | undefined {
  const name = label.trim().toLowerCase();
  return ["auto", "utf-8", "utf8", "ascii", "us-ascii"].includes(name)
    ? undefined
    : new TextDecoder(name as ConstructorParameters<typeof TextDecoder>[0]);
}

/** Text as its UTF-8 bytes, one char a byte: the form in which everything is matched. */
export function encodeText(text: string): string {
  if (!/[^\0-\x7f]/.test(text)) return text;
  let out = "";
  for (const byte of new TextEncoder().encode(text)) out += String.fromCharCode(byte);
  return out;
}
