// How commands print: tables as whole lines.

import { table } from "../core/text.ts";

/** Aligned columns, each row ended by a line feed; nothing for no rows. */
export const rows = (cells: readonly (readonly string[])[]): string =>
  cells.length === 0 ? "" : `${table(cells)}\n`;
