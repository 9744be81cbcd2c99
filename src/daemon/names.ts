// Host names in a log, for those who set `usedns`: resolved in the background with a time limit and a bounded cache; nothing waits, and
// a name that does not resolve counts for nobody. Off by default, since whoever owns an address also owns what its name says.

import { addressTarget, parseAddress } from "../core/address.ts";
import type { Target, Time } from "../core/domain.ts";
import { addressesOf } from "../system/dns.ts";

const keepMs = 5 * 60_000;
const most = 10_000;
const atOnce = 50;

export interface Names {
  /** The addresses of a name; [] when it has none, when too many are being asked for, or when DNS does not answer in time. */
  resolve(name: string, now: Time): Promise<readonly Target[]>;
}

export function createNames(
  ask: (name: string) => Promise<readonly string[]> = (name) => addressesOf(name),
): Names {
  const cache = new Map<string, { readonly at: Time; readonly targets: Promise<readonly Target[]> }>();
  let asking = 0;
  return {
    resolve(name, now) {
      const known = cache.get(name);
      if (known !== undefined && now - known.at < keepMs) return known.targets;
      if (asking >= atOnce) return Promise.resolve([]);
      asking++;
      const targets = ask(name)
        .then((texts) =>
          texts
            .map(parseAddress)
            .filter((one) => one !== undefined)
            .map(addressTarget),
        )
        .catch(() => [])
        .finally(() => {
          asking--;
        });
      if (cache.size >= most) cache.delete(cache.keys().next().value ?? "");
      cache.set(name, { at: now, targets });
      return targets;
    },
  };
}
