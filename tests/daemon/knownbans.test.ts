// Who is known to be shut out: as kept, until the state changes or the number is another address's.

import { expect, test } from "bun:test";
import { numbersAtOnce } from "../../src/core/blame.ts";
import { KnownBans } from "../../src/daemon/knownbans.ts";

test("knows what was kept under a number, while the state is the same", () => {
  const known = new KnownBans();
  expect(known.due(0, 0)).toBeNaN();
  for (const number of [0, 3, 5000, numbersAtOnce - 1]) known.keep(number, 7, number + 0.5);
  for (const number of [0, 3, 5000, numbersAtOnce - 1]) expect(known.due(number, 7)).toBe(number + 0.5);
  expect(known.due(1, 7)).toBeNaN();
  expect(known.due(3, 8)).toBeNaN();
  known.keep(3, 8, Number.POSITIVE_INFINITY);
  expect(known.due(3, 8)).toBe(Number.POSITIVE_INFINITY);
});

test("takes no number for another one, and none at all for a number", () => {
  const known = new KnownBans();
  known.keep(3, 7, 1);
  expect(known.due(3 + numbersAtOnce, 7)).toBeNaN();
  known.keep(3 + numbersAtOnce, 7, 2);
  expect(known.due(3, 7)).toBeNaN();
  known.keep(-1, 7, 3);
  expect(known.due(-1, 7)).toBeNaN();
});
