// ignorecommand: what it is told, and what it must not be told.

import { describe, expect, test } from "bun:test";
import { addressTarget, idTarget, parseAddress } from "../../src/core/address.ts";
import type { Failure, Jail, Target } from "../../src/core/domain.ts";
import { createIgnoreCommand } from "../../src/daemon/ignored.ts";
import { fakeSystem } from "../support/system.ts";

const asking = (ignorecommand: readonly string[], code = 0) => {
  const system = fakeSystem({ programs: { judge: () => ({ code }) } });
  const jail = {
    name: "web",
    ignore: { ignoreip: [], ignoreself: true, ignorecommand, ignorecache: undefined },
  };
  const ask = createIgnoreCommand(system, jail as unknown as Jail);
  if (ask === undefined) throw new Error("no command");
  const failure = (target: Target): Failure => ({ target, at: 0, line: "a line", attempts: 1, regex: 0 });
  return { system, ask: (target: Target) => ask(failure(target), 0) };
};
const address = addressTarget(parseAddress("192.0.2.7")!);

describe("ignorecommand", () => {
  test("is given the address, and its exit code decides", async () => {
    const yes = asking(["/usr/bin/judge", "--ip={ip}", "{ip}"]);
    expect(await yes.ask(address)).toBe(true);
    expect(yes.system.commands[0]?.command).toEqual(["/usr/bin/judge", "--ip=192.0.2.7", "192.0.2.7"]);
    expect(await asking(["/usr/bin/judge", "{ip}"], 1).ask(address)).toBe(false);
  });
  test("is not asked about what it would take for an option: then nobody is protected", async () => {
    const { system, ask } = asking(["/usr/bin/judge", "{ip}"]);
    expect(await ask(idTarget("--help"))).toBe(false);
    expect(system.commands).toEqual([]);
    expect(system.said.map(({ text }) => text)).toEqual([
      '[web] ignorecommand is not asked about "--help": it would take it for an option',
    ]);
  });
  test("is asked behind the end of the options, with the value as it is", async () => {
    const { system, ask } = asking(["/usr/bin/judge", "--", "{ip}"]);
    expect(await ask(idTarget("-$& $' `x`"))).toBe(true);
    expect(system.commands[0]?.command).toEqual(["/usr/bin/judge", "--", "-$& $' `x`"]);
  });
});
