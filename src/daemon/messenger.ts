// The queue between what happens and who is told. post() returns at once, whatever the other side does: each notification has a lane
// of its own with a bounded queue, groups what comes together, keeps to its rate, retries with back-off, and gives up in the end.
// The queue lives in memory: what a crash takes with it is a message, never a ban.

import type { Fault, JailName, Result, Time } from "../core/domain.ts";
import { endOfDayPart, nextRun } from "../core/schedule.ts";
import { plural, visibleLine } from "../core/text.ts";
import type { Enricher } from "../notify/enrich.ts";
import { Failure } from "../notify/failure.ts";
import { type Event, type Message, type Notifier, notifiers, type Want } from "../notify/index.ts";
import { lets, type NotifyUse, withhold } from "../notify/rules.ts";
import { isProblem } from "../notify/text.ts";
import type { System } from "../system/index.ts";

/** What a reload may change. */
export interface Told {
  readonly uses: readonly NotifyUse[];
  /** Names of the notifications a jail asks for; undefined: all that let it through. */
  readonly wanted?: (jail: JailName) => readonly string[] | undefined;
  readonly enricher?: Enricher;
}

export interface MessengerSetup extends Told {
  readonly system: System;
  /** Name of this host, as messages call it. */
  readonly host: string;
  /** Time zone for quiet hours and digests of those that name none. */
  readonly timezone?: string;
  /** 0 ≤ x < 1, for jitter. */
  readonly random?: () => number;
  readonly known?: Readonly<Record<string, Notifier>>;
}

export interface Messenger {
  /**
   * Takes the event and returns; `to` names notifications (by name or type) regardless of their rules, for reports. Only for what
   * has just been decided: bans restored from the journal are old news and must not come here.
   */
  post(event: Event, to?: readonly string[]): void;
  status(): readonly NotifierStatus[];
  /** Sends a test message past queue and rules; for reporters to third parties only tries access. */
  test(name: string): Promise<Result<string>>;
  /** Takes over a new configuration: lanes that did not change keep their queue. */
  configure(told: Told): void;
  /** Sends what is left, held or not, for at most `limitMs`; resolves to the number of events that were not delivered. */
  stop(limitMs: number): Promise<number>;
}

export interface NotifierStatus {
  readonly name: string;
  readonly type: string;
  readonly state: "idle" | "collecting" | "sending" | "failing" | "off";
  /** Events waiting, those held for a digest or the end of quiet hours included. */
  readonly queued: number;
  readonly messages: number;
  readonly events: number;
  /** Events given up or pushed out of the full queue. */
  readonly dropped: number;
  /** Failed attempts since the last success. */
  readonly failures: number;
  readonly lastError?: string;
  readonly lastSent?: Time;
  readonly nextTry?: Time;
}

const limits = {
  /** Events kept waiting, for people resp. machines. */
  queue: { people: 1000, machines: 10_000 },
  /** Events handed over at once. */
  batch: { people: 1000, machines: 100 },
  /** One delivery, lookups not included; a notifier has limits of its own below this. */
  sendMs: 120_000,
  backoffMs: 2_000,
  backoffMostMs: 900_000,
  retryAfterMostMs: 3_600_000,
  groupMostMs: 900_000,
  giveUpMs: 86_400_000,
  /** Bans of one message that are looked up. */
  enriched: 20,
} as const;

const usualRate = { people: { count: 30, seconds: 3600 }, machines: undefined } as const;
const usualGroupSeconds = { people: 10, machines: 0 } as const;

export function createMessenger(setup: MessengerSetup): Messenger {
  const { system } = setup;
  const known = setup.known ?? notifiers;
  const random = setup.random ?? Math.random;
  /** Asked only where there is somebody to tell: what knows the zones takes ten milliseconds to wake up. */
  const timezone = (): string => setup.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  // Part of every message's id, and of nothing else: a log line that holds it was caused by a message of ours.
  const mark = Buffer.from(crypto.getRandomValues(new Uint8Array(9))).toString("hex");
  let serial = 0;
  let { wanted, enricher } = setup;
  let stopping = false;
  let lanes = new Map<string, Lane>();

  interface Queued {
    readonly event: Event;
    /** Not before this (wall clock), for digests and quiet hours. */
    readonly hold: Time | undefined;
  }

  interface Lane {
    readonly use: NotifyUse;
    readonly post: (event: Event) => void;
    readonly status: () => NotifierStatus;
    readonly flush: () => Promise<void>;
    readonly close: () => void;
    readonly left: () => number;
  }

  function openLane(use: NotifyUse): Lane {
    const notifier = known[use.type]!;
    const { audience } = notifier;
    const { rules } = use;
    const wants = notifier.wants?.(use.options) ?? [];
    const withLines = rules.lines ?? wants.includes("lines");
    const rate = rules.rate ?? defaultRate(notifier);
    const groupMs = (rules.group ?? usualGroupSeconds[audience]) * 1000;
    const giveUpMs = (rules.give_up ?? limits.giveUpMs / 1000) * 1000;
    const zone = rules.timezone ?? timezone();

    let queue: Queued[] = [];
    let omitted = 0;
    let sending: Promise<void> | undefined;
    let inFlight = 0;
    let cancel: (() => void) | undefined;
    /** When the armed timer fires. */
    let armedAt = Number.POSITIVE_INFINITY;
    let closed = false;
    // Monotonic times.
    let windowEnds = Number.NEGATIVE_INFINITY;
    let window = groupMs;
    let retryAt = Number.NEGATIVE_INFINITY;
    let failingSince: number | undefined;
    // Problems have an allowance of their own: a storm of bans must not silence "the firewall is gone".
    const ordinary = createBucket(rate);
    const urgent = createBucket(rate);
    const count = { messages: 0, events: 0, dropped: 0, failures: 0 };
    let attempted: { readonly id: string; readonly events: readonly Event[] } | undefined;
    let lastError: string | undefined;
    let lastSent: Time | undefined;

    function createBucket(limit: { readonly count: number; readonly seconds: number } | undefined) {
      let tokens = limit?.count ?? 0;
      let at = system.clock.monotonic();
      const refill = (): void => {
        if (limit === undefined) return;
        const now = system.clock.monotonic();
        tokens = Math.min(limit.count, tokens + ((now - at) / 1000) * (limit.count / limit.seconds));
        at = now;
      };
      return {
        /** Milliseconds until there is one; 0 when there is. */
        wait(): number {
          if (limit === undefined) return 0;
          refill();
          return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) * limit.seconds * 1000) / limit.count);
        },
        take(): void {
          if (limit === undefined) return;
          refill();
          tokens = Math.max(0, tokens - 1);
        },
      };
    }

    // Both rules change their answer only with the minute, and asking the calendar for each event of a storm costs.
    let held: { readonly minute: number; readonly until: Time | undefined } | undefined;

    function hold(event: Event): Time | undefined {
      if (isProblem(event) || event.kind === "report") return undefined;
      const now = system.clock.now();
      const minute = Math.floor(now / 60_000);
      if (held?.minute !== minute) held = { minute, until: holdFrom(now) };
      return held.until;
    }

    function holdFrom(now: Time): Time | undefined {
      if (rules.digest !== undefined) return nextRun(rules.digest, now, zone);
      return rules.quiet === undefined ? undefined : endOfDayPart(rules.quiet, now, zone);
    }

    function push(queued: Queued): void {
      queue.push(queued);
      if (queue.length > limits.queue[audience]) {
        // The oldest that is no problem goes first.
        const victim = queue.findIndex((one) => !isProblem(one.event));
        queue.splice(Math.max(0, victim), 1);
        omitted++;
        count.dropped++;
      }
    }

    function post(event: Event): void {
      const queued = { event: withhold(rules, withLines, event), hold: hold(event) };
      push(queued);
      // In a storm nearly every event finds a timer that is early enough; looking through the queue for each would be quadratic.
      if (cancel === undefined || system.clock.monotonic() + waitOf(queued) < armedAt) arm();
    }

    /** Milliseconds until this one may be sent, failures apart. */
    function waitOf({ event, hold: until }: Queued): number {
      const problem = isProblem(event);
      const held = until === undefined ? 0 : Math.max(0, until - system.clock.now());
      const alone = problem || event.kind === "report";
      const grouped = alone ? 0 : Math.max(0, windowEnds - system.clock.monotonic());
      return Math.max(held, grouped, (alone ? urgent : ordinary).wait());
    }

    /** Milliseconds until something may be sent; undefined when nothing waits. */
    function due(): number | undefined {
      if (queue.length === 0) return undefined;
      let earliest = Number.POSITIVE_INFINITY;
      for (const queued of queue) {
        earliest = Math.min(earliest, waitOf(queued));
        if (earliest === 0) break;
      }
      return Math.max(earliest, retryAt - system.clock.monotonic(), 0);
    }

    function arm(): void {
      cancel?.();
      cancel = undefined;
      armedAt = Number.POSITIVE_INFINITY;
      if (closed || sending !== undefined) return;
      const wait = due();
      if (wait === undefined) return;
      armedAt = system.clock.monotonic() + wait;
      cancel = system.clock.after(wait, begin);
    }

    function begin(): void {
      cancel = undefined;
      if (closed || sending !== undefined) return;
      if (due() !== 0) {
        arm();
        return;
      }
      sending = deliver(false).finally(() => {
        sending = undefined;
        arm();
      });
    }

    /** Takes what may go now off the queue; a report goes alone. */
    function take(all: boolean): Event[] {
      const ready = (one: Queued): boolean => all || waitOf(one) === 0;
      const first = queue.find(ready);
      if (first === undefined) return [];
      if (first.event.kind === "report") {
        queue = queue.filter((one) => one !== first);
        return [first.event];
      }
      const taken: Event[] = [];
      const rest: Queued[] = [];
      for (const one of queue) {
        if (taken.length < limits.batch[audience] && one.event.kind !== "report" && ready(one))
          taken.push(one.event);
        else rest.push(one);
      }
      queue = rest;
      return taken;
    }

    async function deliver(all: boolean): Promise<void> {
      const events = take(all);
      if (events.length === 0) return;
      const missed = omitted;
      omitted = 0;
      const alone = events.every((event) => isProblem(event) || event.kind === "report");
      if (!all) (alone ? urgent : ordinary).take();
      inFlight = events.length;
      // The very same message again keeps its id, by which the other side may know it.
      const isSame =
        attempted?.events.length === events.length && events.every((one, i) => one === attempted?.events[i]);
      const id = isSame && attempted !== undefined ? attempted.id : `f2b.${mark}.${++serial}`;
      attempted = { id, events };
      try {
        const enriched = await enrich(events, wants);
        await limited(
          notifier.send({ id, host: setup.host, events: enriched, omitted: missed }, use.options, system),
        );
        if (count.failures > 0)
          system.log.say(
            "notice",
            `notify ${use.name}: delivering again after ${plural(count.failures, "failed attempt")}`,
          );
        count.messages++;
        count.events += events.length;
        count.failures = 0;
        attempted = undefined;
        failingSince = undefined;
        lastError = undefined;
        lastSent = system.clock.now();
        if (!alone) nextWindow();
      } catch (error) {
        omitted += missed;
        afterFailure(error, events);
      } finally {
        inFlight = 0;
      }
    }

    // While events keep coming in before a window is over, the next one is twice as long: a storm, and a loop in which our own
    // message causes the next ban, both get slower and slower.
    function nextWindow(): void {
      const now = system.clock.monotonic();
      window =
        now - windowEnds < window ? Math.min(window * 2, Math.max(groupMs, limits.groupMostMs)) : groupMs;
      windowEnds = now + window;
    }

    function afterFailure(error: unknown, events: readonly Event[]): void {
      const failure = error instanceof Failure ? error : undefined;
      const now = system.clock.monotonic();
      // A bug's message may hold anything; a Failure's is safe by contract.
      const text =
        failure?.message ?? `unexpected ${error instanceof Error ? error.name : "error"} in ${use.type}`;
      if (failure === undefined)
        system.log.say(
          "error",
          `notify ${use.name}: ${visibleLine(String((error as Error).message ?? error), 300)}`,
        );
      const left = events.slice(failure?.delivered ?? 0);
      count.events += events.length - left.length;
      count.failures++;
      lastError = visibleLine(text, 400);
      failingSince ??= now;
      const dropped = failure?.permanent === true || now - failingSince >= giveUpMs;
      if (count.failures === 1 || dropped)
        system.log.say(
          "warning",
          `notify ${use.name}: ${lastError}${dropped ? `; ${plural(left.length, "event")} dropped` : ""}`,
        );
      if (dropped) {
        count.dropped += left.length;
        omitted += left.length;
        if (failure?.permanent !== true) failingSince = now;
      } else {
        // Back to the front, so that order is kept; the oldest go when the queue is full.
        const room = Math.max(0, limits.queue[audience] - queue.length);
        const kept = room === 0 ? [] : left.slice(-room);
        count.dropped += left.length - kept.length;
        omitted += left.length - kept.length;
        queue = [...kept.map((event) => ({ event, hold: undefined })), ...queue];
      }
      const backoff = Math.min(
        limits.backoffMs * 2 ** Math.min(count.failures - 1, 20),
        limits.backoffMostMs,
      );
      const asked = Math.min(failure?.retryAfterMs ?? 0, limits.retryAfterMostMs);
      retryAt = now + Math.max(asked, backoff * (0.75 + random() / 2));
    }

    /** Sends everything, whatever rules and windows say; one attempt. */
    async function flush(): Promise<void> {
      cancel?.();
      cancel = undefined;
      closed = true;
      await sending;
      const failures = count.failures;
      while (queue.length > 0 && count.failures === failures) await deliver(true);
    }

    return {
      use,
      post,
      flush,
      left: () => queue.length + inFlight,
      close() {
        closed = true;
        cancel?.();
        cancel = undefined;
      },
      status: () => ({
        name: use.name,
        type: use.type,
        state: !rules.enabled
          ? "off"
          : count.failures > 0
            ? "failing"
            : sending !== undefined
              ? "sending"
              : queue.length > 0
                ? "collecting"
                : "idle",
        queued: queue.length + inFlight,
        ...count,
        ...(lastError === undefined ? {} : { lastError }),
        ...(lastSent === undefined ? {} : { lastSent }),
        ...(count.failures > 0 && queue.length > 0
          ? { nextTry: system.clock.now() + Math.max(0, retryAt - system.clock.monotonic()) }
          : {}),
      }),
    };
  }

  async function enrich(events: readonly Event[], wants: readonly Want[]): Promise<Event[]> {
    const asked = enricher;
    if (asked === undefined) return [...events];
    let budget: number = limits.enriched;
    return Promise.all(
      events.map(async (event) => {
        if (event.kind !== "ban" || budget-- <= 0) return event;
        const found = await asked.look(event.ban.target, wants);
        return Object.keys(found).length === 0
          ? event
          : { ...event, enrichment: { ...found, ...event.enrichment } };
      }),
    );
  }

  /** A notifier that never settles is left behind; its lane goes on. */
  function limited(work: Promise<void>): Promise<void> {
    return new Promise((fulfil, reject) => {
      const cancel = system.clock.after(limits.sendMs, () =>
        reject(new Failure(`no end within ${limits.sendMs / 1000} s`)),
      );
      work.then(
        () => {
          cancel();
          fulfil();
        },
        (error: unknown) => {
          cancel();
          reject(error);
        },
      );
    });
  }

  /** True for bans nobody is to be told of: imported ones, and what our own messages caused (their id stands in the log). */
  function isEcho(event: Event): boolean {
    if (event.kind !== "ban") return false;
    const { ban } = event;
    return ban.cause === "import" || ban.lines.some((line) => line.includes(mark));
  }

  const addressed = (use: NotifyUse, to: readonly string[]): boolean =>
    to.includes(use.name) || to.includes(use.type);

  const messenger: Messenger = {
    post(event, to) {
      if (stopping || isEcho(event)) return;
      const jail = event.kind === "ban" ? event.ban.jail : "jail" in event ? event.jail : undefined;
      const names = jail === undefined ? undefined : wanted?.(jail);
      for (const lane of lanes.values()) {
        const { use } = lane;
        if (!use.rules.enabled) continue;
        const goes =
          to === undefined
            ? (names === undefined || names.includes(use.name)) && lets(use.rules, known[use.type]!, event)
            : addressed(use, to);
        if (goes) lane.post(event);
      }
    },
    status: () => [...lanes.values()].map((lane) => lane.status()),
    async test(name) {
      const lane = lanes.get(name);
      if (lane === undefined) {
        const names = [...lanes.keys()];
        return failed({
          what: `there is no notification "${visibleLine(name, 64)}"`,
          fix:
            names.length === 0
              ? "Add a [notify.NAME] table to the configuration."
              : `There are ${names.join(", ")}.`,
        });
      }
      const notifier = known[lane.use.type]!;
      try {
        if (notifier.probe !== undefined) await limited(notifier.probe(lane.use.options, system));
        else await limited(notifier.send(testMessage(), lane.use.options, system));
      } catch (error) {
        const why =
          error instanceof Failure
            ? error.message
            : visibleLine(String((error as Error).message ?? error), 300);
        return failed({ what: `the test of notify.${name} (${lane.use.type}) failed`, why });
      }
      return {
        ok: true,
        value:
          notifier.probe === undefined ? "a test message was accepted" : "access works; nobody was reported",
      };
    },
    configure(told) {
      wanted = told.wanted;
      enricher = told.enricher;
      const before = lanes;
      lanes = new Map(
        told.uses.map((use) => {
          const old = before.get(use.name);
          return [use.name, old !== undefined && same(old.use, use) ? old : openLane(use)];
        }),
      );
      for (const [name, lane] of before)
        if (lanes.get(name) !== lane) {
          // What it still holds goes out by the old settings.
          lane.close();
          if (lane.left() > 0 && lane.use.rules.enabled) void lane.flush();
        }
    },
    async stop(limitMs) {
      stopping = true;
      const all = [...lanes.values()];
      await new Promise<void>((fulfil) => {
        const cancel = system.clock.after(limitMs, fulfil);
        void Promise.all(all.map((lane) => lane.flush())).then(() => {
          cancel();
          fulfil();
        });
      });
      return all.reduce((sum, lane) => sum + lane.left(), 0);
    },
  };

  function testMessage(): Message {
    const at = system.clock.now();
    const text = "This is a test message: notifications from here reach you.";
    return {
      id: `f2b.${mark}.${++serial}`,
      host: setup.host,
      events: [{ kind: "health", at, text, recovered: true }],
      omitted: 0,
    };
  }

  messenger.configure(setup);
  return messenger;
}

function defaultRate(notifier: Notifier): { readonly count: number; readonly seconds: number } | undefined {
  const found = /^(\d+)\/(\d+)h$/.exec(notifier.rate ?? "");
  return found === null
    ? usualRate[notifier.audience]
    : { count: Number(found[1]), seconds: Number(found[2]) * 3600 };
}

const same = (a: NotifyUse, b: NotifyUse): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);

const failed = (fault: Fault): Result<never> => ({ ok: false, faults: [fault] });
