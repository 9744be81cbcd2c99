// What happens, as it happens, for those who listen: `f2b events`, `f2b top`. A listener that does not keep up loses the oldest
// events and is told how many; the daemon never waits for one.

export interface DaemonEvent {
  readonly at: string;
  readonly kind: "failure" | "ban" | "unban" | "source" | "enforcement" | "jail" | "health" | "campaign";
  readonly jail?: string;
  readonly target?: string;
  readonly text: string;
  readonly [more: string]: unknown;
}

const queueLimit = 10_000;
/** So many of the last events are shown to who comes later; failures are too many for that. */
const recentLimit = 50;

export interface Events {
  readonly listening: boolean;
  tell(event: DaemonEvent): void;
  /** One JSON object a line, from now on, until the signal aborts; with `recent` the last ones before, failures left out. */
  listen(signal: AbortSignal, recent?: boolean): AsyncIterable<string>;
}

export function createEvents(): Events {
  const listeners = new Set<(event: DaemonEvent) => void>();
  const last: DaemonEvent[] = [];
  return {
    get listening() {
      return listeners.size > 0;
    },
    tell(event) {
      if (event.kind !== "failure") {
        last.push(event);
        if (last.length > recentLimit) last.shift();
      }
      for (const listener of listeners) listener(event);
    },
    async *listen(signal, recent = false) {
      const queue: DaemonEvent[] = recent ? [...last] : [];
      let lost = 0;
      let wake: (() => void) | undefined;
      const listener = (event: DaemonEvent): void => {
        queue.push(event);
        if (queue.length > queueLimit) {
          queue.shift();
          lost++;
        }
        wake?.();
      };
      const stop = (): void => wake?.();
      listeners.add(listener);
      signal.addEventListener("abort", stop);
      try {
        while (!signal.aborted) {
          if (queue.length === 0) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
            wake = undefined;
            continue;
          }
          const batch = queue.splice(0, 500).map((event) => JSON.stringify(event));
          if (lost > 0)
            batch.push(
              JSON.stringify({
                kind: "health",
                text: `${lost} events were lost: the listener is too slow`,
                lost,
              }),
            );
          lost = 0;
          yield `${batch.join("\n")}\n`;
        }
      } finally {
        listeners.delete(listener);
        signal.removeEventListener("abort", stop);
      }
    },
  };
}
