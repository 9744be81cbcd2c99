// Compares what the importer resolves with what the real fail2ban prints for the same directory.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import type { Tree } from "../../../src/migrate/layers.ts";
import type { OldJail } from "../../../src/migrate/resolve.ts";
import { isTrue } from "../../../src/migrate/words.ts";

export const diskTree: Tree = {
  read(path) {
    try {
      return statSync(path).isFile() ? readFileSync(path, "utf8") : undefined;
    } catch {
      return undefined;
    }
  },
  list(directory) {
    try {
      return readdirSync(directory).toSorted();
    } catch {
      return [];
    }
  },
};

export interface Reference {
  readonly jails: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly errors: readonly string[];
  readonly code: number;
}

export const hasFail2ban = spawnSync("fail2ban-client", ["--version"]).status === 0;

/** What the real program resolves. */
export function reference(directory: string): Reference {
  const run = spawnSync("python3", [`${import.meta.dir}/reference.py`, directory], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout) as Reference;
}

const plain = [
  "usedns",
  "maxretry",
  "maxmatches",
  "findtime",
  "bantime",
  "bantime.increment",
  "bantime.factor",
  "bantime.formula",
  "bantime.multipliers",
  "bantime.maxtime",
  "bantime.rndtime",
  "bantime.overalljails",
  "ignorecommand",
  "ignoreself",
  "ignorecache",
  "logencoding",
  "logtimezone",
  "prefregex",
  "datepattern",
  "maxlines",
];

/** Our jail in the shape of `Reference`, so that both can be compared setting by setting. Returns lines that differ. */
export function differences(ours: OldJail, theirs: Readonly<Record<string, unknown>>): string[] {
  const out: string[] = [];
  const check = (what: string, mine: unknown, yours: unknown) => {
    const a = JSON.stringify(mine ?? null);
    const b = JSON.stringify(yours ?? null);
    if (a !== b) out.push(`${ours.name}: ${what}\n  ours   ${a}\n  theirs ${b}`);
  };
  check("backend", ours.backend.text, theirs.backend);
  for (const key of plain) {
    const chosen = {
      prefregex: ours.prefregex,
      datepattern: ours.datepattern,
      maxlines: ours.maxlines,
      usedns: ours.usedns,
    };
    const text = (key in chosen ? chosen[key as keyof typeof chosen] : ours.option(key))?.text;
    const value = theirs[key];
    if (typeof value === "boolean") check(key, text === undefined ? undefined : isTrue(text), value);
    else if (typeof value === "number") check(key, text === undefined ? undefined : Number(text), value);
    else check(key, text === "" && value === undefined ? undefined : text, value ?? undefined);
  }
  check(
    "failregex",
    ours.failregex.map((line) => line.text),
    theirs.addfailregex ?? [],
  );
  check(
    "ignoreregex",
    ours.ignoreregex.map((line) => line.text),
    theirs.addignoreregex ?? [],
  );
  const ignoreip = (ours.option("ignoreip")?.text ?? "").split(/[\s,]+/).filter((word) => word !== "");
  check("ignoreip", ignoreip, theirs.addignoreip ?? []);
  check("journalmatch", ours.journalmatch, theirs.addjournalmatch ?? []);
  const actions = (theirs.actions ?? {}) as Record<string, Record<string, unknown>>;
  check(
    "actions",
    ours.actions.map((action) => action.id),
    Object.keys(actions),
  );
  for (const action of ours.actions) {
    for (const [name, value] of Object.entries(actions[action.id] ?? {})) {
      if (action.reference.name.endsWith(".py") || !commandName.test(name) || typeof value !== "string")
        continue;
      check(`${action.id} ${name}`, action.definition.value(name)?.text, value);
    }
  }
  return out;
}

const commandName = /^action(?:start|stop|check|flush|ban|unban|prolong|reban|repair|reload)/;
