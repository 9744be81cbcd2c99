// The living `nft -i`. It says nothing on success, goes on after errors, and a write to a dead one "succeeds", so nothing is
// believed that has not been read back. Each transaction is one line that also puts its number into a set of ours, followed by a
// question for that set and by a word that nft does not know:
//
//   …; flush set inet f2b ack; add element inet f2b ack { 42 }
//   list set inet f2b ack         → "0x0000002a" on stdout: this transaction, all or nothing, is in the kernel
//   f2b-mark-42                   → its complaint ends, on stderr, what belongs to transaction 42
//
// Numbers are written in decimal and printed in hexadecimal, so an nft that echoes its input cannot be taken for an answer.
// What is unacknowledged when the child dies or hangs goes to the next child: transactions are idempotent. `list set` of one small
// set costs the same whatever else the table holds, which is not true of `get element` or of `nft --echo` (0.4 s at 100,000).

import type { Fault } from "../core/domain.ts";
import type { Child, System } from "../system/index.ts";

export interface NftChild {
  /** Starts it before there is anything to do. */
  launch(): void;
  /** One transaction; undefined when it is in the kernel. */
  run(lines: string): Promise<Fault | undefined>;
  /** What a listing command prints; undefined when it could not be asked. */
  ask(command: string): Promise<string | undefined>;
  /** Process id of the living child, for tests that kill it. */
  readonly pid: number | undefined;
  close(): void;
}

interface Waiting {
  readonly id: number;
  readonly text: string;
  readonly settle: (fault: Fault | undefined, answer: string | undefined) => void;
  readonly question: boolean;
  /** To be tried with the acknowledging set made anew, should that be what is missing. */
  readonly again: (() => void) | undefined;
  /** Children that died on it. */
  tries: number;
  deadline: number;
}

const acked = /elements = \{ 0x([0-9a-f]{8}) \}|[^\n]*datatype mark \([^\n]*\n/g;
const marked = /(?:^|\n)f2b-mark-(\d+)\n/g;
const timeLimitMs = 15_000;
const mostTries = 5;
/** What one child may say before it is taken for mad. */
const mostOutput = 1 << 24;
/**
 * An interactive nft remembers every line it was given, and grows slower with each (0.3 ms a transaction at first, 0.6 ms after six
 * thousand, 28 ms after forty thousand): after so many lines it is replaced at the next quiet moment, after ten times as many at once.
 */
const linesOfLife = 3000;
/** Characters; above that starting an nft of its own costs less than feeding the living one. */
const longestLine = 12_000;
/** No home: it would write that history there. */
const environment = {
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
  // Not C.UTF-8: its line editor, which reads character by character, then takes half as long again for each.
  LC_ALL: "C",
  HOME: "/nonexistent",
};

export function createNftChild(system: System): NftChild {
  let child: Child | undefined;
  let waiting: Waiting[] = [];
  let lastId = 0;
  let closed = false;
  let out = "";
  let err = "";
  let given = 0;
  let cancelWatch: (() => void) | undefined;
  /** False after a child never answered (an nft built without its interactive mode, or one that holds its output back). */
  let interactive = true;
  let answeredOnce = false;

  function launch(): Child | undefined {
    if (child !== undefined) return child;
    try {
      child = system.programs.start(["nft", "-i"], { env: environment });
    } catch {
      return undefined;
    }
    const mine = child;
    out = "";
    err = "";
    given = 0;
    void pump(mine.stdout, (text) => mine === child && heard(text));
    void pump(mine.stderr, (text) => mine === child && complained(text));
    void mine.exited.then(() => lost(mine, "it ended"));
    return mine;
  }

  function send(entry: Waiting): void {
    const running = launch();
    given += 3;
    entry.deadline = system.clock.monotonic() + timeLimitMs;
    watch();
    if (running === undefined || !running.write(entry.text)) {
      // A child that is gone is replaced when its end is told; one that cannot be started is final.
      if (running === undefined)
        finish(entry, { what: "nft -i cannot be started", fix: "Install nftables." }, undefined);
      else lost(running, "it took no more input");
    }
  }

  function lost(gone: Child, why: string): void {
    if (gone !== child) return;
    child = undefined;
    gone.kill("SIGKILL");
    if (closed) return;
    const again = waiting;
    waiting = [];
    if (!answeredOnce && again.some((entry) => entry.tries + 1 >= mostTries)) interactive = false;
    for (const entry of again) {
      if (++entry.tries < mostTries) {
        waiting.push(entry);
        send(entry);
      } else if (!interactive && !entry.question) void oneShot(entry);
      else
        entry.settle(
          {
            what: "nft -i did not carry out a transaction",
            why,
            fix: "See whether nft works: nft list tables",
          },
          undefined,
        );
    }
  }

  function watch(): void {
    if (cancelWatch !== undefined) return;
    cancelWatch = system.clock.after(1000, () => {
      cancelWatch = undefined;
      const oldest = waiting[0];
      if (oldest === undefined || closed) return;
      if (child !== undefined && system.clock.monotonic() > oldest.deadline)
        lost(child, `no answer in ${timeLimitMs / 1000} s`);
      watch();
    });
  }

  function heard(text: string): void {
    answeredOnce = true;
    out += text;
    let used = 0;
    acked.lastIndex = 0;
    for (let match = acked.exec(out); match !== null; match = acked.exec(out)) {
      if (match[1] !== undefined) {
        const id = Number.parseInt(match[1], 16);
        const entry = waiting.find((one) => one.id === id && !one.question);
        if (entry !== undefined) finish(entry, undefined, undefined);
      } else {
        const entry = waiting.find((one) => one.question);
        if (entry !== undefined) finish(entry, undefined, out.slice(used, match.index));
      }
      used = match.index + match[0].length;
    }
    out = out.slice(used);
    if (out.length > mostOutput && child !== undefined) lost(child, "it talks without end");
  }

  function complained(text: string): void {
    answeredOnce = true;
    err += text;
    let used = 0;
    marked.lastIndex = 0;
    for (let match = marked.exec(err); match !== null; match = marked.exec(err)) {
      const id = Number(match[1]);
      const complaint = err.slice(used, match.index);
      used = match.index + match[0].length;
      marked.lastIndex = used - 1;
      const why = errorsIn(complaint);
      const entry = waiting.find((one) => one.id === id);
      if (entry === undefined || why === undefined) continue;
      if (entry.again !== undefined && /No such file or directory/.test(why)) {
        waiting = waiting.filter((one) => one !== entry);
        entry.again();
      } else finish(entry, faultOf(why), undefined);
    }
    err = err.slice(Math.max(0, used - 1));
    if (err.length > mostOutput && child !== undefined) lost(child, "it complains without end");
  }

  function finish(entry: Waiting, fault: Fault | undefined, answer: string | undefined): void {
    waiting = waiting.filter((one) => one !== entry);
    if (child !== undefined && given > (waiting.length === 0 ? linesOfLife : 10 * linesOfLife)) renew(child);
    entry.settle(fault, answer);
  }

  /** What is under way, if anything, is given to the successor: it may be done twice, which is the same as once. */
  function renew(old: Child): void {
    child = undefined;
    old.kill("SIGKILL");
    launch();
    for (const entry of waiting) send(entry);
  }

  async function oneShot(entry: Waiting): Promise<void> {
    const text = entry.text.slice(0, entry.text.indexOf("\n") + 1);
    const result = await system.programs.run(["nft", "-f", "-"], { stdin: text, timeoutMs: timeLimitMs });
    if (result.code === 0) return entry.settle(undefined, undefined);
    const why = errorsIn(result.stderr, false) ?? `exit code ${result.code}`;
    if (entry.again !== undefined && /No such file or directory/.test(why)) entry.again();
    else entry.settle(faultOf(why), undefined);
  }

  function enqueue(
    question: boolean,
    make: (id: number) => string,
    settle: Waiting["settle"],
    again?: () => void,
  ): void {
    lastId = lastId >= 0x7fff_ffff ? 1 : lastId + 1;
    const entry: Waiting = { id: lastId, text: make(lastId), settle, question, again, tries: 0, deadline: 0 };
    if (!interactive) {
      if (question) settle({ what: "nft has no interactive mode here" }, undefined);
      else void oneShot(entry);
      return;
    }
    // A living nft reads its input character by character, one system call each; a program of its own reads a long text faster.
    if (entry.text.length > longestLine) return void oneShot(entry);
    waiting.push(entry);
    send(entry);
  }

  /** `whole`: makes the acknowledging set first. Otherwise it is taken for granted, since each character costs nft a system call. */
  function transact(lines: string, whole: boolean, settle: (fault: Fault | undefined) => void): void {
    const line = lines.replaceAll("\n", "; ");
    const structure = whole ? "add table inet f2b; add set inet f2b ack { type mark; }; " : "";
    enqueue(
      false,
      (id) =>
        `${line}; ${structure}flush set inet f2b ack; add element inet f2b ack { ${id} }\nlist set inet f2b ack\nf2b-mark-${id}\n`,
      settle,
      whole ? undefined : () => transact(lines, true, settle),
    );
  }

  return {
    launch: () => void launch(),
    run: (lines) => new Promise((resolve) => transact(lines, /^add table /.test(lines), resolve)),
    async ask(command) {
      // One question at a time: its answer carries no number.
      if (waiting.some((entry) => entry.question)) return undefined;
      return new Promise((resolve) =>
        enqueue(
          true,
          (id) => `${command}\ndescribe mark\nf2b-mark-${id}\n`,
          (_fault, answer) => resolve(answer),
        ),
      );
    },
    get pid() {
      return child?.pid;
    },
    close() {
      closed = true;
      cancelWatch?.();
      for (const entry of waiting) entry.settle({ what: "the daemon stops" }, undefined);
      waiting = [];
      child?.kill("SIGKILL");
      child = undefined;
    },
  };
}

async function pump(stream: AsyncIterable<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  try {
    for await (const piece of stream) take(decoder.decode(piece, { stream: true }));
  } catch {
    // A broken pipe is told by the child's end.
  }
}

/** The "Error:" lines; the last is the complaint about our own marker word. */
function errorsIn(text: string, withMarker = true): string | undefined {
  const lines = text.split("\n").filter((line) => /^(?:\S+: )?Error:/.test(line));
  const errors = (withMarker ? lines.slice(0, -1) : lines).map((line) =>
    line.replace(/^.*?Error: /, "").slice(0, 200),
  );
  return errors.length === 0 ? undefined : [...new Set(errors)].join("; ");
}

/** nft's words for what went wrong, with what they mean for us. */
export function faultOf(why: string): Fault {
  if (/Too many open files/.test(why))
    return {
      what: "an nftables set is full",
      why,
      fix: "The kernel takes no more elements in this set (its size is limited): shorten bantime or ban networks.",
    };
  if (/No such file or directory/.test(why))
    return {
      what: "the nftables table of f2b is missing or damaged",
      why,
      fix: "It is made again by itself.",
    };
  if (/Operation not permitted|Permission denied/.test(why))
    return { what: "nft may not change the firewall", why, fix: "Run as root or with CAP_NET_ADMIN." };
  if (/Operation not supported|Protocol error/.test(why))
    return {
      what: "this kernel cannot do what was asked of nftables",
      why,
      fix: "Try another hook or blocktype, or load the kernel's nf_tables modules.",
    };
  return { what: "nft refused a transaction", why };
}
