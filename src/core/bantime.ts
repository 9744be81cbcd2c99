// How long a ban lasts, given the policy and the bans before. The whole increment family of fail2ban, with named curves where
// fail2ban evaluates an expression. With n = bans before this one (0 for the first) and f = `factor`:
//   multipliers   base · multipliers[n] · f      the last one repeats; n counts from 0
//   double        base · 2^min(n, 20) · f        fail2ban's default formula
//   exponential   base · e^(n·f)                 its documented alternative: base · exp((n+1)·f) / exp(1·f)
//   linear        base · (1 + n·f)
//   constant      base · f                       every repeated offence costs the same
// As there, a first ban has no history and lasts `base`; nothing is shorter than `base`; `maxtime` caps the curve, and `rndtime`
// is added after the cap, so that nobody can compute the moment of the unban.

import type { BanTime, Span } from "./domain.ts";
import { longestSpan } from "./duration.ts";

/** `previousBans` ≥ 0 as history counts them; `random01` in [0, 1). Whole seconds; saturates at 100 years, never NaN. */
export function banLength(policy: BanTime, previousBans: number, random01: number): Span {
  const { base } = policy;
  if (base === "forever") return "forever";
  const grown =
    policy.increment && previousBans > 0
      ? Math.max(base, capped(policy, curve(policy, base, previousBans)))
      : base;
  // fail2ban adds rndtime only to incremented bans; here it always counts, since a first unban can be waited for as well.
  const length = grown + Math.max(0, policy.rndtime) * random01;
  return Math.round(Math.min(Number.isFinite(length) ? length : longestSpan, longestSpan));
}

const capped = (policy: BanTime, seconds: number): number =>
  Math.min(Number.isNaN(seconds) ? longestSpan : seconds, policy.maxtime ?? longestSpan, longestSpan);

function curve(policy: BanTime, base: number, n: number): number {
  const { factor, multipliers } = policy;
  const last = multipliers?.[Math.min(n, multipliers.length - 1)];
  if (last !== undefined) return base * last * factor;
  switch (policy.formula) {
    case "double":
      return base * 2 ** Math.min(n, 20) * factor;
    case "exponential":
      return base * Math.exp(n * factor);
    case "linear":
      return base * (1 + n * factor);
    case "constant":
      return base * factor;
  }
}
