// What a daemon has made in firewalls, written down beside the journal before it is made. A jail that is taken out of the configuration, or
// given another banaction, while no daemon runs would otherwise leave bans behind that nobody knows of, and where the daemon ends
// them (ufw, hosts.deny, routes, a provider's list) nobody ever would.

import { z } from "zod";
import { type BanAction, banactions } from "../banaction/index.ts";
import type { JailName } from "../core/domain.ts";
import type { System } from "../system/index.ts";
import type { EnforcedJail } from "./enforcer.ts";

export interface PlaceBook {
  /** What the daemon before this one had made; what cannot be understood is left out. */
  read(): readonly EnforcedJail[];
  write(jails: readonly EnforcedJail[]): void;
}

const port = z.int().min(0).max(65_535);
const entry = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,64}$/)
    .transform((text) => text as JailName),
  port: z.union([z.literal("all"), z.array(z.strictObject({ from: port, to: port }))]),
  protocol: z.array(z.enum(["tcp", "udp", "sctp", "dccp", "icmp", "all"])),
  chain: z.array(z.string().regex(/^[A-Za-z0-9_.-]{1,28}$/)),
  blocktype: z.string(),
  banaction: z.array(z.strictObject({ name: z.string(), options: z.record(z.string(), z.unknown()) })),
});
const file = z.object({ v: z.literal(1), jails: z.array(z.unknown()) });

/** `places.json` in the state directory, which nobody else may write to. */
export function placeBook(
  system: System,
  statedir: string,
  known: Readonly<Record<string, BanAction>> = banactions,
): PlaceBook {
  const path = `${statedir}/places.json`;
  let written: string | undefined;
  let failing = false;

  /** Options are judged again: another version may have written them. */
  const isUsable = ({ name, options }: EnforcedJail["banaction"][number]): boolean =>
    Object.hasOwn(known, name) && known[name]?.options.safeParse(options).success === true;

  return {
    read() {
      try {
        if (system.files.stat(path) === undefined) return [];
        const text = new TextDecoder().decode(system.files.readFile(path));
        written = text;
        return file.parse(JSON.parse(text)).jails.flatMap((raw) => {
          const { data } = entry.safeParse(raw);
          return data === undefined ? [] : [{ ...data, banaction: data.banaction.filter(isUsable) }];
        });
      } catch {
        return [];
      }
    },
    write(jails) {
      const wanted = jails.map(({ name, port, protocol, chain, blocktype, banaction }) => ({
        name,
        port,
        protocol,
        chain,
        blocktype,
        banaction,
      }));
      const text = `${JSON.stringify({ v: 1, jails: wanted })}\n`;
      if (text === written) return;
      try {
        system.files.replaceFile(path, text);
        written = text;
        failing = false;
      } catch (error) {
        if (!failing)
          system.log.say("warning", `${path} cannot be written`, {
            why: String(error instanceof Error ? error.message : error),
          });
        failing = true;
      }
    },
  };
}
