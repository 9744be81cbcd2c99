// f2b get / f2b set: a jail's settings while it runs. fail2ban forgets such changes at its next start; `--save` makes them last.

import { visible } from "../core/text.ts";
import { Refusal } from "../daemon/control.ts";
import { show } from "./client.ts";
import { type Command, exits } from "./index.ts";

interface Setting {
  readonly jail: string;
  readonly key: string;
  readonly value: unknown;
  /** As it is written in the configuration. */
  readonly text: string;
  readonly saved?: string;
}

/** What was set only now is gone with the next reading of the configuration. */
const passing = (jail: string): string =>
  jail === "daemon"
    ? "until the next start; --save makes it last"
    : "until the next reload or start; --save makes it last";

export const get: Command = {
  name: "get",
  summary: "a jail's effective setting; without a key, all of them",
  usage: ["f2b get JAIL [KEY]", "f2b get daemon KEY"],
  most: 2,
  options: [],
  completes: ["jail", "setting", []],
  run(call) {
    const [jail, key] = call.words;
    if (jail === undefined) {
      call.err("f2b: of which jail?\n  f2b get JAIL [KEY]\n");
      return Promise.resolve(exits.usage);
    }
    return show<readonly Setting[]>(
      call,
      "GET",
      `/settings?jail=${encodeURIComponent(jail)}${key === undefined ? "" : `&key=${encodeURIComponent(key)}`}`,
      undefined,
      (value) => {
        for (const one of value)
          call.out(key === undefined ? `${one.key} = ${visible(one.text)}\n` : `${visible(one.text)}\n`);
      },
    );
  },
  routes: {
    "GET /settings": ({ query }, daemon) => ({ json: daemon.getSettings(query.jail ?? "", query.key) }),
  },
};

export const set: Command = {
  name: "set",
  summary: "change a setting of a running jail",
  usage: [
    "f2b set JAIL KEY VALUE… [--save]",
    "f2b set JAIL KEY += VALUE…",
    "f2b set JAIL KEY -= VALUE…",
    "f2b set daemon loglevel LEVEL [--save]",
  ],
  options: [
    {
      name: "save",
      summary: "make it last: written beside the state, wins over the configuration, shown by f2b jails show",
    },
  ],
  completes: ["jail", "setting", []],
  help: `
Examples:
  f2b set sshd maxretry 3
  f2b set sshd bantime 1d --save
  f2b set sshd ignoreip += 203.0.113.0/24
Counters stay. A new bantime holds for new bans; f2b ban prolongs a standing one.`,
  run(call) {
    const [jail, key, ...values] = call.words;
    if (jail === undefined || key === undefined || values.length === 0) {
      call.err("f2b: what to set?\n  f2b set JAIL KEY VALUE… [--save]\n");
      return Promise.resolve(exits.usage);
    }
    return show<Setting>(
      call,
      "POST",
      "/settings",
      { jail, key, values, save: call.flags.save === true },
      (value) => {
        call.out(
          `${value.key} = ${visible(value.text)}\n${value.saved === undefined ? passing(value.jail) : `saved in ${value.saved}`}\n`,
        );
      },
    );
  },
  routes: {
    "POST /settings": async ({ body }, daemon) => {
      const { jail, key, values, save } = (body ?? {}) as Record<string, unknown>;
      const words = Array.isArray(values)
        ? values.filter((one): one is string => typeof one === "string")
        : [];
      if (typeof jail !== "string" || typeof key !== "string" || words.length === 0) {
        throw new Refusal(400, { what: "jail, key and values are needed" });
      }
      return { json: await daemon.setSetting(jail, key, words, save === true) };
    },
  },
};
