// Is a filter or action file fail2ban's own, unchanged? Known by a hash of what the file says (comments and blank lines apart), by
// the package database's checksum, or not at all; an overlay (.local) always makes it the user's.

import type { Tree } from "./layers.ts";
import { stockHashes } from "./stockhashes.ts";

/** Hash of a file's text without comments, blank lines and blanks at line ends; 16 hex digits. */
export function contentHash(text: string): string {
  const lines = text
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "" && !/^\s*[#;]/.test(line));
  return new Bun.CryptoHasher("sha256").update(lines.join("\n")).digest("hex").slice(0, 16);
}

export interface StockJudge {
  /** True when every one of these files (as `Definition.files` names them) is as it was shipped. */
  unchanged(files: readonly string[]): boolean;
}

export interface StockOptions {
  /** Files a package manager vouches for, beside what dpkg's database says. */
  readonly verified?: ReadonlySet<string>;
  /** Every file of a shipped one's name counts as that one, whatever stands in it. */
  readonly byName?: boolean;
}

/** `directory` is the installation's; the package database is asked only about /etc/fail2ban. */
export function createStockJudge(tree: Tree, directory: string, options: StockOptions = {}): StockJudge {
  let conffiles: ReadonlyMap<string, string> | undefined;
  const packaged = (path: string, text: string): boolean => {
    conffiles ??= dpkgConffiles(tree);
    const sum = conffiles.get(path);
    return sum !== undefined && new Bun.CryptoHasher("md5").update(text).digest("hex") === sum;
  };
  return {
    unchanged(files) {
      return files.every((path) => {
        const text = tree.read(path);
        if (text === undefined || path.endsWith(".local")) return false;
        const name = path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path;
        const hashes = stockHashes[name];
        if (options.byName === true && hashes !== undefined) return true;
        if (options.verified?.has(path) === true) return true;
        return hashes?.includes(contentHash(text)) === true || packaged(path, text);
      });
    },
  };
}

/** dpkg keeps the checksum of every configuration file as it was installed: path → md5. */
function dpkgConffiles(tree: Tree): ReadonlyMap<string, string> {
  const out = new Map<string, string>();
  const status = tree.read("/var/lib/dpkg/status") ?? "";
  const start = status.search(/^Package: fail2ban$/m);
  if (start < 0) return out;
  const end = status.indexOf("\n\n", start);
  for (const [, path, sum] of status
    .slice(start, end < 0 ? undefined : end)
    .matchAll(/^ (\/\S+) ([0-9a-f]{32})/gm)) {
    out.set(path!, sum!);
  }
  return out;
}
