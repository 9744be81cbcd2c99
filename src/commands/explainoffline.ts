// f2b explain while no daemon answers: what its journal says. Bans stand in the kernel until their time is up, daemon or not, so the
// question who is out has an answer all the same.

import { join } from "node:path";
import { loadConfig } from "../config/index.ts";
import { parseTarget } from "../core/address.ts";
import type { Time } from "../core/domain.ts";
import { covering } from "../core/state.ts";
import { visible } from "../core/text.ts";
import { loadJournal } from "../journal/load.ts";
import { bannedId } from "./ban.ts";
import type { Call } from "./index.ts";

const clock = (time: Time): string => `${new Date(time).toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** Text for people; undefined where there is nothing to say, or no right to read it. */
export function explainOffline(call: Call, word: string): string | undefined {
  const loaded = loadConfig({
    system: call.system,
    ...(call.config === undefined ? {} : { path: call.config }),
  });
  if (!loaded.ok) return undefined;
  try {
    const { state } = loadJournal(call.system.files, join(loaded.value.daemon.statedir, "journal"));
    const target = parseTarget(word) ?? bannedId(word, state);
    if (target === undefined) return undefined;
    const now = call.system.clock.now();
    // Also of jails that are gone from the configuration: their bans last.
    const bans = [...state.jails.keys()].flatMap((jail) => {
      const ban = covering(state, jail, target);
      return ban === undefined || (ban.until !== "forever" && ban.until <= now) ? [] : [ban];
    });
    if (bans.length === 0) return `Its journal knows no standing ban of ${target.text}.\n`;
    return bans
      .map(
        (ban) =>
          `Its journal: ${target.text} is banned in ${visible(ban.jail)}${ban.target.text === target.text ? "" : ` as ${ban.target.text}`} since ${clock(ban.since)}, ${ban.until === "forever" ? "for ever" : `until ${clock(ban.until)}`}; cause: ${ban.cause}.\n${ban.lines.map((line) => `  | ${visible(line)}\n`).join("")}`,
      )
      .concat(
        "Such a ban stands in the firewall until then, also without the daemon. To lift it, start the daemon.\n",
      )
      .join("");
  } catch {
    return undefined;
  }
}
