// Dry run: says what would be done, runs no program, touches no file.

import { z } from "zod";
import { portsText } from "./cut.ts";
import type { BanAction, JailSetup, Standing } from "./index.ts";

const say = (text: string) => ({ kind: "say" as const, text });

const what = (jail: JailSetup, { target, until }: Standing, now: number): string => {
  const length = until === "forever" ? "for ever" : `for ${Math.max(1, Math.ceil((until - now) / 1000))} s`;
  return `dry run: [${jail.jail}] would ban ${target.text} ${length} (${jail.protocol.join(", ")}, ${portsText(jail.port)}, ${jail.blocktype})`;
};

export const print: BanAction = {
  name: "print",
  summary: "dry run: says what it would do",
  needs: [],
  can: { v4: true, v6: true, prefix: true, id: true },
  shared: false,
  expires: false,
  options: z.strictObject({}),
  start: (jail) => [say(`dry run: [${jail.jail}] nothing is really banned`)],
  ban: (jail, bans, now) => bans.map((standing) => say(what(jail, standing, now))),
  unban: (jail, targets) =>
    targets.map((target) => say(`dry run: [${jail.jail}] would unban ${target.text}`)),
  stop: (jail) => [say(`dry run: [${jail.jail}] would take away its rules`)],
  list: () => undefined,
};
