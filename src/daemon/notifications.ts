// The configuration's [notify.NAME] and [enrichment] as the messenger wants them, at start and after each reload.

import type { Config } from "../config/index.ts";
import type { Enricher } from "../notify/enrich.ts";
import type { System } from "../system/index.ts";
import type { Told } from "./messenger.ts";

export function notificationsOf(config: Config, system: System): Told {
  const names = new Map(config.jails.map((jail) => [jail.name, jail.notify]));
  return {
    uses: Object.values(config.notify),
    // A jail that names none is told of by all that let it through.
    wanted: (jail) => {
      const own = names.get(jail) ?? [];
      return own.length === 0 ? undefined : own;
    },
    ...(Object.keys(config.notify).length === 0 ? {} : { enricher: enricherOf(config, system) }),
  };
}

/** Loaded where somebody is told something: it knows of DNS, RDAP and whois, and a start without messages need not. */
function enricherOf(config: Config, system: System): Enricher {
  const { createEnricher } = require("../notify/enrich.ts") as typeof import("../notify/enrich.ts");
  return createEnricher(config.enrichment, system);
}
