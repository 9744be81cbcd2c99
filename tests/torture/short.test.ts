// The short form of the torture: every part once, in seconds. `npm run torture` does the same at length.

import { describe, expect, test } from "bun:test";
import { ableTo } from "../support/lab.ts";
import { parts } from "./parts.ts";

describe("the promises hold, tried shortly", () => {
  for (const part of parts) {
    const able = ableTo(part.missing(), `torture: ${part.name}`);
    test.skipIf(!able)(
      part.name,
      async () => {
        const rows = await part.run("short");
        expect(rows.flatMap((row) => row.wrong.map((wrong) => `${row.promise}: ${wrong}`))).toEqual([]);
        expect(rows.length).toBeGreaterThan(0);
      },
      120_000,
    );
  }
});
