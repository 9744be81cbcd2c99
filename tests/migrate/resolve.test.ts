// Every fixture is laid over Debian's stock directory, as people have it, and compared setting by setting with the real program.

import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveInstallation } from "../../src/migrate/resolve.ts";
import { differences, diskTree, hasFail2ban, reference } from "./support/compare.ts";

const stock = "/etc/fail2ban";
if (!hasFail2ban && process.env.CI !== undefined) throw new Error("fail2ban is needed for these tests in CI");
if (!hasFail2ban) console.log("skipped: fail2ban-client is not installed");
const withFail2ban = test.skipIf(!hasFail2ban);

const made: string[] = [];
afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true });
});

function laidOver(fixture: string | undefined): string {
  const directory = mkdtempSync(join(tmpdir(), "f2b-fixture-"));
  made.push(directory);
  cpSync(stock, directory, { recursive: true });
  rmSync(join(directory, "jail.d"), { recursive: true, force: true });
  if (fixture !== undefined)
    cpSync(join(import.meta.dir, "fixtures", fixture), directory, { recursive: true });
  return directory;
}

/** Settings that differ; jails must be the same ones. */
function compare(directory: string): { readonly jails: number; readonly different: string[] } {
  const theirs = reference(directory);
  const ours = resolveInstallation({ tree: diskTree, directory });
  expect(ours.jails.map((jail) => jail.name).toSorted()).toEqual(Object.keys(theirs.jails).toSorted());
  const different = ours.jails.flatMap((jail) => differences(jail, theirs.jails[jail.name]!));
  return { jails: ours.jails.length, different };
}

const fixtures = readdirSync(join(import.meta.dir, "fixtures")).filter((name) =>
  existsSync(join(import.meta.dir, "fixtures", name)),
);
/** Where the real program gives up or drops jails, so that there is nothing to compare with. */
const refused = new Set(["syntax-errors", "duplicate-keys", "broken-jail", "recidive-known"]);

describe("resolved as fail2ban resolves it", () => {
  for (const fixture of fixtures) {
    if (refused.has(fixture)) continue;
    withFail2ban(fixture, () => {
      const { jails, different } = compare(laidOver(fixture));
      expect(jails).toBeGreaterThan(0);
      expect(different).toEqual([]);
    });
  }

  withFail2ban("Debian's own directory with every jail enabled", () => {
    const directory = laidOver(undefined);
    writeFileSync(join(directory, "jail.local"), "[DEFAULT]\nenabled = true\n");
    const { jails, different } = compare(directory);
    expect(jails).toBeGreaterThan(85);
    expect(different).toEqual([]);
  });

  withFail2ban("jail.conf copied to jail.local and edited there", () => {
    const directory = laidOver(undefined);
    const text = readFileSync(join(stock, "jail.conf"), "utf8")
      .replace(/^bantime {2}= .*$/m, "bantime  = 2h")
      .replace(/^maxretry = .*$/m, "maxretry = 3")
      .replace(/^\[sshd\]$/m, "[sshd]\nenabled = true")
      .replace(/^\[vsftpd\]$/m, "[vsftpd]\nenabled = true");
    writeFileSync(join(directory, "jail.local"), text);
    const { jails, different } = compare(directory);
    expect(jails).toBe(2);
    expect(different).toEqual([]);
  });

  for (const fixture of ["syntax-errors", "duplicate-keys"]) {
    withFail2ban(`${fixture}: refused by fail2ban, and told here with its place`, () => {
      const directory = laidOver(fixture);
      const theirs = reference(directory);
      expect(theirs.code).not.toBe(0);
      const ours = resolveInstallation({ tree: diskTree, directory });
      const local = ours.faults.filter((fault) => fault.at?.file.endsWith("jail.local"));
      expect(local.length).toBeGreaterThan(1);
      for (const fault of local) expect(fault.fix).toBeString();
      // Everything that could be read is there all the same.
      expect(ours.jails.map((jail) => jail.name)).toEqual(["sshd"]);
    });
  }
});
