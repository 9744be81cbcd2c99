import { describe, expect, test } from "bun:test";
import { readsAsOption } from "../../src/core/arguments.ts";

describe("a value in an argument list", () => {
  test("that begins with a dash would be an option where it begins a word", () => {
    for (const value of ["-h", "--help", "-oProxyCommand=x", "-"]) {
      expect(readsAsOption(["/bin/lock", "{ip}"], value)).toBe(true);
      expect(readsAsOption(["/bin/lock", "{ip}-x", "--"], value)).toBe(true);
    }
  });
  test("is none behind the end of the options, inside a word, or where it is not asked for", () => {
    for (const words of [["/bin/lock", "--", "{ip}"], ["/bin/lock", "--user={ip}"], ["/bin/lock"]])
      expect(readsAsOption(words, "--help")).toBe(false);
  });
  test("that begins otherwise is none", () => {
    for (const value of ["192.0.2.1", "2001:db8::1", "a-b", "", "x -h"])
      expect(readsAsOption(["/bin/lock", "{ip}"], value)).toBe(false);
  });
});
