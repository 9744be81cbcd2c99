// f2b import: a fail2ban installation becomes f2b's configuration, with its bans. The work is in migrate/; here is what is asked of the
// user and the machine: reading, checking against real logs, staging, writing without overwriting.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadConfig } from "../config/index.ts";
import { parseDuration } from "../core/duration.ts";
import { apply } from "../core/state.ts";
import { openJournal } from "../journal/journal.ts";
import { createCatalogue } from "../migrate/catalogue.ts";
import { type ImportedBans, importDatabase } from "../migrate/database.ts";
import { verifiedFiles } from "../migrate/packaged.ts";
import { makePlan, type Plan } from "../migrate/plan.ts";
import { isComplete, makeReport, reportText, tellFault } from "../migrate/report.ts";
import { resolveInstallation } from "../migrate/resolve.ts";
import { checkFilter, type FilterCheck, type JailSample } from "../migrate/samples.ts";
import { createStockJudge } from "../migrate/stock.ts";
import { str2sec } from "../migrate/times.ts";
import { realTree } from "../migrate/tree.ts";
import { type WrittenFile, writePlan } from "../migrate/write.ts";
import { findFiles } from "../source/glob.ts";
import type { System } from "../system/index.ts";
import { type Call, type Command, exits } from "./index.ts";

export const importCommand: Command = {
  name: "import",
  summary: "take over a fail2ban installation: configuration, own filters and actions, bans",
  usage: [
    "f2b import [DIR] [--dry-run] [--output DIR] [--force] [--database FILE | --no-bans] [--prefer-own] [--all]",
  ],
  options: [
    { name: "dry-run", summary: "only report: per jail what it was, what it becomes, what differs" },
    { name: "output", short: "o", value: "DIR", summary: "where to write (default /etc/f2b)" },
    { name: "force", summary: "replace files that are there; the old ones are kept as NAME.old" },
    { name: "database", value: "FILE", summary: "fail2ban's database (default: what its dbfile says)" },
    { name: "no-bans", summary: "leave bans and history behind" },
    {
      name: "prefer-own",
      summary: "f2b's own filter wherever fail2ban ships one of that name, even if the file was changed",
    },
    { name: "all", summary: "also jails that are not enabled (written with enabled = false)" },
  ],
  completes: ["file"],
  help: `
DIR is /etc/fail2ban unless given. Nothing is changed there. What cannot be carried over is named with file and line, the reason and
what to do; the exit code is then 1. Translated expressions are run over the last lines of the real logs.

  f2b import --dry-run            what would happen
  f2b import && systemctl disable --now fail2ban && f2b service install`,
  run,
};

async function run(call: Call): Promise<number> {
  const { system } = call;
  if (call.words.length > 1) {
    call.err("f2b: one directory at most\n  f2b import [DIR] [--dry-run] [--output DIR]\n");
    return exits.usage;
  }
  const directory = (call.words[0] ?? "/etc/fail2ban").replace(/(?<=.)\/+$/, "");
  if (system.files.stat(directory)?.kind !== "directory") {
    call.err(
      `f2b: ${directory} is no directory\n  fix: name fail2ban's configuration directory: f2b import DIR\n`,
    );
    return exits.configuration;
  }
  const tree = realTree(system);
  const installation = resolveInstallation({ tree, directory, all: call.flags.all === true });
  if (installation.layers.files.length === 0) {
    call.err(
      `f2b: there is no jail.conf or jail.local in ${directory}\n  fix: name fail2ban's configuration directory: f2b import DIR\n`,
    );
    return exits.configuration;
  }
  const catalogue = createCatalogue();
  const stock = createStockJudge(tree, directory, {
    verified: await verifiedFiles(system, directory),
    byName: call.flags["prefer-own"] === true,
  });
  const plan = makePlan({ installation, tree, stock, catalogue });
  const checks = checkLogs(plan, system);
  const samples = new Map<string, readonly JailSample[]>();
  for (const [name, check] of checks) samples.set(name, check.samples);
  const written = writePlan(plan, { directory, catalogue, samples });
  const complaints = judge(written, system);
  const bans =
    call.flags["no-bans"] === true
      ? undefined
      : readBans(call, plan, installation.daemon.get("dbfile")?.text);

  const output = typeof call.flags.output === "string" ? call.flags.output : "/etc/f2b";
  const dry = call.flags["dry-run"] === true;
  const paths = written.map((file) => join(output, file.path));
  const report = makeReport({
    plan,
    directory,
    disabled: installation.disabled,
    checks,
    complaints,
    bans:
      bans === undefined
        ? undefined
        : {
            standing: bans.standing,
            past: bans.past,
            faults: bans.faults.map((fault) => tellFault(fault, directory)),
          },
    files: dry ? [] : paths,
  });

  if (!dry) {
    const there = paths.filter((path) => system.files.lstat(path) !== undefined);
    if (there.length > 0 && call.flags.force !== true) {
      call.err(
        `f2b: ${there[0]} is there already${there.length > 1 ? `, and ${there.length - 1} more` : ""}\n  write elsewhere with --output DIR, or replace with --force\n`,
      );
      return exits.no;
    }
    for (const file of written) put(join(output, file.path), file.text, system);
  }
  const banText = dry || bans === undefined ? "" : await carryBans(call, bans, output);
  if (call.json) call.out(`${JSON.stringify(report)}\n`);
  else {
    call.out(reportText(report));
    if (!dry) call.out(`${paths.map((path) => `written  ${path}`).join("\n")}\n${banText}`);
  }
  return isComplete(report) ? exits.fine : exits.no;
}

/** Translated filters over the logs they are for. */
function checkLogs(plan: Plan, system: System): Map<string, FilterCheck> {
  const checks = new Map<string, FilterCheck>();
  for (const jail of plan.jails) {
    if (jail.file === undefined || !jail.runs) continue;
    const patterns = jail.old.logpath.map((log) => log.path);
    const found = findFiles(system, patterns).map((file) => file.path);
    const missing = patterns.filter((pattern) => !/[*?[]/.test(pattern) && !found.includes(pattern));
    checks.set(jail.name, checkFilter(jail.name, jail.file, [...found, ...missing], system));
  }
  return checks;
}

/** The result as f2b itself would read it, from a directory that goes away. */
function judge(written: readonly WrittenFile[], system: System): string[] {
  const stage = mkdtempSync(join(tmpdir(), "f2b-import-"));
  try {
    for (const file of written) put(join(stage, file.path), file.text, system);
    const loaded = loadConfig({ path: join(stage, "f2b.toml"), system, saved: false });
    const faults = loaded.ok
      ? loaded.value.broken.flatMap((jail) =>
          jail.faults.map((fault) => ({ ...fault, what: `jail ${jail.name}: ${fault.what}` })),
        )
      : loaded.faults;
    return faults.map((fault) => {
      const at = fault.at === undefined ? "" : `${fault.at.file.replace(`${stage}/`, "")}:${fault.at.line}: `;
      return `${at}${fault.what}${fault.fix === undefined ? "" : ` (${fault.fix})`}`;
    });
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function put(path: string, text: string, system: System): void {
  makeDirectory(dirname(path), system);
  if (system.files.stat(path) !== undefined)
    system.files.replaceFile(`${path}.old`, system.files.readFile(path), 0o600);
  // Tokens and passwords of notifications may stand in it.
  system.files.replaceFile(path, text, 0o600);
}

function makeDirectory(path: string, system: System): void {
  if (system.files.stat(path) !== undefined) return;
  makeDirectory(dirname(path), system);
  system.files.mkdir(path, 0o755);
}

function readBans(call: Call, plan: Plan, dbfile: string | undefined): ImportedBans | undefined {
  const asked = call.flags.database;
  const path = typeof asked === "string" ? asked : (dbfile ?? "/var/lib/fail2ban/fail2ban.sqlite3");
  if (
    path === "None" ||
    path === ":memory:" ||
    (typeof asked !== "string" && call.system.files.stat(path) === undefined)
  )
    return undefined;
  const jails = new Map(plan.jails.map((jail) => [jail.old.name, jail.name]));
  const purge = plan.daemon.get("dbpurgeage")?.value;
  const keep = typeof purge === "string" ? (str2sec(purge) ?? Number.POSITIVE_INFINITY) : 30 * 86400;
  const bantimes = new Map(
    plan.jails.flatMap(({ name, settings }) => {
      const value = settings.get("bantime")?.value;
      const base = typeof value === "object" && value !== null && "base" in value ? value.base : value;
      const span = parseDuration(typeof base === "string" ? base : "");
      return span.ok ? [[name, span.value] as const] : [];
    }),
  );
  return importDatabase({ path, now: call.system.clock.now(), jails, keep, bantimes });
}

/** Into the journal of the daemon that will run with this configuration. */
async function carryBans(call: Call, bans: ImportedBans, output: string): Promise<string> {
  if (bans.records.length === 0) return "";
  const config = loadConfig({ path: join(output, "f2b.toml"), system: call.system });
  if (!config.ok) return "bans     not carried over: the configuration cannot be read\n";
  const { statedir, dbpurgeage } = config.value.daemon;
  const opened = openJournal({ system: call.system, directory: statedir, dbpurgeage });
  if (!opened.ok) {
    const [fault] = opened.faults;
    return `bans     not carried over: ${fault?.what ?? "the journal cannot be opened"}\n         stop the daemon and run f2b import again with --force\n`;
  }
  const { journal, state } = opened.value;
  try {
    // Applied first: when the journal is written anew, it is written from the state.
    for (const record of bans.records) apply(state, record);
    await journal.append(bans.records);
    return `written  ${journal.state().path}: ${bans.standing} standing bans, ${bans.past} earlier ones\n`;
  } finally {
    journal.close();
  }
}
