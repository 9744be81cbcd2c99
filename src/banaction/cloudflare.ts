// Cloudflare: addresses in an account's IP list, which a WAF rule of the user's blocks (ip.src in $f2b). For servers whose visitors
// all come through Cloudflare. Our entries carry the comment "f2b", others of the list are never touched. Changes are done some time after
// they are taken, one in an account at a time (until then others are refused with 429): each is waited for.

import { z } from "zod";
import { parseTarget } from "../core/address.ts";
import type { Target } from "../core/domain.ts";
import type { BanAction, Found, JailSetup, Listing, Step } from "./index.ts";

const id = z.string().regex(/^[0-9a-f]{32}$/, "32 hexadecimal digits");
const options = z.strictObject({
  account: id.describe("account id"),
  list: id.describe("id of an IP list of that account"),
  tokenfile: z
    .string()
    .regex(/^\/[^\0\n]+$/, "an absolute path")
    .describe("file with an API token that may edit account filter lists, mode 0600"),
  api: z
    .url({ protocol: /^https?$/ })
    .default("https://api.cloudflare.com/client/v4")
    .describe("where the API is"),
});
type Options = z.infer<typeof options>;
const optionsOf = (jail: JailSetup): Options => options.parse(jail.options);
const comment = "f2b";
const busyMs = 2000;
const pendingMs = 500;
const aPage = 500;
const aCall = 1000;

type HttpStep = Extract<Step, { kind: "http" }>;

function call(jail: JailSetup, method: string, query: string, body?: unknown): HttpStep {
  const { api, account, list, tokenfile } = optionsOf(jail);
  return {
    kind: "http",
    method,
    url: `${api}/accounts/${account}/rules/lists/${list}/items${query}`,
    headers: { "content-type": "application/json" },
    tokenfile,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ok: (status, answer) => status >= 200 && status < 300 && pageOf(answer).success,
    again: (status) => (status === 429 ? busyMs : undefined),
  };
}

/** A change, and then the question whether it is done. */
const change = (jail: JailSetup, method: "POST" | "DELETE", body: unknown): HttpStep => ({
  ...call(jail, method, "", body),
  next(answer) {
    const operation = operationOf(answer)?.operation_id;
    if (operation === undefined || !/^[0-9A-Za-z-]{1,64}$/.test(operation)) return [];
    const { api, account, tokenfile } = optionsOf(jail);
    return [
      {
        kind: "http",
        method: "GET",
        url: `${api}/accounts/${account}/rules/lists/bulk_operations/${operation}`,
        headers: {},
        tokenfile,
        ok: (status, said) => status === 200 && operationOf(said)?.status === "completed",
        again: (status, said) =>
          status === 429 || /^(?:pending|running)$/.test(operationOf(said)?.status ?? "")
            ? pendingMs
            : undefined,
      },
    ];
  },
});

const item = z.object({ id: z.string(), ip: z.string().optional(), comment: z.string().nullish() });
const page = z.object({
  success: z.boolean(),
  result: z.unknown(),
  result_info: z.object({ cursors: z.object({ after: z.string().optional() }).optional() }).nullish(),
});

const operation = z.object({
  result: z.object({ operation_id: z.string().optional(), status: z.string().optional() }),
});

function operationOf(answer: string): z.infer<typeof operation>["result"] | undefined {
  try {
    return operation.safeParse(JSON.parse(answer)).data?.result;
  } catch {
    return undefined;
  }
}

interface Page {
  readonly success: boolean;
  readonly items: readonly { readonly id: string; readonly target: Target }[];
  readonly after: string | undefined;
}

function pageOf(answer: string): Page {
  const none: Page = { success: false, items: [], after: undefined };
  let raw: unknown;
  try {
    raw = JSON.parse(answer);
  } catch {
    return none;
  }
  const parsed = page.safeParse(raw);
  if (!parsed.success) return none;
  const rows = z.array(item).safeParse(parsed.data.result);
  const items = (rows.success ? rows.data : []).flatMap((row) => {
    const target = row.comment === comment && row.ip !== undefined ? parseTarget(row.ip) : undefined;
    return target === undefined ? [] : [{ id: row.id, target }];
  });
  return { success: parsed.data.success, items, after: parsed.data.result_info?.cursors?.after };
}

const query = (after: string | undefined): string =>
  `?per_page=${aPage}${after === undefined ? "" : `&cursor=${encodeURIComponent(after)}`}`;

/** Reads page after page for the ids of what is to go, then deletes them: the API deletes by id only. */
function removal(
  jail: JailSetup,
  isMeant: (target: Target) => boolean,
  after?: string,
  ids: readonly string[] = [],
): HttpStep {
  return {
    ...call(jail, "GET", query(after)),
    next(answer) {
      const { items, after: next } = pageOf(answer);
      const all = [...ids, ...items.filter((one) => isMeant(one.target)).map((one) => one.id)];
      if (next !== undefined && next !== "") return [removal(jail, isMeant, next, all)];
      return chunks(all).map((part) => change(jail, "DELETE", { items: part.map((one) => ({ id: one })) }));
    },
  };
}

const chunks = <T>(all: readonly T[]): T[][] => {
  const parts: T[][] = [];
  for (let i = 0; i < all.length; i += aCall) parts.push(all.slice(i, i + aCall));
  return parts;
};

const listing = (jail: JailSetup, after?: string): Listing => ({
  step: call(jail, "GET", query(after)),
  read: (answer, code): Found[] | undefined =>
    code === 0 ? pageOf(answer).items.map(({ target }) => ({ target, until: undefined })) : undefined,
  more(answer) {
    const { after: next } = pageOf(answer);
    return next === undefined || next === "" ? undefined : listing(jail, next);
  },
});

export const cloudflare: BanAction = {
  name: "cloudflare",
  summary: "an IP list of a Cloudflare account, for a WAF rule to block",
  needs: [],
  can: { v4: true, v6: true, prefix: true, id: false },
  shared: true,
  expires: false,
  options,
  // Fails where token, account or list are wrong.
  start: (jail) => [call(jail, "GET", `?per_page=1`)],
  ban: (jail, bans) =>
    chunks(bans.filter((ban) => ban.target.kind !== "id")).map((part) =>
      change(
        jail,
        "POST",
        part.map((ban) => ({ ip: ban.target.text, comment })),
      ),
    ),
  unban(jail, targets) {
    const meant = new Set<string>(targets.map((target) => target.text));
    return [removal(jail, (target) => meant.has(target.text))];
  },
  stop: (jail) => [removal(jail, () => true)],
  list: (jail) => listing(jail),
};
