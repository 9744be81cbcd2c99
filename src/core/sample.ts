// Runs a jail file's own samples: each gives exactly what it states, and together they prove the filter. Used by the tests,
// by `f2b doctor` and by `f2b regex`.

import { parsePrefix, prefixContains } from "./address.ts";
import { encodeText } from "./bytes.ts";
import { createZone, utc } from "./datetime.ts";
import type { Filter, JournaldEntry, Result, Target, Time } from "./domain.ts";
import { type CompiledFilter, compileFilter } from "./filter.ts";
import { newHead, parseRendered } from "./logformat.ts";
import type { Pattern } from "./pattern.ts";
import { type Node, parseRegex, SyntaxFault } from "./regextree.ts";
import { createScanner, type Found, type Scanner } from "./scan.ts";

export interface Sample {
  readonly about: string;
  readonly lines: readonly string[];
  readonly mode: string | undefined;
  readonly parameters: Readonly<Record<string, string>>;
  /** The lines are journald's, rendered "HOST IDENT[PID]: MESSAGE". */
  readonly journal: boolean;
  readonly trustedproxies: readonly string[];
  /** The machine's. */
  readonly timezone: string;
  /** What must come out over all lines, in order. */
  readonly fail: readonly Expected[];
}

export interface Expected {
  readonly host?: string | undefined;
  readonly id?: string | undefined;
  readonly user?: string | undefined;
  readonly time?: string | undefined;
  readonly attempts?: number | undefined;
}

export interface SampleFault {
  /** Index of the sample; undefined: about the samples as a whole. */
  readonly sample: number | undefined;
  readonly what: string;
}

/** A filter for a mode and parameters, as config/jailfile.ts makes it. */
export type FilterFor = (
  mode: string | undefined,
  parameters: Readonly<Record<string, string>>,
) => Result<Filter>;

/** Samples without year are of 2026; times that are expected are UTC. */
const sampleNow: Time = Date.UTC(2026, 11, 31, 12);

/** A rendered journald line as an entry; a line without "IDENT: " is all message. */
export function renderedEntry(line: string, at: Time): JournaldEntry {
  const head = newHead();
  parseRendered(line, 0, line.length, head);
  const cut = (from: number, to: number): string => (from < 0 ? "" : line.slice(from, to));
  return {
    message: line.slice(head.message),
    identifier: cut(head.program, head.programEnd),
    pid: head.pid < 0 ? undefined : cut(head.pid, head.pidEnd),
    host: cut(head.host, head.hostEnd),
    at,
    trusted: {},
  };
}

/** All that is wrong with the samples of a filter; [] means proven. */
export function checkSamples(
  samples: readonly Sample[],
  filterFor: FilterFor,
  modes: readonly string[],
): readonly SampleFault[] {
  const faults: SampleFault[] = [];
  const filters = new Map<string, Ready | undefined>();
  const ready = (
    mode: string | undefined,
    parameters: Readonly<Record<string, string>>,
    sample: number | undefined,
  ): Ready | undefined => {
    const key = JSON.stringify([mode ?? "normal", parameters]);
    if (filters.has(key)) return filters.get(key);
    const effective = filterFor(mode, parameters);
    const compiled = effective.ok ? compileFilter(effective.value) : effective;
    if (!compiled.ok) faults.push(...compiled.faults.map((fault) => ({ sample, what: fault.what })));
    const one = compiled.ok ? { compiled: compiled.value, singles: singlesOf(compiled.value) } : undefined;
    filters.set(key, one);
    return one;
  };
  for (const [index, sample] of samples.entries()) {
    const one = ready(sample.mode, sample.parameters, index);
    if (one !== undefined) faults.push(...runSample(sample, one).map((what) => ({ sample: index, what })));
  }
  faults.push(
    ...coverage(
      samples,
      [...filters.values()],
      modes.map((mode) => ready(mode, {}, undefined)),
    ),
  );
  return faults;
}

interface Ready {
  readonly compiled: CompiledFilter;
  /** The same filter with one failregex, made when it is first asked for. */
  readonly singles: readonly { readonly pattern: Pattern; filter(): CompiledFilter | undefined }[];
}

/** False: the expression needs a text that the line does not hold. Escapes of JSON hide texts. */
const mayMatch = ({ literals }: Pattern, line: string): boolean =>
  literals === undefined || line.includes("\\") || literals.some((text) => line.includes(text));

function singlesOf({ filter, fail }: CompiledFilter): Ready["singles"] {
  return fail.map(({ pattern }) => {
    let made: CompiledFilter | undefined;
    return {
      pattern,
      filter() {
        if (made !== undefined) return made;
        // JSON that counts by its fields alone is nobody's expression.
        const json = filter.json?.filter(({ message }) => message.length > 0);
        const compiled = compileFilter({ ...filter, failregex: [pattern.source], session: undefined, json });
        made = compiled.ok ? compiled.value : undefined;
        return made;
      },
    };
  });
}

function runSample(sample: Sample, { compiled, singles }: Ready): string[] {
  const found = feed(scannerFor(compiled, sample), sample);
  const faults: string[] = [];
  const shown = found.map(describe).join("; ") || "nothing";
  if (found.length !== sample.fail.length) {
    const wanted =
      sample.fail.length === 0
        ? "no failure"
        : sample.fail.length === 1
          ? "one failure"
          : `${sample.fail.length} failures`;
    return [`${wanted} expected, got ${shown}`];
  }
  for (const [i, expected] of sample.fail.entries()) faults.push(...compare(expected, found[i]!));
  // At most one failregex for a failing line: two would count twice in other tools and hide each other here.
  if (compiled.filter.session === undefined && sample.lines.length === 1 && found.length === 1) {
    const line = encodeText(sample.lines[0] ?? "");
    const others = singles.filter((single) => {
      const filter = mayMatch(single.pattern, line) ? single.filter() : undefined;
      return filter !== undefined && feed(scannerFor(filter, sample), sample).length > 0;
    });
    if (others.length > 1)
      faults.push(`more than one failregex matches: ${others.map((o) => o.pattern.source).join("  and  ")}`);
  }
  return faults;
}

function scannerFor(filter: CompiledFilter, sample: Sample): Scanner {
  const proxies = sample.trustedproxies.flatMap((text) => parsePrefix(text) ?? []);
  const trusted = (target: Target): boolean =>
    target.kind === "address" && proxies.some((proxy) => prefixContains(proxy, target.text));
  return createScanner(
    [{ jail: "sample", filter, names: true, ...(proxies.length === 0 ? {} : { trusted }) }],
    {
      zone: createZone(sample.timezone) ?? utc,
      thorough: true,
    },
  );
}

function feed(scanner: Scanner, sample: Sample): readonly Found[] {
  const context = { now: sampleNow, live: false, clamp: false };
  if (sample.journal)
    return scanner.journald(
      sample.lines.map((line) => renderedEntry(line, sampleNow)),
      context,
    );
  return scanner.file(sample.lines.map((line) => `${encodeText(line)}\n`).join(""), context);
}

const describe = ({ failure }: Found): string =>
  `${failure.target.text}${failure.user === undefined ? "" : ` as "${failure.user}"`}${failure.attempts > 1 ? ` ×${failure.attempts}` : ""}`;

function compare(expected: Expected, { failure }: Found): string[] {
  const faults: string[] = [];
  const check = (
    what: string,
    wanted: string | number | undefined,
    got: string | number | undefined,
  ): void => {
    if (wanted !== undefined && wanted !== got)
      faults.push(`${what} ${JSON.stringify(wanted)} expected, got ${JSON.stringify(got)}`);
  };
  check("host", expected.host, failure.name ?? failure.target.text);
  if (expected.id !== undefined)
    check("id", expected.id, failure.target.kind === "id" ? failure.target.text : undefined);
  check("user", expected.user, failure.user);
  check("attempts", expected.attempts, failure.attempts);
  if (expected.time !== undefined) {
    const got = new Date(failure.at).toISOString().replace(/(?:\.000)?Z$/, "");
    check("time", expected.time.replace(/Z$/, ""), got);
  }
  return faults;
}

// --------------------------------------------------------------------------------------------------------------- coverage

const addressLike =
  /(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w])|(?<![\w:])(?:[0-9a-f]{1,4}:){2,}[0-9a-f:.]*[0-9a-f]/gi;

function coverage(
  samples: readonly Sample[],
  ran: readonly (Ready | undefined)[],
  modes: readonly (Ready | undefined)[],
): SampleFault[] {
  const faults: SampleFault[] = [];
  const reached = new Set<string>();
  const shapesReached = new Set<string>();
  for (const one of ran) {
    for (const { pattern, stats } of one?.compiled.fail ?? [])
      if (stats.hits > 0) reached.add(pattern.source);
    for (const { paths, stats } of one?.compiled.shapes ?? [])
      if (stats.hits > 0) shapesReached.add(JSON.stringify(paths));
  }
  const all = new Map(
    modes.flatMap((one) => one?.compiled.fail ?? []).map(({ pattern }) => [pattern.source, pattern]),
  );
  for (const source of all.keys()) {
    if (!reached.has(source))
      faults.push({ sample: undefined, what: `no sample reaches the failregex ${source}` });
  }
  for (const { paths } of modes.flatMap((one) => one?.compiled.shapes ?? [])) {
    const shape = JSON.stringify(paths);
    if (shapesReached.has(shape)) continue;
    shapesReached.add(shape);
    faults.push({ sample: undefined, what: `no sample is a JSON record of the shape ${shape}` });
  }
  const whole = (what: string): void => void faults.push({ sample: undefined, what });
  if (!samples.some((sample) => sample.fail.length === 0)) whole("no sample shows what is no failure");
  for (const one of modes.slice(0, 1)) {
    const compiled = one?.compiled;
    if (compiled === undefined) continue;
    if (compiled.fail.some(({ pattern }) => holdsFreeText(pattern.source))) {
      const attacks = samples.filter(smuggles).length;
      if (attacks < 3)
        whole(
          `${attacks} of the samples try to smuggle in an address; there must be three where a line holds a stranger's text`,
        );
    }
  }
  for (const { source, groups, anchored } of all.values()) {
    const multiline = modes.some((one) => (one?.compiled.filter.maxlines ?? 1) > 1);
    const elsewhere = modes.some((one) => {
      const filter = one?.compiled.filter;
      return (
        filter?.session !== undefined ||
        filter?.json !== undefined ||
        (filter?.prefregex ?? []).some((p) => /<(?:HOST|ADDR|F-ID|SUBNET|IP4|IP6)>/.test(p))
      );
    });
    if (!anchored && !multiline && !source.startsWith("^"))
      whole(`a failregex does not begin with ^: ${source}`);
    if (groups.hosts.length !== 1 && !(elsewhere && groups.hosts.length === 0)) {
      whole(`a failregex has ${groups.hosts.length} host tags instead of one: ${source}`);
    }
    const wildcard = wildcardBeforeHost(source);
    if (wildcard !== undefined) whole(`${wildcard}: ${source}`);
  }
  return faults;
}

/** An address stands in the sample that must not come out of it. */
function smuggles(sample: Sample): boolean {
  const hosts = new Set(sample.fail.flatMap((one) => (one.host === undefined ? [] : [one.host])));
  const inLines = sample.lines.flatMap((line) => line.match(addressLike) ?? []);
  return inLines.some((text) => !hosts.has(text.toLowerCase()) && !hosts.has(text.replace(/^::ffff:/i, "")));
}

const tagged = /<(\/?)(HOST|ADDR|IP4|IP6|SUBNET|CIDR|DNS|F-[A-Z0-9_-]+)(\/?)>/g;

/** A failregex as a tree, its address a group named "host", other tags plain groups; undefined: it cannot be read. */
export function treeOf(source: string): Node | undefined {
  try {
    return parseRegex(
      source.replace(tagged, (_, end: string, tag: string, empty: string) =>
        tag.startsWith("F-")
          ? empty === "/"
            ? "(?:\\S+)"
            : end === "/"
              ? ")"
              : "(?:"
          : "(?<host>[\\d.]{7,45})",
      ),
    );
  } catch (error) {
    if (error instanceof SyntaxFault) return undefined;
    throw error;
  }
}

/** A repetition that can hold a blank: what a stranger may fill with a forged tail. */
function holdsFreeText(source: string): boolean {
  const tree = treeOf(source);
  return tree !== undefined && sequence(tree).some(isWild);
}

/** A long repetition of a set that holds the blank. */
export const isWild = (node: Node): boolean =>
  node.kind === "repeat" && node.max > 20 && node.item.kind === "set" && node.item.set.has[32] === 1;

/** The parts of an expression in their order, groups opened, the address kept whole. */
export function sequence(node: Node): Node[] {
  if (node.kind === "concat" || node.kind === "either") return node.items.flatMap(sequence);
  if (node.kind === "group")
    return /^\?<host>/.test(node.opening) ? [node] : node.look === "" ? sequence(node.item) : [];
  if (node.kind === "repeat" && node.max <= 1) return sequence(node.item);
  return [node];
}

/** A catch-all in front of the address needs the end of the line as an anchor; else the stranger chooses which address is found. */
export function wildcardBeforeHost(source: string): string | undefined {
  const tree = treeOf(source);
  if (tree === undefined) return undefined;
  const items = sequence(tree);
  const host = items.findIndex((node) => node.kind === "group");
  if (host < 0 || !items.slice(0, host).some(isWild)) return undefined;
  return items.some((node) => node.kind === "end")
    ? undefined
    : "a catch-all stands before the address and the end is not anchored";
}
