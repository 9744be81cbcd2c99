import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JailName } from "../../src/core/domain.ts";
import { Failure } from "../../src/notify/failure.ts";
import type { Enrichment, Event, Message } from "../../src/notify/index.ts";
import { mail } from "../../src/notify/mail.ts";
import { xarf } from "../../src/notify/xarf.ts";
import {
  headersOf,
  makeCertificate,
  type SmtpBehaviour,
  type SmtpServer,
  startSmtp,
  textOf,
} from "./smtp-server.ts";
import { ban, message, nthAddress, testSystem } from "./support.ts";

const certificate = makeCertificate();
const { system } = testSystem();
const directory = mkdtempSync(join(tmpdir(), "f2b-mail-"));
let servers: SmtpServer[] = [];

async function server(behaviour: SmtpBehaviour): Promise<SmtpServer> {
  const one = await startSmtp(behaviour, certificate);
  servers.push(one);
  return one;
}
afterEach(async () => {
  for (const one of servers) await one.close();
  servers = [];
});

const optionsOf = (raw: Record<string, unknown>) =>
  mail.options.parse({ to: ["root@example.org"], from: "f2b@example.org", ...raw });

async function failure(work: Promise<unknown>): Promise<Failure> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

const send = (raw: Record<string, unknown>, what: Message = message(ban("192.0.2.1"))) =>
  mail.send(what, optionsOf(raw), system);

describe("mail by SMTP", () => {
  test("arrives with text and HTML, one of each header, and says that a machine wrote it", async () => {
    const smtp = await server({});
    await send({ port: smtp.port, to: ["root@example.org", "ops@example.org"] });
    const [letter] = smtp.letters;
    expect(letter?.from).toBe("f2b@example.org");
    expect(letter?.to).toEqual(["root@example.org", "ops@example.org"]);
    const headers = headersOf(letter!);
    expect(headers.get("subject")).toEqual(["[f2b] web1: 192.0.2.1 banned by sshd for 10m (5 failures)"]);
    expect(headers.get("auto-submitted")).toEqual(["auto-generated"]);
    expect(headers.get("message-id")).toEqual(["<f2b.0123456789abcdef01.1@example.org>"]);
    expect(textOf(letter!)).toContain("text/plain");
    expect(textOf(letter!)).toContain("text/html");
    expect(textOf(letter!)).toContain("192.0.2.1 banned by sshd");
  });

  test("a user name, jail or line cannot add a header, a recipient, a part or a command", async () => {
    const smtp = await server({});
    const evil =
      'x\r\nBcc: victim@example.net\r\n\r\n.\r\nMAIL FROM:<a@b>\r\nRCPT TO:<victim@example.net>\r\n"\u2028\u0000\u202e--boundary';
    const event = ban("192.0.2.1", {
      user: evil,
      note: evil,
      jail: "sshd" as JailName,
      lines: [evil, ".", "\r\n.\r\nQUIT"],
    });
    await send(
      { port: smtp.port, form: "whois-lines" },
      message({ ...event, enrichment: { whois: evil, name: evil, organisation: evil } }),
    );
    const [letter] = smtp.letters;
    expect(smtp.letters).toHaveLength(1);
    expect(smtp.commands.filter((line) => line.startsWith("RCPT"))).toEqual(["RCPT TO:<root@example.org>"]);
    expect(smtp.commands.filter((line) => line.startsWith("MAIL FROM"))).toHaveLength(1);
    const headers = headersOf(letter!);
    expect([...headers.keys()].sort()).toEqual(
      [
        "auto-submitted",
        "content-type",
        "date",
        "from",
        "message-id",
        "mime-version",
        "subject",
        "to",
        "x-auto-response-suppress",
      ].sort(),
    );
    for (const values of headers.values()) expect(values).toHaveLength(1);
    expect(Buffer.from(textOf(letter!), "latin1").toString("utf8")).not.toContain("\u202e");
    expect(textOf(letter!)).not.toContain("\u202e");
  });

  test("HTML in a user name or line is text", async () => {
    const smtp = await server({});
    await send(
      { port: smtp.port, form: "whois-lines" },
      message(
        ban("192.0.2.1", { user: "<img src=x onerror=alert(1)>", lines: ["<script>alert(1)</script>"] }),
      ),
    );
    const html = textOf(smtp.letters[0]!).split("text/html")[1]!;
    expect(html).not.toContain("<img");
    expect(html).not.toContain("<script");
    expect(html).toContain("&#60;script&#62;");
  });

  test("addresses that are more than an address are refused by the configuration", () => {
    for (const to of [
      "a@b.c\r\nBcc: x@y.z",
      "a b@c.d",
      "-oQ/tmp@x.y",
      "a@b.c,d@e.f",
      "<a@b.c>",
      "a@-b.c",
      "",
    ])
      expect([to, mail.options.safeParse({ to: [to] }).success]).toEqual([to, false]);
    for (const to of ["root", "root@localhost", "a.b+c@example.org"])
      expect([to, mail.options.safeParse({ to: [to] }).success]).toEqual([to, true]);
  });

  test("many bans are one table, and how many are not listed is said", async () => {
    const smtp = await server({});
    const events = Array.from({ length: 500 }, (_, i) => ban(nthAddress(i)));
    await send({ port: smtp.port }, { ...message(...events), omitted: 9_500 });
    const headers = headersOf(smtp.letters[0]!);
    expect(headers.get("subject")).toEqual(["[f2b] web1: 500 bans (sshd), 9500 more not listed"]);
    expect(textOf(smtp.letters[0]!)).toContain("and 9900 more");
  });

  test("a report is sent as it is", async () => {
    const smtp = await server({});
    const report: Event = {
      kind: "report",
      at: 0,
      subject: "f2b daily report",
      text: "the text",
      html: "<p>the html</p>",
    };
    await send({ port: smtp.port }, message(report));
    expect(headersOf(smtp.letters[0]!).get("subject")).toEqual(["f2b daily report"]);
    expect(textOf(smtp.letters[0]!)).toContain("<p>the html</p>");
  });
});

describe("TLS and AUTH", () => {
  test("STARTTLS with a certificate that is trusted, then AUTH with a password from a file", async () => {
    const smtp = await server({ starttls: true, auth: "bob:correct horse" });
    const file = join(directory, "password");
    writeFileSync(file, "correct horse\n", { mode: 0o600 });
    await send({
      port: smtp.port,
      tls: "starttls",
      ca_file: certificate.certFile,
      username: "bob",
      password_file: file,
    });
    expect(smtp.letters[0]).toMatchObject({ secure: true, user: "bob" });
  });

  test("TLS from the first byte", async () => {
    const smtp = await server({ implicit: true });
    await send({ port: smtp.port, tls: "implicit", ca_file: certificate.certFile });
    expect(smtp.letters[0]?.secure).toBe(true);
  });

  test("a certificate that nobody vouches for ends the conversation before the password", async () => {
    const smtp = await server({ starttls: true, auth: "bob:hunter22" });
    const failed = await failure(
      send({ port: smtp.port, tls: "starttls", username: "bob", password: "hunter22" }),
    );
    expect(failed.message).toContain("certificate");
    expect(smtp.letters).toHaveLength(0);
    expect(smtp.commands.some((line) => line.startsWith("AUTH"))).toBe(false);
  });

  test("a server that does not offer STARTTLS gets neither mail nor password", async () => {
    const smtp = await server({ auth: "bob:hunter22" });
    await failure(send({ port: smtp.port, tls: "starttls", username: "bob", password: "hunter22" }));
    expect(smtp.letters).toHaveLength(0);
    expect(smtp.commands.some((line) => line.startsWith("AUTH"))).toBe(false);
  });

  test("on another host TLS is required by default, and a password in the clear is refused by the configuration", () => {
    expect(
      mail.options.safeParse({
        to: ["a@b.c"],
        host: "mx.example.org",
        tls: "none",
        username: "u",
        password: "pppp",
      }).success,
    ).toBe(false);
    expect(
      mail.options.safeParse({
        to: ["a@b.c"],
        host: "localhost",
        tls: "none",
        username: "u",
        password: "pppp",
      }).success,
    ).toBe(true);
    expect(mail.options.safeParse({ to: ["a@b.c"], username: "u" }).success).toBe(false);
  });

  test("wrong credentials are permanent, and the error does not hold the password although the server repeats it", async () => {
    const smtp = await server({ auth: "bob:right" });
    const failed = await failure(send({ port: smtp.port, username: "bob", password: "wrong-password" }));
    expect(failed.permanent).toBe(true);
    expect(failed.message).not.toContain("wrong-password");
  });

  test("a password file that everybody may read is refused", async () => {
    const smtp = await server({ auth: "bob:secret" });
    const file = join(directory, "open-password");
    writeFileSync(file, "secret\n");
    chmodSync(file, 0o644);
    const failed = await failure(send({ port: smtp.port, username: "bob", password_file: file }));
    expect(failed.message).toContain("chmod 600");
    expect(smtp.commands).toHaveLength(0);
  });
});

describe("refusals", () => {
  test("5xx is permanent, 4xx passes", async () => {
    const no = await server({ answers: { RCPT: "550 no such user" } });
    expect((await failure(send({ port: no.port }))).permanent).toBe(true);
    const later = await server({ answers: { RCPT: "451 try again later" } });
    expect((await failure(send({ port: later.port }))).permanent).toBe(false);
  });

  test("nobody listening passes", async () => {
    const gone = await server({});
    await gone.close();
    expect((await failure(send({ port: gone.port }))).permanent).toBe(false);
  });

  test("a tarpit that never greets is left after ten seconds", async () => {
    const smtp = await server({ silent: true });
    const begun = performance.now();
    expect((await failure(send({ port: smtp.port }))).permanent).toBe(false);
    expect(performance.now() - begun).toBeLessThan(13_000);
  }, 20_000);
});

describe("mail by the local program", () => {
  test("gets sender and recipients as arguments and the letter on standard input, lone dots unharmed", async () => {
    const out = join(directory, "out");
    const program = join(directory, "sendmail");
    writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$@" > ${out}.args\ncat > ${out}\n`, { mode: 0o755 });
    await send(
      { via: "sendmail", program, form: "whois-lines" },
      message(ban("192.0.2.1", { lines: ["."] })),
    );
    expect(readFileSync(`${out}.args`, "utf8").trim().split("\n")).toEqual([
      "-i",
      "-f",
      "f2b@example.org",
      "root@example.org",
    ]);
    const text = readFileSync(out, "utf8");
    expect(text).toContain("Subject: [f2b] web1: 192.0.2.1 banned");
    expect(text).not.toContain("\r");
  });

  test("its refusal is told with its words", async () => {
    const program = join(directory, "refuses");
    writeFileSync(program, "#!/bin/sh\ncat >/dev/null\necho 'no such user' >&2\nexit 67\n", { mode: 0o755 });
    const failed = await failure(send({ via: "sendmail", program }));
    expect(failed.permanent).toBe(true);
    expect(failed.message).toContain("no such user");
  });
});

describe("abuse reports", () => {
  const withAbuse = (address: string, enrichment: Enrichment, lines: string[] = []): Event => ({
    ...ban(address, { lines }),
    enrichment,
  });
  const optionsFor = (port: number, raw: Record<string, unknown> = {}) =>
    xarf.options.parse({ from: "abuse@example.org", org: "Example Ltd", port, ...raw });

  test("go to the contact of the network, once a day for an address, as a XARF 4 document without log lines", async () => {
    const smtp = await server({});
    const options = optionsFor(smtp.port);
    const event = withAbuse("192.0.2.1", { abuse: "abuse@isp.example" }, ["secret line"]);
    await xarf.send(message(event), options, system);
    await xarf.send(message(event), options, system);
    expect(smtp.letters.map((letter) => letter.to)).toEqual([["abuse@isp.example"]]);
    const [, encoded] = /filename=xarf.json.*?\r\n\r\n(.*?)\r\n--/s.exec(smtp.letters[0]!.data)!;
    const base64 = /^[A-Za-z0-9+/=\r\n]+$/.test(encoded!);
    const document = JSON.parse(
      base64 ? Buffer.from(encoded!, "base64").toString() : encoded!.replace(/=\r\n/g, ""),
    );
    expect(document).toMatchObject({
      category: "connection",
      type: "login_attack",
      source_identifier: "192.0.2.1",
      protocol: "tcp",
      reporter: { org: "Example Ltd", contact: "abuse@example.org", domain: "example.org" },
    });
    expect(document.xarf_version).toMatch(/^4\.\d+\.\d+$/);
    for (const key of ["report_id", "timestamp", "sender", "first_seen"])
      expect(document).toHaveProperty(key);
    expect(JSON.stringify(document)).not.toContain("secret line");
  });

  test("are passed over without a contact, or with one that is no plain address", async () => {
    const smtp = await server({});
    for (const abuse of [undefined, "x@y.z\r\nBcc: a@b.c", "-f@y.z", "root"])
      await xarf.send(
        message(withAbuse("192.0.2.1", abuse === undefined ? {} : { abuse })),
        optionsFor(smtp.port),
        system,
      );
    await xarf.send(message(withAbuse("192.0.2.1", { abuse: "a@b.c" })), optionsFor(smtp.port), system);
    expect(smtp.letters.map((letter) => letter.to)).toEqual([["a@b.c"]]);
  });

  test("a test only tries the mail server", async () => {
    const smtp = await server({});
    await xarf.probe!(optionsFor(smtp.port), system);
    expect(smtp.letters).toHaveLength(0);
    expect(smtp.commands.length).toBeGreaterThan(0);
  });
});
