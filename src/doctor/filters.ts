// Expressions of the user and of his jail files: what matches too much, too little, too slowly, or whatever an attacker likes.
// Bundled filters are proven by the tests and not looked at again.

import { basename } from "node:path";
import { bundledJails } from "../config/bundled.ts";
import { placeOf } from "../config/faults.ts";
import type { Config } from "../config/index.ts";
import { effectiveFilter, type JailFile, modesOf, parseJailFile } from "../config/jailfile.ts";
import type { Path } from "../config/locate.ts";
import type { Source } from "../config/read.ts";
import type { Filter, Jail, Place } from "../core/domain.ts";
import { compileFilter } from "../core/filter.ts";
import { compilePattern, fillParameters, type Pattern } from "../core/pattern.ts";
import type { Node } from "../core/regextree.ts";
import { checkSamples, sequence, treeOf, wildcardBeforeHost } from "../core/sample.ts";
import { oddities } from "./dialects.ts";
import { examplesOf } from "./examples.ts";
import type { Read } from "./files.ts";
import { finding } from "./finding.ts";
import type { Finding } from "./index.ts";
import { ofFault } from "./syntax.ts";

const lists = ["failregex", "ignoreregex", "prefregex"] as const;
type List = (typeof lists)[number];

/** One expression as written, with its parameters filled in, and where it stands. */
interface Written {
  readonly list: List;
  readonly source: string;
  readonly filled: string;
  readonly at: Place | undefined;
  /** The table it stands in: modes may repeat what the base says. */
  readonly table?: string;
}

/** The expressions that jails of a configuration bring themselves. */
export function lintJails({ config, layers }: Read): Finding[] {
  return config.jails
    .filter((jail) => jail.enabled)
    .flatMap((jail) => {
      const written = lists.flatMap((list): Written[] => {
        const origin = config.resolver.origins(jail.name)[list];
        const layer = layers.find((one) => one.file === origin?.at.file);
        if (origin === undefined || origin.from === "service" || layer === undefined) return [];
        const path: Path = origin.from === "defaults" ? ["defaults", list] : ["jails", jail.name, list];
        const raw = path.reduce<unknown>(
          (table, key) => (table as Record<string, unknown> | undefined)?.[String(key)],
          layer.data,
        );
        const words = (Array.isArray(raw) ? raw : [raw]).map(String);
        const own = words.filter((word) => word !== "+").length;
        // The resolved list ends in these, with their parameters filled in.
        const filled = jail.filter[list].slice(-own);
        const skipped = words[0] === "+" ? 1 : 0;
        return words.flatMap((source, n) =>
          source === "+"
            ? []
            : [
                {
                  list,
                  source,
                  filled: filled[n - skipped] ?? source,
                  at: placeOf(layer.file, layer.text, Array.isArray(raw) ? [...path, n] : path, "value"),
                },
              ],
        );
      });
      return written.length === 0 && !setsDates(config, jail)
        ? []
        : lintFilter(jail.filter, written, settingAt(config, jail)).map((one) => ({
            ...one,
            what: `[jails.${jail.name}] ${one.what}`,
          }));
    });
}

const setsDates = (config: Config, jail: Jail): boolean => {
  const from = config.resolver.origins(jail.name).datepattern?.from;
  return from !== undefined && from !== "service";
};

const settingAt = (config: Config, jail: Jail): Place | undefined => {
  const origins = config.resolver.origins(jail.name);
  return (origins.datepattern ?? origins.failregex ?? origins.enabled)?.at;
};

/** A jail file as a whole: its form, its expressions in every mode, its samples. */
export function lintJailFile(source: Source): Finding[] {
  const name = basename(source.file).replace(/\.toml$/, "");
  const parsed = parseJailFile(name, source.text, source.file);
  if (!parsed.ok) return parsed.faults.map((fault) => ofFault(fault, "F2B226"));
  const file = parsed.value;
  const found: Finding[] = [];
  const seen = new Set<string>();
  // What is shipped has gone through an exact analysis of its running time.
  const proven = bundledJails().get(name) === source.text;
  for (const mode of modesOf(file)) {
    const filter = effectiveFilter(file, { mode });
    if (!filter.ok) {
      found.push(...filter.faults.map((fault) => ofFault(fault, "F2B226")));
      continue;
    }
    const written = writtenIn(file).filter(
      ({ list, filled }) => filter.value[list].includes(filled) && !seen.has(`${list} ${filled}`),
    );
    for (const one of written) seen.add(`${one.list} ${one.filled}`);
    found.push(...lintFilter(filter.value, written, undefined, proven));
  }
  // Samples of a filter that cannot be compiled say nothing.
  if (!found.some((one) => one.severity === "error")) found.push(...lintSamples(file));
  return found;
}

function writtenIn(file: JailFile): Written[] {
  const values = Object.fromEntries(
    Object.entries(file.filter.parameters ?? {}).map(([name, rule]) => [
      name,
      typeof rule === "string" ? rule : (rule.values?.[rule.default] ?? rule.default),
    ]),
  );
  const of = (table: Readonly<Record<string, unknown>>, path: Path): Written[] =>
    lists.flatMap((list) => {
      const raw = table[list];
      const words = (Array.isArray(raw) ? raw : raw === undefined ? [] : [raw]).map(String);
      return words.map((source, n) => {
        const filled = fillParameters(source, values);
        const at = placeOf(
          file.file,
          file.text,
          Array.isArray(raw) ? [...path, list, n] : [...path, list],
          "value",
        );
        return { list, source, filled: filled.ok ? filled.value : source, at, table: path.join(".") };
      });
    });
  return [
    ...of(file.filter, ["filter"]),
    ...Object.entries(file.filter.modes ?? {}).flatMap(([mode, table]) =>
      of(table, ["filter", "modes", mode]),
    ),
  ];
}

function lintSamples(file: JailFile): Finding[] {
  const filterFor = (mode: string | undefined, parameters: Readonly<Record<string, string>>) =>
    effectiveFilter(file, { ...(mode === undefined ? {} : { mode }), parameters });
  return checkSamples(file.samples, filterFor, modesOf(file)).flatMap(({ sample, what }): Finding[] => {
    const at = placeOf(
      file.file,
      file.text,
      sample === undefined ? ["filter", "failregex"] : ["sample", sample],
      "key",
    );
    if (sample !== undefined) {
      const about = file.samples[sample]?.about ?? "";
      return [finding("F2B208", `${about === "" ? "a sample" : about}: ${what}`, { at })];
    }
    if (what.startsWith("no sample reaches")) {
      const source = what.slice("no sample reaches the failregex ".length);
      return [
        finding("F2B207", what, { at: writtenIn(file).find((one) => one.filled === source)?.at ?? at }),
      ];
    }
    // What it says of anchors, tags and catch-alls has been said of the expression itself.
    return /samples? (?:shows|try|tries)|of the samples/.test(what) ? [finding("F2B223", what, { at })] : [];
  });
}

/** The expressions of one filter, one by one and against each other. */
function lintFilter(
  filter: Filter,
  written: readonly Written[],
  at: Place | undefined,
  proven = false,
): Finding[] {
  const multiline = filter.maxlines > 1;
  const found: Finding[] = [];
  const patterns: { readonly one: Written; readonly pattern: Pattern }[] = [];
  for (const one of written) {
    const odd = oddities(one.filled);
    const compiled = compilePattern(one.filled, { multiline, proven });
    found.push(...odd.map(({ id, what }) => finding(id, `${one.list}: ${what}`, { at: one.at })));
    if (compiled.ok) patterns.push({ one, pattern: compiled.value });
    else if (odd.length === 0)
      found.push(
        ...compiled.faults.map((fault) => finding("F2B201", `${one.list}: ${fault.what}`, { at: one.at })),
      );
  }
  const sound = found.length === 0;
  for (const { one, pattern } of patterns) found.push(...lintPattern(filter, one, pattern, sound));
  found.push(...twice(written));
  if (sound) found.push(...takenBack(filter, patterns));
  // Shapes that may take long have been looked for above.
  const compiled = compileFilter({ ...filter, own: false });
  if (!compiled.ok && found.every((one) => one.severity !== "error"))
    found.push(
      ...compiled.faults.map((fault) => ofFault({ ...fault, ...(at === undefined ? {} : { at }) }, "F2B222")),
    );
  return found;
}

function lintPattern(filter: Filter, one: Written, pattern: Pattern, sound: boolean): Finding[] {
  const { list, filled } = one;
  const at = { at: one.at };
  const shown = `${list} ${JSON.stringify(one.source)}`;
  const found: Finding[] = [];
  const multiline = filter.maxlines > 1;
  const anchored = pattern.anchored || multiline || filled.startsWith("^");
  if (pattern.suspicious !== undefined) found.push(finding("F2B204", `${shown}: ${pattern.suspicious}`, at));
  if (list === "ignoreregex" && !anchored)
    found.push(finding("F2B221", `${shown} does not begin with ^`, at));
  if (new RegExp(pattern.regex.source).test("")) {
    found.push(finding(list === "ignoreregex" ? "F2B206" : "F2B205", `${shown} matches an empty line`, at));
    return found;
  }
  if (list !== "failregex" || !sound) return found;
  if (!anchored) found.push(finding("F2B203", `${shown} does not begin with ^`, at));
  const hosts = pattern.groups.hosts.length;
  const elsewhere =
    filter.session !== undefined ||
    filter.json !== undefined ||
    filter.prefregex.some((p) => /<(?:HOST|ADDR|F-ID|SUBNET|IP4|IP6)>/.test(p));
  if (hosts === 0 && !elsewhere) found.push(finding("F2B202", `${shown} has no address`, at));
  if (hosts > 1 && !filled.includes("|"))
    found.push(finding("F2B210", `${shown} has ${hosts} addresses`, at));
  // The end of a line within several is an anchor like any other.
  if (wildcardBeforeHost(multiline ? filled.replaceAll("(?=\\n|$)", "$") : filled) !== undefined)
    found.push(finding("F2B209", `${shown}: a catch-all stands before the address and the end is open`, at));
  found.push(...besideHost(filled).map(({ id, what }) => finding(id, `${shown}: ${what}`, at)));
  // With a format that knows a head, the head is never seen.
  const strict = filter.format.split("|").every((name) => name === "syslog" || name === "timestamp");
  if (
    /^\^?[^A-Za-z]*(?:\\S\+|\\w\+|[\w-]+)? ?[\w-]*\\\[\\d\+\\\]: /.test(filled) &&
    (strict || filter.program !== undefined)
  )
    found.push(finding("F2B219", `${shown} names a program and its pid`, at));
  return found;
}

/** What stands right before and behind the address, where it may be part of it. */
function besideHost(source: string): { readonly id: "F2B211" | "F2B225"; readonly what: string }[] {
  const tree = treeOf(source);
  if (tree === undefined) return [];
  const items = sequence(tree);
  const host = items.findIndex((node) => node.kind === "group");
  if (host < 0) return [];
  const eats = (node: Node | undefined): boolean =>
    node?.kind === "repeat" &&
    node.min === 0 &&
    node.item.kind === "set" &&
    ["1", ".", ":", "a"].some((c) => node.item.kind === "set" && node.item.set.has[c.charCodeAt(0)] === 1);
  return [
    ...(eats(items[host - 1])
      ? [{ id: "F2B225" as const, what: "what stands before the address may be empty, or part of it" }]
      : []),
    ...(eats(items[host + 1])
      ? [{ id: "F2B211" as const, what: "what stands behind the address may be empty, or part of it" }]
      : []),
  ];
}

function twice(written: readonly Written[]): Finding[] {
  return written.flatMap((one, n) =>
    written
      .slice(0, n)
      .some((other) => other.list === one.list && other.table === one.table && other.filled === one.filled)
      ? [finding("F2B220", `${one.list} ${JSON.stringify(one.source)} stands there twice`, { at: one.at })]
      : [],
  );
}

/** A test for a whole message, as the scanner would run the expression. */
const testOf = ({ regex, anchored }: Pattern): RegExp =>
  new RegExp(anchored ? `^(?:${regex.source})` : regex.source);

/** Failregex of which every example that can be thought up is taken back by one ignoreregex; and filters that are taken back whole. */
function takenBack(
  filter: Filter,
  patterns: readonly { readonly one: Written; readonly pattern: Pattern }[],
): Finding[] {
  const multiline = filter.maxlines > 1;
  const ignoring = filter.ignoreregex.flatMap((source) => {
    const compiled = compilePattern(source, { multiline, proven: true });
    const test = compiled.ok ? testOf(compiled.value) : undefined;
    return test === undefined || test.test("") ? [] : [{ source, test }];
  });
  if (ignoring.length === 0) return [];
  const takerOf = (source: string, pattern: Pattern): string | undefined => {
    const test = testOf(pattern);
    const examples = examplesOf(source).filter((text) => test.test(text));
    if (examples.length === 0) return undefined;
    return ignoring.find((ignore) => examples.every((text) => ignore.test.test(text)))?.source;
  };
  const found = patterns.flatMap(({ one, pattern }) => {
    const taker = one.list === "failregex" ? takerOf(one.filled, pattern) : undefined;
    const what = `whatever failregex ${JSON.stringify(one.source)} finds, ignoreregex ${JSON.stringify(taker)} takes back`;
    return taker === undefined ? [] : [finding("F2B206", what, { at: one.at })];
  });
  // An ignoreregex over a service's own failregex may mean some of them, never all.
  const own = patterns.find(({ one }) => one.list === "ignoreregex");
  if (found.length > 0 || own === undefined || filter.prefregex.length > 0) return found;
  const whole = filter.failregex.every((source) => {
    const compiled = compilePattern(source, { multiline, proven: true });
    return compiled.ok && takerOf(source, compiled.value) !== undefined;
  });
  return whole
    ? [finding("F2B206", "whatever the filter finds, its ignoreregex take back", { at: own.one.at })]
    : [];
}
