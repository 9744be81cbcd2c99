// Promises 10 and 12: everything around that may hang for ever does (a notifier's server, its program, the resolver, ignorecommand), and
// every text that a stranger chose is a shell's command. Bans are as quick as ever, and no command was run.

import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/lab.ts";
import { blame, type Part, percentile } from "./part.ts";
import {
  failure,
  isBanned,
  jailStatus,
  mib,
  needsKernel,
  openStage,
  processFacts,
  stamp,
  stranger,
} from "./stage.ts";

export const hanging: Part = {
  name: "hanging",
  missing: needsKernel,
  async run(length) {
    const bans = length === "short" ? 15 : 1000;
    const wrong = blame();
    const stage = openStage({
      defaults: 'notify = ["hook", "redis", "prog"]\nignoreip = ["never-answers.example.org"]\n',
      jails: (lab) => {
        const hang = join(lab.directory, "hang");
        writeFileSync(hang, "#!/bin/sh\nexec sleep 1000\n", { mode: 0o755 });
        const log = join(lab.directory, "asked.log");
        writeFileSync(log, "");
        return `[notify.hook]\ntype = "webhook"\nurl = "http://198.51.100.11:9/never"\n
[notify.redis]\ntype = "redis"\nhost = "198.51.100.11"\nport = 9\ntls = false\n
[notify.prog]\ntype = "command"\ncommand = ["${hang}"]\n
[jails.asked]\nenabled = true\nfilter = "sshd"\nbackend = "inotify"\nmaxretry = 1\nbantime = "1h"\nfindtime = "1h"\nlogpath = ["${log}"]\nignorecommand = ["${hang}"]\n`;
      },
    });
    try {
      // The client takes every packet and answers none: the webhook and Redis live there; whatever resolver is asked is as silent.
      const hole = (hook: string, rule: string): string =>
        `add table inet hole; add chain inet hole c { type filter hook ${hook} priority 0; policy accept; }; add rule inet hole c ${rule} drop`;
      stage.lab.clients[0]?.run(["nft", hole("input", "meta l4proto { tcp, udp }")]);
      stage.lab.server.run(["ip", "route", "add", "default", "via", stage.lab.clients[0]?.v4 ?? ""]);
      stage.lab.server.run(["nft", hole("output", "meta l4proto { tcp, udp } th dport 53 counter")]);
      const daemon = await stage.start();
      for (let n = 0; n < 200; n++)
        appendFileSync(join(stage.lab.directory, "asked.log"), failure(stranger(5000 + n)));
      const took: number[] = [];
      for (let n = 0; n < bans; n++) {
        const at = performance.now();
        appendFileSync(stage.log, failure(stranger(n)).repeat(3));
        await until(`ban ${n} beside what hangs`, () => isBanned(daemon, stranger(n)), 3000, 5).catch(
          (error: Error) => wrong.say(error.message),
        );
        took.push(performance.now() - at);
      }
      const slow = took.filter((ms) => ms > 1000).length;
      if (slow > 0) wrong.say(`${slow} of ${bans} bans took longer than a second`);
      const facts = processFacts(daemon.pid());
      if (facts.children.length > 40)
        wrong.say(`${facts.children.length} children of one jail's ignorecommand at once`);
      const asked = /counter packets (\d+)/.exec(
        stage.lab.server.run(["nft", "list", "table", "inet", "hole"]).stdout,
      )?.[1];
      const began = performance.now();
      await daemon.kill("SIGTERM");
      const stopped = performance.now() - began;
      if (stopped > 15_000) wrong.say(`it took ${stopped.toFixed(0)} ms to stop`);
      return [
        {
          promise: "12 what hangs is not noticed by detection",
          tried: `webhook, Redis, a program, ignorecommand and an ignored name that never answer; ${bans} bans`,
          measured: `${asked ?? 0} packets to the resolver; longest ban ${Math.max(...took).toFixed(0)} ms, p50 ${percentile(took, 0.5).toFixed(0)} ms; ${facts.children.length} children, ${facts.fds} descriptors, ${mib(facts.rss)}; stopped in ${stopped.toFixed(0)} ms`,
          wrong: wrong.list,
        },
      ];
    } finally {
      stage.close();
    }
  },
};

/** Users as strangers choose them. Each would leave a file "touched…" behind if any shell saw it. */
const users = (mark: string): readonly string[] => [
  `$(touch ${mark}1)`,
  `\`touch ${mark}2\``,
  `x; touch ${mark}3;`,
  `x' ; touch ${mark}4 ; '`,
  `x" ; touch ${mark}5 ; "`,
  `| touch ${mark}6`,
  `&& touch ${mark}7`,
  "--help",
  "-oProxyCommand=id",
  "$IFS",
  "{ip}",
  "\u001b]0;owned\u0007",
  "%0d%0aBcc x",
];

export const shell: Part = {
  name: "shell",
  missing: needsKernel,
  async run(length) {
    const rounds = length === "short" ? 1 : 30;
    const wrong = blame();
    let out = "";
    const stage = openStage({
      defaults: 'notify = ["prog"]\nmaxmatches = 5\n',
      sshd: 'usedns = "no"\n',
      jails: (lab) => {
        out = join(lab.directory, "told");
        const tell = join(lab.directory, "tell");
        writeFileSync(
          tell,
          `#!/bin/sh\n{ printf '%s\\n' "ARGS:$*" "USER:$F2B_USER"; cat; echo; } >> '${out}'\n`,
          { mode: 0o755 },
        );
        const act = join(lab.directory, "act");
        writeFileSync(act, `#!/bin/sh\n{ printf '%s\\n' "ACT:$*"; cat; echo; } >> '${out}'\n`, {
          mode: 0o755,
        });
        const log = join(lab.directory, "own.log");
        writeFileSync(log, "");
        return `[notify.prog]\ntype = "command"\ncommand = ["${tell}", "--event"]\n
[jails.own]\nenabled = true\nfilter = "sshd"\nbackend = "inotify"\nmaxretry = 1\nbantime = "1h"\nfindtime = "1h"\nlogpath = ["${log}"]\nbanaction = { name = "command", ban = ["${act}", "ban", "{ip}", "{jail}"], unban = ["${act}", "unban", "{ip}"] }\n`;
      },
    });
    const mark = join(stage.lab.directory, "touched");
    try {
      const daemon = await stage.start();
      let n = 0;
      for (let round = 0; round < rounds; round++) {
        for (const user of users(mark)) {
          const address = stranger(n++);
          const line = `${stamp()} web1 sshd[812]: Failed password for invalid user ${user} from ${address} port 4022 ssh2\n`;
          appendFileSync(stage.log, line.repeat(3));
          appendFileSync(join(stage.lab.directory, "own.log"), line);
          await until(`${user} is banned`, () => isBanned(daemon, address), 3000).catch((error: Error) =>
            wrong.say(error.message),
          );
        }
      }
      await until(
        "the programs were told",
        () => existsSync(out) && readFileSync(out, "utf8").split("ACT:ban").length > n,
        20_000,
        100,
      ).catch((error: Error) =>
        wrong.say(
          `${error.message} (${existsSync(out) ? readFileSync(out, "utf8").split("ACT:ban").length - 1 : 0} of ${n})`,
        ),
      );
      await until(
        "the notifier was told",
        () => readFileSync(out, "utf8").includes("USER:"),
        20_000,
        100,
      ).catch((error: Error) => wrong.say(error.message));
      const touched = readdirSync(stage.lab.directory).filter((name) => name.startsWith("touched"));
      if (touched.length > 0) wrong.say(`a shell ran ${touched.join(", ")}`);
      const told = readFileSync(out, "utf8");
      for (const line of told.split("\n").filter((one) => /^(?:ARGS|ACT):/.test(one)))
        if (!/^(?:ARGS:--event|ACT:(?:un)?ban [0-9a-f.:]+(?: own)?)$/.test(line))
          wrong.say(`an argument held more than it may: ${line}`);
      // What people see in a terminal.
      for (const words of [["status", "sshd"], ["explain", stranger(11)], ["stats"]] as const) {
        const shown = daemon.f2b(...words).stdout;
        if (/[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u009b\u202e]/.test(shown) || shown.includes("\u001b]"))
          wrong.say(`f2b ${words.join(" ")} printed control characters`);
      }
      if (jailStatus(daemon, "own").banned.now !== n)
        wrong.say(`own: ${jailStatus(daemon, "own").banned.now} bans of ${n}`);
      await daemon.kill("SIGTERM");
      return [
        {
          promise: "10 nothing is run through a shell",
          tried: `${n} bans of users such as $(touch x), through a command banaction and a command notifier`,
          measured: "arguments held addresses and jail names only",
          wrong: wrong.list,
        },
      ];
    } finally {
      stage.close();
    }
  },
};
