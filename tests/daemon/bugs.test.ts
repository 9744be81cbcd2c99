import { describe, expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { surviveBugs } from "../../src/daemon/bugs.ts";
import { fakeSystem } from "../support/system.ts";

function surviving() {
  const system = fakeSystem();
  const from = new EventEmitter();
  let ended = 0;
  surviveBugs(system, from, () => {
    ended++;
  });
  return { system, from, ended: () => ended };
}

describe("an error that nobody caught", () => {
  test("is told with its stack, and ends nothing", () => {
    const { system, from, ended } = surviving();
    from.emit("uncaughtException", new Error("of a timer"));
    from.emit("unhandledRejection", "of a promise");
    expect(system.said.map(({ level }) => level)).toEqual(["critical", "critical"]);
    expect(system.said[0]?.text).toMatch(/^a bug in f2b, please report it: Error: of a timer\n +at /);
    expect(system.said[1]?.text).toContain("string thrown: of a promise");
    expect(ended()).toBe(0);
  });
  test("now and then goes on for ever", () => {
    const { system, from, ended } = surviving();
    for (let i = 0; i < 1000; i++) {
      from.emit("unhandledRejection", new Error("again"));
      system.clock.turn(1300);
    }
    expect(ended()).toBe(0);
  });
  test("one after the other asks for a fresh start, once", () => {
    const { from, ended } = surviving();
    for (let i = 0; i < 50; i++) from.emit("uncaughtException", new Error("again"));
    expect(ended()).toBe(0);
    for (let i = 0; i < 50; i++) from.emit("uncaughtException", new Error("again"));
    expect(ended()).toBe(1);
  });
});

test("a real process lives on after what a timer, a promise, and a signal's handler threw", async () => {
  const module = JSON.stringify(`${import.meta.dir}/../../src/daemon/bugs.ts`);
  const child = Bun.spawn(
    [
      process.execPath,
      "-e",
      `const { surviveBugs } = await import(${module});
let heard = 0;
const alive = () => { console.log("alive"); process.exit(0); };
const log = { say: (level, text) => { console.log(text.split("\\n")[0]); if (++heard === 3) setTimeout(alive, 1); } };
surviveBugs({ log, clock: { monotonic: () => performance.now() } }, process, () => process.exit(70));
process.on("SIGUSR2", () => { throw new Error("signal"); });
setTimeout(() => { throw new Error("timer"); }, 1);
Promise.reject(new Error("promise"));
process.kill(process.pid, "SIGUSR2");
setInterval(() => {}, 1000);`,
    ],
    { stdout: "pipe", stderr: "inherit" },
  );
  const said = (await new Response(child.stdout).text()).trim().split("\n");
  expect(await child.exited).toBe(0);
  for (const what of ["promise", "timer", "signal"])
    expect(said).toContain(`a bug in f2b, please report it: Error: ${what}`);
  expect(said.at(-1)).toBe("alive");
});
