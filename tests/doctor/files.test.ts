// Every finding that files alone can give: a configuration that must give it, and its clean twin, which must give none at all.

import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lineReader, lint } from "../../src/doctor/files.ts";
import { finding } from "../../src/doctor/finding.ts";
import { catalogue } from "../../src/doctor/index.ts";
import { findingsText, together } from "../../src/doctor/print.ts";
import { createLog } from "../../src/system/log.ts";
import { realSystem } from "../../src/system/real.ts";

const fixtures = join(import.meta.dir, "fixtures");
const system = realSystem(createLog({ level: "critical", target: { kind: "stderr" } }));
export const fixtureIds = readdirSync(fixtures).sort();

test("every jail file that is shipped is clean", () => {
  const jails = join(import.meta.dir, "../../jails");
  const names = readdirSync(jails).filter((name) => name.endsWith(".toml"));
  expect(names.length).toBeGreaterThan(40);
  const found = names.flatMap((name) => lint(system, join(jails, name)).findings);
  expect(found.map((one) => `${one.id} ${one.at?.file} ${one.what}`)).toEqual([]);
});

test("F2B026: saved settings that cannot be used are left out, and good ones give nothing", () => {
  const state = mkdtempSync(join(tmpdir(), "f2b-saved-"));
  try {
    const path = join(state, "f2b.toml");
    writeFileSync(path, `[daemon]\nstatedir = "${state}"\n\n[jails.sshd]\nenabled = true\n`);
    const look = (saved: string): readonly string[] => {
      writeFileSync(join(state, "settings.toml"), saved);
      return lint(system, path, { saved: true }).findings.map((one) => one.id);
    };
    expect(look("[jails.sshd]\nmaxretri = 3\n")).toEqual(["F2B026"]);
    expect(look("[jails.sshd]\nmaxretry = 3\n")).toEqual([]);
  } finally {
    rmSync(state, { recursive: true });
  }
});

test("an ignoreregex that takes back all that a shipped filter finds is told; one that spares some lines is not", () => {
  const path = "/nowhere/f2b.toml";
  const look = (ignoring: string): readonly string[] => {
    const text = `[jails.sshd]\nenabled = true\nignoreregex = ['${ignoring}']\n`;
    return lint(system, path, { texts: new Map([[path, text]]) }).findings.map((one) => one.id);
  };
  expect(look("^[\\s\\S]")).toEqual(["F2B206"]);
  expect(look("^Failed password for backup from \\S+ port")).toEqual([]);
});

test("tables in the wrong kind of file are sent to the right one", () => {
  const place = mkdtempSync(join(tmpdir(), "f2b-kinds-"));
  try {
    mkdirSync(join(place, "jails"));
    const jail = join(place, "jails/app.toml");
    writeFileSync(jail, "[jails.app]\nenabled = true\n\n[filter]\nfailregex = ['^failed from <HOST>$']\n");
    expect(lint(system, jail).findings).toMatchObject([
      { id: "F2B008", fix: "[jails] belongs in f2b.toml or conf.d/*.toml" },
    ]);
    rmSync(jail);
    const main = join(place, "f2b.toml");
    writeFileSync(main, "[jails.sshd]\nenabled = true\n\n[filter]\nfailregex = ['^failed from <HOST>$']\n");
    expect(lint(system, main).findings).toMatchObject([
      { id: "F2B008", fix: expect.stringContaining("jails/NAME.toml") },
    ]);
  } finally {
    rmSync(place, { recursive: true });
  }
});

test("no secret is shown, neither in a finding nor in the line beside its place", () => {
  const canary = "CANARY-8f3a";
  const place = mkdtempSync(join(tmpdir(), "f2b-canary-"));
  try {
    const path = join(place, "f2b.toml");
    const notify = '[jails.sshd]\nenabled = true\n\n[notify.a]\ntype = "ntfy"\ntopic = "alerts"\n';
    for (const line of [
      `token = "${canary}"`,
      `tokn = "${canary}"`,
      `token = ${canary}`,
      `token = "${canary}`,
      `password = '${canary}'`,
      `token = ["${canary}"]`,
      `token_file = 3\ntoken = "${canary}"`,
    ]) {
      writeFileSync(path, `${notify}${line}\n`);
      const { findings } = lint(system, path);
      expect(findings.length).toBeGreaterThan(0);
      const text = findingsText(findings, { colour: false, readLine: lineReader(system) });
      expect({ line, text: text.includes(canary) ? text : "" }).toEqual({ line, text: "" });
      expect({ line, json: JSON.stringify(findings).includes(canary) }).toEqual({ line, json: false });
    }
  } finally {
    rmSync(place, { recursive: true });
  }
});

describe("files alone", () => {
  test("there are fixtures, each of a known id", () => {
    expect(fixtureIds.length).toBeGreaterThan(60);
    expect(fixtureIds.filter((id) => !Object.hasOwn(catalogue, id))).toEqual([]);
  });

  for (const id of fixtureIds) {
    test(`${id}: ${catalogue[id as keyof typeof catalogue]?.title}`, () => {
      const { findings } = lint(system, join(fixtures, id, "bad"));
      const found = findings.filter((one) => one.id === id);
      expect({ found: found.length > 0, all: findings.map((one) => `${one.id} ${one.what}`) }).toMatchObject({
        found: true,
      });
      for (const one of found) {
        expect(one.what).not.toBe("");
        expect(one.why).not.toBe("");
        expect(one.fix).not.toBe("");
        // Only what is said of the configuration as a whole has no place.
        if (id !== "F2B022") expect(one.at?.file).toStartWith(join(fixtures, id));
      }
    });

    test(`${id}: its clean twin gives nothing`, () => {
      const { findings } = lint(system, join(fixtures, id, "good"));
      expect(findings.map((one) => `${one.id} ${one.what}`)).toEqual([]);
    });
  }
});

test("what one line means for several jails is printed once", () => {
  const at = { file: "f2b.toml", line: 3, column: 1 };
  const about = (jail: string) => finding("F2B102", `[jails.${jail}] bans for 8s only`, { at });
  const said = (...jails: string[]) => together(jails.map(about)).map((one) => one.what);
  expect(said("a")).toEqual(["[jails.a] bans for 8s only"]);
  expect(said("a", "b")).toEqual(["[jails.a] and [jails.b]: bans for 8s only"]);
  expect(said("a", "b", "c", "d")).toEqual(["[jails.a], [jails.b] and 2 more jails: bans for 8s only"]);
  expect(together([about("a"), finding("F2B102", "[jails.b] bans for 8s only", {})])).toHaveLength(2);
});
