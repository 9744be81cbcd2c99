// Who is a search engine's crawler, by a DNS that the test writes.

import { describe, expect, test } from "bun:test";
import type { Failure, Jail } from "../../src/core/domain.ts";
import { isSearchbotName, searchbotFault } from "../../src/core/searchbots.ts";
import { createSearchbots, type Resolver } from "../../src/daemon/searchbots.ts";
import { faults, good } from "../config/support.ts";
import { target } from "../support/records.ts";
import { fakeSystem } from "../support/system.ts";

const bot = "66.249.66.1";
const impostor = "203.0.113.5";
const failureOf = (who: string): Failure => ({
  target: target(who),
  at: 0,
  line: "GET / Googlebot",
  attempts: 1,
  regex: 0,
});

type Answers = Readonly<Record<string, readonly string[] | string>>;

/** Texts are error codes; a question that is not written down stays open for ever. */
function world(answers: Answers, ignorecommand = '["@searchbot", "google"]') {
  const asked: string[] = [];
  const answer = (question: string): Promise<readonly string[]> => {
    asked.push(question);
    const known = answers[question];
    if (known === undefined) return new Promise(() => {});
    return typeof known === "string"
      ? Promise.reject(Object.assign(new Error(known), { code: known }))
      : Promise.resolve(known);
  };
  const resolver: Resolver = { reverse: answer, forward: (name, family) => answer(`${name} ${family}`) };
  const system = fakeSystem();
  const [jail] = good(`[jails.demo]\nenabled = true\nignorecommand = ${ignorecommand}`).jails as [Jail];
  const ask = createSearchbots(system, jail, resolver);
  if (ask === undefined) throw new Error("the jail asks the DNS");
  return { asked, system, ask: (who: string) => ask(failureOf(who), system.clock.now()) };
}

describe("@searchbot", () => {
  test("spares whose name lies in the engine's domain and leads back", async () => {
    const { ask } = world({
      [bot]: ["crawl-66-249-66-1.googlebot.com"],
      "crawl-66-249-66-1.googlebot.com 4": ["66.249.66.2", bot],
      "2001:4860:4801:10::1": ["crawl-x.googlebot.com"],
      "crawl-x.googlebot.com 6": ["2001:4860:4801:0010:0:0:0:1"],
    });
    expect(await ask(bot)).toBe(true);
    expect(await ask("2001:4860:4801:10::1")).toBe(true);
  });

  test("does not believe a name alone: it must lead back to the address", async () => {
    const { ask } = world({
      [impostor]: ["crawl-66-249-66-1.googlebot.com"],
      "crawl-66-249-66-1.googlebot.com 4": [bot],
      "203.0.113.6": ["nobody.googlebot.com"],
      "nobody.googlebot.com 4": "ENOTFOUND",
    });
    expect(await ask(impostor)).toBe(false);
    expect(await ask("203.0.113.6")).toBe(false);
  });

  test("does not even ask about names of others, nor of engines that were not named", async () => {
    const names = [
      "googlebot.com.evil.example",
      "evilgooglebot.com",
      "msnbot.search.msn.com",
      "1.2.3.4.bc.googleusercontent.com",
    ];
    const { ask, asked } = world({ [impostor]: names });
    expect(await ask(impostor)).toBe(false);
    expect(asked).toEqual([impostor]);
  });

  test("takes an address without a name for a stranger", async () => {
    const { ask } = world({ [impostor]: "ENOTFOUND", "203.0.113.6": "ENODATA", "203.0.113.7": [] });
    for (const who of [impostor, "203.0.113.6", "203.0.113.7"]) expect(await ask(who)).toBe(false);
  });

  test("spares while DNS gives no answer, says so once, and asks again after a minute", async () => {
    const { ask, asked, system } = world({ [impostor]: "ESERVFAIL", "203.0.113.6": "ETIMEOUT" });
    expect(await ask(impostor)).toBe(true);
    expect(await ask("203.0.113.6")).toBe(true);
    expect(await ask(impostor)).toBe(true);
    expect(asked).toEqual([impostor, "203.0.113.6"]);
    expect(system.said.filter(({ text }) => text.includes("DNS does not say"))).toHaveLength(1);
    system.clock.turn(61_000);
    expect(await ask(impostor)).toBe(true);
    expect(asked).toHaveLength(3);
  });

  test("waits five seconds at most", async () => {
    const { ask, system } = world({});
    let answer: boolean | undefined;
    const asking = ask(impostor).then((one) => {
      answer = one;
    });
    await Promise.resolve();
    system.clock.turn(4_900);
    await Promise.resolve();
    expect(answer).toBeUndefined();
    system.clock.turn(200);
    await asking;
    expect(answer).toBe(true);
  });

  test("asks about one address once an hour", async () => {
    const { ask, asked, system } = world({ [impostor]: [] });
    for (let i = 0; i < 10; i++) expect(await ask(impostor)).toBe(false);
    expect(asked).toHaveLength(1);
    system.clock.turn(3_601_000);
    await ask(impostor);
    expect(asked).toHaveLength(2);
  });

  test("looks at few of many names", async () => {
    const names = Array.from({ length: 1000 }, (_, n) => `x${n}.googlebot.com`);
    const answers = Object.fromEntries(names.map((name) => [`${name} 4`, ["192.0.2.1"]]));
    const { ask, asked } = world({ [impostor]: names, ...answers });
    expect(await ask(impostor)).toBe(false);
    expect(asked.length).toBeLessThan(20);
  });

  test("without a name means every engine known", () => {
    expect(isSearchbotName("msnbot-1.search.msn.com", [])).toBe(true);
    expect(isSearchbotName("MSNBOT-1.SEARCH.MSN.COM.", ["bing"])).toBe(true);
    expect(isSearchbotName("search.msn.com", ["bing"])).toBe(false);
    expect(isSearchbotName("x.googlebot.com", ["bing"])).toBe(false);
    expect(isSearchbotName("x.constructor", ["constructor"])).toBe(false);
  });

  test("a program is no such question", () => {
    const [jail] = good('[jails.demo]\nenabled = true\nignorecommand = ["/bin/true"]').jails as [Jail];
    expect(createSearchbots(fakeSystem(), jail)).toBeUndefined();
  });

  test("an engine that is not known is a mistake of the configuration", () => {
    expect(searchbotFault(["google", "bing"])).toBeUndefined();
    const [fault] = faults('[jails.demo]\nenabled = true\nignorecommand = ["@searchbot", "gogle"]');
    expect(fault?.what).toContain('did you mean "google"?');
  });
});
