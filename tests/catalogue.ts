// The table of services in jails/README.md, made from the files:  bun tests/catalogue.ts  writes it. tests/catalogue.test.ts compares.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { modesOf, parseJailFile } from "../src/config/jailfile.ts";

const directory = join(import.meta.dir, "../jails");
const begin = "<!-- made by tests/catalogue.ts -->";
const end = "<!-- end -->";
const readme = join(directory, "README.md");

const list = (value: unknown): string =>
  Array.isArray(value) ? value.join(", ") : value === undefined ? "" : String(value);

/** README.md with its table as the files would have it. */
export function withTable(text: string): string {
  const rows = readdirSync(directory)
    .filter((file) => file.endsWith(".toml"))
    .sort()
    .map((file) => {
      const name = file.slice(0, -5);
      const parsed = parseJailFile(name, readFileSync(join(directory, file), "utf8"), file);
      if (!parsed.ok) throw new Error(`${file}: ${parsed.faults[0]?.what ?? ""}`);
      const { summary, settings, filter, samples } = parsed.value;
      const modes = modesOf(parsed.value).filter((mode) => mode !== "normal");
      const marks = [
        typeof filter.forgeable === "string"
          ? "forgeable"
          : filter.forgeable === undefined
            ? ""
            : `forgeable: ${Object.keys(filter.forgeable).join(", ")}`,
        filter.spoofable === undefined ? "" : "spoofable",
      ].filter((mark) => mark !== "");
      return `| [${name}](${file}) | ${summary.replaceAll("|", "\\|")} | ${list(settings.port)} | ${modes.join(", ")} | ${samples.length} | ${marks.join("; ")} |`;
    });
  const table = `${begin}\n${rows.length} services. *Forgeable* and *spoofable* ones (or formats of them) are off until accepted, see above.\n\n| name | what counts | ports | modes | samples | mark |\n|---|---|---|---|--:|---|\n${rows.join("\n")}\n${end}`;
  const from = text.indexOf(begin);
  return from < 0
    ? `${text.trimEnd()}\n\n## The catalogue\n\n${table}\n`
    : text.slice(0, from) + table + text.slice(text.indexOf(end) + end.length);
}

if (import.meta.main) writeFileSync(readme, withTable(readFileSync(readme, "utf8")));
