// npm run bench [-- --json] [--only NAME]: f2b and its peers, side by side in one run on the same data, inside a network namespace. Ratios
// count, not the figures alone. Peers (fail2ban, sshguard) take part where their packages are installed.

import { ableTo, labMissing, openLab } from "../support/lab.ts";
import type { Result } from "./measure.ts";
import { show } from "./measure.ts";
import { packets } from "./packets.ts";
import { burst, client, latency, memory, startup } from "./reaction.ts";
import { throughput } from "./throughput.ts";

const words = process.argv.slice(2);
const onlyAt = words.indexOf("--only");
const only = onlyAt >= 0 ? words[onlyAt + 1] : undefined;

const able = ableTo(labMissing(["nft", "python3"]), "the benchmark");
const results: Result[] = [];
if (able) {
  const parts = { latency, burst, startup, client, memory, throughput, packets };
  for (const [name, part] of Object.entries(parts)) {
    if (only !== undefined && only !== name) continue;
    const lab = openLab(1);
    try {
      console.error(`measuring ${name} …`);
      for await (const result of part(lab)) {
        results.push(result);
        console.error(`  ${result.what}: ${show(result.value)} ${result.unit}`);
      }
    } finally {
      lab.close();
    }
  }
}

if (words.includes("--json")) {
  console.log(JSON.stringify(results, null, 2));
} else {
  const rows = [
    ["What", "Value", "Unit", "How", "Aim", ""],
    ...results.map((one) => [
      one.what,
      show(one.value),
      one.unit,
      one.how,
      one.aim ?? "",
      one.met === undefined ? "" : one.met ? "met" : "MISSED",
    ]),
  ];
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => Bun.stringWidth(row[i] ?? "")))) ?? [];
  for (const row of rows)
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    );
}
