// firewalld: an ipset of our own per jail and family, and rich rules that refer to it. Sets can only be made permanently (and need
// one reload when they are new); rules and entries are of the running firewall only and are put back when it restarts.

import { z } from "zod";
import { parseTarget } from "../core/address.ts";
import type { Target } from "../core/domain.ts";
import { blocktypeOf, matchOf, portText } from "./blocktype.ts";
import { cutOption, cutSteps } from "./cut.ts";
import type { BanAction, Found, JailSetup, Listing, Step } from "./index.ts";
import { objectName } from "./naming.ts";

type Family = 4 | 6;
const families: readonly Family[] = [4, 6];
/** Entries a call: each call of firewall-cmd costs a third of a second, each entry little. */
const entriesACall = 200;

const options = z.strictObject({
  zones: z
    .array(z.string().regex(/^[A-Za-z0-9_-]{1,17}$/, "a zone's name"))
    .default([])
    .describe("zones the rules are put into; the default zone when empty"),
  cut: cutOption,
});
const optionsOf = (jail: JailSetup): z.infer<typeof options> => options.parse(jail.options);

const setName = (jail: JailSetup, family: Family): string => objectName(`f2b${family}-`, jail.jail, 31);

const call = (...args: string[]): Extract<Step, { kind: "run" }> => ({
  kind: "run",
  command: ["firewall-cmd", ...args],
});
const zoned = (jail: JailSetup): string[][] => {
  const { zones } = optionsOf(jail);
  return zones.length === 0 ? [[]] : zones.map((zone) => [`--zone=${zone}`]);
};

function verdict(jail: JailSetup, family: Family): string {
  const blocktype = blocktypeOf(jail);
  if (blocktype.kind === "tcp-reset") return 'reject type="tcp-reset"';
  if (blocktype.kind !== "reject") return "drop";
  return `reject type="${family === 4 ? blocktype.icmp : "icmp6-adm-prohibited"}"`;
}

/** One rich rule per port range and protocol, before those that let in. */
function rules(jail: JailSetup, family: Family): string[] {
  const { ported, whole } = matchOf(jail);
  const head = `rule priority="-100" family="ipv${family}" source ipset="${setName(jail, family)}"`;
  const tail = verdict(jail, family);
  const found: string[] = [];
  if (jail.port !== "all")
    for (const protocol of ported)
      for (const range of jail.port)
        found.push(`${head} port port="${portText(range, "-")}" protocol="${protocol}" ${tail}`);
  if (whole === "all") found.push(`${head} ${tail}`);
  else
    for (const protocol of whole)
      found.push(
        `${head} protocol value="${protocol === "icmp" && family === 6 ? "ipv6-icmp" : protocol}" ${tail}`,
      );
  return found;
}

function entryCalls(
  jail: JailSetup,
  targets: readonly Target[],
  flag: "--add-entry" | "--remove-entry",
  ignore: RegExp,
): Step[] {
  return families.flatMap((family) => {
    const mine = targets.filter((target) => target.kind !== "id" && target.family === family);
    const calls: Step[] = [];
    for (let i = 0; i < mine.length; i += entriesACall)
      calls.push({
        ...call(
          `--ipset=${setName(jail, family)}`,
          ...mine.slice(i, i + entriesACall).map((target) => `${flag}=${target.text}`),
        ),
        ignore,
      });
    return calls;
  });
}

const entries = (jail: JailSetup, family: Family, also?: Listing): Listing => ({
  step: call(`--ipset=${setName(jail, family)}`, "--get-entries"),
  read(answer, code): Found[] | undefined {
    if (code !== 0) return undefined;
    return answer.split("\n").flatMap((row) => {
      const target = parseTarget(row.trim());
      return target === undefined ? [] : [{ target, until: undefined }];
    });
  },
  ...(also === undefined ? {} : { also }),
});

/** Finds no bans, but notices that rules are gone. */
const ruleListing = (jail: JailSetup): Listing => ({
  step: call(...(zoned(jail)[0] ?? []), "--list-rich-rules"),
  read: (answer, code) =>
    code === 0 &&
    families.every((family) => rules(jail, family).every(() => answer.includes(`"${setName(jail, family)}"`)))
      ? []
      : undefined,
});

export const firewalld: BanAction = {
  name: "firewalld",
  summary: "firewalld: an ipset per jail and rich rules",
  needs: ["firewall-cmd"],
  can: { v4: true, v6: true, prefix: true, id: false },
  shared: false,
  expires: false,
  asRoot: true,
  options,
  start: (jail) => [
    {
      ...call("--get-ipsets"),
      next(answer: string): Step[] {
        const there = new Set(answer.split(/\s+/));
        const missing = families.filter((family) => !there.has(setName(jail, family)));
        if (missing.length === 0) return [];
        return [
          ...missing.map(
            (family): Step => ({
              ...call(
                "--permanent",
                `--new-ipset=${setName(jail, family)}`,
                "--type=hash:net",
                `--option=family=inet${family === 6 ? "6" : ""}`,
                "--option=maxelem=1048576",
              ),
              ignore: /NAME_CONFLICT/,
            }),
          ),
          call("--reload"),
        ];
      },
    },
    ...families.flatMap((family) =>
      rules(jail, family).flatMap((rule) =>
        zoned(jail).map(
          (zone): Step => ({ ...call(...zone, `--add-rich-rule=${rule}`), ignore: /ALREADY_ENABLED/ }),
        ),
      ),
    ),
  ],
  ban: (jail, bans) => [
    ...entryCalls(
      jail,
      bans.map((ban) => ban.target),
      "--add-entry",
      /ALREADY_ENABLED/,
    ),
  ],
  cut: (jail, targets) => cutSteps(jail, optionsOf(jail).cut, targets),
  unban: (jail, targets) => entryCalls(jail, targets, "--remove-entry", /NOT_ENABLED/),
  stop: (jail) => [
    ...families.flatMap((family) =>
      rules(jail, family).flatMap((rule) =>
        zoned(jail).map(
          (zone): Step => ({ ...call(...zone, `--remove-rich-rule=${rule}`), ignore: /NOT_ENABLED/ }),
        ),
      ),
    ),
    ...families.map(
      (family): Step => ({
        ...call("--permanent", `--delete-ipset=${setName(jail, family)}`),
        ignore: /INVALID_IPSET/,
      }),
    ),
    call("--reload"),
  ],
  list: (jail) => entries(jail, 4, entries(jail, 6, ruleListing(jail))),
};
