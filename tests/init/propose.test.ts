import { describe, expect, test } from "bun:test";
import { nothingPresent, propose, unprotected } from "../../src/init/index.ts";
import { withEvidence } from "../../src/init/propose.ts";
import { address, facts, service } from "./facts.ts";

const of = (...services: ReturnType<typeof service>[]) => propose(facts({ services }));
const only = (one: ReturnType<typeof service>) => of(one).jails[0];

describe("which jails are chosen", () => {
  test("a service that runs and whose log is found", () => {
    expect(only(service("sshd"))).toMatchObject({ jail: "sshd", chosen: true, hold: undefined, lines: [] });
  });

  test("none whose log strangers can forge or fill: it is not even offered, but named with the reason", () => {
    const proposal = of(service("sshd"), service("nginx-mail", { unsafe: "strangers can forge its log: X" }));
    expect(proposal.jails.map((one) => one.jail)).toEqual(["sshd"]);
    expect(proposal.refused).toEqual([{ jail: "nginx-mail", reason: "strangers can forge its log: X" }]);
  });

  test("one that the jail file leaves to the user is offered, with the reason", () => {
    expect(only(service("squid", { optional: "users meet it" }))).toMatchObject({
      chosen: false,
      hold: "users meet it",
    });
  });

  test("one of an application of which only the web server was seen is offered", () => {
    const jail = only(service("wordpress", { guestOf: "nginx" }));
    expect(jail?.chosen).toBe(false);
    expect(jail?.hold).toContain("only nginx was seen");
  });

  test("and chosen, once the logs show it; what the jail file leaves to the user is not", () => {
    const proposal = of(
      service("sshd"),
      service("wordpress", { guestOf: "nginx" }),
      service("php-url-fopen", { guestOf: "nginx", optional: "honest visitors meet it" }),
      service("drupal", { guestOf: "nginx" }),
    );
    const after = withEvidence(
      proposal,
      new Map([
        ["wordpress", 12],
        ["php-url-fopen", 3],
        ["drupal", 0],
      ]),
    );
    expect(after.jails.map((one) => [one.jail, one.chosen])).toEqual([
      ["sshd", true],
      ["wordpress", true],
      ["php-url-fopen", false],
      ["drupal", false],
    ]);
    expect(after.jails[1]?.seen).toContain("12 failures in the last days' logs");
  });

  test("one without a log is offered and says what the service needs", () => {
    const jail = only(service("traefik-auth", { logs: [], needs: "an access log" }));
    expect(jail).toMatchObject({ chosen: false });
    expect(jail?.hold).toMatch(/^no log of it was found.*; it needs an access log$/);
    const needless = only(service("sshd", { logs: [], needs: "nothing: INFO says enough" }));
    expect(needless?.hold).toEndWith("is a syslog daemon or systemd's journal running?");
  });

  test("one in a container is offered, with docker's log where there is one", () => {
    const container = { program: "vaultwarden", log: "/var/lib/docker/containers/x/x-json.log" };
    const jail = only(service("vaultwarden", { running: [], logs: [], container }));
    expect(jail?.chosen).toBe(false);
    expect(jail?.lines).toMatchObject([
      { key: "logpath", value: ["/var/lib/docker/containers/*/*-json.log"] },
    ]);
    const mute = only(
      service("vaultwarden", { running: [], logs: [], container: { ...container, log: undefined } }),
    );
    expect(mute?.hold).toContain("not on this machine");
  });

  test("one that listens to f2b's own bans, but only beside others", () => {
    const recidive = service("recidive", { running: [], logs: [], events: true });
    expect(of(recidive).jails).toEqual([]);
    expect(of(service("sshd"), recidive).jails.map((one) => [one.jail, one.chosen])).toEqual([
      ["sshd", true],
      ["recidive", true],
    ]);
  });
});

describe("what is written beside enabled", () => {
  test("ports on which the service listens as well", () => {
    expect(only(service("sshd", { otherPorts: [2222] }))?.lines).toEqual([
      { key: "port", value: ["ssh", 2222], reason: "It listens on 2222 as well." },
    ]);
  });

  test("logs that it holds open elsewhere are added to the usual places", () => {
    const jail = only(service("nginx-http-auth", { logs: [], elsewhere: ["/srv/www/access.log"] }));
    expect(jail?.chosen).toBe(true);
    expect(jail?.lines).toMatchObject([
      { key: "logpath", value: ["/var/log/nginx-http-auth.log", "/srv/www/access.log"] },
    ]);
  });

  test("journald, where the file is no longer written", () => {
    expect(only(service("sshd", { journald: 1_700_000_100_000 }))?.lines).toMatchObject([
      { key: "backend", value: "systemd" },
    ]);
    expect(only(service("sshd", { journald: 1_699_999_000_000 }))?.lines).toEqual([]);
    // With no file at all the daemon finds the journal by itself.
    expect(only(service("sshd", { logs: [], journald: 1_700_000_100_000 }))).toMatchObject({
      chosen: true,
      lines: [],
    });
  });

  test("the firewall that works, and why the others do not matter", () => {
    const [line] = propose(
      facts({
        firewall: {
          choice: "nftables",
          reason: "nft works",
          others: ["ufw is active"],
          forwarding: ["DOCKER-USER"],
        },
        published: [{ port: 8096, protocol: "tcp", to: "172.17.0.2:8096" }],
      }),
    ).defaults;
    expect(line).toMatchObject({ key: "banaction", value: "nftables" });
    expect(line?.reason).toBe(
      "nft works; ufw is active. Bans stand in a table of their own, looked at before theirs and before containers' published ports (8096).",
    );
  });

  test("with iptables alone, the chain that containers' packets pass", () => {
    const firewall = {
      choice: "iptables",
      reason: "iptables works",
      others: [],
      forwarding: ["DOCKER-USER"],
    };
    expect(propose(facts({ firewall })).defaults).toMatchObject([
      { key: "banaction", value: "iptables" },
      { key: "chain", value: ["INPUT", "DOCKER-USER"] },
      { key: "bantime" },
    ]);
  });

  test("no firewall works: it is left to the daemon and said", () => {
    const firewall = {
      choice: "print",
      reason: "no firewall works here (nft is not installed)",
      others: [],
      forwarding: [],
    };
    const [line] = propose(facts({ firewall })).defaults;
    expect(line).toMatchObject({ key: "banaction", value: "auto" });
    expect(line?.reason).toContain("nft is not installed");
    expect(propose(facts({ firewall, root: false })).defaults[0]?.reason).toContain("only root can try");
  });
});

describe("an existing configuration", () => {
  test("keeps what it says of jails, switched on or off, and of defaults", () => {
    const present = { ...nothingPresent, jails: new Set(["sshd"]), defaults: new Set(["bantime"]) };
    const proposal = propose(facts(), present);
    expect(proposal.jails.map((one) => one.jail)).toEqual(["nginx-http-auth"]);
    expect(proposal.defaults.map((line) => line.key)).toEqual(["banaction"]);
  });

  test("an address that it ignores already is not offered again", () => {
    const own = [address("203.0.113.77"), address("2001:db8::7")];
    expect(unprotected(own, [address("203.0.113.77")])).toEqual([address("2001:db8::7")]);
  });
});
