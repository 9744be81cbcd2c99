// A jail that is taken out of the configuration: what it banned lasts to its end, is seen and can be lifted like any other.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ableTo,
  configure,
  type DaemonFiles,
  type Lab,
  labMissing,
  openLab,
  type RunningDaemon,
  startDaemon,
  until,
} from "../support/lab.ts";

const able = ableTo(labMissing(["nft"]), "jails that are taken out of the configuration");

describe.skipIf(!able)("a jail that is gone", () => {
  let lab: Lab;
  let daemon: RunningDaemon;
  let files: DaemonFiles;
  let deny: string;
  const jail = (name: string): string =>
    `[jails.${name}]\nenabled = true\nfilter = "sshd"\nbackend = "inotify"\nlogpath = ["${join(lab.directory, "auth.log")}"]\n`;

  beforeAll(async () => {
    lab = openLab(1);
    deny = join(lab.directory, "hosts.deny");
    writeFileSync(join(lab.directory, "auth.log"), "");
    files = configure(
      lab,
      `[defaults]\nbanaction = ["nftables", { name = "hosts.deny", file = "${deny}" }]\n${jail("one")}${jail("two")}`,
      "removed",
    );
    daemon = await startDaemon(lab, files);
  });
  afterAll(() => lab?.close());

  const withoutTwo = (): void =>
    writeFileSync(files.config, readFileSync(files.config, "utf8").replace(jail("two"), ""));
  const denied = (): string[] =>
    readFileSync(deny, "utf8")
      .split("\n")
      .filter((line) => line.startsWith("ALL: "));
  const table = (): string => lab.server.run(["nft", "list", "table", "inet", "f2b"]).stdout;

  test("by a reload: its bans are listed, explained and lifted, and its place goes with the last", async () => {
    expect(daemon.f2b("ban", "two", "203.0.113.1", "203.0.113.2").code).toBe(0);
    withoutTwo();
    expect(daemon.f2b("reload").code).toBe(0);
    expect(denied()).toEqual(["ALL: 203.0.113.1", "ALL: 203.0.113.2"]);
    const listed = JSON.parse(daemon.f2b("banned", "--json").stdout) as {
      bans: { jail: string; target: string }[];
    };
    expect(listed.bans.map((ban) => `${ban.jail} ${ban.target}`).sort()).toEqual([
      "two 203.0.113.1",
      "two 203.0.113.2",
    ]);
    expect(daemon.f2b("banned", "203.0.113.1").code).toBe(0);
    const explained = daemon.f2b("explain", "203.0.113.1");
    expect(explained.code).toBe(0);
    expect(explained.stdout).toContain("the jail is gone from the configuration");
    expect(daemon.f2b("unban", "203.0.113.1", "--jail", "two").code).toBe(0);
    expect(denied()).toEqual(["ALL: 203.0.113.2"]);
    expect(table()).toContain("addr-set-two");
    expect(daemon.f2b("unban", "--all").stdout).toContain("203.0.113.2");
    expect(denied()).toEqual([]);
    await until("its sets are gone", () => !table().includes("addr-set-two"));
    expect(table()).toContain("addr-set-one");
  }, 60_000);

  test("while no daemon runs: the next one knows its bans, and takes away what is not asked for any more", async () => {
    const own = readFileSync(files.config, "utf8");
    writeFileSync(files.config, `${own}${jail("two")}`);
    expect(daemon.f2b("reload").code).toBe(0);
    expect(daemon.f2b("ban", "one", "203.0.113.3").code).toBe(0);
    expect(daemon.f2b("ban", "two", "203.0.113.4").code).toBe(0);
    await daemon.kill("SIGTERM");
    writeFileSync(files.config, own);
    const offline = daemon.f2b("explain", "203.0.113.4");
    expect(offline).toMatchObject({ code: 69 });
    expect(offline.stdout).toContain("203.0.113.4 is banned in two since ");
    daemon = await startDaemon(lab, files);
    await until("its ban is known", () => daemon.f2b("banned", "203.0.113.4").code === 0, 20_000);
    expect(denied()).toEqual(["ALL: 203.0.113.3", "ALL: 203.0.113.4"]);
    expect(daemon.f2b("unban", "203.0.113.4").code).toBe(0);
    expect(denied()).toEqual(["ALL: 203.0.113.3"]);
    await until("its sets are gone", () => !table().includes("addr-set-two"));
    await daemon.kill("SIGTERM");
    writeFileSync(files.config, own.replace(/, \{ name = "hosts\.deny"[^}]*\}/, ""));
    daemon = await startDaemon(lab, files);
    await until("hosts.deny is empty", () => denied().length === 0, 20_000);
    expect(table()).toContain("addr-set-one");
  }, 90_000);
});
