// ignoreip as written → what can be asked. Addresses and networks are ready at once; host names and files are handed to the edge,
// which resolves and reads them in the background: a decision never waits for DNS or a disk.

import { parsePrefix, parseTarget } from "./address.ts";
import type { Address, Fault, Prefix } from "./domain.ts";
import { createPrefixSet, type PrefixSet } from "./prefixset.ts";
import { visibleLine } from "./text.ts";

export interface CompiledIgnore {
  readonly prefixes: PrefixSet;
  /** Host names, lower case, to be resolved. */
  readonly names: string[];
  /** Absolute paths of "file:/path" entries, without "file:". */
  readonly files: string[];
  readonly faults: Fault[];
}

export function compileIgnore(entries: readonly string[]): CompiledIgnore {
  const prefixes = createPrefixSet();
  const names = new Set<string>();
  const files = new Set<string>();
  const faults: Fault[] = [];
  for (const written of entries) {
    const entry = written.trim();
    if (entry.startsWith("file:")) {
      const path = entry.slice(5);
      if (path.startsWith("/")) files.add(path);
      else faults.push(fault(entry, "a file is named by its absolute path", 'Write "file:/path/to/list".'));
      continue;
    }
    const prefix = parsePrefix(entry);
    if (prefix) prefixes.add(prefix);
    else if (isHostName(entry)) names.add(entry.toLowerCase());
    else
      faults.push(
        fault(
          entry,
          whyNot(entry),
          'Write an address, a network such as "192.0.2.0/24", a host name or "file:/path".',
        ),
      );
  }
  return { prefixes, names: [...names], files: [...files], faults };
}

const fault = (entry: string, why: string, fix: string): Fault => ({
  what: `"${visibleLine(entry, 80)}" cannot be ignored`,
  why,
  fix,
});

function whyNot(entry: string): string {
  if (entry === "") return "it is empty";
  if (entry.includes("%")) return "a zone id has no meaning here";
  if (/^[\d.]+(?:\/[\d.]*)?$/.test(entry))
    return "it is no IPv4 address or network (four decimal numbers without leading zeros)";
  return entry.includes(":")
    ? "it is no IPv6 address or network"
    : "it is neither an address, a network nor a host name";
}

/** Letters, digits, inner "-" and "_"; the last label is not all digits, so that a mistyped address is never looked up. */
function isHostName(text: string): boolean {
  if (text.length > 253) return false;
  const labels = text.replace(/\.$/, "").split(".");
  return (
    labels.every((label) => /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/.test(label)) && !/^\d+$/.test(labels.at(-1)!)
  );
}

export interface IgnoreParts {
  /** The addresses and networks of ignoreip. */
  readonly prefixes: PrefixSet;
  /** The machine's own addresses when ignoreself is on. */
  readonly own?: PrefixSet;
  /** What names and files stand for now; `label` is the entry as written. */
  readonly named?: readonly { readonly label: string; readonly prefixes: PrefixSet }[];
}

/**
 * Why this address must not be counted or banned: "ignoreself", "ignoreip 10.0.0.0/8", "ignoreip vpn.example.org (192.0.2.7)".
 * A network is ignored as soon as it would hit anything that is.
 */
export function ignoreReason(range: Address | Prefix, parts: IgnoreParts): string | undefined {
  const look = isNetwork(range)
    ? (set: PrefixSet) => set.touching(range)
    : (set: PrefixSet) => set.find(range as Address);
  if (parts.own && look(parts.own)) return "ignoreself";
  const found = look(parts.prefixes);
  if (found) return `ignoreip ${found}`;
  for (const { label, prefixes } of parts.named ?? []) {
    const named = look(prefixes);
    if (named) return `ignoreip ${label} (${named})`;
  }
  return undefined;
}

const isNetwork = (range: string): boolean => range.includes("/") && parseTarget(range)?.kind === "prefix";
