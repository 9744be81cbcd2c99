// f2b jails: the catalogue. What is there and found on this host; one jail as it would run, with where each value comes from; and the
// beginning of a new jail file from lines one picks.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bundledJails } from "../config/bundled.ts";
import { faultText } from "../config/faults.ts";
import { type Config, defaultPath, loadConfig } from "../config/index.ts";
import { parseJailFile } from "../config/jailfile.ts";
import { formatSetting, settableKeys } from "../config/settings.ts";
import { suggest, visible } from "../core/text.ts";
import { findFiles } from "../source/glob.ts";
import { type Call, type Command, exits } from "./index.ts";
import { draftJail } from "./jailsdraft.ts";
import { rows } from "./print.ts";

export const jails: Command = {
  name: "jails",
  summary: "the catalogue of services; what was found here; start a new one",
  usage: [
    "f2b jails [--found]",
    "f2b jails show NAME",
    "f2b jails new NAME --from LOG [--line N…] [--output FILE]",
  ],
  most: 2,
  options: [
    { name: "found", summary: "only services whose log was found on this host" },
    { name: "from", value: "LOG", summary: "new: the log to take sample lines from" },
    { name: "line", value: "N", many: true, summary: "new: take this line (1-based) without asking" },
    { name: "output", value: "FILE", summary: "new: where to write (default NAME.toml here)" },
  ],
  completes: [["show", "new"], "jail"],
  help: `
A jail file is one service: where it logs, what counts, and samples that prove it. f2b config and jails/ beside f2b.toml may replace a
bundled file or add new ones. After "new": complete the expressions, then  f2b regex LOG NAME.toml`,
  async run(call) {
    const [what, name] = call.words;
    if (what === undefined) return list(call);
    if (what === "show" && name !== undefined) return show(call, name);
    if (what === "new" && name !== undefined) return draftJail(call, name);
    call.err(
      "f2b: show or new, and a name?\n  f2b jails | f2b jails show NAME | f2b jails new NAME --from LOG\n",
    );
    return exits.usage;
  },
};

interface Listed {
  readonly name: string;
  readonly summary: string;
  readonly enabled: boolean;
  readonly found: readonly string[];
  readonly journal: boolean;
  readonly note?: string;
}

function load(call: Call): Config | undefined {
  const loaded = loadConfig({
    system: call.system,
    ...(call.config === undefined ? {} : { path: call.config }),
  });
  if (loaded.ok) return loaded.value;
  for (const fault of loaded.faults) call.err(faultText(fault, () => undefined));
  return undefined;
}

/** Bundled jail files and those of the configuration's jails/ directory, which win. */
function catalogue(call: Call): Map<string, { readonly text: string; readonly file: string }> {
  const all = new Map(
    [...bundledJails()].map(([name, text]) => [name, { text, file: `bundled ${name}.toml` }]),
  );
  const directory = join(call.config ?? defaultPath, "..", "jails");
  if (existsSync(directory)) {
    for (const file of call.system.files.readdir(directory)) {
      if (file.endsWith(".toml"))
        all.set(file.slice(0, -5), {
          text: readFileSync(join(directory, file), "utf8"),
          file: join(directory, file),
        });
    }
  }
  return all;
}

function list(call: Call): number {
  const config = load(call);
  if (config === undefined) return exits.configuration;
  const enabled = new Set<string>(config.jails.filter((jail) => jail.enabled).map((jail) => jail.name));
  const listed: Listed[] = [];
  for (const [name, { text, file }] of [...catalogue(call)].sort(([a], [b]) => a.localeCompare(b))) {
    const parsed = parseJailFile(name, text, file);
    if (!parsed.ok) {
      listed.push({
        name,
        summary: "",
        enabled: false,
        found: [],
        journal: false,
        note: `broken: ${parsed.faults[0]?.what ?? ""}`,
      });
      continue;
    }
    const { summary, logpath, journalmatch, filter } = parsed.value;
    const note =
      typeof filter.forgeable === "string"
        ? "forgeable"
        : filter.spoofable !== undefined
          ? "spoofable"
          : undefined;
    listed.push({
      name,
      summary,
      enabled: enabled.has(name),
      found: findFiles(call.system, logpath).map((one) => one.path),
      journal: journalmatch.length > 0,
      ...(note === undefined ? {} : { note }),
    });
  }
  const shown =
    call.flags.found === true ? listed.filter((one) => one.found.length > 0 || one.enabled) : listed;
  if (call.json) {
    call.out(`${JSON.stringify(shown, null, 2)}\n`);
    return exits.fine;
  }
  call.out(
    rows([
      ["Jail", "On", "Log found here", "Service"],
      ...shown.map((one) => [
        one.name,
        one.enabled ? "yes" : "",
        one.found[0] ?? "",
        `${visible(one.summary)}${one.note === undefined ? "" : ` (${one.note})`}`,
      ]),
    ]),
  );
  call.out(
    `${shown.length} services, ${listed.filter((one) => one.found.length > 0).length} with a log on this host, ${enabled.size} enabled\n`,
  );
  return exits.fine;
}

const widest = 60;

function show(call: Call, name: string): number {
  const config = load(call);
  if (config === undefined) return exits.configuration;
  const jail = config.jails.find((one) => one.name === name);
  const broken = config.broken.find((one) => one.name === name);
  if (broken !== undefined) {
    for (const fault of broken.faults) call.err(faultText(fault, () => undefined));
    return exits.configuration;
  }
  const source = catalogue(call).get(name);
  if (jail === undefined && source === undefined) {
    const meant = suggest(name, [...catalogue(call).keys(), ...config.jails.map((one) => one.name)]);
    call.err(
      `f2b: there is no jail "${visible(name)}"\n  fix: ${meant === undefined ? "see f2b jails" : `did you mean ${meant}?`}\n`,
    );
    return exits.no;
  }
  if (jail === undefined) {
    call.out(
      `# ${name} is not in the configuration; enable it with\n#   [jails.${name}]\n#   enabled = true\n# This is its file:\n\n${source?.text ?? ""}`,
    );
    return exits.fine;
  }
  const values = settableKeys.flatMap((key) => {
    const formatted = formatSetting(jail, key);
    if (!formatted.ok) return [];
    const origin = config.provenance()[`jails.${name}.${key}`];
    return [
      {
        key,
        value: formatted.value.value,
        text: formatted.value.text,
        from: origin === undefined ? "built in" : `${origin.at.file}:${origin.at.line}`,
      },
    ];
  });
  if (call.json) {
    call.out(
      `${JSON.stringify({ name, enabled: jail.enabled, settings: values, filter: jail.filter }, null, 2)}\n`,
    );
    return exits.fine;
  }
  call.out(`${name}: ${visible(jail.summary)}${jail.enabled ? "" : " (not enabled)"}\n`);
  // A list longer than a line takes a line an entry, and must not push all the others' places to the right.
  const long = values.filter((row) => row.text.length > widest);
  const short = values.filter((row) => row.text.length <= widest);
  call.out(rows(short.map((row) => [`  ${row.key}`, visible(row.text), row.from])));
  for (const { key, value, text, from } of long) {
    if (key === "failregex") continue; // below
    call.out(`  ${key}  (${from})\n`);
    for (const one of Array.isArray(value) ? value : [text]) call.out(`    ${visible(String(one))}\n`);
  }
  call.out(
    `  filter: ${jail.filter.failregex.length} failregex, ${jail.filter.ignoreregex.length} ignoreregex, format ${jail.filter.format}${jail.filter.own ? ", your own" : ""}\n`,
  );
  for (const expression of jail.filter.failregex) call.out(`    ${visible(expression)}\n`);
  return exits.fine;
}
