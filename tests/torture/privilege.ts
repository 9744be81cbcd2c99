// Privilege: the unit that `f2b service print` writes is judged by systemd's own measure, and the daemon, run as nobody in particular with
// the three capabilities of that unit and none besides, bans with nftables and can do nothing else that root could.

import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { executable, until } from "../support/lab.ts";
import { blame, type Part, type Row } from "./part.ts";
import { failure, kernel, needsKernel, openStage } from "./stage.ts";

const uid = 64_242;
/** net_admin 12, net_raw 13, dac_read_search 2. */
const threeCapabilities = "0000000000003004";
const three = "-all,+net_admin,+net_raw,+dac_read_search";

export const privilege: Part = {
  name: "privilege",
  missing: () => needsKernel() ?? (existsSync("/usr/bin/setpriv") ? undefined : "needs setpriv"),
  async run() {
    const rows: Row[] = [await unprivileged()];
    if (existsSync("/usr/bin/systemd-analyze")) rows.push(exposure());
    return rows;
  },
};

function exposure(): Row {
  const wrong = blame();
  const stage = openStage();
  try {
    const unit = join(stage.lab.directory, "f2b.service");
    const printed = stage.lab.server.run([executable, "service", "print", "-c", stage.files.config]).stdout;
    writeFileSync(unit, printed);
    const capabilities = /^CapabilityBoundingSet=(.*)$/m.exec(printed)?.[1];
    if (capabilities !== "CAP_NET_ADMIN CAP_NET_RAW CAP_DAC_READ_SEARCH")
      wrong.say(`capabilities: ${capabilities}`);
    const judged = spawnSync("systemd-analyze", ["security", "--offline=true", unit], { encoding: "utf8" });
    const level = Number(/exposure level for f2b\.service: ([\d.]+)/.exec(judged.stdout)?.[1] ?? Number.NaN);
    if (!(level < 2)) wrong.say(`the exposure is ${level}: ${judged.stderr.slice(0, 200)}`);
    return {
      promise: "privilege: the unit's exposure is under 2.0",
      tried: "systemd-analyze security --offline of the printed unit",
      measured: `${level}`,
      wrong: wrong.list,
    };
  } finally {
    stage.close();
  }
}

async function unprivileged(): Promise<Row> {
  const wrong = blame();
  const stage = openStage({ sshd: 'port = "22"\n' });
  try {
    const { lab, files, log } = stage;
    chmodSync(lab.directory, 0o755);
    const run = join(lab.directory, "run");
    mkdirSync(run);
    for (const path of [run, files.state]) chownSync(path, uid, uid);
    chmodSync(log, 0o600);
    // Its own log goes where it may write.
    const config = join(lab.directory, "unprivileged.toml");
    writeFileSync(
      config,
      readFileSync(files.config, "utf8")
        .replace(/^socket = .*$/m, `socket = "${run}/f2b.sock"`)
        .replace(/^logtarget = .*$/m, `logtarget = "${run}/f2b.log"`),
      { mode: 0o600 },
    );
    const program = join(lab.directory, "f2b");
    copyFileSync(executable, program);
    chmodSync(program, 0o755);
    const as = [
      "setpriv",
      `--reuid=${uid}`,
      `--regid=${uid}`,
      "--clear-groups",
      `--inh-caps=${three}`,
      `--ambient-caps=${three}`,
      `--bounding-set=${three}`,
      "--no-new-privs",
    ];
    const child = lab.server.start([...as, program, "daemon", "-c", config]);
    const ask = (...words: string[]): number =>
      lab.server.run([program, ...words, "-s", `${run}/f2b.sock`, "-c", config]).code;
    await until("it is ready", () => existsSync(`${run}/f2b.sock`) && ask("ping") === 0);
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    for (const set of ["CapEff", "CapPrm", "CapBnd", "CapAmb"]) {
      const is = new RegExp(`^${set}:\\s+(\\S+)`, "m").exec(status)?.[1];
      if (is !== threeCapabilities) wrong.say(`${set} is ${is}`);
    }
    if (!/^Uid:\s+64242\s/m.test(status)) wrong.say("it does not run as the user it was given");
    appendFileSync(log, failure("203.0.113.5").repeat(3) + failure("2001:db8::5").repeat(3));
    await until("both families are banned in the kernel", () => kernel(lab).length === 2, 3000).catch(
      (error: Error) => wrong.say(error.message),
    );
    if (ask("unban", "203.0.113.5") !== 0) wrong.say("unban failed");
    await until("the unban is in the kernel", () => kernel(lab).length === 1, 3000).catch((error: Error) =>
      wrong.say(error.message),
    );
    lab.server.run(["nft", "flush", "ruleset"]);
    await until("a flushed table is mended", () => kernel(lab).length === 1, 3000).catch((error: Error) =>
      wrong.say(error.message),
    );
    child.kill("SIGTERM");
    await until("it stops", () => child.exitCode !== null || child.signalCode !== null, 15_000);
    return {
      promise: "privilege: three capabilities are enough",
      tried: `as uid ${uid} with net_admin, net_raw, dac_read_search: ban, unban, repair, a log of root's`,
      measured: "two families banned in the kernel",
      wrong: wrong.list,
    };
  } finally {
    stage.close();
  }
}
