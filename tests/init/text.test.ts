import { describe, expect, test } from "bun:test";
import { parse } from "smol-toml";
import { checkConfig } from "../../src/config/check.ts";
import { addedText, type Choices, diff, freshText, propose } from "../../src/init/index.ts";
import { addIgnored, comment } from "../../src/init/text.ts";
import { fakeSystem } from "../support/system.ts";
import { address, facts, service } from "./facts.ts";

const path = "/etc/f2b/f2b.toml";
const mine = address("203.0.113.77");
const choices: Choices = { jails: ["sshd"], ignore: [mine], mail: undefined };
const mistakes = (text: string) => checkConfig(fakeSystem(), path, new Map([[path, text]])).errors;

describe("a new file", () => {
  const proposal = propose(
    facts({ services: [service("sshd", { otherPorts: [2222] }), service("nginx-http-auth")] }),
  );
  test("holds what was chosen, with reasons, and is sound", () => {
    const text = freshText(proposal, choices, "2026-11-21");
    expect(mistakes(text)).toEqual([]);
    expect(parse(text)).toMatchObject({
      defaults: { banaction: "nftables", ignoreip: ["203.0.113.77"] },
      jails: { sshd: { enabled: true, port: ["ssh", 2222] } },
    });
    expect(Object.keys(parse(text).jails as object)).toEqual(["sshd"]);
    expect(text).toContain("nginx-http-auth: you left it out");
  });

  test("every setting has its reason above it", () => {
    const lines = freshText(proposal, choices, "2026-11-21").split("\n");
    for (const [i, line] of lines.entries())
      if (/^(?!enabled)[a-z]+ = /.test(line)) expect(lines[i - 1]).toStartWith("#");
  });

  test("mail by the local server, or by sendmail", () => {
    for (const via of ["server", "sendmail"] as const) {
      const text = freshText(proposal, { ...choices, mail: { to: "root@example.org", via } }, "2026-11-21");
      expect(mistakes(text)).toEqual([]);
      expect(parse(text)).toMatchObject({
        notify: { admin: { type: "mail", to: ["root@example.org"] } },
        report: { notify: ["admin"] },
      });
      expect(text.includes('via = "sendmail"')).toBe(via === "sendmail");
    }
  });

  test("text of the machine cannot break out of its comment", () => {
    const sly = propose(
      facts({ services: [service("sshd", { running: ['x\n[daemon]\nsocket = "/tmp/x"'] })] }),
    );
    const text = freshText(sly, choices, "2026-11-21");
    expect(parse(text).daemon).toBeUndefined();
  });

  test("no line is longer than a terminal of 80 columns shows in a frame", () => {
    const long = comment(`${"word ".repeat(60)}end`);
    expect(Math.max(...long.split("\n").map((line) => line.length))).toBeLessThanOrEqual(74);
    expect(long.replace(/^# ?/gm, "").replaceAll("\n", " ").trim()).toBe(`${"word ".repeat(60)}end`);
  });
});

describe("additions", () => {
  const proposal = propose(facts(), { jails: new Set(["sshd"]), defaults: new Set() });
  test("leave everything that is there as it is", () => {
    const text = "# mine\n[jails.sshd]\nenabled = true # on\nmaxretry = 3\n";
    const after = addedText(text, proposal, { jails: ["nginx-http-auth"], ignore: [], mail: undefined });
    expect(after.startsWith(text)).toBe(true);
    expect(mistakes(after)).toEqual([]);
    expect(Object.keys(parse(after).jails as object)).toEqual(["sshd", "nginx-http-auth"]);
  });

  test("nothing chosen, nothing changed, to the last byte", () => {
    for (const text of ["", "[jails.sshd]\nenabled = true", "\n\n# x\n"])
      expect(addedText(text, proposal, { jails: [], ignore: [], mail: undefined })).toBe(text);
  });

  const cases: readonly (readonly [string, string])[] = [
    ["no [defaults]", "[jails.sshd]\nenabled = true"],
    ["[defaults] without ignoreip", "[defaults] # ours\nmaxretry = 3\n\n[jails.sshd]\nenabled = true\n"],
    ["a list", '[defaults]\nignoreip = ["192.0.2.1"] # office\n'],
    ["an empty list", "[defaults]\nignoreip = []\n"],
    [
      "a list over several lines",
      '[defaults]\nignoreip = [\n  "192.0.2.1",\n  "198.51.100.0/24",\n]\nmaxretry = 3\n',
    ],
    ["one text", '[defaults]\nignoreip = "192.0.2.1"\n'],
  ];
  for (const [what, text] of cases) {
    test(`an address joins ignoreip: ${what}`, () => {
      const after = addIgnored(text, [mine]);
      const before = (parse(text).defaults as { ignoreip?: string | string[] } | undefined)?.ignoreip ?? [];
      expect((parse(after).defaults as { ignoreip: string[] }).ignoreip).toEqual([before, mine].flat());
      for (const line of text.split("\n").filter((one) => !one.includes("ignoreip")))
        expect(after).toContain(line);
    });
  }

  test("an address that is there already is not written twice", () => {
    for (const list of ['["203.0.113.77"]', '"203.0.113.77"']) {
      const text = `[defaults]\nignoreip = ${list}\n`;
      expect(addIgnored(text, [mine])).toBe(text);
    }
  });

  test("a list that holds comments is not touched rather than broken", () => {
    const text = '[defaults]\nignoreip = [ # mine\n  "192.0.2.1", # ] not the end\n]\n';
    const after = addIgnored(text, [mine]);
    expect(after === text || (parse(after).defaults as { ignoreip: string[] }).ignoreip.length === 2).toBe(
      true,
    );
  });
});

describe("diff", () => {
  test("shows changed lines with some around them", () => {
    expect(diff("a\nb\nc\nd\ne\n", "a\nb\nc\nx\ne\n", 1)).toBe("  …\n  c\n- d\n+ x\n  e");
  });
  test("equal texts give nothing", () => expect(diff("a\nb\n", "a\nb\n")).toBe(""));
  test("from nothing everything is new", () => expect(diff("", "a\nb\n")).toBe("+ a\n+ b"));
});
