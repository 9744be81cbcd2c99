// Texts that a stranger writes where a log has room for his: with an address that is not his own, made out of the very line that he
// is about to appear in, or in the manner of other services; and texts that are odd without being meant badly.

import type { Place } from "./places.ts";

export const foreign = ["198.51.100.77", "2001:db8::77"] as const;

export interface Payload {
  readonly name: string;
  readonly text: string;
  /** Made out of the line itself: also tried with the line cut short behind it. */
  readonly own: boolean;
  /** No address in it: whoever writes it must still be found. */
  readonly harmless: boolean;
}

const anyAddress =
  /(?<![\w.])(?:::ffff:)?(?:\d{1,3}\.){3}\d{1,3}(?!\w)|(?<![\w:])(?:[0-9a-f]{0,4}:){2,}[0-9a-f:.]*[0-9a-f](?![\w:])/gi;

/** What to write into a place of a record so that another address is taken for the writer's. */
export function hostileTexts(record: string, place: Place): Payload[] {
  const from = record.lastIndexOf("\n", place.from - 1) + 1;
  const feed = record.indexOf("\n", place.to);
  const to = feed < 0 ? record.length : feed;
  const tail = record.slice(place.to, to);
  const begin = place.message >= from && place.message <= place.from ? place.message : from;
  const front = record.slice(begin, place.from);
  const was = record.slice(place.from, place.to);
  const payloads = new Map<string, Payload>();
  const add = (name: string, text: string, own: boolean): void => {
    if (!text.includes("\n") && !payloads.has(text))
      payloads.set(text, { name, text, own, harmless: !foreign.some((one) => text.includes(one)) });
  };
  for (const address of foreign) {
    const lie = (text: string): string => text.replace(anyAddress, address);
    const message = lie(`${front}u${tail}`);
    // What stands right in front of the address, as "rhost=" or `"client": "`, and what behind it.
    const keys = [...`${front}${was}${tail}`.matchAll(anyAddress)].map((match) => {
      const line = match.input;
      const key = /[^\s,;]{0,40}\s?$/.exec(line.slice(0, match.index))?.[0] ?? "";
      const end = match.index + match[0].length;
      return key + address + (/^\S{0,20}/.exec(line.slice(end))?.[0] ?? "");
    });
    add("tail", `u${lie(tail)}`, true);
    add("bare tail", lie(tail), true);
    add("tail twice", `u${lie(tail)}${lie(tail)}`, true);
    add("tail, more", `u${lie(tail)} x`, true);
    add("tail, quoted", `"u"${lie(tail)}`, false);
    add("message", `u ${message}`, true);
    add("message alone", message, true);
    add("message, blank", `${message} `, false);
    add("line", lie(record.slice(from, place.from)) + message.slice(lie(front).length), true);
    add("front", `u${tail} ${lie(front)}u`, true);
    add("front joined", `u${tail}${lie(front)}u`, true);
    add("tail, message", `u${tail} ${message}`, true);
    for (const key of new Set(keys)) {
      add("key", `u ${key}`, true);
      add("key joined", `u${key}`, false);
      add("key, closed", `u${tail.slice(0, 1)} ${key}`, true);
      add(
        "key, closed and opened",
        `u${tail.slice(0, 1)} ${key} ${record.slice(place.from - 1, place.from)}`,
        true,
      );
      add("key, comma", `u, ${key}, `, true);
    }
    add("filler, tail", `${"A".repeat(300)}${lie(tail)}`, true);
    add("long filler, tail", `${"A ".repeat(2000)}${lie(tail)}`, false);
    add("tail, filler", `u${lie(tail)}${" A".repeat(150)}`, false);
    add("tail, long filler", `u${lie(tail)}${"A".repeat(4000)}`, false);
    for (const [name, text] of manners(address)) add(name, text, false);
  }
  for (const [name, text] of Object.entries(odd)) add(name, text, false);
  return [...payloads.values()];
}

/** Addresses in the manner of other services, and closed, doubled or unbalanced delimiters around them. */
function manners(address: string): [string, string][] {
  return Object.entries({
    address,
    "address first": `${address} u`,
    "address last": `u ${address}`,
    from: `u from ${address}`,
    "from, port": `u from ${address} port 22 ssh2`,
    preauth: `u from ${address} port 22 ssh2 [preauth]`,
    client: `u [client ${address}:1234] x`,
    rhost: `u rhost=${address} `,
    "rhost, user": `u rhost=${address}  user=root`,
    nginx: `u, client: ${address}, server: _, request: "GET / HTTP/1.1", host: "x"`,
    "nginx closed": `u" while reading, client: ${address}, server: _, request: "GET / HTTP/1.1", host: "x`,
    json: `u","remote_addr":"${address}","x":"`,
    "json escaped": `u\\",\\"remote_addr\\":\\"${address}\\",\\"x\\":\\"`,
    rip: `u>, method=PLAIN, rip=${address}, lip=192.0.2.1, session=<x`,
    brackets: `u [${address}]`,
    "brackets only": `[${address}]`,
    "brackets, port": `u[${address}]:22`,
    parentheses: `u (${address})`,
    "parentheses closed": `u) (${address})`,
    angles: `<${address}>`,
    "angles closed": `u> <${address}>`,
    "name, brackets": `host.example[${address}]`,
    "name, parentheses": `host.example (${address}) `,
    quoted: `u' from '${address}' '`,
    "quoted twice": `u" from "${address}" "`,
    "quoted, escaped": `u\\" from \\"${address}\\" \\"`,
    ip: `u ip=${address} ip: ${address} IP ${address}`,
    "ip in brackets": `u [ip: ${address}] [IP:${address}] (ip: ${address})`,
    host: `u host=${address} host: ${address}`,
    addr: `u addr=${address} addr="${address}" address: ${address}`,
    remote: `u remote=${address} remote_ip=${address} src=${address} srcip=${address}`,
    logfmt: `u" remote_addr=${address} ip="${address}" x="`,
    "port behind": `u ${address}:4022`,
    forwarded: `${address}, 10.0.0.1`,
    "carriage return": `u\r${address}`,
    "line feed, hexadecimal": `u\\x0afrom ${address}`,
    "line feed, octal": `u#012from ${address}`,
    "line feed, backslash": `u\\nfrom ${address}`,
    mapped: `::ffff:${address}`,
    "host name": `${address}.example.org`,
    dashed: `${address.replace(/[.:]/g, "-")}.example.org`,
    user: `user@${address}`,
    uri: `/?u=${address}&ip=${address}`,
    url: `http://${address}/`,
    backslash: `u ${address} \\`,
    "open quote": `" ${address}`,
    "open apostrophe": `' ${address}`,
    bytes: `\xff\xfe ${address} \xc3`,
    "wide space": `u\xc2\xa0from\xc2\xa0${address}`,
    "line separator": `u\xe2\x80\xa8from ${address}`,
  });
}

/** Bytes of UTF-8 and others, as the log holds them. */
const odd: Readonly<Record<string, string>> = {
  plain: "alice",
  "a blank": "john doe",
  blanks: " john  doe ",
  digits: "123456",
  "a dot": "john.doe",
  "a dash": "john-doe_x",
  mail: "john@example.org",
  plus: "john+x@example.org",
  domain: "EXAMPLE\\john",
  apostrophe: "o'neil",
  quote: 'jo"hn',
  "quote, escaped": 'jo\\"hn',
  quotes: '"john"',
  backslash: "john\\",
  colon: "john:doe",
  comma: "john, doe",
  semicolon: "john;doe",
  equals: "user=john",
  parenthesis: "john (x",
  parentheses: "john (x)",
  bracket: "john [x",
  brackets: "john [x]",
  "bracket closed": "john]x",
  angle: "john<x",
  angles: "<john>",
  slash: "john/doe",
  percent: "john%20doe",
  pipe: "john|doe",
  sql: "' OR 1=1 -- ",
  "word from": "john from work",
  "word for": "for user john",
  umlaut: "m\xc3\xbcller",
  cyrillic: "\xd0\xb0\xd0\xb4\xd0\xbc\xd0\xb8\xd0\xbd",
  chinese: "\xe7\xae\xa1\xe7\x90\x86\xe5\x91\x98",
  emoji: "\xf0\x9f\x98\x80",
  "latin-1": "m\xfcller",
  "not utf-8": "\xff\xfe",
  control: "jo\x07hn",
  tab: "john\tdoe",
  empty: "",
  hundred: "a".repeat(100),
  thousand: "a".repeat(1000),
};
