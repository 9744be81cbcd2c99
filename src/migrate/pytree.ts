// Questions about and changes to the tree of a Python expression that concern which groups take part in a match.

import { groupNameOf, type Node, PatternError } from "./pyparse.ts";

export interface Facts {
  readonly conditions: Set<string>;
  readonly references: Set<string>;
}

/** Names of groups a reference points to; with `facts`, those of conditions apart. */
export function namesReferred(
  node: Node,
  facts: Facts = { conditions: new Set(), references: new Set() },
): Set<string> {
  if (node.kind === "back") facts.references.add(node.name);
  if (node.kind === "conditional") facts.conditions.add(node.name);
  for (const child of children(node)) namesReferred(child, facts);
  return facts.references;
}

export function hasTag(node: Node): boolean {
  if (node.kind === "tag" || node.kind === "tagged") return true;
  if (node.kind === "capture" && !/^(?:\d+$|_)/.test(node.name)) return true;
  return children(node).some(hasTag);
}

function children(node: Node): readonly Node[] {
  switch (node.kind) {
    case "seq":
      return node.items;
    case "alt":
      return node.branches;
    case "repeat":
    case "capture":
    case "look":
    case "atomic":
    case "flags":
    case "tagged":
      return [node.item];
    case "conditional":
      return [node.yes, node.no];
    default:
      return [];
  }
}

function isGroup(node: Node, name: string): boolean {
  if (node.kind === "capture") return node.name === name;
  if (node.kind === "tagged") return groupNameOf(node.name) === name;
  if (node.kind !== "tag") return false;
  if (/^<(?:HOST|ADDR|SUBNET)>$/.test(node.text)) return false;
  return `<${node.text.slice(1, -1).replace("/", "")}>` === `<F-${name.toUpperCase()}>`;
}

function contains(node: Node, test: (node: Node) => boolean): boolean {
  return test(node) || children(node).some((child) => contains(child, test));
}

function has(node: Node, name: string): boolean {
  return contains(node, (part) => isGroup(part, name));
}

function refers(node: Node, name: string): boolean {
  return contains(node, (part) => part.kind === "back" && part.name === name);
}

/** Can a reference to the group be reached in a match in which the group took no part? */
export function mayBeUnset(root: Node, name: string): boolean {
  if (isGroup(root, name)) return false;
  for (const child of children(root)) {
    if (has(child, name) && refers(child, name)) {
      // Both inside one child; a repeat around both still keeps their order within a round.
      return mayBeUnset(child, name);
    }
  }
  return children(root).some((child) => has(child, name) && optional(child, name)) || root.kind === "alt";
}

/** Can this node match without the group inside it taking part? */
function optional(node: Node, name: string): boolean {
  if (isGroup(node, name)) return false;
  if (node.kind === "repeat" && node.min === 0) return true;
  if (node.kind === "look" && node.negative) return true;
  if (node.kind === "alt" && node.branches.some((branch) => !has(branch, name))) return true;
  if (node.kind === "conditional" && !(has(node.yes, name) && has(node.no, name))) return true;
  return children(node).some((child) => has(child, name) && optional(child, name));
}

/**
 * The tree as it matches when the group takes part (`took`) or does not. Undefined: then it cannot match at all.
 * Throws PatternError where the group stands in a loop, whose rounds cannot be told apart.
 */
export function decide(node: Node, name: string, took: boolean): Node | undefined {
  if (isGroup(node, name)) return took ? node : undefined;
  if (node.kind === "back" && node.name === name) return took ? node : undefined;
  if (node.kind === "conditional" && node.name === name) return decide(took ? node.yes : node.no, name, took);
  switch (node.kind) {
    case "seq": {
      const items = node.items.map((item) => decide(item, name, took));
      return items.some((item) => item === undefined) ? undefined : { ...node, items: items as Node[] };
    }
    case "alt": {
      const holds = has(node, name);
      const branches = node.branches
        .filter((branch) => !(took && holds) || has(branch, name))
        .map((branch) => decide(branch, name, took))
        .filter((branch) => branch !== undefined);
      if (branches.length === 0) return undefined;
      return branches.length === 1 ? branches[0] : { ...node, branches };
    }
    case "repeat":
      return decideRepeat(node, name, took);
    case "capture":
    case "atomic":
    case "flags":
    case "tagged": {
      const item = decide(node.item, name, took);
      return item === undefined ? undefined : { ...node, item };
    }
    case "look": {
      const item = decide(node.item, name, took);
      if (item !== undefined) return { ...node, item };
      return node.negative ? { kind: "seq", items: [] } : undefined;
    }
    case "conditional": {
      const yes = decide(node.yes, name, took);
      const no = decide(node.no, name, took);
      const never: Node = { kind: "look", behind: false, negative: true, item: { kind: "seq", items: [] } };
      return yes === undefined && no === undefined
        ? undefined
        : { ...node, yes: yes ?? never, no: no ?? never };
    }
    default:
      return node;
  }
}

function decideRepeat(
  node: Extract<Node, { kind: "repeat" }>,
  name: string,
  took: boolean,
): Node | undefined {
  const item = decide(node.item, name, took);
  if (!has(node, name)) {
    if (item !== undefined) return { ...node, item };
    return node.min === 0 ? { kind: "seq", items: [] } : undefined;
  }
  if (node.max > 1) {
    throw new PatternError(
      `a condition or reference depends on the group "${name}", which stands in a repeat`,
      "write the cases as separate expressions",
      0,
    );
  }
  if (took) return item;
  if (item === undefined) return node.min === 0 ? { kind: "seq", items: [] } : undefined;
  return { ...node, item };
}
