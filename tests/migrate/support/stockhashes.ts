// Prints src/migrate/stockhashes.ts anew: adds the hashes of the fail2ban directories given as arguments to those that are known.
//   bun tests/migrate/support/stockhashes.ts /etc/fail2ban > /tmp/new.ts

import { readdirSync, readFileSync } from "node:fs";
import { contentHash } from "../../../src/migrate/stock.ts";
import { stockHashes } from "../../../src/migrate/stockhashes.ts";

const known = new Map(Object.entries(stockHashes).map(([name, hashes]) => [name, new Set(hashes)]));
for (const directory of process.argv.slice(2)) {
  for (const kind of ["filter.d", "action.d"]) {
    for (const file of readdirSync(`${directory}/${kind}`)) {
      if (!file.endsWith(".conf")) continue;
      const name = `${kind}/${file}`;
      known.set(
        name,
        (known.get(name) ?? new Set<string>()).add(contentHash(readFileSync(`${directory}/${name}`, "utf8"))),
      );
    }
  }
}
const rows = [...known].toSorted(([a], [b]) => (a < b ? -1 : 1));
process.stdout.write(`// Hashes of the filter and action files that fail2ban ships (see stock.ts for what is hashed), by version as packaged: 1.0.2.
// Made by tests/migrate/support/stockhashes.ts; no text of these files is kept.

export const stockHashes: Readonly<Record<string, readonly string[]>> = {
${rows.map(([name, hashes]) => `  ${JSON.stringify(name)}: [${[...hashes].map((hash) => JSON.stringify(hash)).join(", ")}],`).join("\n")}
};
`);
