// The main job with the real thing: a real sshd, a real client that fails, and a kernel that refuses it; with every firewall.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  ableTo,
  configure,
  connects,
  failLogin,
  type Lab,
  labMissing,
  openLab,
  type RunningDaemon,
  startDaemon,
  startSshd,
  until,
} from "../support/lab.ts";

const firewalls = [
  { name: "nftables", banaction: '"nftables"', needs: ["nft"] },
  {
    name: "iptables with ipset",
    banaction: '{ name = "iptables", ipset = true }',
    needs: ["iptables", "ipset"],
  },
  { name: "plain iptables", banaction: '{ name = "iptables", ipset = false }', needs: ["iptables"] },
] as const;

for (const { name, banaction, needs } of firewalls) {
  const able = ableTo(
    labMissing(["sshd", "ssh", "sshpass", "python3", "rsyslogd", "unshare", ...needs]),
    `brute force against ${name}`,
  );
  describe.skipIf(!able)(`a real brute force against ${name}`, () => {
    let lab: Lab;
    let daemon: RunningDaemon;
    beforeAll(async () => {
      lab = openLab(2);
      const log = join(lab.directory, "auth.log");
      await startSshd(lab, log);
      const files = configure(
        lab,
        `[defaults]\nbanaction = ${banaction}\n[jails.sshd]\nenabled = true\nlogpath = ["${log}"]\nmaxretry = 3\nfindtime = "10m"\nbantime = "6s"\n`,
      );
      daemon = await startDaemon(lab, files);
    }, 60_000);
    afterAll(async () => {
      await daemon?.kill("SIGTERM");
      lab?.close();
    });

    for (const family of ["v4", "v6"] as const) {
      test(`an ${family} client is shut out after maxretry, another is not, and the ban ends by itself`, async () => {
        const [attacker, neighbour] = lab.clients;
        if (attacker === undefined || neighbour === undefined) throw new Error("the lab has two clients");
        const server = lab.server[family];
        const held = attacker.start([
          "python3",
          "-c",
          "import socket,sys,time; held=socket.create_connection((sys.argv[1],22)); time.sleep(60)",
          server,
        ]);
        const open = (): boolean =>
          lab.server
            .run(["ss", "-Htn", "state", "established", "sport", "=", ":22"])
            .stdout.includes(attacker[family]);
        await until("the held connection stands", open, 3000);
        for (let i = 0; i < 2; i++) expect(failLogin(attacker, server)).toBe("refused login");
        // The third is cut off with his other connections, perhaps before he has read the answer.
        failLogin(attacker, server);
        await until("the attacker is banned", () => daemon.f2b("banned", attacker[family]).code === 0, 1000);
        await until("the held connection is ended", () => !open(), 3000);
        held.kill("SIGKILL");
        expect(connects(attacker, server)).toBe(false);
        expect(connects(neighbour, server)).toBe(true);
        expect(failLogin(neighbour, server)).toBe("refused login");
        await until("the ban has ended", () => connects(attacker, server), 12_000, 200);
        await until("the daemon says so", () => daemon.f2b("banned", attacker[family]).code === 1, 3000);
      }, 60_000);
    }
  });
}
