import { describe, expect, test } from "bun:test";
import type { Tree } from "../../src/migrate/layers.ts";
import { changedByPacman, changedByRpm, verifiedFiles } from "../../src/migrate/packaged.ts";
import { contentHash, createStockJudge } from "../../src/migrate/stock.ts";
import type { Programs, RunResult } from "../../src/system/index.ts";

const tree = (files: Readonly<Record<string, string>>): Tree => ({
  read: (path) => files[path],
  list: () => [],
});

describe("is a file as it was shipped?", () => {
  test("comments and blank lines do not matter, text does", () => {
    expect(contentHash("# a\n[x]\n\ny = 1  \n")).toBe(contentHash("[x]\ny = 1\n# b\n"));
    expect(contentHash("[x]\ny = 1\n")).not.toBe(contentHash("[x]\ny = 2\n"));
  });

  test("dpkg's checksum of a configuration file is believed, an overlay never", () => {
    const text = "[Definition]\nfailregex = ^x <HOST>$\n";
    const sum = new Bun.CryptoHasher("md5").update(text).digest("hex");
    const path = "/etc/fail2ban/filter.d/sshd.conf";
    const files = {
      [path]: text,
      "/etc/fail2ban/filter.d/sshd.local": text,
      "/var/lib/dpkg/status": `Package: bash\nConffiles:\n /etc/x 0\n\nPackage: fail2ban\nStatus: install ok installed\nConffiles:\n ${path} ${sum}\n\nPackage: zsh\n`,
    };
    expect(createStockJudge(tree(files), "/etc/fail2ban").unchanged([path])).toBe(true);
    expect(
      createStockJudge(tree({ ...files, [path]: `${text}maxlines = 2\n` }), "/etc/fail2ban").unchanged([
        path,
      ]),
    ).toBe(false);
    expect(
      createStockJudge(tree(files), "/etc/fail2ban").unchanged([path, "/etc/fail2ban/filter.d/sshd.local"]),
    ).toBe(false);
  });

  test("by name alone, when asked so; a name fail2ban does not ship is the user's all the same", () => {
    const judge = createStockJudge(tree({ "d/filter.d/sshd.conf": "x", "d/filter.d/mine.conf": "x" }), "d", {
      byName: true,
    });
    expect(judge.unchanged(["d/filter.d/sshd.conf"])).toBe(true);
    expect(judge.unchanged(["d/filter.d/mine.conf"])).toBe(false);
  });

  test("rpm and pacman name what was changed", () => {
    expect([
      ...changedByRpm("S.5....T.  c /etc/a.conf\n.......T.  c /etc/b.conf\nmissing   c /etc/c.conf\n"),
    ]).toEqual(["/etc/a.conf", "/etc/c.conf"]);
    expect([
      ...changedByPacman(
        "Backup Files    : MODIFIED\t/etc/a.conf\n  UNMODIFIED /etc/b.conf\n/etc/c.conf [modified]\n",
      ),
    ]).toEqual(["/etc/a.conf", "/etc/c.conf"]);
  });

  test("files of the package that rpm does not complain of are vouched for", async () => {
    const answers: Readonly<Record<string, string>> = {
      "-qlf": "/etc/fail2ban\n/etc/fail2ban/jail.conf\n/etc/fail2ban/filter.d/sshd.conf\n/usr/bin/x\n",
      "-Vf": "S.5....T.  c /etc/fail2ban/jail.conf\n",
    };
    const programs: Programs = {
      find: (name) => (name === "rpm" ? "/usr/bin/rpm" : undefined),
      run: async (command): Promise<RunResult> => ({
        code: 0,
        stdout: answers[command[1]!] ?? "",
        stderr: "",
        timedOut: false,
      }),
      start: () => {
        throw new Error("nothing is started");
      },
    };
    expect([...(await verifiedFiles({ programs }, "/etc/fail2ban"))]).toEqual([
      "/etc/fail2ban/filter.d/sshd.conf",
    ]);
  });
});
