// A value of a ban in an argument list. An address is what it is; an id is a stranger's text, and a program takes one that begins with
// "-" for an option of its own.

/**
 * Whether a program would take the value for an option: some word begins with it, and no "--" that ends the options stands before.
 * `words` are the arguments as configured, with `{ip}` where the value comes.
 */
export function readsAsOption(words: readonly string[], value: string): boolean {
  if (!value.startsWith("-")) return false;
  const end = words.indexOf("--");
  return words.some((word, i) => word.startsWith("{ip}") && (end < 0 || i < end));
}
