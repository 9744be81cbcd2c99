// Proposal and answers → the text of f2b.toml, with the reason above each line; for a configuration that exists, its own text with
// additions. PURE.

import { parse } from "smol-toml";
import { locate } from "../config/locate.ts";
import { isTable } from "../config/merge.ts";
import { tomlText } from "../config/settings.ts";
import type { Address } from "../core/domain.ts";
import { visible } from "../core/text.ts";
import { byReason, type Line, type Proposal, type ProposedJail } from "./propose.ts";

export interface Choices {
  /** Names of the jails to switch on. */
  readonly jails: readonly string[];
  readonly ignore: readonly Address[];
  /** Where a daily report goes, and how; undefined: nowhere. */
  readonly mail: { readonly to: string; readonly via: "server" | "sendmail" } | undefined;
}

/** A terminal of 80 columns shows the file without breaking its lines, also in a frame. */
const columns = 74;

/** A whole new file. */
export function freshText(proposal: Proposal, choices: Choices, date: string): string {
  const { chosen, others } = split(proposal, choices);
  return [
    comment(
      `f2b's configuration, proposed by "f2b init" on ${date} from what was found on this machine. "f2b config reference" explains every key, "f2b config check" finds mistakes, "f2b reload" brings a change into force. What is not written here has its default.`,
    ),
    "\n[defaults]\n",
    proposal.defaults.map(lineText).join(""),
    ignoreText(choices.ignore),
    comment(
      "Who fails maxretry times within findtime is banned. The defaults are 5 and 10m; jail files of some services say otherwise.",
    ),
    '# maxretry = 5\n# findtime = "10m"\n',
    ...chosen.map((jail) => `\n${jailText(jail)}`),
    mailText(choices.mail),
    othersText(proposal, others),
  ].join("");
}

/** Additions to a text that stays as it is otherwise. `ignore` goes into its [defaults]. */
export function addedText(text: string, proposal: Proposal, choices: Choices): string {
  const { chosen } = split(proposal, choices);
  const withIgnored = choices.ignore.length === 0 ? text : addIgnored(text, choices.ignore);
  const added = [...chosen.map((jail) => `\n${jailText(jail)}`), mailText(choices.mail)].join("");
  return `${withIgnored}${withIgnored.endsWith("\n") || added === "" ? "" : "\n"}${added}`;
}

function split({ jails }: Proposal, choices: Choices) {
  return {
    chosen: jails.filter((jail) => choices.jails.includes(jail.jail)),
    others: jails.filter((jail) => !choices.jails.includes(jail.jail)),
  };
}

function jailText(jail: ProposedJail): string {
  return [
    comment(visible(jail.summary)),
    comment(sentence(visible(jail.seen.join("; ")))),
    `[jails.${/^[\w-]+$/.test(jail.jail) ? jail.jail : JSON.stringify(jail.jail)}]\nenabled = true\n`,
    ...jail.lines.map(lineText),
  ].join("");
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

const lineText = ({ key, value, reason }: Line): string =>
  `${comment(visible(reason))}${key} = ${tomlText(value)}\n`;

function ignoreText(addresses: readonly Address[]): string {
  if (addresses.length > 0)
    return `${comment("Never counted nor banned. You were connected from here when this was written.")}ignoreip = ${tomlText(addresses)}\n`;
  const why = "Never counted nor banned: your own addresses, monitoring. The machine's own are safe anyway.";
  return `${comment(why)}# ignoreip = ["192.0.2.0/24"]\n`;
}

function mailText(mail: Choices["mail"]): string {
  if (mail === undefined) return "";
  const why =
    mail.via === "server"
      ? "A report once a day, by the mail server of this machine; and at once what is broken."
      : "A report once a day, by this machine's sendmail program; and at once what is broken.";
  return `
${comment(`${why} "f2b notify test admin" tries it.`)}[notify.admin]
type = "mail"
to = ${tomlText([mail.to])}
${mail.via === "server" ? "" : 'via = "sendmail"\n'}events = ["source", "enforcement", "health", "campaign"]

[report]
schedule = "daily 07:00"
notify = ["admin"]
`;
}

function othersText({ refused }: Proposal, others: readonly ProposedJail[]): string {
  const held = others.map((jail) => ({ jail: jail.jail, reason: jail.hold ?? "you left it out" }));
  const all = [...held, ...refused];
  if (all.length === 0) return "";
  const list = byReason(all)
    .map(({ jails, reason }) => comment(`  ${jails}: ${visible(reason)}`, "    "))
    .join("");
  return `\n${comment("Services that were found and are not switched on. To switch one on, write its table as above.")}${list}`;
}

/** Text as comment lines of at most `columns`; later lines are indented. */
export function comment(text: string, indent = ""): string {
  const lines: string[] = [];
  let line = "#";
  for (const [i, word] of text.trimEnd().split(" ").entries()) {
    if (line.length + 1 + word.length > columns && line.trim() !== "#") {
      lines.push(line);
      line = `# ${indent}${word}`;
    } else line += i === 0 || line !== "#" ? ` ${word}` : word;
  }
  return `${[...lines, line].join("\n")}\n`;
}

/** Puts addresses into the `ignoreip` of [defaults], made where it is missing; everything else stays byte for byte. */
export function addIgnored(text: string, wanted: readonly Address[]): string {
  const { defaults } = parse(text);
  const table = isTable(defaults) ? defaults : undefined;
  const there = [table?.ignoreip ?? []].flat();
  const addresses = wanted.filter((one) => !there.includes(one));
  if (addresses.length === 0) return text;
  const line = ignoreText(addresses);
  if (table === undefined)
    return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}\n[defaults]\n${line}`;
  if (table.ignoreip === undefined) {
    const header = /^[ \t]*\[[ \t]*defaults[ \t]*\][^\n]*\n/m.exec(text);
    // Dotted keys, or a table on one line: not ours to rearrange.
    if (header === null) return text;
    const at = header.index + header[0].length;
    return text.slice(0, at) + line + text.slice(at);
  }
  const start = offsetOf(text, locate(text, ["defaults", "ignoreip"], "value"));
  if (text[start] === "[") {
    const end = closing(text, start);
    if (end === undefined) return text;
    const before = text.slice(0, end).replace(/\s*$/, "");
    const glue = /[[,]$/.test(before) ? (before.endsWith("[") ? "" : " ") : ", ";
    return `${before}${glue}${addresses.map((one) => tomlText(one)).join(", ")}${text.slice(before.length, end)}${text.slice(end)}`;
  }
  const own = /^(?:"[^"\n]*"|'[^'\n]*')/.exec(text.slice(start))?.[0];
  if (own === undefined) return text;
  return `${text.slice(0, start)}[${own}, ${addresses.map((one) => tomlText(one)).join(", ")}]${text.slice(start + own.length)}`;
}

function offsetOf(
  text: string,
  { line, column }: { readonly line: number; readonly column: number },
): number {
  let at = 0;
  for (let n = 1; n < line; n++) at = text.indexOf("\n", at) + 1;
  return at + column - 1;
}

/** The "]" that ends the list opened at `start`; undefined where a comment or a nested list makes that unsure. */
function closing(text: string, start: number): number | undefined {
  const rest = /^\[(?:\s|,|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')*/.exec(text.slice(start))?.[0] ?? "";
  const at = start + rest.length;
  return text[at] === "]" ? at : undefined;
}
