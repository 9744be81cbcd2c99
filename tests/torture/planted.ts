// Promise 8: what stands in a log's place and is none (link, pipe, directory, device, somebody else's file in a directory that others
// can write to) is refused and named, and the other jails go on; when the real log comes back, it is read again.

import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { until } from "../support/lab.ts";
import { blame, type Part } from "./part.ts";
import { failure, isBanned, jailStatus, needsKernel, openStage, stranger } from "./stage.ts";

export const planted: Part = {
  name: "planted",
  missing: needsKernel,
  async run(length) {
    const rounds = length === "short" ? 1 : 10;
    const wrong = blame();
    let tried = 0;
    const stage = openStage({
      jails: (lab) =>
        `[jails.open]\nenabled = true\nbackend = "inotify"\nfilter = "sshd"\nmaxretry = 1\nbantime = "1h"\nfindtime = "1h"\nlogpath = ["${join(lab.directory, "open", "app.log")}"]\n`,
    });
    const directory = join(stage.lab.directory, "open");
    const log = join(directory, "app.log");
    const secret = join(stage.lab.directory, "secret");
    mkdirSync(directory);
    chmodSync(stage.lab.directory, 0o755);
    // The service's own directory, and one in which anybody may put files.
    chownSync(directory, 33, 33);
    chmodSync(directory, 0o777);
    // Made under this name and then renamed: in the log's place it must never stand as root's own, not for an instant.
    const made = join(directory, "made");
    const roots = join(stage.lab.directory, "roots");
    const plant: Readonly<Record<string, () => void>> = {
      "a link to a file of root": () => {
        symlinkSync(secret, made);
        lchownSync(made, 33, 33);
      },
      "a link of root to such a link": () => {
        rmSync(roots, { force: true });
        symlinkSync(secret, roots);
        lchownSync(roots, 33, 33);
        symlinkSync(roots, made);
      },
      "a fifo": () => void spawnSync("mkfifo", [made]),
      "a directory": () => mkdirSync(made),
      "a device": () => void spawnSync("mknod", [made, "c", "1", "5"]),
      "a link to /dev/zero": () => symlinkSync("/dev/zero", made),
      "a file of another user": () => {
        writeFileSync(made, failure("198.51.100.66"));
        chownSync(made, 4242, 4242);
      },
      "a link to itself": () => symlinkSync(log, made),
    };
    try {
      writeFileSync(log, "");
      chownSync(log, 33, 33);
      const daemon = await stage.start();
      let n = 10;
      for (let round = 0; round < rounds; round++) {
        for (const [what, put] of Object.entries(plant)) {
          tried++;
          // No restart: the running daemon meets it.
          writeFileSync(secret, failure("198.51.100.66").repeat(5));
          renameSync(log, `${log}.1`);
          put();
          renameSync(made, log);
          appendFileSync(stage.log, failure(stranger(n)).repeat(3));
          await until(`sshd bans beside ${what}`, () => isBanned(daemon, stranger(n)), 2000).catch(
            (error: Error) => wrong.say(error.message),
          );
          n++;
          await until(
            `status or log names ${what}`,
            () => {
              const status = daemon.f2b("status", "open", "--json").stdout;
              return (jailStatus(daemon, "open").problems ?? []).length > 0 || /refused/.test(status);
            },
            6000,
            100,
          ).catch((error: Error) => wrong.say(`${error.message}: ${daemon.f2b("status", "open").stdout}`));
          if (isBanned(daemon, "198.51.100.66")) {
            wrong.say(`${what} was read`);
            daemon.f2b("unban", "198.51.100.66");
          }
          rmSync(log, { recursive: true, force: true });
          writeFileSync(made, failure(stranger(n)));
          chownSync(made, 33, 33);
          renameSync(made, log);
          await until(
            `the real log is read again after ${what}`,
            () => isBanned(daemon, stranger(n)),
            6000,
            50,
          ).catch((error: Error) => wrong.say(error.message));
          n++;
          rmSync(`${log}.1`, { force: true });
        }
      }
      await daemon.kill("SIGTERM");
      return [
        {
          promise: "8 what is planted in a log's place is refused and named",
          tried: `${tried} times: ${Object.keys(plant).join(", ")}`,
          measured: "",
          wrong: wrong.list,
        },
      ];
    } finally {
      stage.close();
    }
  },
};
