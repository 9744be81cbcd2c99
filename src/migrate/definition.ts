// A filter or action file of fail2ban with the arguments a jail gives it: arguments before [Init] before [Definition] before
// [DEFAULT], then tags put in their places. `<section/option>` reaches any section, `<known/option>` what the file itself says.

import type { Fault, Place } from "../core/domain.ts";
import type { RawLine } from "./ini.ts";
import { getOption, type Layers, readLayers, type Scope, type Text, type Tree } from "./layers.ts";
import { conditionalNames, type Options, substitute } from "./tags.ts";

export interface Definition {
  readonly name: string;
  /** The files it was read from; [] when there is none. */
  readonly files: readonly string[];
  readonly layers: Layers;
  readonly options: Options;
  /** Names that have a variant per address family; their tags stay. */
  readonly conditional: ReadonlySet<string>;
  /** An option after interpolation and tags; undefined when set nowhere. */
  value(option: string): Text | undefined;
  /** As `value`, but with the variant for this family where there is one. */
  familyValue(option: string, family: "inet4" | "inet6"): Text | undefined;
  readonly faults: Fault[];
  /** What it was read with, for reading it again. */
  readonly asked: DefinitionOptions;
}

export interface DefinitionOptions {
  readonly tree: Tree;
  readonly directory: string;
  readonly kind: "filter.d" | "action.d";
  readonly name: string;
  readonly args: ReadonlyMap<string, string>;
  /** Options that hold unless the file or the arguments say otherwise (`logtype`). */
  readonly defaults?: Readonly<Record<string, string>>;
  /** Options that only the arguments override (`name` of an action: the jail's). */
  readonly fixed?: Readonly<Record<string, string>>;
  /** See Scope.instead. */
  readonly instead?: Readonly<Record<string, string>>;
  /** Where the arguments stand. */
  readonly at: Place;
  readonly predefined: Readonly<Record<string, string>>;
}

export function readDefinition(asked: DefinitionOptions): Definition {
  const base = `${asked.directory}/${asked.kind}/${asked.name}`;
  const layers = readLayers(asked.tree, [`${base}.conf`, `${base}.local`], asked.predefined);
  const faults: Fault[] = [...layers.faults];
  const scope: Scope = {
    layers,
    predefined: asked.predefined,
    ...(asked.instead === undefined ? {} : { instead: asked.instead }),
  };
  const cache = new Map<string, Text | undefined>();

  const own = (name: string): Text | undefined => {
    const instead = asked.instead?.[name];
    if (instead !== undefined) return constant(instead, asked.at);
    for (const section of ["Init", "Definition"]) {
      if (layers.sections.get(section)?.has(name)) return getOption(scope, section, name, faults);
    }
    if (layers.sections.get("DEFAULT")?.has(name)) return getOption(scope, "Definition", name, faults);
    const fixed = asked.defaults?.[name];
    return fixed === undefined ? undefined : constant(fixed, asked.at);
  };
  const anyCase = (name: string): string | undefined => {
    if (asked.args.has(name)) return name;
    return [...asked.args.keys()].find((key) => key.toLowerCase() === name.toLowerCase());
  };
  const find = (name: string): Text | undefined => {
    if (name.startsWith("known/")) return own(name.slice(6).toLowerCase());
    const slash = name.indexOf("/");
    if (slash > 0) {
      const section = name.slice(0, slash);
      return layers.sections.has(section)
        ? getOption(scope, section, name.slice(slash + 1).toLowerCase(), faults)
        : undefined;
    }
    const arg = anyCase(name);
    if (arg !== undefined) return constant(asked.args.get(arg)!, asked.at);
    const fixed = asked.fixed?.[name];
    return fixed === undefined ? own(name.toLowerCase()) : constant(fixed, asked.at);
  };
  const options: Options = {
    get(name) {
      if (!cache.has(name)) cache.set(name, find(name));
      return cache.get(name);
    },
    names() {
      const names = new Set(asked.args.keys());
      for (const section of ["Init", "Definition", "DEFAULT"]) {
        for (const key of layers.sections.get(section)?.keys() ?? []) names.add(key);
      }
      return names;
    },
  };
  const conditional = conditionalNames(options);

  return {
    name: asked.name,
    files: layers.files,
    layers,
    options,
    conditional,
    value(option) {
      const raw = options.get(option);
      return raw === undefined ? undefined : substitute(raw, option, options, conditional, faults);
    },
    familyValue(option, family) {
      const view: Options = {
        get: (name) => options.get(`${name}?family=${family}`) ?? options.get(name),
        names: () => options.names(),
      };
      const raw = view.get(option);
      return raw === undefined ? undefined : substitute(raw, option, view, new Set(), faults);
    },
    faults,
    asked,
  };
}

function constant(text: string, at: Place): Text {
  const lines: RawLine[] = text.split("\n").map((line) => ({ text: line.trim(), at }));
  return { text: lines.map((line) => line.text).join("\n"), lines, at };
}
