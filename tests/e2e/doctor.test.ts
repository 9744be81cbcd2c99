// f2b doctor, the compiled executable: files are linted in less than 100 ms by anybody, and the live system is seen as it is.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ableTo, executable } from "../support/lab.ts";
import { namespace, until, whyNoNetns } from "../support/netns.ts";

const able = ableTo(
  existsSync(executable) ? undefined : "needs dist/f2b (npm run build)",
  "the doctor's executable",
);
const root = process.getuid?.() === 0;
const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "f2b-doctor-"));
  chmodSync(directory, 0o755);
  cpSync(join(import.meta.dir, "../doctor/fixtures"), join(directory, "fixtures"), { recursive: true });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.skipIf(!able)("f2b doctor FILE", () => {
  const run = (id: string) => {
    const began = performance.now();
    const done = spawnSync(executable, ["doctor", join(directory, "fixtures", id, "bad"), "--json"], {
      encoding: "utf8",
      env: environment,
      cwd: directory,
      // Nobody: neither root nor a daemon is needed.
      ...(root ? { uid: 65_534, gid: 65_534 } : {}),
    });
    return { ms: performance.now() - began, code: done.status, out: done.stdout };
  };

  for (const id of ["F2B001", "F2B003", "F2B204", "F2B207", "F2B209"]) {
    test(`lints ${id} in less than 100 ms without any rights`, () => {
      const runs = Array.from({ length: 9 }, () => run(id));
      for (const one of runs)
        expect(JSON.parse(one.out).findings.map((found: { id: string }) => found.id)).toContain(id);
      // The best of them: what the machine does besides is not the doctor's time.
      expect(Math.min(...runs.map((one) => one.ms))).toBeLessThan(100);
    });
  }
});

const skipped = !able || whyNoNetns(["nft"]) !== undefined;

describe.skipIf(skipped)("f2b doctor on a running machine", () => {
  test("finds nothing wrong with a daemon that bans, then the drift that somebody makes", async () => {
    const server = namespace("doctor-live");
    const place = join(directory, "live");
    mkdirSync(place, { mode: 0o755 });
    const log = join(place, "auth.log");
    const path = join(place, "f2b.toml");
    writeFileSync(
      path,
      `[daemon]\nsocket = "${place}/f2b.sock"\nstatedir = "${place}/state"\n\n[jails.sshd]\nenabled = true\nlogpath = ["${log}"]\nmaxretry = 3\n`,
      { mode: 0o644 },
    );
    const stamp = new Date().toISOString().replace(/\.\d+Z$/, "+00:00");
    const line = (pid: number): string =>
      `${stamp} web1 sshd[${pid}]: Failed password for invalid user x from 203.0.113.9 port 4022 ssh2\n`;
    writeFileSync(log, [1, 2, 3].map(line).join(""), { mode: 0o640 });
    const daemon = Bun.spawn(["ip", "netns", "exec", server.name, executable, "daemon", "-c", path], {
      env: environment,
      stdout: "ignore",
      stderr: "ignore",
    });
    try {
      const doctor = (...words: readonly string[]) =>
        spawnSync(
          "ip",
          ["netns", "exec", server.name, executable, "doctor", "-c", path, "--json", ...words],
          {
            encoding: "utf8",
            env: { ...environment, SSH_CONNECTION: "198.51.100.7 50000 198.51.100.1 22" },
          },
        );
      const banned = (): boolean =>
        server.run(executable, "banned", "203.0.113.9", "-s", join(place, "f2b.sock")).code === 0;
      await until(banned, 15_000, 100);
      const whole = doctor("--skip", "F2B502,F2B503,F2B701,F2B702,F2B705,F2B708,F2B712,F2B601,F2B416,F2B419");
      const report = JSON.parse(whole.stdout) as { findings: { id: string; what: string }[] };
      // The administrator's address is the one thing that is wrong here.
      expect(report.findings.map((one) => one.id)).toEqual(["F2B501"]);
      expect(report.findings[0]?.what).toContain("198.51.100.7");
      expect(whole.status).toBe(0);

      // A ban that the daemon does not know of; it takes such away only when it compares next.
      server.must("nft", "add", "element", "inet", "f2b", "addr-set-sshd", "{ 203.0.113.77 timeout 1h }");
      expect(JSON.parse(doctor("--only", "F2B410").stdout).findings).toMatchObject([
        { id: "F2B410", what: expect.stringContaining("1 ban of the firewall not in the journal") },
      ]);

      // --fix puts the address on the list; a reload is not its to make.
      expect(doctor("--only", "F2B501", "--fix", "--yes").status).toBe(0);
      expect(JSON.parse(doctor("--only", "F2B501").stdout).findings).toEqual([]);
    } finally {
      daemon.kill();
      await daemon.exited;
      server.remove();
    }
  }, 60_000);
});
