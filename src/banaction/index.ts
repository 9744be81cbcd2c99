// Firewalls, in their own languages. PURE: a member says what to run, daemon/enforcer.ts runs it. A banaction is anything
// with a ban and an unban. Each promises: idempotent (banning what is banned and unbanning what is not succeed); touches
// only what carries our name; hosts and prefixes in separate places; `list` reads back exactly what `ban` put there, so that
// the state can be compared; never a shell; only canonical addresses and typed ports reach a command.

import type { ZodType } from "zod";
import type { Ban, Fault, Jail, JailName, Target, Time } from "../core/domain.ts";
import { lazily } from "../core/lazily.ts";

export interface BanAction {
  readonly name: string;
  readonly summary: string;
  /** Programs without which it cannot work, looked up by Programs.find; [] for files, HTTP and print. */
  readonly needs: readonly string[];
  /** Which targets it can shut out. */
  readonly can: {
    readonly v4: boolean;
    readonly v6: boolean;
    readonly prefix: boolean;
    readonly id: boolean;
  };
  /** True when one entry serves all jails (hosts.deny, route, cloudflare, all ports): the enforcer keeps it until the last ban ends. */
  readonly shared: boolean;
  /** Of a shared one: setups with the same text share their entries; the same options are assumed. One for all by default. */
  place?(jail: JailSetup): string;
  /** True when the kernel (or service) itself ends a ban at its time. */
  readonly expires: boolean;
  /** True when its programs or files ask for user 0 itself, or may; the others work for any user with CAP_NET_ADMIN. */
  readonly asRoot?: boolean;
  /** True when `stop` cannot take the bans away with it: they are unbanned one by one before. */
  readonly leavesBans?: boolean;
  /** The longest time it can hold, seconds; a ban further away than that is held without end and ended by the daemon. */
  readonly longest?: number;
  /** The options a user may give it, strict. */
  readonly options: ZodType;
  /** Fills in what hangs on the programs that are there (ipset or not). */
  adapt?(options: JailSetup["options"], has: (program: string) => boolean): JailSetup["options"];
  start(jail: JailSetup): readonly Step[];
  ban(jail: JailSetup, bans: readonly Standing[], now: Time): readonly Step[];
  unban(jail: JailSetup, targets: readonly Target[]): readonly Step[];
  /** Ends open connections of those who were shut out a moment ago. Asked once for all of that moment; nobody waits for its steps. */
  cut?(jail: JailSetup, targets: readonly Target[]): readonly Step[];
  /** Takes away everything `start` and `ban` made for this jail. */
  stop(jail: JailSetup): readonly Step[];
  /** How to ask what stands; undefined where it cannot be asked (then every start bans anew). */
  list(jail: JailSetup): Listing | undefined;
  /** Cheap looks whether the jail's structure (table, chains, hooks) is whole, all of them true; asked about twice a second. */
  intact?(jail: JailSetup): readonly Asking<boolean>[];
  /** How many packets the jail has dropped in all; the answers add up. */
  drops?(jail: JailSetup): readonly Asking<Drops | undefined>[];
}

export interface Drops {
  readonly packets: number;
  readonly bytes: number;
}

/** One question and how to read the answer. Jails that ask the same command share one run. */
export interface Asking<T> {
  /** "ask" is put to a living interpreter and costs no process. */
  readonly step:
    | Extract<Step, { kind: "run" }>
    | { readonly kind: "ask"; readonly interpreter: "nft"; readonly text: string };
  /** Asked no more often than this; as often as the enforcer likes by default. */
  readonly everyMs?: number;
  /** `code` is 0 when the program could answer. */
  read(answer: string, code: number): T;
}

/** What a banaction may know of a jail. */
export interface JailSetup {
  readonly jail: JailName;
  readonly port: Jail["port"];
  readonly protocol: Jail["protocol"];
  readonly chain: Jail["chain"];
  readonly blocktype: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** A ban as a banaction sees it. */
export interface Standing {
  readonly target: Target;
  readonly until: Time | "forever";
  readonly ban?: Ban;
  /** True when it is known that no entry of this target stands, so that it may simply be added; otherwise it is replaced. */
  readonly fresh?: boolean;
}

/** One thing to do, in order. The enforcer batches neighbouring steps for the same interpreter into one write. */
export type Step =
  /** Text for a long-lived interpreter: `nft -i`, `iptables-restore --noflush`, `ip6tables-restore --noflush`, `ipset -`. */
  | {
      readonly kind: "script";
      readonly interpreter: Interpreter;
      readonly text: string;
      readonly ignore?: RegExp;
    }
  /** One program run; `ok` lists exit codes that count as success beside 0; `ignore` matches stderr that means "already so". */
  | {
      readonly kind: "run";
      readonly command: readonly string[];
      readonly stdin?: string;
      readonly env?: Readonly<Record<string, string>>;
      readonly timeoutMs?: number;
      readonly ok?: readonly number[];
      readonly ignore?: RegExp;
      /** True when the ban stands without it (cutting open connections): not waited for, a failure is only logged. */
      readonly extra?: boolean;
      /** What to do with what it printed on standard output: further steps. */
      readonly next?: (answer: string, code: number) => readonly Step[];
    }
  /** A file edited between our own marks, replaced atomically. `edit` is pure. */
  | {
      readonly kind: "edit";
      readonly path: string;
      readonly mode: number;
      readonly edit: (text: string) => string;
    }
  /** An HTTP call; `ok` judges the answer. */
  | {
      readonly kind: "http";
      readonly method: string;
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      /** File whose content goes into the Authorization header as a bearer token; refused when others can read it. */
      readonly tokenfile?: string;
      readonly body?: string;
      readonly ok?: (status: number, body: string) => boolean;
      /** Milliseconds after which to ask the same again, for what is not done yet or not taken now; the enforcer's patience is bounded. */
      readonly again?: (status: number, body: string) => number | undefined;
      /** What to do with the answer: further steps, such as deleting the entries whose ids it told. */
      readonly next?: (body: string) => readonly Step[];
    }
  /** What an answer has shown: bans would be without effect. Ends the steps like a program that failed. */
  | { readonly kind: "fail"; readonly fault: Fault }
  /** Text for people: dry run. */
  | { readonly kind: "say"; readonly text: string };

export type Interpreter = "nft" | "iptables-restore" | "ip6tables-restore" | "ipset";

export interface Listing {
  readonly step: Extract<Step, { kind: "run" | "http" }> | { readonly kind: "read"; readonly path: string };
  /** Reads the answer: what stands, with the time left where it is told. Undefined when our structure itself is missing. */
  read(answer: string, code: number, now: Time): readonly Found[] | undefined;
  /** A second question (the other address family, the other set), whose findings are added. */
  readonly also?: Listing;
  /** The next page, where answers come in pages. */
  more?(answer: string): Listing | undefined;
}

export interface Found {
  readonly target: Target;
  readonly until: Time | "forever" | undefined;
  /** Packets dropped, where it counts. */
  readonly packets?: number;
}

/** Every banaction, by the name one writes in `banaction = "…"`. Adding one: its file and one line here. */
export const banactions: Readonly<Record<string, BanAction>> = lazily({
  nftables: () => (require("./nftables.ts") as typeof import("./nftables.ts")).nftables,
  iptables: () => (require("./iptables.ts") as typeof import("./iptables.ts")).iptables,
  ufw: () => (require("./ufw.ts") as typeof import("./ufw.ts")).ufw,
  firewalld: () => (require("./firewalld.ts") as typeof import("./firewalld.ts")).firewalld,
  shorewall: () => (require("./shorewall.ts") as typeof import("./shorewall.ts")).shorewall,
  route: () => (require("./route.ts") as typeof import("./route.ts")).route,
  "hosts.deny": () => (require("./hosts.deny.ts") as typeof import("./hosts.deny.ts")).hostsDeny,
  pf: () => (require("./pf.ts") as typeof import("./pf.ts")).pf,
  ipfw: () => (require("./ipfw.ts") as typeof import("./ipfw.ts")).ipfw,
  npf: () => (require("./npf.ts") as typeof import("./npf.ts")).npf,
  cloudflare: () => (require("./cloudflare.ts") as typeof import("./cloudflare.ts")).cloudflare,
  command: () => (require("./command.ts") as typeof import("./command.ts")).command,
  print: () => (require("./print.ts") as typeof import("./print.ts")).print,
});
