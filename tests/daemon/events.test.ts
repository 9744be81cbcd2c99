// What is told to those who listen, and to those who come later.

import { expect, test } from "bun:test";
import { createEvents, type DaemonEvent } from "../../src/daemon/events.ts";

const event = (kind: DaemonEvent["kind"], text: string): DaemonEvent => ({
  at: "2026-03-02T10:15:09.000Z",
  kind,
  text,
});

async function first(stream: AsyncIterable<string>): Promise<string[]> {
  for await (const lines of stream)
    return lines
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as DaemonEvent).text);
  return [];
}

test("who comes later is shown the last events before, without failures, when he asks for them", async () => {
  const events = createEvents();
  for (let i = 0; i < 60; i++) events.tell(event("ban", `ban ${i}`));
  events.tell(event("failure", "failure"));
  const shown = await first(events.listen(new AbortController().signal, true));
  expect(shown).toHaveLength(50);
  expect([shown[0], shown.at(-1)]).toEqual(["ban 10", "ban 59"]);
});

test("who does not ask hears from now on only", async () => {
  const events = createEvents();
  events.tell(event("ban", "before"));
  const heard = first(events.listen(new AbortController().signal));
  await Promise.resolve();
  events.tell(event("failure", "after"));
  expect(await heard).toEqual(["after"]);
  expect(events.listening).toBe(false);
});
