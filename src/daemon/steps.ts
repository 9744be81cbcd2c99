// Carries out what a banaction says: steps in order, the first that fails ends it. Scripts go to interpreters, programs get
// argument lists, files are replaced atomically, HTTP has a time limit. Nothing here knows any firewall.

import type { Asking, Interpreter, Listing, Step } from "../banaction/index.ts";
import type { Fault } from "../core/domain.ts";
import { visibleLine } from "../core/text.ts";
import type { System } from "../system/index.ts";
import { createNftChild, type NftChild } from "./nftchild.ts";

export interface Steps {
  /** Starts the interpreters that these steps will need, so that they are there in time. */
  prepare(steps: readonly Step[]): void;
  /** Undefined when every step is done and acknowledged. */
  run(steps: readonly Step[]): Promise<Fault | undefined>;
  /** The answer, its code (0: answered), or a fault when it could not be asked at all. */
  look(
    step: Listing["step"] | Asking<unknown>["step"],
  ): Promise<{ readonly text: string; readonly code: number } | Fault>;
  /** For tests that kill it. */
  readonly nftPid: number | undefined;
  close(): void;
}

export type HttpCall = Extract<Step, { kind: "http" }>;
export type Fetch = (call: HttpCall) => Promise<{ readonly status: number; readonly body: string }>;

const httpTimeoutMs = 15_000;
/** How often a call is made that asks to be made again. */
const mostAgain = 40;
const mostAnswer = 1 << 26;
const scriptTimeoutMs = 60_000;

/** A command as one says it: enough to tell which of many it was. */
const shortly = (command: readonly string[]): string => {
  const text = visibleLine(command.join(" "));
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
};

const mostListing = 1 << 29;
/** Steps that nobody waits for, at once. More than that are dropped: packets of their addresses are dropped anyway. */
const mostExtras = 8;

/** One-shot interpreters: their exit code acknowledges. iptables-restore ends at its first error, so a living one would gain nothing. */
const oneShots: Readonly<Record<Exclude<Interpreter, "nft">, readonly string[]>> = {
  "iptables-restore": ["iptables-restore", "-w", "10", "--noflush"],
  "ip6tables-restore": ["ip6tables-restore", "-w", "10", "--noflush"],
  ipset: ["ipset", "-exist", "restore"],
};

export function createSteps(system: System, fetchCall: Fetch = fetchOnce): Steps {
  let nft: NftChild | undefined;
  let extras = 0;
  const nftChild = () => {
    nft ??= createNftChild(system);
    return nft;
  };

  async function one(step: Step): Promise<Fault | undefined> {
    switch (step.kind) {
      case "fail":
        return step.fault;
      case "say":
        system.log.say("notice", step.text);
        return undefined;
      case "script": {
        if (step.interpreter === "nft") return nftChild().run(step.text);
        return program({
          kind: "run",
          command: oneShots[step.interpreter],
          stdin: step.text,
          timeoutMs: scriptTimeoutMs,
          ...(step.ignore === undefined ? {} : { ignore: step.ignore }),
        });
      }
      case "run":
        if (step.extra !== true) return program(step);
        extra(step);
        return undefined;
      case "edit":
        return edit(step);
      case "http":
        return http(step);
    }
  }

  async function program(step: Extract<Step, { kind: "run" }>): Promise<Fault | undefined> {
    const [name = ""] = step.command;
    if (!name.startsWith("/") && system.programs.find(name) === undefined)
      return { what: `${name} is not installed`, fix: `Install ${name}, or choose another banaction.` };
    const result = await system.programs.run(step.command, {
      ...(step.stdin === undefined ? {} : { stdin: step.stdin }),
      ...(step.env === undefined ? {} : { env: step.env }),
      timeoutMs: step.timeoutMs ?? 30_000,
      ...(step.next === undefined ? {} : { maxOutput: mostListing }),
    });
    if (result.code === 0 || step.ok?.includes(result.code) === true)
      return step.next === undefined ? undefined : run(step.next(result.stdout, result.code));
    if (step.ignore?.test(result.stderr) === true || step.ignore?.test(result.stdout) === true)
      return undefined;
    const said = visibleLine((result.stderr.trim() || result.stdout.trim()).slice(0, 300));
    const how = result.timedOut ? "took too long" : `failed with exit code ${result.code}`;
    return { what: `${shortly(step.command)} ${how}`, ...(said === "" ? {} : { why: said }) };
  }

  function extra(step: Extract<Step, { kind: "run" }>): void {
    const [name = ""] = step.command;
    if (extras >= mostExtras || system.programs.find(name) === undefined) return;
    extras++;
    void program(step)
      .then((fault) => {
        if (fault !== undefined)
          system.log.say("debug", `${fault.what}${fault.why === undefined ? "" : `: ${fault.why}`}`);
      })
      .finally(() => {
        extras--;
      });
  }

  function edit(step: Extract<Step, { kind: "edit" }>): Fault | undefined {
    try {
      const there = system.files.stat(step.path);
      const text =
        there === undefined ? "" : Buffer.from(system.files.readFile(step.path)).toString("latin1");
      const wanted = step.edit(text);
      if (wanted === text) return undefined;
      // A link stays one, and who could not read the file before cannot now.
      const path = there === undefined ? step.path : system.files.realpath(step.path);
      system.files.replaceFile(
        path,
        Buffer.from(wanted, "latin1"),
        there === undefined ? step.mode : there.mode & 0o777,
      );
      return undefined;
    } catch (error) {
      return {
        what: `${step.path} cannot be changed`,
        why: String(error instanceof Error ? error.message : error),
      };
    }
  }

  /** The token is read each time, so that it can be renewed, and is in no message. */
  function authorized(step: HttpCall): HttpCall | Fault {
    const { tokenfile, ...call } = step;
    if (tokenfile === undefined) return call;
    const stat = system.files.stat(tokenfile);
    if (stat === undefined) return { what: `${tokenfile} is not there`, fix: "Write the API token into it." };
    if ((stat.mode & 0o077) !== 0)
      return { what: `${tokenfile} can be read by others`, fix: `chmod 600 ${tokenfile}` };
    const token = Buffer.from(system.files.readFile(tokenfile)).toString("latin1").trim();
    if (!/^[\x21-\x7e]{8,512}$/.test(token))
      return { what: `${tokenfile} holds no token`, fix: "One line with the API token is expected." };
    return { ...call, headers: { ...call.headers, authorization: `Bearer ${token}` } };
  }

  async function http(step: HttpCall): Promise<Fault | undefined> {
    let answer: { readonly status: number; readonly body: string };
    const host = new URL(step.url).host;
    const headed = authorized(step);
    if ("what" in headed) return headed;
    try {
      answer = await fetchCall(headed);
      for (let i = 1; i < mostAgain; i++) {
        const waitMs = step.again?.(answer.status, answer.body);
        if (waitMs === undefined) break;
        await new Promise<void>((resolve) => void system.clock.after(waitMs, resolve));
        answer = await fetchCall(headed);
      }
    } catch (error) {
      return {
        what: `${host} did not answer`,
        why: visibleLine(String(error instanceof Error ? error.message : error)).slice(0, 200),
      };
    }
    const fine =
      step.ok === undefined
        ? answer.status >= 200 && answer.status < 300
        : step.ok(answer.status, answer.body);
    if (!fine)
      return {
        what: `${host} refused with status ${answer.status}`,
        why: visibleLine(answer.body).slice(0, 200),
      };
    return step.next === undefined ? undefined : run(step.next(answer.body));
  }

  async function run(steps: readonly Step[]): Promise<Fault | undefined> {
    for (const step of merged(steps)) {
      const fault = await one(step);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  return {
    prepare(steps) {
      if (steps.some((step) => step.kind === "script" && step.interpreter === "nft")) nftChild().launch();
    },
    run,
    async look(step) {
      switch (step.kind) {
        case "ask": {
          const text = await nftChild().ask(step.text);
          return text === undefined ? { what: "nft could not be asked" } : { text, code: 0 };
        }
        case "read":
          try {
            if (system.files.stat(step.path) === undefined) return { text: "", code: 1 };
            return { text: Buffer.from(system.files.readFile(step.path)).toString("latin1"), code: 0 };
          } catch (error) {
            return {
              what: `${step.path} cannot be read`,
              why: String(error instanceof Error ? error.message : error),
            };
          }
        case "http":
          try {
            const headed = authorized(step);
            if ("what" in headed) return headed;
            const { status, body } = await fetchCall(headed);
            return { text: body, code: status >= 200 && status < 300 ? 0 : status };
          } catch (error) {
            return {
              what: `${new URL(step.url).host} did not answer`,
              why: String(error instanceof Error ? error.message : error),
            };
          }
        case "run": {
          const [name = ""] = step.command;
          if (!name.startsWith("/") && system.programs.find(name) === undefined)
            return { what: `${name} is not installed`, fix: `Install ${name}, or choose another banaction.` };
          const result = await system.programs.run(step.command, {
            ...(step.stdin === undefined ? {} : { stdin: step.stdin }),
            ...(step.env === undefined ? {} : { env: step.env }),
            timeoutMs: step.timeoutMs ?? 30_000,
            maxOutput: mostListing,
          });
          if (result.timedOut) return { what: `${step.command.slice(0, 3).join(" ")} took too long` };
          return { text: result.stdout, code: result.code };
        }
      }
    },
    get nftPid() {
      return nft?.pid;
    },
    close: () => nft?.close(),
  };
}

/** Neighbouring scripts for one interpreter become one write, which for nft is one transaction. */
function merged(steps: readonly Step[]): Step[] {
  const result: Step[] = [];
  for (const step of steps) {
    const last = result.at(-1);
    if (
      step.kind === "script" &&
      last?.kind === "script" &&
      last.interpreter === step.interpreter &&
      last.ignore === step.ignore
    )
      result[result.length - 1] = { ...last, text: `${last.text}\n${step.text}` };
    else result.push(step);
  }
  return result;
}

async function fetchOnce(call: HttpCall): Promise<{ readonly status: number; readonly body: string }> {
  const { http } = await import("../notify/http.ts");
  const { url, method, headers, body } = call;
  const {
    status,
    body: answer,
    truncated,
  } = await http({
    url,
    method,
    headers,
    ...(body === undefined ? {} : { body }),
    timeoutMs: httpTimeoutMs,
    limit: mostAnswer,
  });
  if (truncated) throw new Error("its answer is too long");
  return { status, body: answer };
}
