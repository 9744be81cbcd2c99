import { describe, expect, test } from "bun:test";
import { parseIni, rawText } from "../../src/migrate/ini.ts";
import { getOption, readLayers, type Tree } from "../../src/migrate/layers.ts";

const get = (text: string, option: string, section = "a"): string | undefined => {
  const value = parseIni(text, "x.conf").sections.get(section)?.get(option);
  return value === undefined ? undefined : rawText(value);
};

describe("the INI dialect", () => {
  test("values go on in deeper lines, comments inside vanish, blank lines stay", () => {
    expect(get("[a]\nx = 1\n  2\n# no\n\n  3 ; gone\ny: z\n", "x")).toBe("1\n2\n\n3");
    expect(get("[a]\nx = 1\n  2\n# no\n\n  3 ; gone\ny: z\n", "y")).toBe("z");
  });
  test("# behind a value is part of it, a semicolon behind a blank is not", () => {
    expect(get("[a]\nx = 1 # one\n", "x")).toBe("1 # one");
    expect(get("[a]\nx = 1 ; one\n", "x")).toBe("1");
    expect(get("[a]\nx = 1;one\n", "x")).toBe("1;one");
  });
  test("names of options lose their case, sections keep it; carriage returns do not matter", () => {
    expect(get("[A]\r\nFoo = 1\r\n", "foo", "A")).toBe("1");
  });
  test("options of a conditional section carry the condition", () => {
    expect(get("[Init?family=inet6]\nx = 6\n", "x?family=inet6", "Init")).toBe("6");
  });
  test("each line knows its place", () => {
    const value = parseIni("[a]\nx = 1\n    2\n", "x.conf").sections.get("a")!.get("x")!;
    expect(value.lines.map((line) => [line.at.line, line.at.column])).toEqual([
      [2, 5],
      [3, 5],
    ]);
  });
  test("what fail2ban refuses is a fault with its place, and the rest is read", () => {
    const file = parseIni("lost\n[a]\nx = 1\nx = 2\nnonsense\n[a]\ny = 3\n", "x.conf");
    expect(file.faults.map((fault) => fault.at?.line)).toEqual([1, 4, 5, 6]);
    expect(rawText(file.sections.get("a")!.get("y")!)).toBe("3");
  });
});

describe("layers and interpolation", () => {
  const tree = (files: Readonly<Record<string, string>>): Tree => ({
    read: (path) => files[path],
    list: () => [],
  });
  const value = (
    files: Readonly<Record<string, string>>,
    paths: readonly string[],
    section: string,
    option: string,
  ) => {
    const faults: { what: string; line: number | undefined }[] = [];
    const raw: import("../../src/core/domain.ts").Fault[] = [];
    const layers = readLayers(tree(files), paths, {});
    const text = getOption({ layers, predefined: { fail2ban_version: "9" } }, section, option, raw)?.text;
    for (const fault of raw) faults.push({ what: fault.what, line: fault.at?.line });
    return { text, faults };
  };

  test("includes come before and after, each with its .local, and loops end", () => {
    const files = {
      "d/a.conf": "[INCLUDES]\nbefore = b.conf\nafter = c.conf\n[s]\nx = a\ny = a\n",
      "d/b.conf": "[INCLUDES]\nbefore = a.conf\n[s]\nx = b\nz = b\n",
      "d/b.local": "[s]\nz = blocal\n",
      "d/c.conf": "[s]\ny = c\n",
    };
    expect(value(files, ["d/a.conf"], "s", "x").text).toBe("a");
    expect(value(files, ["d/a.conf"], "s", "y").text).toBe("c");
    expect(value(files, ["d/a.conf"], "s", "z").text).toBe("blocal");
  });
  test("known/ is what stood before, layer by layer", () => {
    const files = { a: "[s]\nx = 1\n", b: "[s]\nx = %(known/x)s 2\n", c: "[s]\nx = %(known/x)s 3\n" };
    expect(value(files, ["a", "b", "c"], "s", "x")).toEqual({ text: "1 2 3", faults: [] });
  });
  test("known/ falls back to [DEFAULT]; other sections and the section's name are reached", () => {
    const files = {
      a: "[DEFAULT]\nx = d\n[o]\nq = %(__name__)s\n[s]\nx = %(known/x)s %(o/q)s %(default/x)s %(fail2ban_version)s %%\n",
    };
    expect(value(files, ["a"], "s", "x")).toEqual({ text: "d o d 9 %", faults: [] });
  });
  test("a stray % and a name set nowhere are faults with their line; circles end", () => {
    const files = { a: "[s]\nx = 50% of\n  %(nothing)s\ny = %(z)s\nz = %(y)s\n" };
    expect(value(files, ["a"], "s", "x").faults.map((fault) => fault.line)).toEqual([2, 3]);
    expect(value(files, ["a"], "s", "y").faults.length).toBe(1);
  });
});
