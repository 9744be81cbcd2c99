// fail2ban's actions of one jail → banactions and notifications. fail2ban's own are translated by name; somebody's own become a
// command with their values in the environment: with an unban a banaction, without one (or when both only tell) a notification.

import type { Fault, Place } from "../core/domain.ts";
import {
  betterWords,
  defaultAbuseCategories,
  firewallWords,
  goneWords,
  mailWords,
  ownBanAction,
  reportWords,
} from "./equivalents.ts";
import type { OldAction, OldJail } from "./resolve.ts";
import { toEnvironment } from "./shell.ts";
import type { StockJudge } from "./stock.ts";

export interface NewAction {
  /** As one writes it: a name, or a table with options. */
  readonly banaction?: Readonly<Record<string, unknown>> & { readonly name: string };
  readonly port?: string;
  readonly protocol?: readonly string[];
  readonly chain?: readonly string[];
  readonly blocktype?: string;
  /** A [notify.NAME]: settings without the name, which is found later so that equal ones are one. */
  readonly notify?: Readonly<Record<string, unknown>> & { readonly type: string };
  /** What it was, in a word, for the report. */
  readonly was: string;
  readonly becomes: string;
  /** What is not quite the same. */
  readonly notes: readonly Note[];
  /** What could not be carried over. */
  readonly faults: readonly Fault[];
}

export interface Note {
  readonly text: string;
  readonly at: Place;
}

export function translateActions(jail: OldJail, stock: StockJudge): NewAction[] {
  return jail.actions.map((action) => translateAction(jail, action, stock));
}

function translateAction(jail: OldJail, action: OldAction, stock: StockJudge): NewAction {
  const name = action.reference.name;
  const firewall = firewallWords[name];
  if (firewall !== undefined) return asFirewall(jail, action, stock);
  if (mailWords[name] !== undefined || name === "smtp.py") return asMail(action);
  if (name === "abuseipdb") return asAbuseipdb(action);
  if (name === "blocklist_de") return asBlocklist(action);
  if (name === "xarf-login-attack" || name === "complain") return asXarf(action);
  const gone = goneWords[name];
  if (gone !== undefined) {
    return lost(
      action,
      `there is nothing in f2b for the action "${name}"`,
      gone,
      'leave it out, or write a [notify.NAME] with type = "command"',
    );
  }
  if (name.endsWith(".py")) {
    return lost(
      action,
      `the action "${name}" is a Python program`,
      "f2b runs no Python inside itself",
      'let a program of its own do it: [notify.NAME] with type = "command", or banaction = { name = "command", … }',
    );
  }
  if (action.definition.files.length === 0) return { was: name, becomes: "nothing", notes: [], faults: [] };
  return asCommand(jail, action);
}

function lost(action: OldAction, what: string, why: string, fix: string): NewAction {
  return {
    was: action.reference.name,
    becomes: "nothing",
    notes: [],
    faults: [{ what, why, fix, at: action.at }],
  };
}

const text = (action: OldAction, option: string): string =>
  action.definition.value(option)?.text.trim() ?? "";

// -------------------------------------------------------------------------------------------------------------- firewalls

function asFirewall(jail: OldJail, action: OldAction, stock: StockJudge): NewAction {
  const name = action.reference.name;
  const word = firewallWords[name]!;
  const notes: Note[] = [];
  const faults: Fault[] = [];
  if (word.differs !== undefined) notes.push({ text: `${name}: ${word.differs}`, at: action.at });
  const changed = action.definition.files.filter(
    (file) => !stock.unchanged([file]) && !file.endsWith(".local"),
  );
  if (changed.length > 0 && action.definition.files.length > 0) {
    notes.push({
      text: `${changed[0]} is not as fail2ban shipped it; what was changed there is not carried over`,
      at: placeOf(changed[0]!),
    });
  }
  const options: Record<string, unknown> = { ...word.options };
  const block = blocktype(text(action, "blocktype"));
  if (block === "allow") {
    return lost(
      action,
      `${jail.name} lets addresses in instead of shutting them out`,
      "f2b only bans; a jail that opens a port does not exist",
      'knock with your VPN, or let a program do it: [notify.NAME] with type = "command"',
    );
  }
  if (block === undefined && text(action, "blocktype") !== "") {
    notes.push({
      text: `blocktype "${text(action, "blocktype")}" is not known; "drop" is used`,
      at: action.at,
    });
  }
  const everywhere = word.allPorts === true || text(action, "type") === "allports";
  const port = everywhere ? "all" : portList(text(action, "port") || (jail.option("port")?.text ?? ""));
  const protocol = (text(action, "protocol") || (jail.option("protocol")?.text ?? ""))
    .split(/[\s,]+/)
    .filter((p) => p !== "");
  const chain = text(action, "chain")
    .split(/[\s,]+/)
    .filter((c) => c !== "" && !c.startsWith("<"));
  const iptables = word.banaction === "iptables";
  return {
    banaction: { name: word.banaction, ...options },
    ...(port === undefined ? {} : { port }),
    ...(protocol.length > 0 ? { protocol } : {}),
    ...(iptables && chain.length > 0 && chain.join() !== "INPUT" ? { chain } : {}),
    ...(block === undefined || block === "drop" ? {} : { blocktype: block }),
    was: name,
    becomes: `banaction ${word.banaction}`,
    notes,
    faults,
  };
}

function placeOf(file: string): Place {
  return { file, line: 1, column: 1 };
}

function blocktype(value: string): string | undefined {
  const plain = value.toLowerCase();
  if (plain === "drop" || plain === "blackhole" || plain === "deny") return "drop";
  if (plain === "return" || plain === "accept") return "allow";
  const kind = /(?:reject-with\s+|reject with\s+)(?:icmpx?\s+type\s+)?([a-z-]+)/.exec(plain)?.[1];
  if (kind === "tcp-reset") return "tcp-reset";
  if (kind === "icmp-port-unreachable" || kind === "icmp6-port-unreachable" || kind === "port-unreachable")
    return "reject";
  if (kind !== undefined) return kind.startsWith("icmp-") ? kind : undefined;
  return /^(?:reject|unreachable|prohibit|unreach port)\b/.test(plain) ? "reject" : undefined;
}

/** "ssh,22:30" → "ssh,22-30"; "0:65535" is every port. */
function portList(value: string): string | undefined {
  const ports = value
    .split(/[\s,]+/)
    .filter((port) => port !== "")
    .map((port) => port.replace(":", "-"));
  if (ports.length === 0) return undefined;
  return ports.some((port) => port === "0-65535" || port === "1-65535" || port === "all")
    ? "all"
    : ports.join(",");
}

// ---------------------------------------------------------------------------------------------------------------- telling

function addressOf(value: string): string | undefined {
  const plain = value.replace(/^.*<([^<>@\s]+@[^<>\s]+)>.*$/, "$1").trim();
  return /^[^\s<>@]+(?:@[^\s<>]+)?$/.test(plain) ? plain : undefined;
}

function asMail(action: OldAction): NewAction {
  const name = action.reference.name;
  const python = name === "smtp.py";
  const word = mailWords[name] ?? { form: "plain" as const };
  const args = action.reference.args;
  const get = (option: string): string => (args.get(option) ?? text(action, option)).trim();
  const to = get("dest")
    .split(/[\s,]+/)
    .map(addressOf)
    .filter((one) => one !== undefined);
  const notes: Note[] = [];
  if (word.differs !== undefined) notes.push({ text: `${name}: ${word.differs}`, at: action.at });
  const from = addressOf(get("sender"));
  const notify: Record<string, unknown> & { type: string } = {
    type: reportWords.mail,
    to: to.length > 0 ? to : ["root@localhost"],
    ...(from === undefined || from.includes("<") ? {} : { from }),
    ...(word.form === "plain" ? {} : { form: word.form }),
  };
  if (python) {
    const [host, port] = get("host").split(":");
    if (host !== undefined && host !== "") notify.host = host;
    if (port !== undefined && /^\d+$/.test(port)) notify.port = Number(port);
    if (get("user") !== "") notify.username = get("user");
    if (get("password") !== "") notify.password = get("password");
  } else notify.via = "sendmail";
  return { notify, was: name, becomes: `mail to ${(notify.to as string[]).join(", ")}`, notes, faults: [] };
}

function asAbuseipdb(action: OldAction): NewAction {
  const token = text(action, "abuseipdb_apikey");
  const categories = text(action, "abuseipdb_category")
    .split(/[\s,]+/)
    .filter((word) => /^\d+$/.test(word))
    .map(Number);
  if (token === "") {
    return lost(
      action,
      "abuseipdb has no key here",
      "abuseipdb_apikey is not set",
      "set it, or leave the action out",
    );
  }
  return {
    notify: {
      type: reportWords.abuseipdb,
      token,
      categories: categories.length > 0 ? categories : defaultAbuseCategories,
    },
    was: action.reference.name,
    becomes: "report to AbuseIPDB",
    notes: [
      {
        text: "f2b sends the jail's name and the number of failures, never the matched lines",
        at: action.at,
      },
    ],
    faults: [],
  };
}

function asBlocklist(action: OldAction): NewAction {
  const token = text(action, "apikey");
  const email = addressOf(text(action, "email"));
  if (token === "" || email === undefined) {
    return lost(
      action,
      "blocklist.de has no key or sender here",
      "apikey or email is not set",
      "set both, or leave the action out",
    );
  }
  const service = text(action, "service").toLowerCase();
  return {
    notify: {
      type: reportWords.blocklistDe,
      email,
      token,
      ...(/^[a-z0-9-]{1,32}$/.test(service) ? { service } : {}),
    },
    was: action.reference.name,
    becomes: "report to blocklist.de",
    notes: [],
    faults: [],
  };
}

function asXarf(action: OldAction): NewAction {
  const from = addressOf(text(action, "sender")) ?? addressOf(text(action, "from"));
  if (from === undefined || !from.includes("@")) {
    return lost(
      action,
      `${action.reference.name} has no sender with a domain`,
      "abuse contacts must be able to answer",
      'write [notify.abuse] with type = "xarf", from and org',
    );
  }
  return {
    notify: { type: reportWords.xarf, from, org: from.slice(from.indexOf("@") + 1), via: "sendmail" },
    was: action.reference.name,
    becomes: "X-ARF mail to the network's abuse contact",
    notes: [{ text: `org is taken from ${from}: put your organisation's name there`, at: action.at }],
    faults: [],
  };
}

// --------------------------------------------------------------------------------------------------------- one's own ones

const banVariables: Readonly<Record<string, string>> = {
  ip: "F2B_IP",
  fid: "F2B_IP",
  family: "F2B_FAMILY",
  failures: "F2B_FAILURES",
  time: "F2B_TIME",
  bantime: "F2B_BANTIME",
  bancount: "F2B_NTH",
  user: "F2B_USER",
};

const tellVariables: Readonly<Record<string, string>> = {
  ip: "F2B_ADDRESS",
  fid: "F2B_ADDRESS",
  family: "F2B_FAMILY",
  failures: "F2B_FAILURES",
  time: "F2B_TIME",
  bantime: "F2B_SECONDS",
  bancount: "F2B_NTH",
  user: "F2B_USER",
  "ip-host": "F2B_NAME",
  "fq-hostname": "F2B_HOST",
  "sh-hostname": "F2B_HOST",
};

const commandNames = ["actionstart", "actionstop", "actioncheck", "actionban", "actionunban"] as const;
type CommandName = (typeof commandNames)[number];

function asCommand(jail: OldJail, action: OldAction): NewAction {
  const four = commandsOf(action, "inet4");
  const six = commandsOf(action, "inet6");
  const notes: Note[] = [];
  const faults: Fault[] = [];
  if (commandNames.some((name) => four[name] !== six[name])) {
    notes.push({
      text: `${action.reference.name} has separate commands for IPv6; they are chosen by $F2B_FAMILY`,
      at: action.at,
    });
  }
  const both = (name: CommandName): string =>
    four[name] === six[name]
      ? four[name]
      : `if [ "\${F2B_FAMILY#inet}" = 6 ]; then\n${six[name]}\nelse\n${four[name]}\nfi`;
  const tells = [four.actionban, four.actionunban].filter((command) => !isNothing(command));
  if (tells.length === 0) {
    return lost(
      action,
      `${action.reference.name} does nothing when it bans`,
      "actionban is empty",
      "leave it out, or write the command",
    );
  }
  const known = asMessenger(action, four);
  if (known !== undefined) return known;
  const undone = !isNothing(four.actionunban);
  if (tells.every((command) => onlyTells(command, undone)))
    return asTelling(jail, action, both, notes, faults);
  return asBanning(jail, action, both, notes, faults);
}

function commandsOf(action: OldAction, family: "inet4" | "inet6"): Record<CommandName, string> {
  const out = {} as Record<CommandName, string>;
  for (const name of commandNames) out[name] = action.definition.familyValue(name, family)?.text.trim() ?? "";
  return out;
}

function isNothing(command: string): boolean {
  return /^(?::|true|\/bin\/true|echo\b[^|;&>]*)?$/.test(command.trim());
}

/** Whom a web request only tells something. */
const messengerHosts =
  /api\.telegram\.org|slack\.com|discord(?:app)?\.com|ntfy|gotify|pushover|pushbullet|_matrix\/|webhook|mattermost|rocket\.?chat|office\.com|zulip|twilio|mailgun|sendgrid|abuseipdb|blocklist\.de|ifttt|pagerduty|opsgenie/i;

/**
 * Every command in it only passes a message on: it changes nothing that an unban would have to undo. Where there is something that
 * undoes it, a web request may be a firewall's (a provider's, a router's): only known messengers are believed to tell then, for a
 * message may be grouped or held back, and a ban must not.
 */
function onlyTells(command: string, undone: boolean): boolean {
  if (undone && /\b(?:curl|wget|http)\b/.test(command)) {
    const urls = command.match(/https?:\/\/[^\s"']+/g) ?? [];
    if (urls.length === 0 || !urls.every((url) => messengerHosts.test(url))) return false;
  }
  const programs = command
    .split(/\n|;|&&|\|\|?/)
    .map((part) => /^\s*(?:[A-Za-z_]\w*=\S*\s+)*([\w./-]+)/.exec(part)?.[1]?.split("/").pop())
    .filter((name) => name !== undefined);
  const messengers =
    /^(?:curl|wget|mail|mailx|sendmail|msmtp|logger|echo|printf|notify-send|apprise|ntfy|swaks|http|date|hostname|whois|grep|tail|head|cat)$/;
  return (
    programs.length > 0 &&
    programs.every((name) => messengers.test(name!)) &&
    !/api\.cloudflare\.com/.test(command)
  );
}

/** Messengers that f2b speaks itself, when the command shows their key in the open. */
function asMessenger(action: OldAction, commands: Record<CommandName, string>): NewAction | undefined {
  const ban = commands.actionban;
  const unban = !isNothing(commands.actionunban) && onlyTells(commands.actionunban, true);
  if (!isNothing(commands.actionunban) && !unban) return undefined;
  const notes = [{ text: "the message is f2b's own wording", at: action.at }];
  const events = unban ? { events: ["ban", "unban"] } : {};
  const telegram = /api\.telegram\.org\/bot(\d+:[\w-]+)\/sendMessage/.exec(ban);
  const chat = /chat_id["'\s:=]+(-?\d{1,20}|@\w{4,64})/.exec(ban);
  if (telegram !== null && chat !== null) {
    const notify = { type: reportWords.telegram, token: telegram[1]!, chat: chat[1]!, ...events };
    return { notify, was: action.reference.name, becomes: "telegram", notes, faults: [] };
  }
  const slack = /https:\/\/hooks\.slack\.com\/services\/[\w/]+/.exec(ban);
  if (slack !== null) {
    return {
      notify: { type: reportWords.slack, url: slack[0], ...events },
      was: action.reference.name,
      becomes: "slack",
      notes,
      faults: [],
    };
  }
  const discord = /https:\/\/(?:\w+\.)?discord(?:app)?\.com\/api\/webhooks\/\d+\/[\w-]+/.exec(ban);
  if (discord !== null) {
    return {
      notify: { type: reportWords.discord, url: discord[0], ...events },
      was: action.reference.name,
      becomes: "discord",
      notes,
      faults: [],
    };
  }
  return undefined;
}

function script(
  jail: OldJail,
  action: OldAction,
  name: string,
  command: string,
  variables: Readonly<Record<string, string>>,
  notes: Note[],
  faults: Fault[],
): string {
  const converted = toEnvironment(command, variables, {
    name: text(action, "name") || jail.name,
    br: "\n",
    sp: " ",
    "jail.name": jail.name,
  });
  const at = action.definition.options.get(name)?.at ?? action.at;
  for (const tag of converted.unknown) {
    faults.push({
      what: `<${tag}> in ${name} of ${action.reference.name} has no counterpart`,
      why:
        tag === "matches" || tag.startsWith("ip")
          ? "log lines reach a program as JSON on standard input, never in its text"
          : "f2b passes only parsed values",
      fix: `read it from standard input, or take <${tag}> out of the command`,
      at,
    });
  }
  if (/\beval\b/.test(converted.text)) {
    notes.push({ text: `${name} uses eval, which would run what stands in a value`, at });
  }
  return converted.text;
}

function asTelling(
  jail: OldJail,
  action: OldAction,
  both: (name: CommandName) => string,
  notes: Note[],
  faults: Fault[],
): NewAction {
  const ban = both("actionban");
  const unban = both("actionunban");
  const tellsUnban = !isNothing(unban);
  const joined = tellsUnban ? `if [ "$F2B_EVENT" = unban ]; then\n${unban}\nelse\n${ban}\nfi` : ban;
  const notify = {
    type: reportWords.command,
    command: ["/bin/sh", "-c", script(jail, action, "actionban", joined, tellVariables, notes, faults)],
    events: tellsUnban ? ["ban", "unban"] : ["ban"],
  };
  for (const name of ["actionstart", "actionstop"] as const) {
    if (!isNothing(both(name)))
      notes.push({
        text: `${name} of ${action.reference.name} is left out: f2b tells of start and stop itself`,
        at: action.at,
      });
  }
  return { notify, was: action.reference.name, becomes: "notification by your own command", notes, faults };
}

function asBanning(
  jail: OldJail,
  action: OldAction,
  both: (name: CommandName) => string,
  notes: Note[],
  faults: Fault[],
): NewAction {
  const make = (name: CommandName): string | undefined =>
    isNothing(both(name)) ? undefined : script(jail, action, name, both(name), banVariables, notes, faults);
  const better = betterWords[action.reference.name];
  if (better !== undefined) notes.push({ text: better, at: action.at });
  const start = make("actionstart");
  const stop = make("actionstop");
  const banaction = {
    name: ownBanAction,
    ...(start === undefined ? {} : { start }),
    ban: make("actionban")!,
    // Some let the kernel end a ban by itself (ipset add … timeout).
    unban: make("actionunban") ?? ":",
    ...(stop === undefined ? {} : { stop }),
    // Nothing is ever put into these texts: values are in the environment.
    unsafe_shell: true,
  };
  if (!isNothing(both("actioncheck"))) {
    notes.push({
      text: `actioncheck of ${action.reference.name} is left out: f2b compares what stands with what should stand`,
      at: action.at,
    });
  }
  return { banaction, was: action.reference.name, becomes: "banaction by your own commands", notes, faults };
}
