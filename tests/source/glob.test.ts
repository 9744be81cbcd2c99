import { describe, expect, test } from "bun:test";
import { directoriesOf, findFiles, mayMatter, parsePattern } from "../../src/source/glob.ts";
import { fakeSystem } from "../support/system.ts";

const files = Object.fromEntries(
  [
    "/var/log/auth.log",
    "/var/log/auth.log.1",
    "/var/log/auth.log.2.gz",
    "/var/log/.hidden.log",
    "/var/log/a[1].log",
    "/var/log/a{1,2}.log",
    "/var/www/one/logs/access.log",
    "/var/www/two/logs/access.log",
    "/var/www/two/logs/error.log",
    "/var/www/.three/logs/access.log",
  ].map((path) => [path, ""]),
);

function found(...patterns: string[]): string[] {
  return findFiles(fakeSystem({ files }), patterns).map(({ path }) => path);
}

describe("paths and globs", () => {
  test("a plain path is itself, when it is there", () => {
    expect(found("/var/log/auth.log", "/var/log/secure")).toEqual(["/var/log/auth.log"]);
  });
  test("a star stays within its directory and leaves dotted and compressed files alone", () => {
    expect(found("/var/log/auth*")).toEqual(["/var/log/auth.log", "/var/log/auth.log.1"]);
    expect(found("/var/log/*hidden*")).toEqual([]);
    expect(found("/var/log/.h*")).toEqual(["/var/log/.hidden.log"]);
    expect(found("/var/*/access.log")).toEqual([]);
  });
  test("directories may be globs", () => {
    expect(found("/var/www/*/logs/access.log")).toEqual([
      "/var/www/one/logs/access.log",
      "/var/www/two/logs/access.log",
    ]);
  });
  test("braces, classes and question marks", () => {
    expect(found("/var/www/{one,two}/logs/{access,error}.log").length).toBe(3);
    expect(found("/var/log/auth.log.[0-9]")).toEqual(["/var/log/auth.log.1"]);
    expect(found("/var/log/auth.log.[!0-9]")).toEqual([]);
    expect(found("/var/log/auth.lo?")).toEqual(["/var/log/auth.log"]);
  });
  test("a backslash takes the meaning away", () => {
    expect(found("/var/log/a\\[1].log")).toEqual(["/var/log/a[1].log"]);
    expect(found("/var/log/a\\{1,2}.log")).toEqual(["/var/log/a{1,2}.log"]);
  });
  test("one file that answers two patterns is found once, with both", () => {
    expect(findFiles(fakeSystem({ files }), ["/var/log/auth.log", "/var/log/auth.lo[g]"])).toEqual([
      { path: "/var/log/auth.log", patterns: ["/var/log/auth.log", "/var/log/auth.lo[g]"] },
    ]);
  });
  test("the directories to watch are those in which more may appear", () => {
    const watched = (pattern: string) =>
      [...directoriesOf(fakeSystem({ files }), [parsePattern(pattern)])].sort();
    expect(watched("/var/log/auth.log")).toEqual(["/var/log"]);
    expect(watched("/var/log/new/auth.log")).toEqual(["/var/log"]);
    expect(watched("/var/www/*/logs/*.log")).toEqual([
      "/var/www",
      "/var/www/one",
      "/var/www/one/logs",
      "/var/www/two",
      "/var/www/two/logs",
    ]);
  });
  test("an event matters when the path may answer a pattern or lead to one that does", () => {
    const patterns = [parsePattern("/var/www/*/logs/*.log")];
    expect(mayMatter(patterns, "/var/www/new")).toBe(true);
    expect(mayMatter(patterns, "/var/www/new/logs/x.log")).toBe(true);
    expect(mayMatter(patterns, "/var/www/new/tmp")).toBe(false);
  });
});
