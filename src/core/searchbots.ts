// Search engines whose crawlers prove themselves by DNS: the name behind the address lies in the engine's domain, and that name leads
// back to the address. PURE. Domains are those of the engines' own instructions; none in which customers get names belongs here
// (bc.googleusercontent.com is everybody's machine).

import type { Fault } from "./domain.ts";
import { suggest } from "./text.ts";

/** `ignorecommand = ["@searchbot", "google"]`: what stands in a program's place. */
export const searchbotWord = "@searchbot";

const domains: Readonly<Record<string, readonly string[]>> = {
  google: ["googlebot.com", "google.com"],
  bing: ["search.msn.com"],
  yandex: ["yandex.ru", "yandex.net", "yandex.com"],
  apple: ["applebot.apple.com"],
  baidu: ["baidu.com", "baidu.jp"],
  yahoo: ["crawl.yahoo.net"],
  seznam: ["seznam.cz"],
  petal: ["petalsearch.com"],
};

/** What is wrong with the engines named behind @searchbot; undefined: nothing. None named means all. */
export function searchbotFault(engines: readonly string[]): Fault | undefined {
  const wrong = engines.find((engine) => !Object.hasOwn(domains, engine));
  if (wrong === undefined) return undefined;
  const meant = suggest(wrong, Object.keys(domains));
  return {
    what: `${JSON.stringify(wrong)} is no search engine known here${meant === undefined ? "" : `, did you mean "${meant}"?`}`,
    fix: `one of ${Object.keys(domains).join(", ")}`,
  };
}

/** Does this name belong to a crawler of these engines (of any, where none is named)? */
export function isSearchbotName(name: string, engines: readonly string[]): boolean {
  const host = name.toLowerCase().replace(/\.$/, "");
  const asked = engines.length === 0 ? Object.keys(domains) : engines;
  return asked.some((engine) =>
    (Object.hasOwn(domains, engine) ? (domains[engine] ?? []) : []).some((domain) =>
      host.endsWith(`.${domain}`),
    ),
  );
}
