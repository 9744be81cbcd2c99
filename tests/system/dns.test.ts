import { describe, expect, test } from "bun:test";
import { addressesOf, fullNames, inHosts, type Questions, reachable } from "../../src/system/dns.ts";

const failing = (code: string) => Promise.reject(Object.assign(new Error(code), { code }));

/** Answers by "name A" or "name AAAA"; what is not there does not exist, "!" does not answer. Remembers what was asked. */
function server(records: Readonly<Record<string, readonly string[] | "!">>) {
  const asked: string[] = [];
  const answer = (name: string, kind: string): Promise<readonly string[]> => {
    asked.push(`${name} ${kind}`);
    const found = records[`${name} ${kind}`];
    return found === "!"
      ? failing("ETIMEOUT")
      : found === undefined
        ? failing("ENOTFOUND")
        : Promise.resolve(found);
  };
  const questions: Questions = {
    resolve4: (name) => answer(name, "A"),
    resolve6: (name) => answer(name, "AAAA"),
  };
  return { asked, ask: () => Promise.resolve(questions) };
}

const files = (texts: Readonly<Record<string, string>>) => (path: string) => texts[path] ?? "";
const none = files({});

describe("the addresses of a name", () => {
  test("are those of both families, IPv4 first", async () => {
    const { ask } = server({ "a.example A": ["192.0.2.1"], "a.example AAAA": ["2001:db8::1"] });
    expect(await addressesOf("a.example", none, ask)).toEqual(["192.0.2.1", "2001:db8::1"]);
  });
  test("are those of one family where the other does not answer", async () => {
    const { ask } = server({ "a.example A": "!", "a.example AAAA": ["2001:db8::1"] });
    expect(await addressesOf("a.example", none, ask)).toEqual(["2001:db8::1"]);
  });
  test("are the address itself, or what /etc/hosts says, without a question", async () => {
    const { ask, asked } = server({});
    const read = files({
      "/etc/hosts": "# 192.0.2.9 relay\n2001:db8::7 relay\n192.0.2.7\tmail Relay # x\nnonsense relay\n",
    });
    expect(await addressesOf("192.0.2.5", read, ask)).toEqual(["192.0.2.5"]);
    expect(await addressesOf("relay", read, ask)).toEqual(["192.0.2.7", "2001:db8::7"]);
    expect(await addressesOf("localhost", none, ask)).toEqual(["127.0.0.1", "::1"]);
    expect(asked).toEqual([]);
  });
  test("are looked for under the suffixes of resolv.conf", async () => {
    const { ask, asked } = server({ "relay.corp.example A": ["192.0.2.7"] });
    const read = files({ "/etc/resolv.conf": "nameserver 192.0.2.53\nsearch lab.example corp.example\n" });
    expect(await addressesOf("relay", read, ask)).toEqual(["192.0.2.7"]);
    expect(asked.filter((one) => one.endsWith(" A"))).toEqual([
      "relay.lab.example A",
      "relay.corp.example A",
    ]);
  });
  test("that does not exist, or that nobody tells, is an error that says which", async () => {
    const code = (name: string, records: Parameters<typeof server>[0]) =>
      addressesOf(name, none, server(records).ask).then(
        () => undefined,
        (error: NodeJS.ErrnoException) => error.code,
      );
    expect(await code("a.example", {})).toBe("ENOTFOUND");
    expect(await code("a.example", { "a.example A": "!", "a.example AAAA": "!" })).toBe("ETIMEOUT");
  });
  test("are not asked for under further suffixes where nobody answers: each would wait as long", async () => {
    const { ask, asked } = server({ "relay.a.example A": "!", "relay.a.example AAAA": "!" });
    const read = files({ "/etc/resolv.conf": "search a.example b.example\n" });
    expect(await addressesOf("relay", read, ask).catch(() => "none")).toBe("none");
    expect(asked.length).toBe(2);
  });
});

test("a name with a dot is tried as it is first, one without last, one that ends in a dot only so", () => {
  expect(fullNames("domain x.example\nsearch a.example. b.example # c", "relay")).toEqual([
    "relay.a.example",
    "relay.b.example",
    "relay",
  ]);
  expect(fullNames("search a.example", "mail.b.example")).toEqual([
    "mail.b.example",
    "mail.b.example.a.example",
  ]);
  expect(fullNames("search a.example", "mail.b.example.")).toEqual(["mail.b.example"]);
  expect(fullNames("", "relay")).toEqual(["relay"]);
});

test("hosts gives nothing for a name that is only part of one", () => {
  expect(inHosts("192.0.2.1 relay.example\n", "relay")).toEqual([]);
  expect(inHosts("192.0.2.1 relay.example\n", "RELAY.example.")).toEqual(["192.0.2.1"]);
});

test("of several addresses the first is taken that there is a way to", async () => {
  expect(await reachable(["fe80::1", "127.0.0.1"])).toBe("127.0.0.1");
  expect(await reachable(["fe80::1"])).toBe("fe80::1");
});
