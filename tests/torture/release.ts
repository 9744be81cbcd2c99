// Promise 15: the release can be checked. Two builds from two copies of the sources in different places have the same hash; every package
// is locked with its hash; none of those that are built in runs a script when it is installed; the list of what is in it is whole.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "../support/lab.ts";
import { blame, nothing, type Part } from "./part.ts";

const root = join(import.meta.dir, "../..");
const hash = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

interface Lock {
  readonly packages: Readonly<
    Record<
      string,
      {
        readonly version?: string;
        readonly integrity?: string;
        readonly hasInstallScript?: boolean;
        readonly dev?: boolean;
        readonly link?: boolean;
      }
    >
  >;
}

export const release: Part = {
  name: "release",
  missing: nothing,
  async run(length) {
    const wrong = blame();
    const scratch = mkdtempSync(join(tmpdir(), "f2b-release-"));
    try {
      const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as Lock;
      const packages = Object.entries(lock.packages).filter(([path]) => path !== "");
      for (const [path, one] of packages) {
        if (one.integrity === undefined) wrong.say(`${path} is locked without a hash`);
        // Bun fetches its own program; a dev dependency, whose other scripts are not run either (--ignore-scripts).
        if (one.hasInstallScript === true && one.dev !== true)
          wrong.say(`${path} is built in and wants to run a script at install`);
      }
      const pkg = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
        readonly scripts: Readonly<Record<string, string>>;
        readonly dependencies: Readonly<Record<string, string>>;
        readonly devDependencies: Readonly<Record<string, string>>;
      };
      for (const [name, version] of Object.entries({ ...pkg.dependencies, ...pkg.devDependencies }))
        if (!/^\d+\.\d+\.\d+$/.test(version)) wrong.say(`${name} is not pinned: ${version}`);
      if (!pkg.scripts.setup?.includes("--ignore-scripts")) wrong.say("setup lets packages run scripts");

      const copies = length === "short" ? 1 : 3;
      const hashes: string[] = [];
      for (let i = 0; i < copies + (length === "short" ? 1 : 0); i++) {
        // The same place twice would hide a path that went in.
        const place = join(scratch, `copy-${"x".repeat(i * 7)}${i}`);
        mkdirSync(place);
        for (const name of [
          "src",
          "jails",
          "package.json",
          "package-lock.json",
          "build.ts",
          "tsconfig.json",
          "bunfig.toml",
          "LICENSE",
        ])
          if (existsSync(join(root, name)))
            cpSync(join(i === 0 ? root : join(scratch, "copy-0"), name), join(place, name), {
              recursive: true,
            });
        symlinkSync(join(root, "node_modules"), join(place, "node_modules"));
        const built = spawnSync(process.execPath, ["build.ts"], {
          cwd: place,
          encoding: "utf8",
          env: {
            ...process.env,
            TZ: i % 2 === 0 ? "UTC" : "Asia/Tokyo",
            LANG: i % 2 === 0 ? "C" : "de_DE.UTF-8",
          },
        });
        const made = join(place, "dist/f2b");
        if (built.status !== 0 || !existsSync(made)) {
          wrong.say(`build ${i} failed: ${built.stderr.slice(0, 300)}`);
          break;
        }
        hashes.push(hash(made));
        if (i === 0) {
          const listed = join(place, "dist/f2b.sbom.json");
          if (!existsSync(listed)) wrong.say("no list of what is built in");
          else checkList(listed, pkg.dependencies, wrong.say);
        }
        rmSync(join(place, "dist"), { recursive: true });
      }
      if (new Set(hashes).size > 1)
        wrong.say(`builds differ: ${hashes.map((one) => one.slice(0, 12)).join(" ")}`);
      hostileDirectory(scratch, wrong.say);
      return [
        {
          promise: "15 the release can be checked",
          tried: `${hashes.length} builds in different places, time zones and languages; ${packages.length} locked packages; a hostile directory`,
          measured: `sha256 ${hashes[0]?.slice(0, 16) ?? "none"}… each time`,
          wrong: wrong.list,
        },
      ];
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  },
};

function checkList(
  path: string,
  wanted: Readonly<Record<string, string>>,
  say: (what: string) => void,
): void {
  const list = JSON.parse(readFileSync(path, "utf8")) as {
    readonly bomFormat: string;
    readonly components: readonly {
      readonly name: string;
      readonly version: string;
      readonly licenses: readonly unknown[];
      readonly hashes?: readonly unknown[];
    }[];
  };
  if (list.bomFormat !== "CycloneDX") say("the list is not CycloneDX");
  for (const [name, version] of Object.entries(wanted))
    if (!list.components.some((one) => one.name === name && one.version === version))
      say(`${name} ${version} is not in the list`);
  for (const one of list.components)
    if (one.licenses.length === 0) say(`${one.name} is listed without a licence`);
}

/** An executable that reads the settings of the directory it is started in would run a stranger's code as root. */
function hostileDirectory(scratch: string, say: (what: string) => void): void {
  if (!existsSync(executable)) return;
  const place = join(scratch, "hostile");
  mkdirSync(place);
  const mark = join(place, "ran");
  writeFileSync(join(place, "evil.ts"), `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "x")\n`);
  writeFileSync(join(place, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
  writeFileSync(join(place, ".env"), "BUN_OPTIONS=--preload ./evil.ts\nF2B_SOCKET=/nowhere\n");
  writeFileSync(join(place, "package.json"), '{"type":"module"}\n');
  writeFileSync(join(place, "tsconfig.json"), "{ not json");
  spawnSync(executable, ["version"], { cwd: place, encoding: "utf8" });
  if (readdirSync(place).includes("ran"))
    say("the executable ran a preload script of the directory it was started in");
}
