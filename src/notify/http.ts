// Every HTTP call a notifier or a lookup makes. What an operator or an answer can aim at us is bounded here: ten seconds, 64 KiB of
// answer, no redirect followed, no link-local or metadata address (also not through a name that resolves to one: the address
// that was judged is the one that is connected to), and errors that name the host but never the path, headers or secrets.

import type { LookupAddress, LookupOptions } from "node:dns";
import type { LookupFunction } from "node:net";
import { z } from "zod";
import { parseAddress, parsePrefix } from "../core/address.ts";
import { createPrefixSet } from "../core/prefixset.ts";
import { visibleLine } from "../core/text.ts";
import { addressesOf, reachable } from "../system/dns.ts";
import type { System } from "../system/index.ts";
import { Failure } from "./failure.ts";
import { redact } from "./secret.ts";

export const timeLimitMs = 10_000;
export const answerLimit = 64 * 1024;

export interface HttpCall {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Never to appear in an error. The URL's path and query never do either. */
  readonly secrets?: readonly string[];
  /** Additional certificate authority, PEM. */
  readonly ca?: string | undefined;
  readonly timeoutMs?: number;
  /** Bytes of the answer that are kept; 64 KiB by default. */
  readonly limit?: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  /** Decoded, cut at the limit. */
  readonly body: string;
  readonly truncated: boolean;
}

const forbidden = createPrefixSet(
  [
    "0.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/3",
    // Metadata services outside the link-local range: Alibaba, Oracle, Azure; EC2 and Google over IPv6.
    "100.100.100.200/32",
    "192.0.0.192/32",
    "168.63.129.16/32",
    "fd00:ec2::/32",
    "fd20:ce::254/128",
    "fe80::/10",
    "ff00::/8",
    "::/128",
    // The link-local range seen through NAT64 and 6to4.
    "64:ff9b::a9fe:0/112",
    "2002:a9fe::/32",
  ].map((text) => parsePrefix(text)!),
);

/** Whether a connection to this literal address is refused. Loopback and private networks are where Gotify and the like live. */
export function isForbiddenAddress(text: string): boolean {
  const address = parseAddress(text);
  return address === undefined || forbidden.find(address) !== undefined;
}

type Resolve = (
  hostname: string,
  options: LookupOptions & { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void;

/** A lookup that hands on only addresses it has judged: what is connected to is what was looked at. */
export const judging =
  (resolving: Resolve): LookupFunction =>
  (hostname, options, callback) => {
    resolving(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, "", 0);
      const allowed = found.filter((one) => !isForbiddenAddress(one.address));
      const first = allowed[0];
      if (first === undefined)
        return callback(
          Object.assign(new Error("link-local or metadata address"), { code: "F2B_FORBIDDEN" }),
          "",
          0,
        );
      if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };

/** As node's own lookup, without its threads; the address that there is a way to comes first. */
const resolving: Resolve = (hostname, _options, callback) => {
  void addressesOf(hostname)
    .then(async (found) => {
      const first = await reachable(found);
      const sorted = [first, ...found.filter((one) => one !== first)];
      callback(
        null,
        sorted.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      );
    })
    .catch((error: NodeJS.ErrnoException) => callback(error, []));
};

/** What an error may not show: what the caller named, and the path and query as they were sent. */
function hidden(call: HttpCall): string[] {
  const url = new URL(call.url);
  return [url.href, url.pathname + url.search, url.pathname, ...(call.secrets ?? [])];
}

/** One call. Any status is an answer; rejects with a Failure when there is none. */
export async function http(call: HttpCall): Promise<HttpAnswer> {
  if (!URL.canParse(call.url)) throw new Failure("the configured URL is not a URL", { permanent: true });
  const url = new URL(call.url);
  // Loaded when first needed: a daemon that calls nobody is megabytes smaller.
  const { request: open } = await (url.protocol === "https:" ? import("node:https") : import("node:http"));
  return new Promise((fulfil, reject) => {
    const name = visibleLine(url.host, 120);
    const limit = call.limit ?? answerLimit;
    const fail = (why: string, permanent = false): void =>
      reject(new Failure(`${name}: ${visibleLine(redact(why, hidden(call)), 300)}`, { permanent }));
    if (url.protocol !== "https:" && url.protocol !== "http:")
      return fail("only http and https are spoken", true);
    const literal = url.hostname.replace(/^\[|\]$/g, "");
    if (parseAddress(literal) !== undefined && isForbiddenAddress(literal))
      return fail("link-local and metadata addresses are refused", true);

    const body = call.body === undefined ? undefined : Buffer.from(call.body);
    const request = open(url, {
      method: call.method ?? (body === undefined ? "GET" : "POST"),
      lookup: judging(resolving),
      agent: false,
      headers: {
        "user-agent": "f2b",
        connection: "close",
        ...(body === undefined ? {} : { "content-length": String(body.length) }),
        ...call.headers,
      },
      ...(call.ca === undefined ? {} : { ca: call.ca }),
    });
    let done = false;
    const finish = (run: () => void): void => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      run();
      request.destroy();
    };
    const timer = setTimeout(
      () => finish(() => fail("no complete answer within the time limit")),
      call.timeoutMs ?? timeLimitMs,
    );
    request.on("error", (error: NodeJS.ErrnoException) =>
      finish(() => {
        if (error.code === "F2B_FORBIDDEN")
          return fail("its name resolves to a link-local or metadata address: refused", true);
        fail(reason(error));
      }),
    );
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const answer = (truncated: boolean): void =>
        finish(() =>
          fulfil({
            status: response.statusCode ?? 0,
            header: (key) => {
              const value = response.headers[key];
              return Array.isArray(value) ? value[0] : value;
            },
            body: Buffer.concat(chunks).subarray(0, limit).toString("utf8"),
            truncated,
          }),
        );
      response.on("data", (chunk: Buffer) => {
        if (done) return;
        chunks.push(chunk);
        size += chunk.length;
        if (size > limit) answer(true);
      });
      response.on("end", () => answer(false));
      response.on("error", () => finish(() => fail("the answer broke off")));
    });
    request.end(body);
  });
}

function reason(error: NodeJS.ErrnoException): string {
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: "connection refused",
    ConnectionRefused: "connection refused",
    ECONNRESET: "connection reset",
    ENOTFOUND: "its name does not resolve",
    ENODATA: "its name does not resolve",
    ETIMEOUT: "its name does not resolve at present",
    EAI_AGAIN: "its name does not resolve at present",
    EHOSTUNREACH: "host unreachable",
    ENETUNREACH: "network unreachable",
    ETIMEDOUT: "connection timed out",
  };
  return known[error.code ?? ""] ?? `${error.code ?? "error"} ${error.message}`;
}

/**
 * One call that must be answered by 2xx. 408, 425, 429 and 5xx may pass (Retry-After is heeded); every other status, a
 * redirect included, is permanent: asking again would be answered alike.
 */
export async function deliver(call: HttpCall): Promise<HttpAnswer> {
  const answer = await http(call);
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw refusal(call, answer);
}

/** What an answer that is not a success means, in words and for the queue. */
export function refusal(call: HttpCall, answer: HttpAnswer): Failure {
  const name = visibleLine(new URL(call.url).host, 120);
  if (answer.status >= 300 && answer.status < 400)
    return new Failure(
      `${name} answered ${answer.status}: redirects are not followed; configure the final URL`,
      {
        permanent: true,
      },
    );
  const said = visibleLine(redact(answer.body, hidden(call)).replace(/\s+/g, " ").trim(), 200);
  const passing = answer.status >= 500 || [408, 425, 429].includes(answer.status);
  const wait = retryAfter(answer.header("retry-after"));
  return new Failure(`${name} answered ${answer.status}${said === "" ? "" : `: ${said}`}`, {
    permanent: !passing,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  });
}

/** Retry-After in seconds, in milliseconds and at most an hour; dates are ignored, for they need a right clock. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined || !/^\d{1,9}(?:\.\d+)?$/.test(value)) return undefined;
  return Math.min(Number(value) * 1000, 3_600_000);
}

export const json = { "content-type": "application/json" } as const;

/** A URL of http or https without a password in it; `secretUrl` where the path is the key to somebody's channel. */
const urlText = z
  .string()
  .max(2000)
  .refine((text) => {
    try {
      const url = new URL(text);
      return (
        (url.protocol === "https:" || url.protocol === "http:") && url.username === "" && url.password === ""
      );
    } catch {
      return false;
    }
  }, "must be an http or https URL without user name and password");

export const url = (description: string) => urlText.describe(description);
export const secretUrl = (description: string) => urlText.meta({ description, secret: true });

export const caFile = z
  .string()
  .startsWith("/", "must be an absolute path")
  .optional()
  .describe("PEM file of an additional certificate authority the server's certificate may come from.");

/** The text of a `ca_file`, or nothing when none is configured. */
export function readCa(system: System, file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return new TextDecoder().decode(system.files.readFile(file));
  } catch (error) {
    throw new Failure(
      `ca_file ${visibleLine(file, 200)} cannot be read: ${(error as NodeJS.ErrnoException).code ?? "error"}`,
      { permanent: true },
    );
  }
}
