// What an innocent packet costs with no ban and with 10,000: round trips per second of a UDP echo between the namespaces.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { configure, type Lab, startDaemon, until } from "../support/lab.ts";
import { median, type Result } from "./measure.ts";

const echo = `import socket,sys
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.bind(("0.0.0.0",2222));print("up",flush=True)
while True:
  d,a=s.recvfrom(64);s.sendto(d,a)`;
const ping = `import socket,sys,time
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.settimeout(2);s.connect((sys.argv[1],2222))
n=20000;t=time.perf_counter()
for i in range(n): s.send(b"x");s.recv(64)
print((time.perf_counter()-t)/n*1e6)`;

export async function* packets(lab: Lab): AsyncGenerator<Result> {
  const [innocent] = lab.clients;
  if (innocent === undefined) throw new Error("the lab has a client");
  const log = join(lab.directory, "auth.log");
  writeFileSync(log, "");
  const files = configure(
    lab,
    `[defaults]\nbanaction = "nftables"\n[jails.sshd]\nenabled = true\nport = "all"\nprotocol = ["all"]\nlogpath = ["${log}"]\n`,
  );
  const server = lab.server.start(["python3", "-u", "-c", echo]);
  await until("the echo is up", () => lab.server.run(["ss", "-lun"]).stdout.includes(":2222"));
  const measure = (): number =>
    median(
      Array.from({ length: 5 }, () =>
        Number(innocent.run(["python3", "-c", ping, lab.server.v4], { timeout: 60_000 }).stdout),
      ),
    );
  const daemon = await startDaemon(lab, files);
  const none = measure();
  const targets = Array.from(
    { length: 10_000 },
    (_, i) => `30.${(i >>> 14) & 255}.${(i >>> 7) & 127}.${1 + (i & 127)}`,
  );
  const answer = await fetch("http://f2b/ban", {
    unix: files.socket,
    method: "POST",
    body: JSON.stringify({ jail: "sshd", targets, for: "1h" }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  const full = measure();
  await daemon.kill("SIGTERM");
  lab.server.run(["nft", "flush", "ruleset"]);
  const bare = measure();
  server.kill("SIGKILL");
  yield { what: "a round trip without f2b", value: bare, unit: "µs", how: "UDP echo, median of 5 × 20,000" };
  yield { what: "with f2b and no ban", value: none, unit: "µs", how: "as above" };
  yield {
    what: "with f2b and 10,000 bans",
    value: full,
    unit: "µs",
    how: "as above",
    aim: "≤ 1.1 × no ban",
    met: full <= none * 1.1,
  };
}
