// The configuration's [notify.NAME] and [enrichment] as the messenger wants them, at start and after each reload.

import type { Config } from "../config/index.ts";
import { createEnricher } from "../notify/enrich.ts";
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
    enricher: createEnricher(config.enrichment, system),
  };
}
