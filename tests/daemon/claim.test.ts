import { expect, test } from "bun:test";
import { claimFirewall } from "../../src/daemon/claim.ts";
import type { Files } from "../../src/system/index.ts";
import { system } from "../source/reading.ts";

const name = (of: string): string => `@f2b-test-${process.pid}-${of}`;

test("the first has it, the second is told whose it is, and may have it when the first has gone", () => {
  const claim = () => claimFirewall(system.files, name("two"));
  const first = claim();
  expect("release" in first ? first.doubt : first).toBeUndefined();
  const second = claim();
  expect("what" in second ? second.what : second).toContain(
    `another f2b daemon (pid ${process.pid}) keeps the firewall`,
  );
  if ("release" in first) first.release();
  const third = claim();
  expect("release" in third ? third.doubt : third).toBeUndefined();
  if ("release" in third) third.release();
});

const mayBecomeAnother = process.geteuid?.() === 0 || process.env.CI !== undefined;
test.skipIf(!mayBecomeAnother).each([
  ["another user who holds the name", "process.setgid(65534); process.setuid(65534);", ""],
  [
    "another user's socket in the hands of a program that runs as root",
    "process.seteuid(65534);",
    "process.seteuid(0);",
  ],
])("%s stops nobody, unless it is the service's user", async (_who, before, after) => {
  const squatted = name(`squatted${after.length}`);
  const squatter = Bun.spawn(
    [
      process.execPath,
      "-e",
      `${before}
Bun.listen({ unix: ${JSON.stringify(`\0${squatted.slice(1)}`)}, socket: { data() {} } });
${after}
console.log("held");`,
    ],
    { stdout: "pipe", stderr: "inherit", cwd: "/" },
  );
  await squatter.stdout.getReader().read();
  const claim = claimFirewall(system.files, squatted);
  const serviceFiles: Files = {
    ...system.files,
    readFile: (path) =>
      path === "/etc/passwd" ? Buffer.from("f2b:x:65534:65534::/:/bin/false\n") : system.files.readFile(path),
  };
  const beside = claimFirewall(serviceFiles, squatted);
  squatter.kill("SIGKILL");
  await squatter.exited;
  expect("release" in claim ? claim.doubt : claim).toBe(`user 65534 holds ${squatted}`);
  expect("what" in beside ? beside.what : beside).toContain(`another f2b daemon (pid ${squatter.pid})`);
});
