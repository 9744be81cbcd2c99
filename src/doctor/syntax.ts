// What loading the configuration found, as findings: each fault of config/ gets the id under which it is explained. And what only
// shows when files are laid beside each other: settings that a later file overrides.

import { placeOf } from "../config/faults.ts";
import { elsewhere } from "../config/parity.ts";
import type { Layer } from "../config/read.ts";
import { fileTable } from "../config/schema.ts";
import type { Fault } from "../core/domain.ts";
import type { Id } from "./catalogue.ts";
import { finding } from "./finding.ts";
import type { Finding, Mend } from "./index.ts";
import { maskLine } from "./secrets.ts";

/** In order; the first that fits counts. What a fault says first, then what it proposes. */
const kinds: readonly (readonly [Id, RegExp, RegExp?])[] = [
  ["F2B601", /can be written by |belongs to user \d+, not to root/],
  ["F2B026", /^saved settings are left out/],
  ["F2B222", /^the datepattern/],
  ["F2B011", /^TOML syntax: .*(?:redefin|already|duplicate)/i],
  ["F2B001", /^TOML syntax|is not TOML|nested too deeply/],
  ["F2B010", /does not exist$|cannot be read|, not a file$|bytes? long$|is too long$|not UTF-8$/],
  ["F2B016", /^there is no \[notify\.|^notify\.|\[notify\.|\[report|^enrichment/],
  ["F2B015", /\[banaction|^banaction|^there is no banaction|^no banaction is named/],
  ["F2B008", /^there is no (?:key|table)/, /belongs in |^write bantime = \{/],
  ["F2B003", /^there is no (?:key|table)/, /^did you mean/i],
  ["F2B002", /^there is no (?:key|table)/],
  ["F2B013", /^there is no (?:service|filter)/],
  ["F2B014", /^the (?:filter .* has no|parameter)/],
  ["F2B023", /cannot be a name|cannot be a jail's name/],
  ["F2B023", /^\S*: (?:a jail's name|letters, digits)/],
  ["F2B021", /does not say enabled = true/],
  ["F2B022", /^no jail is enabled/],
  ["F2B020", /^nothing says/],
  ["F2B024", /^journalmatch/],
  [
    "F2B017",
    /(?:is|are) not an? (?:address|prefix)|not a prefix|looks like a comment|neither an address|loopback/,
  ],
  ["F2B018", /is not a port|no port |runs backwards|is no protocol|no protocol|is not a chain/],
  ["F2B019", /^logpath|absolute|only a shell|quote is not closed|whole path/],
  ["F2B007", /not a duration|too short|too long|cannot be forever|is no (?:schedule|time zone)/],
  ["F2B006", /must be at (?:least|most)/],
  ["F2B004", /must be .*, not |is missing: it must be /],
  ["F2B003", /cannot be /, /^did you mean/i],
  ["F2B005", /cannot be "/],
  ["F2B202", /does not say whom to blame/],
  ["F2B205", /matches an empty line/],
  ["F2B201", /regex|expression/],
];

/** The id under which a fault of the configuration is explained. */
export function idOf(fault: Fault): Id {
  const { what, fix = "" } = fault;
  if (/^there is no (?:key|table)/.test(what) && Object.values(elsewhere).includes(fix)) return "F2B009";
  return (
    kinds.find(([, says, proposes]) => says.test(what) && proposes?.test(fix) !== false)?.[0] ?? "F2B025"
  );
}

export const ofFault = (found: Fault, fallback?: Id): Finding => {
  const fault = wrongFile(withoutSecrets(found));
  const id = idOf(fault);
  const made = finding(id === "F2B025" && fallback !== undefined ? fallback : id, fault.what, {
    ...fault,
    mend: mendOf(id, fault),
  });
  return { ...made, fix: made.fix.replace("config reference KEY", `config reference ${keyIn(fault.what)}`) };
};

/** The key that a fault is about, as f2b config reference takes it. */
function keyIn(what: string): string {
  const path = /^([a-z][\w.-]*)(?: \(entry \d+\))?:? /.exec(what)?.[1];
  if (path === undefined || !/^\S+:|(?:must be|is missing|cannot be) /.test(what)) return "KEY";
  return /^(?:prefix|campaign|bantime|ignorecache)\./.test(path)
    ? path
    : path.slice(path.lastIndexOf(".") + 1);
}

/** What belongs into the other kind of file: tables of the configuration in a jail file, a jail file's in the configuration. */
function wrongFile(fault: Fault): Fault {
  const [, kind, key = ""] =
    /^there is no (key|table) "([\w-]+)"(?: in a jail file)?$/.exec(fault.what) ?? [];
  if (kind === "table" && ["filter", "sample", "summary", "needs", "doc"].includes(key))
    return { ...fault, fix: `${key} belongs in a jail file: write it to jails/NAME.toml beside f2b.toml` };
  if (kind === "key" && Object.keys(fileTable({}).shape).includes(key))
    return { ...fault, fix: `[${key}] belongs in f2b.toml or conf.d/*.toml` };
  return fault;
}

/** A line that cannot be read may be that of a password, and what to write instead of it would show it. */
const withoutSecrets = (fault: Fault): Fault => ({
  ...fault,
  what: maskLine(fault.what),
  ...(fault.fix === undefined ? {} : { fix: maskLine(fault.fix) }),
});

/** A misspelt key has one meaning; a jail that does not say whether it is on was written in order to be on. */
function mendOf(id: Id, { what, fix, at }: Fault): Mend | undefined {
  if (at === undefined || at.file.startsWith("bundled ")) return undefined;
  if (id === "F2B021") return { kind: "insert", at, text: "enabled = true" };
  const key = /^there is no key "([\w.-]+)"/.exec(what)?.[1];
  const meant = /^did you mean "?([\w.-]+)"?\?$/i.exec(fix ?? "")?.[1];
  return id === "F2B003" && key !== undefined && meant !== undefined
    ? { kind: "replace", at, from: key, to: meant }
    : undefined;
}

type Table = Readonly<Record<string, unknown>>;
const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);

/** A value that another file of the configuration overrides with a different one. What f2b set saved is meant to override. */
export function shadowed(layers: readonly Layer[]): Finding[] {
  const found: Finding[] = [];
  const first = new Map<
    string,
    { readonly layer: Layer; readonly path: readonly string[]; readonly text: string }
  >();
  const walk = (layer: Layer, table: Table, path: readonly string[]): void => {
    for (const [key, value] of Object.entries(table)) {
      const here = [...path, key];
      if (isTable(value)) {
        walk(layer, value, here);
        continue;
      }
      const name = here.join("\0");
      const text = JSON.stringify(value);
      const before = first.get(name);
      if (before !== undefined && before.layer !== layer && before.text !== text)
        found.push(
          finding(
            "F2B012",
            `${here.slice(-1)[0]} of [${here.slice(0, -1).join(".")}] is overridden in ${layer.file}`,
            {
              at: placeOf(before.layer.file, before.layer.text, before.path, "key"),
            },
          ),
        );
      first.set(name, { layer, path: here, text });
    }
  };
  for (const layer of layers) if (!layer.saved) walk(layer, layer.data, []);
  return found;
}
