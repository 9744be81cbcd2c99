import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEnricher, type Oracles } from "../../src/notify/enrich.ts";
import { enrichOptions, noEnrichment } from "../../src/notify/enrichoptions.ts";
import { createPlaces } from "../../src/notify/places.ts";
import { abuseInWhois, askRdap, askWhois, cleanWhois, type Registries } from "../../src/notify/registry.ts";
import { endless, type HttpServer, startHttp, status } from "./http-server.ts";
import { mmdb } from "./mmdb.ts";
import { ban, handClock, testSystem } from "./support.ts";

const record = {
  startAddress: "192.0.2.0",
  endAddress: "192.0.2.255",
  name: "EXAMPLE-NET",
  country: "de",
  entities: [
    {
      roles: ["registrant"],
      vcardArray: ["vcard", [["fn", {}, "text", "Example \u202eISP\x1b[31m"]]],
      entities: [{ roles: ["abuse"], vcardArray: ["vcard", [["email", {}, "text", "abuse@isp.example"]]] }],
    },
  ],
};

let rdap: HttpServer;
let whois: Server;
let whoisPort = 0;
let whoisAnswer: string | "hang" | "flood" = "";
const whoisAsked: string[] = [];
beforeAll(async () => {
  rdap = await startHttp();
  whois = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      whoisAsked.push(chunk.toString());
      if (whoisAnswer === "hang") return;
      if (whoisAnswer === "flood") {
        const more = (): void => {
          while (!socket.destroyed && socket.write("x".repeat(65_536)));
        };
        socket.on("drain", more);
        more();
        return;
      }
      socket.end(whoisAnswer);
    });
  });
  await new Promise<void>((go) => whois.listen(0, "127.0.0.1", go));
  whoisPort = (whois.address() as AddressInfo).port;
});
beforeEach(() => {
  rdap.seen.length = 0;
  whoisAsked.length = 0;
  rdap.behave = status(200, JSON.stringify(record));
  whoisAnswer =
    "% comment\ninetnum: 192.0.2.0 - 192.0.2.255\n\n\n\nabuse-mailbox:  abuse@isp.example\n~!touch /tmp/p\x1b[2J\n";
});
afterAll(async () => {
  await rdap.close();
  whois.close();
});

const registries = (): Registries => ({
  rdap: rdap.url,
  rdapHosts: ["127.0.0.1"],
  whois: { host: "127.0.0.1", port: whoisPort },
  whoisHosts: ["127.0.0.1"],
  whoisPort,
});
const oracles = (more: Partial<Oracles> = {}): Oracles => ({
  names: async () => ["host-1.isp.example"],
  registries: registries(),
  isInner: () => false,
  ...more,
});
const { system } = testSystem();
const enricher = (raw: Record<string, unknown>, more: Partial<Oracles> = {}) =>
  createEnricher(enrichOptions().parse(raw), system, oracles(more));
const target = ban("192.0.2.1").ban.target;

describe("RDAP", () => {
  test("gives network, country, organisation and abuse contact, made visible", async () => {
    expect(await askRdap("192.0.2.1", registries())).toEqual({
      network: "EXAMPLE-NET (192.0.2.0 - 192.0.2.255)",
      country: "DE",
      organisation: "Example \\u202eISP\\x1b[31m",
      abuse: "abuse@isp.example",
    });
    expect(rdap.seen[0]?.path).toBe("/ip/192.0.2.1");
  });

  test("follows a referral to a registry, to nobody else, and not in circles", async () => {
    rdap.behave = (seen, response, nth) =>
      nth === 1
        ? status(302, "", { location: `${rdap.url}/other/ip/192.0.2.1` })(seen, response, nth)
        : status(200, JSON.stringify(record))(seen, response, nth);
    expect((await askRdap("192.0.2.1", registries())).country).toBe("DE");
    for (const location of [
      "http://169.254.169.254/",
      "https://evil.example/",
      "file:///etc/passwd",
      "//localhost/",
    ]) {
      rdap.behave = status(302, "", { location });
      await expect(askRdap("192.0.2.1", registries())).rejects.toThrow("no address registry");
    }
    rdap.behave = status(302, "", { location: `${rdap.url}/again` });
    await expect(askRdap("192.0.2.1", registries())).rejects.toThrow("circles");
  });

  test("answers that are endless, no JSON or of odd shapes do no harm", async () => {
    rdap.behave = endless;
    await expect(askRdap("192.0.2.1", registries())).rejects.toThrow("too long");
    rdap.behave = status(200, "<html>");
    await expect(askRdap("192.0.2.1", registries())).rejects.toThrow("not JSON");
    let nested: unknown = {
      roles: ["abuse"],
      vcardArray: ["vcard", [["email", {}, "text", "deep@isp.example"]]],
    };
    for (let i = 0; i < 500; i++) nested = { entities: [nested] };
    for (const odd of [
      null,
      [],
      7,
      { entities: 7 },
      { entities: [null, { roles: "abuse", vcardArray: 5 }] },
      nested,
      { name: { a: 1 }, country: "<b>" },
    ]) {
      rdap.behave = status(200, JSON.stringify(odd));
      expect(await askRdap("192.0.2.1", registries())).toEqual({});
    }
  });

  test("an abuse contact that is more than a plain address is none", async () => {
    for (const email of ["a@b.c\r\nBcc: x@y.z", "-oQ@b.c", "root", "a b@c.d"]) {
      rdap.behave = status(
        200,
        JSON.stringify({
          entities: [{ roles: ["abuse"], vcardArray: ["vcard", [["email", {}, "text", email]]] }],
        }),
      );
      expect(await askRdap("192.0.2.1", registries())).toEqual({});
    }
  });
});

describe("whois", () => {
  test("the abuse contact is found where registries write it, in a comment too", () => {
    for (const [text, contact] of [
      ["% Abuse contact for '192.0.2.0 - 192.0.2.255' is 'abuse@isp.example'", "abuse@isp.example"],
      ["abuse-mailbox:  abuse@isp.example", "abuse@isp.example"],
      ["OrgAbuseEmail:  abuse@isp.example ", "abuse@isp.example"],
      ["% Abuse contact for '192.0.2.0 - 192.0.2.255' is 'a b@isp.example'", undefined],
      ["remarks: abuse@isp.example", undefined],
    ] as const)
      expect(abuseInWhois(cleanWhois(`% a comment\n\n${text}\nnetname: EXAMPLE\n`))).toBe(contact);
  });

  test("asks with nothing but the address and cleans the answer", async () => {
    const text = await askWhois("192.0.2.1", 1_000, registries());
    expect(whoisAsked).toEqual(["192.0.2.1\r\n"]);
    expect(text).toBe(
      "inetnum: 192.0.2.0 - 192.0.2.255\n\nabuse-mailbox:  abuse@isp.example\n~!touch /tmp/p\\x1b[2J",
    );
    expect(abuseInWhois(text)).toBe("abuse@isp.example");
  });

  test("a referral to a stranger is not followed", async () => {
    whoisAnswer = "refer: whois.evil.example\nnetname: X\n";
    expect(await askWhois("192.0.2.1", 1_000, registries())).toContain("netname: X");
    expect(whoisAsked).toHaveLength(1);
  });

  test("a server that says nothing, or never stops, is left", async () => {
    whoisAnswer = "hang";
    const begun = performance.now();
    await expect(askWhois("192.0.2.1", 200, registries())).rejects.toThrow("time limit");
    whoisAnswer = "flood";
    expect((await askWhois("192.0.2.1", 2_000, registries())).length).toBeLessThan(65_536);
    expect(performance.now() - begun).toBeLessThan(3_000);
  });

  test("long answers are cut to sixty lines", () => {
    expect(cleanWhois("a: b\n".repeat(1_000)).split("\n")).toHaveLength(61);
  });
});

describe("country files", () => {
  const directory = mkdtempSync(join(tmpdir(), "f2b-mmdb-"));

  test("of several publishers are read, v4 and v6, and read again when replaced", () => {
    const clock = handClock();
    const { system } = testSystem(clock);
    const countries = join(directory, "country.mmdb");
    const asns = join(directory, "asn.mmdb");
    writeFileSync(
      countries,
      mmdb([
        ["192.0.2.0/24", { country: { iso_code: "DE" } }],
        ["2001:db8::/32", { country: { iso_code: "FR" } }],
      ]),
    );
    writeFileSync(
      asns,
      mmdb([
        [
          "192.0.2.0/24",
          { autonomous_system_number: 64500, autonomous_system_organization: "Example \u202eNet" },
        ],
      ]),
    );
    const places = createPlaces([countries, asns, join(directory, "absent.mmdb")], system);
    expect(places.find("192.0.2.77")).toEqual({
      country: "DE",
      asn: 64500,
      organisation: "Example \\u202eNet",
    });
    expect(places.find("2001:db8::1")).toEqual({ country: "FR" });
    expect(places.find("198.51.100.1")).toEqual({});
    writeFileSync(
      countries,
      mmdb([
        ["192.0.2.0/24", { country_code: "AT", asn: "AS64501", as_name: "Other" }],
        ["198.51.100.0/24", { country: "CH" }],
      ]),
    );
    return clock.advance(61_000).then(() => {
      expect(places.find("192.0.2.77").country).toBe("AT");
      expect(places.find("198.51.100.1").country).toBe("CH");
    });
  });

  test("a broken file is said once and leaves what was known", async () => {
    const clock = handClock();
    const { system, said } = testSystem(clock);
    const file = join(directory, "broken.mmdb");
    writeFileSync(file, mmdb([["192.0.2.0/24", { country: { iso_code: "DE" } }]]));
    const places = createPlaces([file], system);
    expect(places.find("192.0.2.1").country).toBe("DE");
    writeFileSync(file, "half a file");
    await clock.advance(61_000);
    expect(places.find("192.0.2.1").country).toBe("DE");
    await clock.advance(61_000);
    places.find("192.0.2.1");
    expect(said.filter((line) => line.includes("broken.mmdb"))).toHaveLength(1);
  });
});

test("without [enrichment] the defaults hold", () => {
  expect(enrichOptions().parse({})).toEqual(noEnrichment);
});

describe("the enricher", () => {
  test("asks nobody unless it is configured or wanted", async () => {
    expect(await enricher({}).look(target, [])).toEqual({});
    expect(rdap.seen).toHaveLength(0);
    expect(whoisAsked).toHaveLength(0);
  });

  test("asks what a form of message wants, once a day for an address", async () => {
    const one = enricher({});
    expect(await one.look(target, ["whois", "name", "lines"])).toMatchObject({
      name: "host-1.isp.example",
      abuse: "abuse@isp.example",
    });
    await one.look(target, ["whois", "name"]);
    expect(whoisAsked).toHaveLength(1);
    expect(rdap.seen).toHaveLength(0);
    expect(await one.look(target, ["abuse"])).toMatchObject({ abuse: "abuse@isp.example", country: "DE" });
  });

  test("never asks about inner addresses", async () => {
    let asked = 0;
    const { isInner: _, ...rest } = oracles();
    const one = createEnricher(enrichOptions().parse({ reversedns: true, rdap: true, whois: true }), system);
    for (const address of [
      "10.1.2.3",
      "192.168.1.1",
      "127.0.0.1",
      "fd00::1",
      "fe80::1",
      "100.64.0.1",
      "192.0.2.1",
      "2001:db8::1",
    ]) {
      expect(await one.look(ban(address).ban.target, ["abuse"])).toEqual({});
      asked++;
    }
    expect(asked).toBe(8);
    expect(rest.registries.rdap).toBe(rdap.url);
    expect(rdap.seen).toHaveLength(0);
  });

  test("a name is cut to what a name may hold", async () => {
    const found = await enricher(
      { reversedns: true },
      { names: async () => ["evil\r\nBcc: <b>\x1b[31m.example"] },
    ).look(target, []);
    expect(found.name).toBe("evil??Bcc:??b???31m.example".replaceAll(":", "?"));
  });

  test("is back after its time however little it is answered, and asks no more than four at once", async () => {
    const clock = handClock();
    const { system } = testSystem(clock);
    let open = 0;
    let most = 0;
    const never: Oracles["names"] = () => {
      open++;
      most = Math.max(most, open);
      return new Promise(() => undefined);
    };
    const one = createEnricher(
      enrichOptions().parse({ reversedns: true }),
      system,
      oracles({ names: never }),
    );
    let back = 0;
    for (let i = 0; i < 12; i++)
      void one.look(ban(`192.0.2.${i}`).ban.target, []).then((found) => {
        expect(found).toEqual({});
        back++;
        open--;
      });
    await clock.advance(9_999);
    expect(back).toBe(0);
    expect(most).toBe(4);
    await clock.advance(30_000);
    expect(back).toBe(12);
  });
});
