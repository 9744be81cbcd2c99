// Runs a jail file's samples with hostile texts in them: who is blamed that never was there, and who gets away.

import { effectiveFilter, type JailFile, modesOf } from "../../src/config/jailfile.ts";
import { parsePrefix, prefixContains } from "../../src/core/address.ts";
import { decodeText, encodeText } from "../../src/core/bytes.ts";
import { createZone, utc } from "../../src/core/datetime.ts";
import type { Target } from "../../src/core/domain.ts";
import { type CompiledFilter, compileFilter } from "../../src/core/filter.ts";
import { renderedEntry, type Sample } from "../../src/core/sample.ts";
import { createScanner, type Found, type Scanner } from "../../src/core/scan.ts";
import { foreign, hostileTexts, type Payload } from "./hostile.ts";
import { jsonPlaces, type Place, placesIn } from "./places.ts";

export interface Finding {
  readonly jail: string;
  readonly mode: string;
  readonly sample: string;
  readonly place: string;
  readonly payload: string;
  /** The record was cut at this length. */
  readonly cut: number | undefined;
  readonly record: string;
  readonly got: string;
  /** The failregex that blamed. */
  readonly expression: string;
}

export interface Outcome {
  cases: number;
  readonly blamed: Finding[];
  readonly lost: Finding[];
}

export interface Scope {
  /** One case in so many is run. */
  readonly every: number;
  /** Length at which the logger cuts such a line; undefined: it does not. */
  readonly limit?: (formats: readonly string[], record: string) => number | undefined;
  /** As the service writes a text of a stranger into its line; undefined: it cannot hold that. */
  readonly written?: (text: string, place: Place, record: string) => string | undefined;
}

const now = Date.UTC(2026, 11, 31, 12);
const zone = createZone("UTC") ?? utc;
const context = { now, live: false, clamp: false };

export function attack(file: JailFile, scope: Scope): Outcome {
  const outcome: Outcome = { cases: 0, blamed: [], lost: [] };
  for (const mode of modesOf(file)) {
    const samples = file.samples.filter(
      (sample) => sample.mode === undefined || sample.mode === mode || sample.mode === "normal",
    );
    const parameters = new Map(samples.map((one) => [JSON.stringify(one.parameters), one.parameters]));
    for (const [key, values] of parameters) {
      const effective = effectiveFilter(file, { mode, parameters: values });
      const compiled = effective.ok ? compileFilter(effective.value) : effective;
      if (!compiled.ok) throw new Error(`${file.name}: ${compiled.faults[0]?.what}`);
      const run = new Run(file.name, mode, compiled.value, scope, outcome);
      for (const one of samples) if (JSON.stringify(one.parameters) === key) run.sample(one);
      run.flush();
    }
  }
  return outcome;
}

interface Case {
  readonly record: string;
  readonly base: Base;
  readonly place: Place;
  readonly payload: Payload;
  readonly cut: number | undefined;
}

interface Base {
  readonly sample: Sample;
  readonly hosts: readonly string[];
}

class Run {
  private readonly alone: boolean;
  private batch: Case[] = [];
  private count = 0;

  constructor(
    readonly jail: string,
    readonly mode: string,
    readonly filter: CompiledFilter,
    readonly scope: Scope,
    readonly outcome: Outcome,
  ) {
    this.alone = filter.session === undefined && filter.filter.maxlines === 1;
  }

  sample(sample: Sample): void {
    const lines = sample.lines.map((line) => encodeText(line));
    const records = this.alone ? lines.map((line) => `${line}\n`) : [`${lines.join("\n")}\n`];
    for (const record of records) this.record(sample, record);
  }

  private record(sample: Sample, record: string): void {
    let found: readonly Found[] = [];
    const places = placesIn(this.filter, record, () => {
      found = this.feed(sample, record);
    });
    const hosts = found.map(nameOf);
    if (hosts.some((host) => isForeign(host))) return;
    const base = { sample, hosts };
    const user = found[0]?.failure.user;
    if (this.filter.formats.includes("json")) places.push(...jsonPlaces(record));
    if (user !== undefined && user.length > 2) places.push(...spellings(record, encodeText(user), places));
    if (user !== undefined && user.length > 2) this.everywhere(base, record, encodeText(user), places);
    for (const place of places) {
      const inside = record.slice(place.from, place.to);
      if (hosts.includes(inside) || inside.includes("\n") || addressOnly.test(inside)) continue;
      for (const payload of hostileTexts(record, place)) this.payload(base, record, place, payload);
    }
  }

  private payload(base: Base, record: string, place: Place, payload: Payload): void {
    const text = this.written(payload.text, place, record);
    if (text === undefined) return;
    const front = record.slice(0, place.from) + text;
    if (this.chosen())
      this.run({ record: front + record.slice(place.to), base, place, payload, cut: undefined });
    if (!payload.own || place.json || base.sample.lines.length > 1) return;
    const limit = this.scope.limit?.(this.filter.formats, record);
    if (limit !== undefined) this.cut(base, record, place, payload, limit);
  }

  /** The line is cut while the text still stands in it: filled up behind it, or in front of it up to its last character. */
  private cut(base: Base, record: string, place: Place, payload: Payload, limit: number): void {
    const front = record.slice(0, place.from);
    const { text } = payload;
    const room = limit - front.length - text.length;
    if (room < 0) return;
    for (const full of [
      text + "A".repeat(room),
      text + " A".repeat(room).slice(0, room),
      "A".repeat(room) + text,
    ]) {
      const line = front + (this.written(full, place, record) ?? "");
      if (line.length >= limit && this.chosen())
        this.run({ record: `${line.slice(0, limit)}\n`, base, place, payload, cut: limit });
    }
  }

  /** A name that stands in several places, the same text in all of them. */
  private everywhere(base: Base, record: string, user: string, places: readonly Place[]): void {
    const same = places
      .filter(({ from, to }) => record.slice(from, to) === user)
      .sort((a, b) => a.from - b.from);
    const first = same[0];
    if (first === undefined || same.length < 2) return;
    for (const payload of hostileTexts(record, first)) {
      if (!this.chosen()) continue;
      let text = "";
      let at = 0;
      for (const place of same) {
        if (place.from < at) continue;
        text += record.slice(at, place.from) + (this.written(payload.text, place, record) ?? user);
        at = place.to;
      }
      const place = { ...first, what: "everywhere" };
      this.run({ record: text + record.slice(at), base, place, payload, cut: undefined });
    }
  }

  private written(payload: string, place: Place, record: string): string | undefined {
    const { written } = this.scope;
    const text = written === undefined ? payload : written(payload, place, record);
    return text === undefined || !place.json ? text : JSON.stringify(text).slice(1, -1);
  }

  private chosen(): boolean {
    return (Math.imul(++this.count, 2654435761) >>> 8) % this.scope.every === 0;
  }

  private run(one: Case): void {
    this.outcome.cases++;
    if (this.alone && !one.base.sample.journal && one.base.sample.trustedproxies.length === 0) {
      this.batch.push(one);
      if (this.batch.length >= 500) this.flush();
    } else this.judge(one, this.feed(one.base.sample, one.record));
  }

  /** Lines that stand for themselves are run many at a time; what looks wrong then is run again by itself. */
  flush(): void {
    const cases = this.batch;
    this.batch = [];
    const chunk = cases.map((one) => one.record).join("");
    const found = scanner(this.filter, []).file(chunk, context);
    let end = 0;
    let at = 0;
    for (const one of cases) {
      end += one.record.length;
      const own: Found[] = [];
      while (at < found.length && found[at]!.end <= end) own.push(found[at++]!);
      if (this.isWrong(one, own)) this.judge(one, this.feed(one.base.sample, one.record));
    }
  }

  private isWrong(one: Case, found: readonly Found[]): boolean {
    const names = found.map(nameOf);
    return (
      names.some(isForeign) || (one.cut === undefined && one.base.hosts.some((host) => !names.includes(host)))
    );
  }

  private judge(one: Case, found: readonly Found[]): void {
    if (!this.isWrong(one, found)) return;
    const wrong = found.find((each) => isForeign(nameOf(each)));
    const finding: Finding = {
      jail: this.jail,
      mode: this.mode,
      sample: one.base.sample.about,
      place: one.place.what,
      payload: one.payload.name,
      cut: one.cut,
      record: one.record.slice(0, -1),
      got: found.map(nameOf).join(", "),
      expression: this.filter.filter.failregex[(wrong ?? found[0])?.failure.regex ?? -1] ?? "",
    };
    (wrong === undefined ? this.outcome.lost : this.outcome.blamed).push(finding);
  }

  private feed(sample: Sample, record: string): readonly Found[] {
    const one = scanner(this.filter, sample.trustedproxies);
    if (!sample.journal) return one.file(record, context);
    const lines = record.slice(0, -1).split("\n");
    return one.journald(
      lines.map((line) => renderedEntry(decodeText(line), now)),
      context,
    );
  }
}

const addressOnly = /^\[?(?:::ffff:)?(?:[\d.]{7,15}|[\da-f:.]*:[\da-f:.]*)\]?(?::\d+)?$/i;
const nameOf = ({ failure }: Found): string => failure.name ?? failure.target.text;
const isForeign = (host: string): boolean =>
  foreign.some((one) => host === one || host.startsWith(`${one}/`));

function scanner(filter: CompiledFilter, trustedproxies: readonly string[]): Scanner {
  const proxies = trustedproxies.flatMap((text) => parsePrefix(text) ?? []);
  const trusted = (target: Target): boolean =>
    target.kind === "address" && proxies.some((proxy) => prefixContains(proxy, target.text));
  return createScanner(
    [{ jail: "injection", filter, names: true, ...(proxies.length === 0 ? {} : { trusted }) }],
    { zone, thorough: true, linecap: 1 << 20 },
  );
}

/** Where else the user's name stands. */
function spellings(record: string, user: string, known: readonly Place[]): Place[] {
  const places: Place[] = [];
  for (let at = record.indexOf(user); at >= 0; at = record.indexOf(user, at + user.length)) {
    const to = at + user.length;
    if (!known.some((place) => place.from === at && place.to === to))
      places.push({
        from: at,
        to,
        what: "name",
        message: known[0]?.message ?? 0,
        json: known[0]?.json ?? false,
      });
  }
  return places;
}
