// Holds DESIGN §3: who may import whom; what core/ must not touch; no member's name outside its own folder.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const src = join(import.meta.dir, "../src");

/** folder → what it may import of ours, beside itself. Type-only imports of contracts count as well, with the exceptions below. */
const may: Readonly<Record<string, readonly string[]>> = {
  core: [],
  system: ["core"],
  banaction: ["core"],
  source: ["core", "system"],
  notify: ["core", "system"],
  journal: ["core", "system"],
  config: ["core", "system", "banaction", "notify"],
  migrate: ["core", "config", "system", "banaction", "notify", "journal", "source"],
  doctor: ["core", "config", "banaction", "notify", "source", "journal", "system", "migrate", "init"],
  init: ["core", "config", "banaction", "notify", "source", "journal", "system", "migrate", "doctor"],
  daemon: ["core", "config", "banaction", "notify", "source", "journal", "system"],
  commands: [
    "core",
    "config",
    "banaction",
    "notify",
    "source",
    "journal",
    "system",
    "migrate",
    "doctor",
    "init",
    "daemon",
  ],
};

/** Contracts that are stated above the folder that fulfils them: types only. */
const contracts: readonly (readonly [string, string])[] = [
  ["daemon/control.ts", "commands/index.ts"],
  ["daemon/daemon.ts", "commands/index.ts"],
];

interface Source {
  readonly path: string;
  readonly folder: string;
  readonly text: string;
}

const sources: readonly Source[] = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => ({ path, folder: path.split("/")[0] ?? "", text: readFileSync(join(src, path), "utf8") }));

/** Comments and strings taken away, so that only code is judged. */
const code = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");

interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
}

function importsOf(text: string): Import[] {
  const found: Import[] = [];
  for (const match of text.matchAll(/^(?:import|export)\s+(type\s+)?[^"';]*?from\s+"([^"]+)"/gm))
    found.push({ from: match[2] ?? "", typeOnly: match[1] !== undefined });
  for (const match of text.matchAll(/\bimport\(\s*"([^"]+)"\s*\)/g))
    found.push({ from: match[1] ?? "", typeOnly: false });
  for (const match of text.matchAll(/^import\s+"([^"]+)"/gm))
    found.push({ from: match[1] ?? "", typeOnly: false });
  return found;
}

/** The path below src of a relative import; undefined for packages. */
function target(path: string, from: string): string | undefined {
  return from.startsWith(".") ? join(path, "..", from) : undefined;
}

describe("the import table", () => {
  test("looks at real sources", () => {
    expect(sources.length).toBeGreaterThan(60);
    expect(sources.flatMap(({ text }) => importsOf(text)).length).toBeGreaterThan(200);
  });

  for (const { path, folder, text } of sources) {
    const allowed = may[folder];
    if (allowed === undefined) continue;
    test(`${path} imports only what ${folder}/ may know`, () => {
      const wrong = importsOf(text)
        .map((one) => ({ ...one, to: target(path, one.from) }))
        .filter(({ to, typeOnly }) => {
          if (to === undefined) return false;
          const into = to.split("/")[0] ?? "";
          if (into === folder || allowed.includes(into)) return false;
          return !(typeOnly && contracts.some(([a, b]) => a === path && b === to));
        });
      expect(wrong.map((one) => one.from)).toEqual([]);
    });
  }

  test("main.ts imports commands only", () => {
    const main = sources.find(({ path }) => path === "main.ts");
    expect(importsOf(main?.text ?? "").every(({ from }) => from.startsWith("./commands/"))).toBe(true);
  });
});

describe("core/ is pure", () => {
  for (const { path, text } of sources.filter(({ folder }) => folder === "core" || folder === "banaction")) {
    test(`${path} touches no machine, clock or chance`, () => {
      const body = code(text);
      const forbidden = [
        /"node:/,
        /\bBun\./,
        /\bBuffer\./,
        /\bprocess\./,
        /\bDate\.now\b/,
        /\bnew Date\(\)/,
        /\bMath\.random\b/,
        /\bset(?:Timeout|Interval|Immediate)\b/,
        /\bperformance\./,
        /\bfetch\(/,
      ];
      expect(forbidden.filter((one) => one.test(body)).map(String)).toEqual([]);
    });
  }
});

describe("nobody asks for a member by name", () => {
  const members = (folder: string, registry: string): string[] => {
    const index = sources.find(({ path }) => path === `${folder}/index.ts`)?.text ?? "";
    const list = new RegExp(`const ${registry}\\b[^;]*?\\(\\{([\\s\\S]*?)\\n\\}\\);`).exec(index)?.[1] ?? "";
    return [...list.matchAll(/^\s*"?([\w-]+)"?\s*[,:]/gm)].map((match) => match[1] ?? "");
  };
  // "auto" and "print" are words of the configuration, "command" and "mail" ordinary ones; the rest names one member only.
  const ordinary = new Set(["print", "command", "route", "mail", "syslog"]);
  const names = [...members("banaction", "banactions"), ...members("notify", "notifiers")].filter(
    (name) => !ordinary.has(name),
  );
  /** Where people's words are translated (import, wizard, advice) names are the subject. */
  const about = ["banaction", "notify", "migrate", "doctor", "init"];

  test("the registries are found", () => expect(names.length).toBeGreaterThan(10));

  for (const { path, text } of sources.filter(({ folder }) => !about.includes(folder))) {
    test(`${path} names no banaction and no notifier`, () => {
      const body = code(text);
      const asked = names.filter((name) => new RegExp(`(?:===|!==|case)\\s*"${name}"`).test(body));
      expect(asked).toEqual([]);
    });
  }
});
