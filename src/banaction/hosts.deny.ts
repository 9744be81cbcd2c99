// TCP wrappers: lines between our own marks in /etc/hosts.deny, the rest of the file stays byte for byte as it is. Only services
// linked with libwrap look at it, and only when a connection begins.

import { z } from "zod";
import { parseTarget } from "../core/address.ts";
import type { Target } from "../core/domain.ts";
import type { BanAction, JailSetup, Step } from "./index.ts";

const begin = "# f2b begin (these lines are written by f2b, changes to them are lost)";
const end = "# f2b end";

const options = z.strictObject({
  file: z
    .string()
    .regex(/^\/[^\0\n]+$/, "an absolute path")
    .default("/etc/hosts.deny")
    .describe("the file"),
  daemons: z
    .string()
    .regex(/^[A-Za-z0-9_.@-]+(?:[ ,]+[A-Za-z0-9_.@-]+)*$/, "daemon names as in hosts_access(5)")
    .default("ALL")
    .describe("daemon list as in hosts_access(5)"),
});
const optionsOf = (jail: JailSetup): z.infer<typeof options> => options.parse(jail.options);

/** hosts_access(5): 192.0.2.1, 192.0.2.0/255.255.255.0, [2001:db8::1], [2001:db8::]/32. */
function pattern(target: Target): string {
  if (target.kind === "id") return "";
  const [net = "", bits] = target.text.split("/");
  if (target.family === 6) return bits === undefined ? `[${net}]` : `[${net}]/${bits}`;
  return bits === undefined ? net : `${net}/${mask(Number(bits))}`;
}

const mask = (bits: number): string =>
  [0, 1, 2, 3].map((i) => 256 - 2 ** (8 - Math.max(0, Math.min(8, bits - 8 * i)))).join(".");

const lineOf = (jail: JailSetup, target: Target): string => `${optionsOf(jail).daemons}: ${pattern(target)}`;

interface Parts {
  readonly before: string;
  readonly ours: readonly string[];
  readonly after: string;
  readonly marked: boolean;
}

/** An end mark that somebody deleted leaves only what looks like a line of ours inside. */
function parts(text: string): Parts {
  const start = text.startsWith(`${begin}\n`) ? 0 : text.indexOf(`\n${begin}\n`) + 1;
  if (start === 0 && !text.startsWith(`${begin}\n`))
    return { before: text, ours: [], after: "", marked: false };
  const lines = text.slice(start + begin.length + 1).split("\n");
  const stop = lines.indexOf(end);
  const count = stop >= 0 ? stop : lines.findIndex((line) => !/^[^:#\s][^:]*: \S+$/.test(line));
  const ours = lines.slice(0, count < 0 ? lines.length : count);
  const after = lines.slice(stop >= 0 ? stop + 1 : ours.length).join("\n");
  return { before: text.slice(0, start), ours, after, marked: true };
}

function written({ before, ours, after }: Omit<Parts, "marked">, keep: boolean): string {
  if (ours.length === 0 && !keep) return before + after;
  const gap = before === "" || before.endsWith("\n") ? "" : "\n";
  return `${before}${gap}${[begin, ...ours, end, ""].join("\n")}${after}`;
}

const edit = (
  jail: JailSetup,
  change: (ours: readonly string[]) => readonly string[],
  keep: boolean,
): Step => ({
  kind: "edit",
  path: optionsOf(jail).file,
  mode: 0o644,
  edit(text) {
    const found = parts(text);
    return written({ ...found, ours: change(found.ours) }, keep);
  },
});

export const hostsDeny: BanAction = {
  name: "hosts.deny",
  summary: "TCP wrappers: lines of our own in /etc/hosts.deny",
  needs: [],
  can: { v4: true, v6: true, prefix: true, id: false },
  shared: true,
  expires: false,
  asRoot: true,
  options,
  start: (jail) => [edit(jail, (ours) => ours, true)],
  ban: (jail, bans) => [
    edit(jail, (ours) => [...new Set([...ours, ...bans.map((ban) => lineOf(jail, ban.target))])], true),
  ],
  unban(jail, targets) {
    const gone = new Set(targets.map((target) => lineOf(jail, target)));
    return [edit(jail, (ours) => ours.filter((line) => !gone.has(line)), true)];
  },
  stop: (jail) => [
    edit(jail, (ours) => ours.filter((line) => !line.startsWith(`${optionsOf(jail).daemons}: `)), false),
  ],
  list: (jail) => ({
    step: { kind: "read", path: optionsOf(jail).file },
    read(answer) {
      const { ours, marked } = parts(answer);
      if (!marked) return undefined;
      const mine = `${optionsOf(jail).daemons}: `;
      return ours.flatMap((line) => {
        const target = line.startsWith(mine)
          ? parseTarget(line.slice(mine.length).replace(/[[\]]/g, ""))
          : undefined;
        return target === undefined ? [] : [{ target, until: undefined }];
      });
    },
  }),
};
