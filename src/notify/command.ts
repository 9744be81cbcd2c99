// A program of your own. It gets an argument list that the configuration fixed, values as environment variables F2B_… and the
// whole event as JSON on standard input; never a shell, never a value in an argument. It is killed with its children at its limit.

import { z } from "zod";
import { visibleLine } from "../core/text.ts";
import type { System } from "../system/index.ts";
import { facts, messageFacts } from "./facts.ts";
import { Failure } from "./failure.ts";
import type { Notifier } from "./index.ts";
import { jailOf, subject } from "./text.ts";

const options = z.strictObject({
  command: z
    .array(
      z
        .string()
        .max(4096)
        .refine((word) => !word.includes("\0"), "must not hold NUL"),
    )
    .min(1)
    .refine((words) => words[0]?.startsWith("/") === true, "must begin with the program's absolute path")
    .describe('Program and arguments, ["/usr/local/bin/tell", "--loud"]. No shell, nothing is put into it.'),
  per: z
    .enum(["event", "message"])
    .default("event")
    .describe("Run once for each event, or once for a message of several."),
  timeout: z
    .int()
    .min(1)
    .max(600)
    .default(30)
    .describe("Seconds after which the program and its children are killed."),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, "must be a user name")
    .optional()
    .describe("Run as this user, with its groups and no way to gain rights (needs setpriv of util-linux)."),
});
type Options = z.output<typeof options>;

/** Refuses a program that others than root or ourselves could have replaced. */
function checkProgram(path: string, system: System): void {
  const stat = system.files.stat(path);
  const shown = visibleLine(path, 200);
  if (stat === undefined || stat.kind !== "file")
    throw new Failure(`${shown} is not there`, { permanent: true });
  const self = process.getuid?.() ?? 0;
  if ((stat.mode & 0o022) !== 0)
    throw new Failure(`${shown} can be written by others: refused; chmod go-w it`, { permanent: true });
  if (stat.uid !== 0 && stat.uid !== self)
    throw new Failure(`${shown} belongs to uid ${stat.uid}, not to root: refused`, { permanent: true });
}

/** User and primary group as /etc/passwd has them; setpriv would take a group's name only. */
function idsOf(user: string, system: System): readonly [string, string] {
  const passwd = new TextDecoder().decode(system.files.readFile("/etc/passwd"));
  const line = passwd.split("\n").find((one) => one.startsWith(`${user}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  if (uid === undefined || gid === undefined || !/^\d+$/.test(uid) || !/^\d+$/.test(gid))
    throw new Failure(`there is no user ${user} in /etc/passwd`, { permanent: true });
  return [uid, gid];
}

async function run(
  o: Options,
  system: System,
  env: Readonly<Record<string, string>>,
  stdin: string,
): Promise<void> {
  checkProgram(o.command[0]!, system);
  const prefix: string[] = [];
  if (o.user !== undefined) {
    const setpriv = system.programs.find("setpriv");
    if (setpriv === undefined)
      throw new Failure("user needs the program setpriv (util-linux)", { permanent: true });
    const [uid, gid] = idsOf(o.user, system);
    prefix.push(setpriv, `--reuid=${uid}`, `--regid=${gid}`, "--init-groups", "--no-new-privs", "--");
  }
  const result = await system.programs.run([...prefix, ...o.command], {
    stdin,
    timeoutMs: o.timeout * 1000,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8", HOME: "/", ...env },
    maxOutput: 4096,
  });
  const shown = visibleLine(o.command[0]!, 200);
  if (result.timedOut) throw new Failure(`${shown} was killed after ${o.timeout} s`);
  if (result.code !== 0) {
    const said = visibleLine(result.stderr.trim().split("\n").pop() ?? "", 160);
    throw new Failure(`${shown} ended with exit code ${result.code}${said === "" ? "" : `: ${said}`}`);
  }
}

/** F2B_JAIL, F2B_ADDRESS, … from the flat facts; lists and NUL have no place in an environment. */
function environment(values: Readonly<Record<string, unknown>>): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(values))
    if (typeof value !== "object" && value !== undefined && name !== "html")
      env[`F2B_${name.toUpperCase()}`] = String(value).replaceAll("\0", "").slice(0, 8192);
  return env;
}

export const command: Notifier<Options> = {
  name: "command",
  summary: "a program of your own, values in its environment and as JSON on its standard input",
  audience: "machines",
  options,
  async send(message, o, system) {
    if (o.per === "message") {
      const jails = [...new Set(message.events.flatMap((event) => jailOf(event) ?? []))];
      const env = {
        F2B_ID: message.id,
        F2B_HOST: message.host,
        F2B_SUBJECT: subject(message),
        F2B_COUNT: String(message.events.length + message.omitted),
        F2B_JAILS: jails.join(" ").slice(0, 8192),
      };
      return run(o, system, env, `${JSON.stringify(messageFacts(message))}\n`);
    }
    for (const [index, event] of message.events.entries()) {
      const values = facts(message, event);
      try {
        await run(o, system, environment(values), `${JSON.stringify(values)}\n`);
      } catch (error) {
        throw error instanceof Failure ? error.after(index) : error;
      }
    }
  },
};
