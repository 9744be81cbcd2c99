// What works on this machine: each firewall is tried with a scratch object that is made and taken away again, because a program
// that is installed says nothing of rights, kernel modules or containers. `banaction = "auto"` takes the best that works.

/** What probing asks of the machine: as much of system's Programs as it needs. */
export interface ProbingSystem {
  readonly programs: {
    find(name: string): string | undefined;
    run(
      command: readonly string[],
      options?: { readonly stdin?: string; readonly timeoutMs?: number },
    ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
  };
}

export interface Probe {
  readonly name: "nftables" | "iptables";
  readonly works: boolean;
  /** As the program tells it; undefined where it is not there. */
  readonly version: string | undefined;
  /** Why it does not work. */
  readonly why: string | undefined;
}

export interface Choice {
  readonly name: "nftables" | "iptables" | "print";
  readonly reason: string;
}

type Probing = (system: ProbingSystem) => Promise<Probe>;

const timeoutMs = 10_000;
const firstLine = (text: string): string => (text.trim().split("\n")[0] ?? "").slice(0, 200);

/** One transaction that makes a table like ours and takes it away: nothing of it is ever seen, and it fails where ours would. */
const scratch = [
  "add table inet f2b-try",
  "add set inet f2b-try a { type ipv4_addr; flags timeout; }",
  "add set inet f2b-try b { type ipv6_addr; flags timeout; }",
  "add counter inet f2b-try c",
  "add chain inet f2b-try d { type filter hook prerouting priority -310; policy accept; }",
  "add rule inet f2b-try d meta l4proto { tcp, udp } th dport { 1, 2-3 } ip saddr @a counter name c drop",
  "add rule inet f2b-try d ip6 saddr & ffff:ffff:ffff:ffff:: @b drop",
  "add element inet f2b-try a { 192.0.2.1 timeout 10s }",
  "delete table inet f2b-try",
].join("\n");

const tryNftables: Probing = async ({ programs }) => {
  const base = { name: "nftables" as const, works: false, version: undefined };
  if (programs.find("nft") === undefined) return { ...base, why: "nft is not installed" };
  const [said, tried] = await Promise.all([
    programs.run(["nft", "--version"], { timeoutMs }),
    programs.run(["nft", "-f", "-"], { stdin: `${scratch}\n`, timeoutMs }),
  ]);
  const version = firstLine(said.stdout);
  return {
    ...base,
    version,
    works: tried.code === 0,
    why: tried.code === 0 ? undefined : firstLine(tried.stderr),
  };
};

const tryIptables: Probing = async ({ programs }) => {
  const base = { name: "iptables" as const, works: false, version: undefined };
  for (const name of ["iptables", "ip6tables"])
    if (programs.find(name) === undefined) return { ...base, why: `${name} is not installed` };
  const version = firstLine((await programs.run(["iptables", "--version"], { timeoutMs })).stdout);
  const made = await programs.run(["iptables", "-w", "5", "-N", "f2b-try"], { timeoutMs });
  const gone = await programs.run(["iptables", "-w", "5", "-X", "f2b-try"], { timeoutMs });
  const works = gone.code === 0;
  return { ...base, version, works, why: works ? undefined : firstLine(made.stderr || gone.stderr) };
};

/** Best first. */
const probings: readonly Probing[] = [tryNftables, tryIptables];

/** Tries each of them; some ten milliseconds. */
export const probeFirewalls = (system: ProbingSystem): Promise<Probe[]> =>
  Promise.all(probings.map((probing) => probing(system)));

/** The best that works; "print" with the reasons when none does. Later ones are not tried when an earlier one works. */
export async function chooseBanaction(system: ProbingSystem): Promise<Choice> {
  const reasons: string[] = [];
  for (const probing of probings) {
    const { name, works, version, why } = await probing(system);
    if (works) return { name, reason: `${version ?? name} works here` };
    reasons.push(`${name}: ${why ?? "does not work"}`);
  }
  return { name: "print", reason: `no firewall works here (${reasons.join("; ")})` };
}
