// f2b config: what is in force and where it comes from, what can be written, whether a file is sound. Works without a daemon.

import { spawnSync } from "node:child_process";
import { bundledJails, bundledText } from "../config/bundled.ts";
import { checkConfig } from "../config/check.ts";
import { type Config, defaultPath, faultText, loadConfig } from "../config/index.ts";
import { defaultFile, jsonSchema, reference, referenceOf, referenceText } from "../config/reference.ts";
import { tomlText } from "../config/settings.ts";
import { describeConfig, describeJail, type JailDescription } from "../config/show.ts";
import { splitCommand } from "../config/values.ts";
import type { Fault } from "../core/domain.ts";
import { plural, suggest, visible } from "../core/text.ts";
import { lint } from "../doctor/files.ts";
import { together } from "../doctor/print.ts";
import type { System } from "../system/index.ts";
import { type Call, type Command, exits } from "./index.ts";

type Part = (call: Call, words: readonly string[]) => number | Promise<number>;

const parts: Readonly<Record<string, Part>> = {
  show,
  check,
  reference: print,
  default: standard,
  edit,
  schema,
};

export const config: Command = {
  name: "config",
  summary: "show, explain, check and edit the configuration",
  usage: [
    "f2b config show [JAIL]",
    "f2b config check [FILE]",
    "f2b config reference [WORD]",
    "f2b config default",
    "f2b config edit [FILE]",
    "f2b config schema",
  ],
  most: 2,
  options: [],
  completes: [Object.keys(parts), "jail"],
  help: `
show       what is in force: every jail with every setting and where it comes from
check      judges the files without touching anything; exit 78 with mistakes
reference  every key with type, meaning, default and example; WORD narrows it down
default    a commented file to start from: f2b config default > /etc/f2b/f2b.toml
edit       opens the file in $VISUAL or $EDITOR, checks before it replaces anything, offers to reload
schema     JSON Schema, for editors that check TOML against one`,
  run(call) {
    const [name, ...words] = call.words;
    const part = name === undefined || !Object.hasOwn(parts, name) ? undefined : parts[name];
    if (part !== undefined) return Promise.resolve(part(call, words));
    const near = name === undefined ? undefined : suggest(name, Object.keys(parts));
    call.err(
      name === undefined
        ? `f2b: config what? ${Object.keys(parts).join(", ")}\n`
        : `f2b: there is no "f2b config ${visible(name)}"\n  fix: ${near === undefined ? `try ${Object.keys(parts).join(", ")}` : `did you mean ${near}?`}\n`,
    );
    return Promise.resolve(exits.usage);
  },
};

/** Lines of files for showing a fault; of bundled files too. `texts` stand in for files that are not written yet. */
function lines(
  system: System,
  texts: ReadonlyMap<string, string> = new Map(),
): (file: string, line: number) => string | undefined {
  const known = new Map<string, readonly string[]>();
  return (file, line) => {
    let list = known.get(file);
    if (list === undefined) {
      try {
        const text =
          texts.get(file) ?? bundledText(file) ?? new TextDecoder().decode(system.files.readFile(file));
        list = text.split(/\r?\n/);
      } catch {
        list = [];
      }
      known.set(file, list);
    }
    return list[line - 1];
  };
}

function say(call: Call, faults: readonly Fault[], texts?: ReadonlyMap<string, string>): void {
  const readLine = lines(call.system, texts);
  for (const fault of faults) call.err(faultText(fault, readLine));
}

function load(call: Call): Config | undefined {
  const loaded = loadConfig({
    system: call.system,
    ...(call.config === undefined ? {} : { path: call.config }),
  });
  if (loaded.ok) return loaded.value;
  if (call.json) call.out(`${JSON.stringify({ ok: false, errors: loaded.faults }, null, 2)}\n`);
  else say(call, loaded.faults);
  return undefined;
}

function show(call: Call, [name]: readonly string[]): number {
  const config = load(call);
  if (config === undefined) return exits.configuration;
  if (name === undefined) {
    const all = describeConfig(config);
    if (call.json) call.out(`${JSON.stringify(all, null, 2)}\n`);
    else {
      call.out(
        `# ${all.files.length === 0 ? `no ${defaultPath}: the built-in default` : `from ${all.files.join(", ")}`}\n\n[daemon]\n`,
      );
      call.out(settingLines(all.daemon, {}));
      for (const jail of all.jails) call.out(`\n${jailText(jail)}`);
      for (const rule of all.notify) call.out(`\n[notify.${rule.name}]\n${settingLines(rule.settings, {})}`);
      if (all.report !== null) call.out(`\n[report]\n${settingLines(all.report, {})}`);
      for (const broken of config.broken)
        call.out(`\n# [jails.${broken.name}] is broken: ${visible(broken.faults[0]?.what ?? "")}\n`);
    }
    return exits.fine;
  }
  const resolved = config.resolver.jail(name);
  const written = [...config.jails, ...config.broken].map((jail): string => jail.name);
  if (!resolved.ok && !written.includes(name)) {
    const near = suggest(name, [...written, ...bundledJails().keys()]);
    call.err(
      `f2b: there is no jail "${visible(name)}"\n  fix: ${near === undefined ? "f2b jails lists the services that are known" : `did you mean ${near}?`}\n`,
    );
    return exits.no;
  }
  if (!resolved.ok) {
    if (call.json) call.out(`${JSON.stringify({ ok: false, errors: resolved.faults }, null, 2)}\n`);
    else say(call, resolved.faults);
    return exits.configuration;
  }
  const jail = describeJail(config, resolved.value);
  call.out(call.json ? `${JSON.stringify(jail, null, 2)}\n` : jailText(jail));
  return exits.fine;
}

function jailText(jail: JailDescription): string {
  return `[jails.${jail.name}]   # ${visible(jail.summary)}\n${settingLines(jail.settings, jail.from)}`;
}

function settingLines(settings: Readonly<Record<string, unknown>>, from: JailDescription["from"]): string {
  return Object.entries(settings)
    .map(([key, value]) => {
      const origin = from[key];
      const text = value === null ? `# ${key} is not set` : `${key} = ${valueText(value)}`;
      return `${text}${origin === undefined ? "" : `   # ${visible(origin.at.file)}:${origin.at.line}`}\n`;
    })
    .join("");
}

/** Long lists take a line an entry. */
function valueText(value: unknown): string {
  const line = visible(tomlText(value));
  if (!Array.isArray(value) || line.length < 100) return line;
  return `[\n${value.map((one) => `  ${visible(tomlText(one))},\n`).join("")}]`;
}

function check(call: Call, [file]: readonly string[]): number {
  const path = file ?? call.config;
  const { findings, files } = lint(call.system, path, { reader: process.geteuid?.() });
  const errors = findings.filter((one) => one.severity === "error");
  const warnings = findings.filter((one) => one.severity !== "error");
  if (call.json) {
    call.out(`${JSON.stringify({ ok: errors.length === 0, files, errors, warnings }, null, 2)}\n`);
  } else {
    say(call, errors);
    for (const warning of together(warnings))
      call.err(`${warning.severity}: ${faultText(warning, lines(call.system))}`);
    const seen = files.length === 0 ? `no ${defaultPath}: the built-in default` : files.join(", ");
    if (errors.length > 0) call.err(`${plural(errors.length, "mistake")}\n`);
    else
      call.out(
        `fine: ${visible(seen)}${warnings.length === 0 ? "" : `, ${plural(warnings.length, "warning")}`}\n`,
      );
  }
  return errors.length > 0 ? exits.configuration : exits.fine;
}

function print(call: Call, [word]: readonly string[]): number {
  if (call.json) {
    const found = referenceOf(word);
    call.out(`${JSON.stringify(found, null, 2)}\n`);
    return found.length > 0 ? exits.fine : exits.no;
  }
  const text = referenceText(word);
  if (text !== "") {
    call.out(text);
    return exits.fine;
  }
  const near = suggest(
    word ?? "",
    reference().map((one) => one.key),
  );
  call.err(
    `f2b: no key has to do with "${visible(word ?? "")}"\n${near === undefined ? "" : `  fix: did you mean ${near}?\n`}`,
  );
  return exits.no;
}

function standard(call: Call): number {
  call.out(defaultFile());
  return exits.fine;
}

function schema(call: Call): number {
  call.out(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
  return exits.fine;
}

async function edit(call: Call, [file]: readonly string[]): Promise<number> {
  const path = file ?? call.config ?? defaultPath;
  const { files } = call.system;
  if (call.stdin.isTTY !== true) {
    call.err(
      "f2b: config edit needs a terminal\n  fix: change the file, then f2b config check and f2b reload\n",
    );
    return exits.usage;
  }
  const editor = editorOf(call);
  if (editor === undefined) {
    call.err("f2b: no editor found\n  fix: set EDITOR to the path of one\n");
    return exits.unavailable;
  }
  let before: string | undefined;
  let mode = 0o600;
  const draft = `${path}.${crypto.randomUUID().slice(0, 8)}.edit.toml`;
  try {
    const stat = files.stat(path);
    if (stat !== undefined) mode = stat.mode & 0o777;
    before = stat === undefined ? undefined : new TextDecoder().decode(files.readFile(path));
    files.writeFile(draft, before ?? defaultFile(), 0o600);
  } catch (error) {
    call.err(`f2b: ${visible(path)} cannot be edited: ${(error as Error).message}\n  fix: try with sudo\n`);
    return exits.permission;
  }
  try {
    for (;;) {
      const ended = spawnSync(editor[0]!, [...editor.slice(1), draft], { stdio: "inherit" });
      if (ended.error !== undefined || ended.status !== 0) {
        call.err(`f2b: the editor failed; ${visible(path)} is as it was\n`);
        return exits.no;
      }
      const text = new TextDecoder().decode(files.readFile(draft));
      if (text === (before ?? defaultFile()) && before !== undefined) {
        call.out("nothing was changed\n");
        return exits.fine;
      }
      const texts = new Map([[path, text]]);
      const { errors } = checkConfig(call.system, path, texts);
      if (errors.length === 0) {
        files.replaceFile(path, text, mode);
        call.out(`${visible(path)} is written\n`);
        return await offerReload(call);
      }
      say(call, errors, texts);
      const answer = await ask(call, `${plural(errors.length, "mistake")}. Edit again, or discard? [E/d] `);
      if (/^d/i.test(answer)) {
        call.out(`${visible(path)} is as it was\n`);
        return exits.no;
      }
    }
  } finally {
    try {
      files.unlink(draft);
    } catch {
      // an editor that moves files about may have taken it along
    }
  }
}

/** $VISUAL, $EDITOR, else what is there. */
function editorOf(call: Call): readonly string[] | undefined {
  const chosen = call.env.VISUAL || call.env.EDITOR;
  const words = chosen === undefined ? undefined : splitCommand(chosen);
  const names =
    words === undefined || words.length === 0 ? [["sensible-editor"], ["nano"], ["vim"], ["vi"]] : [words];
  for (const [name = "", ...rest] of names) {
    const program = name.startsWith("/") ? name : call.system.programs.find(name);
    if (program !== undefined) return [program, ...rest];
  }
  return undefined;
}

async function ask(call: Call, question: string): Promise<string> {
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: call.stdin, output: call.stdout });
  const answer = await terminal.question(question).catch(() => "d");
  terminal.close();
  return answer.trim();
}

async function offerReload(call: Call): Promise<number> {
  const answer = await ask(call, "Bring it into force now (f2b reload)? [Y/n] ");
  if (/^n/i.test(answer)) return exits.fine;
  const { reload } = await import("./control.ts");
  return reload.run({ ...call, words: [], flags: {} });
}
