// What can be found out about an address for a message: reverse DNS, registration, country, abuse contact. Off unless configured or
// asked for by a form of message; never in the way: bounded in time, in number at once and in queue, remembered for a day, and
// whatever fails is simply absent.

import { parseAddress, parsePrefix } from "../core/address.ts";
import type { Target } from "../core/domain.ts";
import { createPrefixSet } from "../core/prefixset.ts";
import { visibleLine } from "../core/text.ts";
import { freshResolver } from "../system/dns.ts";
import type { System } from "../system/index.ts";
import type { EnrichOptions } from "./enrichoptions.ts";
import type { Enrichment, Want } from "./index.ts";
import { createPlaces, type Place } from "./places.ts";
import { abuseInWhois, askRdap, askWhois, type Registries, registries } from "./registry.ts";

export interface Enricher {
  /** What is known and wanted, after at most `budgetMs`; {} when nothing is. Never rejects. */
  look(target: Target, wants: readonly Want[]): Promise<Enrichment>;
  /** From the local files alone, at once; for statistics. */
  place(address: string): Place;
}

const budgetMs = 10_000;
const atOnce = 4;
const queueLimit = 200;
const cacheLimit = 2000;
const dayMs = 86_400_000;
const hourMs = 3_600_000;

// Nobody outside knows anything about these, and asking would tell the world about ours.
const inner = createPrefixSet(
  [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    "::/8",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
    "2001:db8::/32",
  ].map((text) => parsePrefix(text)!),
);

/** The questions themselves, replaceable in tests. Each may reject and need not end. */
export interface Oracles {
  readonly names: (address: string) => Promise<readonly string[]>;
  readonly registries: Registries;
  readonly isInner: (address: string) => boolean;
}

const world: Oracles = {
  names: async (address) => (await freshResolver()).reverse(address),
  registries,
  isInner(text) {
    const address = parseAddress(text);
    return address === undefined || inner.find(address) !== undefined;
  },
};

export function createEnricher(options: EnrichOptions, system: System, oracles: Oracles = world): Enricher {
  const places = createPlaces(options.databases, system);
  const cache = new Map<string, { readonly until: number; readonly found: Enrichment }>();
  const waiting: (() => void)[] = [];
  let running = 0;

  async function turn(): Promise<boolean> {
    if (running < atOnce) {
      running++;
      return true;
    }
    if (waiting.length >= queueLimit) return false;
    // The place is handed over by whoever ends, so `running` stays as it is.
    await new Promise<void>((go) => waiting.push(go));
    return true;
  }

  function done(): void {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }

  /** The promise's value, or nothing when it fails or the time is over. */
  function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
    return new Promise((fulfil) => {
      const cancel = system.clock.after(ms, () => fulfil(undefined));
      work.then(
        (value) => {
          cancel();
          fulfil(value);
        },
        () => {
          cancel();
          fulfil(undefined);
        },
      );
    });
  }

  async function ask(address: string, wants: ReadonlySet<Want>): Promise<Enrichment> {
    const wantsRegistration = wants.has("network") || wants.has("abuse");
    const [names, registration, whois] = await Promise.all([
      wants.has("name") ? within(oracles.names(address), budgetMs) : undefined,
      wantsRegistration ? within(askRdap(address, oracles.registries), budgetMs) : undefined,
      wants.has("whois") ? within(askWhois(address, budgetMs / 2, oracles.registries), budgetMs) : undefined,
    ]);
    const name = names?.[0];
    const abuse = registration?.abuse ?? (whois === undefined ? undefined : abuseInWhois(whois));
    return {
      ...registration,
      // DNS names hold what their owner likes; only what a host name may hold is shown.
      ...(name === undefined ? {} : { name: visibleLine(name.replace(/[^A-Za-z0-9._-]/g, "?"), 120) }),
      ...(abuse === undefined ? {} : { abuse }),
      ...(whois === undefined || whois === "" ? {} : { whois }),
    };
  }

  return {
    place: (address) => places.find(address),
    async look(target, wants) {
      if (target.kind === "id") return {};
      const address = target.text.replace(/\/.*$/, "");
      const here = places.find(address);
      const all = new Set<Want>(wants.filter((want) => want !== "lines"));
      if (options.reversedns) all.add("name");
      if (options.rdap) all.add("network");
      if (options.whois) all.add("whois");
      for (const want of ["country", "asn", "organisation"] as const) all.delete(want);
      if (all.size === 0 || oracles.isInner(address)) return here;
      const key = `${address} ${[...all].sort().join(" ")}`;
      const now = system.clock.monotonic();
      const known = cache.get(key);
      if (known !== undefined && known.until > now) return { ...known.found, ...here };
      if (!(await turn())) return here;
      try {
        const found = await ask(address, all);
        cache.delete(key);
        cache.set(key, { until: now + (Object.keys(found).length > 0 ? dayMs : hourMs), found });
        if (cache.size > cacheLimit) cache.delete(cache.keys().next().value!);
        return { ...found, ...here };
      } finally {
        done();
      }
    },
  };
}
