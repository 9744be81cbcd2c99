// Firewall programs that cannot run here, as far as we use them: each keeps in memory what it was told, answers as its manual says,
// and complains about what it does not know. A fake, so what passes here is that we speak its language consistently, no more.

import { parsePrefix, prefixContains } from "../../src/core/address.ts";
import type { Script } from "../support/system.ts";

const fine = {};
const refuse = (stderr: string, code = 1) => ({ code, stderr });

/** pfctl(8): anchors with rules and tables. */
export function pfctl(about = { info: "Status: Enabled for 0 days", rules: 'anchor "f2b/*" all' }): Script {
  const tables = new Map<string, Set<string>>();
  return (command, stdin) => {
    const args = command.slice(1).filter((word) => word !== "-q");
    const value = (flag: string) => args[args.indexOf(flag) + 1] ?? "";
    if (args.includes("-k")) return fine;
    if (args.includes("-s")) return { stdout: `${value("-s") === "info" ? about.info : about.rules}\n` };
    const table = `${value("-a")}:${value("-t")}`;
    if (args.includes("-F")) return fine;
    if (args.includes("-T")) {
      const set = tables.get(table);
      const verb = value("-T");
      if (set === undefined) return refuse("pfctl: Table does not exist.", 255);
      const given = stdin.split("\n").filter(Boolean);
      if (verb === "add") for (const one of given) set.add(one);
      else if (verb === "delete") for (const one of given) set.delete(one);
      else if (verb === "show") return { stdout: [...set].map((one) => `   ${one}\n`).join("") };
      else if (verb === "kill") tables.delete(table);
      else return refuse(`usage: ${verb}`);
      return fine;
    }
    if (!args.includes("-f")) return refuse("usage");
    for (const match of stdin.matchAll(/^table <(\S+)> persist$/gm)) {
      const name = `${value("-a")}:${match[1]}`;
      if (!tables.has(name)) tables.set(name, new Set());
    }
    return /^(?:table <\S+> persist|block (?:drop|return) in quick .+|)$/m.test(stdin)
      ? fine
      : refuse("stdin:1: syntax error");
  };
}

/** ipfw(8): numbered rules and tables of addresses, which it prints with their length. */
export function ipfw(): Script {
  const tables = new Map<string, Set<string>>();
  const rules: string[] = ["65535 deny ip from any to any"];
  const long = (text: string) => (text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`);
  return (command) => {
    const [verb, name = "", what, entry = "", ...rest] = command.slice(1).filter((word) => word !== "-q");
    if (verb === "list") return { stdout: rules.map((rule) => `${rule}\n`).join("") };
    if (verb === "add") {
      rules.push([name.padStart(5, "0"), what, entry, ...rest].join(" "));
      rules.sort();
      return fine;
    }
    if (verb === "delete") {
      const at = rules.findIndex((rule) => rule.startsWith(`${name.padStart(5, "0")} `));
      if (at < 0) return refuse("ipfw: rule not found");
      rules.splice(at, 1);
      return fine;
    }
    if (verb !== "table") return refuse(`ipfw: bad command ${verb}`);
    const table = tables.get(name);
    if (what === "create") {
      if (table !== undefined) return refuse("ipfw: Table creation failed: File exists");
      tables.set(name, new Set());
      return fine;
    }
    if (table === undefined) return refuse("ipfw: table not found");
    if (what === "destroy") tables.delete(name);
    else if (what === "list") return { stdout: [...table].map((one) => `${one} 0\n`).join("") };
    else if (what === "add") {
      if (table.has(long(entry))) return refuse("ipfw: Adding record failed: record already exists");
      table.add(long(entry));
    } else if (what === "delete" && !table.delete(long(entry)))
      return refuse("ipfw: Deleting record failed: record not found");
    return fine;
  };
}

/** npfctl(8): a table that npf.conf declares. */
export function npfctl(): Script {
  const table = new Set<string>();
  return (command) => {
    const [, word, name, verb, entry = ""] = command;
    if (word !== "table" || name !== "f2b") return refuse("npfctl: table not found");
    if (verb === "list") return { stdout: [...table].map((one) => `${one}\n`).join("") };
    if (verb === "add") {
      if (table.has(entry)) return refuse("npfctl: table add: File exists");
      table.add(entry);
    } else if (verb === "rem" && !table.delete(entry)) return refuse("npfctl: No such file or directory");
    return fine;
  };
}

/** ufw(8): rules as commands, a comment that is no part of a rule's identity. */
export function ufw(status = "active"): Script {
  const rules = new Map<string, string>();
  return (command) => {
    const [verb, ...args] = command.slice(1);
    if (verb === "status") return { stdout: `Status: ${status}\n` };
    if (verb === "show")
      return {
        stdout: `Added user rules (see 'ufw status' for running firewall):\n${[...rules].map(([rule, comment]) => `ufw ${rule} comment '${comment}'\n`).join("")}`,
      };
    const at = args.indexOf("comment");
    const rule = (at < 0 ? args : args.slice(0, at)).join(" ");
    if (!/^(?:deny|reject) from \S+(?: to any(?: port [\d:,]+)? proto (?:tcp|udp))?$/.test(rule))
      return refuse(`ERROR: Bad rule: ${rule}`);
    const ports = / port (\S+)/.exec(rule)?.[1] ?? "";
    if (ports.split(/[,:]/).length > 15) return refuse(`ERROR: Bad port '${ports}'`);
    if (verb === "prepend") rules.set(rule, args[at + 1] ?? "");
    else if (verb === "delete" && !rules.delete(rule))
      return refuse("ERROR: Could not delete non-existent rule");
    return fine;
  };
}

/**
 * firewall-cmd(1): permanent sets that are seen after a reload, which forgets rules and entries. As firewalld 1.3 does, an entry that
 * overlaps another is refused, and of several in one call only warned about; a reset answers nothing but TCP.
 */
export function firewallCmd(): Script {
  const permanent = new Set<string>();
  const sets = new Map<string, Set<string>>();
  const rules = new Set<string>();
  return (command) => {
    const flags = command.slice(1);
    const value = (name: string) =>
      flags.find((flag) => flag.startsWith(`--${name}=`))?.slice(name.length + 3);
    const values = (name: string) =>
      flags.filter((flag) => flag.startsWith(`--${name}=`)).map((flag) => flag.slice(name.length + 3));
    if (flags.includes("--reload")) {
      for (const name of [...sets.keys()]) if (!permanent.has(name)) sets.delete(name);
      for (const name of permanent) sets.set(name, new Set());
      rules.clear();
      return fine;
    }
    if (flags.includes("--get-ipsets")) return { stdout: [...sets.keys()].join(" ") };
    if (flags.includes("--list-rich-rules")) return { stdout: [...rules].join("\n") };
    if (flags.includes("--list-all-zones"))
      return {
        stdout: `block\n  target: %%REJECT%%\n  rich rules: \n\npublic (active)\n  target: default\n  rich rules: \n${[...rules].map((rule) => `\t${rule}\n`).join("")}\n`,
      };
    const made = value("new-ipset");
    if (made !== undefined) {
      if (permanent.has(made)) return refuse(`Error: NAME_CONFLICT: ${made}`, 26);
      permanent.add(made);
      return fine;
    }
    const gone = value("delete-ipset");
    if (gone !== undefined)
      return permanent.delete(gone) ? fine : refuse(`Error: INVALID_IPSET: ${gone}`, 135);
    const added = value("add-rich-rule");
    if (added !== undefined) {
      if (
        !/^rule priority="-100" family="ipv[46]" source ipset="\S+" (?:port port="[\d-]+" protocol="\w+" |protocol value="[\w-]+" )?(?:drop|reject type="[\w-]+")$/.test(
          added,
        )
      )
        return refuse("Error: INVALID_RULE", 122);
      if (/tcp-reset/.test(added) && !/ protocol(?: value)?="tcp" /.test(added))
        return refuse("Error: COMMAND_FAILED", 13);
      if (rules.has(added)) return refuse("Warning: ALREADY_ENABLED", 11);
      rules.add(added);
      return fine;
    }
    const removed = value("remove-rich-rule");
    if (removed !== undefined) return rules.delete(removed) ? fine : refuse("Warning: NOT_ENABLED", 12);
    const set = sets.get(value("ipset") ?? "");
    if (set === undefined) return refuse("Error: INVALID_IPSET", 135);
    if (flags.includes("--get-entries")) return { stdout: [...set].join("\n") };
    const several = values("add-entry").length > 1;
    for (const one of values("add-entry")) {
      const other = [...set].find((there) => there !== one && overlap(there, one));
      if (other === undefined) set.add(one);
      else if (!several)
        return refuse(`Error: INVALID_ENTRY: Entry '${one}' overlaps with existing entry '${other}'`, 136);
    }
    for (const one of values("remove-entry")) set.delete(one);
    return fine;
  };
}

function overlap(a: string, b: string): boolean {
  const [one, other] = [a, b].map(
    (text) => parsePrefix(text) ?? parsePrefix(`${text}/${text.includes(":") ? 128 : 32}`),
  );
  return (
    one !== undefined &&
    other !== undefined &&
    one.includes(":") === other.includes(":") &&
    (prefixContains(one, other) || prefixContains(other, one))
  );
}

/** shorewall(8): the dynamic blacklist. */
export function shorewall(): Script & { readonly list: Set<string> } {
  const list = new Set<string>();
  const script: Script = (command) => {
    const [, verb, ...addresses] = command;
    if (verb === "drop" || verb === "reject") for (const one of addresses) list.add(one);
    else if (verb === "allow") for (const one of addresses) list.delete(one);
    else return refuse(`ERROR: Invalid command: ${verb}`);
    return fine;
  };
  return Object.assign(script, { list });
}
