// Which entries of the journal are a jail's: also where what tells them apart was said by the client, as containers' names are.

import { describe, expect, test } from "bun:test";
import { bundledJails } from "../../src/config/bundled.ts";
import { decodeEntry } from "../../src/source/journalentry.ts";
import { badMatches, matchesJournal, parseMatches } from "../../src/source/journalmatch.ts";

const entry = (fields: Readonly<Record<string, unknown>>) => {
  const head = { __CURSOR: "c", __REALTIME_TIMESTAMP: "1795000000000000", MESSAGE: "m" };
  const decoded = decodeEntry(JSON.stringify({ ...head, ...fields }));
  if (decoded === undefined) throw new Error("no entry");
  return decoded.entry;
};

describe("what a client said about itself", () => {
  const container = ["_SYSTEMD_UNIT=docker.service CONTAINER_NAME=gotify"];
  test("counts beside a trusted field that says who the client was", () => {
    const docker = { _SYSTEMD_UNIT: "docker.service", CONTAINER_NAME: "gotify" };
    expect(matchesJournal(entry(docker), container)).toBe(true);
    expect(matchesJournal(entry({ ...docker, CONTAINER_NAME: "other" }), container)).toBe(false);
    expect(matchesJournal(entry({ _SYSTEMD_UNIT: "docker.service" }), container)).toBe(false);
    expect(matchesJournal(entry({ SYSLOG_FACILITY: "10", _UID: "0" }), ["SYSLOG_FACILITY=10 _UID=0"])).toBe(
      true,
    );
  });
  test("counts for nothing when the client is another, or nothing says who it was", () => {
    const user = {
      _SYSTEMD_UNIT: "user@1000.service",
      _UID: "1000",
      CONTAINER_NAME: "gotify",
      SYSLOG_FACILITY: "10",
    };
    expect(matchesJournal(entry(user), container)).toBe(false);
    expect(matchesJournal(entry(user), ["SYSLOG_FACILITY=10 _UID=0"])).toBe(false);
    expect(matchesJournal(entry(user), ["CONTAINER_NAME=gotify"])).toBe(false);
    // The identifier has always been one's own choice; it vouches for nothing else.
    expect(
      matchesJournal(entry({ ...user, SYSLOG_IDENTIFIER: "x" }), [
        "SYSLOG_IDENTIFIER=x CONTAINER_NAME=gotify",
      ]),
    ).toBe(false);
  });
  test("counts for nothing when it was said twice, or in the name of a trusted field", () => {
    const twice = { _SYSTEMD_UNIT: "docker.service", CONTAINER_NAME: ["gotify", "other"] };
    expect(matchesJournal(entry(twice), container)).toBe(false);
    expect(
      matchesJournal(entry({ CONTAINER_NAME: "gotify", SYSTEMD_UNIT: "docker.service" }), container),
    ).toBe(false);
    expect(matchesJournal(entry({ _UID: "0" }), ["_UID=0 toString=x"])).toBe(true);
    expect(matchesJournal(entry({ _UID: "0" }), ["_UID=0 CONSTRUCTOR=x"])).toBe(false);
  });
});

describe("each bundled journalmatch", () => {
  for (const [file, text] of bundledJails()) {
    const { journalmatch = [] } = Bun.TOML.parse(text) as { journalmatch?: string[] };
    if (journalmatch.length === 0) continue;
    test(`of ${file} is matched by an entry that has its fields`, () => {
      expect(badMatches(journalmatch)).toEqual([]);
      for (const group of parseMatches(journalmatch)) {
        const fields = Object.fromEntries(group.map(({ field, value }) => [field, value]));
        expect(matchesJournal(entry(fields), journalmatch)).toBe(true);
      }
    });
  }
});
