// What the running daemon tells about itself, against a truth that the test wrote into its log: numbers, explanations, events, the live
// view in a real terminal, and a report that needs nothing but itself. User names are hostile throughout.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ableTo,
  configure,
  executable,
  type Lab,
  labMissing,
  openLab,
  type RunningDaemon,
  startDaemon,
  until,
} from "../support/lab.ts";

const able = ableTo(labMissing(["nft", "tmux", "curl"]), "reports of the running daemon");

const hostile = "<img src=x onerror=alert(1)>\x1b[2J\u202e";
const line = (address: string, user = hostile): string =>
  `${new Date().toISOString().slice(0, 19)}+00:00 web1 sshd[812]: Failed password for ${user} from ${address} port 4022 ssh2\n`;
const probe = "192.0.2.99";
/** Eight of one network and one of IPv6 are banned with three failures each; one has failed twice. */
const offenders = [...Array.from({ length: 8 }, (_, n) => `203.0.113.${n + 1}`), "2001:db8::7"];
const failures = offenders.length * 3 + 2;

describe.skipIf(!able)("what the daemon tells", () => {
  let lab: Lab;
  let daemon: RunningDaemon;
  let log: string;
  let events: string;
  let config: string;
  beforeAll(async () => {
    lab = openLab(0);
    log = join(lab.directory, "auth.log");
    events = join(lab.directory, "events");
    writeFileSync(log, "");
    const files = configure(
      lab,
      `[defaults]\nbanaction = "nftables"\nfindtime = "1h"\nbantime = "1h"\nbackend = "inotify"\n[jails.sshd]\nenabled = true\nlogpath = ["${log}"]\nmaxretry = 3\n[jails.waits]\nenabled = true\nfilter = "sshd"\nlogpath = ["/nonexistent/auth.log"]\n`,
    );
    config = files.config;
    daemon = await startDaemon(lab, files);
    lab.server.start(["sh", "-c", `exec ${executable} events --json -s ${daemon.socket} > ${events}`]);
    // There is no way to ask who listens: something that happens is told or is not.
    await until("somebody listens", () => {
      daemon.f2b("ban", "sshd", probe);
      daemon.f2b("unban", probe);
      return readFileSync(events, "utf8").includes(probe);
    });
    for (const address of offenders) appendFileSync(log, line(address).repeat(3));
    appendFileSync(log, line("192.0.2.1").repeat(2));
    await until("all lines are judged", () => json<Stats>("stats").total.failed.total === failures);
  }, 60_000);
  afterAll(async () => {
    await daemon?.kill("SIGTERM");
    lab?.close();
  });

  interface Stats {
    readonly jails: readonly {
      readonly name: string;
      readonly state: string;
      readonly banned: { now: number };
    }[];
    readonly total: { readonly failed: { total: number; today: number }; readonly banned: { now: number } };
    readonly addresses: readonly { readonly target: string; readonly bans: number }[];
    readonly networks: readonly { readonly network: string; readonly addresses: number }[];
  }
  function json<T>(...words: string[]): T {
    return JSON.parse(daemon.f2b(...words, "--json").stdout) as T;
  }
  const fetched = (path: string): string =>
    lab.server.run(["curl", "-sS", "--unix-socket", daemon.socket, `http://f2b${path}`]).stdout;
  /** Nothing that a terminal obeys or hides. */
  const harmless = (text: string): void => {
    expect([...text].filter((c) => c !== "\n" && /\p{Cc}|\p{Cf}/u.test(c))).toEqual([]);
  };

  test("stats: the numbers are those of the log", () => {
    const stats = json<Stats>("stats");
    expect(stats.total).toMatchObject({ failed: { total: failures }, banned: { now: offenders.length } });
    expect(stats.jails.map(({ name, state, banned }) => [name, state, banned.now])).toEqual([
      ["sshd", "running", offenders.length],
      ["waits", "waiting", 0],
    ]);
    const listed = stats.addresses.map(({ target }) => target);
    for (const address of offenders) expect(listed).toContain(address);
    expect(listed).not.toContain("192.0.2.1");
    expect(stats.networks[0]).toMatchObject({ network: "203.0.113.0/24", addresses: 8 });
    const shown = daemon.f2b("stats").stdout;
    expect(shown).toContain("\\x1b[2J");
    harmless(shown);
  });

  test("report: the text is harmless, the HTML needs nothing from elsewhere and takes no name for markup", () => {
    harmless(daemon.f2b("report").stdout);
    const html = daemon.f2b("report", "--format", "html").stdout;
    expect(html).toStartWith("<!doctype html>");
    expect(html.trimEnd()).toEndWith("</html>");
    expect(html).not.toMatch(/<(?:script|link|iframe|object|embed|img|base|form)\b/i);
    // Outside of tags stand names that strangers chose.
    const markup = `${html.match(/<[^>]*>/g)?.join("")}${/<style>(.*?)<\/style>/s.exec(html)?.[1]}`;
    expect(markup).not.toMatch(/\b(?:src|href|action|srcset|on\w+)\s*=|@import|url\(|https?:\/\//i);
    expect(html).toContain("&#60;img src");
    expect(html).not.toContain("<img");
    for (const address of offenders) expect(html).toContain(address);
    harmless(html);
  });

  test("metrics: every line is in Prometheus' form, every sample of a family that was declared, the values are true", () => {
    const text = fetched("/metrics");
    expect(text).toEndWith("\n");
    const declared = new Set<string>();
    for (const one of text.trimEnd().split("\n")) {
      const family = /^# (?:HELP (\w+) .+|TYPE (\w+) (?:gauge|counter))$/.exec(one);
      if (family !== null) {
        declared.add(family[1] ?? family[2] ?? "");
        continue;
      }
      const sample = /^(\w+)(?:\{\w+="[^"\n]*"(?:,\w+="[^"\n]*")*\})? -?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/.exec(
        one,
      );
      expect(`${one}: ${sample !== null && declared.has(sample[1] ?? "")}`).toBe(`${one}: true`);
    }
    expect(text).toContain(`f2b_jail_banned_current{jail="sshd"} ${offenders.length}\n`);
    expect(text).toContain(`f2b_jail_failed_total{jail="sshd"} ${failures}\n`);
    expect(text).toContain('f2b_jail_state{jail="waits",state="waiting"} 1\n');
  });

  test("explain: what is banned by which lines, and why what is not is not", () => {
    const banned = json<{ jails: { jail: string; ban?: { failures: number; lines: string[] } }[] }>(
      "explain",
      offenders[0] ?? "",
    );
    expect(banned.jails[0]).toMatchObject({ jail: "sshd", ban: { failures: 3 } });
    expect(banned.jails[0]?.ban?.lines).toHaveLength(3);
    const asked = daemon.f2b("explain", "192.0.2.1", "--json");
    expect(asked.code).toBe(1);
    expect(JSON.parse(asked.stdout)).toMatchObject({
      jails: [{ jail: "sshd", why: "2 of 3 failures within 1h" }, { jail: "waits" }],
    });
    for (const address of [offenders[0] ?? "", "192.0.2.1"]) harmless(daemon.f2b("explain", address).stdout);
  });

  test("events: each failure and each ban once, as JSON a line, in their order", () => {
    const told = readFileSync(events, "utf8")
      .trimEnd()
      .split("\n")
      .map(
        (one) =>
          JSON.parse(one) as { kind: string; target?: string; jail: string; at: string; user?: string },
      )
      .filter(({ target }) => target !== probe);
    expect(told.filter(({ kind }) => kind === "failure")).toHaveLength(failures);
    expect(told.filter(({ kind }) => kind === "ban").map(({ target }) => target ?? "")).toEqual(offenders);
    expect(told.filter(({ target }) => target === offenders[0]).map(({ kind }) => kind)).toEqual([
      "failure",
      "failure",
      "failure",
      "ban",
    ]);
    expect(told.every(({ at, jail }) => Number.isFinite(Date.parse(at)) && jail === "sshd")).toBe(true);
  });

  for (const [columns, lines] of [
    [80, 24],
    [200, 50],
  ] as const) {
    test(`top: in a terminal of ${columns}×${lines} it fits, shows what happens, and q ends it`, async () => {
      const server = ["tmux", "-L", `f2b-${process.pid}-${columns}`, "-f", "/dev/null"];
      const env = { TERM: "xterm-256color", LANG: "C.UTF-8", TMUX_TMPDIR: lab.directory };
      const tmux = (...words: string[]) => lab.server.run([...server, ...words], { env });
      const screen = (): string[] =>
        tmux("capture-pane", "-p", "-t", "t").stdout.replace(/\n$/, "").split("\n");
      const command = `${executable} top -s ${daemon.socket} -c ${config}`;
      expect(tmux("new-session", "-d", "-s", "t", "-x", `${columns}`, "-y", `${lines}`, command).code).toBe(
        0,
      );
      try {
        await until("it is drawn", () => screen().some((one) => one.startsWith("q quit")));
        const newcomer = `198.51.100.${columns}`;
        appendFileSync(log, line(newcomer).repeat(3));
        await until("the ban is on the screen", () => screen().join("\n").includes(`Ban ${newcomer}`));
        const drawn = screen();
        expect(drawn[0]).toMatch(/^f2b .*2 jails .*banned .*nftables/);
        expect(drawn).toHaveLength(lines);
        // Nothing wrapped: the last line is where it belongs, with the keys.
        expect(drawn.findLastIndex((one) => one.startsWith("q quit"))).toBeGreaterThanOrEqual(lines - 2);
        expect(drawn.filter((one) => one.startsWith("sshd "))).toHaveLength(1);
        harmless(drawn.join("\n"));
        tmux("send-keys", "-t", "t", "q");
        await until("it has ended", () => tmux("has-session", "-t", "t").code !== 0);
      } finally {
        tmux("kill-server");
      }
    }, 30_000);
  }

  test("top --once prints one screen without a terminal", () => {
    const ran = daemon.f2b("top", "--once");
    expect(ran.code).toBe(0);
    expect(ran.stdout.trimEnd().split("\n").length).toBeLessThanOrEqual(24);
    expect(ran.stdout).toMatch(/^sshd +running/m);
    expect(ran.stdout).toMatch(/^waits +waiting/m);
    harmless(ran.stdout);
  });

  test("healthz: exit code 0 while all is well, 1 with the reason when a firewall is not there, 69 without a daemon", async () => {
    expect(daemon.f2b("healthz")).toMatchObject({ code: 0, stdout: "healthy\n" });
    expect(JSON.parse(fetched("/healthz"))).toEqual({ healthy: true, problems: [] });
    const good = readFileSync(config, "utf8");
    writeFileSync(
      config,
      `${good}[jails.odd]\nenabled = true\nlogpath = ["${log}"]\nbanaction = "shorewall"\nfilter = "sshd"\n`,
    );
    expect(daemon.f2b("reload").code).toBe(0);
    daemon.f2b("ban", "odd", probe);
    await until("it is noticed", () => daemon.f2b("healthz").code === 1);
    expect(daemon.f2b("healthz").stdout).toContain("odd");
    expect(json<{ healthy: boolean }>("healthz").healthy).toBe(false);
    // A ban of a removed jail would go on standing, and with it what is wrong.
    daemon.f2b("unban", probe, "--jail", "odd");
    writeFileSync(config, good);
    expect(daemon.f2b("reload").code).toBe(0);
    await until("all is well again", () => daemon.f2b("healthz").code === 0);
    expect(lab.server.run([executable, "healthz", "-s", "/nonexistent/f2b.sock"]).code).toBe(69);
  }, 30_000);
});
