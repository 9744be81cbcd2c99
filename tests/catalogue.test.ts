import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { withTable } from "./catalogue.ts";

test("the table in jails/README.md is what the files say (bun tests/catalogue.ts writes it)", () => {
  const text = readFileSync(join(import.meta.dir, "../jails/README.md"), "utf8");
  expect(text).toBe(withTable(text));
});
