// A name server that never answers: whatever the daemon would like to know from it, bans are written, told and acknowledged as ever.

import { describe, expect, test } from "bun:test";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ableTo, configure, labMissing, openLab, startDaemon, until } from "../support/lab.ts";
import { failure, isBanned, stranger } from "../torture/stage.ts";

const able = ableTo(labMissing(["nft"]), "a name server that does not answer");

describe.skipIf(!able)("a name server that does not answer", () => {
  test("holds back neither a ban nor the answer that it is on disk", async () => {
    const lab = openLab(1);
    try {
      const [log, named] = ["auth.log", "named.log"].map((name) => join(lab.directory, name)) as [
        string,
        string,
      ];
      for (const path of [log, named]) writeFileSync(path, "");
      // The client takes every packet and answers none, and whatever resolver is asked stands behind it.
      const hole = (hook: string, rule: string): string =>
        `add table inet hole; add chain inet hole c { type filter hook ${hook} priority 0; policy accept; }; add rule inet hole c ${rule}`;
      lab.clients[0]?.run(["nft", hole("input", "meta l4proto { tcp, udp } drop")]);
      lab.server.run(["ip", "route", "add", "default", "via", lab.clients[0]?.v4 ?? ""]);
      lab.server.run(["nft", hole("output", "meta l4proto { tcp, udp } th dport 53 counter")]);
      const files = configure(
        lab,
        `[notify.hook]\ntype = "webhook"\nurl = "https://hook.example.org/x"
[notify.redis]\ntype = "redis"\nhost = "redis.example.org"
[notify.mail]\ntype = "mail"\nhost = "mail.example.org"\nfrom = "f2b@example.org"\nto = ["root@example.org"]
[defaults]\nbanaction = "nftables"\nnotify = ["hook", "redis", "mail"]\nbackend = "inotify"
ignoreip = ["a.example.org", "b.example.org", "c.example.org", "d.example.org"]
[jails.sshd]\nenabled = true\nlogpath = ["${log}"]\nmaxretry = 3
[jails.names]\nenabled = true\nfilter = "sshd"\nlogpath = ["${named}"]\nusedns = "yes"\nmaxretry = 1\n`,
      );
      const daemon = await startDaemon(lab, files);
      for (let n = 0; n < 200; n++) appendFileSync(named, failure(`host${n}.example.org`));
      for (let n = 0; n < 5; n++) {
        appendFileSync(log, failure(stranger(n)).repeat(3));
        await until("a ban", () => isBanned(daemon, stranger(n)), 2000);
        // Answered when it is in the firewall and on disk.
        const began = performance.now();
        expect(daemon.f2b("ban", "sshd", stranger(100 + n)).code).toBe(0);
        expect(performance.now() - began).toBeLessThan(3000);
      }
      const asked = /counter packets (\d+)/.exec(
        lab.server.run(["nft", "list", "table", "inet", "hole"]).stdout,
      );
      expect(Number(asked?.[1])).toBeGreaterThan(50);
      await daemon.kill("SIGTERM");
    } finally {
      lab.close();
    }
  }, 120_000);
});
