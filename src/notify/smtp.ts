// Mail leaves here: by SMTP to a server, or through the host's own sendmail program. TLS is required and checked unless the
// server is on this host; addresses are checked by the schema; subjects and headers cannot break out of their line.

import type { SendMailOptions } from "nodemailer";
import { z } from "zod";
import { parseAddress } from "../core/address.ts";
import { visibleLine } from "../core/text.ts";
import { addressesOf, reachable } from "../system/dns.ts";
import type { System } from "../system/index.ts";
import { Failure } from "./failure.ts";
import { caFile, readCa } from "./http.ts";
import { readSecret, redact, secret, secretFile } from "./secret.ts";

/** local-part[@domain], ASCII, no quoting, not beginning with "-": harmless in headers, in the envelope and as an argument. */
export const mailAddress =
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.][A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{0,63}(?:@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)?$/;

export const address = (description: string) =>
  z
    .string()
    .regex(mailAddress, "must be a plain mail address such as root@example.org")
    .describe(description);

/** Keys shared by everything that sends mail. */
export const smtpShape = {
  via: z
    .enum(["smtp", "sendmail"])
    .default("smtp")
    .describe("smtp: speak to `host`; sendmail: hand the mail to this host's sendmail program."),
  host: z
    .string()
    .regex(/^[A-Za-z0-9._:-]{1,253}$/, "must be a host name or address")
    .default("localhost")
    .describe("SMTP server."),
  port: z
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .describe('Its port; 465 with tls = "implicit", else 587 with a username and 25 without.'),
  tls: z
    .enum(["auto", "starttls", "implicit", "none"])
    .default("auto")
    .describe(
      "auto: STARTTLS required and the certificate checked, on this host itself used if offered; starttls: required and checked also there; implicit: TLS from the first byte; none: in the clear.",
    ),
  ca_file: caFile,
  username: z.string().min(1).max(320).optional().describe("User name for SMTP AUTH."),
  password: secret("Password for SMTP AUTH.").optional(),
  password_file: secretFile("Password for SMTP AUTH").optional(),
  program: z
    .string()
    .startsWith("/", "must be an absolute path")
    .default("/usr/sbin/sendmail")
    .describe('The program for via = "sendmail".'),
} as const;

/** Loaded with the first mail: it costs every daemon 12 MB and 6 ms otherwise, also one that never sends any. */
const mailer = async () => (await import("nodemailer")).default;

const shape = z.strictObject(smtpShape);
export type SmtpOptions = z.output<typeof shape>;

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);

/** What the schema of a single key cannot say. */
export function checkSmtp(o: SmtpOptions, context: z.core.$RefinementCtx<unknown>): void {
  const issue = (key: string, message: string): void =>
    void context.issues.push({ code: "custom", path: [key], message, input: o });
  const hasPassword = o.password !== undefined || o.password_file !== undefined;
  if ((o.username !== undefined) !== hasPassword)
    issue("username", "username goes with password or password_file");
  if (o.via === "smtp" && o.tls === "none" && hasPassword && !isLoopback(o.host))
    issue("tls", 'tls = "none" would send the password in the clear: use "starttls" or "implicit"');
}

export interface Mail {
  readonly id: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly attachments?: readonly {
    readonly filename: string;
    readonly contentType: string;
    readonly content: string;
  }[];
}

/** Domain for Message-IDs: the sender's, else the host's name made harmless. */
const domainOf = (mail: Mail, host: string): string =>
  mail.from.includes("@")
    ? mail.from.slice(mail.from.indexOf("@") + 1)
    : host.replace(/[^A-Za-z0-9.-]/g, "") || "localhost";

const timeLimits = {
  connectionTimeout: 10_000,
  greetingTimeout: 10_000,
  socketTimeout: 20_000,
  dnsTimeout: 10_000,
};
/** For the whole conversation, however slowly a tarpit lets it go on. */
const mailLimitMs = 60_000;

export async function sendMail(mail: Mail, o: SmtpOptions, host: string, system: System): Promise<void> {
  const letter = {
    from: mail.from,
    to: [...mail.to],
    // The encoder folds control characters into the encoded word; one line of visible text is promised all the same.
    subject: visibleLine(mail.subject, 200),
    text: mail.text,
    ...(mail.html === undefined ? {} : { html: mail.html }),
    messageId: `<${mail.id}@${domainOf(mail, host)}>`,
    headers: {
      // RFC 3834: nobody's vacation program answers, so no loop begins there.
      "Auto-Submitted": "auto-generated",
      "X-Auto-Response-Suppress": "All",
      ...mail.headers,
    },
    attachments: [...(mail.attachments ?? [])],
    disableFileAccess: true,
    disableUrlAccess: true,
  };
  if (o.via === "sendmail") return throughProgram(letter, mail, o, system);
  const secrets: string[] = [];
  const transport = await openTransport(o, host, system, secrets);
  try {
    await limited(transport.sendMail(letter), secrets, o.host);
  } finally {
    transport.close();
  }
}

/** Connects, does TLS and AUTH, and leaves. */
export async function probeSmtp(o: SmtpOptions, host: string, system: System): Promise<void> {
  if (o.via === "sendmail") {
    if (system.files.stat(o.program) === undefined)
      throw new Failure(`${visibleLine(o.program)} is not there`, { permanent: true });
    return;
  }
  const secrets: string[] = [];
  const transport = await openTransport(o, host, system, secrets);
  try {
    await limited(transport.verify(), secrets, o.host);
  } finally {
    transport.close();
  }
}

async function openTransport(o: SmtpOptions, host: string, system: System, secrets: string[]) {
  const local = o.tls === "auto" && isLoopback(o.host);
  const ca = readCa(system, o.ca_file);
  let auth: { user: string; pass: string } | undefined;
  if (o.username !== undefined) {
    const pass = readSecret(system, { value: o.password, file: o.password_file, what: "password" });
    secrets.push(pass);
    auth = { user: o.username, pass };
  }
  const literal = parseAddress(o.host) !== undefined;
  let address: string;
  try {
    address = await reachable(await addressesOf(o.host));
  } catch {
    throw new Failure(`${o.host}: its name does not resolve`);
  }
  return (await mailer()).createTransport({
    host: address,
    port: o.port ?? (o.tls === "implicit" ? 465 : auth === undefined ? 25 : 587),
    secure: o.tls === "implicit",
    requireTLS: o.tls === "starttls" || (o.tls === "auto" && !local),
    ignoreTLS: o.tls === "none",
    tls: {
      rejectUnauthorized: !local,
      minVersion: "TLSv1.2",
      // The certificate must be the name's, not the address'.
      ...(literal ? {} : { servername: o.host }),
      ...(ca === undefined ? {} : { ca }),
    },
    name: host.replace(/[^A-Za-z0-9.-]/g, "") || "localhost",
    ...(auth === undefined ? {} : { auth }),
    disableFileAccess: true,
    disableUrlAccess: true,
    ...timeLimits,
  });
}

async function limited<T>(work: Promise<T>, secrets: readonly string[], host: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the conversation took too long")), mailLimitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } catch (error) {
    const { code, responseCode, message } = error as Error & { code?: string; responseCode?: number };
    // 4xx passes, 5xx does not (RFC 5321 4.2.1); wrong credentials do not get better by being repeated.
    const permanent =
      code === "EAUTH" || code === "EENVELOPE" || (responseCode !== undefined && responseCode >= 500);
    throw new Failure(`mail server ${host}: ${visibleLine(redact(message, secrets), 300)}`, {
      permanent: permanent && !(responseCode !== undefined && responseCode < 500),
    });
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined);
  }
}

async function throughProgram(
  letter: SendMailOptions,
  mail: Mail,
  o: SmtpOptions,
  system: System,
): Promise<void> {
  const composed = await (await mailer())
    .createTransport({ streamTransport: true, buffer: true, newline: "unix" })
    .sendMail(letter);
  const source = (composed as { message: Buffer }).message.toString("utf8");
  // -i: a lone dot ends nothing. Recipients are named; nothing is taken from the headers.
  const result = await system.programs.run([o.program, "-i", "-f", mail.from, ...mail.to], {
    stdin: source,
    timeoutMs: mailLimitMs,
    maxOutput: 4096,
  });
  if (result.timedOut) throw new Failure(`${visibleLine(o.program)} did not end within a minute`);
  if (result.code !== 0)
    throw new Failure(
      `${visibleLine(o.program)} ended with exit code ${result.code}: ${visibleLine(result.stderr.trim(), 160)}`,
      {
        // EX_USAGE, EX_NOUSER, EX_NOHOST, EX_NOPERM, EX_CONFIG of sysexits.h
        permanent: [64, 67, 68, 77, 78].includes(result.code),
      },
    );
}
