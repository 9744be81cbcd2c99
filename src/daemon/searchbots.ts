// `ignorecommand = ["@searchbot", …]`: is the address really a crawler of a search engine? Its name must lie in the engine's domain and
// lead back to it. Asked only when a ban is about to be; while DNS does not answer nobody is banned, for a wrong ban costs a site its
// place in the search engine, and a false crawler is banned at its next request.

import { parseAddress } from "../core/address.ts";
import type { Failure, Jail, Time } from "../core/domain.ts";
import { isSearchbotName, searchbotWord } from "../core/searchbots.ts";
import { freshResolver } from "../system/dns.ts";
import type { System } from "../system/index.ts";

const keepMs = 60 * 60_000;
const keepUnknownMs = 60_000;
const sayEveryMs = 60 * 60_000;
const limitMs = 5_000;
const most = 10_000;
const atOnce = 50;
/** Whoever owns a network may give an address any number of names. */
const mostNames = 8;

/** Both reject with a `code` as node:dns does; ENOTFOUND and ENODATA are answers, all else is no answer. */
export interface Resolver {
  reverse(address: string): Promise<readonly string[]>;
  forward(name: string, family: 4 | 6): Promise<readonly string[]>;
}

type Verdict = "crawler" | "stranger" | "unknown";

/** The question for a jail that asks for it in place of a program; true means ignore. Undefined: the jail does not. */
export function createSearchbots(
  system: System,
  jail: Jail,
  resolver: Resolver = dns,
): ((failure: Failure, now: Time) => Promise<boolean>) | undefined {
  const [word, ...engines] = jail.ignore.ignorecommand ?? [];
  if (word !== searchbotWord) return undefined;
  const cache = new Map<string, { readonly until: Time; readonly verdict: Verdict }>();
  let asking = 0;
  let saidAt = Number.NEGATIVE_INFINITY;

  async function look(address: string, family: 4 | 6): Promise<Verdict> {
    try {
      const names = await answered(resolver.reverse(address));
      for (const name of names.slice(0, mostNames).filter((one) => isSearchbotName(one, engines))) {
        const addresses = await answered(resolver.forward(name, family));
        // Different spellings of one address are the same.
        if (addresses.some((one) => parseAddress(one) === address)) return "crawler";
      }
      return "stranger";
    } catch {
      return "unknown";
    }
  }

  function inTime(verdict: Promise<Verdict>): Promise<Verdict> {
    return new Promise((resolve) => {
      const cancel = system.clock.after(limitMs, () => resolve("unknown"));
      void verdict.then((one) => {
        cancel();
        resolve(one);
      });
    });
  }

  return async ({ target }, now) => {
    if (target.kind !== "address") return false;
    const known = cache.get(target.text);
    let verdict = known !== undefined && now < known.until ? known.verdict : undefined;
    if (verdict === undefined) {
      if (asking >= atOnce) return true;
      asking++;
      verdict = await inTime(look(target.text, target.family)).finally(() => {
        asking--;
      });
      cache.delete(target.text);
      if (cache.size >= most) cache.delete(cache.keys().next().value ?? "");
      cache.set(target.text, { until: now + (verdict === "unknown" ? keepUnknownMs : keepMs), verdict });
    }
    if (verdict === "unknown" && now - saidAt >= sayEveryMs) {
      saidAt = now;
      system.log.say(
        "warning",
        `[${jail.name}] DNS does not say who ${target.text} is: nobody is banned without that (${searchbotWord})`,
      );
    }
    return verdict !== "stranger";
  };
}

/** That there is no such name is an answer. */
async function answered(asked: Promise<readonly string[]>): Promise<readonly string[]> {
  try {
    return await asked;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTFOUND" || code === "ENODATA") return [];
    throw error;
  }
}

const dns: Resolver = {
  async reverse(address) {
    return (await freshResolver()).reverse(address);
  },
  async forward(name, family) {
    const resolver = await freshResolver();
    return family === 4 ? resolver.resolve4(name) : resolver.resolve6(name);
  },
};
