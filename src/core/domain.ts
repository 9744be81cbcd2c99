// The nouns of f2b, in the order in which data travels: address → line → filter → failure → jail → ban → decision →
// record. Readonly throughout; kinds are discriminated unions; checked strings are brands that only their parser makes.

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Canonical text of one IP address: dotted quad, or RFC 5952; v4-mapped is folded to v4. Made by `parseAddress` only. */
export type Address = Brand<string, "Address">;
/** Canonical text of a network with host bits zero, such as "192.0.2.0/24". Made by `parsePrefix` only. */
export type Prefix = Brand<string, "Prefix">;
/** What a filter's <F-ID> captured: banned as it is, by banactions that can. */
export type FailureId = Brand<string, "FailureId">;
/** Whom a ban is about. */
export type Target =
  | { readonly kind: "address"; readonly text: Address; readonly family: 4 | 6 }
  | { readonly kind: "prefix"; readonly text: Prefix; readonly family: 4 | 6 }
  | { readonly kind: "id"; readonly text: FailureId };

/** [A-Za-z0-9_.-]{1,64}, checked by config. */
export type JailName = Brand<string, "JailName">;
/** Milliseconds since the epoch, UTC. */
export type Time = number;
export type Seconds = number;
/** A length of time that may never end. */
export type Span = Seconds | "forever";

// ---------------------------------------------------------------------------------------------------------------- lines

/**
 * Where a source stood after a chunk, so that reading can go on there after a restart.
 * `fingerprint` is a hash of up to 64 bytes before `offset`; together with dev and ino it tells a rotated file from a regrown one.
 */
export type Position =
  | {
      readonly kind: "file";
      readonly path: string;
      readonly dev: number;
      readonly ino: number;
      readonly offset: number;
      readonly fingerprint: string;
      /** Earlier rotations of the path that were still being written to when this one had been begun. */
      readonly rest?: readonly FileSpot[];
    }
  | { readonly kind: "journald"; readonly cursor: string; readonly at: Time };

/** A place in one file, whatever its name is by now. */
export interface FileSpot {
  readonly dev: number;
  readonly ino: number;
  readonly offset: number;
  readonly fingerprint: string;
}

/** One record of systemd's journal, already checked to be decoded text. One entry is one record, whatever it holds. */
export interface JournaldEntry {
  readonly message: string;
  readonly identifier: string;
  readonly pid: string | undefined;
  readonly host: string;
  readonly at: Time;
  /** The trusted fields (names beginning with "_"), for rules that must not believe what a client wrote. */
  readonly trusted: Readonly<Record<string, string>>;
  /** Fields that whoever wrote the entry set itself (CONTAINER_NAME, SYSLOG_FACILITY): they mean something beside trusted ones only. */
  readonly claimed?: Readonly<Record<string, string>>;
}

// --------------------------------------------------------------------------------------------------------------- filter

/** How a line's head looks; "auto" tries what there is. Several, joined by "|", are tried in order. See core/logformat.ts. */
export type LineFormat = string;

/** A filter as data: what a jail file's [filter] says after mode and parameters have been applied. */
export interface Filter {
  readonly name: string;
  readonly format: LineFormat;
  /** Anchored expression for the program name in a syslog header; undefined: any. */
  readonly program: string | undefined;
  readonly prefregex: readonly string[];
  readonly failregex: readonly string[];
  readonly ignoreregex: readonly string[];
  readonly datepattern: readonly string[];
  readonly maxlines: number;
  /** Lines of one session tied together; undefined when each line stands alone. */
  readonly session: SessionRule | undefined;
  /** For format "json": the shapes of its records, tried in order. */
  readonly json: readonly JsonShape[] | undefined;
  readonly logencoding: string;
  /** Reason why whoever can write text into this log can forge a record; undefined: cannot. */
  readonly forgeable: string | undefined;
  /** The same for some of several formats only, by format: an access log may be safe where the error log is not. */
  readonly forgeableFormats?: Readonly<Record<string, string>>;
  /** Lines of such a format that match this expression can be forged by nobody: another version or another logger writes them. */
  readonly unforgeable?: string;
  /** True: what can be forged is not to be believed, because nobody has accepted it. See core/filter.ts, withoutForgeable. */
  readonly doubting?: boolean;
  /** Reason why the peer address in this log can be spoofed (connectionless transport); undefined: cannot. */
  readonly spoofable: string | undefined;
  /** True when the expressions come from the user: they are proven safe or run in a process of their own. */
  readonly own: boolean;
}

export interface SessionRule {
  /** Where the key comes from: "pid" of the header, or an expression with one group <F-MLFID>. */
  readonly key: string;
  /** Seconds after which an unfinished session is forgotten. */
  readonly expire: Seconds;
}

/** Dotted paths of the fields of one kind of record. */
export interface JsonShape {
  readonly address: readonly string[];
  readonly user: readonly string[];
  /** What failregex see; none: a record that has what is required is a failure. */
  readonly message: readonly string[];
  readonly time: readonly string[];
  /** Paths of a forwarded-for list; looked at only when `address` is a trusted proxy. */
  readonly forwarded?: readonly string[];
  /** Values that a record must have: path → expressions, of which one must match; each path must have one. */
  readonly require?: Readonly<Record<string, readonly string[]>>;
}

/** One matched attempt. `host` is the address to blame; `target` is what would be banned for it. */
export interface Failure {
  readonly target: Target;
  readonly user?: string;
  readonly users?: readonly string[];
  /** When it counts: arrival while following, the log's own time for backlog. */
  readonly at: Time;
  /** The line as read (latin-1 view already decoded), capped. */
  readonly line: string;
  /** How many attempts this stands for; at least 1. */
  readonly attempts: number;
  /** Index of the failregex in the effective filter. */
  readonly regex: number;
  /** <F-…> captures of one's own, names in lower case. */
  readonly captures?: Readonly<Record<string, string>>;
  /**
   * What the log wrote in the address's place is none (a host name, "192.030.0.6"); `target` is then an id of that text and must
   * never be banned. A scanner gives such failures only to those who ask (`usedns`, `f2b regex`).
   */
  readonly name?: string;
  /** Why a stranger could have written this record: the line has a form of `forgeableFormats`. */
  readonly forgeable?: string;
}

// ----------------------------------------------------------------------------------------------------------------- jail

export interface PortRange {
  readonly from: number;
  readonly to: number;
}
export type Protocol = "tcp" | "udp" | "sctp" | "dccp" | "icmp" | "all";

/** bantime and its increments; `base` is the first ban's length. */
export interface BanTime {
  readonly base: Span;
  readonly increment: boolean;
  readonly factor: number;
  readonly multipliers: readonly number[] | undefined;
  /** Named growth curve used when there are no multipliers. */
  readonly formula: "double" | "exponential" | "linear" | "constant";
  readonly maxtime: Seconds | undefined;
  readonly rndtime: Seconds;
  readonly overalljails: boolean;
}

export interface IgnorePolicy {
  /** Addresses, prefixes, host names, "file:/path"; as written. */
  readonly ignoreip: readonly string[];
  readonly ignoreself: boolean;
  /** Argument list; values reach it as environment and JSON on standard input; exit 0 means ignore. */
  readonly ignorecommand: readonly string[] | undefined;
  readonly ignorecache:
    | { readonly key: string; readonly maxCount: number; readonly maxTime: Seconds }
    | undefined;
}

/** Which prefix of an address failures are counted under, and when the whole prefix is banned. */
export interface PrefixPolicy {
  /** Failures of one IPv4 /count4 resp. IPv6 /count6 add up. 32 and 64 by default. */
  readonly count4: number;
  readonly count6: number;
  /** Steps in order: once `members` distinct targets inside /bits are banned, /bits itself is. */
  readonly ladder: readonly { readonly family: 4 | 6; readonly bits: number; readonly members: number }[];
}

/** Many addresses trying few times each against one service (or one user) are one campaign. */
export interface CampaignPolicy {
  readonly addresses: number;
  readonly failures: number;
  readonly window: Seconds;
  /** maxretry while a campaign lasts. */
  readonly maxretry: number;
  readonly per: "user" | "jail";
}

/** A member of a registry with the options the user gave it: banactions and notifications alike. */
export interface Use {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** A jail with every setting resolved: what the daemon runs. */
export interface Jail {
  readonly name: JailName;
  readonly enabled: boolean;
  readonly summary: string;
  readonly filter: Filter;
  readonly mode: string;
  readonly logpath: readonly string[];
  readonly backend: "auto" | "inotify" | "polling" | "systemd" | "events";
  readonly journalmatch: readonly string[];
  readonly logtimezone: string | undefined;
  readonly usedns: "yes" | "warn" | "no" | "raw";
  readonly maxretry: number;
  readonly findtime: Seconds;
  readonly maxmatches: number;
  readonly bantime: BanTime;
  readonly ignore: IgnorePolicy;
  readonly prefix: PrefixPolicy;
  readonly campaign: CampaignPolicy | undefined;
  /** Proxies that may say in a forwarded-for field who the client was. */
  readonly trustedproxies: readonly string[];
  readonly banaction: readonly Use[];
  readonly notify: readonly string[];
  readonly port: readonly PortRange[] | "all";
  readonly protocol: readonly Protocol[];
  readonly chain: readonly string[];
  readonly blocktype: string;
  readonly acceptForgeable: boolean;
  readonly acceptSpoofable: boolean;
  /** What becomes of standing bans when the jail is removed by a reload. */
  readonly onremove: "keep" | "unban";
}

// ------------------------------------------------------------------------------------------------------------------ ban

export interface Ban {
  readonly jail: JailName;
  readonly target: Target;
  readonly since: Time;
  readonly until: Time | "forever";
  /** 1 for the first ban of this target, and so on; what increments count. */
  readonly nth: number;
  readonly cause: BanCause;
  readonly failures: number;
  /** The last matched lines, capped by maxmatches. */
  readonly lines: readonly string[];
  readonly user?: string;
  /** Reason given by an operator or an importer. */
  readonly note?: string;
}

export type BanCause = "failures" | "operator" | "recidive" | "prefix" | "campaign" | "import";

/** Every outcome carries its reason, so that explain, regex and debug logs can say why nothing happened. */
export type Decision =
  | { readonly kind: "ban"; readonly ban: Ban; readonly folds: readonly Target[]; readonly reason: string }
  | { readonly kind: "unban"; readonly jail: JailName; readonly target: Target; readonly reason: UnbanReason }
  | { readonly kind: "none"; readonly code: NoneCode; readonly reason: string };

/** Why a failure led to no ban: for counters and for `explain`. */
export type NoneCode = "ignored" | "guarded" | "judged" | "banned" | "below" | "stale" | "unbannable";

export type UnbanReason = "expired" | "operator" | "ignored" | "folded" | "removed" | "login";

// -------------------------------------------------------------------------------------------------------------- records

/** Failures of one target inside findtime, oldest first; the exact sliding window. */
export interface WindowSnapshot {
  readonly key: string;
  /** [time, attempts] pairs, oldest first. */
  readonly hits: readonly (readonly [Time, number])[];
  readonly lines: readonly string[];
  readonly user?: string;
}

/**
 * How far into a source a ban has already judged: when lines of that source are read again after a crash, failures of the
 * ban's target at or before this offset (resp. journald time) are known and do not count.
 */
export type Seen = {
  readonly source: string;
  /** Under which the ban's failures were counted (see core/prefixes.ts), where that is not the target itself. */
  readonly key?: string;
} & ({ readonly ino: number; readonly offset: number } | { readonly at: Time });

/** One line of the journal (f2b's own state file). State is the fold of these by `apply` in core/state.ts. */
export type JournalRecord =
  | { readonly t: "ban"; readonly ban: Ban; readonly seen?: Seen }
  | {
      readonly t: "extend";
      readonly jail: JailName;
      readonly target: Target;
      readonly until: Time | "forever";
      readonly at: Time;
    }
  | {
      readonly t: "unban";
      readonly jail: JailName;
      readonly target: Target;
      readonly at: Time;
      readonly reason: UnbanReason;
    }
  | { readonly t: "forget"; readonly target: Target; readonly at: Time }
  | {
      readonly t: "set";
      readonly jail: JailName | "daemon";
      readonly key: string;
      readonly value: unknown;
      readonly at: Time;
    }
  | { readonly t: "checkpoint"; readonly checkpoint: Checkpoint }
  /** The wall clock was set by `delta` ms: what stands moves along and keeps the length it was given. `at` is after the move. */
  | { readonly t: "shift"; readonly delta: number; readonly at: Time }
  /** History that ended before this is forgotten (dbpurgeage). */
  | { readonly t: "purge"; readonly before: Time }
  /** Written by compaction only: what the records that it replaces had come to. */
  | { readonly t: "past"; readonly target: Target; readonly past: Past }
  | {
      readonly t: "seen";
      readonly jail: JailName;
      readonly target: Target;
      readonly at: Time;
      readonly seen: Seen;
    };

/** What is remembered of one target in one jail beside the standing ban. */
export interface Past {
  readonly jail: JailName;
  /** How often it was banned, the standing ban included. */
  readonly bans: number;
  /** The last bans that have ended, oldest first. */
  readonly ended: readonly EndedBan[];
  /** Failures up to this moment were forgiven by an operator. */
  readonly floor?: Time;
}

export interface EndedBan {
  readonly since: Time;
  readonly until: Time | "forever";
  readonly at: Time;
  readonly reason: UnbanReason;
  readonly nth: number;
  readonly cause: BanCause;
  readonly failures: number;
}

export interface Checkpoint {
  readonly at: Time;
  /** The kernel's boot id, so that a clock that was wrong at boot is noticed. */
  readonly boot: string;
  readonly positions: Readonly<Record<string, Position>>;
  readonly windows: Readonly<Record<string, readonly WindowSnapshot[]>>;
  readonly totals: Readonly<Record<string, JailTotals>>;
}

export interface JailTotals {
  readonly failed: number;
  readonly banned: number;
  /** [day as YYYY-MM-DD, failures, bans], last 31 days. */
  readonly days: readonly (readonly [string, number, number])[];
}

// ------------------------------------------------------------------------------------------------------- expected faults

/** An expected failure is a value: what is wrong, why, what to do. One place turns it into text and an exit code. */
export interface Fault {
  readonly what: string;
  readonly why?: string;
  readonly fix?: string;
  readonly at?: Place;
  /** The exit code, where it ends the program with another than the usual one. */
  readonly exit?: number;
}

/** A place in a file, 1-based line and column. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly faults: readonly Fault[] };
