// A real SMTP server: plain, STARTTLS and implicit TLS with a certificate made here, AUTH PLAIN and LOGIN, refusals and a tarpit.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer, TLSSocket } from "node:tls";

export interface Letter {
  readonly from: string;
  readonly to: readonly string[];
  readonly data: string;
  readonly secure: boolean;
  readonly user: string | undefined;
}

export interface SmtpBehaviour {
  readonly starttls?: boolean;
  readonly implicit?: boolean;
  /** "user:password" that is accepted; AUTH is offered only when set. */
  readonly auth?: string;
  /** Answers by command instead of 250, e.g. { RCPT: "550 no such user" }. */
  readonly answers?: Readonly<Record<string, string>>;
  /** Accepts the connection and says nothing. */
  readonly silent?: boolean;
}

export interface SmtpServer {
  readonly port: number;
  readonly letters: Letter[];
  readonly commands: string[];
  close(): Promise<void>;
}

/** A certificate for localhost and its key, PEM; signed by itself. */
export function makeCertificate(): { cert: string; key: string; certFile: string } {
  const directory = mkdtempSync(join(tmpdir(), "f2b-cert-"));
  const key = join(directory, "key.pem");
  const cert = join(directory, "cert.pem");
  const made = spawnSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
    ...["-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
  ]);
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr.toString()}`);
  return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8"), certFile: cert };
}

export async function startSmtp(
  behaviour: SmtpBehaviour,
  tls?: { cert: string; key: string },
): Promise<SmtpServer> {
  const letters: Letter[] = [];
  const commands: string[] = [];
  const open = new Set<Socket>();

  function speak(socket: Socket | TLSSocket, secure: boolean, greet: boolean): void {
    let buffer = "";
    let body: string[] | undefined;
    let from = "";
    let to: string[] = [];
    let user: string | undefined;
    let login: string[] | undefined;
    const say = (text: string): boolean => socket.destroyed || socket.write(`${text}\r\n`);
    socket.on("error", () => undefined);
    if (behaviour.silent === true) return;
    if (greet) say("220 localhost ESMTP");
    const judge = (name: string, password: string): void => {
      if (`${name}:${password}` === behaviour.auth) {
        user = name;
        say("235 ok");
      } else say(`535 bad credentials ${password}`);
    };
    const command = (line: string): unknown => {
      commands.push(line);
      const verb = line.slice(0, 4).toUpperCase();
      const odd = behaviour.answers?.[verb];
      if (odd !== undefined) return say(odd);
      if (login !== undefined) {
        login.push(Buffer.from(line, "base64").toString());
        if (login.length === 1) return say("334 UGFzc3dvcmQ6");
        const [name, password] = login;
        login = undefined;
        return judge(name!, password!);
      }
      switch (verb) {
        case "EHLO": {
          const offers = ["localhost"];
          if (behaviour.starttls === true && !secure) offers.push("STARTTLS");
          if (behaviour.auth !== undefined) offers.push("AUTH PLAIN LOGIN");
          return say(
            offers.map((offer, i) => `250${i === offers.length - 1 ? " " : "-"}${offer}`).join("\r\n"),
          );
        }
        case "STAR": {
          say("220 go ahead");
          socket.removeAllListeners("data");
          return speak(new TLSSocket(socket as Socket, { isServer: true, ...tls! }), true, false);
        }
        case "AUTH": {
          const [, mechanism, first] = line.split(" ");
          if (mechanism === "LOGIN") {
            login = [];
            return say("334 VXNlcm5hbWU6");
          }
          const [, name, password] = Buffer.from(first ?? "", "base64")
            .toString()
            .split("\0");
          return judge(name ?? "", password ?? "");
        }
        case "MAIL":
          from = /<(.*?)>/.exec(line)?.[1] ?? "";
          to = [];
          return say("250 ok");
        case "RCPT":
          to.push(/<(.*?)>/.exec(line)?.[1] ?? "");
          return say("250 ok");
        case "DATA":
          body = [];
          return say("354 go on");
        case "QUIT":
          say("221 bye");
          return socket.end();
        default:
          return say("250 ok");
      }
    };
    socket.on("data", (chunk: Buffer) => {
      buffer += chunk.toString("latin1");
      for (let end = buffer.indexOf("\r\n"); end >= 0; end = buffer.indexOf("\r\n")) {
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        if (body === undefined) command(line);
        else if (line === ".") {
          letters.push({ from, to, data: body.join("\r\n"), secure, user });
          body = undefined;
          say("250 queued");
        } else body.push(line.startsWith(".") ? line.slice(1) : line);
      }
    });
  }

  const accept = (socket: Socket): void => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    speak(socket, behaviour.implicit === true, true);
  };
  const server = behaviour.implicit === true ? createTlsServer({ ...tls! }, accept) : createServer(accept);
  await new Promise<void>((go) => server.listen(0, "127.0.0.1", go));
  return {
    port: (server.address() as AddressInfo).port,
    letters,
    commands,
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((go) => server.close(() => go()));
    },
  };
}

/** Headers of a letter, unfolded, each with all its values. */
export function headersOf(letter: Letter): Map<string, string[]> {
  const head = letter.data.slice(0, letter.data.indexOf("\r\n\r\n")).replace(/\r\n[ \t]+/g, " ");
  const headers = new Map<string, string[]>();
  for (const line of head.split("\r\n")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return headers;
}

/** The parts of a letter, transfer encoding undone. */
export function textOf(letter: Letter): string {
  return letter.data
    .replace(/=\r\n/g, "")
    .replace(/(?:=[0-9A-F]{2})+/g, (hex) => Buffer.from(hex.replaceAll("=", ""), "hex").toString("utf8"));
}
