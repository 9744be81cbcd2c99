// Every finding that files alone can give: a configuration that must give it, and its clean twin, which must give none at all.

import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { lint } from "../../src/doctor/files.ts";
import { catalogue } from "../../src/doctor/index.ts";
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
