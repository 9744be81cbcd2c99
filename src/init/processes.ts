// What runs here, from /proc (proc(5)): names, the network it belongs to, the sockets it listens on, the logs it holds open. Processes of
// other network namespaces count only when a container runtime keeps them.

import type { System } from "../system/index.ts";

export interface Process {
  readonly pid: number;
  /** Names by which people know it: comm, the executable's, the script's of an interpreter. */
  readonly names: readonly string[];
  readonly exe: string | undefined;
  readonly words: readonly string[];
  readonly container: Container | undefined;
  /** Inodes of its sockets. */
  readonly sockets: readonly string[];
  /** Regular files it has open for appending or writing. */
  readonly writes: readonly string[];
}

export interface Container {
  /** 64 hexadecimal digits where the runtime is docker, podman or containerd; else the control group's last name. */
  readonly id: string;
}

const interpreters = /^(?:python[\d.]*|node|java|dotnet|ruby[\d.]*|perl|php[\d.]*|bun|mono)$/;

export function processes(system: System): readonly Process[] {
  const { files } = system;
  const quietly = <T>(look: () => T): T | undefined => {
    try {
      return look();
    } catch {
      return undefined; // gone meanwhile, a kernel thread, or not for our eyes
    }
  };
  const read = (path: string): string =>
    quietly(() => Buffer.from(files.readFile(path)).toString("latin1")) ?? "";
  const network = quietly(() => files.readlink("/proc/self/ns/net"));

  return (quietly(() => files.readdir("/proc")) ?? []).flatMap((entry): Process[] => {
    if (!/^\d+$/.test(entry)) return [];
    const at = `/proc/${entry}`;
    const words = read(`${at}/cmdline`)
      .split("\0")
      .filter((word) => word !== "");
    if (words.length === 0) return [];
    const container = containerOf(read(`${at}/cgroup`));
    const elsewhere = quietly(() => files.readlink(`${at}/ns/net`)) ?? network;
    if (container === undefined && elsewhere !== network) return [];
    const exe = quietly(() => files.readlink(`${at}/exe`))?.replace(/ \(deleted\)$/, "");
    const sockets: string[] = [];
    const writes = new Set<string>();
    for (const fd of quietly(() => files.readdir(`${at}/fd`)) ?? []) {
      const to = quietly(() => files.readlink(`${at}/fd/${fd}`)) ?? "";
      const socket = /^socket:\[(\d+)\]$/.exec(to)?.[1];
      if (socket !== undefined) sockets.push(socket);
      // O_WRONLY or O_RDWR in the octal flags of fdinfo.
      else if (/^\/(?!dev\/|proc\/|sys\/|memfd:)/.test(to) && /log/i.test(to))
        if (/^flags:\s*0*[0-7]*[12]$/m.test(read(`${at}/fdinfo/${fd}`))) writes.add(to);
    }
    return [
      {
        pid: Number(entry),
        names: namesOf(read(`${at}/comm`).trim(), exe, words),
        exe,
        words,
        container,
        sockets,
        writes: [...writes],
      },
    ];
  });
}

const base = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** "nginx: worker process" is nginx, "python3 /srv/hass/bin/hass" is hass as well, "dotnet Jellyfin.dll" Jellyfin. */
export function namesOf(comm: string, exe: string | undefined, words: readonly string[]): readonly string[] {
  const first = base((words[0] ?? "").split(":")[0]?.split(" ")[0] ?? "");
  const names = [comm, exe === undefined ? "" : base(exe), first];
  if (interpreters.test(first)) {
    const script = words.slice(1).find((word) => !word.startsWith("-"));
    if (script !== undefined) names.push(base(script).replace(/\.(?:py|js|mjs|jar|dll|rb|pl|exe)$/, ""));
    const module = words.indexOf("-m");
    if (module > 0) names.push(words[module + 1] ?? "");
  }
  return [...new Set(names.filter((name) => name !== ""))];
}

/** cgroups(7): container runtimes put a container's processes below a group that has its name. */
export function containerOf(cgroup: string): Container | undefined {
  for (const line of cgroup.split("\n")) {
    const path = line.split(":").slice(2).join(":");
    const id = /(?:docker|libpod|crio|cri-containerd|containerd|kubepods)[^\n]*?([0-9a-f]{64})/.exec(
      path,
    )?.[1];
    if (id !== undefined) return { id };
    const machine = /\/(?:lxc(?:\.payload)?[./]|machine\.slice\/machine-)([^/]+)/.exec(path)?.[1];
    if (machine !== undefined) return { id: machine };
  }
  return undefined;
}
