// Two daemons with states of their own on one firewall would take each other's bans away: the second is refused, unless it runs dry or
// has a network namespace, and so a firewall, of its own.

import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ableTo, configure, executable, labMissing, openLab, startDaemon } from "../support/lab.ts";

const able = ableTo(labMissing(["nft"]), "two daemons on one firewall");

describe.skipIf(!able)("a second daemon with a state of its own", () => {
  test("is refused with the first one's pid while that one lives, and runs dry beside it", async () => {
    const lab = openLab(1);
    try {
      const log = join(lab.directory, "auth.log");
      writeFileSync(log, "");
      const toml = `[jails.sshd]\nenabled = true\nbackend = "inotify"\nlogpath = ["${log}"]\nbanaction = "nftables"\n`;
      const [one, two] = [configure(lab, toml, "one"), configure(lab, toml, "two")];
      const first = await startDaemon(lab, one);
      expect(first.f2b("ban", "sshd", "192.0.2.7").code).toBe(0);

      const refused = lab.server.run([executable, "daemon", "-c", two.config], { timeout: 5000 });
      expect(refused.code).toBe(69);
      expect(refused.stderr).toContain(`another f2b daemon (pid ${first.pid()}) keeps the firewall here`);
      const dry = await startDaemon(lab, two, ["--dry-run"]);
      await dry.kill("SIGTERM");
      expect(lab.server.run(["nft", "list", "table", "inet", "f2b"]).stdout).toContain("192.0.2.7");

      await first.kill("SIGKILL");
      const second = await startDaemon(lab, two);
      await second.kill("SIGTERM");
    } finally {
      lab.close();
    }
  }, 60_000);

  test("that could not open its control socket has touched no firewall", async () => {
    const lab = openLab(1);
    try {
      const log = join(lab.directory, "auth.log");
      writeFileSync(log, "");
      const files = configure(
        lab,
        `[jails.sshd]\nenabled = true\nbackend = "inotify"\nlogpath = ["${log}"]\nbanaction = "nftables"\n`,
      );
      writeFileSync(files.socket, "somebody's file");
      const refused = lab.server.run([executable, "daemon", "-c", files.config], { timeout: 5000 });
      expect(refused.stderr).toContain("is a file, not a socket");
      expect(lab.server.run(["nft", "list", "tables"]).stdout).toBe("");
    } finally {
      lab.close();
    }
  }, 60_000);
});
