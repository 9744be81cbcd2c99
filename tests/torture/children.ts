// Promise 13: the living nft is killed at random, under bans and unbans. Afterwards the kernel is what the state says; there is no zombie
// and no descriptor more than before.

import { appendFileSync } from "node:fs";
import { until } from "../support/lab.ts";
import { blame, type Part } from "./part.ts";
import { failure, jailStatus, kernel, needsKernel, openStage, processFacts, stranger } from "./stage.ts";

/** False: it has ended by itself since it was seen. */
function kill(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

export const children: Part = {
  name: "children",
  missing: needsKernel,
  async run(length) {
    const kills = length === "short" ? 15 : 200;
    const wrong = blame();
    const stage = openStage();
    try {
      const daemon = await stage.start();
      const pid = daemon.pid();
      let n = 0;
      let killed = 0;
      let unbanned = 0;
      appendFileSync(stage.log, failure(stranger(n++)).repeat(3));
      await until("the first ban stands", () => kernel(stage.lab).length === 1);
      const before = processFacts(pid);
      let stop = false;
      const writer = (async () => {
        while (!stop) {
          appendFileSync(stage.log, failure(stranger(n++)).repeat(3));
          await Bun.sleep(2);
        }
      })();
      for (let i = 0; i < kills; i++) {
        await until(
          "an nft lives",
          () => processFacts(pid).children.some((child) => child.name === "nft" && child.state !== "Z"),
          10_000,
          2,
        ).catch((error: Error) => wrong.say(error.message));
        for (const child of processFacts(pid).children.filter((one) => one.name === "nft")) {
          if (kill(child.pid)) killed++;
        }
        if (i % 3 === 0 && daemon.f2b("unban", stranger(i)).code === 0) unbanned++;
        await Bun.sleep(Math.random() * 60);
      }
      stop = true;
      await writer;
      await until("all is judged", () => jailStatus(daemon).banned.total >= n, 20_000, 100).catch(
        (error: Error) => wrong.say(error.message),
      );
      const equal = (): boolean =>
        kernel(stage.lab).join(" ") ===
        (jailStatus(daemon).bans ?? [])
          .map((ban) => ban.target)
          .sort()
          .join(" ");
      await until("the kernel is what the state says", equal, 40_000, 200).catch((error: Error) =>
        wrong.say(
          `${error.message}: ${kernel(stage.lab).length} in the kernel, ${jailStatus(daemon).banned.now} by the state`,
        ),
      );
      await Bun.sleep(500);
      const after = processFacts(pid);
      const zombies = after.children.filter((child) => child.state === "Z");
      if (zombies.length > 0) wrong.say(`${zombies.length} zombies`);
      if (after.children.length > before.children.length)
        wrong.say(`${after.children.length} children, ${before.children.length} before`);
      if (after.fds > before.fds + 2) wrong.say(`${after.fds} descriptors, ${before.fds} before`);
      const rules =
        stage.lab.server.run(["nft", "list", "table", "inet", "f2b"]).stdout.match(/ip6? saddr @/g)?.length ??
        0;
      await daemon.kill("SIGTERM");
      return [
        {
          promise: "13 a child that dies is made up for",
          tried: `${killed} kills of nft under ${n} bans and ${unbanned} unbans`,
          measured: `kernel equals state; ${before.fds} → ${after.fds} descriptors, ${rules} rules`,
          wrong: wrong.list,
        },
      ];
    } finally {
      stage.close();
    }
  },
};
