// The conversation, key by key, through clack and line by line.

import { describe, expect, test } from "bun:test";
import { parse } from "smol-toml";
import {
  clackTerminal,
  converse,
  type Facts,
  type Lent,
  linesOf,
  nothingPresent,
  type Outcome,
  type Preview,
  plainTerminal,
  type Terminal,
  wantsPlain,
} from "../../src/init/index.ts";
import { address, facts, service } from "./facts.ts";
import { blank, ctrlC, down, enter, type FakeTerminal, fakeTerminal, type Step } from "./keys.ts";

const seen: Preview = {
  lines: 1200,
  sources: ["/var/log/auth.log"],
  from: Date.UTC(2026, 10, 14),
  to: Date.UTC(2026, 10, 21),
  jails: [{ jail: "sshd", failures: 40, addresses: 3, banned: 2 }],
  banned: [
    { target: "198.51.100.9", jail: "sshd", bans: 4 },
    { target: "203.0.113.77", jail: "sshd", bans: 1 },
  ],
  spared: [["192.0.2.4", "ignoreip 192.0.2.4"]],
  notes: [],
};

const lent = (changes: Partial<Lent> = {}): Lent => ({
  path: "/etc/f2b/f2b.toml",
  date: "2026-11-21",
  base: undefined,
  takeOver: undefined,
  check: () => [],
  preview: async (_path, _text, progress) => {
    for (let i = 0; i <= 1000; i++) progress(i / 1000);
    return seen;
  },
  ...changes,
});

type Kind = "clack" | "plain";
const open: Readonly<Record<Kind, (fake: FakeTerminal) => Terminal>> = {
  clack: ({ input, output }) => clackTerminal(input, output),
  plain: ({ input, output }) => plainTerminal((text) => void output.write(text), linesOf(input)),
};

async function talk(
  kind: Kind,
  machine: Facts,
  steps: readonly Step[],
  changes: Partial<Lent> = {},
): Promise<{ readonly outcome: Outcome; readonly fake: FakeTerminal }> {
  const fake = fakeTerminal(steps);
  const terminal = open[kind](fake);
  const outcome = await converse(machine, lent(changes), terminal);
  terminal.close();
  return { outcome, fake };
}

const textOf = (outcome: Outcome, present?: string): string => {
  if (outcome.kind !== "decided" || outcome.write === undefined)
    throw new Error(`nothing to write: ${outcome.kind}`);
  return outcome.write(present);
};

const jails = "Which services are to be protected?";
const own = "Never ban this address?";
const now = "What now?";
const line = (text = ""): string => `${text}\n`;

describe("by cursor keys", () => {
  test("Enter, Enter, Enter takes what is proposed", async () => {
    const { outcome, fake } = await talk("clack", facts(), [
      [jails, enter],
      [own, enter],
      [now, enter],
    ]);
    expect(fake.left()).toEqual([]);
    expect(outcome).toMatchObject({ kind: "decided", start: true, takeOver: false, stopFail2ban: false });
    expect(parse(textOf(outcome))).toMatchObject({
      defaults: { ignoreip: ["203.0.113.77"] },
      jails: { sshd: { enabled: true }, "nginx-http-auth": { enabled: true } },
    });
    expect(fake.screen()).toContain("198.51.100.9");
    expect(fake.screen()).toContain("YOU ARE CONNECTED FROM HERE");
  });

  test("a blank switches a service off; the arrow goes down", async () => {
    const { outcome } = await talk("clack", facts(), [
      [jails, down, blank, enter],
      [own, enter],
      [now, enter],
    ]);
    expect(Object.keys(parse(textOf(outcome)).jails as object)).toEqual(["sshd"]);
  });

  test("n leaves the own address out; writing without starting", async () => {
    const { outcome } = await talk("clack", facts(), [
      [jails, enter],
      [own, "n"],
      [now, down, enter],
    ]);
    expect(outcome).toMatchObject({ kind: "decided", start: false });
    expect(parse(textOf(outcome)).defaults).not.toHaveProperty("ignoreip");
  });

  test("the services can be chosen again after the preview", async () => {
    const { outcome } = await talk("clack", facts(), [
      [jails, enter],
      [own, enter],
      [now, down, down, enter],
      [jails, blank, enter],
      [now, enter],
    ]);
    expect(Object.keys(parse(textOf(outcome)).jails as object)).toEqual(["nginx-http-auth"]);
  });

  test("mail is asked for where it can be sent, and a bad address is refused at once", async () => {
    const { outcome, fake } = await talk("clack", facts({ mail: "server" }), [
      [jails, enter],
      [own, enter],
      ["Mail a daily report", "nobody", enter],
      ["an address such as", "@example.org", enter],
      [now, enter],
    ]);
    expect(fake.left()).toEqual([]);
    expect(parse(textOf(outcome))).toMatchObject({ notify: { admin: { to: ["nobody@example.org"] } } });
  });

  test("Esc leaves as well", async () => {
    const { outcome } = await talk("clack", facts(), [[jails, "\x1b"]]);
    expect(outcome).toEqual({ kind: "cancelled" });
  });

  test("long texts are broken between words", async () => {
    const notes = [`${"word ".repeat(40)}end`];
    const { fake } = await talk(
      "clack",
      facts(),
      [
        [jails, enter],
        [own, enter],
        [now, enter],
      ],
      {
        preview: async () => ({ ...seen, notes }),
      },
    );
    const lines = fake
      .screen()
      .split("\n")
      .filter((one) => one.includes("word word"));
    expect(lines.length).toBeGreaterThan(1);
    expect(Math.max(...lines.map((one) => one.trimEnd().length))).toBeLessThanOrEqual(80);
  });

  test("the bar moves at most some twenty times", async () => {
    const { fake } = await talk("clack", facts(), [
      [jails, enter],
      [own, enter],
      [now, enter],
    ]);
    const moves = fake.raw().match(/\r\x1b\[2K {3}/g) ?? [];
    expect(moves.length).toBeGreaterThan(5);
    expect(moves.length).toBeLessThanOrEqual(21);
  });
});

const fail2ban = { directory: "/etc/fail2ban", running: true };
const taken = {
  base: {
    path: "/tmp/stage/f2b.toml",
    text: "[jails.sshd]\nenabled = true\nmaxretry = 3\n",
    present: { ...nothingPresent, jails: new Set(["sshd"]) },
    ignored: [],
  },
  report: "sshd: f2b's own sshd",
};

/** Every question there is, in its order, with the key that goes on. */
const everything: Readonly<Record<Kind, readonly Step[]>> = {
  clack: [
    ["Take over fail2ban", enter],
    [jails, enter],
    [own, enter],
    [now, enter],
    ["Stop fail2ban", enter],
  ],
  plain: [
    ["Take over fail2ban", line()],
    ["Numbers to switch", line()],
    [own, line()],
    ["A number (Enter", line()],
    ["Stop fail2ban", line()],
  ],
};

for (const kind of ["clack", "plain"] as const) {
  describe(`leaving (${kind})`, () => {
    test("all questions answered: fail2ban is taken over and stopped", async () => {
      const { outcome, fake } = await talk(kind, facts({ fail2ban }), everything[kind], {
        takeOver: async () => taken,
      });
      expect(fake.left()).toEqual([]);
      expect(outcome).toMatchObject({ kind: "decided", takeOver: true, start: true, stopFail2ban: true });
      const text = textOf(outcome, taken.base.text);
      expect(text.startsWith(taken.base.text)).toBe(true);
      expect(Object.keys(parse(text).jails as object)).toEqual(["sshd", "nginx-http-auth"]);
    });

    for (const at of everything[kind].keys()) {
      test(`at question ${at + 1}: ${everything[kind][at]?.[0]}`, async () => {
        const steps = everything[kind]
          .slice(0, at + 1)
          .map((step, i): Step => (i < at ? step : [step[0], kind === "clack" ? ctrlC : line(ctrlC)]));
        const { outcome, fake } = await talk(kind, facts({ fail2ban }), steps, {
          takeOver: async () => taken,
        });
        expect(fake.left()).toEqual([]);
        expect(outcome).toEqual({ kind: "cancelled" });
      });
    }
  });
}

describe("line by line", () => {
  test("numbers switch, a wrong answer is asked again, nothing moves the cursor", async () => {
    const { outcome, fake } = await talk("plain", facts(), [
      ["Numbers to switch", line("9")],
      ["numbers from 1 to 2", line("1")],
      ["[ ] sshd", line()],
      [own, line("maybe")],
      ["y or n", line("no")],
      ["A number (Enter", line("2")],
    ]);
    expect(fake.left()).toEqual([]);
    expect(outcome).toMatchObject({ kind: "decided", start: false });
    expect(Object.keys(parse(textOf(outcome)).jails as object)).toEqual(["nginx-http-auth"]);
    expect(fake.raw()).not.toMatch(/[\x1b\r\x08]/);
    expect(fake.raw()).not.toMatch(/[^\x00-\x7f]/);
  });

  test("the end of the input leaves", async () => {
    const fake = fakeTerminal([]);
    const terminal = open.plain(fake);
    fake.input.end();
    expect(await converse(facts(), lent(), terminal)).toEqual({ kind: "cancelled" });
  });

  test("progress takes few lines", async () => {
    const { fake } = await talk("plain", facts(), [
      ["Numbers to switch", line()],
      [own, line()],
      ["A number (Enter", line()],
    ]);
    expect(fake.screen().match(/reading the logs.*%/g)).toHaveLength(3);
  });

  test("is taken for dumb terminals, serial lines and those who want no colours", () => {
    expect(wantsPlain({ TERM: "xterm-256color" }, "/dev/pts/3")).toBe(false);
    expect(wantsPlain({ TERM: "linux" }, "/dev/tty1")).toBe(false);
    expect(wantsPlain({ TERM: "dumb" }, "/dev/pts/3")).toBe(true);
    expect(wantsPlain({ TERM: "vt220" }, undefined)).toBe(true);
    expect(wantsPlain({}, undefined)).toBe(true);
    expect(wantsPlain({ TERM: "xterm", NO_COLOR: "1" }, "/dev/pts/3")).toBe(true);
    expect(wantsPlain({ TERM: "xterm" }, "/dev/ttyS0")).toBe(true);
  });
});

describe("--yes", () => {
  const answered = async (machine: Facts, changes: Partial<Lent> = {}) => {
    let written = "";
    const terminal = plainTerminal((text) => {
      written += text;
    }, undefined);
    return { outcome: await converse(machine, lent(changes), terminal), written };
  };

  test("answers everything with what is proposed, and shows question and answer", async () => {
    const { outcome, written } = await answered(facts({ mail: "server" }));
    expect(outcome).toMatchObject({ kind: "decided", start: true });
    expect(parse(textOf(outcome))).toMatchObject({ defaults: { ignoreip: ["203.0.113.77"] } });
    expect(parse(textOf(outcome))).not.toHaveProperty("notify");
    expect(written).toMatch(/Never ban this address\? \[Y\/n\] yes/);
  });

  test("takes a running fail2ban over, and leaves one that does not run", async () => {
    const takeOver = async () => taken;
    expect((await answered(facts({ fail2ban }), { takeOver })).outcome).toMatchObject({ takeOver: true });
    const idle = { ...fail2ban, running: false };
    expect((await answered(facts({ fail2ban: idle }), { takeOver })).outcome).toMatchObject({
      takeOver: false,
      stopFail2ban: false,
    });
  });

  test("changes nothing where nothing is to be protected", async () => {
    expect((await answered(facts({ services: [] }))).outcome).toEqual({ kind: "cancelled" });
  });

  test("without systemd it writes and starts nothing", async () => {
    expect((await answered(facts({ systemd: false }))).outcome).toMatchObject({
      kind: "decided",
      start: false,
    });
  });
});

describe("on an existing configuration", () => {
  const base = {
    path: "/etc/f2b/f2b.toml",
    text: '[defaults]\nignoreip = ["203.0.113.0/24"]\n[jails.sshd]\nenabled = false\n',
    present: { jails: new Set(["sshd"]), defaults: new Set(["ignoreip"]) },
    ignored: [address("203.0.113.77")],
  };

  test("only what is missing is asked, and shown as a difference", async () => {
    const { outcome, fake } = await talk(
      "clack",
      facts(),
      [
        [jails, enter],
        [now, enter],
      ],
      { base },
    );
    expect(fake.left()).toEqual([]);
    expect(fake.screen()).not.toContain(own);
    expect(fake.screen()).toContain("+ [jails.nginx-http-auth]");
    expect(fake.screen()).not.toContain("+ [jails.sshd]");
    expect(textOf(outcome, base.text).startsWith(base.text)).toBe(true);
  });

  test("nothing missing: nothing is written, the service may still be started", async () => {
    const { outcome } = await talk("clack", facts({ services: [service("sshd")] }), [[now, enter]], { base });
    expect(outcome).toMatchObject({ kind: "decided", write: undefined, start: true });
  });

  test("a text with mistakes is not offered for writing", async () => {
    const faults = [{ what: "no" }];
    const check: Lent["check"] = (_, text) => (text === base.text ? [] : faults);
    const { outcome } = await talk("clack", facts(), [[jails, enter]], { base, check });
    expect(outcome).toEqual({ kind: "faulty", faults });
  });

  test("a jail that could not run before is said, and is no reason to add nothing", async () => {
    const faults = [{ what: "[jails.own] failregex 1 does not say whom to blame" }];
    const { outcome, fake } = await talk(
      "clack",
      facts(),
      [
        [jails, enter],
        [now, enter],
      ],
      {
        base,
        check: () => faults,
      },
    );
    expect(outcome.kind).toBe("decided");
    expect(fake.screen()).toContain("has to be corrected by hand");
  });
});

test("an application that the logs betray is chosen before anybody is asked", async () => {
  const asked: string[] = [];
  const preview = async (_path: string, text: string) => {
    asked.push(Object.keys(parse(text).jails as object).join(" "));
    return { ...seen, jails: [{ jail: "wordpress", failures: 12, addresses: 2, banned: 1 }] };
  };
  const services = [service("sshd"), service("wordpress", { guestOf: "nginx" })];
  const { outcome } = await talk(
    "clack",
    facts({ services }),
    [
      [jails, enter],
      [own, enter],
      [now, enter],
    ],
    { preview },
  );
  expect(asked).toEqual(["wordpress", "sshd wordpress"]);
  expect(Object.keys(parse(textOf(outcome)).jails as object)).toEqual(["sshd", "wordpress"]);
});

describe("what the preview warns of", () => {
  test("a private address that would be banned may be a proxy or a container's gateway", async () => {
    const preview = async () => ({ ...seen, banned: [{ target: "172.17.0.1", jail: "sshd", bans: 9 }] });
    const { fake } = await talk(
      "clack",
      facts(),
      [
        [jails, enter],
        [own, enter],
        [now, enter],
      ],
      { preview },
    );
    expect(fake.screen().replace(/[\s│]+/g, " ")).toContain("172.17.0.1: a private address.");
  });
});
