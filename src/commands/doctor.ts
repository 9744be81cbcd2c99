// f2b doctor: what is wrong with a configuration, or with this machine as f2b sees it, and how to mend it.

import { visible } from "../core/text.ts";
import { lineReader, lint } from "../doctor/files.ts";
import { catalogue, type Finding } from "../doctor/index.ts";
import { explain, findingsText, listing, sumsOf, sumsText } from "../doctor/print.ts";
import { type Call, type Command, exits } from "./index.ts";

export const doctor: Command = {
  name: "doctor",
  summary: "what is wrong with the configuration and the machine, why, and how to mend it",
  usage: [
    "f2b doctor [--strict] [--fix]",
    "f2b doctor FILE [--strict]",
    "f2b doctor --explain F2B012",
    "f2b doctor --list",
  ],
  most: 1,
  options: [
    { name: "strict", summary: "exit code 1 when there are warnings" },
    { name: "fix", summary: "mend what can be mended safely, and say what was done" },
    { name: "yes", short: "y", summary: "with --fix: do not ask" },
    { name: "explain", value: "ID", summary: "what a finding means" },
    { name: "list", summary: "every finding there is" },
    { name: "only", value: "ID", many: true, summary: "only these findings" },
    { name: "skip", value: "ID", many: true, summary: "all but these findings" },
  ],
  completes: ["file"],
  help: `
FILE is a configuration, its directory, or a jail file; it is judged by itself, without root and without a daemon. Without FILE
the configuration in force, the logs, the firewall, the daemon and the machine are looked at; some of it needs root.
Exit code 78: there are errors. 1: there are warnings, with --strict. 0 otherwise.`,
  async run(call) {
    const id = call.flags.explain;
    if (typeof id === "string") return explaining(call, id);
    if (call.flags.list === true) {
      call.out(call.json ? `${JSON.stringify(catalogue, null, 2)}\n` : listing());
      return exits.fine;
    }
    const strange = [...ids(call.flags.only), ...ids(call.flags.skip)].find(
      (one) => !Object.hasOwn(catalogue, one),
    );
    if (strange !== undefined) return unknown(call, strange);
    const [file] = call.words;
    if (file !== undefined) {
      return mending(call, async () => {
        const { findings, files } = lint(call.system, file);
        return { findings: select(call, findings), files, extra: {} };
      });
    }
    if (process.geteuid?.() !== 0) call.err("f2b: not all of this machine can be seen without root\n");
    const { examine } = await import("./doctorlive.ts");
    return mending(call, () => examine(call));
  },
};

function explaining(call: Call, given: string): number {
  const id = given.toUpperCase().replace(/^(?:F2B)?/, "F2B");
  const text = explain(id);
  if (text === undefined) return unknown(call, given);
  call.out(
    call.json ? `${JSON.stringify({ id, ...catalogue[id as keyof typeof catalogue] }, null, 2)}\n` : text,
  );
  return exits.fine;
}

function unknown(call: Call, given: string): number {
  call.err(`f2b: there is no finding ${visible(given)}\n  fix: f2b doctor --list shows all\n`);
  return exits.usage;
}

const ids = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : []).flatMap((one) =>
    String(one)
      .toUpperCase()
      .split(/[\s,]+/),
  );

/** Those that --only and --skip let through. */
export function select(call: Call, findings: readonly Finding[]): readonly Finding[] {
  const only = ids(call.flags.only);
  const skip = ids(call.flags.skip);
  return findings.filter((one) => (only.length === 0 || only.includes(one.id)) && !skip.includes(one.id));
}

export interface Examined {
  readonly findings: readonly Finding[];
  readonly files: readonly string[];
  /** Further fields of the JSON form. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** Reports; with --fix mends first what it can, says so, and looks again. */
async function mending(call: Call, look: () => Promise<Examined>): Promise<number> {
  const first = await look();
  if (call.flags.fix !== true) return report(call, first.findings, first.files, first.extra);
  const { apply, asks, describeMend } = await import("../doctor/mend.ts");
  const mended: string[] = [];
  const left = new Set<string>();
  let now = first;
  // What is mended may let more be seen: a configuration that can be loaded again is judged further.
  for (let round = 0; round < 4; round++) {
    let changed = false;
    // From the end of a file to its beginning, so that a new line moves no place that is still to be mended.
    const mends = now.findings
      .flatMap((one) => one.mend ?? [])
      .sort((a, b) => ("at" in b ? b.at.line : 0) - ("at" in a ? a.at.line : 0));
    for (const mend of mends) {
      const what = describeMend(mend);
      if (mended.includes(what) || left.has(what)) continue;
      if (asks(mend) && call.flags.yes !== true && !(await agreed(call, what))) {
        left.add(what);
        call.err(`left: ${visible(what)}\n`);
        continue;
      }
      const why = apply(call.system, mend, now.files[0]);
      if (why === undefined) {
        mended.push(what);
        changed = true;
      } else left.add(what);
      call.err(
        why === undefined ? `done: ${visible(what)}\n` : `not done: ${visible(what)}: ${visible(why)}\n`,
      );
    }
    if (!changed) break;
    now = await look();
  }
  if (mended.length + left.size === 0) call.err("there is nothing that could be mended from here\n");
  return report(call, now.findings, now.files, { ...now.extra, mended });
}

async function agreed(call: Call, what: string): Promise<boolean> {
  if (call.stdin.isTTY !== true || call.json) return false;
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: call.stdin, output: call.stdout });
  const answer = await terminal.question(`${visible(what)}? [Y/n] `).catch(() => "n");
  terminal.close();
  return !/^n/i.test(answer.trim());
}

/** Prints findings and gives the exit code. */
function report(
  call: Call,
  findings: readonly Finding[],
  files: readonly string[],
  extra: Readonly<Record<string, unknown>>,
): number {
  const sums = sumsOf(findings);
  if (call.json) {
    call.out(`${JSON.stringify({ ok: sums.errors === 0, files, ...sums, ...extra, findings }, null, 2)}\n`);
  } else {
    const colour = call.stdout.isTTY === true && (call.env.NO_COLOR ?? "") === "" && call.env.TERM !== "dumb";
    const text = findingsText(findings, { colour, readLine: lineReader(call.system) });
    if (text === "")
      call.out(`fine: nothing found${files.length === 0 ? "" : ` in ${visible(files.join(", "))}`}\n`);
    else call.out(`${text}\n${sumsText(sums)}; f2b doctor --explain ID tells more\n`);
  }
  if (sums.errors > 0) return exits.configuration;
  return sums.warnings > 0 && call.flags.strict === true ? exits.no : exits.fine;
}
