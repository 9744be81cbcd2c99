// Country and network of an address from files in MaxMind's format (GeoLite2, DB-IP, IPinfo, …) on this host: no lookup leaves it.

import type { Response as MmdbResponse, Reader } from "maxmind";
import { visibleLine } from "../core/text.ts";
import type { System } from "../system/index.ts";

export interface Place {
  /** ISO 3166 code. */
  readonly country?: string;
  readonly asn?: number;
  readonly organisation?: string;
}

export interface Places {
  /** What the files know; {} for nothing. Never throws. */
  find(address: string): Place;
}

interface Open {
  readonly path: string;
  reader: Reader<MmdbResponse> | undefined;
  version: string;
  checked: number;
}

const recheckMs = 60_000;

/** Files are read when first asked and read again when replaced (geoipupdate does that weekly); a broken one is said once and left out. */
export function createPlaces(paths: readonly string[], system: System): Places {
  const files: Open[] = paths.map((path) => ({ path, reader: undefined, version: "", checked: -recheckMs }));

  function readerOf(file: Open): Reader<MmdbResponse> | undefined {
    const now = system.clock.monotonic();
    if (now - file.checked < recheckMs) return file.reader;
    file.checked = now;
    const stat = system.files.stat(file.path);
    const version = stat === undefined ? "absent" : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
    if (version === file.version) return file.reader;
    file.version = version;
    try {
      // Half a database while it is being replaced must not take the good one away.
      // Loaded with the first file, for most daemons have none.
      const { Reader: Open } = require("maxmind") as typeof import("maxmind");
      file.reader = new Open<MmdbResponse>(Buffer.from(system.files.readFile(file.path)));
    } catch (error) {
      system.log.say(
        "warning",
        `cannot read ${visibleLine(file.path, 200)}: ${visibleLine((error as Error).message, 160)}`,
      );
    }
    return file.reader;
  }

  return {
    find(address) {
      let place: Place = {};
      for (const file of files) {
        try {
          const record = readerOf(file)?.get(address);
          if (record !== null && record !== undefined) place = { ...placeOf(record as unknown), ...place };
        } catch {
          // A damaged record, or an IPv6 address in a file of IPv4 only: known is what the others know.
        }
      }
      return place;
    },
  };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Publishers lay their records out differently; whatever is not where one of them puts it is not there. */
function placeOf(record: unknown): Place {
  if (!isRecord(record)) return {};
  const nested = [record.country, record.registered_country].filter(isRecord).map((one) => one.iso_code);
  const country = [...nested, record.country_code, record.country].find(
    (one): one is string => typeof one === "string" && /^[A-Z]{2}$/.test(one),
  );
  const traits = isRecord(record.traits) ? record.traits : record;
  const number = traits.autonomous_system_number ?? record.asn;
  const asn = typeof number === "number" ? number : Number(/^AS(\d{1,10})$/.exec(String(number))?.[1]);
  const organisation = [traits.autonomous_system_organization, record.as_name].find(
    (one) => typeof one === "string",
  );
  return {
    ...(country === undefined ? {} : { country }),
    ...(Number.isSafeInteger(asn) ? { asn } : {}),
    ...(organisation === undefined ? {} : { organisation: visibleLine(String(organisation), 120) }),
  };
}
