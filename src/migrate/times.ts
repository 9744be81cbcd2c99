// fail2ban's time expressions: numbers with units, glued or spaced (a blank adds), and simple arithmetic over them. fail2ban hands
// the text to Python's eval; here only numbers, + - * / and brackets are understood.

import type { Span } from "../core/domain.ts";
import { formatDuration } from "../core/duration.ts";

const units: readonly (readonly [RegExp, number])[] = [
  [/^y(?:y|ea|ear|ears)?$/, 31557600],
  [/^mo(?:n|nth|nths)?$/, 2629800],
  [/^w(?:w|ee|eek|eeks)?$/, 604800],
  [/^d(?:d|a|ay|ays)?$/, 86400],
  [/^h(?:h|ou|our|ours)?$/, 3600],
  [/^m(?:m|in|ins|inute|inutes)?$/, 60],
  [/^s(?:s|ec|ecs|econd|econds)?$/, 1],
];

/** Seconds; undefined when it is no time expression. Negative results are returned as such (-1 is fail2ban's "for ever"). */
export function str2sec(text: string): number | undefined {
  const tokens: (number | string)[] = [];
  const pattern = /\s*(?:(\d+(?:\.\d+)?)(?:\s*([a-z]+))?|([-+*/()]))/giy;
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  while (pattern.lastIndex < trimmed.length) {
    const found = pattern.exec(trimmed);
    if (found === null) return undefined;
    if (found[3] !== undefined) {
      tokens.push(found[3]);
      continue;
    }
    const factor = found[2] === undefined ? 1 : unitSeconds(found[2].toLowerCase());
    if (factor === undefined) return undefined;
    // Neighbours add up: "1h 30m", "1d12h".
    if (typeof tokens[tokens.length - 1] === "number") tokens.push("+");
    tokens.push(Number(found[1]) * factor);
  }
  return evaluate(tokens);
}

function unitSeconds(word: string): number | undefined {
  return units.find(([pattern]) => pattern.test(word))?.[1];
}

function evaluate(tokens: readonly (number | string)[]): number | undefined {
  let at = 0;
  const sum = (): number | undefined => {
    let value = product();
    while (value !== undefined && (tokens[at] === "+" || tokens[at] === "-")) {
      const minus = tokens[at++] === "-";
      const next = product();
      value = next === undefined ? undefined : minus ? value - next : value + next;
    }
    return value;
  };
  const product = (): number | undefined => {
    let value = factor();
    while (value !== undefined && (tokens[at] === "*" || tokens[at] === "/")) {
      const divide = tokens[at++] === "/";
      const next = factor();
      value = next === undefined ? undefined : divide ? value / next : value * next;
    }
    return value;
  };
  const factor = (): number | undefined => {
    const token = tokens[at++];
    if (typeof token === "number") return token;
    if (token === "-" || token === "+") {
      const value = factor();
      return value === undefined ? undefined : token === "-" ? -value : value;
    }
    if (token !== "(") return undefined;
    const value = sum();
    return tokens[at++] === ")" ? value : undefined;
  };
  const value = sum();
  return at === tokens.length && value !== undefined && Number.isFinite(value) ? value : undefined;
}

/** The same time as f2b writes it; undefined when it is none. `forever`: a negative value means so (bantime only). */
export function timeText(text: string, forever: boolean): string | undefined {
  const value = str2sec(text);
  if (value === undefined) return undefined;
  if (value < 0) return forever ? "forever" : undefined;
  return formatDuration(value as Span);
}

/** Our curve for a `bantime.formula`; undefined when it is none that we have. */
export function formulaName(formula: string): "double" | "constant" | "linear" | "exponential" | undefined {
  const plain = formula.replace(/\s+/g, "").replace(/#.*$/, "");
  if (/^ban\.Time\*\(1<<\(ban\.Countifban\.Count<20else20\)\)(?:\*banFactor)?$/.test(plain)) return "double";
  if (/^ban\.Time(?:\*banFactor)?$/.test(plain)) return "constant";
  if (/^ban\.Time\*(?:\(ban\.Count\+1\)|\(1\+ban\.Count\))(?:\*banFactor)?$/.test(plain)) return "linear";
  // As jail.conf proposes it; the second says the same.
  if (
    /^ban\.Time\*math\.exp\(float\(ban\.Count\+1(?:\.0)?\)\*banFactor\)\/math\.exp\(1\*banFactor\)$/.test(
      plain,
    )
  )
    return "exponential";
  if (/^ban\.Time\*math\.exp\((?:float\(ban\.Count\)|ban\.Count)\*banFactor\)$/.test(plain))
    return "exponential";
  return undefined;
}
