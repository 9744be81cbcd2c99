// Builds the executable.  bun build.ts [--all] [--outdir DIR]
//   (nothing)  dist/f2b for this machine, and dist/f2b.sbom.json: what is built in, with versions, licences and hashes
//   --all      also dist/f2b-<version>-linux-{x64,x64-baseline,arm64,x64-musl,arm64-musl}, each with its SHA-256 in dist/SHA256SUMS
// A Bun executable that was compiled with the default settings reads bunfig.toml and .env of the directory it is started in, and so
// would run a stranger's preload script as root; both are switched off here, and tests/e2e tries it.
// The other platforms' runtimes are packages of the npm registry (`npm pack`), of exactly the version in package-lock.json.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import pkg from "./package.json" with { type: "json" };
import { prepareJails } from "./src/config/prepare.ts";

interface Target {
  readonly name: string;
  readonly bun: string;
  readonly runtime: string;
}

const targets: readonly Target[] = [
  { name: "linux-x64", bun: "bun-linux-x64", runtime: "bun-linux-x64" },
  { name: "linux-x64-baseline", bun: "bun-linux-x64-baseline", runtime: "bun-linux-x64-baseline" },
  { name: "linux-arm64", bun: "bun-linux-arm64", runtime: "bun-linux-aarch64" },
  { name: "linux-x64-musl", bun: "bun-linux-x64-musl", runtime: "bun-linux-x64-musl" },
  { name: "linux-arm64-musl", bun: "bun-linux-arm64-musl", runtime: "bun-linux-aarch64-musl" },
];

const root = import.meta.dir;
const words = process.argv.slice(2);
const outdirAt = words.indexOf("--outdir");
const outdir = outdirAt >= 0 ? (words[outdirAt + 1] ?? "dist") : join(root, "dist");
mkdirSync(outdir, { recursive: true });

const jails = JSON.stringify(prepareJails());

async function build(
  outfile: string,
  target: Target | undefined,
  runtime: string | undefined,
): Promise<void> {
  const result = await Bun.build({
    entrypoints: [join(root, "src/main.ts")],
    minify: { syntax: true, whitespace: true, identifiers: false },
    sourcemap: "none",
    bytecode: target === undefined || target.name === "linux-x64",
    define: { F2B_VERSION: JSON.stringify(pkg.version), F2B_JAILS: jails },
    compile: {
      ...(target === undefined ? {} : { target: target.bun as Bun.Build.CompileTarget }),
      ...(runtime === undefined ? {} : { executablePath: runtime }),
      outfile,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
  });
  if (!result.success) {
    for (const log of result.logs) console.error(String(log));
    process.exit(1);
  }
  chmodSync(outfile, 0o755);
}

/** Unpacks the runtime of another platform into `directory` and returns the path of its bun. */
function fetchRuntime(target: Target, directory: string): string | undefined {
  const packed = spawnSync(
    "npm",
    ["pack", "--silent", `@oven/${target.runtime}@${pkg.devDependencies.bun}`],
    {
      cwd: directory,
      encoding: "utf8",
    },
  );
  const archive = packed.stdout.trim().split("\n").pop();
  if (packed.status !== 0 || archive === undefined || archive === "") return undefined;
  const into = join(directory, target.name);
  mkdirSync(into);
  spawnSync("tar", ["-xzf", join(directory, archive), "-C", into]);
  const bun = join(into, "package/bin/bun");
  return existsSync(bun) ? bun : undefined;
}

/**
 * What is built in, in CycloneDX: each package with its version, its licence and the hash the lock file has for it, and the runtime.
 * No time and no serial number: two builds have the same list.
 */
function listComponents(): string {
  interface Locked {
    readonly version?: string;
    readonly integrity?: string;
    readonly resolved?: string;
    readonly dev?: boolean;
    readonly license?: string;
  }
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, Locked>>;
  };
  const components = Object.entries(lock.packages)
    .filter(([path, one]) => path !== "" && (one.dev !== true || path === "node_modules/bun"))
    .map(([path, one]) => {
      const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
      const own = join(root, path, "package.json");
      const said = existsSync(own)
        ? (JSON.parse(readFileSync(own, "utf8")) as { readonly license?: string }).license
        : undefined;
      const [algorithm = "", digest = ""] = (one.integrity ?? "").split("-", 2);
      const license = said ?? one.license;
      return {
        type: name === "bun" ? "platform" : "library",
        name,
        version: one.version ?? "",
        purl: `pkg:npm/${name.replace("@", "%40")}@${one.version ?? ""}`,
        licenses: license === undefined ? [] : [{ license: { id: license } }],
        hashes:
          digest === ""
            ? []
            : [
                {
                  alg: algorithm.toUpperCase().replace("SHA", "SHA-"),
                  content: Buffer.from(digest, "base64").toString("hex"),
                },
              ],
      };
    })
    .sort((a, b) => (a.purl < b.purl ? -1 : 1));
  const list = {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      component: {
        type: "application",
        name: pkg.name,
        version: pkg.version,
        licenses: [{ license: { id: pkg.license } }],
      },
    },
    components,
  };
  return `${JSON.stringify(list, undefined, 2)}\n`;
}

await build(join(outdir, "f2b"), undefined, undefined);
writeFileSync(join(outdir, "f2b.sbom.json"), listComponents());

if (words.includes("--all")) {
  const scratch = mkdtempSync(join(tmpdir(), "f2b-build-"));
  const sums: string[] = [];
  const missing: string[] = [];
  for (const target of targets) {
    const runtime = fetchRuntime(target, scratch);
    if (runtime === undefined) {
      missing.push(target.name);
      continue;
    }
    const outfile = join(outdir, `f2b-${pkg.version}-${target.name}`);
    await build(outfile, target, runtime);
    sums.push(`${createHash("sha256").update(readFileSync(outfile)).digest("hex")}  ${basename(outfile)}`);
    console.log(`built ${basename(outfile)}`);
  }
  rmSync(scratch, { recursive: true });
  writeFileSync(join(outdir, "SHA256SUMS"), `${sums.join("\n")}\n`);
  if (missing.length > 0) {
    console.error(`not built, no runtime package to be had: ${missing.join(", ")}`);
    process.exit(1);
  }
}
