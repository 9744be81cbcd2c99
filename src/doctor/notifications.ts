// Who is told: what the daemon has seen of deliveries, and whether the other side is there at all.

import type { Facts } from "./facts.ts";
import { finding } from "./finding.ts";
import type { Finding } from "./index.ts";

export function checkNotifications({ notify, config }: Facts): Finding[] {
  return notify.flatMap((one): Finding[] => {
    const who = `[notify.${one.name}]`;
    const place = { at: config.provenance()[`notify.${one.name}.type`]?.at };
    const found: Finding[] = [];
    if (one.state === "failing")
      found.push(finding("F2B801", `${who} fails: ${one.lastError ?? "no reason given"}`, place));
    if (one.dropped > 0) found.push(finding("F2B806", `${who} gave up ${one.dropped} events`, place));
    const { server } = one;
    if (server?.answer === "closed")
      found.push(finding("F2B802", `${who}: ${server.host} does not answer on port ${server.port}`, place));
    if (server?.answer === "unknown name")
      found.push(finding("F2B809", `${who}: ${server.host} does not resolve`, place));
    if (one.program?.present === false)
      found.push(finding("F2B803", `${who}: there is no ${one.program.path}`, place));
    if (one.secretFile !== undefined && one.secretFile.state !== "fine")
      found.push(
        finding(
          "F2B808",
          `${who}: ${one.secretFile.path} ${one.secretFile.state === "absent" ? "is not there" : "is open to everybody"}`,
          {
            ...place,
            fix: one.secretFile.state === "open" ? `chmod 600 ${one.secretFile.path}` : undefined,
            mend:
              one.secretFile.state === "open"
                ? { kind: "mode", path: one.secretFile.path, mode: 0o600 }
                : undefined,
          },
        ),
      );
    return found;
  });
}
