// What a daemon has made in firewalls, written down beside the journal before it is made. A jail that is taken out of the configuration, or
// given another banaction, while no daemon runs would otherwise leave bans behind that nobody knows of, and where the daemon ends
// them (ufw, hosts.deny, routes, a provider's list) nobody ever would.

import { z } from "zod";
import { type BanAction, banactions } from "../banaction/index.ts";
import type { JailName } from "../core/domain.ts";
import { once } from "../core/lazily.ts";
import type { System } from "../system/index.ts";
import type { EnforcedJail } from "./enforcer.ts";

export interface PlaceBook {
  /**
   * What the daemon before this one had made, but for what is made again in the same way (`current`); what cannot be understood is left out.
   */
  read(current?: readonly EnforcedJail[]): readonly EnforcedJail[];
  write(jails: readonly EnforcedJail[]): void;
}

/** Made where something is found that this daemon does not make itself: building it takes milliseconds of a start. */
const entry = once(() => {
  const port = z.int().min(0).max(65_535);
  return z.strictObject({
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
});

const noteOf = ({ name, port, protocol, chain, blocktype, banaction }: EnforcedJail) => ({
  name,
  port,
  protocol,
  chain,
  blocktype,
  banaction,
});

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
    read(current = []) {
      try {
        if (system.files.stat(path) === undefined) return [];
        const text = new TextDecoder().decode(system.files.readFile(path));
        written = text;
        const told: unknown = JSON.parse(text);
        if (!isBook(told)) return [];
        const again = new Set(current.map((jail) => JSON.stringify(noteOf(jail))));
        return told.jails.flatMap((raw) => {
          if (again.has(JSON.stringify(raw))) return [];
          const { data } = entry().safeParse(raw);
          return data === undefined ? [] : [{ ...data, banaction: data.banaction.filter(isUsable) }];
        });
      } catch {
        return [];
      }
    },
    write(jails) {
      const text = `${JSON.stringify({ v: 1, jails: jails.map(noteOf) })}\n`;
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

const isBook = (told: unknown): told is { readonly jails: readonly unknown[] } =>
  typeof told === "object" &&
  told !== null &&
  "v" in told &&
  told.v === 1 &&
  "jails" in told &&
  Array.isArray(told.jails);
